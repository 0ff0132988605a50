/* First: it has a field of the name of a banned function. */
#include <linux/fuse.h>

#include "fs/core/notify.h"

#include <errno.h>
#include <signal.h>
#include <utlist.h>

#include "api/base/clock.h"
#include "api/base/lock.h"
#include "fs/core/hash.h"
#include "fs/core/trace.h"

/* The key's bytes are ino, what and name, one after another: the notice's tail. */
struct notice {
	UT_hash_handle hh; /* the table's order is that of its additions */
	bool pages;
	size_t key_len;
	struct {
		fuse_ino_t ino;
		char what; /* 'e' or 'i' */
		char name[];
	} __attribute__((packed)) key;
};

DECLARE_LOCK(notifier);
struct notifier {
	struct lock lock;
	pthread_cond_t more;
	struct notice *queue GUARDED_BY(notifier_locked);      /* owned */
	struct notify_hold *holds GUARDED_BY(notifier_locked); /* borrowed; as many as there are changes being answered */
	bool running GUARDED_BY(notifier_locked);
	bool stopping GUARDED_BY(notifier_locked);
	bool epochs GUARDED_BY(notifier_locked); /* names are told of by epochs */
	pthread_t thread;                        /* of who starts and stops it */
	struct fuse_session *session;            /* borrowed; fixed once the thread runs */
};
DEFINE_LOCK(notifier, struct notifier, lock)

struct notifier *notifier_new(void)
{
	struct notifier *n = calloc(1, sizeof(*n));

	if (!n)
		return NULL;
	if (clock_cond_init(&n->more) < 0) {
		free(n);
		return NULL;
	}
	lock_init(&n->lock);
	return n;
}

static struct notice *take_first_locked(struct notifier *n) REQUIRES(notifier_locked)
{
	struct notice *first = n->queue;

	notifier_assert_locked(n);
	if (first)
		HASH_DEL(n->queue, first);
	return first;
}

static bool dir_is_held_locked(struct notifier *n, fuse_ino_t dir) REQUIRES(notifier_locked)
{
	const struct notify_hold *hold;

	notifier_assert_locked(n);
	DL_FOREACH(n->holds, hold) {
		if (hold->dir == dir)
			return true;
	}
	return false;
}

/* Only a name's notice takes its directory's lock. */
static bool is_held_locked(struct notifier *n, const struct notice *notice) REQUIRES(notifier_locked)
{
	return notice->key.what == 'e' && dir_is_held_locked(n, notice->key.ino);
}

/* The first one that the kernel can be told of now. */
static struct notice *take_next_locked(struct notifier *n) REQUIRES(notifier_locked)
{
	struct notice *notice = n->queue;

	notifier_assert_locked(n);
	while (notice && is_held_locked(n, notice))
		notice = notice->hh.next;
	if (notice)
		HASH_DEL(n->queue, notice);
	return notice;
}

void notify_hold(struct notifier *n, struct notify_hold *hold, fuse_ino_t dir)
{
	scope_lock(notifier, n);
	hold->dir = dir;
	if (dir)
		DL_APPEND(n->holds, hold);
}

void notify_release(struct notifier *n, struct notify_hold *hold)
{
	if (!hold->dir)
		return;
	scope_lock(notifier, n);
	DL_DELETE(n->holds, hold);
	hold->dir = 0;
	pthread_cond_signal(&n->more);
}

bool notify_is_held(struct notifier *n, fuse_ino_t dir)
{
	scope_lock(notifier, n);
	return dir_is_held_locked(n, dir);
}

/* FUSE_NOTIFY_INC_EPOCH of Linux 6.16; the headers of older systems lack it. */
#define NOTIFY_INC_EPOCH 8

/* The kernel believes no name any more, and asks again. It never waits in this, as it may for a directory's lock in a notice
   of one name. False: this kernel has no such notice (they came with Linux 6.16). */
static bool tell_epoch(struct fuse_session *session)
{
	const struct fuse_out_header header = { .len = sizeof(header), .error = NOTIFY_INC_EPOCH };

	/* libfuse has no words for it; a reply to no request whose error is the notice is the protocol's form of all of them. */
	return write(fuse_session_fd(session), &header, sizeof(header)) == sizeof(header);
}

