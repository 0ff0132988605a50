#include "fs/send/staging.h"

#include <errno.h>

#include "api/base/clock.h"
#include "api/base/name.h"
#include "api/doc_json.h"
#include "fs/core/tree.h"
#include "fs/send/outdated.h"
#include "fs/show/source.h"

bool staging_is_on(const struct mount *mount, const struct wish *wish)
{
	return mount->stage && !wish->staged;
}

/* ---- what is there already ---- */

/* What is staged of the resource that was gathered, a reference; NULL: nothing. It may have been staged as a new one, and have come to
   be since. */
static struct staged *find_row(struct stage *stage, const struct gathered *g)
{
	const struct identity *what = g->wish.what;
	cleanup_free_ char *new_id = NULL;
	struct staged *row;

	if (what->part)
		return stage_of(stage, what->kind, what->parent_id, what->part->name, NULL);
	if (g->replaced_id)
		return stage_of(stage, what->kind, what->parent_id, g->replaced_id, NULL);
	if (g->exists) {
		row = stage_of(stage, what->kind, what->parent_id, g->id, what->leaf ? what->leaf->name : NULL);
		if (row || what->leaf)
			return row;
	}
	new_id = text_new("%c%s", STAGE_ID_MARK, g->wish.file_name);
	return new_id ? stage_of(stage, what->kind, what->parent_id, new_id, NULL) : NULL;
}

int staging_aim(struct mount *mount, struct identity *what, struct wish *wish)
{
	cleanup_(staged_unrefp) struct staged *row = NULL;

	if (!staging_is_on(mount, wish) || what->place != PLACE_RESOURCE)
		return 0;
	if (stage_is_id(what->id))
		free(steal_ptr(what->id));
	row = what->id ? NULL : stage_named(mount->stage, what->kind, what->parent_id, wish->file_name);
	if (!row || !row->id)
		return 0;
	what->id = strdup(row->id);
	wish->by_name = false;
	return what->id ? 0 : -ENOMEM;
}

bool staging_replaces(const struct mount *mount, const struct gathered *g, const struct change *change)
{
	const struct identity *what = g->wish.what;
	cleanup_(staged_unrefp) struct staged *row = NULL;

	if (!change->refusal.errnum || g->wish.verb != WISH_WRITE || g->wish.anew || !g->exists || what->leaf || what->part)
		return false;
	row = find_row(mount->stage, g);
	return row && row->remove;
}

/* ---- a row of a wish ---- */

static struct body *shown_of(const struct gathered *g)
{
	const struct buf *content = g->wish.content;
	cleanup_json_ struct json_object *doc = NULL;
	cleanup_buf_ struct buf out = BUF_INIT;

	if (!g->wish.secret || g->wish.what->kind->flags & KIND_SECRET)
		return NULL;
	if (doc_parse(content->data ? content->data : "", content->len, &doc, NULL) < 0)
		return NULL;
	doc_drop_secrets(g->wish.what->kind, doc);
	if (doc_write(doc, false, &out) < 0 || buf_addc(&out, '\n') < 0)
		return NULL;
	return body_new(out.data, out.len);
}

static int set_base(const struct gathered *g, struct staged *row)
{
	cleanup_buf_ struct buf base = BUF_INIT;
	int r = outdated_base(g, &base);

	if (r < 0 || !base.len)
		return r;
	row->base = body_new(base.data, base.len);
	return row->base ? 0 : -ENOMEM;
}

static int set_content(const struct gathered *g, struct staged *row)
{
	const struct buf *content = g->wish.content;
	int r = staged_set_text(row, content->data ? content->data : "", content->len, g->wish.secret);

	if (r == 0)
		row->shown = shown_of(g);
	return r;
}

static int set_new_name(const struct gathered *g, struct staged *row)
{
	char encoded[NAME_MAX_BYTES + 1];

	name_encode(g->wish.new_name, row->kind->suffix, encoded);
	row->new_name = strcmp(encoded, row->file_name) != 0 ? strdup(encoded) : NULL;
	return row->new_name || !strcmp(encoded, row->file_name) ? 0 : -ENOMEM;
}

