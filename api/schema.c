#include "api/schema.h"

#include <ctype.h>
#include <errno.h>

#include "api/doc.h"
#include "api/doc_json.h"
#include "api/doc_value.h"

#define SCHEMA_BASE "https://cfcfs.invalid/schemas/"

/* Each makes an object, or NULL without memory; a put of NULL fails. */

static struct json_object *string(const char *s)
{
	return json_object_new_string(s);
}

static int put_string(struct json_object *o, const char *key, const char *s)
{
	return doc_set(o, key, string(s));
}

static struct json_object *schema_of(const struct field *f, enum field_type type, bool item);
static int add_members(struct json_object *o, const struct field *fields, bool sometimes);

/* ---- plain values ---- */

/* Where it may be left out, null is as good; an item may not. */
static int put_type(struct json_object *o, const char *type, bool nullable)
{
	struct json_object *both;

	if (!nullable)
		return put_string(o, "type", type);
	both = json_object_new_array();
	if (!both || doc_append(both, string(type)) < 0 || doc_append(both, string("null")) < 0) {
		json_object_put(both);
		return -ENOMEM;
	}
	return doc_set(o, "type", both);
}

/* Numbers that are given as words ("5", "10") are numbers. */
static int put_words(struct json_object *o, const struct field *f, bool nullable)
{
	struct json_object *list = json_object_new_array();
	int r = list ? 0 : -ENOMEM;

	for (const char *const *w = f->words; r == 0 && *w; w++)
		r = doc_append(list, f->type == FIELD_NUMBER || f->type == FIELD_INT ? json_tokener_parse(*w) : string(*w));
	if (r == 0 && nullable)
		r = json_object_array_add(list, NULL) < 0 ? -ENOMEM : 0;
	if (r < 0) {
		json_object_put(list);
		return r;
	}
	return doc_set(o, "enum", list);
}

static int add_string(struct json_object *o, const struct field *f)
{
	int r = 0;

	if (f->modern)
		return put_string(o, "pattern", "^[0-9][0-9.]* *[mMgG][iI]?[bB]$");
	if (f->flags & FIELD_NONEMPTY)
		r = doc_set(o, "minLength", json_object_new_int(1));
	return r < 0 ? r : put_string(o, "pattern", "^[^\\u0000]*$");
}

static struct json_object *number(double d)
{
	return d == (double)(int64_t)d ? json_object_new_int64((int64_t)d) : json_object_new_double(d);
}

static int add_number(struct json_object *o, const struct field *f)
{
	int r = 0;

	if (f->min == 0 && f->max == 0)
		return 0;
	r = doc_set(o, "minimum", number(f->min));
	if (r == 0 && f->max < FIELD_UNBOUNDED)
		r = doc_set(o, "maximum", number(f->max));
	return r;
}

static int add_array(struct json_object *o, const struct field *f)
{
	int r = f->flags & FIELD_NONEMPTY ? doc_set(o, "minItems", json_object_new_int(1)) : 0;

	return r < 0 ? r : doc_set(o, "items", schema_of(f, f->item, true));
}

/* ---- objects ---- */

/* {"properties": {NAME: {"not": {"enum": [null, [], {}]}}, …}, "required": [NAME, …]}: that both are there, and say something. */
static struct json_object *both_said(const char *a, const char *b)
{
	static const char said[] = "{\"not\":{\"enum\":[null,[],{}]}}";
	struct json_object *o = json_object_new_object(), *members = json_object_new_object(), *names = json_object_new_array();
	int r = o && members && names ? 0 : -ENOMEM;

	if (r == 0)
		r = doc_set(members, a, json_tokener_parse(said));
	if (r == 0)
		r = doc_set(members, b, json_tokener_parse(said));
	if (r == 0)
		r = doc_append(names, string(a));
	if (r == 0)
		r = doc_append(names, string(b));
	if (r == 0)
		r = doc_set(o, "properties", json_object_get(members));
	if (r == 0)
		r = doc_set(o, "required", json_object_get(names));
	json_object_put(members);
	json_object_put(names);
	if (r < 0) {
		json_object_put(o);
		return NULL;
	}
	return o;
}

static bool names_sibling(const char *list, const char *name)
{
	size_t n = strlen(name);

	for (const char *p = list; (p = strstr(p, name)); p += n) {
		if ((p == list || p[-1] == ' ') && (p[n] == ' ' || !p[n]))
			return true;
	}
	return false;
}

