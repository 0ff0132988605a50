/* POST /graphql: the two data sets of containers. Errors come with 200. */
#include <errno.h>
#include <inttypes.h>
#include <time.h>

#include "api/base/clock.h"
#include "emulator/graphql.h"
#include "emulator/metrics.h"
#include "emulator/rate.h"
#include "emulator/route.h"
#include "emulator/world.h"

#define SAMPLES_MAX 400000
#define GROUPS_MAX  10000
#define PAGE_MAX    10000
#define HOUR_MS     3600000

enum { IN_AVG = 1, IN_SUM = 2, IN_MAX = 4, IN_QUANTILES = 8 };

static const struct {
	const char *name;
	unsigned in; /* the aggregations that have it */
} metrics[] = {
	[M_MEMORY] = { "memory", IN_AVG | IN_MAX | IN_QUANTILES },
	[M_CPU] = { "cpuUtilization", IN_AVG | IN_MAX | IN_QUANTILES },
	[M_RX_BPS] = { "rxBandwidthBps", IN_AVG },
	[M_TX_BPS] = { "txBandwidthBps", IN_AVG },
	[M_UPTIME] = { "containerUptime", IN_AVG },
	[M_DISK] = { "diskUsage", IN_MAX | IN_QUANTILES },
	[M_DISK_SHARE] = { "diskUsagePercentage", IN_MAX | IN_QUANTILES },
	[M_CPU_TIME] = { "cpuTimeSec", IN_SUM },
	[M_ALLOCATED_MEM] = { "allocatedMemory", IN_SUM },
	[M_ALLOCATED_DISK] = { "allocatedDisk", IN_SUM },
	[M_ALLOCATED_CPU] = { "allocatedCpu", IN_SUM },
	[M_RX] = { "rxBytes", IN_SUM },
	[M_TX] = { "txBytes", IN_SUM },
};
_Static_assert(array_len(metrics) == METRICS, "each metric has a row");

static const struct {
	const char *name;
	int64_t step; /* what the time is cut down to */
} times[] = {
	{ "datetimeFiveMinutes", 300000 }, { "datetimeFifteenMinutes", 900000 }, { "datetimeMinute", 60000 },
	{ "datetimeHour", HOUR_MS },       { "datetimeSixHours", 6 * HOUR_MS },  { "datetime", 60000 },
	{ "date", 24 * HOUR_MS },
};

struct group {
	char *key; /* owned: the dimensions as text */
	struct json_object *dimensions;
	double sum[METRICS], max[METRICS];
	double *values[METRICS]; /* of those that have quantiles */
	size_t count, room;
};

struct query {
	struct call *c;
	const struct gq_field *field; /* the data set */
	struct json_object *filter;
	struct group *groups; /* owned */
	size_t count;
	char *text;
	size_t size;
};

/* The step of a dimension of time; 0: it is none. *ret_rest: what follows its name. */
static int64_t time_step(const char *name, const char **ret_rest)
{
	for (size_t i = 0; i < array_len(times); i++) {
		size_t n = strlen(times[i].name);

		if (strncmp(name, times[i].name, n) == 0 && (!name[n] || name[n] == '_')) {
			*ret_rest = name + n;
			return times[i].step;
		}
	}
	return 0;
}

static void format_time(int64_t ms, bool day, char text[CLOCK_TEXT_SIZE])
{
	time_t t = ms / 1000;
	struct tm tm;

	gmtime_r(&t, &tm);
	strftime(text, CLOCK_TEXT_SIZE, day ? "%Y-%m-%d" : "%Y-%m-%dT%H:%M:%SZ", &tm);
}

/* "2026-11-27T21:00:00Z" or "2026-11-27"; -1 for other text. */
static int64_t parse_time(const char *text)
{
	struct tm tm = { 0 };
	const char *end = text ? strptime(text, "%Y-%m-%d", &tm) : NULL;

	if (end && *end == 'T')
		end = strptime(end, "T%H:%M:%S", &tm);
	if (!end)
		return -1;
	return (int64_t)timegm(&tm) * 1000;
}

static const char *plain_dimension(const struct life *l, const char *name)
{
	return strcmp(name, "applicationId") == 0 ? l->app :
	       strcmp(name, "instanceId") == 0    ? l->instance :
	       strcmp(name, "placementId") == 0   ? l->placement :
	       strcmp(name, "location") == 0      ? l->location :
	       strcmp(name, "region") == 0        ? l->region :
						    NULL;
}

