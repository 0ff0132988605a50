/* Applying one row. */
#include "fs/send/apply.h"

#include <errno.h>

#include "api/base/clock.h"
#include "api/base/name.h"
#include "api/doc_json.h"
#include "fs/core/failures.h"
#include "fs/core/kept.h"
#include "fs/core/tree.h"
#include "fs/send/change.h"
#include "fs/send/commit.h"
#include "fs/send/staging.h"
#include "fs/show/context.h"
#include "fs/show/source.h"
#include "fs/show/view.h"

/* ---- what it refers to ---- */

static int add_refers(const struct kind *kind, const char *text, size_t len, struct json_object *out)
{
	cleanup_json_ struct json_object *doc = NULL;

	if (!len || kind->flags & (KIND_SECRET | KIND_KEY_LINE) || doc_parse(text, len, &doc, NULL) < 0)
		return 0;
	return change_refers_of(doc, NULL, out);
}

int apply_refers(const struct staged *row, struct json_object *now, struct json_object *before)
{
	size_t len;
	const char *text = staged_text(row, &len);
	int r = row->leaf ? 0 : add_refers(row->kind, text, len, now);

	return r == 0 && row->base ? add_refers(row->kind, row->base->data, row->base->len, before) : r;
}

/* ---- what may be sent once ---- */

/* What the second time would make twice. */
static bool is_once(const struct staged *row)
{
	return staged_verb(row) == STAGED_CREATE || (row->leaf && row->leaf->source == LEAF_ACTION);
}

/* Names of these are the mount's own: the list alone does not tell which one it is. */
static bool is_nameless(const struct kind *kind)
{
	return kind->flags & KIND_LOCAL_NAME;
}

static int note_ids(struct request *r, struct staged *row)
{
	cleanup_json_ struct json_object *ids = json_object_new_array();
	cleanup_(list_unrefp) struct list *list = NULL;
	const char *text;
	int result = ids ? source_list_again(r, row->kind, row->parent_id, false, &list) : -ENOMEM;

	/* The service lists none of them: what the mount remembers is all that can be told apart. */
	if (result == -EOPNOTSUPP) {
		err_clear(&r->err);
		return 0;
	}
	for (size_t i = 0; result == 0 && i < list_count(list); i++)
		result = doc_append(ids, json_object_new_string(list_at(list, i)->snapshot->id));
	if (result < 0)
		return result;
	text = json_object_to_json_string_ext(ids, JSON_C_TO_STRING_PLAIN);
	row->before_ids = body_new(text, strlen(text));
	return row->before_ids ? 0 : -ENOMEM;
}

int apply_mark(struct request *r, struct staged **row)
{
	struct staged *copy;
	int result = 0;

	if (!is_once(*row))
		return 0;
	copy = staged_copy(*row);
	if (!copy)
		return -ENOMEM;
	if (is_nameless(copy->kind) && !copy->leaf)
		result = note_ids(r, copy);
	copy->sent_ns = clock_wall_ns();
	if (result < 0) {
		staged_unref(copy);
		return result;
	}
	staged_ref(copy);
	result = stage_put(r->mount->stage, copy, &r->waiter, r->deadline_ms, &r->err);
	if (result < 0) {
		staged_unref(copy);
		return result;
	}
	staged_unref(*row);
	*row = copy;
	return 0;
}

/* Its name alone says whether it is there, and nothing that comes to be before it can change it. */
static bool can_be_marked_ahead(const struct staged *row)
{
	return staged_verb(row) == STAGED_CREATE && !is_nameless(row->kind) && !row->lost && !row->sent_ns &&
	       !stage_is_id(row->parent_id);
}

/* With another time of sending, soon on the disk. *row is replaced. */
static int put_sent(struct stage *stage, struct staged **row, int64_t sent_ns)
{
	struct staged *copy = staged_copy(*row);

	if (!copy)
		return -ENOMEM;
	copy->sent_ns = sent_ns;
	staged_ref(copy);
	if (stage_put_soon(stage, copy, NULL) < 0) {
		staged_unref(copy);
		return -ENOMEM;
	}
	staged_unref(*row);
	*row = copy;
	return 0;
}

