#include "fs/show/insight.h"

#include <errno.h>

#include "api/base/clock.h"
#include "api/base/log.h"
#include "api/doc_json.h"
#include "fs/show/offers.h"
#include "fs/show/source_known.h"

#define GROUPS_MAX  5000
#define GROUPS_TEXT "5000"
#define PAGE_LINES  500
#define PAGES_MAX   4
/* Lines may come late: so much of what was asked for already is asked for again. */
#define OVERLAP_MS 30000

/* ---- asking ---- */

static bool is_refused(int result)
{
	return result == -EACCES || result == -EPERM || result == -ENOENT || result == -EOPNOTSUPP;
}

/* body is put. -ENOENT: one may not, or there is no such thing here; which of them is in the log. */
static int ask(struct mount *mount, struct call *call, struct json_object *body, struct answer *ret, struct err *err)
{
	int r;

	call->method = "POST";
	call->flags |= CALL_ASKS;
	call->body =
		json_object_to_json_string_length(body, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &call->body_len);
	r = call->body ? offers_call(mount, call, ret, err) : err_set(err, ENOMEM, "out of memory");
	json_object_put(body);
	if (!is_refused(r))
		return r;
	log_info("%s: %s", call->operation, err->text);
	err_clear(err);
	return -ENOENT;
}

static int set_text(struct json_object *object, const char *key, const char *text)
{
	return doc_set(object, key, json_object_new_string(text));
}

static int set_number(struct json_object *object, const char *key, int64_t number)
{
	return doc_set(object, key, json_object_new_int64(number));
}

/* ---- metrics ---- */

static const char metrics_query[] =
	"query($a:String,$app:String,$s:Time,$e:Time){viewer{accounts(filter:{accountTag:$a}){"
	"containersMetricsAdaptiveGroups(limit:" GROUPS_TEXT ",filter:{datetime_geq:$s,datetime_leq:$e,applicationId:$app},"
	"orderBy:[datetimeFiveMinutes_ASC]){dimensions{datetimeFiveMinutes instanceId}"
	"quantiles{cpuUtilizationP95 memoryP95} max{memory diskUsage} avg{containerUptime}"
	"sum{cpuTimeSec rxBytes txBytes}}}}}";

/* From where a value comes, and what it is called here. */
static const struct value_row {
	const char *group, *from, *name;
	bool summed; /* of the instances of a step, in "application"; and, of what is a sum, over the hour */
} values[] = {
	{ "quantiles", "cpuUtilizationP95", "cpu_p95", false },
	{ "quantiles", "memoryP95", "memory_p95_bytes", true },
	{ "max", "memory", "memory_max_bytes", true },
	{ "max", "diskUsage", "disk_bytes", true },
	{ "sum", "cpuTimeSec", "cpu_seconds", true },
	{ "sum", "rxBytes", "rx_bytes", true },
	{ "sum", "txBytes", "tx_bytes", true },
	{ "avg", "containerUptime", "uptime_seconds", false },
};

static struct json_object *child(struct json_object *object, const char *key, bool array)
{
	struct json_object *c = doc_member(object, key);

	if (!c && doc_set(object, key, array ? json_object_new_array() : json_object_new_object()) == 0)
		c = doc_member(object, key);
	return c;
}

/* The last step of the application's sums, or a new one. */
static struct json_object *sum_of(struct json_object *sums, const char *time)
{
	size_t n = json_object_array_length(sums);
	struct json_object *last = n ? json_object_array_get_idx(sums, n - 1) : NULL;

	if (last && !strcmp(json_get_string(last, "time"), time))
		return last;
	last = json_object_new_object();
	if (!last || set_text(last, "time", time) < 0 || doc_append(sums, last) < 0)
		return NULL;
	return last;
}

static int add_values(struct json_object *group, struct json_object *step, struct json_object *sum)
{
	int r = set_number(sum, "instances", json_object_get_int64(doc_member(sum, "instances")) + 1);

	for (size_t i = 0; r == 0 && i < array_len(values); i++) {
		struct json_object *value = doc_member(doc_member(group, values[i].group), values[i].from), *before;

		if (!doc_is_number(value))
			continue;
		r = doc_set(step, values[i].name, json_object_get(value));
		if (r < 0 || !values[i].summed)
			continue;
		before = doc_member(sum, values[i].name);
		r = doc_set(sum, values[i].name,
			    json_object_new_double(json_object_get_double(value) + json_object_get_double(before)));
	}
	return r;
}

