#include "fs/show/walk.h"

#include <errno.h>

#include "api/base/clock.h"
#include "api/base/name.h"
#include "fs/show/control.h"
#include "fs/show/control_tree.h"
#include "fs/show/images.h"
#include "fs/show/offers.h"
#include "fs/show/shown.h"
#include "fs/show/source.h"
#include "fs/show/staged.h"

/* Names that never change while the mount lives. */
#define FIXED_MS (3600 * 1000)

bool walk_shows_resource(const struct mount *mount, const struct kind *kind, const char *parent, const struct snapshot *snapshot)
{
	if (!source_belongs(kind, parent, snapshot))
		return false;
	return mount->options->view == VIEW_FULL || !(snapshot->traits & TRAIT_MANAGED);
}

static bool has_dirs(const struct mount *mount, const struct kind *kind)
{
	return mount->options->view == VIEW_FULL && kind_has_dir(kind);
}

static int set(struct identity *ret, enum place place, const struct kind *kind, const char *parent_id, const char *id)
{
	struct identity what = { .place = place, .kind = kind, .parent_id = (char *)parent_id, .id = (char *)id };

	return identity_copy(&what, ret);
}

static int identify_root(struct request *r, const char *name, struct identity *ret, int64_t *ret_expires_ms)
{
	const struct kind *kind = kind_by_dir(NULL, name);
	int result;

	if (!strcmp(name, CONTROL_DIR))
		return set(ret, PLACE_CONTROL_DIR, NULL, NULL, NULL);
	if (!kind || !shown_kind(r->mount, kind))
		return -ENOENT;
	result = shown_find_dir(r, kind, NULL, ret_expires_ms);
	if (result < 0)
		return result;
	return set(ret, kind->flags & KIND_SINGLETON ? PLACE_PARTS : PLACE_COLLECTION, kind, NULL, NULL);
}

/* The list below a parent; NULL in *ret where the parent lacks what the kind needs, so that no call is spent. */
static int list_below(struct request *r, const struct identity *dir, struct list **ret, struct store_info *ret_info)
{
	cleanup_(snapshot_unrefp) struct snapshot *parent = NULL;
	const struct kind *kind = dir->kind;
	int result;

	if (stage_is_id(dir->parent_id))
		return 0;
	if (kind->list_needs) {
		result = source_snapshot(r, kind->parent, dir->grandparent_id, dir->parent_id, &parent, ret_info);
		if (result < 0)
			return result;
		if ((parent->traits & kind->list_needs) != kind->list_needs)
			return 0;
	}
	return source_list(r, kind, dir->parent_id, ret, ret_info);
}

static int identify_item(struct request *r, const struct identity *dir, const char *name, struct identity *ret,
			 int64_t *ret_expires_ms)
{
	cleanup_(list_unrefp) struct list *list = NULL;
	const struct list_item *item = NULL;
	char file_name[NAME_MAX_BYTES + 1];
	enum place place = PLACE_RESOURCE;
	struct store_info info = { 0 };
	int result = staged_identify(r->mount, dir, name, has_dirs(r->mount, dir->kind), ret);

	*ret_expires_ms = 0;
	if (result != -ENOENT)
		return result;
	result = list_below(r, dir, &list, &info);
	if (result < 0)
		return result;
	*ret_expires_ms = info.expires_ms;
	if (list)
		item = list_by_file_name(list, name);
	if (list && !item && has_dirs(r->mount, dir->kind) &&
	    (size_t)snprintf(file_name, sizeof(file_name), "%s%s", name, dir->kind->suffix) < sizeof(file_name)) {
		item = list_by_file_name(list, file_name);
		place = PLACE_RESOURCE_DIR;
	}
	if (!item || !walk_shows_resource(r->mount, dir->kind, dir->parent_id, item->snapshot))
		return -ENOENT;
	if (!staged_leaves(r->mount, dir->kind, dir->parent_id, item->snapshot->id)) {
		*ret_expires_ms = 0;
		return -ENOENT;
	}
	return set(ret, place, dir->kind, dir->parent_id, item->snapshot->id);
}

