/*
 * One thread that looks at the clock, for all of the mount that has something to do later. It does nothing that takes long: what
 * is due is given to a pool.
 */
#pragma once

#include "api/base/lock.h"

struct timer;

/* Does what is due, and says when something is due next (CLOCK_NEVER: nothing). Called without locks. */
typedef int64_t (*timer_fn)(void *arg);

/* Those that share the thread at most. */
#define TIMER_SOURCES_MAX 8

/* NULL without memory. */
struct timer *timer_new(void);
/* Before timer_start. */
void timer_add(struct timer *timer, timer_fn due, void *arg);
/* 0 or -errno. */
int timer_start(struct timer *timer);
/* Something may be due earlier than was said. May be called with any lock held. */
void timer_wake(struct timer *timer);
/* Ends the thread: nothing is called after it returns. NULL is fine, so is one that was never started. */
void timer_stop(struct timer *timer);
struct timer *timer_free(struct timer *timer);
