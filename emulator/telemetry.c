/* The log lines of containers, as the telemetry has them. What a container writes follows from its placement and the time. */
#include <errno.h>
#include <inttypes.h>
#include <sodium.h>

#include "emulator/metrics.h"
#include "emulator/route.h"
#include "emulator/world.h"

#define LINE_EVERY_MS 10000
#define KEPT_MS       (3 * 86400000LL) /* as on the free plan */
#define LINES_MAX     50000            /* that are looked at */
#define LIMIT_MAX     2000
#define LIMIT_DEFAULT 100

struct line {
	int64_t at;
	struct json_object *event; /* owned */
	const char *id;            /* of event */
};

struct lines {
	struct line *list; /* owned */
	size_t count;
};

static void lines_free(struct lines *l)
{
	for (size_t i = 0; i < l->count; i++)
		json_object_put(l->list[i].event);
	free(l->list);
}
#define cleanup_lines_ cleanup_(lines_free)

static void set(struct json_object *obj, const char *key, const char *value)
{
	json_object_object_add(obj, key, json_object_new_string(value));
}

/* What is written at a moment; its level. The first and the last line are told apart by their time. */
static const char *words(const struct life *l, int64_t at, int64_t n, char text[120])
{
	if (at == l->start) {
		snprintf(text, 120, "listening on port 8080");
		return "info";
	}
	if (l->stop && at == l->stop) {
		snprintf(text, 120, "received SIGTERM, shutting down");
		return "info";
	}
	if (n % 31 == 30) {
		snprintf(text, 120, "request %" PRId64 " failed: upstream timed out", n);
		return "error";
	}
	snprintf(text, 120, "GET /items/%" PRId64 " 200 %" PRId64 "ms", n, n % 7 == 6 ? 900 + n % 50 : 5 + n % 40);
	return n % 7 == 6 ? "warn" : "info";
}

/* A text, or now and then an object: programs write either. */
static struct json_object *source_of(const char *text, const char *level, int64_t n)
{
	struct json_object *obj;

	if (n % 3 != 2)
		return json_object_new_string(text);
	obj = json_object_new_object();
	set(obj, "level", level);
	set(obj, "msg", text);
	return obj;
}

static struct json_object *make_event(const struct life *l, int64_t at, int64_t n)
{
	struct json_object *event = json_object_new_object(), *meta = json_object_new_object(), *where = json_object_new_object();
	unsigned char hash[crypto_generichash_BYTES_MIN];
	char text[120], name[140], id[64];
	const char *level = words(l, at, n, text);

	snprintf(name, sizeof(name), "%s %" PRId64, l->placement, at);
	crypto_generichash(hash, sizeof(hash), (const unsigned char *)name, strlen(name), NULL, 0);
	snprintf(id, sizeof(id), "%012" PRIx64, (uint64_t)at);
	sodium_bin2hex(id + 12, 17, hash, 8);
	set(meta, "id", id);
	set(meta, "level", level);
	set(meta, "message", text);
	set(meta, "service", l->app);
	set(meta, "type", "cf-container");
	set(where, "applicationId", l->app);
	set(where, "instanceId", l->instance);
	set(where, "placementId", l->placement);
	set(where, "location", l->location);
	json_object_object_add(event, "timestamp", json_object_new_int64(at));
	set(event, "dataset", "cloudflare-containers");
	json_object_object_add(event, "source", source_of(text, level, n));
	json_object_object_add(event, "$metadata", meta);
	json_object_object_add(event, "$containers", where);
	return event;
}

/* "$metadata.service", "timestamp" */
static struct json_object *lookup(struct json_object *event, const char *key)
{
	const char *dot = strchr(key, '.');
	char head[64];

	if (!dot)
		return json_member(event, key);
	snprintf(head, sizeof(head), "%.*s", (int)(dot - key), key);
	return json_member(json_member(event, head), dot + 1);
}

