#include "emulator/graphql.h"

#include <ctype.h>
#include <errno.h>

#define DEPTH_MAX  12
#define FIELDS_MAX 500

struct parser {
	const char *p;
	struct json_object *variables;
	unsigned fields, depth;
	char *text;
	size_t size;
};

static int complain(struct parser *s, const char *what)
{
	snprintf(s->text, s->size, "Syntax Error: %s near \"%.20s\"", what, s->p);
	return -EINVAL;
}

static void skip(struct parser *s)
{
	for (;; s->p++) {
		if (*s->p == '#')
			s->p += strcspn(s->p, "\n");
		if (!*s->p || !(isspace((unsigned char)*s->p) || *s->p == ','))
			return;
	}
}

static bool take(struct parser *s, char ch)
{
	skip(s);
	if (*s->p != ch)
		return false;
	s->p++;
	return true;
}

static size_t name_length(const char *p)
{
	size_t n = 0;

	while (isalnum((unsigned char)p[n]) || p[n] == '_')
		n++;
	return isdigit((unsigned char)*p) ? 0 : n;
}

static int read_name(struct parser *s, char **ret)
{
	size_t n;

	skip(s);
	n = name_length(s->p);
	if (!n)
		return complain(s, "Expected Name");
	*ret = strndup(s->p, n);
	s->p += n;
	return *ret ? 0 : -ENOMEM;
}

static int read_value(struct parser *s, struct json_object **ret);

static int read_list(struct parser *s, struct json_object **ret)
{
	struct json_object *list = json_object_new_array(), *item;
	int r = list ? 0 : -ENOMEM;

	while (r == 0 && !take(s, ']')) {
		r = read_value(s, &item);
		if (r == 0)
			json_object_array_add(list, item);
	}
	if (r == 0)
		*ret = list;
	else
		json_object_put(list);
	return r;
}

/* "name: value" until end. */
static int read_pairs(struct parser *s, char end, struct json_object **ret)
{
	struct json_object *obj = json_object_new_object(), *value;
	int r = obj ? 0 : -ENOMEM;

	while (r == 0 && !take(s, end)) {
		cleanup_free_ char *name = NULL;

		r = read_name(s, &name);
		if (r == 0 && !take(s, ':'))
			r = complain(s, "Expected \":\"");
		if (r == 0)
			r = read_value(s, &value);
		if (r == 0)
			json_object_object_add(obj, name, value);
	}
	if (r == 0)
		*ret = obj;
	else
		json_object_put(obj);
	return r;
}

/* What JSON writes in the same way: a string or a number. */
static int read_plain(struct parser *s, struct json_object **ret)
{
	struct json_tokener *t = json_tokener_new();
	size_t n = 1;

	if (!t)
		return -ENOMEM;
	if (*s->p == '"')
		while (s->p[n] && s->p[n] != '"')
			n += s->p[n] == '\\' && s->p[n + 1] ? 2 : 1;
	else
		n = strspn(s->p, "-+.0123456789eE") - 1;
	*ret = json_tokener_parse_ex(t, s->p, (int)n + 1);
	if (!*ret && json_tokener_get_error(t) == json_tokener_continue)
		*ret = json_tokener_parse_ex(t, "", 1);
	json_tokener_free(t);
	if (!*ret)
		return complain(s, "Unexpected value");
	s->p += n + 1;
	return 0;
}

static int read_variable(struct parser *s, struct json_object **ret)
{
	cleanup_free_ char *name = NULL;
	struct json_object *value = NULL;
	int r = read_name(s, &name);

	if (r < 0)
		return r;
	if (s->variables)
		json_object_object_get_ex(s->variables, name, &value);
	*ret = json_object_get(value);
	return 0;
}

static int read_word(struct parser *s, struct json_object **ret)
{
	cleanup_free_ char *name = NULL;
	int r = read_name(s, &name);

	if (r < 0)
		return r;
	*ret = strcmp(name, "true") == 0 || strcmp(name, "false") == 0 ? json_object_new_boolean(*name == 't') :
	       strcmp(name, "null") == 0                               ? NULL :
									 json_object_new_string(name);
	return 0;
}

static int read_value(struct parser *s, struct json_object **ret)
{
	int r;

	*ret = NULL;
	if (s->depth >= DEPTH_MAX)
		return complain(s, "Too deep");
	s->depth++;
	skip(s);
	if (take(s, '$'))
		r = read_variable(s, ret);
	else if (take(s, '['))
		r = read_list(s, ret);
	else if (take(s, '{'))
		r = read_pairs(s, '}', ret);
	else if (*s->p == '"' || *s->p == '-' || isdigit((unsigned char)*s->p))
		r = read_plain(s, ret);
	else
		r = read_word(s, ret);
	s->depth--;
	return r;
}

static int read_selection(struct parser *s, struct gq_field **ret);

static int read_field(struct parser *s, struct gq_field *f)
{
	int r = read_name(s, &f->alias);

	if (r == 0 && take(s, ':'))
		r = read_name(s, &f->name);
	else if (r == 0 && !(f->name = strdup(f->alias)))
		r = -ENOMEM;
	if (r == 0 && take(s, '('))
		r = read_pairs(s, ')', &f->args);
	if (r == 0 && take(s, '{'))
		r = read_selection(s, &f->sub);
	return r;
}

/* The fields up to the closing brace. */
static int read_selection(struct parser *s, struct gq_field **ret)
{
	struct gq_field **end = ret;
	int r = 0;

	if (s->depth++ >= DEPTH_MAX)
		return complain(s, "Too deep");
	while (r == 0 && !take(s, '}')) {
		if (++s->fields > FIELDS_MAX)
			return complain(s, "Too many fields");
		*end = calloc(1, sizeof(**end));
		r = *end ? read_field(s, *end) : -ENOMEM;
		if (*end)
			end = &(*end)->next;
	}
	s->depth--;
	return r;
}

/* "query Name($a: String! = \"x\")" before the selections; the types are not looked at. */
static int skip_head(struct parser *s)
{
	skip(s);
	if (*s->p == '{')
		return 0;
	if (strncmp(s->p, "query", 5) != 0 || name_length(s->p) != 5)
		return complain(s, "Expected \"query\"");
	s->p += 5;
	skip(s);
	s->p += name_length(s->p);
	if (!take(s, '('))
		return 0;
	s->p += strcspn(s->p, ")");
	return take(s, ')') ? 0 : complain(s, "Expected \")\"");
}

int graphql_parse(const char *query, struct json_object *variables, struct gq_field **ret, char *text, size_t size)
{
	struct parser s = { .p = query, .variables = variables, .text = text, .size = size };
	struct gq_field *fields = NULL;
	int r = skip_head(&s);

	if (r == 0 && !take(&s, '{'))
		r = complain(&s, "Expected \"{\"");
	if (r == 0)
		r = read_selection(&s, &fields);
	skip(&s);
	if (r == 0 && *s.p)
		r = complain(&s, "Unexpected text");
	if (r < 0) {
		graphql_free(fields);
		return r;
	}
	*ret = fields;
	return 0;
}

struct gq_field *graphql_free(struct gq_field *f)
{
	while (f) {
		struct gq_field *next = f->next;

		graphql_free(f->sub);
		json_object_put(f->args);
		free(f->name);
		free(f->alias);
		free(f);
		f = next;
	}
	return NULL;
}
