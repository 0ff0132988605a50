#include "fs/send/trash.h"

#include <errno.h>
#include <utlist.h>

#include "fs/core/failures.h"
#include "fs/core/notify.h"
#include "fs/core/pace.h"
#include "fs/core/tell.h"
#include "fs/core/timer.h"
#include "fs/core/tree.h"
#include "fs/send/commit.h"
#include "fs/send/history.h"
#include "fs/show/view.h"

/* One that waits in trash_flush; on its stack. */
struct flusher {
	struct flusher *prev, *next;
	struct waiter *waiter; /* borrowed */
};

struct trash {
	struct mount *mount; /* borrowed */
	/* Owned references, linked by their hidden_prev and hidden_next. */
	struct entry *hidden GUARDED_BY(tree_locked);
	struct flusher *flushers GUARDED_BY(tree_locked); /* borrowed */
	struct err missed GUARDED_BY(tree_locked);        /* the first failure that no flush returned; errnum 0: none */
	struct entry *missed_in GUARDED_BY(tree_locked);  /* its directory; an address to compare with, no reference */
};

static void hide_locked(struct trash *trash, struct entry *entry) REQUIRES(tree_locked);
static void forget_locked(struct trash *trash, struct entry *entry) REQUIRES(tree_locked);
static int64_t due(void *arg);

struct trash *trash_new(struct mount *mount)
{
	struct trash *trash = calloc(1, sizeof(*trash));

	if (!trash)
		return NULL;
	trash->mount = mount;
	timer_add(mount->timer, due, trash);
	return trash;
}

/* Unanalysed: nobody else is left, nor is the tree for sure. */
struct trash *trash_free(struct trash *trash) NO_THREAD_SAFETY_ANALYSIS
{
	if (!trash)
		return NULL;
	/* The tree frees what is still hidden. */
	(void)invariant(!trash->flushers);
	free(trash);
	return NULL;
}

/* ---- hiding ---- */

static void hide_locked(struct trash *trash, struct entry *entry)
{
	tree_assert_locked(trash->mount->tree);
	if (entry->in_hiding)
		return;
	entry->in_hiding = true;
	entry_ref(entry);
	DL_APPEND2(trash->hidden, entry, hidden_prev, hidden_next);
}

static void forget_locked(struct trash *trash, struct entry *entry)
{
	struct flusher *f;

	tree_assert_locked(trash->mount->tree);
	(void)invariant(entry->in_hiding && !entry->sending);
	entry->in_hiding = false;
	DL_DELETE2(trash->hidden, entry, hidden_prev, hidden_next);
	entry_unref_locked(trash->mount->tree, entry);
	DL_FOREACH(trash->flushers, f)
		waiter_wake(f->waiter);
}

void trash_hide_locked(struct mount *mount, struct entry *entry, enum hide hide, int64_t until_ms)
{
	hide_locked(mount->trash, entry);
	entry->hide = hide;
	entry->hide_until_ms = until_ms;
	tell_dir_locked(mount, entry);
	mount->tree->changes++;
	tree_settle(mount->tree, entry);
	timer_wake(mount->timer);
}

void trash_show_locked(struct mount *mount, struct entry *entry)
{
	struct entry *other;

	tree_assert_locked(mount->tree);
	/* What is written again was no delete. */
	if (entry->hide == HIDE_DELETE && entry->what.kind && !entry->what.kind->parent)
		pace_give_back(mount->pace);
	entry->hide = HIDE_NONE;
	entry->doomed = doomed_free(entry->doomed);
	mount->tree->changes++;
	/* Its backup is a file like any other now. */
	if (entry->parent) {
		DL_FOREACH(entry->parent->locals, other) {
			if (other->backup_of && !strcmp(other->backup_of, entry_name(entry))) {
				free(other->backup_of);
				other->backup_of = NULL;
			}
		}
	}
	entry_ref(entry);
	tree_settle(mount->tree, entry);
	/* A DELETE on its way is past stopping: its worker takes the entry out of hiding. */
	if (entry->in_hiding && !entry->sending)
		forget_locked(mount->trash, entry);
	entry_unref_locked(mount->tree, entry);
}

void trash_draft_ended_locked(struct mount *mount, struct entry *entry)
{
	int64_t least = clock_after_ms(TRASH_DRAFT_MS);

	tree_assert_locked(mount->tree);
	if (entry->hide != HIDE_BACKUP)
		return;
	if (entry->hide_until_ms < least)
		entry->hide_until_ms = least;
	timer_wake(mount->timer);
}

/* ---- sending ---- */

static void note_missed_locked(struct trash *trash, struct entry *dir, const struct err *err) REQUIRES(tree_locked)
{
	tree_assert_locked(trash->mount->tree);
	if (!trash->missed.errnum) {
		trash->missed = *err;
		trash->missed_in = dir;
	}
	if (!dir || dir->missed)
		return;
	/* A directory that owes a failure stays, for whoever opens it again. */
	dir->missed = err->errnum;
	entry_ref(dir);
}

