#include "fs/core/timer.h"

#include <signal.h>

struct source {
	timer_fn due;
	void *arg;
};

DECLARE_LOCK(timer);
struct timer {
	struct lock lock;
	pthread_cond_t changed;
	bool woken GUARDED_BY(timer_locked);
	bool ending GUARDED_BY(timer_locked);
	/* Fixed once the thread runs: */
	struct source sources[TIMER_SOURCES_MAX];
	size_t count;
	bool started;
	pthread_t thread;
};
DEFINE_LOCK(timer, struct timer, lock)

struct timer *timer_new(void)
{
	struct timer *timer = calloc(1, sizeof(*timer));

	if (!timer)
		return NULL;
	if (clock_cond_init(&timer->changed) < 0) {
		free(timer);
		return NULL;
	}
	lock_init(&timer->lock);
	return timer;
}

void timer_add(struct timer *timer, timer_fn due, void *arg)
{
	assert_return(!timer->started && timer->count < TIMER_SOURCES_MAX, );
	timer->sources[timer->count++] = (struct source){ due, arg };
}

static int64_t look(struct timer *timer)
{
	int64_t next = CLOCK_NEVER;

	for (size_t i = 0; i < timer->count; i++) {
		int64_t due_ms = timer->sources[i].due(timer->sources[i].arg);

		if (due_ms < next)
			next = due_ms;
	}
	return next;
}

/* False: the end. A wake that came while the sources were asked counts. */
static bool sleep_until(struct timer *timer, int64_t due_ms)
{
	scope_lock(timer, timer);
	if (!timer->woken && !timer->ending)
		(void)timer_cond_wait(timer, &timer->changed, due_ms);
	timer->woken = false;
	return !timer->ending;
}

static void *thread_main(void *arg)
{
	struct timer *timer = arg;

	pthread_setname_np(pthread_self(), "cfcfs-timer");
	while (sleep_until(timer, look(timer)))
		;
	return NULL;
}

int timer_start(struct timer *timer)
{
	sigset_t all, old;
	int r;

	/* Signals are for the thread that waits for them. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&timer->thread, NULL, thread_main, timer);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	timer->started = r == 0;
	return -r;
}

void timer_wake(struct timer *timer)
{
	scope_lock(timer, timer);
	timer->woken = true;
	pthread_cond_signal(&timer->changed);
}

void timer_stop(struct timer *timer)
{
	if (!timer || !timer->started)
		return;
	timer_lock(timer);
	timer->ending = true;
	pthread_cond_signal(&timer->changed);
	timer_unlock(timer);
	pthread_join(timer->thread, NULL);
	timer->started = false;
}

struct timer *timer_free(struct timer *timer)
{
	if (!timer)
		return NULL;
	timer_stop(timer);
	pthread_cond_destroy(&timer->changed);
	lock_destroy(&timer->lock);
	free(timer);
	return NULL;
}