/* The directory of the wish's file, from the mount's root, without slashes around it; freed by the caller. */
static char *dir_of(const struct wish *wish)
{
	const char *path = wish->path ? wish->path : "", *last;

	path += strspn(path, "/");
	last = strrchr(path, '/');
	return last ? strndup(path, (size_t)(last - path)) : strdup(wish->what->kind->dir);
}

/* A new row about the same as old (or NULL), with nothing that is wanted in it yet. */
static struct staged *row_about(const struct gathered *g, const struct staged *old)
{
	const struct identity *what = g->wish.what;
	struct staged *row = staged_new(what->kind);
	const char *id = g->exists && !what->part ? g->id : g->replaced_id;
	const char *file_name = old        ? old->file_name :
				what->part ? what->part->name :
				what->leaf ? what->leaf->name :
					     g->wish.file_name;

	if (!row)
		return NULL;
	row->part = what->part;
	row->leaf = what->leaf;
	row->parent_id = what->parent_id ? strdup(what->parent_id) : NULL;
	row->id = id ? strdup(id) : NULL;
	row->file_name = strdup(file_name);
	row->dir = dir_of(&g->wish);
	if ((what->parent_id && !row->parent_id) || (id && !row->id) || !row->file_name || !row->dir)
		return staged_unref(row);
	return row;
}

/* What is left to be wanted once the wish is in it: the old name's and content's share. */
static int fill_row(const struct gathered *g, const struct staged *old, struct staged *row)
{
	bool keeps = old && !old->remove;
	int r = 0;

	if (g->wish.verb == WISH_DELETE) {
		row->remove = true;
	} else if (g->wish.verb == WISH_RENAME) {
		r = set_new_name(g, row);
		if (r == 0 && keeps && (old->content || old->secret_text)) {
			size_t len;
			const char *text = staged_text(old, &len);

			r = staged_set_text(row, text, len, old->secret);
			row->shown = old->shown ? body_ref(old->shown) : NULL;
		}
	} else {
		if (keeps && old->new_name && !(row->new_name = strdup(old->new_name)))
			return -ENOMEM;
		r = set_content(g, row);
		row->remove = g->replaced_id;
	}
	if (r == 0 && g->replaced_id) {
		row->base = old && old->base ? body_ref(old->base) : NULL;
		return 0;
	}
	return r == 0 ? set_base(g, row) : r;
}

static bool wants_nothing(const struct staged *row)
{
	return !row->remove && !row->new_name && !row->content && !row->secret;
}

/* The account means the document already: what is left is a new name, if one is staged. */
static int unstage(struct request *r, const struct gathered *g, const struct staged *old)
{
	struct staged *row;

	if (!old)
		return 0;
	if (g->wish.verb != WISH_WRITE || !old->new_name) {
		stage_drop(r->mount->stage, old->key, 0);
		return 0;
	}
	row = row_about(g, old);
	if (!row || !(row->new_name = strdup(old->new_name))) {
		staged_unref(row);
		return -ENOMEM;
	}
	return stage_put(r->mount->stage, row, &r->waiter, r->deadline_ms, &r->err);
}

static int keep(struct request *r, const struct gathered *g, const struct staged *old, struct accepted *ret)
{
	struct staged *row = row_about(g, old);
	int result = row ? fill_row(g, old, row) : -ENOMEM;

	if (result == 0 && wants_nothing(row)) {
		staged_unref(row);
		return old ? stage_drop(r->mount->stage, old->key, 0), 0 : 0;
	}
	if (result == 0 && !row->part && !row->leaf) {
		ret->id = staged_id(row);
		result = ret->id ? 0 : -ENOMEM;
	}
	if (result < 0) {
		staged_unref(row);
		return result;
	}
	row->order = old ? old->order : 0;
	result = stage_put_soon(r->mount->stage, staged_ref(row), &r->err);
	/* What was new when it was staged has an identity now. */
	if (result == 0 && old && strcmp(old->key, row->key) != 0)
		stage_drop(r->mount->stage, old->key, 0);
	staged_unref(row);
	return result < 0 ? result : stage_flush(r->mount->stage, &r->waiter, r->deadline_ms);
}

