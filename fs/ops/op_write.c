/* Writing: drafts grow, and are sent when they are complete. */
#include "fs/ops/ops.h"

#include <errno.h>
#include <fcntl.h>

#include "api/base/clock.h"
#include "fs/send/commit.h"
#include "fs/show/control.h"
#include "fs/core/failures.h"
#include "fs/ops/handle.h"
#include "fs/core/notify.h"
#include "fs/ops/reply.h"
#include "fs/send/trash.h"
#include "fs/show/walk.h"

/* 1: the draft is sent by itself. 0: it is scratch. -ESTALE: its name went away, and with it what it would have changed. */
static int sendable(struct request *r, struct handle *h)
{
	scoped_lock(&r->mount->tree->lock);
	if (!h->draft || h->what.place >= PLACE_CONTROL_DIR)
		return 0;
	if (h->entry->unlinked || draft_is_detached(h->draft))
		return err_set(&r->err, ESTALE, "the file was removed while it was being written");
	return 1;
}

/* ---- write ---- */

static int write_control(struct request *r, struct handle *h)
{
	int result = request_need_worker(r);

	if (result == 0)
		result = h->what.control->write ? h->what.control->write(r->mount, r->data, r->size, &r->err) : -EACCES;
	return result < 0 ? result : reply_write(r, r->size);
}

/* A word is an order: each write is one, and has its own answer. */
static int write_action(struct request *r, struct handle *h)
{
	cleanup_(draft_unrefp) struct draft *draft = NULL;
	int result = request_need_worker(r);

	if (result < 0)
		return result;
	draft = draft_new();
	if (!draft)
		return -ENOMEM;
	result = draft_set(draft, r->data, r->size);
	if (result == 0)
		result = commit_draft(r, h->entry, draft, false);
	return result < 0 ? result : reply_write(r, r->size);
}

static int store_bytes(struct request *r, struct handle *h)
{
	off_t offset = h->flags & O_APPEND ? (off_t)draft_size(h->draft) : r->offset;
	int result = draft_write(h->draft, r->data, r->size, offset);

	if (result == -EFBIG)
		err_set(&r->err, EFBIG, "a document has at most %zu bytes", DOC_BYTES_MAX);
	return result;
}

int op_write(struct request *r)
{
	struct handle *h = handle_of(r->fi.fh);
	enum doc_state state;
	int result;

	if (h->what.place == PLACE_CONTROL)
		return write_control(r, h);
	if (!h->draft)
		return write_action(r, h);
	if (!r->stage) {
		result = store_bytes(r, h);
		if (result < 0)
			return result;
		r->stage = 1;
	}
	if (!draft_sends_by_write(h->draft))
		return reply_write(r, r->size);
	state = draft_state(h->draft);
	if (state != DOC_COMPLETE && state != DOC_MALFORMED)
		return reply_write(r, r->size);
	result = sendable(r, h);
	if (result > 0)
		result = commit_draft(r, h->entry, h->draft, false);
	return result < 0 ? result : reply_write(r, r->size);
}

/* ---- flush, fsync ---- */

static int send_incomplete(struct request *r, struct handle *h, bool opener)
{
	/* Another process of the group writes on: { cat a; cat b; } > file */
	if (!opener)
		return 0;
	return commit_draft(r, h->entry, h->draft, false);
}

static int send_empty(struct request *r, struct handle *h, bool opener)
{
	bool is_new;

	pthread_mutex_lock(&r->mount->tree->lock);
	is_new = !h->entry->what.id && !h->entry->what.part;
	pthread_mutex_unlock(&r->mount->tree->lock);
	/* Not on record: a shell's own flush of a file that it just truncated comes this way. */
	return is_new || !opener ? 0 : -EINVAL;
}

static int send_draft(struct request *r, struct handle *h, bool opener)
{
	enum doc_state state = draft_state(h->draft);

	if (draft_overflowed(h->draft))
		return -EFBIG;
	if (state == DOC_EMPTY && draft_size(h->draft) == 0)
		return send_empty(r, h, opener);
	if (h->draft->secret && !opener)
		return 0;
	if (state == DOC_INCOMPLETE && !h->draft->key_line)
		return send_incomplete(r, h, opener);
	if (h->draft->key_line && state == DOC_INCOMPLETE && !opener)
		return 0;
	return commit_draft(r, h->entry, h->draft, false);
}

