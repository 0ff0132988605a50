/*
 * What must be said so that the account means what the document says. A changed field goes whole, but for those that the service
 * merges, of which the changed members go alone. A removed field goes as its neutral value where there is one, else as null.
 */
#include "api/doc_patch.h"

#include <errno.h>

/* ---- what was removed ---- */

static struct json_object *neutral_value(const struct field *f, struct json_object *shown);

/* An object of the neutral values of what it shows; NULL where one of them has none, and without memory. */
static struct json_object *neutral_object(const struct field *fields, struct json_object *shown)
{
	cleanup_json_ struct json_object *out = json_object_new_object();

	if (!out || !json_object_is_type(shown, json_type_object))
		return NULL;
	json_object_object_foreach(shown, key, value) {
		const struct field *f = field_find_settable(fields, key);
		struct json_object *neutral = f ? neutral_value(f, value) : NULL;

		if (!neutral || doc_set(out, key, neutral) < 0)
			return NULL;
	}
	return json_object_object_length(out) ? steal_ptr(out) : NULL;
}

/* What says that the field has no value, in the words of its type; NULL where its type has none. */
static struct json_object *neutral_value(const struct field *f, struct json_object *shown)
{
	if (f->default_json)
		return json_tokener_parse(f->default_json);
	switch (f->type) {
	case FIELD_ARRAY:
		return json_object_new_array();
	case FIELD_BOOL:
		return json_object_new_boolean(false);
	case FIELD_OBJECT:
		return f->fields ? neutral_object(f->fields, shown) : NULL;
	default:
		return NULL;
	}
}

/* shown: normal, and not NULL. */
static int remove_field(const struct field *f, const char *key, struct json_object *shown, struct json_object *out)
{
	struct json_object *neutral = f ? neutral_value(f, shown) : NULL;

	return neutral ? doc_set(out, key, neutral) : doc_set_null(out, key);
}

/* In place: the neutral value of what the account has inside an object that is sent whole, and the document, out, lacks. Where
   the service replaces the object they say nothing; what has none is left out, since there nothing else would be needed. */
static int neutralise(const struct diff *x, const struct field *fields, struct json_object *a, struct json_object *s,
		      struct json_object *out)
{
	int r = 0;

	if (!json_object_is_type(a, json_type_object) || !json_object_is_type(out, json_type_object))
		return 0;
	json_object_object_foreach(a, key, value) {
		const struct field *f = field_find_settable(fields, key);
		struct json_object *have = doc_member(out, key), *neutral;

		if (r < 0)
			break;
		if (have) {
			r = neutralise(x, f ? f->fields : NULL, value, doc_member(s, key), have);
			continue;
		}
		if (!f || doc_member_same(&x->comparing, f, value, NULL, doc_member(s, key)))
			continue;
		neutral = neutral_value(f, value);
		if (neutral)
			r = doc_set(out, key, neutral);
	}
	return r;
}

/* ---- one field ---- */

/* The key under which the document wrote the field: its own, or a deprecated spelling. */
static const char *written_key(const struct diff *x, const char *key)
{
	for (const struct field *f = x->fields; f->name && !doc_has(x->raw, key); f++) {
		if (f->modern && strcmp(f->modern, key) == 0 && doc_member(x->raw, f->name))
			return f->name;
	}
	return key;
}

/* Its changed members alone. */
static int send_members(struct diff *x, const struct field *f)
{
	struct diff inside = {
		.comparing = x->comparing,
		.fields = f->fields,
		.raw = doc_member(x->raw, f->name),
		.a = doc_member(x->a, f->name),
		.d = doc_member(x->d, f->name),
		.s = doc_member(x->s, f->name),
	};
	int r = doc_make_patch(&inside);

	if (r < 0 || json_object_object_length(inside.patch) == 0) {
		json_object_put(inside.patch);
		return r;
	}
	return doc_set(x->patch, f->name, inside.patch);
}

static int send_field(struct diff *x, const struct field *f, const char *key)
{
	const char *written = written_key(x, key);
	cleanup_json_ struct json_object *copy = NULL;
	int r;

	if (f && (f->flags & FIELD_MERGED) &&
	    (!doc_member(x->raw, key) || json_object_is_type(doc_member(x->raw, key), json_type_object)))
		return send_members(x, f);
	r = doc_copy(doc_member(x->raw, written), &copy);
	if (r == 0)
		r = doc_sendable(x->comparing.ctx, f, &copy);
	if (r == 0 && doc_is_empty(copy))
		return doc_member(x->a, key) ? remove_field(f, key, doc_member(x->a, key), x->patch) :
					       doc_set_null(x->patch, key);
	if (r == 0 && f)
		r = neutralise(x, f->fields, doc_member(x->a, key), doc_member(x->s, key), copy);
	return r < 0 ? r : doc_set(x->patch, written, steal_ptr(copy));
}

