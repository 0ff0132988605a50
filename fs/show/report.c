#include "fs/show/report.h"

#include <errno.h>

#include "api/base/clock.h"
#include "fs/core/failures.h"
#include "fs/core/metrics.h"

static int add_head(struct buf *out, const char *name, const char *type, const char *help)
{
	return buf_addf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static int add_count(struct buf *out, const char *name, const char *type, const char *help, uint64_t value)
{
	int r = add_head(out, name, type, help);

	return r < 0 ? r : buf_addf(out, "%s %llu\n", name, (unsigned long long)value);
}

static int add_real(struct buf *out, const char *name, const char *type, const char *help, double value)
{
	int r = add_head(out, name, type, help);

	return r < 0 ? r : buf_addf(out, "%s %.6f\n", name, value);
}

static int add_calls(struct buf *out, const struct client_stats *stats)
{
	int r = add_head(out, "cfcfs_api_calls_total", "counter", "Calls to the API; status 0: no answer came.");

	for (size_t i = 0; i < stats->metrics_count && r == 0; i++) {
		const struct client_metric *m = &stats->metrics[i];

		r = buf_addf(out, "cfcfs_api_calls_total{operation=\"%s\",status=\"%d\"} %llu\n", m->operation, m->status,
			     (unsigned long long)m->calls);
	}
	if (r == 0)
		r = add_head(out, "cfcfs_api_seconds_total", "counter", "Time from sending a call to its answer.");
	for (size_t i = 0; i < stats->metrics_count && r == 0; i++) {
		const struct client_metric *m = &stats->metrics[i];

		r = buf_addf(out, "cfcfs_api_seconds_total{operation=\"%s\",status=\"%d\"} %.6f\n", m->operation, m->status,
			     m->seconds);
	}
	return r;
}

static int add_client(struct mount *mount, struct buf *out)
{
	cleanup_free_ struct client_stats *stats = calloc(1, sizeof(*stats));
	int r;

	if (!stats)
		return -ENOMEM;
	client_stats(mount->client, stats);
	r = add_calls(out, stats);
	if (r == 0)
		r = add_count(out, "cfcfs_api_retries_total", "counter", "Calls that were sent again.", stats->retries);
	if (r == 0)
		r = add_count(out, "cfcfs_api_throttled_total", "counter", "Answers that said to send less.", stats->throttled);
	if (r == 0)
		r = add_real(out, "cfcfs_budget_left", "gauge", "Calls that could be sent at once now.", stats->budget_left);
	return r;
}

static int add_cache(struct mount *mount, struct buf *out)
{
	struct store_stats stats = { 0 };
	int r = 0;

	store_stats(mount->store, &stats);
	const struct {
		const char *name, *type, *help;
		uint64_t value;
	} rows[] = {
		{ "cfcfs_cache_hits_total", "counter", "Questions answered from memory.", stats.hits },
		{ "cfcfs_cache_misses_total", "counter", "Questions that started a fetch.", stats.misses },
		{ "cfcfs_cache_joined_total", "counter", "Questions that joined a fetch under way.", stats.joined },
		{ "cfcfs_cache_stale_served_total", "counter", "Old answers served because the API was away.",
		  stats.stale_served },
		{ "cfcfs_cache_fetches_total", "counter", "Fetches.", stats.fetches },
		{ "cfcfs_cache_fetch_failures_total", "counter", "Fetches that failed.", stats.failures },
		{ "cfcfs_cache_evicted_bodies_total", "counter", "Contents dropped to save memory.", stats.evicted_bodies },
		{ "cfcfs_cache_evicted_values_total", "counter", "Lists and documents dropped to save memory.",
		  stats.evicted_values },
		{ "cfcfs_cache_bytes", "gauge", "Memory that the cache takes.", stats.bytes },
		{ "cfcfs_cache_keys", "gauge", "Lists and documents in the cache.", stats.keys },
		{ "cfcfs_cache_resources", "gauge", "Resources in the cache.", stats.snapshots },
	};

	for (size_t i = 0; i < array_len(rows) && r == 0; i++)
		r = add_count(out, rows[i].name, rows[i].type, rows[i].help, rows[i].value);
	return r;
}

int report_metrics(struct mount *mount, struct buf *out)
{
	int r = add_head(out, "cfcfs_info", "gauge", "The program.");

	if (r == 0)
		r = buf_adds(out, "cfcfs_info{version=\"" CFCFS_VERSION "\"} 1\n");
	if (r == 0)
		r = add_real(out, "cfcfs_start_time_seconds", "gauge", "When it was mounted, since 1970.",
			     (double)mount->start_ns / (double)NSEC_PER_SEC);
	if (r == 0)
		r = add_count(out, "cfcfs_failures_total", "counter", "Failures recorded in errors.jsonl.",
			      failures_serial(mount->failures));
	if (r == 0)
		r = add_client(mount, out);
	if (r == 0)
		r = add_cache(mount, out);
	return r < 0 ? r : metrics_print(out);
}
