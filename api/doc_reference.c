/* References to SSH public keys: ids at the service, "ssh-keys/NAME.pub" in documents. */
#include "api/doc_value.h"

#include <errno.h>

#include "api/base/name.h"
#include "api/doc_path.h"

#define KEY_SUFFIX ".pub"

/* ---- showing ---- */

/* The reference to show, or NULL where the id itself must stand. */
static const char *reference(const char *id, const struct doc_context *ctx, char *text, size_t size)
{
	const char *name = ctx && ctx->key_name ? ctx->key_name(ctx->keys, id) : NULL, *again;
	char file[NAME_MAX_BYTES + 1];

	if (!name || !*name)
		return NULL;
	/* Of several keys with one name only one can be written by it. */
	again = ctx->key_id ? ctx->key_id(ctx->keys, name) : id;
	if (!again || strcmp(again, id) != 0)
		return NULL;
	name_encode(name, KEY_SUFFIX, file);
	if (!*file || name_is_cut(file, KEY_SUFFIX))
		return NULL;
	snprintf(text, size, KEY_REFERENCE_DIR "%s", file);
	return text;
}

struct json_object *doc_key_references(struct json_object *ids, const struct doc_context *ctx)
{
	size_t n = json_object_is_type(ids, json_type_array) ? json_object_array_length(ids) : 0;
	cleanup_json_ struct json_object *out = json_object_new_array();
	char text[sizeof(KEY_REFERENCE_DIR) + NAME_MAX_BYTES + 1];

	for (size_t i = 0; out && i < n; i++) {
		struct json_object *v = json_object_array_get_idx(ids, i), *shown;
		const char *s = json_object_is_type(v, json_type_string) ?
					reference(json_object_get_string(v), ctx, text, sizeof(text)) :
					NULL;

		shown = s ? json_object_new_string(s) : json_object_get(v);
		if ((s && !shown) || doc_append(out, shown) < 0)
			return NULL;
	}
	return steal_ptr(out);
}

/* ---- resolving ---- */

static int refuse(const struct doc_path *w, const char *spelling, const char *why, struct err *err)
{
	char path[PATH_TEXT_SIZE];

	return err_set(err, EINVAL, "%s: \"%.200s\" %s", doc_path_text(w, path), spelling, why);
}

/* *ret: the id, or NULL where the spelling can stand as it is. */
static int resolve_one(const char *spelling, const struct doc_context *ctx, const struct doc_path *w, const char **ret,
		       struct err *err)
{
	cleanup_free_ char *name = NULL;
	size_t n = strlen(KEY_REFERENCE_DIR);
	int r;

	*ret = NULL;
	if (strncmp(spelling, KEY_REFERENCE_DIR, n) != 0 || !ctx->key_id)
		return 0;
	r = name_decode(spelling + n, KEY_SUFFIX, &name);
	if (r == -ENOMEM)
		return err_set(err, ENOMEM, "out of memory");
	if (r < 0)
		return refuse(w, spelling, "is no file name of a key, must be ssh-keys/NAME.pub or a key's id", err);
	*ret = ctx->key_id(ctx->keys, name);
	return *ret ? 0 : refuse(w, spelling, "does not exist: the account has no SSH key of that name", err);
}

static int resolve_ids(struct json_object *ids, const struct doc_context *ctx, const struct doc_path *up, struct err *err)
{
	size_t n = json_object_is_type(ids, json_type_array) ? json_object_array_length(ids) : 0;

	for (size_t i = 0; i < n; i++) {
		struct json_object *v = json_object_array_get_idx(ids, i), *id;
		struct doc_path w = { up, NULL, i };
		const char *text = NULL;
		int r;

		if (!json_object_is_type(v, json_type_string))
			continue;
		r = resolve_one(json_object_get_string(v), ctx, &w, &text, err);
		if (r < 0)
			return r;
		if (!text)
			continue;
		id = json_object_new_string(text);
		if (!id || json_object_array_put_idx(ids, i, id) < 0) {
			json_object_put(id);
			return err_set(err, ENOMEM, "out of memory");
		}
	}
	return 0;
}

static int resolve(const struct field *fields, struct json_object *doc, const struct doc_context *ctx, const struct doc_path *up,
		   struct err *err)
{
	int r = 0;

	for (const struct field *f = fields; r == 0 && f && f->name; f++) {
		struct json_object *v = field_settable(f) ? doc_member(doc, f->name) : NULL;
		struct doc_path w = { up, f->name, 0 };

		if (!v)
			continue;
		if (f->flags & FIELD_KEY_IDS)
			r = resolve_ids(v, ctx, &w, err);
		else if (f->type == FIELD_OBJECT && f->fields)
			r = resolve(f->fields, v, ctx, &w, err);
	}
	return r;
}

static bool has_ids(const struct field *fields, struct json_object *doc)
{
	for (const struct field *f = fields; f && f->name; f++) {
		bool inside = f->type == FIELD_OBJECT && f->fields;
		struct json_object *v;

		if (!field_settable(f) || !(inside || (f->flags & FIELD_KEY_IDS)))
			continue;
		v = doc_member(doc, f->name);
		if (v && ((f->flags & FIELD_KEY_IDS) || has_ids(f->fields, v)))
			return true;
	}
	return false;
}

int doc_resolved(const struct field *fields, struct json_object *doc, const struct doc_context *ctx, struct json_object **ret,
		 struct err *err)
{
	cleanup_json_ struct json_object *copy = NULL;
	int r;

	if (!has_ids(fields, doc)) {
		*ret = json_object_get(doc);
		return 0;
	}
	r = doc_copy(doc, &copy);
	if (r < 0)
		return err_set(err, ENOMEM, "out of memory");
	r = resolve(fields, copy, ctx, NULL, err);
	if (r == 0)
		*ret = steal_ptr(copy);
	return r;
}
