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
	scope_lock(tree, r->mount->tree);
	if (!h->draft || !place_is_of_account(h->what.place))
		return 0;
	if (h->entry->unlinked || draft_is_detached(h->draft))
		return err_set(&r->err, ESTALE, "the file was removed while it was being written");
	return 1;
}

/* ---- write ---- */

static int write_control(struct request *r, struct handle *h)
{
	const struct control *control = h->what.control;
	int result = request_need_worker(r);

	if (result == 0 && control->order)
		result = control->order(r, r->write.data, r->write.size);
	else if (result == 0)
		result = h->what.control->write ? h->what.control->write(r->mount, r->write.data, r->write.size, &r->err) :
						  -EACCES;
	return result < 0 ? result : reply_write(r, r->write.size);
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
	result = draft_set(draft, r->write.data, r->write.size);
	if (result == 0)
		result = commit_word(r, h->entry, draft);
	return result < 0 ? result : reply_write(r, r->write.size);
}

/* Says why a draft did not take what was written. */
static int not_stored(struct request *r, int result)
{
	if (result == -EFBIG)
		err_set(&r->err, EFBIG, "a document has at most %zu bytes", DOC_BYTES_MAX);
	else if (result == -ENOSPC)
		err_set(&r->err, ENOSPC, "drafts and scratch files have at most %zu bytes together", DRAFTS_BYTES_MAX);
	else if (result == -ESTALE)
		err_set(&r->err, ESTALE, "it was sent when it was renamed: open it by its new name to change it");
	return result;
}

static int store_bytes(struct request *r, struct handle *h)
{
	int result = r->write.append ? draft_append(h->draft, r->write.data, r->write.size) :
				       draft_write(h->draft, r->write.data, r->write.size, r->write.offset);

	if (result < 0)
		return not_stored(r, result);
	/* From now on its time is the write's. */
	scope_lock(tree, r->mount->tree);
	h->entry->set.mtime_ns = h->entry->set.atime_ns = ATTRIBUTE_NONE;
	draft_rewritten(h->draft, h->entry->sends);
	return 0;
}

/*
 * The kernel holds the inode's lock while a write or fsync is being answered, and whoever renames something onto the name waits for
 * that lock, deaf to signals. So what is about to be sent leaves the name to another node.
 */
static void make_way(struct request *r, struct handle *h)
{
	struct entry *e = h->entry;
	fuse_ino_t dir;

	if (!r->worker)
		return;
	scope_lock(tree, r->mount->tree);
	if (e->unlinked || !e->current || e->current->id != h->node)
		return;
	dir = e->parent && e->parent->current ? e->parent->current->id : 0;
	tree_renew(e);
	if (dir)
		notify_entry(r->mount->notifier, dir, entry_name(e));
}

int op_write(struct request *r)
{
	struct handle *h = r->write.handle;
	enum doc_state state;
	int result;

	if (h->what.place == PLACE_CONTROL)
		return write_control(r, h);
	if (!h->draft)
		return write_action(r, h);
	if (!r->write.stored) {
		result = store_bytes(r, h);
		if (result < 0)
			return result;
		r->write.stored = true;
	}
	if (!draft_sends_by_write(h->draft))
		return reply_write(r, r->write.size);
	state = draft_state(h->draft);
	if (state != DOC_COMPLETE && state != DOC_MALFORMED)
		return reply_write(r, r->write.size);
	result = sendable(r, h);
	if (result > 0) {
		make_way(r, h);
		result = commit_draft(r, h->entry, h->draft, false);
	}
	return result < 0 ? result : reply_write(r, r->write.size);
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

	tree_lock(r->mount->tree);
	is_new = !h->entry->what.id && !h->entry->what.part;
	tree_unlock(r->mount->tree);
	/* Not on record: a shell's own flush of a file that it just truncated comes this way. */
	return is_new || !opener ? 0 : -EINVAL;
}

static int send_draft(struct request *r, struct handle *h, bool opener)
{
	enum doc_state state = draft_state(h->draft);

	if (draft_overflow(h->draft) < 0)
		return draft_overflow(h->draft);
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
	struct handle *h = r->flush.handle;
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
	struct handle *h = r->fsync.handle;
	int result = h->writes && h->draft ? sendable(r, h) : 0;

	if (result > 0) {
		make_way(r, h);
		result = send_draft(r, h, true);
	}
	return result < 0 ? result : reply_ok(r);
}

/* ---- release ---- */

/* What the last writer leaves behind. */
struct left {
	char *path;     /* owned */
	bool unsent;    /* the account lacks it, and no call said so */
	bool detached;  /* it is not sent under its name any more */
	struct err err; /* detached scratch: what to do instead */
	fuse_ino_t dir; /* with name: whose node must hear that the name is gone; 0: nobody */
	char *name;     /* owned */
};

static void record_unsent(struct request *r, struct handle *h, const struct left *left)
{
	cleanup_(buf_wipe) struct buf content = BUF_INIT;
	struct err err = ERR_INIT;
	int result;

	content = draft_copy(h->draft, &result);
	if (left->detached && place_is_of_account(h->what.place))
		err_set(&err, ESTALE, "closed without being sent: the file was removed or replaced while it was being written");
	else if (left->detached)
		err = left->err;
	else if (!content.len)
		err_set(&err, EINVAL,
			"closed empty: nothing was sent (a file that is read and written by one command is emptied before it is "
			"read)");
	else
		err_set(&err, EIO, "closed without being sent");
	failures_add(r->mount->failures, left->path ? left->path : "?", "release", &err, h->draft->secret ? NULL : content.data,
		     h->draft->secret ? 0 : content.len);
}

