#include "fs/send/gate.h"

#include <errno.h>

static const struct {
	bool text; /* a text may become it, as far as its mode says so */
	const char *why;
} places[] = {
	[PLACE_ROOT] = { false, "comes from the platform and cannot be replaced" },
	[PLACE_COLLECTION] = { false, "comes from the platform and cannot be replaced" },
	[PLACE_RESOURCE_DIR] = { false, "comes from the platform and cannot be replaced" },
	[PLACE_PARTS] = { false, "comes from the platform and cannot be replaced" },
	[PLACE_RESOURCE] = { true, NULL },
	[PLACE_LEAF] = { true, "comes from the platform and cannot be replaced" },
	[PLACE_PART] = { true, "comes from the platform and cannot be replaced" },
	[PLACE_IMAGES] = { false, "comes from the platform and cannot be replaced" },
	[PLACE_REPOSITORY] = { false, "comes from the platform and cannot be replaced" },
	[PLACE_IMAGE] = { true, "comes from the platform and cannot be replaced" },
	[PLACE_CONTROL_DIR] = { false, "is of the mount itself and cannot be replaced" },
	[PLACE_CONTROL] = { false, "is of the mount itself and cannot be replaced" },
	[PLACE_SCRATCH] = { false, "is a name that is never sent" },
	[PLACE_SCRATCH_DIR] = { false, "is a directory of the mount itself" },
	[PLACE_LINK] = { false, "is a symbolic link of the mount itself" },
};
_Static_assert(array_len(places) == PLACE_LINK + 1, "every place has its row");

static bool is_writable(const struct identity *what)
{
	if (what->place == PLACE_LEAF)
		return what->leaf->mode & 0222;
	if (what->place == PLACE_PART)
		return what->part->update;
	return true;
}

int gate_text(const struct identity *what, const char *name, struct err *err)
{
	if (places[what->place].text && is_writable(what))
		return 0;
	return err_set(err, EPERM, "%s %s", name, places[what->place].why);
}

/* What nobody can write or remove, instances for one, cannot be taken away under another name either. */
static bool may_leave_its_name(const struct identity *what, bool same_dir)
{
	if (what->place == PLACE_RESOURCE)
		return what->kind->verbs & (same_dir ? KIND_DELETE | KIND_UPDATE : KIND_DELETE);
	return is_writable(what);
}

int gate_backup(const struct identity *what, const struct identity *to, bool same_dir, bool nodelete, struct err *err)
{
	if (!may_leave_its_name(what, same_dir))
		return err_set(err, EPERM, "it comes from the platform and cannot be renamed");
	if (nodelete)
		return err_set(err, EPERM, "the mount was made with nodelete: a backup's name would take it away");
	if (same_dir)
		return 0;
	if (to->place == PLACE_SCRATCH_DIR)
		return err_set(err, EXDEV, "a backup elsewhere is a copy, and then a delete");
	return err_set(err, EPERM, "a backup of it belongs into its own directory");
}