static int add_group(struct json_object *group, struct json_object *instances, struct json_object *sums)
{
	struct json_object *dimensions = doc_member(group, "dimensions"), *steps, *step, *sum;
	const char *time = dimensions ? json_get_string(dimensions, "datetimeFiveMinutes") : NULL;
	const char *instance = dimensions ? json_get_string(dimensions, "instanceId") : NULL;

	if (!time || !instance)
		return 0;
	steps = child(instances, instance, true);
	sum = sum_of(sums, time);
	step = json_object_new_object();
	if (!steps || !sum || !step || doc_append(steps, step) < 0)
		return -ENOMEM;
	return set_text(step, "time", time) < 0 ? -ENOMEM : add_values(group, step, sum);
}

static struct json_object *groups_of(struct json_object *data)
{
	struct json_object *accounts = doc_member(doc_member(data, "viewer"), "accounts");

	if (!json_object_is_type(accounts, json_type_array) || !json_object_array_length(accounts))
		return NULL;
	return doc_member(json_object_array_get_idx(accounts, 0), "containersMetricsAdaptiveGroups");
}

static int metrics_document(struct json_object *data, const char *from, const char *to, struct json_object *ret)
{
	struct json_object *groups = groups_of(data), *sums, *instances;
	bool list = json_object_is_type(groups, json_type_array);
	int r = set_text(ret, "from", from);

	if (r == 0)
		r = set_text(ret, "to", to);
	if (r == 0)
		r = set_number(ret, "step_seconds", 300);
	sums = child(ret, "application", true);
	instances = child(ret, "instances", false);
	if (r < 0 || !sums || !instances)
		return -ENOMEM;
	if (list && json_object_array_length(groups) >= GROUPS_MAX)
		r = doc_set(ret, "cut", json_object_new_boolean(true));
	for (size_t i = 0; r == 0 && list && i < json_object_array_length(groups); i++)
		r = add_group(json_object_array_get_idx(groups, i), instances, sums);
	return r;
}

static void format_second(int64_t ns, char *text, size_t size)
{
	clock_format_rfc3339(ns, text, size);
	/* GraphQL's Time has no parts of a second. */
	snprintf(text + strlen("2026-11-24T12:00:00"), size - strlen("2026-11-24T12:00:00"), "Z");
}

static int make_metrics(struct mount *mount, const char *application, struct json_object **ret, struct err *err)
{
	struct call call = { .operation = "queryMetrics", .path = "/graphql", .flags = CALL_GRAPHQL };
	struct json_object *body = json_object_new_object(), *variables = json_object_new_object();
	cleanup_json_ struct json_object *document = json_object_new_object();
	char from[CLOCK_TEXT_SIZE], to[CLOCK_TEXT_SIZE];
	struct answer answer = { 0 };
	int64_t now = clock_wall_ns();
	int r;

	format_second(now - INSIGHT_SPAN_MS * (int64_t)NSEC_PER_MSEC, from, sizeof(from));
	format_second(now, to, sizeof(to));
	if (!document || !body || doc_set(body, "variables", variables) < 0 || set_text(body, "query", metrics_query) < 0 ||
	    set_text(variables, "a", mount->options->account_id) < 0 || set_text(variables, "app", application) < 0 ||
	    set_text(variables, "s", from) < 0 || set_text(variables, "e", to) < 0) {
		json_object_put(body);
		return err_set(err, ENOMEM, "out of memory");
	}
	r = ask(mount, &call, body, &answer, err);
	if (r < 0)
		return r;
	r = metrics_document(answer.result, from, to, document);
	answer_clear(&answer);
	if (r < 0)
		return err_set(err, -r, "out of memory");
	*ret = steal_ptr(document);
	return 0;
}

/* ---- logs ---- */

static struct json_object *filter(const char *key, const char *value)
{
	struct json_object *f = json_object_new_object();

	if (f && (set_text(f, "key", key) < 0 || set_text(f, "operation", "eq") < 0 || set_text(f, "type", "string") < 0 ||
		  set_text(f, "value", value) < 0)) {
		json_object_put(f);
		return NULL;
	}
	return f;
}

/* The question for one page; offset: the id of the last line of the page before, or NULL. NULL without memory. */
static struct json_object *logs_question(const char *application, int64_t from_ms, int64_t to_ms, const char *offset)
{
	struct json_object *q = json_object_new_object();
	struct json_object *frame = q ? child(q, "timeframe", false) : NULL,
			   *parameters = q ? child(q, "parameters", false) : NULL;
	struct json_object *filters = parameters ? child(parameters, "filters", true) : NULL, *f;
	bool good = frame && filters && set_text(q, "queryId", "cfcfs") == 0 && set_text(q, "view", "events") == 0 &&
		    set_number(q, "limit", PAGE_LINES) == 0 && set_number(frame, "from", from_ms) == 0 &&
		    set_number(frame, "to", to_ms) == 0 && child(parameters, "datasets", true);

