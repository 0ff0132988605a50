/* Documents against the contract, before anything is sent. */
#include "api/doc.h"

#include <errno.h>
#include <stdarg.h>

#include "api/base/parse.h"
#include "api/doc_path.h"
#include "api/doc_value.h"

#define NAMES_MAX 64

struct checker {
	const struct doc_context *ctx;
	bool creating;
	bool status_file; /* the kind has a status.json */
	struct err *err;
	unsigned *faults; /* how many were told of */
};

static int check_object(const struct checker *c, const struct field *fields, struct json_object *v, struct json_object *known,
			const struct doc_path *path);
static int check_value(const struct checker *c, const struct field *f, enum field_type type, struct json_object *v,
		       struct json_object *known, const struct doc_path *path);

static int refuse(const struct checker *c, const struct doc_path *path, const char *fmt, ...) printf_like_(3, 4);
static int refuse(const struct checker *c, const struct doc_path *path, const char *fmt, ...)
{
	char where[PATH_TEXT_SIZE], text[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	doc_path_text(path, where);
	err_set(c->err, EINVAL, "%s%s%s", where, *where ? ": " : "", text);
	if (!c->ctx->fault)
		return -EINVAL;
	/* Who wants to hear of each goes on behind the first. */
	c->ctx->fault(c->ctx->fault_arg, c->err ? c->err->text : text);
	(*c->faults)++;
	return 0;
}

/* ---- types ---- */

static const char *type_found(struct json_object *v)
{
	static const char *const names[] = {
		[json_type_null] = "null",       [json_type_boolean] = "a boolean", [json_type_double] = "a number",
		[json_type_int] = "an integer",  [json_type_object] = "an object",  [json_type_array] = "an array",
		[json_type_string] = "a string",
	};
	_Static_assert(array_len(names) == json_type_string + 1, "each of json-c's types has a name");

	return names[json_object_get_type(v)];
}

static const char *type_wanted(enum field_type type)
{
	static const char *const names[] = {
		[FIELD_STRING] = "a string",           [FIELD_INT] = "an integer",   [FIELD_NUMBER] = "a number",
		[FIELD_BOOL] = "true or false",        [FIELD_OBJECT] = "an object", [FIELD_ARRAY] = "an array",
		[FIELD_ANY] = "a string or an object",
	};
	_Static_assert(array_len(names) == FIELD_ANY + 1, "each type has a name");

	return names[type];
}

static bool type_fits(enum field_type type, struct json_object *v)
{
	switch (type) {
	case FIELD_STRING:
		return json_object_is_type(v, json_type_string);
	case FIELD_INT:
	case FIELD_NUMBER:
		return doc_is_number(v);
	case FIELD_BOOL:
		return json_object_is_type(v, json_type_boolean);
	case FIELD_OBJECT:
		return json_object_is_type(v, json_type_object);
	case FIELD_ARRAY:
		return json_object_is_type(v, json_type_array);
	case FIELD_ANY:
		return json_object_is_type(v, json_type_object) || json_object_is_type(v, json_type_string);
	}
	return false;
}

/* ---- values ---- */

static void join_words(const char *const *words, char text[200])
{
	size_t n = 0;

	text[0] = '\0';
	for (; *words && n < 200; words++)
		n += (size_t)snprintf(text + n, 200 - n, "%s%s", n ? ", " : "", *words);
}

static int check_words(const struct checker *c, const struct field *f, const char *value, bool quoted,
		       const struct doc_path *path)
{
	const char *quote = quoted ? "\"" : "";
	char words[200];

	for (const char *const *w = f->words; *w; w++) {
		if (strcmp(*w, value) == 0)
			return 0;
	}
	join_words(f->words, words);
	return refuse(c, path, "is %s%.60s%s, must be one of %s", quote, value, quote, words);
}

static int check_string(const struct checker *c, const struct field *f, struct json_object *v, const struct doc_path *path)
{
	const char *s = json_object_get_string(v);

	if (strlen(s) != (size_t)json_object_get_string_len(v))
		return refuse(c, path, "holds the character NUL");
	if ((f->flags & FIELD_NONEMPTY) && !*s)
		return refuse(c, path, "is empty, must be a string with at least one character");
	if (f->modern && !*s)
		return refuse(c, path, "is empty, must be a size such as \"256MiB\"");
	if (f->modern) {
		struct json_object *number = doc_size_modern(f, v);

		if (!number)
			return refuse(c, path, "is \"%.40s\", must be a size such as \"256MiB\" (or use %s)", s, f->modern);
		json_object_put(number);
	}
	return f->words ? check_words(c, f, s, true, path) : 0;
}

static int check_number(const struct checker *c, const struct field *f, enum field_type type, struct json_object *v,
			const struct doc_path *path)
{
	char text[NUMBER_TEXT_SIZE];
	const char *shown = doc_number_text(v, text);
	double d = json_object_get_double(v);
	int64_t whole;

	if (type == FIELD_INT && !doc_whole(v, &whole))
		return refuse(c, path, "is %.60s, must be an integer", shown);
	if (f->words)
		return check_words(c, f, shown, false, path);
	if (f->max == 0 && f->min == 0)
		return 0;
	if (f->max >= FIELD_UNBOUNDED && d < f->min)
		return refuse(c, path, "is %.60s, must not be less than %g", shown, f->min);
	if (d < f->min || d > f->max)
		return refuse(c, path, "is %.60s, must be between %g and %g", shown, f->min, f->max);
	return 0;
}

static int check_items(const struct checker *c, const struct field *f, struct json_object *v, struct json_object *known,
		       const struct doc_path *path)
{
	size_t n = json_object_array_length(v);
	size_t m = json_object_is_type(known, json_type_array) ? json_object_array_length(known) : 0;
	int r = 0;

	if ((f->flags & FIELD_NONEMPTY) && n == 0)
		return refuse(c, path, "is empty, must have at least one item");
	for (size_t i = 0; i < n && r == 0; i++) {
		struct doc_path at = { path, NULL, i };
		struct json_object *like = m ? json_object_array_get_idx(known, i < m ? i : 0) : NULL;

		r = check_value(c, f, f->item, json_object_array_get_idx(v, i), like, &at);
	}
	return r;
}

static int check_value(const struct checker *c, const struct field *f, enum field_type type, struct json_object *v,
		       struct json_object *known, const struct doc_path *path)
{
	if (!type_fits(type, v))
		return refuse(c, path, "is %s, must be %s", type_found(v), type_wanted(type));
	if (json_object_is_type(v, json_type_string))
		return check_string(c, f, v, path);
	if (doc_is_number(v))
		return check_number(c, f, type, v, path);
	if (json_object_is_type(v, json_type_array))
		return check_items(c, f, v, known, path);
	if (json_object_is_type(v, json_type_object) && f->fields)
		return check_object(c, f->fields, v, known, path);
	return 0;
}

/* ---- names ---- */

static const char *nearest(const struct field *fields, const char *name)
{
	const char *names[NAMES_MAX];
	size_t n = 0;

	for (const struct field *f = fields; f->name && n < NAMES_MAX; f++) {
		if (field_settable(f))
			names[n++] = f->name;
	}
	return parse_nearest(name, names, n);
}

/* The settable object in which a field of this very name belongs, or NULL. */
static const char *home(const struct field *fields, const char *name)
{
	for (const struct field *f = fields; f->name; f++) {
		if (field_settable(f) && f->type == FIELD_OBJECT && field_find_settable(f->fields, name))
			return f->name;
	}
	return NULL;
}

static int unknown_field(const struct checker *c, const struct field *fields, const char *key, struct json_object *known,
			 const struct doc_path *path)
{
	const char *near = nearest(fields, key), *inside = home(fields, key);
	char where[PATH_TEXT_SIZE], text[400];

	/* What the service itself put there goes back to it. */
	if (path->up && doc_has(known, key))
		return 0;
	if (inside)
		snprintf(text, sizeof(text), "is no field here: it belongs into \"%s\"", inside);
	else if (near)
		snprintf(text, sizeof(text), "is no field: did you mean \"%s\"?", near);
	else
		snprintf(text, sizeof(text), "is no field that the API knows");
	if (c->ctx->validate == VALIDATE_STRICT)
		return refuse(c, path, "%s", text);
	if (c->ctx->warn) {
		char line[PATH_TEXT_SIZE + 420];

		snprintf(line, sizeof(line), "%s: %s", doc_path_text(path, where), text);
		c->ctx->warn(c->ctx->warn_arg, line);
	}
	return 0;
}

static int check_member(const struct checker *c, const struct field *fields, const char *key, struct json_object *v,
			struct json_object *known, const struct doc_path *path)
{
	const struct field *f = field_find_settable(fields, key);

	if (f)
		return v ? check_value(c, f, f->type, v, doc_member(known, key), path) : 0;
	f = field_find(fields, key);
	if (!f)
		return unknown_field(c, fields, key, known, path);
	if (f->flags & FIELD_IDENTITY)
		return 0;
	return refuse(c, path, "is read-only: the service sets it%s; leave it out",
		      c->status_file ? " (it is shown in status.json)" : "");
}

/* ---- objects ---- */

static bool listed(const char *list, const char *name)
{
	size_t n = strlen(name);

	for (const char *p = list; (p = strstr(p, name)); p += n) {
		if ((p == list || p[-1] == ' ') && (p[n] == ' ' || !p[n]))
			return true;
	}
	return false;
}

static int check_pairs(const struct checker *c, const struct field *fields, struct json_object *v, const struct doc_path *up)
{
	for (const struct field *f = fields; f->name; f++) {
		struct doc_path path = { up, f->name, 0 };

		if (!f->exclusive_with || !field_settable(f) || doc_is_empty(doc_member(v, f->name)))
			continue;
		for (const struct field *g = fields; g->name; g++) {
			if (field_settable(g) && listed(f->exclusive_with, g->name) && !doc_is_empty(doc_member(v, g->name)))
				return refuse(c, &path, "excludes %s: leave one of the two out", g->name);
		}
	}
	return 0;
}

/* A deprecated spelling beside the modern one must say the same. */
static int check_twins(const struct checker *c, const struct field *fields, struct json_object *v, const struct doc_path *up)
{
	for (const struct field *f = fields; f->name; f++) {
		struct json_object *old = f->modern && field_settable(f) ? doc_member(v, f->name) : NULL;
		struct json_object *modern = old ? doc_member(v, f->modern) : NULL;
		cleanup_json_ struct json_object *number = modern ? doc_size_modern(f, old) : NULL;
		struct doc_path path = { up, f->name, 0 };

		if (number && json_object_get_double(number) != json_object_get_double(modern))
			return refuse(c, &path, "says something else than %s: leave one of the two out", f->modern);
	}
	return 0;
}

static int check_required(const struct checker *c, const struct field *fields, struct json_object *v, const struct doc_path *up)
{
	for (const struct field *f = fields; f->name; f++) {
		struct doc_path path = { up, f->name, 0 };

		if ((f->flags & FIELD_REQUIRED) && field_settable(f) && !doc_member(v, f->name))
			return refuse(c, &path, "is missing, must be %s", type_wanted(f->type));
	}
	return 0;
}

static int check_object(const struct checker *c, const struct field *fields, struct json_object *v, struct json_object *known,
			const struct doc_path *up)
{
	int r = 0;

	/* Inside, an empty object is as good as none, but not in an array, where it holds a place; at the top, an update may
	   leave out what a create must say. */
	bool whole = up ? !up->name || !doc_is_empty(v) : c->creating;

	json_object_object_foreach(v, key, value) {
		struct doc_path path = { up, key, 0 };

		if (r == 0)
			r = check_member(c, fields, key, value, known, &path);
	}
	if (r == 0)
		r = check_pairs(c, fields, v, up);
	if (r == 0)
		r = check_twins(c, fields, v, up);
	return r < 0 || !whole ? r : check_required(c, fields, v, up);
}

int doc_check_fields(const struct field *fields, struct json_object *doc, const struct doc_context *ctx, bool creating,
		     bool status_file, struct err *err)
{
	unsigned faults = 0;
	struct checker c = { ctx, creating, status_file, err, &faults };
	int r;

	if (!json_object_is_type(doc, json_type_object))
		return err_set(err, EINVAL, "the document is %s, must be an object", type_found(doc));
	if (ctx->validate == VALIDATE_OFF)
		return 0;
	r = check_object(&c, fields, doc, ctx->known, NULL);
	return r == 0 && faults ? -EINVAL : r;
}

int doc_part_check(const struct part *part, struct json_object *doc, const struct doc_context *ctx, struct err *err)
{
	int r = doc_take_schema(doc, err);

	return r < 0 ? r : doc_check_fields(part->fields, doc, ctx, false, false, err);
}
