#include "api/base/waiter.h"

#include <errno.h>

#include "api/base/clock.h"

int waiter_init(struct waiter *w)
{
	int r;

	memset(w, 0, sizeof(*w));
	r = pthread_mutex_init(&w->lock, NULL);
	if (r)
		return -r;
	r = clock_cond_init(&w->cond);
	if (r < 0)
		pthread_mutex_destroy(&w->lock);
	return r;
}

void waiter_destroy(struct waiter *w)
{
	pthread_cond_destroy(&w->cond);
	pthread_mutex_destroy(&w->lock);
}

int waiter_wait(struct waiter *w, int64_t deadline_ms, bool ignore_cancel)
{
	scoped_lock(&w->lock);
	while (!w->woken) {
		if (w->canceled && !ignore_cancel)
			return -EINTR;
		if (clock_cond_wait(&w->cond, &w->lock, deadline_ms) == -ETIMEDOUT && !w->woken)
			return -ETIMEDOUT;
	}
	w->woken = false;
	return 0;
}

void waiter_wake(struct waiter *w)
{
	scoped_lock(&w->lock);
	w->woken = true;
	pthread_cond_broadcast(&w->cond);
}

void waiter_cancel(struct waiter *w)
{
	scoped_lock(&w->lock);
	w->canceled = true;
	pthread_cond_broadcast(&w->cond);
}

bool waiter_canceled(struct waiter *w)
{
	scoped_lock(&w->lock);
	return w->canceled;
}
