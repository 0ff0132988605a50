#include "fs/send/commit.h"

#include <errno.h>
#include <json-c/json.h>

#include "api/base/clock.h"
#include "api/base/name.h"
#include "api/base/rand.h"
#include "fs/core/attributes.h"
#include "fs/core/failures.h"
#include "fs/core/kept.h"
#include "fs/core/notify.h"
#include "fs/core/tell.h"
#include "fs/show/source.h"
#include "fs/send/trash.h"
#include "fs/show/view.h"

bool commit_is_done(struct draft *draft)
{
	struct err unused;

	return draft_handled(draft, &unused);
}

/* ---- pieces ---- */

static int take_snapshot(struct commit *c, const struct list_item *item)
{
	c->snapshot = snapshot_ref(item->snapshot);
	free(c->name);
	c->name = strdup(item->snapshot->name);
	if (!c->name)
		return -ENOMEM;
	if (!c->what.id && !(c->what.id = strdup(item->snapshot->id)))
		return -ENOMEM;
	return 0;
}

int commit_find(struct commit *c)
{
	cleanup_(list_unrefp) struct list *list = NULL;
	const struct list_item *item;
	struct store_info info;
	int result = source_list(c->r, c->what.kind, c->what.parent_id, &list, &info);

	/* Old answers are for readers: that nothing differs from one says nothing of the account. */
	if (result == 0 && info.stale) {
		list = list_unref(list);
		result = source_list_again(c->r, c->what.kind, c->what.parent_id, false, &list);
	}
	if (result < 0)
		return result;
	item = c->what.id ? list_by_id(list, c->what.id) : list_by_file_name(list, c->file_name);
	if (item && source_belongs(c->what.kind, c->what.parent_id, item->snapshot))
		return take_snapshot(c, item);
	if (c->what.id)
		return err_set(&c->r->err, ESTALE, "the %s was removed meanwhile", c->what.kind->name);
	/* A cut name is found in the document; see commit_json. */
	if (name_decode(c->file_name, c->what.kind->suffix, &c->name) < 0)
		c->name = NULL;
	return 0;
}

int commit_call(struct commit *c, const char *operation, const char *method, const char *template, struct json_object *body,
		struct answer *ret)
{
	struct call call = { .operation = operation, .method = method, .flags = CALL_WRITE };
	cleanup_free_ char *path = NULL;
	int result = kind_path(template, c->what.parent_id, c->what.id, NULL, &path);

	if (result < 0)
		return result;
	call.path = path;
	if (body)
		call.body = json_object_to_json_string_length(body, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE,
							      &call.body_len);
	request_call(c->r, &call);
	err_clear(&c->r->err);
	return client_call(c->r->mount->client, &call, ret, &c->r->err);
}

int commit_accept(struct commit *c, struct json_object *object, int64_t sent_ms)
{
	cleanup_(snapshot_unrefp) struct snapshot *snapshot = NULL;
	int result = source_changed(c->r->mount, c->what.kind, c->what.parent_id, object, sent_ms, &snapshot);

	/* It is done at the API: an answer without an identity only means that the list must tell. */
	if (result < 0)
		return 0;
	c->snapshot_hash = snapshot->hash;
	if (!c->new_id)
		c->new_id = strdup(snapshot->id);
	return 0;
}

static bool appeared(const struct list *before, const struct snapshot *s, const struct commit *c)
{
	return !strcmp(s->name, c->name) && !(before && list_by_id(before, s->id)) &&
	       source_belongs(c->what.kind, c->what.parent_id, s);
}

int commit_settle_create(struct commit *c, struct list *before, struct json_object **ret)
{
	int64_t until = clock_after_ms(COMMIT_SETTLE_MS), pause_ms = 250;
	bool looked = false;

	if (until > c->r->deadline_ms)
		until = c->r->deadline_ms;
	while (clock_left_ms(until)) {
		cleanup_(list_unrefp) struct list *list = NULL;
		int result = source_list_again(c->r, c->what.kind, c->what.parent_id, true, &list);

		looked = result == 0;
		for (size_t i = 0; result == 0 && i < list_count(list); i++) {
			struct snapshot *s = list_at(list, i)->snapshot;

			if (appeared(before, s, c))
				return source_object(c->r, c->what.kind, c->what.parent_id, s, ret);
		}
		usleep((useconds_t)pause_ms * 1000);
		pause_ms = pause_ms < 2000 ? pause_ms * 2 : pause_ms;
	}
	/* Without a look at the end nobody knows: sent again, it might be there twice. */
	if (!looked)
		return err_set(&c->r->err, EIO,
			       "outcome unknown: the %s may have been made, and the account cannot be asked; look at "
			       "the list before writing it again",
			       c->what.kind->name);
	return -ENOENT;
}

/* ---- one commit ---- */

static int dispatch(struct commit *c)
{
	const struct kind *kind = c->what.kind;

	if (c->what.leaf)
		return c->what.leaf->source == LEAF_ACTION ? commit_action(c) : commit_credentials(c);
	if (c->what.part)
		return commit_part(c);
	if (kind->flags & KIND_SECRET)
		return commit_secret(c);
	if (kind->flags & KIND_KEY_LINE)
		return commit_key_line(c);
	return commit_json(c);
}

