#include "fs/core/pace.h"

#include "api/base/lock.h"

DECLARE_LOCK(pace);

struct pace {
	struct lock lock;
	size_t next GUARDED_BY(pace_locked); /* where the next one goes */
	unsigned max;                        /* fixed, as is window_ms */
	int64_t window_ms;
	int64_t times[] GUARDED_BY(pace_locked); /* a ring of max: when, by CLOCK_MONOTONIC; 0: none */
};
DEFINE_LOCK(pace, struct pace, lock)

struct pace *pace_new(unsigned max, int64_t window_ms)
{
	struct pace *pace = calloc(1, sizeof(*pace) + max * sizeof(pace->times[0]));

	if (!pace)
		return NULL;
	lock_init(&pace->lock);
	pace->max = max;
	pace->window_ms = window_ms;
	return pace;
}

struct pace *pace_free(struct pace *pace)
{
	if (!pace)
		return NULL;
	lock_destroy(&pace->lock);
	free(pace);
	return NULL;
}

bool pace_take(struct pace *pace)
{
	int64_t now = clock_now_ms();
	int64_t *oldest;

	scope_lock(pace, pace);
	if (!pace->max)
		return false;
	oldest = &pace->times[pace->next % pace->max];
	if (*oldest && now - *oldest < pace->window_ms)
		return false;
	*oldest = now;
	pace->next++;
	return true;
}

void pace_give_back(struct pace *pace)
{
	scope_lock(pace, pace);
	if (pace->max && pace->next)
		pace->times[--pace->next % pace->max] = 0;
}
