/* The overview as a table for people, OVERVIEW_COLUMNS wide. */
#include "fs/show/overview_private.h"

#include <errno.h>
#include <time.h>

#include "api/base/clock.h"
#include "fs/show/columns.h"

#define SINCE_WIDTH 18 /* "11-27 23:10Z   5m " */
#define PATH_MAX    40
#define NAME_MIN    11
#define NAME_MAX    30

/* Widths of an application's columns but for its name and the last one. */
#define VERSION_WIDTH   7
#define INSTANCES_WIDTH 26
#define PLACES_WIDTH    20

static int add_line(struct buf *out, const char *text)
{
	int r = columns_add(out, text, OVERVIEW_COLUMNS, false);

	return r < 0 ? r : buf_addc(out, '\n');
}

/* "5m", "3h", "12d" since then. */
static void format_age(int64_t ns, char *text, size_t size)
{
	int64_t s = ns / NSEC_PER_SEC;

	if (s < 0)
		s = 0;
	if (s < 60)
		snprintf(text, size, "%llds", (long long)s);
	else if (s < 3600)
		snprintf(text, size, "%lldm", (long long)(s / 60));
	else if (s < 2 * 86400)
		snprintf(text, size, "%lldh", (long long)(s / 3600));
	else
		snprintf(text, size, "%lldd", (long long)(s / 86400));
}

static int add_since(struct buf *out, const char *since)
{
	char age[24], text[64] = "-";
	struct tm tm;
	int64_t ns;

	if (since && clock_parse_rfc3339(since, &ns) == 0) {
		time_t seconds = (time_t)(ns / NSEC_PER_SEC);

		gmtime_r(&seconds, &tm);
		format_age(clock_wall_ns() - ns, age, sizeof(age));
		snprintf(text, sizeof(text), "%02d-%02d %02d:%02dZ %4s", tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, age);
	}
	return columns_add(out, text, SINCE_WIDTH, true);
}

/* The widest of the texts under the key, within the bounds. */
static int width_of(struct json_object *array, const char *key, int least, int most)
{
	int width = least;

	for (size_t i = 0; i < json_object_array_length(array); i++) {
		const char *text = json_get_string(json_object_array_get_idx(array, i), key);
		int columns = text ? columns_of(text) : 0;

		if (columns > width)
			width = columns;
	}
	return width < most ? width : most;
}

/* ---- what wants attention ---- */

/* "SINCE  PATH: WHY"; the path is cut before the reason is. */
static int add_attention_line(struct buf *out, struct json_object *line)
{
	const char *path = json_get_string(line, "path"), *reason = json_get_string(line, "reason");
	int width = columns_of(path), r = add_since(out, json_get_string(line, "since"));

	width = width < PATH_MAX ? width : PATH_MAX;
	if (r == 0)
		r = columns_add(out, path, width, true);
	if (r == 0)
		r = buf_adds(out, ": ");
	if (r == 0)
		r = columns_add(out, reason ? reason : "", OVERVIEW_COLUMNS - SINCE_WIDTH - width - 2, false);
	return r < 0 ? r : buf_addc(out, '\n');
}

static int add_attention(struct buf *out, struct json_object *lines)
{
	size_t n = json_object_array_length(lines), shown = n < OVERVIEW_LINES_MAX ? n : OVERVIEW_LINES_MAX;
	int r;

	if (!n)
		return add_line(out, "All is well.");
	r = columns_add(out, "SINCE", SINCE_WIDTH, true);
	if (r == 0)
		r = buf_adds(out, "WHAT IS NOT WELL, OR UNDER WAY\n");
	for (size_t i = 0; r == 0 && i < shown; i++)
		r = add_attention_line(out, json_object_array_get_idx(lines, i));
	return r < 0 || shown == n ? r : buf_addf(out, "... and %zu more: overview.json has all of them\n", n - shown);
}

/* ---- applications ---- */