static bool has_leaf(const struct leaf *leaf, unsigned traits)
{
	return (traits & leaf->needs) == leaf->needs;
}

static int identify_child(struct request *r, const struct identity *dir, const struct kind *child, struct identity *ret,
			  int64_t *ret_expires_ms)
{
	int result = shown_is_left_out(r->mount, child) ? -ENOENT : 0;

	if (result == 0 && !stage_is_id(dir->id))
		result = shown_find_dir(r, child, dir->id, ret_expires_ms);
	else if (result == 0 && !(child->verbs & KIND_CREATE))
		result = -ENOENT;
	if (result == 0)
		result = set(ret, PLACE_COLLECTION, child, dir->id, NULL);
	if (result == 0 && dir->parent_id && !(ret->grandparent_id = strdup(dir->parent_id))) {
		identity_clear(ret);
		result = -ENOMEM;
	}
	return result;
}

static int identify_leaf(struct request *r, const struct identity *dir, const char *name, struct identity *ret,
			 int64_t *ret_expires_ms)
{
	cleanup_(snapshot_unrefp) struct snapshot *snapshot = NULL;
	const struct kind *child = kind_by_dir(dir->kind, name);
	struct store_info info = { 0 };
	int result;

	if (child)
		return identify_child(r, dir, child, ret, ret_expires_ms);
	if (stage_is_id(dir->id)) {
		*ret_expires_ms = 0;
		return -ENOENT;
	}
	for (const struct leaf *leaf = dir->kind->leaves; leaf && leaf->name; leaf++) {
		if (strcmp(leaf->name, name))
			continue;
		result = leaf->needs ? source_snapshot(r, dir->kind, dir->parent_id, dir->id, &snapshot, &info) : 0;
		if (result < 0)
			return result;
		if (leaf->needs && !has_leaf(leaf, snapshot->traits)) {
			*ret_expires_ms = info.expires_ms;
			return -ENOENT;
		}
		result = set(ret, PLACE_LEAF, dir->kind, dir->parent_id, dir->id);
		if (result == 0)
			ret->leaf = leaf;
		return result;
	}
	if (strcmp(name, IMAGES_DIR) != 0)
		return -ENOENT;
	result = source_snapshot(r, dir->kind, dir->parent_id, dir->id, &snapshot, &info);
	if (result < 0)
		return result;
	*ret_expires_ms = info.expires_ms;
	return images_shown(r->mount, snapshot) ? set(ret, PLACE_IMAGES, NULL, dir->id, NULL) : -ENOENT;
}

static int identify_part(struct request *r, const struct identity *dir, const char *name, struct identity *ret)
{
	for (const struct part *part = dir->kind->parts; part->name; part++) {
		if (strcmp(part->name, name) || !shown_part(r->mount, part))
			continue;
		*ret = (struct identity){ .place = PLACE_PART, .kind = dir->kind, .part = part };
		return 0;
	}
	return -ENOENT;
}

static int stop_at_first(void *arg, const char *name, bool is_dir)
{
	(void)arg, (void)name, (void)is_dir;
	return 1;
}

