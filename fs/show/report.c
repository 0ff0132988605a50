#include "fs/show/report.h"

#include <errno.h>

#include "api/base/clock.h"
#include "api/base/utf8.h"
#include "cache/fleet.h"
#include "fs/core/failures.h"
#include "fs/core/metrics.h"
#include "fs/show/report_private.h"

int report_head(struct buf *out, const char *name, const char *type, const char *help)
{
	return buf_addf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

int report_count(struct buf *out, const char *name, const char *type, const char *help, uint64_t value)
{
	int r = report_head(out, name, type, help);

	return r < 0 ? r : buf_addf(out, "%s %llu\n", name, (unsigned long long)value);
}

int report_real(struct buf *out, const char *name, const char *type, const char *help, double value)
{
	int r = report_head(out, name, type, help);

	return r < 0 ? r : buf_addf(out, "%s %.6f\n", name, value);
}

static int add_calls(struct buf *out, const struct client_stats *stats)
{
	int r = report_head(out, "cfcfs_api_calls_total", "counter", "Calls to the API; status 0: no answer came.");

	for (size_t i = 0; i < stats->metrics_count && r == 0; i++) {
		const struct client_metric *m = &stats->metrics[i];

		r = buf_addf(out, "cfcfs_api_calls_total{operation=\"%s\",status=\"%d\"} %llu\n", m->operation, m->status,
			     (unsigned long long)m->calls);
	}
	if (r == 0)
		r = report_head(out, "cfcfs_api_seconds_total", "counter", "Time from sending a call to its answer.");
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
		r = report_count(out, "cfcfs_api_retries_total", "counter", "Calls that were sent again.", stats->retries);
	if (r == 0)
		r = report_count(out, "cfcfs_api_throttled_total", "counter", "Answers that said to send less.",
				 stats->throttled);
	if (r == 0)
		r = report_real(out, "cfcfs_budget_left", "gauge", "Calls that could be sent at once now.", stats->budget_left);
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
		r = report_count(out, rows[i].name, rows[i].type, rows[i].help, rows[i].value);
	return r;
}

static int add_share(struct mount *mount, struct buf *out)
{
	struct fleet_stats stats;
	int r = 0;

	if (!mount->fleet)
		return 0;
	fleet_stats(mount->fleet, &stats);
	const struct {
		const char *name, *type, *help;
		uint64_t value;
	} rows[] = {
		{ "cfcfs_share_up", "gauge", "Whether the share's server answers, and what the others knew is known here.",
		  stats.caught_up && stats.share.ready },
		{ "cfcfs_share_members", "gauge", "Mounts that share, this one too, as last seen.", stats.share.members },
		{ "cfcfs_share_hits_total", "counter", "Looks that found what another mount had fetched.", stats.share.hits },
		{ "cfcfs_share_misses_total", "counter", "Looks that found nothing.", stats.share.misses },
		{ "cfcfs_share_late_total", "counter", "Answers of the server that were not waited for.", stats.share.late },
		{ "cfcfs_share_refused_total", "counter", "Answers of the server that were errors.", stats.share.refused },
		{ "cfcfs_share_tampered_total", "counter", "What no member had put there.", stats.share.tampered },
		{ "cfcfs_share_lost_total", "counter", "Connections to the server that ended.", stats.share.lost },
		{ "cfcfs_share_told_total", "counter", "Changes that the others were told of.", stats.told },
		{ "cfcfs_share_heard_total", "counter", "Changes of others that were heard of.", stats.heard },
		{ "cfcfs_share_waits_total", "counter", "Calls that waited for the budget of all.", stats.waits },
		{ "cfcfs_share_alone_total", "counter", "Calls that went by this mount's part of the budget.", stats.alone },
	};

	for (size_t i = 0; i < array_len(rows) && r == 0; i++)
		r = report_count(out, rows[i].name, rows[i].type, rows[i].help, rows[i].value);
	return r;
}

/* ---- labels ---- */

int report_label(struct buf *out, const char *value)
{
	int r = 0;

	for (size_t n; *value && r == 0; value += n ? n : 1) {
		n = utf8_length(value, strlen(value));
		if (*value == '\n')
			r = buf_adds(out, "\\n");
		else if (*value == '"' || *value == '\\')
			r = buf_addf(out, "\\%c", *value);
		else
			r = n ? buf_add(out, value, n) : buf_adds(out, "\xef\xbf\xbd");
	}
	return r;
}

/* One sample, "name 1" or "name{a="b"} 1", with the labels in front of its own. */
static int add_sample(struct buf *out, const char *line, size_t len, const char *labels)
{
	size_t name = strcspn(line, "{ ");
	bool has_labels = line[name] == '{';
	int r = buf_add(out, line, name);

	if (r == 0)
		r = buf_addf(out, "{%s%s", labels, has_labels ? "," : "}");
	name += has_labels;
	return r < 0 ? r : buf_add(out, line + name, len - name);
}

/* Every sample says of which account and mount it is, so that those of many can stand side by side. */
static int add_labelled(struct mount *mount, const struct buf *plain, struct buf *out)
{
	cleanup_buf_ struct buf labels = BUF_INIT;
	int r = buf_addf(&labels, "account=\"%s\",mount=\"", mount->options->account_id);

	if (r == 0)
		r = report_label(&labels, mount->options->mountpoint);
	if (r == 0)
		r = buf_addc(&labels, '"');
	for (const char *line = plain->data; r == 0 && line && *line;) {
		size_t len = strcspn(line, "\n") + 1;

		r = *line == '#' ? buf_add(out, line, len) : add_sample(out, line, len, labels.data);
		line += len;
	}
	return r;
}

static int add_all(struct mount *mount, struct buf *out)
{
	int r = report_head(out, "cfcfs_info", "gauge", "The program.");

	if (r == 0)
		r = buf_adds(out, "cfcfs_info{version=\"" CFCFS_VERSION "\"} 1\n");
	if (r == 0)
		r = report_real(out, "cfcfs_start_time_seconds", "gauge", "When it was mounted, since 1970.",
				(double)mount->start_ns / (double)NSEC_PER_SEC);
	if (r == 0)
		r = report_count(out, "cfcfs_failures_total", "counter", "Failures recorded in errors.jsonl.",
				 failures_serial(mount->failures));
	if (r == 0)
		r = add_client(mount, out);
	if (r == 0)
		r = add_cache(mount, out);
	if (r == 0)
		r = report_account(mount, out);
	if (r == 0)
		r = add_share(mount, out);
	return r < 0 ? r : metrics_print(out);
}

int report_metrics(struct request *r, struct buf *out)
{
	cleanup_buf_ struct buf plain = BUF_INIT;
	/* A long list takes a while to be added up. */
	int result = request_need_worker(r);

	if (result == 0)
		result = add_all(r->mount, &plain);
	return result < 0 ? result : add_labelled(r->mount, &plain, out);
}
