/* Partial documents in the API's own form: laid over an object, and looked for in one. */
#include "api/doc.h"

#include <errno.h>

#include "api/doc_normal.h"
#include "api/doc_path.h"

/* The member that the service merges; every other one is replaced whole. */
#define MERGED "configuration"

static const struct field *fields_of(const struct kind *kind, const char *key)
{
	const struct field *f = field_find_settable(kind->fields, key);

	return f ? f->fields : NULL;
}

/* ---- laying over ---- */

/* Another spelling of the same value that stands in the object would contradict what is laid over it. */
static void drop_twins(const struct field *fields, struct json_object *into, const char *key)
{
	const struct field *f = field_find_settable(fields, key);

	if (f && f->modern)
		json_object_object_del(into, f->modern);
	for (const struct field *old = fields; old && old->name; old++) {
		if (old->modern && strcmp(old->modern, key) == 0)
			json_object_object_del(into, old->name);
	}
}

/* A type and the numbers exclude each other: the new one ends the old ones. */
static void drop_sizes(const struct field *fields, struct json_object *into, const char *key)
{
	bool type = strcmp(key, "instance_type") == 0;

	for (const struct field *f = fields; f && f->name; f++) {
		if (doc_size_field(f->name) && type != (strcmp(f->name, "instance_type") == 0))
			json_object_object_del(into, f->name);
	}
}

static int lay_over(const struct field *fields, struct json_object *into, struct json_object *members)
{
	bool sizes = fields && doc_size_table(fields);
	int r = 0;

	/* First what excludes, then what stands: a type may come with its numbers. */
	json_object_object_foreach(members, gone, unused) {
		if (sizes && doc_size_field(gone) && !doc_is_empty(unused))
			drop_sizes(fields, into, gone);
		drop_twins(fields, into, gone);
	}
	json_object_object_foreach(members, key, value) {
		if (r < 0)
			break;
		if (!value)
			json_object_object_del(into, key);
		else
			r = doc_set(into, key, json_object_get(value));
	}
	return r;
}

/* A member of the object that may be changed: of its own, and made where there is none. */
static int own_member(struct json_object *object, const char *key, struct json_object **ret)
{
	struct json_object *old = doc_member(object, key), *copy = NULL;
	int r;

	if (!json_object_is_type(old, json_type_object)) {
		copy = json_object_new_object();
		r = copy ? 0 : -ENOMEM;
	} else {
		r = doc_copy(old, &copy);
	}
	if (r == 0)
		r = doc_set(object, key, copy);
	if (r == 0)
		*ret = copy;
	return r;
}

int doc_lay_over(const struct kind *kind, struct json_object *object, struct json_object *members)
{
	struct json_object *part = doc_member(members, MERGED), *into;
	cleanup_json_ struct json_object *rest = NULL;
	int r = 0;

	if (json_object_is_type(part, json_type_object)) {
		r = own_member(object, MERGED, &into);
		if (r == 0)
			r = lay_over(fields_of(kind, MERGED), into, part);
	}
	if (r == 0)
		r = doc_copy(members, &rest);
	if (r == 0 && json_object_is_type(part, json_type_object))
		json_object_object_del(rest, MERGED);
	return r < 0 ? r : lay_over(kind->fields, object, rest);
}

/* ---- looking for them ---- */

struct looking {
	struct comparing comparing;
	const struct doc_path *at; /* where the members stand */
	char *differs;             /* PATH_TEXT_SIZE bytes, or NULL */
};

static bool differs_at(const struct looking *l, const char *key)
{
	const struct doc_path path = { l->at, key, 0 };

	if (l->differs)
		doc_path_text(&path, l->differs);
	return false;
}

/* What was taken away is gone, or stands there for what the service fills in by itself. */
static bool gone(const struct looking *l, const struct field *f, struct json_object *have)
{
	const struct comparing strict = { .ctx = l->comparing.ctx };

	return !have || doc_member_same(&strict, f, have, NULL, NULL);
}

/* raw: the members as they are; a, m: the object and the members, normal. */
static bool shows_members(const struct looking *l, const struct field *fields, struct json_object *raw, struct json_object *a,
			  struct json_object *m)
{
	bool sizes = fields && doc_size_table(fields);

	json_object_object_foreach(raw, key, value) {
		const struct field *f = field_find_settable(fields, key);
		const char *name = f && f->modern ? f->modern : key;
		struct json_object *have = doc_member(a, name), *want = doc_member(m, name);

		(void)value;
		/* What the service answers of it is no echo. */
		if (f && (f->flags & FIELD_COMPUTED))
			continue;
		if (sizes && doc_size_field(key)) {
			/* A type that goes leaves no trace: the numbers tell. */
			if (!doc_sizes_same(&l->comparing, fields, a, m, NULL))
				return differs_at(l, key);
			continue;
		}
		if (want ? !doc_member_same(&l->comparing, field_find_settable(fields, name), have, want, NULL) :
			   !gone(l, field_find_settable(fields, name), have))
			return differs_at(l, key);
	}
	return true;
}

bool doc_shows(const struct kind *kind, struct json_object *object, struct json_object *members, const struct doc_context *ctx,
	       char *ret_differs)
{
	struct looking l = { .comparing = { .ctx = ctx, .lenient = true }, .differs = ret_differs };
	const struct doc_path inside = { NULL, MERGED, 0 };
	struct json_object *part = doc_member(members, MERGED);
	cleanup_json_ struct json_object *shaped = NULL, *a = NULL, *m = NULL, *rest = NULL;
	int r = doc_shape(kind, object, &shaped);

	if (r == 0)
		r = doc_normal(kind->fields, shaped, ctx, true, &a);
	if (r == 0)
		r = doc_normal(kind->fields, members, ctx, false, &m);
	if (r == 0)
		r = doc_copy(members, &rest);
	if (r < 0)
		return false;
	if (json_object_is_type(part, json_type_object)) {
		json_object_object_del(rest, MERGED);
		l.at = &inside;
		if (!shows_members(&l, fields_of(kind, MERGED), part, doc_member(a, MERGED), doc_member(m, MERGED)))
			return false;
		l.at = NULL;
	}
	return shows_members(&l, kind->fields, rest, a, m);
}
