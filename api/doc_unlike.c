/* Two documents without what stands in both alike. */
#include "api/doc_normal.h"

#include <errno.h>

/* A deprecated spelling and its modern one make one value together, and so do the numbers of a size. */
static bool stands_alone(const struct field *fields, const struct field *f, bool sizes)
{
	if (f->modern || (f->flags & FIELD_COMPUTED) || (sizes && doc_size_field(f->name)))
		return false;
	for (const struct field *g = fields; g->name; g++) {
		if (g->modern && strcmp(g->modern, f->name) == 0)
			return false;
	}
	return true;
}

/* Whether what one of two objects lacks is found member by member, so that an object may lose members that are alike. */
static bool by_members(const struct field *f, struct json_object *a, struct json_object *d)
{
	return f->type == FIELD_OBJECT && f->fields && !(f->flags & (FIELD_CREATE_ONLY | FIELD_FILLED)) &&
	       json_object_is_type(a, json_type_object) && json_object_is_type(d, json_type_object);
}

/* Two objects of one table, and what becomes of them. */
struct parting {
	const struct field *fields;
	bool sizes;
	struct json_object *out_a, *out_d;
};

/* What stands in both under the key, as far as it is not alike. */
static int add_both(const struct parting *p, const char *key, struct json_object *a, struct json_object *d)
{
	const struct field *f = field_find_settable(p->fields, key);
	bool alone = f && stands_alone(p->fields, f, p->sizes), inside = alone && by_members(f, a, d);
	struct json_object *sub_a = NULL, *sub_d = NULL;
	int r;

	if (inside) {
		r = doc_unlike(f->fields, a, d, &sub_a, &sub_d);
		if (r < 0)
			return r;
	} else if (alone && doc_alike(a, d)) {
		return 0;
	} else {
		sub_a = json_object_get(a);
		sub_d = json_object_get(d);
	}
	r = doc_set(p->out_a, key, sub_a);
	if (r == 0)
		return doc_set(p->out_d, key, sub_d);
	json_object_put(sub_d);
	return r;
}

static int add_rest(struct json_object *v, struct json_object *other, struct json_object *out)
{
	int r = 0;

	json_object_object_foreach(v, key, value) {
		if (r == 0 && value && !doc_member(other, key))
			r = doc_set(out, key, json_object_get(value));
	}
	return r;
}

int doc_unlike(const struct field *fields, struct json_object *a, struct json_object *d, struct json_object **ret_a,
	       struct json_object **ret_d)
{
	cleanup_json_ struct json_object *out_a = json_object_new_object(), *out_d = json_object_new_object();
	const struct parting p = { fields, doc_size_table(fields), out_a, out_d };
	int r = out_a && out_d ? add_rest(a, d, out_a) : -ENOMEM;

	if (r == 0)
		r = add_rest(d, a, out_d);
	if (r < 0)
		return r;
	json_object_object_foreach(d, key, value) {
		struct json_object *have = value ? doc_member(a, key) : NULL;

		if (r == 0 && have)
			r = add_both(&p, key, have, value);
	}
	if (r < 0)
		return r;
	*ret_a = steal_ptr(out_a);
	*ret_d = steal_ptr(out_d);
	return 0;
}