void apply_mark_ahead(const struct apply_run *run, struct request *r, size_t begin, size_t end)
{
	struct stage *stage = run->mount->stage;
	bool any = false;

	for (size_t i = begin; i < end; i++) {
		if (!can_be_marked_ahead(run->rows[i]) || put_sent(stage, &run->rows[i], clock_wall_ns()) < 0)
			continue;
		run->marked[i] = any = true;
	}
	if (!any || stage_flush(stage, &r->waiter, r->deadline_ms) == 0)
		return;
	/* It may not be on the disk: each is marked anew, which tells. */
	for (size_t i = begin; i < end; i++)
		apply_unmark(run, i);
}

void apply_unmark(const struct apply_run *run, size_t i)
{
	if (run->marked[i])
		(void)put_sent(run->mount->stage, &run->rows[i], 0);
	run->marked[i] = false;
}

/* ---- after a kill -9 ---- */

static bool was_there(struct json_object *ids, const char *id)
{
	for (size_t i = 0; i < json_object_array_length(ids); i++) {
		if (!strcmp(json_object_get_string(json_object_array_get_idx(ids, i)), id))
			return true;
	}
	return false;
}

/* Whether the resource that came meanwhile is what the row says. */
static bool is_ours(struct request *r, const struct staged *row, struct snapshot *s)
{
	cleanup_json_ struct json_object *object = NULL, *doc = NULL;
	struct doc_context ctx = { .account_id = r->mount->options->account_id };
	size_t len;
	const char *text = staged_text(row, &len);

	if (source_object(r, row->kind, row->parent_id, s, &object) < 0 || doc_parse(text, len, &doc, NULL) < 0)
		return false;
	return doc_same(row->kind, object, doc, &ctx);
}

/* A create whose answer nobody heard: what the document said of what the service answers otherwise is known all the same. Whether
   there is such a resource. */
static int remember_said(struct mount *mount, const struct staged *row, const struct list_item *item)
{
	cleanup_json_ struct json_object *doc = NULL;
	size_t len;
	const char *text = staged_text(row, &len);

	if (!item)
		return 0;
	if (!(row->kind->flags & (KIND_SECRET | KIND_KEY_LINE)) && doc_parse(text, len, &doc, NULL) == 0)
		context_remember(mount, row->kind, item->snapshot->id, doc);
	return 1;
}

/* 1: found, and it has the row's name from now on. 0: not there. */
static int find_new(struct request *r, const struct staged *row)
{
	cleanup_json_ struct json_object *ids = row->before_ids ? json_tokener_parse(row->before_ids->data) : NULL;
	cleanup_(list_unrefp) struct list *list = NULL;
	cleanup_free_ char *name = NULL;
	int result = source_list_again(r, row->kind, row->parent_id, false, &list);

	if (result < 0)
		return result;
	if (!is_nameless(row->kind))
		return remember_said(r->mount, row, list_by_file_name(list, row->file_name));
	if (name_decode(row->file_name, row->kind->suffix, &name) < 0)
		return -EINVAL;
	for (size_t i = 0; ids && i < list_count(list); i++) {
		struct snapshot *s = list_at(list, i)->snapshot;
		struct state_row remembered = { .table = "names",
						.parent = row->parent_id ? row->parent_id : row->kind->dir,
						.id = s->id,
						.value = name,
						.len = strlen(name) };

		if (was_there(ids, s->id) || !is_ours(r, row, s))
			continue;
		state_set_durable(r->mount->state, &remembered, NULL, clock_after_ms(STATE_BUSY_MS));
		source_drop_kind(r->mount, row->kind->parent ? row->kind->parent : row->kind);
		return 1;
	}
	return 0;
}

