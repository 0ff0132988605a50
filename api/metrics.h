/* Counts of calls. Thread-safe by their own lock, which is never held across anything. */
#pragma once

#include "api/base/lock.h"
#include "api/client.h"

DECLARE_LOCK(metrics);
struct metrics {
	struct lock lock;
	struct client_stats stats GUARDED_BY(metrics_locked); /* budget_left is not used */
};
DEFINE_LOCK(metrics, struct metrics, lock)

/* status 0: no answer. */
void metrics_count(struct metrics *m, const char *operation, int status, double seconds);
void metrics_retry(struct metrics *m);