static bool one_fits(struct json_object *event, struct json_object *filter)
{
	const char *key = json_str(filter, "key"), *op = json_str(filter, "operation");
	struct json_object *have = key ? lookup(event, key) : NULL, *want = json_member(filter, "value");
	const char *a = have ? json_object_get_string(have) : "", *b = want ? json_object_get_string(want) : "";

	if (!op || strcmp(op, "eq") == 0)
		return have && strcmp(a, b) == 0;
	if (strcmp(op, "neq") == 0)
		return !have || strcmp(a, b) != 0;
	if (strcmp(op, "exists") == 0)
		return have;
	if (strcmp(op, "includes") == 0)
		return have && strcasestr(a, b);
	if (strcmp(op, "not_includes") == 0)
		return !have || !strcasestr(a, b);
	if (strcmp(op, "starts_with") == 0)
		return have && strncmp(a, b, strlen(b)) == 0;
	if (strcmp(op, "gt") == 0 || strcmp(op, "gte") == 0)
		return have && json_object_get_double(have) >= json_object_get_double(want);
	return strcmp(op, "lt") == 0 || strcmp(op, "lte") == 0 ?
		       have && json_object_get_double(have) <= json_object_get_double(want) :
		       false;
}

static bool fits(struct json_object *event, struct json_object *parameters)
{
	struct json_object *filters = json_member(parameters, "filters");
	const char *how = json_str(parameters, "filterCombination");
	bool either = how && strcasecmp(how, "or") == 0;
	size_t n = json_object_is_type(filters, json_type_array) ? json_object_array_length(filters) : 0;

	for (size_t i = 0; i < n; i++)
		if (one_fits(event, json_object_array_get_idx(filters, i)) == either)
			return either;
	return n == 0 || !either;
}

static int add_line(struct lines *all, const struct life *l, int64_t at, int64_t n, struct json_object *parameters)
{
	struct json_object *event = make_event(l, at, n);

	if (!fits(event, parameters)) {
		json_object_put(event);
		return 0;
	}
	if (all->count % 256 == 0) {
		struct line *more = realloc(all->list, (all->count + 256) * sizeof(*more));

		if (!more) {
			json_object_put(event);
			return -ENOMEM;
		}
		all->list = more;
	}
	all->list[all->count++] = (struct line){ at, event, json_str(json_member(event, "$metadata"), "id") };
	return 0;
}

/* The lines of one container, up to its last one. */
static int add_life(struct lines *all, const struct life *l, int64_t from, int64_t to, size_t *left,
		    struct json_object *parameters)
{
	int64_t n = from > l->start ? (from - l->start + LINE_EVERY_MS - 1) / LINE_EVERY_MS : 0, at;
	int r = 0;

	for (; r == 0 && (at = l->start + n * LINE_EVERY_MS) <= to && (!l->stop || at < l->stop); n++) {
		if ((*left)-- == 0)
			return -E2BIG;
		r = add_line(all, l, at, n, parameters);
	}
	if (r == 0 && l->stop >= from && l->stop && l->stop <= to && l->stop > l->start)
		r = add_line(all, l, l->stop, 0, parameters);
	return r;
}

static int newest_first(const void *a, const void *b)
{
	return -strcmp(((const struct line *)a)->id, ((const struct line *)b)->id);
}

/* All lines of the time that is asked for, the newest first. */
static int collect(struct call *c, struct lines *ret)
{
	struct json_object *frame = json_member(c->body, "timeframe"), *parameters = json_member(c->body, "parameters");
	int64_t from = json_int(frame, "from", -1), to = json_int(frame, "to", -1);
	cleanup_lives_ struct lives lives = { NULL, 0 };
	size_t left = LINES_MAX;
	int r;

	if (from < 0 || to < from)
		return call_invalid_field(c, "timeframe", "must have from and to, in milliseconds");
	to = to < c->now ? to : c->now;
	from = from > c->now - KEPT_MS ? from : c->now - KEPT_MS;
	r = lives_load(c, from, to, &lives);
	for (size_t i = 0; r == 0 && i < lives.count; i++)
		if (lives.list[i].app[0])
			r = add_life(ret, &lives.list[i], from, to, &left, parameters);
	if (r == -E2BIG)
		return call_fail(c, 400, NULL, "The query would read too much: ask for less time");
	if (ret->count)
		qsort(ret->list, ret->count, sizeof(*ret->list), newest_first);
	return r;
}

