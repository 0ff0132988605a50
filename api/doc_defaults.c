/* What the service fills in where a document says nothing: remembered after a change, and no difference from then on. */
#include "api/doc.h"

#include <errno.h>

#include "api/doc_normal.h"

/* Numbers of a size beside a type: they are the type's, whoever asked for it, and say nothing of what the service would choose. */
static bool of_type(const struct field *fields, const char *key, struct json_object *sent, struct json_object *answer)
{
	if (!doc_size_table(fields) || !doc_size_field(key) || strcmp(key, "instance_type") == 0)
		return false;
	return doc_member(sent, "instance_type") || doc_member(answer, "instance_type");
}

/* ---- filled into the items of an array, which goes and comes whole ---- */

static int filled_members(const struct field *fields, struct json_object *sent, struct json_object *shown,
			  struct json_object *out)
{
	int r = 0;

	json_object_object_foreach(shown, key, value) {
		const struct field *f = field_find_settable(fields, key);
		struct json_object *given = doc_member(sent, key), *sub;

		if (r < 0)
			break;
		if (!given) {
			r = doc_set(out, key, json_object_get(value));
		} else if (json_object_is_type(given, json_type_object) && json_object_is_type(value, json_type_object)) {
			sub = json_object_new_object();
			r = sub ? filled_members(f ? f->fields : NULL, given, value, sub) : -ENOMEM;
			if (r == 0 && json_object_object_length(sub))
				r = doc_set(out, key, json_object_get(sub));
			json_object_put(sub);
		}
	}
	return r;
}

/* Whether it must be remembered that such an item was written, though nothing was filled in. */
static bool has_answered(const struct field *fields)
{
	for (const struct field *f = fields; f->name; f++) {
		if (f->flags & FIELD_ANSWERED)
			return true;
	}
	return false;
}

/* By their places; *ret is NULL where nothing was filled in, or where the places say nothing. */
static int filled_items(const struct field *f, struct json_object *sent, struct json_object *shown, struct json_object **ret)
{
	size_t n = json_object_array_length(shown);
	cleanup_json_ struct json_object *out = json_object_new_array();
	bool any = f && f->fields && has_answered(f->fields);
	int r = out ? 0 : -ENOMEM;

	if (!f || !f->fields || (f->flags & FIELD_SET) || !json_object_is_type(sent, json_type_array) ||
	    json_object_array_length(sent) != n)
		return 0;
	for (size_t i = 0; r == 0 && i < n; i++) {
		struct json_object *given = json_object_array_get_idx(sent, i), *item = json_object_array_get_idx(shown, i);
		struct json_object *filled = json_object_new_object();

		r = filled ? doc_append(out, filled) : -ENOMEM;
		if (r == 0 && json_object_is_type(given, json_type_object) && json_object_is_type(item, json_type_object))
			r = filled_members(f->fields, given, item, filled);
		any = any || (r == 0 && json_object_object_length(filled));
	}
	if (r == 0 && any)
		*ret = steal_ptr(out);
	return r;
}

/* ---- after a change ---- */

/*
 * Of what the patch set to null, here and inside, what the answer still shows; of what it sent as an array, what the answer's
 * items have beside it. sent: the patch in its normal form, as the answer is.
 */
static int still_shown(const struct field *fields, struct json_object *patch, struct json_object *sent,
		       struct json_object *answer, struct json_object *out)
{
	int r = 0;

	json_object_object_foreach(patch, key, value) {
		const struct field *f = field_find_settable(fields, key);
		struct json_object *shown = doc_member(answer, key), *sub = NULL;

		/* A null beside the value's other spelling removes nothing. */
		if (r < 0 || !shown || (!value && doc_member(sent, key)) || of_type(fields, key, sent, answer))
			continue;
		if (!value) {
			sub = json_object_get(shown);
		} else if (json_object_is_type(value, json_type_object) && json_object_is_type(shown, json_type_object)) {
			sub = json_object_new_object();
			r = sub ? still_shown(f ? f->fields : NULL, value, doc_member(sent, key), shown, sub) : -ENOMEM;
		} else if (json_object_is_type(value, json_type_array) && json_object_is_type(shown, json_type_array)) {
			r = filled_items(f, doc_member(sent, key), shown, &sub);
		}
		if (r == 0 && !doc_is_empty(sub))
			r = doc_set(out, key, json_object_get(sub));
		json_object_put(sub);
	}
	return r;
}

