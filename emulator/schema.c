#include "emulator/schema.h"

#include <stdarg.h>
#include <math.h>

#define PATH_SIZE 256

void problem_add(struct problems *p, const char *path, const char *fmt, ...)
{
	char text[256];
	va_list args;

	if (p->count++ >= PROBLEMS_MAX)
		return;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	out_kstr(&p->details, path, text);
}

static const char *type_name(const struct field *f)
{
	static const char *const names[] = {
		[FT_STRING] = "a string", [FT_INT] = "an integer",   [FT_NUMBER] = "a number",
		[FT_BOOL] = "a boolean",  [FT_OBJECT] = "an object", [FT_ANY] = "a value",
	};
	_Static_assert(array_len(names) == FT_ANY + 1, "each type has a name");

	return names[f->type];
}

static bool type_fits(const struct field *f, struct json_object *v)
{
	enum json_type t = json_object_get_type(v);

	switch (f->type) {
	case FT_STRING:
		return t == json_type_string;
	case FT_INT:
		return t == json_type_int ||
		       (t == json_type_double && floor(json_object_get_double(v)) == json_object_get_double(v));
	case FT_NUMBER:
		return t == json_type_int || t == json_type_double;
	case FT_BOOL:
		return t == json_type_boolean;
	case FT_OBJECT:
		return t == json_type_object;
	case FT_ANY:
		break;
	}
	return true;
}

static void check_words(const struct field *f, struct json_object *v, const char *path, struct problems *p)
{
	cleanup_out_ struct out list = OUT_INIT;

	for (const char *const *w = f->words; *w; w++) {
		if (strcmp(*w, json_object_get_string(v)) == 0)
			return;
		out_rawf(&list, "%s%s", w == f->words ? "" : ", ", *w);
	}
	problem_add(p, path, "must be one of: %s", out_text(&list));
}

static void check_value(const struct field *f, struct json_object *v, const char *path, unsigned how, struct problems *p)
{
	if (!type_fits(f, v)) {
		problem_add(p, path, "must be %s", type_name(f));
		return;
	}
	if (f->type == FT_STRING) {
		const char *s = json_object_get_string(v);

		if (strlen(s) != (size_t)json_object_get_string_len(v))
			problem_add(p, path, "must not hold a NUL character");
		else if ((f->flags & FF_NONEMPTY) && !*s)
			problem_add(p, path, "must not be empty");
		else if (f->words)
			check_words(f, v, path, p);
	}
	if ((f->type == FT_INT || f->type == FT_NUMBER) && f->max > f->min &&
	    (json_object_get_double(v) < f->min || json_object_get_double(v) > f->max))
		problem_add(p, path, "must be between %g and %g", f->min, f->max);
	if (f->type == FT_OBJECT && f->sub)
		schema_check(f->sub, v, path, how & CHECK_DEEP ? how | CHECK_CLOSED : how & ~(unsigned)CHECK_CLOSED, p);
}

static void check_field(const struct field *f, struct json_object *v, const char *path, unsigned how, struct problems *p)
{
	char sub[PATH_SIZE];

	if (!(f->flags & FF_ARRAY)) {
		check_value(f, v, path, how, p);
		return;
	}
	if (!json_object_is_type(v, json_type_array)) {
		problem_add(p, path, "must be an array");
		return;
	}
	if ((f->flags & FF_NONEMPTY) && json_object_array_length(v) == 0)
		problem_add(p, path, "must not be empty");
	for (size_t i = 0; i < json_object_array_length(v) && p->count < PROBLEMS_MAX; i++) {
		snprintf(sub, sizeof(sub), "%.220s.%zu", path, i);
		/* An element is always whole: arrays are replaced, never merged. */
		check_value(f, json_object_array_get_idx(v, i), sub, how & CHECK_DEEP, p);
	}
}

const struct field *schema_field(const struct field *fields, const char *name)
{
	for (const struct field *f = fields; f && f->name; f++)
		if (strcmp(f->name, name) == 0)
			return f;
	return NULL;
}

static void join(char path[PATH_SIZE], const char *parent, const char *name)
{
	snprintf(path, PATH_SIZE, "%.120s%s%.120s", parent, *parent ? "." : "", name);
}

void schema_check(const struct field *fields, struct json_object *obj, const char *path, unsigned how, struct problems *p)
{
	char sub[PATH_SIZE];
	struct json_object *v;

	for (const struct field *f = fields; f->name; f++) {
		bool there = json_object_object_get_ex(obj, f->name, &v);

		join(sub, path, f->name);
		if (there && v)
			check_field(f, v, sub, how, p);
		else if ((f->flags & FF_REQUIRED) && (there || !(how & CHECK_PARTIAL)))
			problem_add(p, sub, there ? "must not be null" : "is required");
	}
	if (!(how & CHECK_CLOSED))
		return;
	json_object_object_foreach(obj, key, unused) {
		(void)unused;
		join(sub, path, key);
		if (!schema_field(fields, key))
			problem_add(p, sub, "is not a field of this request");
	}
}

