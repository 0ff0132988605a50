/* Whether two normal forms mean the same. */
#include "api/doc_normal.h"

static bool has_alike_items(struct json_object *a, struct json_object *b)
{
	size_t n = json_object_array_length(a);

	if (n != json_object_array_length(b))
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!doc_alike(json_object_array_get_idx(a, i), json_object_array_get_idx(b, i)))
			return false;
	}
	return true;
}

/* The same members in the same order. */
static bool has_alike_members(struct json_object *a, struct json_object *b)
{
	struct json_object_iterator i = json_object_iter_begin(a), k = json_object_iter_begin(b);
	struct json_object_iterator end = json_object_iter_end(a);

	if (json_object_object_length(a) != json_object_object_length(b))
		return false;
	for (; !json_object_iter_equal(&i, &end); json_object_iter_next(&i), json_object_iter_next(&k)) {
		if (strcmp(json_object_iter_peek_name(&i), json_object_iter_peek_name(&k)) != 0 ||
		    !doc_alike(json_object_iter_peek_value(&i), json_object_iter_peek_value(&k)))
			return false;
	}
	return true;
}

bool doc_alike(struct json_object *a, struct json_object *b)
{
	enum json_type type = json_object_get_type(a);

	if (a == b)
		return true;
	if (type != json_object_get_type(b))
		return false;
	if (type == json_type_object)
		return has_alike_members(a, b);
	if (type == json_type_array)
		return has_alike_items(a, b);
	if (type == json_type_boolean)
		return json_object_get_boolean(a) == json_object_get_boolean(b);
	/* What is larger than int64_t reads as its largest. */
	if (type == json_type_int)
		return json_object_get_int64(a) == json_object_get_int64(b) && json_object_get_int64(a) < INT64_MAX;
	return type == json_type_string && json_object_get_string_len(a) == json_object_get_string_len(b) &&
	       memcmp(json_object_get_string(a), json_object_get_string(b), (size_t)json_object_get_string_len(a)) == 0;
}

bool doc_same_text(struct json_object *a, struct json_object *b)
{
	cleanup_buf_ struct buf ta = BUF_INIT, tb = BUF_INIT;

	if (doc_alike(a, b))
		return true;
	if (doc_write(a, true, &ta) < 0 || doc_write(b, true, &tb) < 0)
		return false;
	return ta.len == tb.len && memcmp(ta.data, tb.data, ta.len) == 0;
}

/* ---- sizes ---- */

bool doc_size_is_default(const struct comparing *c, enum size_dimension dim, const struct doc_size *a, const struct doc_size *s)
{
	struct doc_size defaults = doc_size_defaults(c->ctx);

	if (c->lenient || !a->known[dim])
		return true;
	if (s->known[dim] && s->value[dim] == a->value[dim])
		return true;
	/* Where the account's default is not known, a number that nobody wrote is the service's. */
	return !defaults.known[dim] || defaults.value[dim] == a->value[dim];
}

/* What the account runs: the numbers that it shows, else those of its type, else its defaults. */
static struct doc_size effective(const struct comparing *c, struct json_object *a)
{
	const char *type = json_get_string(a, "instance_type");
	struct doc_size size = doc_size_explicit(a), fallback = doc_size_defaults(c->ctx);

	if (type)
		doc_size_of_type(type, &fallback);
	for (int d = 0; d < SIZE_DIMENSIONS; d++) {
		if (!size.known[d]) {
			size.known[d] = fallback.known[d];
			size.value[d] = fallback.value[d];
		}
	}
	return size;
}

static bool dimension_same(const struct comparing *c, enum size_dimension d, const struct doc_size *account,
			   const struct doc_size *wanted, const struct doc_size *s, const char *type)
{
	if (wanted->known[d])
		return account->known[d] && account->value[d] == wanted->value[d];
	/* A type was chosen: without a default to compare it with, it is not taken for one. */
	if (type && !c->lenient && !doc_size_defaults(c->ctx).known[d])
		return false;
	return doc_size_is_default(c, d, account, s);
}

struct doc_size doc_size_remembered(struct json_object *a, struct json_object *d, struct json_object *s)
{
	/* Beside a type the numbers are the type's, also where they were remembered once. */
	bool typed = doc_member(a, "instance_type") || doc_member(d, "instance_type");

	return doc_size_explicit(typed ? NULL : s);
}

bool doc_sizes_same(const struct comparing *c, const struct field *fields, struct json_object *a, struct json_object *d,
		    struct json_object *s)
{
	const char *have = json_get_string(a, "instance_type"), *want = json_get_string(d, "instance_type");
	const char *filled = json_get_string(s, "instance_type");
	struct doc_size account = effective(c, a), wanted = doc_size_explicit(d), defaults = doc_size_remembered(a, d, s);