/* ---- what it refers to ---- */

#define SECRETS_DIR "secrets/"

/* 1: the secret is there, or is staged, or that cannot be known; 0: it is not. -errno of a wait that ended. */
static int find_secret(struct request *r, const char *name)
{
	const struct kind *kind = kind_find("secret");
	cleanup_(staged_unrefp) struct staged *row = NULL;
	cleanup_(list_unrefp) struct list *list = NULL;
	char file_name[NAME_MAX_BYTES + 1];
	struct store_info info;
	int result;

	name_encode(name, kind->suffix, file_name);
	row = stage_named(r->mount->stage, kind, NULL, file_name);
	result = row ? 0 : source_list(r, kind, NULL, &list, &info);
	/* Somebody else may have made it since. */
	if (result == 0 && list && !list_by_name(list, name)) {
		list = list_unref(list);
		result = source_list_again(r, kind, NULL, false, &list);
	}
	if (result == RUN_IN_WORKER || result == -EINTR || result == -ENOMEM)
		return result;
	err_clear(&r->err);
	return !list || list_by_name(list, name);
}

static bool has_text(struct json_object *array, const char *text)
{
	for (size_t i = 0; i < json_object_array_length(array); i++) {
		if (!strcmp(json_object_get_string(json_object_array_get_idx(array, i)), text))
			return true;
	}
	return false;
}

/* The service would refuse it, but only once it is applied. What the account's document refers to already is the account's business. */
static int check_secrets(struct request *r, struct change *change)
{
	cleanup_json_ struct json_object *refers = change_refers(change), *before = json_object_new_array();
	int found = refers && before ? 1 : -ENOMEM;

	if (found > 0 && change->before && change_refers_of(change->before, &change->context.doc, before) < 0)
		found = -ENOMEM;
	for (size_t i = 0; found > 0 && i < json_object_array_length(refers); i++) {
		const char *path = json_object_get_string(json_object_array_get_idx(refers, i));

		if (strncmp(path, SECRETS_DIR, strlen(SECRETS_DIR)) != 0 || has_text(before, path))
			continue;
		found = find_secret(r, path + strlen(SECRETS_DIR));
		if (found == 0)
			return change_refuse(change, EINVAL, "%s must be there before what refers to it: cp FILE %s", path, path);
	}
	return found < 0 ? found : 0;
}

int staging_keep(struct request *r, const struct gathered *g, struct change *change, struct accepted *ret)
{
	cleanup_(staged_unrefp) struct staged *old = find_row(r->mount->stage, g);
	int result;

	if (g->wish.verb == WISH_RENAME && old && staged_replaces(old))
		return change_refuse(change, EPERM, "it is made anew, which is staged: apply that first, then rename it");
	if (change->refusal.errnum)
		return -change->refusal.errnum;
	if (!change->steps_count)
		return unstage(r, g, old);
	result = g->wish.verb == WISH_WRITE ? check_secrets(r, change) : 0;
	return result < 0 ? result : keep(r, g, old, ret);
}

/* ---- what is new and staged ---- */

int staging_drop_new(struct mount *mount, const struct identity *what)
{
	cleanup_(staged_unrefp) struct staged *row = stage_of(mount->stage, what->kind, what->parent_id, what->id, NULL);
	size_t count = 0;
	struct staged **rows = row ? stage_list(mount->stage, &count) : NULL;

	if (row)
		stage_drop(mount->stage, row->key, 0);
	/* What is staged below it goes with it. */
	for (size_t i = 0; i < count; i++) {
		if (rows[i]->kind->parent == what->kind && rows[i]->parent_id && !strcmp(rows[i]->parent_id, what->id))
			stage_drop(mount->stage, rows[i]->key, 0);
	}
	stage_list_free(rows, count);
	return 0;
}