static const char *label_of(const struct life *l, const char *name)
{
	for (size_t i = 0; name && l->labels && i < json_object_array_length(l->labels); i++) {
		struct json_object *label = json_object_array_get_idx(l->labels, i);

		if (json_str(label, "name") && strcmp(json_str(label, "name"), name) == 0)
			return json_str(label, "value");
	}
	return "";
}

static bool has_label(const struct life *l, const char *want)
{
	const char *colon = strchr(want, ':');
	char name[256];

	snprintf(name, sizeof(name), "%.*s", colon ? (int)(colon - want) : (int)strlen(want), want);
	return *label_of(l, name) && (!colon || strcmp(label_of(l, name), colon + 1) == 0);
}

static bool compare(const char *suffix, int order)
{
	return strcmp(suffix, "_geq") == 0 ? order >= 0 :
	       strcmp(suffix, "_leq") == 0 ? order <= 0 :
	       strcmp(suffix, "_gt") == 0  ? order > 0 :
	       strcmp(suffix, "_lt") == 0  ? order < 0 :
	       strcmp(suffix, "_neq") == 0 ? order != 0 :
					     order == 0;
}

/* The nth word of a list; "" where it is null. */
static const char *word(struct json_object *list, size_t n)
{
	const char *text = json_object_get_string(json_object_array_get_idx(list, n));

	return text ? text : "";
}

static bool among(struct json_object *list, const char *value)
{
	for (size_t i = 0; json_object_is_type(list, json_type_array) && i < json_object_array_length(list); i++)
		if (strcmp(word(list, i), value) == 0)
			return true;
	return false;
}

/* Whether one member of a filter lets the sample pass; false with a text where there is no such filter. */
static bool member_fits(struct query *q, const struct life *l, int64_t t, const char *key, struct json_object *want)
{
	const char *suffix, *value;
	int64_t step = time_step(key, &suffix), at;
	char name[64];

	if (step) {
		at = parse_time(json_object_get_string(want));
		t -= t % step;
		if (at >= 0)
			return compare(suffix, t < at ? -1 : t > at);
		snprintf(q->text, q->size, "%s: is no time", key);
		return false;
	}
	if (strcmp(key, "labels_has") == 0)
		return has_label(l, json_object_get_string(want));
	suffix = strchr(key, '_');
	snprintf(name, sizeof(name), "%.*s", suffix ? (int)(suffix - key) : 60, key);
	value = plain_dimension(l, name);
	if (!value) {
		snprintf(q->text, q->size, "unknown arg %.60s", key);
		return false;
	}
	if (suffix && (strcmp(suffix, "_in") == 0 || strcmp(suffix, "_notin") == 0))
		return among(want, value) == (suffix[1] == 'i');
	return compare(suffix ? suffix : "", strcmp(value, json_object_get_string(want)));
}

static bool filter_fits(struct query *q, struct json_object *filter, const struct life *l, int64_t t)
{
	struct json_object_iter it;

	if (!filter || !json_object_is_type(filter, json_type_object))
		return true;
	json_object_object_foreachC(filter, it)
	{
		bool either = strcmp(it.key, "OR") == 0, fits = !either;

		if (!it.val)
			continue;
		if (!either && strcmp(it.key, "AND") != 0) {
			if (!member_fits(q, l, t, it.key, it.val))
				return false;
			continue;
		}
		for (size_t i = 0; json_object_is_type(it.val, json_type_array) && i < json_object_array_length(it.val); i++) {
			bool one = filter_fits(q, json_object_array_get_idx(it.val, i), l, t);

			fits = either ? fits || one : fits && one;
		}
		if (!fits)
			return false;
	}
	return true;
}

/* The dimensions that are asked for, of one sample. NULL with a text where one is not known. */
static struct json_object *dimensions_of(struct query *q, const struct life *l, int64_t t)
{
	struct json_object *obj = json_object_new_object();
	const struct gq_field *dims = q->field->sub;
	const char *rest, *value;
	char text[CLOCK_TEXT_SIZE];

