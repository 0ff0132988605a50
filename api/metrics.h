/* Counts of calls. Thread-safe by their own lock, which is never held across anything. */
#pragma once

#include "api/client.h"

struct metrics {
	pthread_mutex_t lock; /* guards stats; budget_left is not used */
	struct client_stats stats;
};

/* status 0: no answer. */
void metrics_count(struct metrics *m, const char *operation, int status, double seconds);
void metrics_retry(struct metrics *m);
