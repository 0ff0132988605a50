/* The label that carries a deployment's name. */
#include "api/doc.h"

#include <errno.h>

#include "api/doc_json.h"

static bool is_name_label(struct json_object *label)
{
	const char *name = json_get_string(label, "name");

	return name && strcmp(name, DOC_NAME_LABEL) == 0;
}

const char *doc_name_label(struct json_object *object)
{
	struct json_object *labels = doc_member(object, "labels");
	size_t n = json_object_is_type(labels, json_type_array) ? json_object_array_length(labels) : 0;

	for (size_t i = 0; i < n; i++) {
		struct json_object *label = json_object_array_get_idx(labels, i);
		const char *value = is_name_label(label) ? json_get_string(label, "value") : NULL;

		if (value && *value)
			return value;
	}
	return NULL;
}

/* The others, and the name's behind them. */
static int replace(struct json_object *old, const char *name, struct json_object *fresh)
{
	size_t n = json_object_is_type(old, json_type_array) ? json_object_array_length(old) : 0;
	cleanup_json_ struct json_object *label = NULL;
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++) {
		struct json_object *other = json_object_array_get_idx(old, i);

		if (!is_name_label(other))
			r = doc_append(fresh, json_object_get(other));
	}
	if (r < 0 || !name)
		return r;
	label = json_object_new_object();
	if (!label)
		return -ENOMEM;
	r = doc_set(label, "name", json_object_new_string(DOC_NAME_LABEL));
	if (r == 0)
		r = doc_set(label, "value", json_object_new_string(name));
	return r < 0 ? r : doc_append(fresh, steal_ptr(label));
}

static bool has_name_label(struct json_object *labels)
{
	size_t n = json_object_is_type(labels, json_type_array) ? json_object_array_length(labels) : 0;

	for (size_t i = 0; i < n; i++) {
		if (is_name_label(json_object_array_get_idx(labels, i)))
			return true;
	}
	return false;
}

int doc_set_name_label(struct json_object *doc, const char *name)
{
	struct json_object *old = doc_member(doc, "labels");
	cleanup_json_ struct json_object *fresh = NULL;
	int r;

	if (!name && !has_name_label(old))
		return 0;
	fresh = json_object_new_array();
	if (!fresh)
		return -ENOMEM;
	r = replace(old, name, fresh);
	if (r < 0)
		return r;
	if (json_object_array_length(fresh) == 0) {
		json_object_object_del(doc, "labels");
		return 0;
	}
	return doc_set(doc, "labels", steal_ptr(fresh));
}