static bool holds_secret(const struct commit *c, struct draft *draft)
{
	if (draft->secret || (c->what.leaf && c->what.leaf->source == LEAF_CREDENTIALS))
		return true;
	if (c->what.kind && c->what.place == PLACE_RESOURCE && !(c->what.kind->flags & (KIND_SECRET | KIND_KEY_LINE))) {
		struct json_object *doc = NULL;
		bool secret = false;

		if (doc_parse(c->content->data ? c->content->data : "", c->content->len, &doc, NULL) == 0)
			secret = doc_has_secret(c->what.kind, doc);
		json_object_put(doc);
		return secret;
	}
	return false;
}

static void record(struct commit *c, struct entry *entry, struct draft *draft, int errnum)
{
	struct mount *mount = c->r->mount;
	cleanup_free_ char *path = entry_path(mount->tree, entry, NULL);
	bool secret = holds_secret(c, draft);

	c->r->err.errnum = errnum;
	if (!c->r->err.text[0])
		err_set(&c->r->err, errnum, "%s", strerror(errnum));
	failures_add(mount->failures, path ? path : "?", c->r->op, &c->r->err, secret ? NULL : c->content->data,
		     secret ? 0 : c->content->len);
}

/* What stands for the entry from now on: the account has it. */
static void settle(struct commit *c, struct entry *entry)
{
	struct tree *tree = c->r->mount->tree;
	struct mount *mount = c->r->mount;
	cleanup_free_ char *key = NULL, *path = NULL;

	pthread_mutex_lock(&tree->lock);
	tree->changes++;
	if (c->what.place == PLACE_RESOURCE && c->new_id) {
		if (!entry->what.id)
			tell_dir_locked(mount, entry);
		tree_identify(tree, entry, c->new_id);
	}
	if (c->replaced && entry->parent)
		tell_file_locked(mount, entry->parent);
	if (entry->hide != HIDE_NONE)
		trash_show_locked(mount, entry);
	tree_settle(tree, entry);
	path = entry_path_locked(entry, NULL);
	pthread_mutex_unlock(&tree->lock);
	if (path)
		failures_clear(mount->failures, path);
	free(c->what.id);
	c->what.id = steal_ptr(c->new_id);
	key = view_key(&c->what);
	if (!key || c->what.leaf)
		return;
	if (c->keep)
		kept_set_bytes(mount->kept, key, c->content->data ? c->content->data : "", c->content->len, c->snapshot_hash);
	else
		kept_drop(mount->kept, key);
	attributes_keep(mount, entry, key, c->content->data ? c->content->data : "", c->content->len);
}

static int run(struct commit *c, struct entry *entry, struct draft *draft)
{
	int result = dispatch(c);

	if (result == 0) {
		if (!c->new_id && c->what.id)
			c->new_id = strdup(c->what.id);
		settle(c, entry);
		err_clear(&c->r->err);
	} else {
		/* mv prints something misleading for EINVAL, and tries twice. */
		if (result == -EINVAL && c->rename)
			result = -EBADMSG;
		record(c, entry, draft, -result);
	}
	free(c->name);
	free(c->new_id);
	snapshot_unref(c->snapshot);
	identity_clear(&c->what);
	return result;
}

static int begin(struct request *r, struct entry *entry, struct commit *c, char **ret_name)
{
	int result;

	scoped_lock(&r->mount->tree->lock);
	if (entry->unlinked)
		return -ESTALE;
	result = identity_copy(&entry->what, &c->what);
	if (result < 0)
		return result;
	*ret_name = strdup(entry_name(entry));
	return *ret_name ? 0 : -ENOMEM;
}

static int repeat(struct request *r, struct draft *draft, int *ret_result)
{
	struct err earlier;

	if (!draft_handled(draft, &earlier))
		return 0;
	*ret_result = -earlier.errnum;
	/* It is on record already. */
	r->err.text[0] = '\0';
	return 1;
}

int commit_draft(struct request *r, struct entry *entry, struct draft *draft, bool rename)
{
	struct commit c = { .r = r, .rename = rename, .keep = true };
	cleanup_(buf_wipe) struct buf content = BUF_INIT;
	cleanup_free_ char *file_name = NULL;
	int result;

	/* The write that did not fit is on record; the rest of it must not pass for the whole. */
	if (draft_overflowed(draft))
		return -EFBIG;
	if (repeat(r, draft, &result))
		return result;
	if (!r->worker)
		return -EAGAIN;
	scoped_lock(&entry->commit_lock);
	if (repeat(r, draft, &result))
		return result;
	content = draft_copy(draft, &result);
	if (result == 0)
		result = begin(r, entry, &c, &file_name);
	if (result < 0)
		return result;
	c.content = &content;
	c.file_name = file_name;
	c.again = draft_only_blanks_since(draft, &content);
	result = run(&c, entry, draft);
	/* An interrupted wait settles nothing: the next call may try again. */
	if (result != -EINTR) {
		r->err.errnum = -result;
		draft_set_handled(draft, &content, &r->err);
	}
	r->err.text[0] = '\0';
	return result;
}