int op_flush(struct request *r)
{
	struct handle *h = handle_of(r->fi.fh);
	bool opener;
	int result;

	if (!h->writes || !h->draft)
		return reply_ok(r);
	result = sendable(r, h);
	/* What a write or an earlier close was told needs no second word. */
	if (result == -ESTALE && (draft_size(h->draft) == 0 || commit_is_done(h->draft)))
		result = r->err.text[0] = 0;
	if (result <= 0)
		return result < 0 ? result : reply_ok(r);
	if (commit_is_done(h->draft) && !h->draft->secret) {
		result = commit_draft(r, h->entry, h->draft, false);
		return result < 0 ? result : reply_ok(r);
	}
	opener = request_process(r) == h->opener;
	/* What a killed process leaves behind is not what its user meant to send. */
	if (h->draft->secret && request_is_dying(r))
		return reply_ok(r);
	result = send_draft(r, h, opener);
	return result < 0 ? result : reply_ok(r);
}

int op_fsync(struct request *r)
{
	struct handle *h = handle_of(r->fi.fh);
	int result = h->writes && h->draft ? sendable(r, h) : 0;

	if (result > 0)
		result = send_draft(r, h, true);
	return result < 0 ? result : reply_ok(r);
}

/* ---- release ---- */

static void record_unsent(struct request *r, struct handle *h)
{
	struct mount *mount = r->mount;
	cleanup_free_ char *path = entry_path(mount->tree, h->entry, NULL);
	cleanup_(buf_wipe) struct buf content = BUF_INIT;
	struct err err = ERR_INIT;
	int result;

	content = draft_copy(h->draft, &result);
	if (h->what.place < PLACE_SCRATCH && draft_is_detached(h->draft))
		err_set(&err, ESTALE, "closed without being sent: the file was removed or replaced while it was being written");
	else if (draft_is_detached(h->draft))
		err_set(&err, EINVAL, "a file of this name is never sent: here a name must end as the others do; it stays local");
	else if (!content.len)
		err_set(&err, EINVAL, "closed empty: nothing was sent");
	else
		err_set(&err, EIO, "closed without being sent");
	failures_add(mount->failures, path ? path : "?", "release", &err, h->draft->secret ? NULL : content.data,
		     h->draft->secret ? 0 : content.len);
}

/* Whether the last writer left something that the account does not have and no call said so. */
static bool is_unsent(struct request *r, struct handle *h, bool is_new)
{
	size_t size = draft_size(h->draft);

	scoped_lock(&r->mount->tree->lock);
	if (draft_is_detached(h->draft))
		return size && !h->draft->secret && !walk_is_tool_name(entry_name(h->entry)) && !h->entry->unlinked &&
		       !commit_is_done(h->draft);
	if (h->entry->unlinked)
		return false;
	return !commit_is_done(h->draft) && (size || !is_new);
}

/* The draft gives way to what the account says. */
static void end_draft(struct request *r, struct handle *h)
{
	struct tree *tree = r->mount->tree;
	struct entry *e = h->entry;
	fuse_ino_t dir = 0;

	pthread_mutex_lock(&tree->lock);
	if (e->draft == h->draft) {
		e->draft = draft_unref(e->draft);
		e->set_mtime_ns = e->set_mode = e->set_uid = e->set_gid = -1;
		e->made_uid = e->made_gid = -1;
		tree->changes++;
		if (e->hide == HIDE_BACKUP)
			e->hide_until_ms = clock_after_ms(TRASH_BACKUP_MS);
		if (!e->what.id && !e->what.part && e->what.place == PLACE_RESOURCE) {
			dir = e->parent && e->parent->current ? e->parent->current->id : 0;
			tree_unlink(tree, e);
		} else {
			tree_settle(tree, e);
		}
	}
	pthread_mutex_unlock(&tree->lock);
	if (dir)
		notify_entry(r->mount->notifier, dir, entry_name(e));
}

