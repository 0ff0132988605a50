#include "fs/show/changes_line.h"

#include <errno.h>

#include "api/base/clock.h"
#include "api/doc_json.h"
#include "api/kind.h"

/* Members that are told one by one: fields of "configuration". */
#define DEPTH_MAX 1

/* Members that say when, or how it does, and not what it is. */
static bool is_aside(const char *key)
{
	static const char *const keys[] = { "updated_at", "last_updated_at",   "last_update", "last_updated",
					    "health",     "current_placement", "state",       NULL };

	for (const char *const *k = keys; *k; k++) {
		if (!strcmp(*k, key))
			return true;
	}
	return false;
}

static int add_field(struct json_object *fields, const char *prefix, const char *key)
{
	cleanup_free_ char *path = NULL;

	if (text_format(&path, "%s%s%s", prefix ? prefix : "", prefix ? "." : "", key) < 0)
		return -ENOMEM;
	return doc_append(fields, json_object_new_string(path));
}

static int add_fields(struct json_object *before, struct json_object *after, const char *prefix, int depth,
		      struct json_object *fields);

static int compare_member(const char *key, struct json_object *a, struct json_object *b, int depth, struct json_object *fields)
{
	if (json_object_equal(a, b))
		return 0;
	if (depth < DEPTH_MAX && json_object_is_type(a, json_type_object) && json_object_is_type(b, json_type_object))
		return add_fields(a, b, key, depth + 1, fields);
	return add_field(fields, NULL, key);
}

/* The names of those members that differ, in after's order and then before's. */
static int add_fields(struct json_object *before, struct json_object *after, const char *prefix, int depth,
		      struct json_object *fields)
{
	int r = 0;

	json_object_object_foreach(after, key, value) {
		struct json_object *was = NULL;

		if (r < 0 || (!prefix && is_aside(key)))
			continue;
		json_object_object_get_ex(before, key, &was);
		if (prefix)
			r = json_object_equal(was, value) ? 0 : add_field(fields, prefix, key);
		else
			r = compare_member(key, was, value, depth, fields);
	}
	json_object_object_foreach(before, gone, unused) {
		(void)unused;
		if (r == 0 && !(!prefix && is_aside(gone)) && !json_object_object_get_ex(after, gone, NULL))
			r = add_field(fields, prefix, gone);
	}
	return r;
}

/* How it does: counts of instances, or a word. Borrowed; NULL: the service does not say. */
static struct json_object *health_of(struct json_object *object)
{
	struct json_object *instances = doc_member(doc_member(object, "health"), "instances");

	return instances ? instances : doc_member(doc_member(doc_member(object, "current_placement"), "status"), "health");
}

/* The newest of the service's own errors, which before does not have. */
static const char *new_error(struct json_object *before, struct json_object *after)
{
	struct json_object *old = doc_member(doc_member(before, "health"), "errors");
	struct json_object *errors = doc_member(doc_member(after, "health"), "errors");
	struct json_object *event;

	if (json_object_equal(old, errors) || !json_object_is_type(errors, json_type_array) || !json_object_array_length(errors))
		return NULL;
	event = doc_member(json_object_array_get_idx(errors, json_object_array_length(errors) - 1), "event");
	return json_get_string(event, json_get_string(event, "message") ? "message" : "name");
}

static int add_health(struct json_object *line, struct json_object *before, struct json_object *after, bool *ret_differs)
{
	struct json_object *from = health_of(before), *to = health_of(after), *health;
	const char *reason = new_error(before, after);
	int r;

	*ret_differs = before && after && !json_object_equal(from, to);
	if (!*ret_differs)
		return 0;
	health = json_object_new_object();
	r = health ? doc_set(line, "health", health) : -ENOMEM;
	if (r == 0)
		r = from ? doc_set(health, "from", json_object_get(from)) : doc_set_null(health, "from");
	if (r == 0)
		r = to ? doc_set(health, "to", json_object_get(to)) : doc_set_null(health, "to");
	return r < 0 || !reason ? r : doc_set(health, "reason", json_object_new_string(reason));
}

static int fill(struct json_object *line, const struct changed_thing *thing, const char *change)
{
	char now[CLOCK_TEXT_SIZE];
	int r;

	clock_format_rfc3339(clock_wall_ns(), now, sizeof(now));
	r = doc_set(line, "time", json_object_new_string(now));
	if (r == 0)
		r = doc_set(line, "path", json_object_new_string(thing->path));
	if (r == 0)
		r = doc_set(line, "kind", json_object_new_string(thing->kind));
	if (r == 0)
		r = doc_set(line, "id", json_object_new_string(thing->id));
	return r < 0 ? r : doc_set(line, "change", json_object_new_string(change));
}

static int write_line(struct json_object *line, struct buf *out)
{
	int r = doc_write(line, true, out);

	return r < 0 ? r : buf_addc(out, '\n');
}

static int write_changed(const struct changed_thing *thing, struct json_object *before, struct json_object *after,
			 struct buf *out)
{
	cleanup_json_ struct json_object *line = json_object_new_object(), *fields = json_object_new_array();
	bool ill = false;
	int r = line && fields ? 0 : -ENOMEM;

	if (r == 0 && before && after)
		r = add_fields(before, after, NULL, 0, fields);
	if (r == 0)
		r = fill(line, thing, before && !json_object_array_length(fields) ? "health" : "changed");
	if (r == 0 && json_object_array_length(fields))
		r = doc_set(line, "fields", json_object_get(fields));
	if (r == 0)
		r = add_health(line, before, after, &ill);
	if (r < 0 || (before && after && !ill && !json_object_array_length(fields)))
		return r;
	return write_line(line, out);
}

int changes_line(const struct changed_thing *thing, struct json_object *before, struct json_object *after, struct buf *out)
{
	cleanup_json_ struct json_object *line = NULL;
	int r;

	if (!before == !after)
		return write_changed(thing, before, after, out);
	line = json_object_new_object();
	r = line ? fill(line, thing, before ? "vanished" : "appeared") : -ENOMEM;
	if (r == 0 && after && health_of(after))
		r = doc_set(line, "health", json_object_get(health_of(after)));
	return r < 0 ? r : write_line(line, out);
}