/* Below .cfcfs: id is CONTROL_SCHEMAS, or leads through a tree of documents (control_tree.h). */
static int identify_control(struct request *r, const struct identity *dir, const char *name, struct identity *ret)
{
	cleanup_buf_ struct buf content = BUF_INIT;
	cleanup_free_ char *path = NULL;

	if (!dir->id && (!strcmp(name, CONTROL_SCHEMAS) || control_tree_of(name)))
		return set(ret, PLACE_CONTROL_DIR, NULL, NULL, name);
	if (!dir->id || !strcmp(dir->id, CONTROL_SCHEMAS)) {
		*ret = (struct identity){ .place = PLACE_CONTROL,
					  .control = dir->id ? control_find_schema(name) : control_find(name) };
		return ret->control ? 0 : -ENOENT;
	}
	if (text_format(&path, "%s/%s", dir->id, name) < 0)
		return -ENOMEM;
	if (control_tree_get(r->mount, path, &content, NULL) == 0) {
		buf_wipe(&content);
		return set(ret, PLACE_CONTROL, NULL, NULL, path);
	}
	if (control_tree_each(r->mount, path, stop_at_first, NULL) == 0)
		return -ENOENT;
	return set(ret, PLACE_CONTROL_DIR, NULL, NULL, path);
}

int walk_identify(struct request *r, const struct identity *dir, const char *name, struct identity *ret, int64_t *ret_expires_ms)
{
	*ret = (struct identity){ 0 };
	*ret_expires_ms = clock_after_ms(FIXED_MS);
	switch (dir->place) {
	case PLACE_ROOT:
		return identify_root(r, name, ret, ret_expires_ms);
	case PLACE_COLLECTION:
		return identify_item(r, dir, name, ret, ret_expires_ms);
	case PLACE_RESOURCE_DIR:
		return identify_leaf(r, dir, name, ret, ret_expires_ms);
	case PLACE_PARTS:
		return identify_part(r, dir, name, ret);
	case PLACE_IMAGES:
	case PLACE_REPOSITORY:
		return images_identify(r, dir, name, ret, ret_expires_ms);
	case PLACE_CONTROL_DIR:
		*ret_expires_ms = 0;
		return identify_control(r, dir, name, ret);
	default:
		return -ENOENT;
	}
}

/* ---- listing ---- */

/* The directory of a kind. */
static int each_kind(const struct kind *kind, char *parent, char *grandparent, walk_fn each, void *arg)
{
	const struct identity what = {
		.place = kind->flags & KIND_SINGLETON ? PLACE_PARTS : PLACE_COLLECTION,
		.kind = kind,
		.parent_id = parent,
		.grandparent_id = grandparent,
	};

	return each(arg, kind->dir, true, &what);
}

static int each_root(struct request *r, walk_fn each, void *arg)
{
	int result = shown_look_at_root(r);

	if (result == 0)
		shown_note_listing(r, NULL, NULL);
	for (const struct kind *const *k = kinds; *k && result == 0; k++) {
		if (!(*k)->parent && shown_kind(r->mount, *k) && shown_offer(r->mount, *k, NULL) != OFFER_ABSENT)
			result = each_kind(*k, NULL, NULL, each, arg);
	}
	return result;
}

static int each_item(struct request *r, const struct identity *dir, struct list *list, walk_fn each, void *arg)
{
	const struct kind *kind = dir->kind;
	struct identity what = { .place = PLACE_RESOURCE, .kind = kind, .parent_id = dir->parent_id };
	size_t suffix = strlen(kind->suffix);
	bool dirs = has_dirs(r->mount, kind);
	int result = 0;

	for (size_t i = 0; i < list_count(list) && result == 0; i++) {
		const struct list_item *item = list_at(list, i);
		char dir_name[NAME_MAX_BYTES + 1];

		if (!walk_shows_resource(r->mount, kind, dir->parent_id, item->snapshot) ||
		    !staged_leaves(r->mount, kind, dir->parent_id, item->snapshot->id))
			continue;
		what.id = item->snapshot->id;
		result = each(arg, item->file_name, false, &what);
		if (result == 0 && dirs && strlen(item->file_name) > suffix) {
			what.place = PLACE_RESOURCE_DIR;
			snprintf(dir_name, sizeof(dir_name), "%.*s", (int)(strlen(item->file_name) - suffix), item->file_name);
			result = each(arg, dir_name, true, &what);
			what.place = PLACE_RESOURCE;
		}
	}
	return result;
}

