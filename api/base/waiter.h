/*
 * One thread's wait that another can end. A struct waiter belongs to the thread that waits (it usually lives
 * in its request); whoever can end the wait registers a pointer to it under a lock of its own and takes it
 * out again before the owner may go on. waiter_wake and waiter_cancel take the waiter's lock only, so they
 * may be called with any other lock held.
 */
#pragma once

#include "api/base/lock.h"

DECLARE_LOCK(waiter);

struct waiter {
	struct lock lock;
	pthread_cond_t cond;
	bool woken GUARDED_BY(waiter_locked);
	bool canceled GUARDED_BY(waiter_locked); /* stays set */
};

int waiter_init(struct waiter *w);
void waiter_destroy(struct waiter *w);

/*
 * Waits until waiter_wake (0), waiter_cancel (-EINTR) or the deadline (-ETIMEDOUT). A wake that came before the
 * call counts, and is used up by it. With ignore_cancel a cancel does not end the wait.
 */
int waiter_wait(struct waiter *w, int64_t deadline_ms, bool ignore_cancel);
/* Until then, whatever wakes it: 0, or -EINTR as above. */
int waiter_pause(struct waiter *w, int64_t until_ms, bool ignore_cancel);
void waiter_wake(struct waiter *w);
void waiter_cancel(struct waiter *w);
bool waiter_canceled(struct waiter *w);

/* What the calling thread must never do from now on, or may again: wait. For threads that everything else waits for. Asserted by
   waiter_wait, and by whoever is about to do what may take long. */
void waiter_forbid(bool forbidden);
bool waiter_allowed(void);
