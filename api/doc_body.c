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

int doc_create_body(const struct kind *kind, struct json_object *doc, const char *identity, const struct doc_context *ctx,
		    struct json_object **ret, struct err *err)
{
	cleanup_json_ struct json_object *body = json_object_new_object(), *plain = NULL, *raw = NULL;
	int r = body ? doc_copy(doc, &plain) : -ENOMEM;

	if (r == 0)
		r = doc_sendable_members(kind->fields, plain);
	if (r == 0) {
		r = doc_resolved(kind->fields, plain, ctx, &raw, err);
		if (r == -EINVAL)
			return r;
	}
	if (r == 0)
		r = add_identity(kind, identity, body);
	if (r == 0)
		r = add_members(raw, body);
	if (r == 0 && (kind->flags & KIND_LABEL_NAME) && identity)
		r = doc_set_name_label(body, identity);
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

static bool sizes_changed(const struct comparing *c, const struct field *fields, struct json_object *a, struct json_object *patch,
			  struct json_object *normal)
{
	if (!doc_member(patch, "instance_type")) {
		for (enum size_dimension i = 0; i < SIZE_DIMENSIONS; i++) {
			if (doc_has(patch, doc_size_key(i)) && !doc_member(patch, doc_size_key(i)))
				return true;
		}
		/* The type goes, and a number with it that nothing was written for. */
		if (doc_has(patch, "instance_type")) {
			struct doc_size s = doc_size_explicit(normal);

			if (!s.known[SIZE_VCPU] || !s.known[SIZE_MEMORY] || !s.known[SIZE_DISK])
				return true;
		}
	}
	return !doc_sizes_same(c, fields, a, normal, NULL);
}

static bool configuration_changed(const struct field *f, struct json_object *a, struct json_object *patch,
				  const struct doc_context *ctx)
{
	struct comparing c = { .ctx = ctx };
	cleanup_json_ struct json_object *normal = NULL, *have = NULL, *filled = NULL;
	bool changed = false;

	if (doc_normal(f->fields, patch, ctx, false, &normal) < 0 || doc_normal(f->fields, a, ctx, false, &have) < 0 ||
	    doc_normal(f->fields, doc_member(ctx->service_defaults, f->name), ctx, true, &filled) < 0)
		return true;
	/* A whole configuration that goes is all null. */
	if (!patch) {
		json_object_object_foreach(have, name, lost) {
			(void)lost;
			changed = changed || !is_soft(name);
		}
		return changed;
	}
	/* Without validation it may be anything. */
	if (!json_object_is_type(patch, json_type_object))
		return true;
	json_object_object_foreach(patch, key, value) {
		const struct field *g = field_find_settable(f->fields, key);

		(void)value;
		if (changed || is_soft(key) || doc_size_field(key))
			continue;
		changed = !doc_member_same(&c, g, doc_member(have, key), doc_member(normal, key), doc_member(filled, key));
	}
	return changed || sizes_changed(&c, f->fields, have, patch, normal);
}

bool doc_needs_rollout(const struct kind *kind, struct json_object *object, struct json_object *patch,
		       struct json_object *service_defaults)
{
	struct doc_context ctx = { .account_id = json_get_string(object, "account_id"), .service_defaults = service_defaults };
	const struct field *f = field_find_settable(kind->fields, CONFIGURATION);

	if (!(kind->flags & KIND_ROLLOUT_FOLLOWS) || !f || !doc_has(patch, CONFIGURATION))
		return false;
	return configuration_changed(f, doc_member(object, CONFIGURATION), doc_member(patch, CONFIGURATION), &ctx);
}