	if (have && want && doc_size_same_type(have, want))
		return true;
	if (want && doc_size_of_type(want, &wanted) < 0)
		return false;
	/* The service's own choice of a type, and nothing that was asked for instead. */
	if (have && filled && !want && doc_size_same_type(have, filled) && !wanted.known[SIZE_VCPU] &&
	    !wanted.known[SIZE_MEMORY] && !wanted.known[SIZE_DISK])
		return true;
	for (enum size_dimension i = 0; i < SIZE_DIMENSIONS; i++) {
		if (field_find_settable(fields, doc_size_key(i)) && !dimension_same(c, i, &account, &wanted, &defaults, have))
			return false;
	}
	return true;
}

/* ---- members ---- */

static bool arrays_same(const struct comparing *c, const struct field *f, struct json_object *a, struct json_object *d,
			struct json_object *s)
{
	size_t n = json_object_array_length(a);
	/* What the service filled into the items is remembered by their places. */
	bool filled = json_object_is_type(s, json_type_array) && json_object_array_length(s) == n;

	if (n != json_object_array_length(d))
		return false;
	for (size_t i = 0; i < n; i++) {
		struct json_object *x = json_object_array_get_idx(a, i), *y = json_object_array_get_idx(d, i);
		struct json_object *z = filled ? json_object_array_get_idx(s, i) : NULL;
		bool objects = json_object_is_type(x, json_type_object) && json_object_is_type(y, json_type_object);

		if (!(objects ? doc_object_same(c, f->fields, x, y, z) : doc_same_text(x, y)))
			return false;
	}
	return true;
}

static bool is_object(struct json_object *v)
{
	return !v || json_object_is_type(v, json_type_object);
}

static bool one_lacks_it(const struct comparing *c, const struct field *f, struct json_object *a, struct json_object *d,
			 struct json_object *s)
{
	if (f && (f->flags & FIELD_FILLED))
		return true;
	/* What the service answers unasked, and what the contract does not know: nobody wrote it. */
	if (!d && (!f || f->flags & FIELD_UNSAID))
		return true;
	if (a && ((c->lenient && !c->ctx->exact) || (s && doc_same_text(a, s))))
		return true;
	/* An object that the service fills alone is as good as none. */
	if (f && f->type == FIELD_OBJECT && f->fields && !(f->flags & FIELD_CREATE_ONLY) && is_object(a) && is_object(d))
		return doc_object_same(c, f->fields, a, d, s);
	return false;
}

static double number_or_0(struct json_object *v)
{
	return doc_is_number(v) ? json_object_get_double(v) : 0;
}

/* Compared with what this state last wrote. Where that is not known, the account's number is the document's own, shown; or, where it
   does not show, nothing to compare with. */
static bool computed_same(const struct comparing *c, const struct field *f, struct json_object *a, struct json_object *d)
{
	struct json_object *before = c->ctx->written ? doc_member(c->ctx->written, f->name) : a;

	return !d || (!c->ctx->written && c->ctx->declared) || number_or_0(before) == number_or_0(d);
}

bool doc_member_same(const struct comparing *c, const struct field *f, struct json_object *a, struct json_object *d,
		     struct json_object *s)
{
	if (!a && !d)
		return true;
	if (f && (f->flags & FIELD_COMPUTED))
		return computed_same(c, f, a, d);
	/* A secret string went in once; what the service answers says nothing of it. */
	if (f && (f->flags & FIELD_SECRET) && json_object_is_type(d, json_type_string))
		return true;
	if (!a || !d)
		return one_lacks_it(c, f, a, d, s);
	if (f && f->fields && json_object_is_type(a, json_type_object) && json_object_is_type(d, json_type_object))
		return doc_object_same(c, f->fields, a, d, s);
	if (f && f->fields && json_object_is_type(a, json_type_array) && json_object_is_type(d, json_type_array))
		return arrays_same(c, f, a, d, s);
	return doc_same_text(a, d);
}

bool doc_object_same(const struct comparing *c, const struct field *fields, struct json_object *a, struct json_object *d,
		     struct json_object *s)
{
	bool sizes = doc_size_table(fields), same = !sizes || doc_sizes_same(c, fields, a, d, s);

	if (a) {
		json_object_object_foreach(a, key, value) {
			const struct field *f = field_find_settable(fields, key);
			bool unsaid = !s && !c->ctx->exact && f && (f->flags & FIELD_ANSWERED) && !doc_member(d, key);

			if (same && !unsaid && !(sizes && doc_size_field(key)))
				same = doc_member_same(c, f, value, doc_member(d, key), doc_member(s, key));
		}
	}
	if (d) {
		json_object_object_foreach(d, name, wanted) {
			if (same && !(sizes && doc_size_field(name)) && !doc_member(a, name))
				same = doc_member_same(c, field_find_settable(fields, name), NULL, wanted, doc_member(s, name));
		}
	}
	return same;
}