/* A DELETE that one thread sends. */
struct sending {
	struct trash *trash;
	struct request *r;     /* that waits for the answer; NULL: nobody does */
	struct entry *entry;   /* owned reference; marked as sending */
	struct identity what;  /* owned strings; as it was */
	struct doomed *doomed; /* owned; as the entry has it; or NULL */
};

/* The entry's DELETE is this caller's from now on. */
static int claim_locked(struct trash *trash, struct entry *entry, struct sending *ret) REQUIRES(tree_locked)
{
	int r;

	tree_assert_locked(trash->mount->tree);
	if (!entry->in_hiding || entry->hide != HIDE_DELETE || entry->sending)
		return -EBUSY;
	r = identity_copy(&entry->what, &ret->what);
	if (r < 0)
		return r;
	entry->sending = true;
	ret->doomed = doomed_copy(entry->doomed);
	ret->trash = trash;
	ret->entry = entry_ref(entry);
	return 0;
}

/* The kernel's node of the directory, or 0. */
static fuse_ino_t settle_entry(struct sending *s, int result, const struct err *err, char **ret_name)
{
	struct tree *tree = s->trash->mount->tree;
	struct entry *entry = s->entry;

	scope_lock(tree, tree);
	/* Who waits for the answer is told; who does not, by the next flush. */
	if (result < 0 && !s->r)
		note_missed_locked(s->trash, entry->parent, err);
	if (entry->hide == HIDE_DELETE) {
		entry->hide = HIDE_NONE;
		if (result == 0 && !entry->draft)
			tree_unlink(tree, entry);
		else
			tree_settle(tree, entry);
	}
	/* Written again while the DELETE was on its way: what comes is a create. */
	if (result == 0 && !entry->unlinked && entry->what.id && !strcmp(entry->what.id, s->what.id)) {
		free(entry->what.id);
		entry->what.id = NULL;
	}
	tree->changes++;
	entry->sending = false;
	forget_locked(s->trash, entry);
	*ret_name = strdup(entry_name(entry));
	return entry->parent && entry->parent->current ? entry->parent->current->id : 0;
}

/* In turn with what else is sent for the entry: an update's answer that comes after the DELETE's would bring the resource back into
   the list. */
static int take_turn(struct sending *s, struct err *err)
{
	int result;

	if (s->r)
		return request_take_turn(s->r, &s->entry->turn);
	result = turn_take(&s->entry->turn, NULL, clock_after_ms(s->trash->mount->options->timeout_ms));
	return result < 0 ?
		       err_set(err, -result, "the deadline passed while another change of the same resource was being answered") :
		       0;
}

/* Sends what was claimed, and takes it out of hiding. */
static int delete_entry(struct sending *s, struct err *err)
{
	struct mount *mount = s->trash->mount;
	cleanup_free_ char *path = entry_path(mount->tree, s->entry, NULL), *name = NULL;
	fuse_ino_t dir;
	int result = take_turn(s, err);
	const struct doomed_path doomed = { .path = path ? path : "?", .doomed = s->doomed };
	bool turn = result == 0;

	if (result == 0)
		result = commit_delete(mount, s->r, &s->what, &doomed, err);
	if (result < 0) {
		err->errnum = -result;
		failures_add(mount->failures, path ? path : "?", "unlink", err, NULL, 0);
		/* Nobody waits for it who could be told. */
		if (!s->r)
			log_error("%s was not deleted: %s", path ? path : "?", err->text);
	}
	dir = settle_entry(s, result, err, &name);
	if (turn)
		turn_give(&s->entry->turn);
	if (result < 0 && dir && name) {
		notify_entry(mount->notifier, dir, name);
		notify_inode(mount->notifier, dir, true);
	}
	return result;
}

static void sending_clear(struct sending *s)
{
	identity_clear(&s->what);
	doomed_free(s->doomed);
	entry_release(s->trash->mount->tree, s->entry);
}

static void send_task(void *arg)
{
	struct sending *s = arg;
	struct err err = ERR_INIT;

	(void)delete_entry(s, &err);
	sending_clear(s);
	free(s);
}

static void send_in_pool_locked(struct trash *trash, struct entry *entry) REQUIRES(tree_locked)
{
	struct sending *s = calloc(1, sizeof(*s));

	tree_assert_locked(trash->mount->tree);
	if (s && claim_locked(trash, entry, s) == 0) {
		if (pool_run(trash->mount->deleters, send_task, s) == 0)
			return;
		entry->sending = false;
		doomed_free(s->doomed);
		entry_unref_locked(trash->mount->tree, s->entry);
		identity_clear(&s->what);
	}
	free(s);
	/* No memory, or no thread to be had: in a while again. */
	entry->hide_until_ms = clock_after_ms(TRASH_AGAIN_MS);
}