	f = good ? filter("$metadata.type", "cf-container") : NULL;
	good = f && doc_append(filters, f) == 0;
	f = good ? filter("$metadata.service", application) : NULL;
	good = f && doc_append(filters, f) == 0;
	if (good && offset)
		good = set_text(q, "offset", offset) == 0 && set_text(q, "offsetDirection", "next") == 0;
	if (good)
		return q;
	json_object_put(q);
	return NULL;
}

static int set_if(struct json_object *line, const char *key, struct json_object *value)
{
	return value ? doc_set(line, key, json_object_get(value)) : 0;
}

/* {"time", "id", "instance", "level", "message"}, and "source" where that says more than the message. */
static struct json_object *make_line(struct json_object *event)
{
	struct json_object *metadata = doc_member(event, "$metadata"), *containers = doc_member(event, "$containers");
	struct json_object *source = doc_member(event, "source"), *message = doc_member(metadata, "message");
	struct json_object *line = json_object_new_object(), *instance = doc_member(containers, "instanceId");
	int64_t ms = json_object_get_int64(doc_member(event, "timestamp"));
	char time[CLOCK_TEXT_SIZE];
	int r = line ? 0 : -ENOMEM;

	clock_format_rfc3339(ms * NSEC_PER_MSEC, time, sizeof(time));
	if (r == 0)
		r = set_text(line, "time", time);
	if (r == 0)
		r = set_if(line, "id", doc_member(metadata, "id"));
	if (r == 0)
		r = set_if(line, "instance", instance ? instance : doc_member(containers, "instance_id"));
	if (r == 0)
		r = set_if(line, "level", doc_member(metadata, "level"));
	if (r == 0)
		r = set_if(line, "message", message ? message : source);
	if (r == 0 && message && source && !json_object_equal(source, message))
		r = set_if(line, "source", source);
	if (r == 0)
		return line;
	json_object_put(line);
	return NULL;
}

static const char *id_of(struct json_object *line)
{
	const char *id = json_get_string(line, "id");

	return id ? id : "";
}

static int by_time(const void *a, const void *b)
{
	struct json_object *const *x = a, *const *y = b;
	int order = strcmp(json_get_string(*x, "time"), json_get_string(*y, "time"));

	return order ? order : strcmp(id_of(*x), id_of(*y));
}

/* Adds a page's events to the lines, which are told apart by seen. *ret_last borrows the id of the page's last one; NULL: no more. */
static int add_page(struct json_object *events, struct json_object *lines, struct json_object *seen, const char **ret_last)
{
	size_t n = json_object_is_type(events, json_type_array) ? json_object_array_length(events) : 0;

	*ret_last = NULL;
	for (size_t i = 0; i < n; i++) {
		struct json_object *event = json_object_array_get_idx(events, i);
		const char *id = json_get_string(doc_member(event, "$metadata") ? doc_member(event, "$metadata") : event, "id");
		struct json_object *line;

		*ret_last = id;
		if (id && doc_has(seen, id))
			continue;
		line = make_line(event);
		if (!line || doc_append(lines, line) < 0 || (id && doc_set(seen, id, json_object_new_boolean(true)) < 0))
			return -ENOMEM;
	}
	if (n < PAGE_LINES)
		*ret_last = NULL;
	return 0;
}

static int fetch_pages(struct mount *mount, const char *application, int64_t from_ms, struct json_object *lines,
		       struct json_object *seen, struct err *err)
{
	int64_t to_ms = clock_wall_ns() / NSEC_PER_MSEC;
	cleanup_free_ char *offset = NULL;
	int r = 0;

	for (int page = 0; r == 0 && page < PAGES_MAX; page++) {
		struct call call = { .operation = "queryLogs",
				     .path = "/workers/observability/telemetry/query",
				     .flags = CALL_ACCOUNT };
		struct json_object *question = logs_question(application, from_ms, to_ms, offset);
		struct answer answer = { 0 };
		const char *last;

		if (!question)
			return err_set(err, ENOMEM, "out of memory");
		r = ask(mount, &call, question, &answer, err);
		if (r < 0)
			return r;
		r = add_page(doc_member(doc_member(answer.result, "events"), "events"), lines, seen, &last);
		free(steal_ptr(offset));
		offset = last ? strdup(last) : NULL;
		answer_clear(&answer);
		if (!offset)
			break;
	}
	return r;
}

