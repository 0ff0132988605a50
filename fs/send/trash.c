#include "fs/send/trash.h"

#include <errno.h>
#include <signal.h>
#include <utlist.h>

#include "api/base/clock.h"
#include "fs/send/commit.h"
#include "fs/core/failures.h"
#include "fs/core/notify.h"
#include "fs/core/pace.h"
#include "fs/core/tell.h"
#include "fs/core/tree.h"

/* One hidden name. */
struct hidden {
	struct hidden *prev, *next;
	struct entry *entry; /* owned reference */
	bool sending;        /* a worker has it */
};

/* The first failure in a directory since its last flush. */
struct missed {
	struct missed *prev, *next;
	struct entry *dir; /* owned reference */
	struct err err;
};

struct timers {
	struct mount *mount;
	pthread_t thread;
	bool started;
	/* Guarded by the tree's lock: */
	pthread_cond_t changed; /* the list, a state in it, or ending */
	struct hidden *hidden;  /* owned */
	struct missed *missed;  /* owned */
	unsigned sending;
	bool ending;
};

struct timers *trash_new(struct mount *mount)
{
	struct timers *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->mount = mount;
	clock_cond_init(&t->changed);
	return t;
}

static struct hidden *find(struct timers *t, const struct entry *entry)
{
	struct hidden *h;

	DL_FOREACH(t->hidden, h) {
		if (h->entry == entry)
			return h;
	}
	return NULL;
}

void trash_hide_locked(struct mount *mount, struct entry *entry, enum hide hide, int64_t until_ms)
{
	struct timers *t = mount->timers;
	struct hidden *h = find(t, entry);

	if (!h) {
		h = calloc(1, sizeof(*h));
		if (!h)
			return;
		h->entry = entry_ref(entry);
		DL_APPEND(t->hidden, h);
	}
	entry->hide = hide;
	entry->hide_until_ms = until_ms;
	tell_dir_locked(mount, entry);
	mount->tree->changes++;
	tree_settle(mount->tree, entry);
	pthread_cond_broadcast(&t->changed);
}

static void forget(struct timers *t, struct hidden *h)
{
	DL_DELETE(t->hidden, h);
	entry_unref_locked(t->mount->tree, h->entry);
	free(h);
	pthread_cond_broadcast(&t->changed);
}

void trash_show_locked(struct mount *mount, struct entry *entry)
{
	struct timers *t = mount->timers;
	struct hidden *h = find(t, entry);
	struct entry *other;

	/* What is written again was no delete. */
	if (entry->hide == HIDE_DELETE && entry->what.kind && !entry->what.kind->parent)
		pace_give_back(mount->pace);
	entry->hide = HIDE_NONE;
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
	/* A DELETE on its way is past stopping: its worker takes the record. */
	if (h && !h->sending)
		forget(t, h);
	entry_unref_locked(mount->tree, entry);
}

/* ---- sending ---- */

static void note_missed(struct timers *t, struct entry *dir, const struct err *err)
{
	struct missed *m;

	DL_FOREACH(t->missed, m) {
		if (m->dir == dir)
			return;
	}
	m = calloc(1, sizeof(*m));
	if (!m)
		return;
	m->dir = entry_ref(dir);
	m->err = *err;
	DL_APPEND(t->missed, m);
}

/*
 * Sends the DELETE of an entry marked as sending, and takes its record off. Under the entry's commit lock: an update's answer
 * that comes after the DELETE's would bring the resource back into the list.
 */
static int delete_entry(struct timers *t, struct entry *entry, struct identity *what, struct err *err)
{
	struct tree *tree = t->mount->tree;
	cleanup_free_ char *path = entry_path(tree, entry, NULL), *name = NULL;
	fuse_ino_t dir = 0;
	int r;

	scoped_lock(&entry->commit_lock);
	r = commit_delete(t->mount, what, err);
	if (r < 0) {
		err->errnum = -r;
		failures_add(t->mount->failures, path ? path : "?", "unlink", err, NULL, 0);
	}
	pthread_mutex_lock(&tree->lock);
	if (r < 0 && entry->parent)
		note_missed(t, entry->parent, err);
	if (entry->hide == HIDE_DELETE) {
		entry->hide = HIDE_NONE;
		if (r == 0 && !entry->draft)
			tree_unlink(tree, entry);
		else
			tree_settle(tree, entry);
	}
	if (r == 0 && !entry->unlinked && entry->what.id && !strcmp(entry->what.id, what->id)) {
		/* Written again while the DELETE was on its way: what comes is a create. */
		free(entry->what.id);
		entry->what.id = NULL;
	}
	tree->changes++;
	t->sending--;
	forget(t, find(t, entry));
	dir = entry->parent && entry->parent->current ? entry->parent->current->id : 0;
	name = strdup(entry_name(entry));
	pthread_mutex_unlock(&tree->lock);
	if (r < 0 && dir && name) {
		notify_entry(t->mount->notifier, dir, name);
		notify_inode(t->mount->notifier, dir, true);
	}
	return r;
}

struct sending {
	struct timers *t;
	struct entry *entry;  /* owned reference */
	struct identity what; /* owned strings */
};

/* With the tree's lock: the entry's DELETE is this caller's from now on. */
static int claim(struct timers *t, struct hidden *h, struct sending *ret)
{
	int r = identity_copy(&h->entry->what, &ret->what);

	if (r < 0)
		return r;
	h->sending = true;
	t->sending++;
	ret->t = t;
	ret->entry = entry_ref(h->entry);
	return 0;
}

static void sending_clear(struct sending *s)
{
	identity_clear(&s->what);
	entry_release(s->t->mount->tree, s->entry);
}