/* What is staged itself has no leaves yet; what can be made below it can be staged, too. */
static int each_below_staged(struct request *r, const struct identity *dir, walk_fn each, void *arg)
{
	int result = 0;

	for (const struct kind *const *k = kinds; *k && result == 0; k++) {
		if ((*k)->parent == dir->kind && (*k)->verbs & KIND_CREATE && !shown_is_left_out(r->mount, *k))
			result = each_kind(*k, dir->id, dir->parent_id, each, arg);
	}
	return result;
}

static int each_leaf(struct request *r, const struct identity *dir, walk_fn each, void *arg, struct store_info *ret_info)
{
	cleanup_(snapshot_unrefp) struct snapshot *snapshot = NULL;
	int result;

	if (stage_is_id(dir->id))
		return each_below_staged(r, dir, each, arg);
	result = source_snapshot(r, dir->kind, dir->parent_id, dir->id, &snapshot, ret_info);

	for (const struct leaf *leaf = dir->kind->leaves; leaf && leaf->name && result == 0; leaf++) {
		const struct identity what = {
			.place = PLACE_LEAF,
			.kind = dir->kind,
			.leaf = leaf,
			.parent_id = dir->parent_id,
			.id = dir->id,
		};
		bool offered = false;

		if (has_leaf(leaf, snapshot->traits) && !leaf->unlisted)
			result = shown_leaf(r, dir, leaf, &offered);
		if (result == 0 && offered)
			result = each(arg, leaf->name, false, &what);
	}
	for (const struct kind *const *k = kinds; *k && result == 0; k++) {
		if ((*k)->parent == dir->kind && !shown_is_left_out(r->mount, *k) &&
		    shown_offer(r->mount, *k, dir->id) != OFFER_ABSENT)
			result = each_kind(*k, dir->id, dir->parent_id, each, arg);
	}
	if (result == 0 && images_shown(r->mount, snapshot)) {
		const struct identity images = { .place = PLACE_IMAGES, .parent_id = dir->id };

		result = each(arg, IMAGES_DIR, true, &images);
	}
	return result;
}

struct control_each {
	const char *dir; /* in a tree of documents */
	walk_fn each;
	void *arg;
};

static int each_document(void *arg, const char *name, bool is_dir)
{
	struct control_each *c = arg;
	cleanup_free_ char *path = NULL;
	struct identity what = { .place = is_dir ? PLACE_CONTROL_DIR : PLACE_CONTROL };

	if (text_format(&path, "%s/%s", c->dir, name) < 0)
		return -ENOMEM;
	what.id = path;
	return c->each(c->arg, name, is_dir, &what);
}

static int each_row(void *arg, const struct control *row)
{
	const struct identity what = { .place = PLACE_CONTROL, .control = row };
	struct control_each *c = arg;

	return c->each(c->arg, row->name, false, &what);
}

static int each_control(struct request *r, const struct identity *dir, walk_fn each, void *arg)
{
	const struct identity schemas = { .place = PLACE_CONTROL_DIR, .id = (char[]){ CONTROL_SCHEMAS } };
	bool inside = dir->id && !strcmp(dir->id, CONTROL_SCHEMAS);
	struct control_each c = { dir->id, each, arg };
	int result = 0;

	if (dir->id && !inside)
		return control_tree_each(r->mount, dir->id, each_document, &c);
	if (!inside)
		result = control_each(each_row, &c);
	for (const struct control *row = control_schemas; inside && row->name && result == 0; row++)
		result = each_row(&c, row);
	if (inside || result)
		return result;
	for (const struct control_tree *tree = control_trees; tree->name && result == 0; tree++) {
		char name[NAME_MAX_BYTES];
		const struct identity what = { .place = PLACE_CONTROL_DIR, .id = name };

		snprintf(name, sizeof(name), "%s", tree->name);
		result = each(arg, tree->name, true, &what);
	}
	return result ? result : each(arg, CONTROL_SCHEMAS, true, &schemas);
}

