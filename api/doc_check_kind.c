/* A resource's document: its identity and version, its table, its kind's own rules. */
#include "api/doc.h"

#include <errno.h>

#include "api/doc_value.h"

static bool has_status_file(const struct kind *kind)
{
	for (const struct leaf *l = kind->leaves; l && l->name; l++) {
		if (l->source == LEAF_STATUS)
			return true;
	}
	return false;
}

/* For editors: it is none of the document. */
int doc_take_schema(struct json_object *doc, struct err *err)
{
	struct json_object *v = doc_member(doc, "$schema");

	if (v && !json_object_is_type(v, json_type_string))
		return err_set(err, EINVAL, "$schema: must be a string, the address of a JSON Schema");
	if (doc_has(doc, "$schema"))
		json_object_object_del(doc, "$schema");
	return 0;
}

/* "version" is a precondition, no setting. */
static int take_version(const struct kind *kind, struct json_object *doc, const struct doc_context *ctx, int64_t *ret,
			struct err *err)
{
	struct json_object *v = doc_member(doc, "version");
	const struct field *f = field_find(kind->fields, "version");
	int64_t version;

	if (!f || !(f->flags & FIELD_STATUS) || !doc_has(doc, "version"))
		return 0;
	if (v && (!doc_whole(v, &version) || version < 0)) {
		if (ctx->validate == VALIDATE_OFF)
			return 0;
		return err_set(err, EINVAL,
			       "version: must be an integer that is not negative: the version that the account must "
			       "have for this to be sent");
	}
	if (v)
		*ret = version;
	json_object_object_del(doc, "version");
	return 0;
}

static int refuse_identity(const struct kind *kind, const char *path, struct json_object *v, const char *identity,
			   struct err *err)
{
	if (!json_object_is_type(v, json_type_string))
		return err_set(err, EINVAL, "%s: must be the string \"%.200s\", as the file is called, or be left out", path,
			       identity);
	return err_set(err, EINVAL, "%s: is \"%.100s\", must be \"%.100s\", as the file is called%s", path,
		       json_object_get_string(v), identity, kind->verbs & KIND_RENAME ? " (rename the file to change it)" : "");
}

static int take_identity(const struct kind *kind, struct json_object *doc, const char *identity, struct err *err)
{
	for (const struct field *f = kind->fields; f->name; f++) {
		struct json_object *v = doc_member(doc, f->name);

		if (!(f->flags & FIELD_IDENTITY))
			continue;
		if (v && identity &&
		    (!json_object_is_type(v, json_type_string) || strcmp(json_object_get_string(v), identity) != 0))
			return refuse_identity(kind, f->name, v, identity, err);
		json_object_object_del(doc, f->name);
	}
	return 0;
}

static int take_label(const struct kind *kind, struct json_object *doc, const char *identity, struct err *err)
{
	const char *label = kind->flags & KIND_LABEL_NAME ? doc_name_label(doc) : NULL;

	if (!label)
		return 0;
	if (identity && strcmp(label, identity) != 0)
		return err_set(err, EINVAL,
			       "labels: the label " DOC_NAME_LABEL " is \"%.100s\", must be \"%.100s\", as the file is "
			       "called, or be left out",
			       label, identity);
	return doc_set_name_label(doc, NULL) < 0 ? err_set(err, ENOMEM, "out of memory") : 0;
}

int doc_check(struct doc_file file, bool creating, const struct doc_context *ctx, int64_t *ret_version, struct err *err)
{
	const struct kind *kind = file.kind;
	struct json_object *doc = file.doc;
	int64_t version = -1;
	int r = doc_take_schema(doc, err);

	if (r == 0 && json_object_is_type(doc, json_type_object))
		r = take_version(kind, doc, ctx, &version, err);
	if (r == 0 && json_object_is_type(doc, json_type_object))
		r = take_identity(kind, doc, file.identity, err);
	if (r == 0)
		r = doc_check_fields(kind->fields, doc, ctx, creating, has_status_file(kind), err);
	if (r == 0)
		r = take_label(kind, doc, file.identity, err);
	if (r == 0 && ctx->validate != VALIDATE_OFF && kind->hooks && kind->hooks->check)
		r = kind->hooks->check(kind, doc, file.identity, creating, err);
	if (r == 0)
		*ret_version = version;
	return r;
}

/* ---- credentials ---- */

static const char *const permissions[] = { "pull", "push", "library_push", "list", NULL };

#define REQUEST_FIELDS(flag_)                                                                                                    \
	{                                                                                                                        \
		{ .name = "permissions",                                                                                         \
		  .type = FIELD_ARRAY,                                                                                           \
		  .item = FIELD_STRING,                                                                                          \
		  .flags = FIELD_SET | (flag_),                                                                                  \
		  .words = permissions },                                                                                        \
			{ .name = "expiration_minutes", .type = FIELD_INT, .flags = (flag_), .min = 1, .max = FIELD_UNBOUNDED }, \
			{ .name = NULL },                                                                                        \
	}

static const struct field managed_request[] = REQUEST_FIELDS(FIELD_REQUIRED | FIELD_NONEMPTY);
static const struct field external_request[] = REQUEST_FIELDS(0);

int doc_credentials_check(struct json_object *doc, bool managed, struct err *err)
{
	struct doc_context ctx = { .validate = VALIDATE_STRICT };

	return doc_check_fields(managed ? managed_request : external_request, doc, &ctx, managed, false, err);
}

/* ---- secrets ---- */

static bool holds_secret(const struct field *fields, struct json_object *v)
{
	if (json_object_is_type(v, json_type_array)) {
		for (size_t i = 0; i < json_object_array_length(v); i++) {
			if (holds_secret(fields, json_object_array_get_idx(v, i)))
				return true;
		}
		return false;
	}
	for (const struct field *f = fields; f && f->name; f++) {
		struct json_object *sub = doc_member(v, f->name);

		if (!sub)
			continue;
		if ((f->flags & FIELD_SECRET) && json_object_is_type(sub, json_type_string))
			return true;
		if (f->fields && holds_secret(f->fields, sub))
			return true;
	}
	return false;
}

bool doc_has_secret(const struct kind *kind, struct json_object *doc)
{
	return holds_secret(kind->fields, doc);
}

static void drop_secrets(const struct field *fields, struct json_object *v)
{
	if (json_object_is_type(v, json_type_array)) {
		for (size_t i = 0; i < json_object_array_length(v); i++)
			drop_secrets(fields, json_object_array_get_idx(v, i));
		return;
	}
	for (const struct field *f = fields; f && f->name; f++) {
		struct json_object *sub = doc_member(v, f->name);

		if (sub && (f->flags & FIELD_SECRET) && json_object_is_type(sub, json_type_string))
			json_object_object_del(v, f->name);
		else if (sub && f->fields)
			drop_secrets(f->fields, sub);
	}
}

void doc_drop_secrets(const struct kind *kind, struct json_object *doc)
{
	drop_secrets(kind->fields, doc);
}

static bool has_secret_field(const struct field *fields)
{
	for (const struct field *f = fields; f && f->name; f++) {
		if (field_settable(f) && ((f->flags & FIELD_SECRET) || has_secret_field(f->fields)))
			return true;
	}
	return false;
}

bool doc_may_hold_secret(const struct kind *kind)
{
	return has_secret_field(kind->fields);
}