int apply_recover(struct request *r, const struct staged *row)
{
	int result;

	if (row->leaf)
		return err_set(
			&r->err, EIO,
			"outcome unknown: the mount died while it was being sent; look, then write the word again or discard it");
	if (is_nameless(row->kind) && !row->before_ids)
		return err_set(&r->err, EIO,
			       "outcome unknown: the mount died while it was being sent, and the service lists none; look, then "
			       "write it "
			       "again or discard it");
	/* Asked again and again, for lists lag. */
	for (;;) {
		int64_t left = (row->sent_ns - clock_wall_ns()) / (MSEC_PER_SEC * 1000) + APPLY_LOOK_MS;

		result = find_new(r, row);
		/* A name that is taken is for the decision, which finds nothing to do, or what differs. */
		if (result != 0 || left <= 0)
			return result > 0 && !is_nameless(row->kind) ? 0 : result;
		result = request_pause(r, left < 500 ? left : 500);
		if (result < 0)
			return result;
	}
}

/* ---- what came of it ---- */

static void identify(struct mount *mount, const struct staged *row, const char *id)
{
	cleanup_free_ char *path = staged_path(row);
	struct entry *entry;
	char *name, *rest;

	scope_lock(tree, mount->tree);
	mount->tree->changes++;
	entry = mount->tree->root;
	for (name = path ? strtok_r(path, "/", &rest) : NULL; entry && name; name = strtok_r(NULL, "/", &rest))
		entry = tree_find(mount->tree, entry, name);
	if (entry && path && entry->what.place == PLACE_RESOURCE && entry->what.id &&
	    (stage_is_id(entry->what.id) || (row->id && !strcmp(entry->what.id, row->id))))
		tree_identify(mount->tree, entry, id);
}

/* The bytes that were written, and what tools set on them, are the resource's from now on. */
static void keep_bytes(struct mount *mount, const struct staged *row, const char *id, uint64_t hash, bool keep)
{
	struct identity what = { .place = row->part ? PLACE_PART : PLACE_RESOURCE,
				 .kind = row->kind,
				 .part = row->part,
				 .parent_id = row->parent_id };
	cleanup_free_ char *staged = staged_id(row), *from = NULL, *to = NULL;

	what.id = row->part ? NULL : staged;
	from = view_key(&what);
	what.id = row->part ? NULL : (char *)(uintptr_t)id;
	to = view_key(&what);
	if (!from || !to)
		return;
	if (strcmp(from, to) != 0)
		kept_move(mount->kept, from, to);
	if (keep && row->content)
		kept_set_bytes(mount->kept, to, row->content->data, row->content->len, hash);
	else
		kept_drop(mount->kept, to);
}

static int done(struct request *r, const struct staged *row, struct accepted *accepted, bool keep)
{
	struct mount *mount = r->mount;
	cleanup_free_ char *path = staged_path(row), *shown = NULL, *staged = staged_id(row);
	const char *id = accepted->id ? accepted->id : row->id;

	if (!row->leaf && !row->remove && (row->content || row->secret) && (id || row->part))
		keep_bytes(mount, row, id, accepted->hash, keep);
	if (staged_verb(row) == STAGED_CREATE && id) {
		identify(mount, row, id);
		if (staged)
			(void)stage_adopt(mount->stage, staged, id, &r->err);
	}
	stage_drop(mount->stage, row->key, row->serial);
	if (path && text_format(&shown, "/%s", path) > 0)
		failures_clear(mount->failures, shown);
	return 0;
}

/* A rename that is made is not to be made again, whatever becomes of the rest. */
static int rename_done(struct request *r, struct staged **row)
{
	struct staged *copy = staged_copy(*row);

	if (!copy)
		return -ENOMEM;
	free(copy->file_name);
	copy->file_name = steal_ptr(copy->new_name);
	staged_ref(copy);
	if (stage_put_soon(r->mount->stage, copy, &r->err) < 0) {
		staged_unref(copy);
		return -ENOMEM;
	}
	staged_unref(*row);
	*row = copy;
	return 0;
}