static int each_part(struct request *r, const struct identity *dir, walk_fn each, void *arg)
{
	int result = 0;

	for (const struct part *part = dir->kind->parts; part->name && result == 0; part++) {
		const struct identity what = { .place = PLACE_PART, .kind = dir->kind, .part = part };
		bool offered = false;

		if (!shown_part(r->mount, part))
			continue;
		result = shown_part_is_offered(r, part, &offered);
		if (result == 0 && offered)
			result = each(arg, part->name, false, &what);
	}
	return result;
}

/* The list of a collection's directory; none, and a success, for who goes through the tree and came to what is not offered. */
static int list_of(struct request *r, const struct identity *dir, struct list **ret, struct store_info *ret_info)
{
	int result = list_below(r, dir, ret, ret_info);

	if (result == -EOPNOTSUPP && shown_is_walking(r, dir->kind, dir->parent_id)) {
		err_clear(&r->err);
		return 0;
	}
	return result;
}

int walk_each(struct request *r, const struct identity *dir, walk_fn each, void *arg, struct store_info *ret_info)
{
	cleanup_(list_unrefp) struct list *list = NULL;
	int result;

	ret_info->expires_ms = clock_after_ms(FIXED_MS);
	switch (dir->place) {
	case PLACE_ROOT:
		return each_root(r, each, arg);
	case PLACE_COLLECTION:
		result = list_of(r, dir, &list, ret_info);
		if (result == 0 && list)
			result = each_item(r, dir, list, each, arg);
		return result ? result : staged_each(r->mount, dir, has_dirs(r->mount, dir->kind), each, arg);
	case PLACE_RESOURCE_DIR:
		return each_leaf(r, dir, each, arg, ret_info);
	case PLACE_PARTS:
		return each_part(r, dir, each, arg);
	case PLACE_IMAGES:
	case PLACE_REPOSITORY:
		return images_each(r, dir, each, arg, ret_info);
	case PLACE_CONTROL_DIR:
		return each_control(r, dir, each, arg);
	default:
		return 0;
	}
}

int walk_serial(struct request *r, const struct identity *dir, uint64_t *ret_serial, struct store_info *ret_info)
{
	cleanup_(snapshot_unrefp) struct snapshot *snapshot = NULL;
	cleanup_(list_unrefp) struct list *list = NULL;
	int result = 0;

	*ret_serial = 1;
	ret_info->expires_ms = clock_after_ms(FIXED_MS);
	if (dir->place == PLACE_ROOT || dir->place == PLACE_PARTS) {
		*ret_serial = offers_serial(r->mount->offers);
	} else if (dir->place == PLACE_COLLECTION) {
		result = list_of(r, dir, &list, ret_info);
		*ret_serial = (list ? ret_info->generation + 2 : 1) + (stage_serial(r->mount->stage) << 32);
	} else if (dir->place == PLACE_RESOURCE_DIR && stage_is_id(dir->id)) {
		*ret_serial = 0;
	} else if (dir->place == PLACE_RESOURCE_DIR) {
		result = source_snapshot(r, dir->kind, dir->parent_id, dir->id, &snapshot, ret_info);
		*ret_serial = result == 0 ? (offers_serial(r->mount->offers) << 16) + snapshot->traits +
						    images_mark(r->mount, snapshot) :
					    1;
	} else if (dir->place == PLACE_IMAGES || dir->place == PLACE_REPOSITORY) {
		result = images_serial(r, ret_serial, ret_info);
	} else if (dir->place == PLACE_CONTROL_DIR) {
		*ret_serial = 0;
	}
	if (result == 0 && dir->place == PLACE_ROOT)
		shown_note_listing(r, NULL, NULL);
	else if (result == 0 && dir->place == PLACE_RESOURCE_DIR)
		shown_note_listing(r, dir->kind, dir->id);
	return result;
}

/* ---- new names ---- */