/* Whether it is text under a name that is never sent, and no tool's. */
static bool is_mistaken_locked(const struct handle *h, struct err *err) REQUIRES(tree_locked)
{
	const struct entry *e = h->entry;

	return draft_size(h->draft) && !h->draft->secret && !e->unlinked && !commit_is_done(h->draft) && e->parent &&
	       walk_refuse_left(&e->parent->what, entry_name(e), err) < 0;
}

static bool is_unsent_locked(const struct handle *h, bool is_new, struct err *err) REQUIRES(tree_locked)
{
	size_t size = draft_size(h->draft);

	if (draft_is_detached(h->draft))
		return is_mistaken_locked(h, err);
	if (h->entry->unlinked)
		return false;
	return !commit_is_done(h->draft) && (size || !is_new);
}

/* The draft gives way to what the account says. */
static void end_draft_locked(struct mount *mount, struct handle *h, struct left *left) REQUIRES(tree_locked)
{
	struct entry *e = h->entry;

	tree_assert_locked(mount->tree);
	if (e->draft != h->draft)
		return;
	e->draft = draft_unref(e->draft);
	e->set = ATTRIBUTES_NONE;
	e->made.uid = e->made.gid = ATTRIBUTE_NONE;
	mount->tree->changes++;
	trash_draft_ended_locked(mount, e);
	if (!e->what.id && !e->what.part && e->what.place == PLACE_RESOURCE) {
		left->name = strdup(entry_name(e));
		left->dir = left->name && e->parent && e->parent->current ? e->parent->current->id : 0;
		tree_unlink(mount->tree, e);
	} else {
		tree_settle(mount->tree, e);
	}
}

/* In one step, so that nobody joins a draft that ends. */
static void leave_draft(struct mount *mount, struct handle *h, struct left *left)
{
	bool is_new;

	scope_lock(tree, mount->tree);
	if (!draft_remove_writer(h->draft))
		return;
	is_new = !h->entry->what.id && !h->entry->what.part;
	left->detached = draft_is_detached(h->draft);
	left->unsent = is_unsent_locked(h, is_new, &left->err);
	left->path = left->unsent ? entry_path_locked(h->entry, NULL) : NULL;
	/* A new empty file stays a draft: touch(1), and then an editor. */
	if (!left->detached && !(is_new && draft_size(h->draft) == 0 && !draft_was_handled(h->draft)))
		end_draft_locked(mount, h, left);
}

static void release_draft(struct request *r, struct handle *h)
{
	struct left left = { 0 };

	leave_draft(r->mount, h, &left);
	if (left.unsent)
		record_unsent(r, h, &left);
	if (left.dir)
		notify_entry(r->mount->notifier, left.dir, left.name);
	free(left.name);
	free(left.path);
}

int op_release(struct request *r)
{
	struct tree *tree = r->mount->tree;
	struct handle *h = r->release.handle;
	struct node *node;
	bool last;

	if (h->writes && h->draft)
		release_draft(r, h);
	if (h->heard)
		view_log(&h->what)->closed(r->mount);
	tree_lock(tree);
	node = tree_node(tree, h->node);
	if (node && node->opens)
		node->opens--;
	last = !node || !node->opens;
	if (node && !node->opens && !node->lookups)
		tree_forget(tree, node->id, 0);
	tree_unlock(tree);
	if (last)
		view_ended(r->mount, &h->what);
	handle_free(tree, h);
	return reply_ok(r);
}

/* ---- size ---- */

int op_fallocate(struct request *r)
{
	const struct fallocate_args *args = &r->fallocate;
	struct handle *h = args->handle;
	size_t size, end;
	int result = 0;

	if (!h->draft || !h->writes)
		return -EBADF;
	if (args->mode & ~(unsigned)FALLOC_FL_KEEP_SIZE)
		return -EOPNOTSUPP;
	if (args->offset < 0 || (uint64_t)args->offset + args->length > DOC_BYTES_MAX)
		return not_stored(r, -EFBIG);
	/* Room is always there. NUL bytes at the end would make no document; the size grows as it must all the same. */
	size = draft_size(h->draft);
	end = (size_t)args->offset + args->length;
	if (!(args->mode & FALLOC_FL_KEEP_SIZE) && end > size)
		result = not_stored(r, draft_truncate(h->draft, end));
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
	if (result != 0 || size == bytes->len)
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

int op_write_truncate(struct request *r, struct subject *s, struct handle *h, off_t size)
{
	if (size < 0 || (size_t)size > DOC_BYTES_MAX)
		return not_stored(r, -EFBIG);
	if (subject_is_dir(s))
		return -EISDIR;
	if (s->what.place == PLACE_CONTROL)
		return 0;
	if (h && h->draft && h->writes)
		return not_stored(r, draft_truncate(h->draft, (size_t)size));
	if (h && h->writes)
		return 0; /* an action's file */
	return truncate_path(r, s, (size_t)size);
}
