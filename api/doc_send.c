/* A document as it is sent: without what means nothing, and numbers as the contract types them. */
#include "api/doc_normal.h"

#include <errno.h>

static int send_value(const struct doc_context *ctx, const struct field *f, enum field_type type, struct json_object *v,
		      struct json_object **ret_other);

static int send_items(const struct doc_context *ctx, const struct field *f, struct json_object *array)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < json_object_array_length(array); i++) {
		struct json_object *other = NULL;

		r = send_value(ctx, f, f->item, json_object_array_get_idx(array, i), &other);
		if (r == 0 && other && json_object_array_put_idx(array, i, other) < 0) {
			json_object_put(other);
			r = -ENOMEM;
		}
	}
	return r;
}

int doc_sendable_members(const struct doc_context *ctx, const struct field *fields, struct json_object *object)
{
	int r = 0;

	json_object_object_foreach(object, key, value) {
		const struct field *f = field_find_settable(fields, key);
		struct json_object *other = NULL;

		if (r == 0 && f && value)
			r = send_value(ctx, f, f->type, value, &other);
		if (r == 0 && other)
			r = doc_set(object, key, other);
		/* What must stand there may be empty; what the contract does not know goes as it came. */
		else if (r == 0 && (!value || (f && !(f->flags & FIELD_REQUIRED) && doc_is_empty(value))))
			json_object_object_del(object, key);
	}
	return r;
}

/* *ret_other: what is to stand in its place, or untouched. */
static int send_value(const struct doc_context *ctx, const struct field *f, enum field_type type, struct json_object *v,
		      struct json_object **ret_other)
{
	int64_t whole;

	if (json_object_is_type(v, json_type_object))
		return f->fields ? doc_sendable_members(ctx, f->fields, v) : 0;
	if (json_object_is_type(v, json_type_array))
		return send_items(ctx, f, v);
	if ((f->flags & FIELD_IMAGE) && json_object_is_type(v, json_type_string)) {
		cleanup_free_ char *image = doc_image_long(ctx ? ctx->account_id : NULL, json_object_get_string(v));

		*ret_other = image ? json_object_new_string(image) : NULL;
		return *ret_other ? 0 : -ENOMEM;
	}
	if (type != FIELD_INT || !json_object_is_type(v, json_type_double) || !doc_whole(v, &whole))
		return 0;
	*ret_other = json_object_new_int64(whole);
	return *ret_other ? 0 : -ENOMEM;
}

int doc_sendable(const struct doc_context *ctx, const struct field *f, struct json_object **v)
{
	struct json_object *other = NULL;
	int r = f && *v ? send_value(ctx, f, f->type, *v, &other) : 0;

	if (r == 0 && other) {
		json_object_put(*v);
		*v = other;
	}
	return r;
}