/* Which of the lines are the page: after the one with the id, or before it. */
static void window(struct call *c, const struct lines *all, int64_t limit, size_t *ret_from, size_t *ret_to)
{
	const char *offset = json_str(c->body, "offset"), *direction = json_str(c->body, "offsetDirection");
	bool back = direction && strcmp(direction, "prev") == 0;
	size_t at = 0;

	*ret_from = 0;
	*ret_to = all->count;
	while (offset && at < all->count && strcmp(all->list[at].id, offset) > 0)
		at++;
	if (offset && back)
		*ret_to = at;
	else if (offset)
		*ret_from = at + (at < all->count && strcmp(all->list[at].id, offset) == 0);
	if (*ret_to - *ret_from <= (size_t)limit)
		return;
	if (offset && back)
		*ret_from = *ret_to - (size_t)limit;
	else
		*ret_to = *ret_from + (size_t)limit;
}

int telemetry_query(struct call *c)
{
	cleanup_lines_ struct lines all = { NULL, 0 };
	const char *view = json_str(c->body, "view");
	int64_t limit = json_int(c->body, "limit", LIMIT_DEFAULT);
	struct out *o = c->out;
	size_t from, to;
	int r;

	if (!json_str(c->body, "queryId"))
		return call_invalid_field(c, "queryId", "is required");
	if (view && strcmp(view, "events") != 0)
		return call_invalid_field(c, "view", "only events are known here");
	if (limit < 1 || limit > LIMIT_MAX)
		return call_invalid_field(c, "limit", "must be between 1 and %d", LIMIT_MAX);
	r = collect(c, &all);
	if (r < 0)
		return r;
	window(c, &all, limit, &from, &to);
	out_raws(o, "{\"statistics\":{");
	out_kint(o, "rows_read", (int64_t)all.count);
	out_raws(o, "},\"events\":{");
	out_kint(o, "count", (int64_t)all.count);
	out_key(o, "events");
	out_open(o, '[');
	for (size_t i = from; i < to; i++) {
		out_comma(o);
		out_raws(o, json_object_to_json_string_ext(all.list[i].event,
							   JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
	}
	out_raws(o, "]}}");
	return 0;
}

static const char *const keys[] = { "timestamp",
				    "dataset",
				    "source",
				    "$metadata.id",
				    "$metadata.level",
				    "$metadata.message",
				    "$metadata.service",
				    "$metadata.type",
				    "$containers.applicationId",
				    "$containers.instanceId",
				    "$containers.placementId",
				    "$containers.location" };

int telemetry_keys(struct call *c)
{
	struct out *o = c->out;

	out_open(o, '[');
	for (size_t i = 0; i < array_len(keys); i++) {
		out_open(o, '{');
		out_kstr(o, "key", keys[i]);
		out_kstr(o, "type", strcmp(keys[i], "timestamp") == 0 ? "number" : "string");
		out_kint(o, "lastSeenAt", c->now);
		out_close(o, '}');
	}
	out_close(o, ']');
	return 0;
}

/* What a key was in the lines of the time that is asked for, each value once. */
int telemetry_values(struct call *c)
{
	cleanup_json_ struct json_object *seen = json_object_new_object();
	cleanup_lines_ struct lines all = { NULL, 0 };
	const char *key = json_str(c->body, "key");
	int64_t limit = json_int(c->body, "limit", 50), n = 0;
	int r;

	if (!key)
		return call_invalid_field(c, "key", "is required");
	r = collect(c, &all);
	if (r < 0)
		return r;
	out_open(c->out, '[');
	for (size_t i = 0; i < all.count && n < limit; i++) {
		struct json_object *value = lookup(all.list[i].event, key);

		if (!value || json_object_object_get_ex(seen, json_object_get_string(value), NULL))
			continue;
		json_object_object_add(seen, json_object_get_string(value), NULL);
		out_open(c->out, '{');
		out_kstr(c->out, "dataset", "cloudflare-containers");
		out_kstr(c->out, "key", key);
		out_kstr(c->out, "type", "string");
		out_kstr(c->out, "value", json_object_get_string(value));
		out_close(c->out, '}');
		n++;
	}
	out_close(c->out, ']');
	return 0;
}