void schema_strip_null(struct json_object *obj)
{
	const char *gone[64];
	size_t n;

	do {
		struct json_object_iter it;

		n = 0;
		json_object_object_foreachC(obj, it)
		{
			if (it.val && json_object_is_type(it.val, json_type_object))
				schema_strip_null(it.val);
			if (!it.val && n < array_len(gone))
				gone[n++] = it.key;
		}
		for (size_t i = 0; i < n; i++)
			json_object_object_del(obj, gone[i]);
	} while (n == array_len(gone));
}

void schema_patch(struct json_object *base, struct json_object *patch, const char *merged)
{
	struct json_object_iter it;

	json_object_object_foreachC(patch, it)
	{
		struct json_object *old = json_member(base, it.key);

		if (!it.val)
			json_object_object_del(base, it.key);
		else if (merged && strcmp(merged, it.key) == 0 && json_object_is_type(it.val, json_type_object) &&
			 json_object_is_type(old, json_type_object))
			schema_patch(old, it.val, NULL);
		else
			json_object_object_add(base, it.key, json_object_get(it.val));
	}
}

void schema_nulls(struct json_object *value, const char *path, struct problems *p)
{
	char sub[PATH_SIZE];

	if (json_object_is_type(value, json_type_array))
		for (size_t i = 0; i < json_object_array_length(value); i++) {
			snprintf(sub, sizeof(sub), "%.220s.%zu", path, i);
			schema_nulls(json_object_array_get_idx(value, i), sub, p);
		}
	if (!value)
		problem_add(p, path, "must not be null");
	if (!json_object_is_type(value, json_type_object))
		return;
	json_object_object_foreach(value, key, member) {
		join(sub, path, key);
		schema_nulls(member, sub, p);
	}
}

static void render_plain(struct out *o, struct json_object *v)
{
	out_comma(o);
	out_raws(o, json_object_to_json_string_ext(v, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
}

static void render_one(struct out *o, const struct field *f, struct json_object *v)
{
	if (f->type == FT_OBJECT && f->sub && json_object_is_type(v, json_type_object))
		schema_render(o, f->sub, v);
	else if (json_object_is_type(v, json_type_double))
		out_num(o, json_object_get_double(v));
	else
		render_plain(o, v);
}

void schema_render_value(struct out *o, const struct field *f, struct json_object *v)
{
	if (!(f->flags & FF_ARRAY) || !json_object_is_type(v, json_type_array)) {
		render_one(o, f, v);
		return;
	}
	out_open(o, '[');
	for (size_t i = 0; i < json_object_array_length(v); i++)
		render_one(o, f, json_object_array_get_idx(v, i));
	out_close(o, ']');
}

void schema_render(struct out *o, const struct field *fields, struct json_object *obj)
{
	struct json_object *v;

	out_open(o, '{');
	for (const struct field *f = fields; f->name; f++) {
		if (!json_object_object_get_ex(obj, f->name, &v) || !v)
			continue;
		out_key(o, f->name);
		schema_render_value(o, f, v);
	}
	json_object_object_foreach(obj, key, value) {
		if (!value || schema_field(fields, key))
			continue;
		out_key(o, key);
		render_plain(o, value);
	}
	out_close(o, '}');
}

struct json_object *json_member(struct json_object *obj, const char *key)
{
	struct json_object *v = NULL;

	if (!obj || !json_object_is_type(obj, json_type_object) || !json_object_object_get_ex(obj, key, &v))
		return NULL;
	return v;
}

const char *json_str(struct json_object *obj, const char *key)
{
	struct json_object *v = json_member(obj, key);

	return v && json_object_is_type(v, json_type_string) ? json_object_get_string(v) : NULL;
}

int64_t json_int(struct json_object *obj, const char *key, int64_t otherwise)
{
	struct json_object *v = json_member(obj, key);

	if (!v || !(json_object_is_type(v, json_type_int) || json_object_is_type(v, json_type_double)))
		return otherwise;
	return json_object_get_int64(v);
}

double json_num(struct json_object *obj, const char *key, double otherwise)
{
	struct json_object *v = json_member(obj, key);

	if (!v || !(json_object_is_type(v, json_type_int) || json_object_is_type(v, json_type_double)))
		return otherwise;
	return json_object_get_double(v);
}

bool json_true(struct json_object *obj, const char *key)
{
	struct json_object *v = json_member(obj, key);

	return v && json_object_is_type(v, json_type_boolean) && json_object_get_boolean(v);
}
