#include "fs/show/control_tree.h"

#include <errno.h>

#include "fs/core/failures.h"
#include "fs/core/undo.h"

static int get_rejected(struct mount *mount, const char *path, struct buf *ret, int64_t *ret_time_ns)
{
	*ret_time_ns = failures_rejected_time(mount->failures, path);
	return failures_rejected(mount->failures, path, ret);
}

static int each_rejected(struct mount *mount, const char *dir, int (*each)(void *arg, const char *name, bool is_dir), void *arg)
{
	return failures_rejected_each(mount->failures, dir, each, arg);
}

static int get_deleted(struct mount *mount, const char *path, struct buf *ret, int64_t *ret_time_ns)
{
	return undo_get(mount->state, path, ret, ret_time_ns);
}

static int each_deleted(struct mount *mount, const char *dir, int (*each)(void *arg, const char *name, bool is_dir), void *arg)
{
	return undo_each(mount->state, dir, each, arg);
}

const struct control_tree control_trees[] = {
	{ "rejected", get_rejected, each_rejected },
	{ "deleted", get_deleted, each_deleted },
	{ NULL, NULL, NULL },
};

const struct control_tree *control_tree_of(const char *at)
{
	size_t len = strcspn(at, "/");

	for (const struct control_tree *tree = control_trees; tree->name; tree++) {
		if (strlen(tree->name) == len && !strncmp(tree->name, at, len))
			return tree;
	}
	return NULL;
}

int control_tree_get(struct mount *mount, const char *at, struct buf *ret, int64_t *ret_time_ns)
{
	const struct control_tree *tree = control_tree_of(at);
	int64_t time_ns = 0;
	int r = tree ? tree->get(mount, at + strlen(tree->name), ret, &time_ns) : -ENOENT;

	if (r == 0 && ret_time_ns)
		*ret_time_ns = time_ns;
	return r;
}

int control_tree_each(struct mount *mount, const char *at, int (*each)(void *arg, const char *name, bool is_dir), void *arg)
{
	const struct control_tree *tree = control_tree_of(at);

	return tree ? tree->each(mount, at + strlen(tree->name), each, arg) : -ENOENT;
}