static int add_excluded(struct json_object *all, const struct field *fields)
{
	int r = 0;

	for (const struct field *f = fields; f->name; f++) {
		if (!f->exclusive_with || !field_settable(f))
			continue;
		for (const struct field *g = fields; r == 0 && g->name; g++) {
			struct json_object *no;

			if (!field_settable(g) || !names_sibling(f->exclusive_with, g->name))
				continue;
			no = json_object_new_object();
			r = no ? doc_set(no, "not", both_said(f->name, g->name)) : -ENOMEM;
			if (r == 0)
				r = doc_append(all, json_object_get(no));
			json_object_put(no);
		}
	}
	return r;
}

/* sometimes: an empty object is as good as none, and needs nothing. */
static int add_required(struct json_object *o, const struct field *fields, bool sometimes)
{
	struct json_object *names = json_object_new_array(), *then;
	int r = names ? 0 : -ENOMEM;

	for (const struct field *f = fields; r == 0 && f->name; f++) {
		if (field_settable(f) && (f->flags & FIELD_REQUIRED))
			r = doc_append(names, string(f->name));
	}
	if (r < 0 || json_object_array_length(names) == 0) {
		json_object_put(names);
		return r;
	}
	if (!sometimes)
		return doc_set(o, "required", names);
	then = json_object_new_object();
	if (!then) {
		json_object_put(names);
		return -ENOMEM;
	}
	r = doc_set(then, "required", names);
	if (r == 0)
		r = doc_set(o, "if", json_tokener_parse("{\"type\":\"object\",\"minProperties\":1}"));
	if (r == 0)
		return doc_set(o, "then", then);
	json_object_put(then);
	return r;
}

static int add_members(struct json_object *o, const struct field *fields, bool sometimes)
{
	struct json_object *members = json_object_new_object(), *all = json_object_new_array();
	int r = members && all ? 0 : -ENOMEM;

	for (const struct field *f = fields; r == 0 && f->name; f++) {
		if (field_settable(f))
			r = doc_set(members, f->name, schema_of(f, f->type, false));
	}
	if (r == 0)
		r = doc_set(o, "properties", json_object_get(members));
	if (r == 0)
		r = doc_set(o, "additionalProperties", json_object_new_boolean(false));
	if (r == 0)
		r = add_required(o, fields, sometimes);
	if (r == 0)
		r = add_excluded(all, fields);
	if (r == 0 && json_object_array_length(all))
		r = doc_set(o, "allOf", json_object_get(all));
	json_object_put(members);
	json_object_put(all);
	return r;
}

/* A string, or an object of the table. */
static int add_any(struct json_object *o, const struct field *f, bool nullable)
{
	struct json_object *one = json_tokener_parse("[{\"type\":\"string\",\"pattern\":\"^[^\\\\u0000]*$\"}]");
	struct json_object *object = json_object_new_object();
	int r = one && object ? put_string(object, "type", "object") : -ENOMEM;

	if (r == 0 && f->fields)
		r = add_members(object, f->fields, true);
	if (r == 0)
		r = doc_append(one, json_object_get(object));
	if (r == 0 && nullable)
		r = doc_append(one, json_tokener_parse("{\"type\":\"null\"}"));
	if (r == 0)
		r = doc_set(o, "anyOf", json_object_get(one));
	json_object_put(one);
	json_object_put(object);
	return r;
}

/* ---- any field ---- */

static int fill(struct json_object *o, const struct field *f, enum field_type type, bool item)
{
	static const char *const names[] = {
		[FIELD_STRING] = "string", [FIELD_INT] = "integer",   [FIELD_NUMBER] = "number",
		[FIELD_BOOL] = "boolean",  [FIELD_OBJECT] = "object", [FIELD_ARRAY] = "array",
	};
	_Static_assert(array_len(names) == FIELD_ANY, "each type but the last has a name");
	bool nullable = !item && !(f->flags & FIELD_REQUIRED);
	int r;

	if (type == FIELD_ANY)
		return add_any(o, f, nullable);
	r = put_type(o, names[type], nullable);
	if (r == 0 && !item && f->default_json)
		r = doc_set(o, "default", json_tokener_parse(f->default_json));
	if (r == 0 && !item && (f->flags & FIELD_DEPRECATED))
		r = doc_set(o, "deprecated", json_object_new_boolean(true));
	if (r == 0 && f->words && type != FIELD_ARRAY)
		r = put_words(o, f, nullable);
	if (r == 0 && type == FIELD_STRING)
		r = add_string(o, f);
	if (r == 0 && (type == FIELD_INT || type == FIELD_NUMBER))
		r = add_number(o, f);
	if (r == 0 && type == FIELD_ARRAY)
		r = add_array(o, f);
	/* In an array an empty object holds a place, and must be whole. */
	if (r == 0 && type == FIELD_OBJECT && f->fields)
		r = add_members(o, f->fields, !item);
	return r;
}

