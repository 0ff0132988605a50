/* offers.json. */
#include "fs/show/offers_private.h"

#include <errno.h>
#include <json-c/json.h>

#include "api/base/clock.h"
#include "api/doc.h"

static const char *offer_word(enum offer offer)
{
	static const char *const words[] = {
		[OFFER_UNKNOWN] = "unknown",
		[OFFER_OFFERED] = "offered",
		[OFFER_ABSENT] = "not offered",
		[OFFER_REFUSED] = "refused",
	};
	_Static_assert(array_len(words) == OFFER_REFUSED + 1, "each has a word");

	return words[offer];
}

static void add_text(struct json_object *object, const char *key, const char *text)
{
	json_object_object_add(object, key, json_object_new_string(text));
}

static struct json_object *refusal_object(const struct refusal *refusal, enum prefix prefix)
{
	struct json_object *object = json_object_new_object();

	add_text(object, "prefix", offers_prefixes[prefix]);
	json_object_object_add(object, "status", json_object_new_int(refusal->status));
	if (refusal->code)
		json_object_object_add(object, "code", json_object_new_int(refusal->code));
	add_text(object, "message", refusal->text);
	return object;
}

static struct json_object *row_object(const struct operation *operation, const struct row *row)
{
	struct json_object *object = json_object_new_object(), *refused = json_object_new_array();
	char when[40];

	add_text(object, "offer", offer_word(row->offer));
	add_text(object, "source", operation_source_word(operation->source));
	add_text(object, "method", operation->method);
	add_text(object, "path", operation->path);
	if (row->seen)
		add_text(object, "prefix", offers_prefixes[row->prefix]);
	if (row->since_ns)
		add_text(object, "since", clock_format_rfc3339(row->since_ns, when, sizeof(when)));
	for (unsigned i = 0; i < PREFIXES; i++) {
		if (row->refusals[i].status)
			json_object_array_add(refused, refusal_object(&row->refusals[i], i));
	}
	if (json_object_array_length(refused))
		json_object_object_add(object, "refused", refused);
	else
		json_object_put(refused);
	return object;
}

int offers_print(struct mount *mount, struct buf *out)
{
	struct json_object *all = json_object_new_object();
	struct offers *o = mount->offers;
	int lacking = offers_lacking(o), r;

	if (!all)
		return -ENOMEM;
	for (const struct operation *op = operations; op->id; op++) {
		struct json_object *object;
		struct row row;

		offers_row(o, op, &row);
		object = row_object(op, &row);
		if (op->by_application && lacking)
			json_object_object_add(object, "applications_without", json_object_new_int(lacking));
		json_object_object_add(all, op->id, object);
	}
	r = doc_render_fields(NULL, all, out);
	json_object_put(all);
	return r;
}