	while (dims && strcmp(dims->name, "dimensions") != 0)
		dims = dims->next;
	for (const struct gq_field *f = dims ? dims->sub : NULL; obj && f; f = f->next) {
		int64_t step = time_step(f->name, &rest);

		value = plain_dimension(l, f->name);
		if (strcmp(f->name, "label") == 0)
			value = label_of(l, json_str(f->args, "name"));
		if (step && !*rest) {
			format_time(t - t % step, step == 24 * HOUR_MS, text);
			value = text;
		}
		if (!value) {
			snprintf(q->text, q->size, "unknown field \"%.60s\"", f->name);
			json_object_put(obj);
			return NULL;
		}
		json_object_object_add(obj, f->alias, json_object_new_string(value));
	}
	return obj;
}

/* The group of these dimensions, which it takes; NULL where there are too many. */
static struct group *group_of(struct query *q, struct json_object *dimensions)
{
	const char *key = json_object_to_json_string_ext(dimensions, JSON_C_TO_STRING_PLAIN);
	struct group *g;

	/* The samples of one container come one after another, so the newest groups are the likely ones. */
	for (size_t i = q->count; i-- > 0;)
		if (strcmp(q->groups[i].key, key) == 0) {
			json_object_put(dimensions);
			return &q->groups[i];
		}
	if (q->count == GROUPS_MAX) {
		json_object_put(dimensions);
		return NULL;
	}
	g = &q->groups[q->count++];
	*g = (struct group){ .key = strdup(key), .dimensions = dimensions };
	return g->key ? g : NULL;
}

static bool add_sample(struct group *g, const double v[METRICS])
{
	for (int m = 0; m < METRICS; m++) {
		g->sum[m] += v[m];
		g->max[m] = g->count == 0 || v[m] > g->max[m] ? v[m] : g->max[m];
		if (!(metrics[m].in & IN_QUANTILES))
			continue;
		if (g->count == g->room) {
			double *more = realloc(g->values[m], (g->room * 2 + 64) * sizeof(double));

			if (!more)
				return false;
			g->values[m] = more;
		}
		g->values[m][g->count] = v[m];
	}
	if (g->count == g->room)
		g->room = g->room * 2 + 64;
	g->count++;
	return true;
}