static struct json_object *schema_of(const struct field *f, enum field_type type, bool item)
{
	struct json_object *o = json_object_new_object();

	if (o && fill(o, f, type, item) < 0) {
		json_object_put(o);
		return NULL;
	}
	return o;
}

/* ---- documents ---- */

int schema_name(const char *described, char **ret)
{
	/* A part is called as its file. */
	char *name = strndup(described, strcspn(described, "."));

	if (!name)
		return -ENOMEM;
	for (char *p = name; *p; p++)
		*p = *p == ' ' ? '-' : *p;
	*ret = name;
	return 0;
}

/* What stands at the top beside the settings: the identity, a precondition, the schema's own address. */
static int add_extras(struct json_object *members, const struct kind *kind)
{
	const struct field *version = kind ? field_find(kind->fields, "version") : NULL;
	int r = doc_set(members, "$schema", json_tokener_parse("{\"type\":\"string\"}"));

	for (const struct field *f = kind ? kind->fields : NULL; r == 0 && f && f->name; f++) {
		if (f->flags & FIELD_IDENTITY)
			r = doc_set(members, f->name, json_tokener_parse("{\"type\":[\"string\",\"null\"],\"minLength\":1}"));
	}
	if (r == 0 && version && (version->flags & FIELD_STATUS))
		r = doc_set(members, "version", json_tokener_parse("{\"type\":[\"integer\",\"null\"],\"minimum\":0}"));
	return r;
}

/* A hook's rules stand beside the table's. */
static int add_rules(struct json_object *o, const char *rules)
{
	struct json_object *all = doc_member(o, "allOf"), *more = rules ? json_tokener_parse(rules) : NULL;
	int r = 0;

	if (!rules)
		return 0;
	if (!more)
		return -ENOMEM;
	if (!all) {
		r = doc_set(o, "allOf", json_object_new_array());
		all = doc_member(o, "allOf");
	}
	for (size_t i = 0; r == 0 && i < json_object_array_length(more); i++)
		r = doc_append(all, json_object_get(json_object_array_get_idx(more, i)));
	json_object_put(more);
	return r;
}

/* What a schema describes: a kind's documents or a part's. */
struct described {
	const char *title;
	const struct field *fields;
	const struct kind *kind; /* NULL: a part */
	const char *rules;       /* of the kind's hook, or NULL */
};

static int write_schema(const struct described *d, struct buf *out)
{
	cleanup_json_ struct json_object *o = json_object_new_object();
	cleanup_free_ char *name = NULL, *id = NULL;
	int r = o ? schema_name(d->title, &name) : -ENOMEM;

	if (r == 0 && text_format(&id, SCHEMA_BASE "%s.json", name) < 0)
		r = -ENOMEM;
	if (r == 0)
		r = put_string(o, "$schema", "https://json-schema.org/draft/2020-12/schema");
	if (r == 0)
		r = put_string(o, "$id", id);
	if (r == 0)
		r = put_string(o, "title", d->title);
	if (r == 0)
		r = put_string(o, "type", "object");
	if (r == 0)
		r = add_members(o, d->fields, false);
	if (r == 0)
		r = add_extras(doc_member(o, "properties"), d->kind);
	if (r == 0)
		r = add_rules(o, d->rules);
	if (r == 0)
		r = doc_write(o, false, out);
	return r < 0 ? r : buf_addc(out, '\n');
}

int schema_write(const struct kind *kind, struct buf *out)
{
	const struct described d = {
		.title = kind->name,
		.fields = kind->fields,
		.kind = kind,
		.rules = kind->hooks ? kind->hooks->schema : NULL,
	};

	if (!(kind->verbs & KIND_CREATE) || kind->flags & (KIND_SECRET | KIND_KEY_LINE))
		return -ENOENT;
	return write_schema(&d, out);
}

int schema_write_part(const struct part *part, struct buf *out)
{
	const struct described d = { .title = part->name, .fields = part->fields };

	return part->update ? write_schema(&d, out) : -ENOENT;
}

int schema_write_named(const char *name, struct buf *out)
{
	for (const struct kind *const *k = kinds; *k; k++) {
		cleanup_free_ char *own = NULL;

		if (schema_name((*k)->name, &own) < 0)
			return -ENOMEM;
		if (strcmp(own, name) == 0)
			return schema_write(*k, out);
		for (const struct part *p = (*k)->parts; p && p->name; p++) {
			cleanup_free_ char *part = NULL;

			if (schema_name(p->name, &part) < 0)
				return -ENOMEM;
			if (p->update && strcmp(part, name) == 0)
				return schema_write_part(p, out);
		}
	}
	return -ENOENT;
}