/* Whether all that is in value stands in shown too. */
static bool covers(struct json_object *shown, struct json_object *value)
{
	bool all = true;

	if (json_object_is_type(value, json_type_array) && json_object_is_type(shown, json_type_array)) {
		size_t n = json_object_array_length(value);

		all = json_object_array_length(shown) == n;
		for (size_t i = 0; all && i < n; i++)
			all = covers(json_object_array_get_idx(shown, i), json_object_array_get_idx(value, i));
		return all;
	}
	if (!json_object_is_type(value, json_type_object) || !json_object_is_type(shown, json_type_object))
		return doc_same_text(shown, value);
	json_object_object_foreach(value, key, inside)
		all = all && covers(doc_member(shown, key), inside);
	return all;
}

/* Of what was remembered, what the patch did not touch and the answer still shows unchanged. */
static int still_held(const struct field *fields, struct json_object *old, struct json_object *patch, struct json_object *answer,
		      struct json_object *out)
{
	int r = 0;

	json_object_object_foreach(old, key, value) {
		const struct field *f = field_find_settable(fields, key);
		struct json_object *shown = doc_member(answer, key), *sent = doc_member(patch, key), *sub = doc_member(out, key);

		if (r < 0 || !shown || !value || of_type(fields, key, patch, answer))
			continue;
		if (json_object_is_type(value, json_type_object) && json_object_is_type(shown, json_type_object)) {
			if (!sub) {
				sub = json_object_new_object();
				r = doc_set(out, key, sub);
			}
			if (r == 0)
				r = still_held(f ? f->fields : NULL, value, sent, shown, sub);
			if (r == 0 && json_object_object_length(sub) == 0)
				json_object_object_del(out, key);
		} else if (!sent && !sub && covers(shown, value)) {
			r = doc_set(out, key, json_object_get(value));
		}
	}
	return r;
}

static struct json_object *service_defaults(const struct field *fields, struct json_object *patch, struct json_object *shaped,
					    const struct doc_context *ctx)
{
	cleanup_json_ struct json_object *normal = NULL, *sent = NULL, *out = json_object_new_object();
	int r = out ? doc_normal(fields, shaped, ctx, true, &normal) : -ENOMEM;

	if (r == 0)
		r = doc_normal(fields, patch, ctx, false, &sent);
	if (r == 0)
		r = still_shown(fields, patch, sent, normal, out);
	if (r == 0 && json_object_is_type(ctx->service_defaults, json_type_object))
		r = still_held(fields, ctx->service_defaults, patch, normal, out);
	/* Without memory nothing is remembered: at worst a null is sent once more. */
	return r == 0 && json_object_object_length(out) ? steal_ptr(out) : NULL;
}

struct json_object *doc_service_defaults(const struct kind *kind, struct json_object *patch, struct json_object *answer,
					 const struct doc_context *ctx)
{
	cleanup_json_ struct json_object *shaped = NULL;

	return doc_shape(kind, answer, &shaped) < 0 ? NULL : service_defaults(kind->fields, patch, shaped, ctx);
}

bool doc_arrived(struct doc_file file, struct json_object *object, struct json_object *patch, const struct doc_context *ctx)
{
	cleanup_json_ struct json_object *sent = NULL, *filled = NULL;
	struct doc_context then = *ctx;

	/* Without its nulls: what a removal left is no sign that it arrived. */
	if (doc_copy(patch, &sent) < 0 || doc_sendable_members(ctx, file.kind->fields, sent) < 0)
		return false;
	filled = doc_service_defaults(file.kind, sent, object, ctx);
	then.service_defaults = filled;
	return doc_same(file.kind, object, file.doc, &then);
}

struct json_object *doc_part_service_defaults(const struct part *part, struct json_object *patch, struct json_object *answer,
					      const struct doc_context *ctx)
{
	struct json_object *sent = part->key ? doc_member(patch, part->key) : patch;
	struct json_object *shown = part->key ? doc_member(answer, part->key) : answer;

	return sent && shown ? service_defaults(part->fields, sent, shown, ctx) : NULL;
}

bool doc_has_answered(const struct field *fields, struct json_object *doc)
{
	bool any = false;

	if (!json_object_is_type(doc, json_type_object))
		return false;
	json_object_object_foreach(doc, key, value) {
		const struct field *f = field_find_settable(fields, key);

		if (f && f->fields && !doc_is_empty(value))
			any = any || (f->type == FIELD_ARRAY ? has_answered(f->fields) : doc_has_answered(f->fields, value));
	}
	return any;
}