static bool is_sending(struct mount *mount, const struct entry *entry)
{
	scope_lock(tree, mount->tree);
	return entry->sending;
}

/* Its DELETE is on its way by another thread. */
static int wait_sent(struct request *r, struct entry *entry)
{
	struct mount *mount = r->mount;
	struct flusher f = { .waiter = &r->waiter };
	int result = 0;

	tree_lock(mount->tree);
	DL_APPEND(mount->trash->flushers, &f);
	tree_unlock(mount->tree);
	while (result == 0 && is_sending(mount, entry))
		result = waiter_wait(&r->waiter, r->deadline_ms, false);
	scope_lock(tree, mount->tree);
	DL_DELETE(mount->trash->flushers, &f);
	if (result == -ETIMEDOUT)
		return err_set(&r->err, ETIMEDOUT, "the deadline passed before a DELETE that is on its way was answered");
	if (result == 0 && !entry->unlinked && entry->what.id)
		return err_set(&r->err, EEXIST, "its DELETE failed: what has the name is still there");
	return result;
}

int trash_delete_now(struct request *r, struct entry *entry)
{
	struct mount *mount = r->mount;
	struct sending s = { 0 };
	bool under_way;
	int result;

	assert_return(r->worker, -EIO);
	tree_lock(mount->tree);
	under_way = entry->sending;
	result = under_way ? 0 : claim_locked(mount->trash, entry, &s);
	/* Without its DELETE nothing is away. */
	if (result < 0 && result != -EBUSY)
		trash_show_locked(mount, entry);
	tree_unlock(mount->tree);
	if (under_way)
		return wait_sent(r, entry);
	if (result < 0)
		return result;
	s.r = r;
	result = delete_entry(&s, &r->err);
	sending_clear(&s);
	return result;
}

/* ---- the clock ---- */

/* Its time in hiding is over, and nobody wrote it again. Returns its path, owned by the caller, or NULL without memory. */
static char *come_back_locked(struct trash *trash, struct entry *entry) REQUIRES(tree_locked)
{
	char *path = entry_path_locked(entry, NULL);
	struct mount *mount = trash->mount;
	fuse_ino_t dir = entry->parent && entry->parent->current ? entry->parent->current->id : 0;

	tree_assert_locked(mount->tree);
	if (dir) {
		notify_entry(mount->notifier, dir, entry_name(entry));
		notify_inode(mount->notifier, dir, true);
	}
	trash_show_locked(mount, entry);
	return path;
}

/* One look at all that is hidden. It ends with the first one that came back, for it is put on record without the lock. */
static int64_t look(struct trash *trash, char **ret_back)
{
	int64_t now = clock_now_ms(), next = CLOCK_NEVER;
	struct entry *entry, *after;

	scope_lock(tree, trash->mount->tree);
	for (entry = trash->hidden; entry; entry = after) {
		after = entry->hidden_next;
		if (entry->sending)
			continue;
		if (entry->hide_until_ms <= now && entry->hide == HIDE_DELETE)
			send_in_pool_locked(trash, entry);
		else if (entry->hide_until_ms <= now && entry->draft)
			continue; /* its end tells */
		else if (entry->hide_until_ms <= now) {
			*ret_back = come_back_locked(trash, entry);
			return now;
		}
		if (!entry->sending && entry->hide_until_ms < next)
			next = entry->hide_until_ms;
	}
	return next;
}

static int64_t due(void *arg)
{
	struct trash *trash = arg;
	cleanup_free_ char *back = NULL;
	int64_t next = look(trash, &back);
	struct err err = ERR_INIT;

	if (back) {
		err_set(&err, ECANCELED,
			"renamed to a backup's name and not written again within %d s: it is back, nothing was deleted",
			TRASH_BACKUP_MS / MSEC_PER_SEC);
		failures_add(trash->mount->failures, back, "rename", &err, NULL, 0);
	}
	return next;
}

/* ---- flushing ---- */

static bool pending_locked(struct trash *trash, const struct entry *dir) REQUIRES(tree_locked)
{
	struct entry *entry;

	tree_assert_locked(trash->mount->tree);
	DL_FOREACH2(trash->hidden, entry, hidden_next)
	{
		if ((!dir || entry->parent == dir) && (entry->sending || entry->hide == HIDE_DELETE))
			return true;
	}
	return false;
}

static bool is_pending(struct mount *mount, struct entry *dir)
{
	scope_lock(tree, mount->tree);
	return pending_locked(mount->trash, dir);
}

bool trash_owes(struct mount *mount, struct entry *dir)
{
	scope_lock(tree, mount->tree);
	return dir->missed || pending_locked(mount->trash, dir);
}