bool walk_is_tool_name(const char *name)
{
	return name_is_scratch(name);
}

static bool is_scratch_in(const struct identity *dir, const char *name)
{
	const struct kind *kind = dir->place == PLACE_COLLECTION ? dir->kind : NULL;

	if (kind && kind->flags & KIND_SECRET)
		return name[0] == '.' || name_has_suffix(name, "~");
	if (kind && kind->flags & KIND_KEY_LINE)
		return name_is_scratch(name) || !name_has_suffix(name, ".pub");
	return name_is_scratch(name) || !name_has_suffix(name, ".json");
}

/* The name without so many bytes at its end is taken for the identity that is wanted: what it would be written as is what helps. */
static int refuse_name(const struct kind *kind, const char *name, size_t ending, struct err *err)
{
	size_t n = strlen(name);
	char encoded[NAME_MAX_BYTES + 1];
	cleanup_free_ char *wanted = n > ending ? strndup(name, n - ending) : NULL;

	if (!wanted)
		return err_set(err, EINVAL, "'%s' is no name of %s %s", name, kind_article(kind), kind->name);
	name_encode(wanted, kind->suffix, encoded);
	return err_set(err, EINVAL, "'%s' is no file name of %s %s: write '%s' for the one named '%s'", name, kind_article(kind),
		       kind->name, encoded, wanted);
}

int walk_classify(struct request *r, const struct identity *dir, const char *name, struct identity *ret, struct err *err)
{
	cleanup_free_ char *identity = NULL;

	*ret = (struct identity){ .place = PLACE_SCRATCH };
	if (dir->place == PLACE_CONTROL_DIR)
		return err_set(err, EPERM, "nothing can be made in /%s", CONTROL_DIR);
	if (dir->place == PLACE_SCRATCH_DIR || is_scratch_in(dir, name))
		return 0;
	if (dir->place == PLACE_PARTS && identify_part(r, dir, name, ret) == 0)
		return 0;
	if (dir->place != PLACE_COLLECTION || !(dir->kind->verbs & KIND_CREATE))
		return err_set(err, EPERM, "no file can be made here: what is in this directory comes from the platform");
	if (name_decode(name, dir->kind->suffix, &identity) < 0 && !name_is_cut(name, dir->kind->suffix))
		return refuse_name(dir->kind, name, strlen(dir->kind->suffix), err);
	return set(ret, PLACE_RESOURCE, dir->kind, dir->parent_id, NULL);
}

/* As mktemp(1), mkstemp(3) and numbered lists make them. */
static bool is_temporary(const char *name)
{
	return !strncmp(name, "tmp", 3) || !name[strspn(name, "0123456789")];
}

int walk_refuse_mistake(const struct identity *dir, const char *name, struct err *err)
{
	static const char *const endings[] = { ".yaml", ".yml", ".toml", ".jsonc", ".JSON" };
	const struct kind *kind = dir->place == PLACE_COLLECTION && dir->kind->verbs & KIND_CREATE ? dir->kind : NULL;

	if (!kind || kind->flags & KIND_SECRET || name_is_scratch(name))
		return 0;
	for (size_t i = 0; i < array_len(endings); i++) {
		if (!(kind->flags & KIND_KEY_LINE) && name_has_suffix(name, endings[i]))
			return refuse_name(kind, name, strlen(endings[i]), err);
	}
	if (kind->flags & KIND_KEY_LINE || (!strchr(name, '.') && !is_temporary(name)))
		return refuse_name(kind, name, 0, err);
	return 0;
}

int walk_refuse_left(const struct identity *dir, const char *name, struct err *err)
{
	int r = walk_refuse_mistake(dir, name, err);

	if (r < 0 || dir->place == PLACE_SCRATCH_DIR || name_is_scratch(name))
		return r;
	return err_set(err, EINVAL, "a file of this name is never sent: it stays in the mount, and goes with it");
}