static void release_draft(struct request *r, struct handle *h)
{
	struct draft *draft = h->draft;
	bool is_new, last;

	pthread_mutex_lock(&draft->lock);
	last = --draft->writers == 0;
	pthread_mutex_unlock(&draft->lock);
	if (!last)
		return;
	pthread_mutex_lock(&r->mount->tree->lock);
	is_new = !h->entry->what.id && !h->entry->what.part;
	pthread_mutex_unlock(&r->mount->tree->lock);
	if (is_unsent(r, h, is_new))
		record_unsent(r, h);
	/* A new empty file stays a draft: touch(1), and then an editor. */
	if (!draft_is_detached(draft) && !(is_new && draft_size(draft) == 0 && !draft->handled))
		end_draft(r, h);
}

int op_release(struct request *r)
{
	struct tree *tree = r->mount->tree;
	struct handle *h = handle_of(r->fi.fh);
	struct node *node;

	if (h->writes && h->draft)
		release_draft(r, h);
	pthread_mutex_lock(&tree->lock);
	node = tree_node(tree, h->node);
	if (node && node->opens)
		node->opens--;
	if (node && !node->opens && !node->lookups)
		tree_forget(tree, node->id, 0);
	pthread_mutex_unlock(&tree->lock);
	handle_free(tree, h);
	return reply_ok(r);
}

/* ---- size ---- */

int op_fallocate(struct request *r)
{
	struct handle *h = handle_of(r->fi.fh);
	size_t size, end;
	int result = 0;

	if (!h->draft || !h->writes)
		return -EBADF;
	if (r->flags & ~(unsigned)FALLOC_FL_KEEP_SIZE)
		return -EOPNOTSUPP;
	if (r->offset < 0 || (uint64_t)r->offset + r->size > DOC_BYTES_MAX)
		return -EFBIG;
	/* Room is always there. NUL bytes at the end would make no document; the size grows as it must all the same. */
	size = draft_size(h->draft);
	end = (size_t)r->offset + r->size;
	if (!(r->flags & FALLOC_FL_KEEP_SIZE) && end > size)
		result = draft_truncate(h->draft, end);
	return result < 0 ? result : reply_ok(r);
}

/* truncate(2) by path has no close that could send: it is sent at once. */
static int truncate_path(struct request *r, struct subject *s, size_t size)
{
	cleanup_(draft_unrefp) struct draft *draft = NULL;
	cleanup_(body_unrefp) struct body *bytes = NULL;
	cleanup_view_ struct view view = { 0 };
	int result;

	if (s->draft)
		return draft_truncate(s->draft, size);
	if (s->what.place != PLACE_RESOURCE && s->what.place != PLACE_PART)
		return s->what.leaf && s->what.leaf->mode & 0222 ? 0 : -EACCES;
	if (s->what.kind->flags & KIND_SECRET)
		return size ? -EINVAL : 0;
	if (size == 0)
		return err_set(&r->err, EINVAL, "an empty file is no %s: rm removes it", s->what.kind->name);
	result = view_make(r, &s->what, NULL, &view);
	if (result == 0)
		result = view_bytes(r, &s->what, &view, &bytes);
	if (result < 0 || size == bytes->len)
		return result;
	draft = draft_new();
	if (!draft)
		return -ENOMEM;
	draft->json = !(s->what.kind->flags & KIND_KEY_LINE);
	result = draft_set(draft, bytes->data, bytes->len);
	if (result == 0)
		result = draft_truncate(draft, size);
	return result < 0 ? result : commit_draft(r, s->entry, draft, false);
}

int commit_truncate(struct request *r, struct subject *s, uint64_t fh, off_t size)
{
	struct handle *h = handle_of(fh);

	if (size < 0 || (size_t)size > DOC_BYTES_MAX)
		return err_set(&r->err, EFBIG, "a document has at most %zu bytes", DOC_BYTES_MAX);
	if (entry_is_dir(s->entry))
		return -EISDIR;
	if (s->what.place == PLACE_CONTROL)
		return 0;
	if (h && h->draft && h->writes)
		return draft_truncate(h->draft, (size_t)size);
	if (h && h->writes)
		return 0; /* an action's file */
	return truncate_path(r, s, (size_t)size);
}
