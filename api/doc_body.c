/* What a create sends; what calls for a rollout. */
#include "api/doc.h"

#include <errno.h>

#include "api/doc_normal.h"

/* ---- create ---- */

static int add_identity(const struct kind *kind, const char *identity, struct json_object *body)
{
	int r = 0;

	for (const struct field *f = kind->fields; r == 0 && identity && f->name; f++) {
		if (f->flags & FIELD_IDENTITY)
			r = doc_set(body, f->name, json_object_new_string(identity));
	}
	return r;
}

static int add_members(struct json_object *from, struct json_object *body)
{
	int r = 0;

	json_object_object_foreach(from, key, value) {
		if (r == 0 && value && !doc_has(body, key))
			r = doc_set(body, key, json_object_get(value));
	}
	return r;
}

/* In place, here and inside: without what no create takes. strict: without what the contract does not know, too; it passed the
   check because the service itself had put it there. */
static void drop_uncreated(const struct field *fields, struct json_object *v, bool strict, bool top)
{
	if (json_object_is_type(v, json_type_array)) {
		for (size_t i = 0; i < json_object_array_length(v); i++)
			drop_uncreated(fields, json_object_array_get_idx(v, i), strict, false);
		return;
	}
	if (!fields || !json_object_is_type(v, json_type_object))
		return;
	json_object_object_foreach(v, key, value) {
		const struct field *f = field_find_settable(fields, key);

		if (f ? f->flags & FIELD_NOT_CREATED : strict && !top && !field_find(fields, key))
			json_object_object_del(v, key);
		else if (f)
			drop_uncreated(f->fields, value, strict, false);
	}
}

int doc_create_body(struct doc_file file, const struct doc_context *ctx, struct json_object **ret, struct err *err)
{
	const struct kind *kind = file.kind;
	cleanup_json_ struct json_object *body = json_object_new_object(), *plain = NULL, *raw = NULL;
	int r = body ? doc_copy(file.doc, &plain) : -ENOMEM;

	if (r == 0)
		r = doc_sendable_members(ctx, kind->fields, plain);
	if (r == 0)
		drop_uncreated(kind->fields, plain, ctx->validate == VALIDATE_STRICT, true);
	if (r == 0) {
		r = doc_resolved(kind->fields, plain, ctx, &raw, err);
		if (r == -EINVAL)
			return r;
	}
	if (r == 0)
		r = add_identity(kind, file.identity, body);
	if (r == 0)
		r = add_members(raw, body);
	if (r == 0 && (kind->flags & KIND_LABEL_NAME) && file.identity)
		r = doc_set_name_label(body, file.identity);
	if (r == 0 && kind->hooks && kind->hooks->to_api)
		r = kind->hooks->to_api(body, true);
	if (r < 0)
		return err_set(err, -r, "out of memory");
	*ret = steal_ptr(body);
	return 0;
}

/* ---- rollouts ---- */

#define CONFIGURATION "configuration"

/* What reaches a running container without a rollout. */
static bool is_soft(const char *key)
{
	return strcmp(key, "authorized_keys") == 0 || strcmp(key, "wrangler_ssh") == 0;
}

bool doc_needs_rollout(const struct kind *kind, struct json_object *object, struct json_object *patch,
		       struct json_object *service_defaults)
{
	struct json_object *members = doc_member(patch, CONFIGURATION);
	bool hard = false;

	(void)object, (void)service_defaults;
	if (!(kind->flags & KIND_ROLLOUT_FOLLOWS) || !doc_has(patch, CONFIGURATION))
		return false;
	/* Without validation it may be anything. */
	if (!json_object_is_type(members, json_type_object))
		return true;
	/* Whatever stands in a patch is a change. */
	json_object_object_foreach(members, key, value) {
		(void)value;
		hard = hard || !is_soft(key);
	}
	return hard;
}