/* The lines that are known already, of the time that is shown; from when on new ones are missing. */
static int take_known(struct json_object *before, struct json_object *lines, struct json_object *seen, int64_t *from_ms)
{
	struct json_object *known = doc_member(before, "lines");
	size_t n = json_object_is_type(known, json_type_array) ? json_object_array_length(known) : 0;
	int64_t oldest_ns = *from_ms * NSEC_PER_MSEC, ns = 0;
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++) {
		struct json_object *line = json_object_array_get_idx(known, i);

		if (clock_parse_rfc3339(json_get_string(line, "time"), &ns) < 0 || ns < oldest_ns)
			continue;
		r = doc_append(lines, json_object_get(line));
		if (r == 0 && *id_of(line))
			r = doc_set(seen, id_of(line), json_object_new_boolean(true));
	}
	if (n && ns / NSEC_PER_MSEC - OVERLAP_MS > *from_ms)
		*from_ms = ns / NSEC_PER_MSEC - OVERLAP_MS;
	return r;
}

static int make_logs(struct mount *mount, const char *application, struct json_object *before, struct json_object **ret,
		     struct err *err)
{
	cleanup_json_ struct json_object *document = json_object_new_object(), *seen = json_object_new_object();
	struct json_object *lines = document ? child(document, "lines", true) : NULL;
	int64_t from_ms = clock_wall_ns() / NSEC_PER_MSEC - INSIGHT_SPAN_MS;
	size_t n;
	int r = lines && seen ? take_known(before, lines, seen, &from_ms) : -ENOMEM;

	if (r == 0)
		r = fetch_pages(mount, application, from_ms, lines, seen, err);
	if (r < 0)
		return err->text[0] || r == -ENOENT ? r : err_set(err, -r, "out of memory");
	json_object_array_sort(lines, by_time);
	n = json_object_array_length(lines);
	if (n > INSIGHT_LINES_MAX)
		json_object_array_del_idx(lines, 0, n - INSIGHT_LINES_MAX);
	*ret = steal_ptr(document);
	return 0;
}

/* ---- the store's ---- */

/* What was made last, as long as its lines are of the time that is shown; put by the caller; NULL: nothing. */
static struct json_object *made_before(struct mount *mount, const char *key)
{
	cleanup_(snapshot_unrefp) struct snapshot *known = source_known_by_letter(mount, key);
	struct body *body = known ? snapshot_body(known) : NULL;
	struct json_object *object = body ? json_tokener_parse(body->data) : NULL;

	body_unref(body);
	return object;
}

int insight_fetch(struct mount *mount, const char *key, struct store_value *ret, struct err *err)
{
	cleanup_json_ struct json_object *before = NULL, *document = NULL;
	struct snapshot_fields f = { .id = key, .name = key, .version = -1, .fetched_ms = clock_now_ms() };
	int r;

	if (key[0] == INSIGHT_KEY_METRICS) {
		r = make_metrics(mount, key + 2, &document, err);
	} else {
		before = made_before(mount, key);
		r = make_logs(mount, key + 2, before, &document, err);
	}
	if (r < 0)
		return r;
	f.body =
		json_object_to_json_string_length(document, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &f.body_len);
	ret->snapshot = f.body ? snapshot_new(&f) : NULL;
	return ret->snapshot ? 0 : err_set(err, ENOMEM, "out of memory");
}

int insight_load(struct request *r, const struct leaf *leaf, const char *application, struct snapshot **ret,
		 struct store_info *ret_info)
{
	bool logs = leaf->source == LEAF_LOGS;
	cleanup_free_ char *key = NULL;
	struct store_value value = { 0 };
	int result = 0;

	if (text_format(&key, "%c:%s", logs ? INSIGHT_KEY_LOGS : INSIGHT_KEY_METRICS, application) < 0)
		return -ENOMEM;
	result = request_get(r, leaf, key, logs ? INSIGHT_LOGS_TTL_MS : INSIGHT_METRICS_TTL_MS, &value, ret_info);
	if (result == 0)
		*ret = value.snapshot;
	return result;
}

int insight_lines(struct snapshot *logs, struct buf *out)
{
	cleanup_(body_unrefp) struct body *body = snapshot_body(logs);
	cleanup_json_ struct json_object *document = body ? json_tokener_parse(body->data) : NULL;
	struct json_object *lines = doc_member(document, "lines");
	int r = lines ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < json_object_array_length(lines); i++) {
		r = doc_write(json_object_array_get_idx(lines, i), true, out);
		if (r == 0)
			r = buf_addc(out, '\n');
	}
	return r;
}
