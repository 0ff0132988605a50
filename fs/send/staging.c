#include "fs/send/staging.h"

#include <errno.h>

#include "api/base/clock.h"
#include "api/base/name.h"
#include "api/doc_json.h"
#include "fs/core/tree.h"
#include "fs/send/outdated.h"

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
	if (g->exists) {
		row = stage_of(stage, what->kind, what->parent_id, g->id, what->leaf ? what->leaf->name : NULL);
		if (row || what->leaf)
			return row;
	}
	if (text_format(&new_id, "%c%s", STAGE_ID_MARK, g->wish.file_name) < 0)
		return NULL;
	return stage_of(stage, what->kind, what->parent_id, new_id, NULL);
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

/* The name belongs to a resource that is to be called otherwise: it is free only then. */
static bool is_renamed_away(const struct gathered *g, const struct staged *row)
{
	return row && row->new_name && !g->wish.what->leaf && g->wish.verb == WISH_WRITE && !g->wish.what->id;
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
	const char *id = g->exists && !what->part ? g->id : NULL;
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

int staging_keep(struct request *r, const struct gathered *g, struct change *change, struct accepted *ret)
{
	cleanup_(staged_unrefp) struct staged *old = find_row(r->mount->stage, g);

	if (is_renamed_away(g, old))
		return change_refuse(change, EEXIST,
				     "the %s of this name is to be called otherwise: the name is free once that is applied",
				     change->kind->name);
	if (change->refusal.errnum == EPERM && old && old->remove)
		return change_refuse(change, EPERM, "its delete is staged: apply that first, then write the new one");
	if (change->refusal.errnum)
		return -change->refusal.errnum;
	if (!change->steps_count)
		return unstage(r, g, old);
	return keep(r, g, old, ret);
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

int staged_wishes_init(const struct staged *row, bool force, struct staged_wishes *ret)
{
	struct wish wish = { .file_name = row->file_name, .staged = true, .base = row->base, .force = force };
	size_t len;
	const char *text = staged_text(row, &len);

	*ret = (struct staged_wishes){ 0 };
	if (text_format(&ret->path, "/%s/%s", row->dir, staged_name(row)) < 0) {
		ret->path = NULL;
		return -ENOMEM;
	}
	wish.path = ret->path;
	ret->what = (struct identity){ .place = place_of(row),
				       .kind = row->kind,
				       .part = row->part,
				       .leaf = row->leaf,
				       .parent_id = row->parent_id,
				       .id = row->id };
	ret->content = (struct buf){ .data = (char *)(uintptr_t)text, .len = len };
	if (row->new_name && !row->remove) {
		if (name_decode(row->new_name, row->kind->suffix, &ret->new_name) < 0)
			return -EINVAL;
		wish.verb = WISH_RENAME;
		wish.new_name = ret->new_name;
		ret->wishes[ret->count++] = wish;
	}
	if (row->remove || row->content || row->secret) {
		wish.verb = row->remove ? WISH_DELETE : WISH_WRITE;
		wish.new_name = NULL;
		wish.content = row->remove ? NULL : &ret->content;
		wish.secret = row->secret;
		/* The document was compared with what the account meant before the rename. */
		wish.by_name = force && row->id && !row->remove && !row->leaf && !row->part;
		ret->wishes[ret->count++] = wish;
	}
	for (size_t i = 0; i < ret->count; i++)
		ret->wishes[i].what = &ret->what;
	return 0;
}

void staged_wishes_clear(struct staged_wishes *wishes)
{
	free(wishes->new_name);
	free(wishes->path);
	*wishes = (struct staged_wishes){ 0 };
}

/* ---- waves ---- */

unsigned staged_wave(const struct staged *row)
{
	unsigned last = kind_rank_max(), rank = kind_rank(row->kind);

	if (row->leaf)
		return last;
	if (rank > last)
		rank = last;
	return row->remove ? last + 1 + (last - rank) : rank;
}

int staged_compare(const void *a, const void *b)
{
	const struct staged *x = *(struct staged *const *)a, *y = *(struct staged *const *)b;
	unsigned wave_x = staged_wave(x), wave_y = staged_wave(y);
	int order = strcmp(x->dir, y->dir);

	if (wave_x != wave_y)
		return wave_x < wave_y ? -1 : 1;
	return order ? order : strcmp(staged_name(x), staged_name(y));
}
