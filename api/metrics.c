#include "api/metrics.h"

static bool same_row(const struct client_metric *row, const char *operation, int status)
{
	return row->status == status && !strncmp(row->operation, operation, sizeof(row->operation) - 1);
}

/* With the lock held. The last row is shared by all that find no room. */
static struct client_metric *find_row(struct client_stats *stats, const char *operation, int status)
{
	struct client_metric *row;

	for (size_t i = 0; i < stats->metrics_count; i++) {
		if (same_row(&stats->metrics[i], operation, status))
			return &stats->metrics[i];
	}
	if (stats->metrics_count == array_len(stats->metrics))
		return &stats->metrics[array_len(stats->metrics) - 1];
	row = &stats->metrics[stats->metrics_count++];
	if (stats->metrics_count == array_len(stats->metrics)) {
		operation = "other";
		status = 0;
	}
	snprintf(row->operation, sizeof(row->operation), "%s", operation);
	row->status = status;
	return row;
}

void metrics_count(struct metrics *m, const char *operation, int status, double seconds)
{
	struct client_metric *row;

	scope_lock(metrics, m);
	row = find_row(&m->stats, operation, status);
	row->calls++;
	row->seconds += seconds;
	if (status == 429)
		m->stats.throttled++;
}

void metrics_retry(struct metrics *m)
{
	scope_lock(metrics, m);
	m->stats.retries++;
}
