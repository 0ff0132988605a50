/* What must be remembered that a document said it: the service answers it unasked, in other words, or computes it. */
#include "api/doc.h"

#include <errno.h>

#include "api/doc_value.h"

/* Whether an answer says nothing of it having been said. */
static bool is_unanswered(const struct field *fields, const struct field *f, struct json_object *v)
{
	return f->flags & (FIELD_UNSAID | FIELD_COMPUTED) || (doc_size_table(fields) && doc_size_field(f->name)) ||
	       doc_is_empty(v);
}

static int said_members(const struct field *fields, struct json_object *doc, struct json_object *out)
{
	int r = 0;

	json_object_object_foreach(doc, key, value) {
		const struct field *f = field_find_settable(fields, key);
		cleanup_json_ struct json_object *part = NULL;

		if (r < 0 || !f || !value || f->flags & (FIELD_SECRET | FIELD_WRITE_ONLY))
			continue;
		if (is_unanswered(fields, f, value)) {
			r = doc_copy(value, &part);
		} else if (f->fields && json_object_is_type(value, json_type_object)) {
			part = json_object_new_object();
			r = part ? said_members(f->fields, value, part) : -ENOMEM;
			if (r == 0 && !json_object_object_length(part))
				continue;
		}
		if (r == 0 && part)
			r = doc_set(out, key, steal_ptr(part));
	}
	return r;
}

struct json_object *doc_said(const struct kind *kind, struct json_object *doc)
{
	cleanup_json_ struct json_object *out = json_object_new_object();

	if (!out || said_members(kind->fields, doc, out) < 0)
		return NULL;
	return steal_ptr(out);
}