int staging_rename_new(struct request *r, struct entry *entry, const struct identity *what, const char *new_name)
{
	cleanup_(staged_unrefp) struct staged *row = stage_of(r->mount->stage, what->kind, what->parent_id, what->id, NULL);
	struct staged *copy = row ? staged_copy(row) : NULL;
	char encoded[NAME_MAX_BYTES + 1];
	cleanup_free_ char *id = NULL;
	int result;

	if (!row)
		return -ENOENT;
	if (!(what->kind->verbs & KIND_RENAME)) {
		staged_unref(copy);
		return err_set(&r->err, EPERM, "%s %s cannot be renamed", kind_article(what->kind), what->kind->name);
	}
	name_encode(new_name, what->kind->suffix, encoded);
	if (copy) {
		free(copy->file_name);
		copy->file_name = strdup(encoded);
		id = copy->file_name ? staged_id(copy) : NULL;
	}
	if (!id) {
		staged_unref(copy);
		return -ENOMEM;
	}
	result = stage_put(r->mount->stage, copy, &r->waiter, r->deadline_ms, &r->err);
	if (result < 0)
		return result;
	stage_drop(r->mount->stage, row->key, 0);
	result = stage_adopt(r->mount->stage, what->id, id, &r->err);
	scope_lock(tree, r->mount->tree);
	tree_identify(r->mount->tree, entry, id);
	return result;
}

/* ---- wishes of a row ---- */

static enum place place_of(const struct staged *row)
{
	return row->leaf ? PLACE_LEAF : row->part ? PLACE_PART : PLACE_RESOURCE;
}

/* Another name for the meantime: by the identity, so that it is the same whoever comes back to it. */
static char *park_name_of(const struct staged *row)
{
	return text_new("cfcfs-swap-%s", row->id);
}

static void add_wish(struct staged_wishes *wishes, struct wish wish)
{
	wishes->wishes[wishes->count++] = wish;
}

static int add_renames(const struct staged *row, bool park, struct wish wish, struct staged_wishes *ret)
{
	wish.verb = WISH_RENAME;
	if (park) {
		ret->park_name = park_name_of(row);
		if (!ret->park_name)
			return -ENOMEM;
		wish.new_name = ret->park_name;
		add_wish(ret, wish);
	}
	if (!row->new_name || row->remove)
		return 0;
	if (name_decode(row->new_name, row->kind->suffix, &ret->new_name) < 0)
		return -EINVAL;
	wish.new_name = ret->new_name;
	add_wish(ret, wish);
	return 0;
}

static void add_writes(const struct staged *row, struct wish wish, struct staged_wishes *ret)
{
	if (row->remove) {
		wish.verb = WISH_DELETE;
		add_wish(ret, wish);
	}
	if (!row->content && !row->secret)
		return;
	wish.verb = WISH_WRITE;
	wish.content = &ret->content;
	wish.secret = row->secret;
	if (row->remove) {
		wish.what = &ret->fresh;
		wish.base = NULL;
		wish.gone_id = row->id;
	} else {
		/* The document was compared with what the account meant before the rename. */
		wish.by_name = wish.force && row->id && !row->leaf && !row->part;
	}
	add_wish(ret, wish);
}

int staged_wishes_init(const struct staged *row, bool force, bool park, struct staged_wishes *ret)
{
	struct wish wish = { .file_name = row->file_name, .staged = true, .base = row->base, .force = force };
	size_t len;
	const char *text = staged_text(row, &len);
	int r;

	*ret = (struct staged_wishes){ 0 };
	if (text_format(&ret->path, "/%s/%s", row->dir, staged_name(row)) < 0)
		return -ENOMEM;
	wish.path = ret->path;
	wish.what = &ret->what;
	ret->what = (struct identity){ .place = place_of(row),
				       .kind = row->kind,
				       .part = row->part,
				       .leaf = row->leaf,
				       .parent_id = row->parent_id,
				       .id = row->id };
	ret->fresh = ret->what;
	ret->fresh.id = NULL;
	ret->content = (struct buf){ .data = (char *)(uintptr_t)text, .len = len };
	r = add_renames(row, park, wish, ret);
	if (r == 0)
		add_writes(row, wish, ret);
	return r;
}

void staged_wishes_clear(struct staged_wishes *wishes)
{
	free(wishes->new_name);
	free(wishes->park_name);
	free(wishes->path);
	*wishes = (struct staged_wishes){ 0 };
}