static void tell(struct fuse_session *session, bool epochs, const struct notice *notice)
{
	size_t name_len = notice->key_len - offsetof(struct notice, key.name) + offsetof(struct notice, key);

	TRACE2(invalidate, notice->key.ino, &notice->key.name[0]);
	/* A name or node that the kernel does not know is no failure: there is nothing that it could believe of it. */
	if (notice->key.what == 'e' && epochs && tell_epoch(session))
		return;
	if (notice->key.what == 'e')
		fuse_lowlevel_notify_inval_entry(session, notice->key.ino, notice->key.name, name_len);
	else
		fuse_lowlevel_notify_inval_inode(session, notice->key.ino, notice->pages ? 0 : -1, 0);
}

static void *run(void *arg)
{
	struct notifier *n = arg;
	struct notice *notice;
	bool epochs;

	notifier_lock(n);
	while (!n->stopping) {
		notice = take_next_locked(n);
		if (!notice) {
			notifier_cond_wait(n, &n->more, CLOCK_NEVER);
			continue;
		}
		epochs = n->epochs;
		notifier_unlock(n);
		tell(n->session, epochs, notice);
		free(notice);
		notifier_lock(n);
	}
	notifier_unlock(n);
	return NULL;
}

void notifier_use_epochs(struct notifier *n)
{
	scope_lock(notifier, n);
	n->epochs = true;
}

int notifier_start(struct notifier *n, struct fuse_session *session)
{
	sigset_t all, old;
	int r;

	/* Signals are for the thread that waits for them. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	notifier_lock(n);
	n->session = session;
	r = pthread_create(&n->thread, NULL, run, n);
	n->running = r == 0;
	notifier_unlock(n);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (r == 0)
		pthread_setname_np(n->thread, "notifier");
	return -r;
}

static void drop_all_locked(struct notifier *n) REQUIRES(notifier_locked)
{
	struct notice *notice;

	while ((notice = take_first_locked(n)))
		free(notice);
}

void notifier_stop(struct notifier *n)
{
	bool join;

	notifier_lock(n);
	join = n->running;
	n->running = false;
	n->stopping = true;
	drop_all_locked(n);
	pthread_cond_signal(&n->more);
	notifier_unlock(n);
	if (join)
		pthread_join(n->thread, NULL);
}

struct notifier *notifier_free(struct notifier *n)
{
	if (!n)
		return NULL;
	notifier_stop(n);
	pthread_cond_destroy(&n->more);
	lock_destroy(&n->lock);
	free(n);
	return NULL;
}

static struct notice *notice_new(char what, fuse_ino_t ino, const char *name)
{
	size_t len = strlen(name);
	struct notice *notice = calloc(1, sizeof(*notice) + len + 1);

	if (!notice)
		return NULL;
	notice->key.ino = ino;
	notice->key.what = what;
	memcpy(notice->key.name, name, len);
	notice->key_len = offsetof(struct notice, key.name) - offsetof(struct notice, key) + len;
	return notice;
}

/* Takes notice over (NULL: there was no memory for it; the kernel's timeouts bound what it believes). */
static void enqueue(struct notifier *n, struct notice *notice)
{
	struct notice *same;

	if (!notice)
		return;
	scope_lock(notifier, n);
	HASH_FIND(hh, n->queue, &notice->key, notice->key_len, same);
	if (same || n->stopping) {
		if (same)
			same->pages |= notice->pages;
		free(notice);
		return;
	}
	HASH_ADD_KEYPTR(hh, n->queue, &notice->key, notice->key_len, notice);
	if (!notice->hh.tbl) {
		free(notice);
		return;
	}
	if (HASH_COUNT(n->queue) > NOTIFY_MAX)
		free(take_first_locked(n));
	pthread_cond_signal(&n->more);
}

void notify_entry(struct notifier *n, fuse_ino_t dir, const char *name)
{
	enqueue(n, notice_new('e', dir, name));
}

void notify_inode(struct notifier *n, fuse_ino_t node, bool pages)
{
	struct notice *notice = notice_new('i', node, "");

	if (notice)
		notice->pages = pages;
	enqueue(n, notice);
}