/* ---- sizes ---- */

static int put_size(struct diff *x, enum size_dimension dim, double value)
{
	struct json_object *number =
		value == (double)(int64_t)value ? json_object_new_int64((int64_t)value) : json_object_new_double(value);
	struct json_object *disk;

	if (dim != SIZE_DISK || !number)
		return doc_set(x->patch, doc_size_key(dim), number);
	disk = json_object_new_object();
	if (!disk) {
		json_object_put(number);
		return -ENOMEM;
	}
	if (doc_set(disk, "size_mb", number) < 0) {
		json_object_put(disk);
		return -ENOMEM;
	}
	return doc_set(x->patch, doc_size_key(dim), disk);
}

/* The numbers that differ, in their modern spelling. Where the account shows a type, which they end, all that the document says.
   A number that it does not say any more goes back to the account's default. */
static int send_numbers(struct diff *x, const struct doc_size *wanted)
{
	struct doc_size have = doc_size_explicit(x->a), defaults = doc_size_defaults(x->comparing.ctx);
	struct doc_size remembered = doc_size_remembered(x->a, x->d, x->s);
	bool typed = doc_member(x->a, "instance_type");
	int r = 0;

	for (enum size_dimension i = 0; r == 0 && i < SIZE_DIMENSIONS; i++) {
		if (!field_find_settable(x->fields, doc_size_key(i)))
			continue;
		if (wanted->known[i]) {
			if (typed || !have.known[i] || have.value[i] != wanted->value[i])
				r = put_size(x, i, wanted->value[i]);
		} else if (!typed && have.known[i] && !doc_size_is_default(&x->comparing, i, &have, &remembered)) {
			r = put_size(x, i, defaults.value[i]);
		}
	}
	return r;
}

static int send_sizes(struct diff *x)
{
	struct doc_size wanted = doc_size_explicit(x->d), defaults = doc_size_defaults(x->comparing.ctx);
	const char *type = json_get_string(x->d, "instance_type");

	if (!doc_size_table(x->fields) || doc_sizes_same(&x->comparing, x->fields, x->a, x->d, x->s))
		return 0;
	/* All of it was removed: what the account would choose, by its name where it has one, is its neutral value. */
	if (!type && !wanted.known[SIZE_VCPU] && !wanted.known[SIZE_MEMORY] && !wanted.known[SIZE_DISK]) {
		type = doc_size_type_name(&defaults);
		if (!type && !defaults.known[SIZE_VCPU] && !defaults.known[SIZE_MEMORY] && !defaults.known[SIZE_DISK])
			type = SIZE_TYPE_DEFAULT;
		wanted = defaults;
	}
	if (type)
		return doc_set(x->patch, "instance_type", json_object_new_string(type));
	return send_numbers(x, &wanted);
}

/* ---- all of them ---- */

static bool field_same(const struct diff *x, const struct field *f, const char *key)
{
	return doc_member_same(&x->comparing, f, doc_member(x->a, key), doc_member(x->d, key), doc_member(x->s, key));
}

int doc_make_patch(struct diff *x)
{
	bool sizes = doc_size_table(x->fields);
	int r = 0;

	x->patch = json_object_new_object();
	if (!x->patch)
		return -ENOMEM;
	for (const struct field *f = x->fields; r == 0 && f->name; f++) {
		if (!field_settable(f) || f->modern || (sizes && doc_size_field(f->name)))
			continue;
		if (!field_same(x, f, f->name))
			r = send_field(x, f, f->name);
	}
	/* What the contract does not know goes back where somebody changed it. */
	if (x->d) {
		json_object_object_foreach(x->d, key, value) {
			if (r == 0 && !field_find(x->fields, key) &&
			    !doc_member_same(&x->comparing, NULL, doc_member(x->a, key), value, doc_member(x->s, key)))
				r = send_field(x, NULL, key);
		}
	}
	return r < 0 ? r : send_sizes(x);
}