/* "2 active, 1 failed": what is not none, or "0 active". */
static int add_counts(struct buf *out, struct json_object *counts, bool number_first)
{
	size_t before = out->len;
	int r = 0;

	if (!json_object_is_type(counts, json_type_object))
		return buf_adds(out, "-");
	json_object_object_foreach(counts, key, value) {
		int64_t n = json_object_get_int64(value);

		if (!n || r < 0)
			continue;
		r = out->len > before ? buf_adds(out, ", ") : 0;
		if (r == 0 && number_first)
			r = buf_addf(out, "%lld %s", (long long)n, key);
		else if (r == 0)
			r = buf_addf(out, "%s %lld", key, (long long)n);
	}
	return r < 0 || out->len > before ? r : buf_adds(out, "none");
}

static int add_rollout(struct buf *out, struct json_object *rollout)
{
	int64_t steps = look_count(rollout, "total_steps"), share = look_count(rollout, "percentage");
	int r = buf_adds(out, "rollout");

	if (r == 0 && doc_member(rollout, "target_version"))
		r = buf_addf(out, " to %lld", (long long)look_count(rollout, "target_version"));
	if (r == 0 && steps)
		r = buf_addf(out, ", %lld/%lld", (long long)look_count(rollout, "current_step"), (long long)steps);
	return r < 0 || !share ? r : buf_addf(out, ", %lld %%", (long long)share);
}

/* The last column. */
static int add_state(struct buf *out, struct json_object *entry)
{
	struct json_object *rollout = doc_member(entry, "rollout"), *jobs = doc_member(entry, "jobs");
	int r = 0;

	if (rollout)
		r = add_rollout(out, rollout);
	if (r == 0 && jobs)
		r = buf_addf(out, "%sjobs: ", out->len ? "; " : "");
	if (r == 0 && jobs)
		r = add_counts(out, jobs, true);
	return r;
}

static int add_column(struct buf *out, struct buf *text, int width, bool last)
{
	int r = columns_add(out, text->data ? text->data : "", width, !last);

	buf_clear(text);
	return r < 0 || last ? r : buf_addc(out, ' ');
}

static int add_application(struct buf *out, struct json_object *entry, int width)
{
	cleanup_buf_ struct buf text = BUF_INIT;
	int r = columns_add(out, json_get_string(entry, "name"), width, true);

	if (r == 0)
		r = buf_addc(out, ' ');
	if (r == 0)
		r = doc_member(entry, "version") ? buf_addf(&text, "%lld", (long long)look_count(entry, "version")) :
						   buf_adds(&text, "-");
	if (r == 0)
		r = add_column(out, &text, VERSION_WIDTH, false);
	if (r == 0)
		r = add_counts(&text, doc_member(entry, "instances"), true);
	if (r == 0)
		r = add_column(out, &text, INSTANCES_WIDTH, false);
	if (r == 0)
		r = add_counts(&text, doc_member(entry, "locations"), false);
	if (r == 0)
		r = add_column(out, &text, PLACES_WIDTH, false);
	if (r == 0)
		r = add_state(&text, entry);
	if (r == 0)
		r = add_column(out, &text, OVERVIEW_COLUMNS - width - VERSION_WIDTH - INSTANCES_WIDTH - PLACES_WIDTH - 4, true);
	while (r == 0 && out->len && out->data[out->len - 1] == ' ')
		r = buf_resize(out, out->len - 1);
	return r < 0 ? r : buf_addc(out, '\n');
}

static int add_applications(struct buf *out, struct json_object *applications)
{
	int width = width_of(applications, "name", NAME_MIN, NAME_MAX), r;

	if (!json_object_array_length(applications))
		return add_line(out, "There are no applications.");
	r = columns_add(out, "APPLICATION", width, true);
	if (r == 0)
		r = buf_addf(out, " %-*s %-*s %-*s STATE\n", VERSION_WIDTH, "VERSION", INSTANCES_WIDTH, "INSTANCES", PLACES_WIDTH,
			     "LOCATIONS");
	for (size_t i = 0; r == 0 && i < json_object_array_length(applications); i++)
		r = add_application(out, json_object_array_get_idx(applications, i), width);
	return r;
}

/* ---- the rest ---- */

