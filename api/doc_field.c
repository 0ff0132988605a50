#include "api/doc_value.h"

#include <errno.h>

bool field_settable(const struct field *f)
{
	return !(f->flags & (FIELD_STATUS | FIELD_IDENTITY | FIELD_HIDDEN));
}

const struct field *field_find_settable(const struct field *fields, const char *name)
{
	for (const struct field *f = fields; f && f->name; f++) {
		if (field_settable(f) && strcmp(f->name, name) == 0)
			return f;
	}
	return NULL;
}

const struct field *field_find(const struct field *fields, const char *name)
{
	for (const struct field *f = fields; f && f->name; f++) {
		if (!field_settable(f) && strcmp(f->name, name) == 0)
			return f;
	}
	return field_find_settable(fields, name);
}

int doc_shape(const struct kind *kind, struct json_object *object, struct json_object **ret)
{
	cleanup_json_ struct json_object *copy = NULL;
	int r;

	if (!(kind->hooks && kind->hooks->from_api) && !(kind->flags & KIND_LABEL_NAME)) {
		*ret = json_object_get(object);
		return 0;
	}
	r = doc_copy(object, &copy);

	if (r == 0 && kind->hooks && kind->hooks->from_api)
		r = kind->hooks->from_api(copy);
	if (r == 0 && (kind->flags & KIND_LABEL_NAME))
		r = doc_set_name_label(copy, NULL);
	if (r == 0)
		*ret = steal_ptr(copy);
	return r;
}