static int add_life(struct query *q, const struct life *l, int64_t from, int64_t to, size_t *left)
{
	int64_t t = l->start > from ? l->start : from;

	for (t += (METRICS_STEP_MS - t % METRICS_STEP_MS) % METRICS_STEP_MS; t <= to && (!l->stop || t < l->stop);
	     t += METRICS_STEP_MS) {
		struct json_object *dimensions;
		double v[METRICS];
		struct group *g;

		if ((*left)-- == 0) {
			snprintf(q->text, q->size, "the query would have to read too much: ask for less time or fewer instances");
			return -EINVAL;
		}
		if (!filter_fits(q, q->filter, l, t)) {
			if (q->text[0])
				return -EINVAL;
			continue;
		}
		dimensions = dimensions_of(q, l, t);
		if (!dimensions)
			return -EINVAL;
		g = group_of(q, dimensions);
		life_sample(l, t, v);
		if (!g || !add_sample(g, v)) {
			snprintf(q->text, q->size, "too many groups");
			return -EINVAL;
		}
	}
	return 0;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* One figure of a group by aggregation and name; false where there is none of that name. */
static bool figure(struct group *g, const char *aggregation, const char *name, double *ret)
{
	static const struct {
		const char *name;
		unsigned in;
	} kinds[] = { { "avg", IN_AVG }, { "sum", IN_SUM }, { "max", IN_MAX }, { "quantiles", IN_QUANTILES } };
	static const struct {
		const char *suffix;
		size_t percent;
	} quantiles[] = { { "P50", 50 }, { "P95", 95 }, { "P99", 99 } };
	unsigned in = 0;

	for (size_t i = 0; i < array_len(kinds); i++)
		in |= strcmp(kinds[i].name, aggregation) == 0 ? kinds[i].in : 0;
	for (int m = 0; m < METRICS; m++) {
		size_t n = strlen(metrics[m].name);
		size_t percent = 0;

		if (!(metrics[m].in & in) || strncmp(name, metrics[m].name, n) != 0 || (in != IN_QUANTILES && name[n]))
			continue;
		for (size_t i = 0; in == IN_QUANTILES && i < array_len(quantiles); i++)
			percent = strcmp(quantiles[i].suffix, name + n) == 0 ? quantiles[i].percent : percent;
		if (in == IN_QUANTILES && !percent)
			continue;
		if (in == IN_QUANTILES) {
			qsort(g->values[m], g->count, sizeof(double), by_value);
			*ret = g->values[m][(g->count - 1) * percent / 100];
		} else {
			*ret = in == IN_AVG ? g->sum[m] / (double)g->count : in == IN_SUM ? g->sum[m] : g->max[m];
		}
		return true;
	}
	return false;
}

static int write_group(struct query *q, struct group *g)
{
	struct out *o = q->c->out;
	double v;

	out_open(o, '{');
	for (const struct gq_field *f = q->field->sub; f; f = f->next) {
		if (strcmp(f->name, "dimensions") == 0) {
			out_kraw(o, f->alias, g->key);
			continue;
		}
		if (strcmp(f->name, "count") == 0) {
			out_kint(o, f->alias, (int64_t)g->count);
			continue;
		}
		out_key(o, f->alias);
		out_open(o, '{');
		for (const struct gq_field *s = f->sub; s; s = s->next) {
			if (!figure(g, f->name, s->name, &v)) {
				snprintf(q->text, q->size, "unknown field \"%.60s\"", s->name);
				return -EINVAL;
			}
			out_knum(o, s->alias, v);
		}
		out_close(o, '}');
	}
	out_close(o, '}');
	return 0;
}

/* "sum_cpuTimeSec_DESC", "datetimeHour_ASC", "count_DESC": negative where a comes first. */
static int compare_by(const char *order, struct group *a, struct group *b)
{
	const char *end = strrchr(order, '_'), *bar = strchr(order, '_');
	int sign = end && strcmp(end, "_DESC") == 0 ? -1 : 1;
	char head[40], name[60];
	double x = 0, y = 0;

	if (!end)
		return 0;
	snprintf(head, sizeof(head), "%.*s", (int)(bar - order), order);
	snprintf(name, sizeof(name), "%.*s", bar < end ? (int)(end - bar - 1) : 0, bar < end ? bar + 1 : "");
	if (strcmp(head, "count") == 0) {
		x = (double)a->count;
		y = (double)b->count;
	} else if (!name[0] || !figure(a, head, name, &x) || !figure(b, head, name, &y)) {
		const char *s = json_str(a->dimensions, head), *t = json_str(b->dimensions, head);

		return s && t ? sign * strcmp(s, t) : 0;
	}
	return sign * (x < y ? -1 : x > y);
}

static int by_order(const void *a, const void *b, void *arg)
{
	struct json_object *order = arg;
	int r = 0;

	for (size_t i = 0; r == 0 && i < json_object_array_length(order); i++)
		r = compare_by(word(order, i), (struct group *)a, (struct group *)b);
	return r;
}

static void sort_groups(struct query *q)
{
	struct json_object *order = json_member(q->field->args, "orderBy");

	if (json_object_is_type(order, json_type_array))
		qsort_r(q->groups, q->count, sizeof(*q->groups), by_order, order);
}

/* The time that a filter leaves, so that nothing else is looked at. */
static void bounds(struct json_object *filter, int64_t now, int64_t *ret_from, int64_t *ret_to)
{
	const char *rest;

	*ret_from = now - HOUR_MS;
	*ret_to = now;
	if (!filter || !json_object_is_type(filter, json_type_object))
		return;
	json_object_object_foreach(filter, key, want) {
		int64_t at = time_step(key, &rest) ? parse_time(json_object_get_string(want)) : -1;

		if (at >= 0 && (strcmp(rest, "_geq") == 0 || strcmp(rest, "_gt") == 0))
			*ret_from = at;
		if (at >= 0 && at < now && (strcmp(rest, "_leq") == 0 || strcmp(rest, "_lt") == 0))
			*ret_to = at;
	}
}

static int run_query(struct query *q)
{
	int64_t from, to, limit = json_int(q->field->args, "limit", 100);
	cleanup_lives_ struct lives lives = { NULL, 0 };
	size_t left = SAMPLES_MAX;
	int r;

	if (limit < 1 || limit > PAGE_MAX) {
		snprintf(q->text, q->size, "limit must be between 1 and %d", PAGE_MAX);
		return -EINVAL;
	}
	q->filter = json_member(q->field->args, "filter");
	bounds(q->filter, q->c->now, &from, &to);
	r = lives_load(q->c, from, to, &lives);
	for (size_t i = 0; r == 0 && i < lives.count; i++)
		r = add_life(q, &lives.list[i], from, to, &left);
	if (r < 0)
		return r;
	sort_groups(q);
	out_key(q->c->out, q->field->alias);
	out_open(q->c->out, '[');
	for (size_t i = 0; r == 0 && i < q->count && (int64_t)i < limit; i++)
		r = write_group(q, &q->groups[i]);
	out_close(q->c->out, ']');
	return r;
}

static int run_dataset(struct call *c, const struct gq_field *f, char *text, size_t size)
{
	struct query q = { .c = c, .field = f, .text = text, .size = size };
	int r;

	if (strcmp(f->name, "containersMetricsAdaptiveGroups") != 0 && strcmp(f->name, "containersUsageAdaptiveGroups") != 0) {
		snprintf(text, size, "unknown field \"%.60s\"", f->name);
		return -EINVAL;
	}
	if (!(c->permits & PERMIT_ANALYTICS)) {
		snprintf(text, size, "not authorized for that account");
		return -EPERM;
	}
	q.groups = calloc(GROUPS_MAX, sizeof(*q.groups));
	r = q.groups ? run_query(&q) : -ENOMEM;
	for (size_t i = 0; i < q.count; i++) {
		json_object_put(q.groups[i].dimensions);
		free(q.groups[i].key);
		for (int m = 0; m < METRICS; m++)
			free(q.groups[i].values[m]);
	}
	free(q.groups);
	return r;
}

/* What the service says of a data set's limits. */
static void write_settings(struct out *o, const struct gq_field *f)
{
	out_key(o, f->alias);
	out_open(o, '{');
	for (const struct gq_field *set = f->sub; set; set = set->next) {
		out_key(o, set->alias);
		out_open(o, '{');
		for (const struct gq_field *s = set->sub; s; s = s->next)
			if (strcmp(s->name, "enabled") == 0)
				out_kbool(o, s->alias, true);
			else
				out_kint(o, s->alias, strcmp(s->name, "maxPageSize") == 0 ? PAGE_MAX : 2678400);
		out_close(o, '}');
	}
	out_close(o, '}');
}

static int run_accounts(struct call *c, const struct gq_field *accounts, char *text, size_t size)
{
	const char *tag = json_str(json_member(accounts->args, "filter"), "accountTag");
	int r = 0;

	if (!tag || strlen(tag) != 32 || strspn(tag, "0123456789abcdef") != 32) {
		snprintf(text, size, "accountTag must be one account");
		return -EINVAL;
	}
	snprintf(c->account, sizeof(c->account), "%s", tag);
	out_key(c->out, accounts->alias);
	out_raws(c->out, "[{");
	for (const struct gq_field *f = accounts->sub; r == 0 && f; f = f->next) {
		if (strcmp(f->name, "settings") == 0)
			write_settings(c->out, f);
		else
			r = run_dataset(c, f, text, size);
	}
	out_raws(c->out, "}]");
	return r;
}

static int run_viewer(struct call *c, const struct gq_field *root, char *text, size_t size)
{
	const struct gq_field *accounts = root->sub;

	if (strcmp(root->name, "viewer") != 0 || root->next || !accounts || strcmp(accounts->name, "accounts") != 0 ||
	    accounts->next) {
		snprintf(text, size, "only viewer { accounts(filter: {accountTag: …}) { … } } is known here");
		return -EINVAL;
	}
	out_raws(c->out, "{\"data\":{");
	out_key(c->out, root->alias);
	out_open(c->out, '{');
	return run_accounts(c, accounts, text, size);
}

int graphql_post(struct call *c)
{
	const char *query = json_str(c->body, "query");
	struct gq_field *root = NULL;
	char text[300] = "";
	int r = -EINVAL;

	if (query)
		r = graphql_parse(query, json_member(c->body, "variables"), &root, text, sizeof(text));
	else
		snprintf(text, sizeof(text), "query is required");
	if (r == 0)
		r = root ? run_viewer(c, root, text, sizeof(text)) : -EINVAL;
	graphql_free(root);
	if (r == 0) {
		out_raws(c->out, "}},\"errors\":null}");
		return 0;
	}
	buf_clear(&c->out->b);
	out_raws(c->out, "{\"data\":null,\"errors\":[{");
	out_kstr(c->out, "message", text[0] ? text : "internal error");
	out_kraw(c->out, "path", "[\"viewer\",\"accounts\"]");
	out_key(c->out, "extensions");
	out_open(c->out, '{');
	out_kstr(c->out, "code", r == -EPERM ? "authz" : "parse");
	out_raws(c->out, "}}]}");
	return 0;
}
