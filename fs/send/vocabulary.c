#include "fs/send/vocabulary.h"

#include <errno.h>

#include "api/doc_json.h"
#include "cache/body.h"
#include "cache/snapshot.h"

static int add_items(struct json_object *into, struct json_object *items)
{
	struct json_object *all = json_object_array_get_idx(into, 0);
	int r = 0;

	for (size_t i = 0; r == 0 && i < json_object_array_length(items); i++) {
		struct json_object *item = json_object_array_get_idx(items, i);

		if (json_object_is_type(item, json_type_object))
			r = vocabulary_add(all, item);
	}
	return r;
}

static int add_member(struct json_object *into, const char *key, struct json_object *value)
{
	struct json_object *have = doc_member(into, key);
	bool array = json_object_is_type(value, json_type_array);
	int r = 0;

	if (!array && !json_object_is_type(value, json_type_object))
		return doc_has(into, key) ? 0 : doc_set(into, key, json_object_get(value));
	if (!have) {
		have = array ? json_object_new_array() : json_object_new_object();
		r = doc_set(into, key, have);
		if (r == 0 && array)
			r = doc_append(have, json_object_new_object());
	}
	if (r < 0 || json_object_get_type(have) != json_object_get_type(value))
		return r;
	return array ? add_items(have, value) : vocabulary_add(have, value);
}

int vocabulary_add(struct json_object *into, struct json_object *object)
{
	int r = 0;

	if (!json_object_is_type(object, json_type_object))
		return 0;
	json_object_object_foreach(object, key, value) {
		if (r == 0)
			r = add_member(into, key, value);
	}
	return r;
}

int vocabulary_add_list(struct json_object *into, struct list *list)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < list_count(list) && i < VOCABULARY_MAX; i++) {
		cleanup_(body_unrefp) struct body *body = snapshot_body(list_at(list, i)->snapshot);
		cleanup_json_ struct json_object *object = body ? json_tokener_parse(body->data) : NULL;

		r = vocabulary_add(into, object);
	}
	return r;
}