static void send_task(void *arg)
{
	struct sending *s = arg;
	struct err err = ERR_INIT;

	delete_entry(s->t, s->entry, &s->what, &err);
	sending_clear(s);
	free(s);
}

static void send_in_pool(struct timers *t, struct hidden *h)
{
	struct sending *s = calloc(1, sizeof(*s));

	if (!s || claim(t, h, s) < 0) {
		free(s);
		return;
	}
	if (pool_run(t->mount->writers, send_task, s) < 0) {
		h->sending = false;
		t->sending--;
		entry_unref_locked(t->mount->tree, s->entry);
		identity_clear(&s->what);
		free(s);
		/* No thread to be had: in a while again. */
		h->entry->hide_until_ms = clock_after_ms(1000);
	}
}

int trash_delete_now(struct mount *mount, struct entry *entry, struct err *err)
{
	struct timers *t = mount->timers;
	struct sending s = { 0 };
	struct hidden *h;
	int r;

	pthread_mutex_lock(&mount->tree->lock);
	h = find(t, entry);
	r = h && !h->sending ? claim(t, h, &s) : -EBUSY;
	pthread_mutex_unlock(&mount->tree->lock);
	if (r < 0)
		return r;
	r = delete_entry(t, entry, &s.what, err);
	sending_clear(&s);
	/* The call itself told. */
	pthread_mutex_lock(&mount->tree->lock);
	struct missed *m, *next;
	DL_FOREACH_SAFE(t->missed, m, next) {
		if (r < 0 && m->dir == entry->parent) {
			DL_DELETE(t->missed, m);
			entry_unref_locked(mount->tree, m->dir);
			free(m);
		}
	}
	pthread_mutex_unlock(&mount->tree->lock);
	return r;
}

/* ---- the clock ---- */

static int64_t due(struct timers *t)
{
	int64_t now = clock_now_ms(), next = CLOCK_NEVER;
	struct hidden *h, *after;

	DL_FOREACH_SAFE(t->hidden, h, after) {
		if (h->sending)
			continue;
		if (h->entry->hide_until_ms <= now) {
			if (h->entry->hide == HIDE_DELETE)
				send_in_pool(t, h);
			else if (!h->entry->draft)
				trash_show_locked(t->mount, h->entry);
			else
				h->entry->hide_until_ms = now + TRASH_BACKUP_MS;
			continue;
		}
		if (h->entry->hide_until_ms < next)
			next = h->entry->hide_until_ms;
	}
	return next;
}

static void *thread_main(void *arg)
{
	struct timers *t = arg;
	pthread_mutex_t *lock = &t->mount->tree->lock;

	pthread_setname_np(pthread_self(), "cfcfs-timers");
	pthread_mutex_lock(lock);
	while (!t->ending)
		clock_cond_wait(&t->changed, lock, due(t));
	pthread_mutex_unlock(lock);
	return NULL;
}

int trash_start(struct timers *t)
{
	sigset_t all, old;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&t->thread, NULL, thread_main, t);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	t->started = r == 0;
	return -r;
}

/* ---- flushing ---- */

static bool is_in(const struct entry *entry, const struct entry *dir)
{
	return !dir || entry->parent == dir;
}

static bool pending_locked(struct timers *t, const struct entry *dir)
{
	struct hidden *h;

	DL_FOREACH(t->hidden, h) {
		if (is_in(h->entry, dir) && (h->sending || h->entry->hide == HIDE_DELETE))
			return true;
	}
	return false;
}

bool trash_pending(struct mount *mount, struct entry *dir)
{
	scoped_lock(&mount->tree->lock);
	return pending_locked(mount->timers, dir);
}

static int take_missed(struct timers *t, struct entry *dir, struct err *err)
{
	struct missed *m, *next;
	int r = 0;

	DL_FOREACH_SAFE(t->missed, m, next) {
		if (dir && m->dir != dir)
			continue;
		if (r == 0) {
			*err = m->err;
			r = -m->err.errnum;
		}
		DL_DELETE(t->missed, m);
		entry_unref_locked(t->mount->tree, m->dir);
		free(m);
	}
	return r;
}

int trash_flush(struct mount *mount, struct entry *dir, struct err *err)
{
	struct timers *t = mount->timers;
	struct hidden *h, *next;

	scoped_lock(&mount->tree->lock);
	DL_FOREACH_SAFE(t->hidden, h, next) {
		if (is_in(h->entry, dir) && h->entry->hide == HIDE_DELETE && !h->sending)
			send_in_pool(t, h);
	}
	/* Each DELETE has a deadline of its own, so this ends. */
	while (pending_locked(t, dir))
		clock_cond_wait(&t->changed, &mount->tree->lock, clock_after_ms(MSEC_PER_SEC));
	return take_missed(t, dir, err);
}

struct timers *trash_free(struct timers *t)
{
	struct hidden *h, *next;
	struct missed *m, *after;

	if (!t)
		return NULL;
	pthread_mutex_lock(&t->mount->tree->lock);
	t->ending = true;
	pthread_cond_broadcast(&t->changed);
	pthread_mutex_unlock(&t->mount->tree->lock);
	if (t->started)
		pthread_join(t->thread, NULL);
	pthread_mutex_lock(&t->mount->tree->lock);
	DL_FOREACH_SAFE(t->hidden, h, next)
		forget(t, h);
	DL_FOREACH_SAFE(t->missed, m, after) {
		DL_DELETE(t->missed, m);
		entry_unref_locked(t->mount->tree, m->dir);
		free(m);
	}
	pthread_mutex_unlock(&t->mount->tree->lock);
	pthread_cond_destroy(&t->changed);
	free(t);
	return NULL;
}