static int add_usage(struct buf *out, struct json_object *usage)
{
	static const struct {
		const char *key, *word, *unit;
		double unit_size; /* in what the service counts */
	} rows[] = { { "vcpus", "vCPU", "", 1 }, { "memory_mib", "memory", " GiB", 1024 }, { "disk_mb", "disk", " GB", 1000 } };
	cleanup_buf_ struct buf line = BUF_INIT;
	int r = buf_addf(&line, "usage        instances %lld", (long long)look_count(usage, "instances"));

	for (size_t i = 0; r == 0 && i < array_len(rows); i++) {
		struct json_object *row = doc_member(usage, rows[i].key);

		if (row)
			r = buf_addf(&line, ", %s %.7g/%.7g%s %lld%%", rows[i].word,
				     json_object_get_double(doc_member(row, "used")) / rows[i].unit_size,
				     json_object_get_double(doc_member(row, "maximum")) / rows[i].unit_size, rows[i].unit,
				     (long long)look_count(row, "percent"));
	}
	return r < 0 || doc_is_empty(usage) ? r : add_line(out, line.data);
}

static int add_mount(struct buf *out, struct json_object *mount)
{
	struct json_object *failures = doc_member(mount, "failures");
	int r = buf_addf(out, "this mount   budget %lld of %lld calls, %lld failed", (long long)look_count(mount, "budget_left"),
			 (long long)look_count(mount, "budget"), (long long)look_count(mount, "failed"));

	if (r == 0 && doc_member(mount, "staged"))
		r = buf_addf(out, ", %lld staged (.cfcfs/plan)", (long long)look_count(mount, "staged"));
	if (r == 0)
		r = buf_addc(out, '\n');

	for (size_t i = 0; r == 0 && failures && i < json_object_array_length(failures); i++) {
		struct json_object *failure = json_object_array_get_idx(failures, i);
		const char *path = json_get_string(failure, "path");
		cleanup_free_ char *text = NULL;

		if (text_format(&text, "%s %s: %s", json_get_string(failure, "operation"), path ? path : "",
				json_get_string(failure, "message")) < 0)
			return -ENOMEM;
		r = add_since(out, json_get_string(failure, "time"));
		if (r == 0)
			r = columns_add(out, text, OVERVIEW_COLUMNS - SINCE_WIDTH, false);
		if (r == 0)
			r = buf_addc(out, '\n');
	}
	return r;
}

static int add_unknown(struct buf *out, struct json_object *facts)
{
	struct json_object *unknown = doc_member(facts, "unknown"), *stale = doc_member(facts, "stale");
	int r = 0;

	for (size_t i = 0; r == 0 && i < json_object_array_length(unknown); i++) {
		struct json_object *line = json_object_array_get_idx(unknown, i);
		cleanup_free_ char *text = NULL;

		if (text_format(&text, "not known    %s: %s", json_get_string(line, "what"), json_get_string(line, "reason")) < 0)
			return -ENOMEM;
		r = add_line(out, text);
	}
	if (!stale)
		return r;
	json_object_object_foreach(stale, what, why) {
		cleanup_free_ char *text = NULL;

		if (text_format(&text, "old          %s: %s", what, json_object_get_string(why)) < 0)
			return -ENOMEM;
		r = r < 0 ? r : add_line(out, text);
	}
	return r;
}

int overview_write(struct json_object *facts, struct buf *out)
{
	struct json_object *deployments = doc_member(facts, "deployments");
	cleanup_buf_ struct buf line = BUF_INIT;
	int r = buf_addf(out, "account %.40s at %.19sZ\n\n", json_get_string(facts, "account"), json_get_string(facts, "time"));

	if (r == 0)
		r = add_attention(out, doc_member(facts, "attention"));
	if (r == 0)
		r = buf_addc(out, '\n');
	if (r == 0)
		r = add_applications(out, doc_member(facts, "applications"));
	if (r == 0)
		r = buf_addc(out, '\n');
	if (r == 0 && deployments)
		r = buf_adds(&line, "deployments  ");
	if (r == 0 && deployments)
		r = add_counts(&line, deployments, true);
	if (r == 0 && deployments)
		r = add_line(out, line.data);
	if (r == 0)
		r = add_usage(out, doc_member(facts, "usage"));
	if (r == 0)
		r = add_mount(out, doc_member(facts, "mount"));
	return r < 0 ? r : add_unknown(out, facts);
}