/* Removed, and what takes its place is to be made: the row is a new one's from now on, and what is staged below it with it. */
static int removal_done(struct request *r, struct staged **row)
{
	struct stage *stage = r->mount->stage;
	struct staged *copy = staged_copy(*row);
	struct identity was = { .place = PLACE_RESOURCE, .kind = (*row)->kind, .parent_id = (*row)->parent_id, .id = (*row)->id };
	cleanup_free_ char *id = NULL, *from = view_key(&was), *to = NULL;
	int result;

	if (!copy)
		return -ENOMEM;
	free(steal_ptr(copy->id));
	copy->base = body_unref(copy->base);
	copy->remove = false;
	copy->order = (*row)->order;
	id = was.id = staged_id(copy);
	to = id ? view_key(&was) : NULL;
	staged_ref(copy);
	result = stage_put_soon(stage, copy, &r->err);
	if (result < 0 || !to || !from) {
		staged_unref(copy);
		return result < 0 ? result : -ENOMEM;
	}
	stage_drop(stage, (*row)->key, (*row)->serial);
	(void)stage_adopt(stage, (*row)->id, id, &r->err);
	kept_move(r->mount->kept, from, to);
	identify(r->mount, *row, id);
	staged_unref(*row);
	*row = copy;
	return apply_mark(r, row);
}

/* What is not to be made again, whatever becomes of the rest. */
static int note_half(struct request *r, enum wish_verb verb, struct staged **row)
{
	return verb == WISH_RENAME ? rename_done(r, row) : removal_done(r, row);
}

int apply_park(const struct apply_run *run, struct request *r, const struct staged *row)
{
	cleanup_(accepted_clear) struct accepted accepted = { 0 };
	cleanup_wishes_ struct staged_wishes wishes = { 0 };
	int result = staged_wishes_init(row, run->force, true, &wishes);
	bool keep = false;

	return result < 0 ? result : commit_staged(r, &wishes.wishes[0], &accepted, &keep);
}

static int send_wishes(const struct apply_run *run, struct request *r, struct staged **row, struct accepted *accepted, bool *keep)
{
	cleanup_wishes_ struct staged_wishes wishes = { 0 };
	cleanup_(staged_unrefp) struct staged *whole = staged_ref(*row);
	int result = staged_wishes_init(whole, run->force, false, &wishes);

	for (size_t i = 0; result == 0 && i < wishes.count; i++) {
		accepted_clear(accepted);
		r->deadline_ms = clock_after_ms(r->mount->options->timeout_ms);
		result = commit_staged(r, &wishes.wishes[i], accepted, keep);
		if (result == 0 && i + 1 < wishes.count)
			result = note_half(r, wishes.wishes[i].verb, row);
	}
	return result;
}

/* Adopted meanwhile: its parent came to be in an earlier wave. */
static void refresh_row(const struct apply_run *run, struct staged **row)
{
	size_t count = 0;
	struct staged **rows;

	if (!stage_is_id((*row)->parent_id))
		return;
	rows = stage_list(run->mount->stage, &count);
	for (size_t i = 0; i < count; i++) {
		if (rows[i]->order != (*row)->order || rows[i]->kind != (*row)->kind)
			continue;
		staged_unref(*row);
		*row = staged_ref(rows[i]);
		break;
	}
	stage_list_free(rows, count);
}

int apply_row(const struct apply_run *run, struct request *r, struct staged **row)
{
	cleanup_(accepted_clear) struct accepted accepted = { 0 };
	bool keep = false, marked = run->marked[row - run->rows];
	int result = 0;

	refresh_row(run, row);
	if ((*row)->lost)
		return err_set(&r->err, ENODATA, "its secret value was lost with the process that held it: write it again");
	if (stage_is_id((*row)->parent_id))
		return err_set(&r->err, ENOENT, "what it belongs to is not in the account");
	if ((*row)->sent_ns && !marked)
		result = apply_recover(r, *row);
	if (result == 0 && !marked)
		result = apply_mark(r, row);
	if (result == 0)
		result = send_wishes(run, r, row, &accepted, &keep);
	return result < 0 ? result : done(r, *row, &accepted, keep);
}
