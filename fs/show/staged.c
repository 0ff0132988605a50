#include "fs/show/staged.h"

#include <errno.h>

#include "api/base/name.h"
#include "cache/list.h"

bool staged_leaves(const struct mount *mount, const struct kind *kind, const char *parent_id, const char *id)
{
	cleanup_(staged_unrefp) struct staged *row = stage_of(mount->stage, kind, parent_id, id, NULL);

	return !row || !staged_frees_name(row);
}

static int identity_of(const struct staged *row, enum place place, const struct identity *dir, struct identity *ret)
{
	struct identity what = { .place = place, .kind = row->kind, .parent_id = dir->parent_id };
	cleanup_free_ char *id = staged_id(row);

	what.id = id;
	return id ? identity_copy(&what, ret) : -ENOMEM;
}

int staged_identify(const struct mount *mount, const struct identity *dir, const char *name, bool dirs, struct identity *ret)
{
	cleanup_(staged_unrefp) struct staged *file = stage_named(mount->stage, dir->kind, dir->parent_id, name),
					      *resource = NULL;
	char file_name[NAME_MAX_BYTES + 1];

	if (file)
		return identity_of(file, PLACE_RESOURCE, dir, ret);
	if (!dirs || (size_t)snprintf(file_name, sizeof(file_name), "%s%s", name, dir->kind->suffix) >= sizeof(file_name))
		return -ENOENT;
	resource = stage_named(mount->stage, dir->kind, dir->parent_id, file_name);
	return resource ? identity_of(resource, PLACE_RESOURCE_DIR, dir, ret) : -ENOENT;
}

static bool is_below(const struct staged *row, const struct identity *dir)
{
	return row->kind == dir->kind && !row->part && !row->leaf && !row->remove && (!row->id || row->new_name) &&
	       !strcmp(row->parent_id ? row->parent_id : "", dir->parent_id ? dir->parent_id : "");
}

int staged_each(const struct mount *mount, const struct identity *dir, bool dirs,
		int (*each)(void *arg, const char *name, bool is_dir, const struct identity *what), void *arg)
{
	size_t count = 0, suffix = strlen(dir->kind->suffix);
	struct staged **rows = mount->stage && stage_count(mount->stage) ? stage_list(mount->stage, &count) : NULL;
	int result = 0;

	for (size_t i = 0; i < count && result == 0; i++) {
		struct identity what = { 0 };
		char name[NAME_MAX_BYTES + 1];

		if (!is_below(rows[i], dir))
			continue;
		result = identity_of(rows[i], PLACE_RESOURCE, dir, &what);
		snprintf(name, sizeof(name), "%s", staged_name(rows[i]));
		if (result == 0)
			result = each(arg, name, false, &what);
		if (result == 0 && dirs && strlen(name) > suffix) {
			what.place = PLACE_RESOURCE_DIR;
			name[strlen(name) - suffix] = '\0';
			result = each(arg, name, true, &what);
		}
		identity_clear(&what);
	}
	stage_list_free(rows, count);
	return result;
}

struct staged *staged_file(const struct mount *mount, const struct identity *what)
{
	const char *id = what->place == PLACE_PART ? what->part->name : what->place == PLACE_RESOURCE ? what->id : NULL;
	struct staged *row = id ? stage_of(mount->stage, what->kind, what->parent_id, id, NULL) : NULL;

	return row && staged_goes(row) ? staged_unref(row) : row;
}

struct body *staged_bytes(const struct staged *row)
{
	if (row->shown)
		return body_ref(row->shown);
	if (row->secret)
		return body_new("", 0);
	return row->content ? body_ref(row->content) : NULL;
}

/* ---- references to keys ---- */

static struct snapshot *key_snapshot(const struct staged *row)
{
	cleanup_free_ char *path = staged_path(row), *name = NULL;
	struct snapshot_fields f = { .id = path, .version = -1, .body = "{}", .body_len = 2 };

	if (!path || name_decode(row->file_name, row->kind->suffix, &name) < 0)
		return NULL;
	f.name = name;
	return snapshot_new(&f);
}

struct list *staged_with_keys(const struct mount *mount, const struct kind *kind, struct list *list)
{
	size_t count = 0, n = 0;
	struct staged **rows = mount->stage && stage_count(mount->stage) ? stage_list(mount->stage, &count) : NULL;
	struct snapshot **all = count ? calloc(list_count(list) + count, sizeof(struct snapshot *)) : NULL;
	struct list *more = NULL;

	for (size_t i = 0; all && i < list_count(list); i++)
		all[n++] = snapshot_ref(list_at(list, i)->snapshot);
	for (size_t i = 0; all && i < count; i++) {
		if (rows[i]->kind == kind && !rows[i]->id && !rows[i]->leaf && (all[n] = key_snapshot(rows[i])))
			n++;
	}
	if (all && n > list_count(list))
		more = list_new(all, n, kind->suffix);
	for (size_t i = 0; i < n; i++)
		snapshot_unref(all[i]);
	free(all);
	stage_list_free(rows, count);
	if (!more)
		return list;
	list_unref(list);
	return more;
}
