#include "api/doc_normal.h"

#include <errno.h>

struct normaliser {
	const struct doc_context *ctx;
	bool account;
};

static int normal_object(const struct normaliser *n, const struct field *fields, struct json_object *v, bool top,
			 struct json_object **ret);
static int normal_value(const struct normaliser *n, const struct field *f, struct json_object *v, struct json_object **ret);

/* ---- arrays ---- */

struct set_item {
	struct json_object *v; /* borrowed from the array */
	size_t start;          /* of its text */
	const char *text;
};

static int compare_texts(const void *a, const void *b)
{
	return strcmp(((const struct set_item *)a)->text, ((const struct set_item *)b)->text);
}

/* Each item's text once: to compare takes many looks at it. No text has a NUL inside. */
static int write_items(struct json_object *array, struct set_item *items, size_t n, struct buf *texts)
{
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++) {
		items[i] = (struct set_item){ .v = json_object_array_get_idx(array, i), .start = texts->len };
		r = doc_write(items[i].v, true, texts);
		if (r == 0)
			r = buf_addc(texts, '\0');
	}
	for (size_t i = 0; i < n && r == 0; i++)
		items[i].text = texts->data + items[i].start;
	return r;
}

/* A set: sorted, each item once. */
static int sort_set(struct json_object **array)
{
	size_t n = json_object_array_length(*array);
	cleanup_json_ struct json_object *out = json_object_new_array();
	cleanup_free_ struct set_item *items = calloc(n + 1, sizeof(*items));
	cleanup_buf_ struct buf texts = BUF_INIT;
	int r = out && items ? write_items(*array, items, n, &texts) : -ENOMEM;

	if (r < 0)
		return -ENOMEM;
	qsort(items, n, sizeof(*items), compare_texts);
	for (size_t i = 0; i < n && r == 0; i++) {
		if (i == 0 || strcmp(items[i - 1].text, items[i].text) != 0)
			r = doc_append(out, json_object_get(items[i].v));
	}
	if (r < 0)
		return r;
	json_object_put(*array);
	*array = steal_ptr(out);
	return 0;
}

static int normal_array(const struct normaliser *n, const struct field *f, struct json_object *v, struct json_object **ret)
{
	cleanup_json_ struct json_object *out = json_object_new_array();
	size_t count = json_object_array_length(v);
	int r = out ? 0 : -ENOMEM;

	for (size_t i = 0; i < count && r == 0; i++) {
		struct json_object *item = json_object_array_get_idx(v, i), *normal = NULL;

		/* In an array, an empty item still holds its place. */
		if (json_object_is_type(item, json_type_object))
			r = normal_object(n, f ? f->fields : NULL, item, false, &normal);
		else if (json_object_is_type(item, json_type_array))
			r = normal_array(n, NULL, item, &normal);
		else
			normal = json_object_get(item);
		if (r == 0)
			r = doc_append(out, normal);
	}
	if (r == 0 && f && (f->flags & FIELD_SET))
		r = sort_set(&out);
	if (r == 0)
		*ret = steal_ptr(out);
	return r;
}

/* ---- objects ---- */

static int normal_image(const struct normaliser *n, struct json_object *v, struct json_object **ret)
{
	cleanup_free_ char *text = doc_image_long(n->ctx ? n->ctx->account_id : NULL, json_object_get_string(v));

	*ret = text ? json_object_new_string(text) : NULL;
	return *ret ? 0 : -ENOMEM;
}

static bool is_default(const struct field *f, struct json_object *v)
{
	cleanup_buf_ struct buf text = BUF_INIT;

	if (!f || !f->default_json || doc_write(v, true, &text) < 0)
		return false;
	return strcmp(text.data, f->default_json) == 0;
}

/* *ret: NULL where the value means nothing. A plain value is shared, not copied. */
static int normal_value(const struct normaliser *n, const struct field *f, struct json_object *v, struct json_object **ret)
{
	int r = 0;

	if (json_object_is_type(v, json_type_object))
		r = normal_object(n, f ? f->fields : NULL, v, false, ret);
	else if (json_object_is_type(v, json_type_array))
		r = normal_array(n, f, v, ret);
	else if (f && (f->flags & FIELD_IMAGE) && json_object_is_type(v, json_type_string))
		r = normal_image(n, v, ret);
	else
		*ret = json_object_get(v);
	if (r < 0)
		return r;
	if (doc_is_empty(*ret) || is_default(f, *ret)) {
		json_object_put(*ret);
		*ret = NULL;
	}
	return 0;
}

static int add_member(const struct normaliser *n, const struct field *f, const char *key, struct json_object *v,
		      struct json_object *out)
{
	struct json_object *normal = NULL;
	int r;

	if (!v || (f && (f->flags & FIELD_WRITE_ONLY)))
		return 0;
	r = normal_value(n, f, v, &normal);
	return r < 0 || !normal ? r : doc_set(out, key, normal);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Fields that the table does not know, sorted by name. */
static int add_unknown(const struct normaliser *n, const struct field *fields, struct json_object *v, struct json_object *out)
{
	size_t count = 0;
	cleanup_free_ const char **names = calloc((size_t)json_object_object_length(v) + 1, sizeof(*names));
	int r = names ? 0 : -ENOMEM;

	if (r < 0)
		return r;
	json_object_object_foreach(v, key, value) {
		if (value && !field_find(fields, key))
			names[count++] = key;
	}
	qsort(names, count, sizeof(*names), compare_names);
	for (size_t i = 0; i < count && r == 0; i++)
		r = add_member(n, NULL, names[i], doc_member(v, names[i]), out);
	return r;
}

static bool has_old_spelling(const struct field *fields, struct json_object *v)
{
	for (const struct field *f = fields; f && f->name; f++) {
		if (f->modern && doc_member(v, f->name))
			return true;
	}
	return false;
}

/* v itself where nothing in it has a deprecated spelling; else another object with the same members. */
static int modern_object(const struct field *fields, struct json_object *v, struct json_object **ret)
{
	cleanup_json_ struct json_object *out = NULL;
	int r = 0;

	if (!has_old_spelling(fields, v)) {
		*ret = json_object_get(v);
		return 0;
	}
	out = json_object_new_object();
	if (!out)
		return -ENOMEM;
	json_object_object_foreach(v, key, value) {
		if (r == 0 && value)
			r = doc_set(out, key, json_object_get(value));
	}
	if (r == 0)
		r = doc_modernise(fields, out);
	if (r == 0)
		*ret = steal_ptr(out);
	return r;
}

static int normal_object(const struct normaliser *n, const struct field *fields, struct json_object *v, bool top,
			 struct json_object **ret)
{
	cleanup_json_ struct json_object *out = json_object_new_object(), *modern = NULL;
	int r = out ? modern_object(fields, v, &modern) : -ENOMEM;

	for (const struct field *f = fields; r == 0 && f && f->name; f++) {
		if (field_settable(f))
			r = add_member(n, f, f->name, doc_member(modern, f->name), out);
	}
	if (r == 0 && !(top && n->account))
		r = add_unknown(n, fields, modern, out);
	if (r == 0)
		*ret = steal_ptr(out);
	return r;
}

int doc_normal(const struct field *fields, struct json_object *v, const struct doc_context *ctx, bool account,
	       struct json_object **ret)
{
	struct normaliser n = { ctx, account };

	if (!json_object_is_type(v, json_type_object)) {
		*ret = json_object_new_object();
		return *ret ? 0 : -ENOMEM;
	}
	return normal_object(&n, fields, v, true, ret);
}
