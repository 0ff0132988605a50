#include "api/base/waiter.h"

#include <errno.h>

DEFINE_LOCK(waiter, struct waiter, lock)

static _Thread_local bool forbidden_here;

void waiter_forbid(bool forbidden)
{
	forbidden_here = forbidden;
}

bool waiter_allowed(void)
{
	return !forbidden_here;
}

int waiter_init(struct waiter *w)
{
	int r;

	memset(w, 0, sizeof(*w));
	lock_init(&w->lock);
	r = clock_cond_init(&w->cond);
	if (r < 0)
		lock_destroy(&w->lock);
	return r;
}

void waiter_destroy(struct waiter *w)
{
	pthread_cond_destroy(&w->cond);
	lock_destroy(&w->lock);
}

int waiter_wait(struct waiter *w, int64_t deadline_ms, bool ignore_cancel)
{
	assert_return(waiter_allowed(), -EDEADLK);
	scope_lock(waiter, w);
	while (!w->woken) {
		if (w->canceled && !ignore_cancel)
			return -EINTR;
		if (waiter_cond_wait(w, &w->cond, deadline_ms) == -ETIMEDOUT && !w->woken)
			return -ETIMEDOUT;
	}
	w->woken = false;
	return 0;
}

int waiter_pause(struct waiter *w, int64_t until_ms, bool ignore_cancel)
{
	int r;

	do
		r = waiter_wait(w, until_ms, ignore_cancel);
	while (r == 0 && clock_left_ms(until_ms));
	return r == -ETIMEDOUT ? 0 : r;
}

void waiter_wake(struct waiter *w)
{
	scope_lock(waiter, w);
	w->woken = true;
	pthread_cond_broadcast(&w->cond);
}

void waiter_cancel(struct waiter *w)
{
	scope_lock(waiter, w);
	w->canceled = true;
	pthread_cond_broadcast(&w->cond);
}

bool waiter_canceled(struct waiter *w)
{
	scope_lock(waiter, w);
	return w->canceled;
}