/* The first failure since the last flush; of the directory, or of all. */
static int take_missed_locked(struct trash *trash, struct entry *dir, struct err *err) REQUIRES(tree_locked)
{
	int errnum = dir ? dir->missed : trash->missed.errnum;

	tree_assert_locked(trash->mount->tree);
	if (!dir || trash->missed_in == dir) {
		if (errnum)
			*err = trash->missed;
		trash->missed = (struct err)ERR_INIT;
		trash->missed_in = NULL;
	}
	if (dir && dir->missed) {
		dir->missed = 0;
		entry_unref_locked(trash->mount->tree, dir);
	}
	return -errnum;
}

static void begin_flush(struct trash *trash, struct entry *dir, struct flusher *f)
{
	struct entry *entry, *after;

	scope_lock(tree, trash->mount->tree);
	for (entry = trash->hidden; entry; entry = after) {
		after = entry->hidden_next;
		/* Whose end of hiding never comes is about to be sent by who removed it, and he is told. */
		if ((!dir || entry->parent == dir) && entry->hide == HIDE_DELETE && !entry->sending &&
		    entry->hide_until_ms != CLOCK_NEVER)
			send_in_pool_locked(trash, entry);
	}
	DL_APPEND(trash->flushers, f);
	timer_wake(trash->mount->timer);
}

static int end_flush(struct trash *trash, struct entry *dir, struct flusher *f, int result, struct err *err)
{
	int missed;

	scope_lock(tree, trash->mount->tree);
	DL_DELETE(trash->flushers, f);
	missed = take_missed_locked(trash, dir, err);
	return missed < 0 ? missed : result;
}

static int wait_flush(struct mount *mount, struct entry *dir, struct waiter *waiter, int64_t deadline_ms, struct err *err)
{
	struct flusher f = { .waiter = waiter };
	int result = 0;

	begin_flush(mount->trash, dir, &f);
	while (result == 0 && is_pending(mount, dir))
		result = waiter_wait(waiter, deadline_ms, false);
	result = end_flush(mount->trash, dir, &f, result, err);
	if (result == -ETIMEDOUT && !err->errnum)
		return err_set(err, ETIMEDOUT, "the deadline passed before every pending delete was answered; they go on");
	return result;
}

int trash_flush(struct mount *mount, struct entry *dir, struct waiter *waiter, int64_t deadline_ms, struct err *err)
{
	struct waiter own;
	int result;

	assert_return(!pool_is_mine(mount->deleters), -EDEADLK);
	if (waiter)
		return wait_flush(mount, dir, waiter, deadline_ms, err);
	result = waiter_init(&own);
	if (result < 0)
		return result;
	result = wait_flush(mount, dir, &own, deadline_ms, err);
	waiter_destroy(&own);
	return result;
}

/* A delete that nobody answered, as it is told. */
struct pending {
	char *path;           /* owned */
	struct identity what; /* owned strings */
	struct who who;
};

/* One at a time, for nothing is logged with the lock held. */
static bool get_pending(struct trash *trash, size_t number, struct pending *ret)
{
	struct entry *entry;

	*ret = (struct pending){ 0 };
	scope_lock(tree, trash->mount->tree);
	DL_FOREACH2(trash->hidden, entry, hidden_next)
	{
		if (entry->hide != HIDE_DELETE || number--)
			continue;
		ret->path = entry_path_locked(entry, NULL);
		if (entry->doomed)
			ret->who = entry->doomed->who;
		return ret->path && identity_copy(&entry->what, &ret->what) == 0;
	}
	return false;
}

size_t trash_tell_pending(struct mount *mount)
{
	struct pending pending;
	size_t count = 0;

	while (get_pending(mount->trash, count, &pending)) {
		log_error("%s: its DELETE was not answered; it may still be in the account", pending.path);
		history_note_unsent(mount, pending.path, &pending.what, &pending.who);
		identity_clear(&pending.what);
		free(pending.path);
		count++;
	}
	free(pending.path);
	return count;
}

/* ---- before ---- */

int trash_doom(struct request *r, const struct identity *what, struct doomed **ret)
{
	cleanup_(doomed_freep) struct doomed *doomed = calloc(1, sizeof(*doomed));
	cleanup_view_ struct view view = { 0 };
	int result = 0;

	if (!doomed)
		return -ENOMEM;
	who_of(r, &doomed->who);
	/* What nobody can make again has no document worth keeping, and a secret has none. */
	if (what->kind->verbs & KIND_CREATE && !(what->kind->flags & KIND_SECRET)) {
		result = view_make(r, what, NULL, &view);
		if (result == 0)
			result = view_bytes(r, what, &view, &doomed->document);
	}
	if (result == RUN_IN_WORKER || result == -EINTR || result == -ENOMEM)
		return result;
	err_clear(&r->err);
	*ret = steal_ptr(doomed);
	return 0;
}
