/* What must be sent so that the account means what the document says. */
#include "api/doc.h"

#include <errno.h>

#include "api/doc_normal.h"
#include "api/doc_path.h"

struct diff {
	struct comparing comparing;
	const struct field *fields;
	struct json_object *raw;      /* the document as written, references resolved; to read alone */
	/* Normal: the account's, the document's, the service's defaults; a and d without what stands in both alike. */
	struct json_object *a, *d, *s;
	struct json_object *patch;
};

static void diff_clear(struct diff *x)
{
	json_object_put(x->raw);
	json_object_put(x->a);
	json_object_put(x->d);
	json_object_put(x->s);
	json_object_put(x->patch);
}
#define cleanup_diff_ cleanup_(diff_clear)

static int load(struct diff *x, const struct field *fields, struct json_object *shaped, struct json_object *doc,
		struct err *err)
{
	const struct doc_context *ctx = x->comparing.ctx;
	cleanup_json_ struct json_object *a = NULL, *d = NULL;
	int r = doc_resolved(fields, doc, ctx, &x->raw, err);

	x->fields = fields;
	if (r == 0 && !x->comparing.lenient && json_object_is_type(shaped, json_type_object) &&
	    json_object_is_type(x->raw, json_type_object))
		r = doc_unlike(fields, shaped, x->raw, &a, &d);
	if (r == 0)
		r = doc_normal(fields, d ? d : x->raw, ctx, false, &x->d);
	if (r == 0)
		r = doc_normal(fields, a ? a : shaped, ctx, true, &x->a);
	if (r == 0)
		r = doc_normal(fields, ctx->service_defaults, ctx, true, &x->s);
	return r == -ENOMEM ? err_set(err, ENOMEM, "out of memory") : r;
}

/* The document, without the label that carries its name: that one is no setting. */
static int load_kind(struct diff *x, const struct kind *kind, struct json_object *object, struct json_object *doc,
		     struct err *err)
{
	cleanup_json_ struct json_object *shaped = NULL, *plain = NULL;
	int r = doc_shape(kind, object, &shaped);

	x->comparing.lenient = kind->flags & KIND_NEW_ONLY;
	if (r == 0 && (kind->flags & KIND_LABEL_NAME)) {
		r = doc_copy(doc, &plain);
		if (r == 0)
			r = doc_set_name_label(plain, NULL);
	}
	if (r < 0)
		return err_set(err, ENOMEM, "out of memory");
	return load(x, kind->fields, shaped, plain ? plain : doc, err);
}

/* ---- fields that cannot change ---- */

static int refuse_change(const struct field *f, const struct doc_path *at, struct json_object *a, struct err *err)
{
	char text[NUMBER_TEXT_SIZE], path[PATH_TEXT_SIZE];

	doc_path_text(at, path);
	if (!a && f->default_json)
		return err_set(err, EINVAL, "%s: can be set at creation only, and must stay %s", path, f->default_json);
	if (!a)
		return err_set(err, EINVAL, "%s: can be set at creation only, and the account has none", path);
	if (json_object_is_type(a, json_type_boolean))
		return err_set(err, EINVAL, "%s: can be set at creation only, and must stay %s", path,
			       json_object_get_boolean(a) ? "true" : "false");
	if (doc_is_number(a))
		return err_set(err, EINVAL, "%s: can be set at creation only, and must stay %s", path, doc_number_text(a, text));
	return err_set(err, EINVAL, "%s: can be set at creation only, and must stay as the account has it", path);
}

static int check_fixed(const struct diff *x, const struct field *fields, struct json_object *a, struct json_object *d,
		       struct json_object *s, const struct doc_path *up, struct err *err)
{
	int r = 0;

	for (const struct field *f = fields; r == 0 && f->name; f++) {
		struct json_object *av = doc_member(a, f->name), *dv = doc_member(d, f->name), *sv = doc_member(s, f->name);
		struct doc_path path = { up, f->name, 0 };

		if (!field_settable(f) || (!av && !dv))
			continue;
		if ((f->flags & FIELD_CREATE_ONLY) && !doc_member_same(&x->comparing, f, av, dv, sv))
			r = refuse_change(f, &path, av, err);
		else if (f->type == FIELD_OBJECT && f->fields && !(f->flags & FIELD_CREATE_ONLY))
			r = check_fixed(x, f->fields, av, dv, sv, &path, err);
	}
	return r;
}

/* ---- what was removed ---- */

/* Whether the number stands in the account because someone wrote it, and the document lacks it. */
static bool size_removed(const struct diff *x, struct json_object *a, struct json_object *d, struct json_object *s,
			 enum size_dimension dim)
{
	struct doc_size account = doc_size_explicit(a), defaults = doc_size_remembered(a, d, s), wanted = doc_size_explicit(d);

	if (!account.known[dim] || wanted.known[dim] || doc_member(a, "instance_type"))
		return false;
	/* Beside a type no number may stay. */
	if (doc_member(d, "instance_type"))
		return true;
	return !doc_size_is_default(&x->comparing, dim, &account, &defaults);
}

/* Whether the account may have a type that it answers by its numbers alone. Where they are its defaults, it makes no difference. */
static bool type_hidden(const struct diff *x, struct json_object *a)
{
	struct doc_size account = doc_size_explicit(a), defaults = doc_size_defaults(x->comparing.ctx);
	bool usual = true;

	for (enum size_dimension i = 0; i < SIZE_DIMENSIONS; i++)
		usual = usual && defaults.known[i] && defaults.value[i] == account.value[i];
	return !usual && doc_size_is_a_type(&account);
}

static bool type_removed(const struct diff *x, const struct field *fields, struct json_object *a, struct json_object *d,
			 struct json_object *s)
{
	struct doc_size wanted = doc_size_explicit(d);

	if (doc_member(d, "instance_type"))
		return false;
	if (!doc_member(a, "instance_type"))
		return type_hidden(x, a) && !doc_sizes_same(&x->comparing, fields, a, d, s);
	return wanted.known[SIZE_VCPU] || wanted.known[SIZE_MEMORY] || wanted.known[SIZE_DISK] ||
	       !doc_sizes_same(&x->comparing, fields, a, d, s);
}

static int null_sizes(const struct diff *x, const struct field *fields, struct json_object *a, struct json_object *d,
		      struct json_object *s, struct json_object *out)
{
	int r = 0;

	if (type_removed(x, fields, a, d, s))
		r = doc_set_null(out, "instance_type");
	for (enum size_dimension i = 0; r == 0 && i < SIZE_DIMENSIONS; i++) {
		if (field_find_settable(fields, doc_size_key(i)) && size_removed(x, a, d, s, i))
			r = doc_set_null(out, doc_size_key(i));
	}
	return r;
}

/* In place: null for what the account has inside the object and the document, out, lacks. */
static int null_removed(const struct diff *x, const struct field *fields, struct json_object *a, struct json_object *d,
			struct json_object *s, struct json_object *out)
{
	bool sizes = doc_size_table(fields);
	int r = sizes ? null_sizes(x, fields, a, d, s, out) : 0;

	if (!json_object_is_type(a, json_type_object))
		return r;
	json_object_object_foreach(a, key, value) {
		const struct field *f = field_find_settable(fields, key);
		struct json_object *dv = doc_member(d, key), *sv = doc_member(s, key), *ov = doc_member(out, key);

		if (r < 0 || (sizes && doc_size_field(key)))
			continue;
		if (!dv && !doc_member_same(&x->comparing, f, value, NULL, sv) && (doc_is_empty(ov)))
			r = doc_set_null(out, key);
		else if (json_object_is_type(value, json_type_object) && json_object_is_type(ov, json_type_object))
			r = null_removed(x, f ? f->fields : NULL, value, dv, sv, ov);
	}
	return r;
}

/* ---- the patch ---- */

/* The key under which the document wrote the field: its own, or a deprecated spelling. */
static const char *written_key(const struct diff *x, const char *key)
{
	for (const struct field *f = x->fields; f->name && !doc_has(x->raw, key); f++) {
		if (f->modern && strcmp(f->modern, key) == 0 && doc_member(x->raw, f->name))
			return f->name;
	}
	return key;
}

/* A changed field: as written, with null inside for what was removed; null where it was removed itself. */
static int send_field(struct diff *x, const struct field *f, const char *key)
{
	const char *written = written_key(x, key);
	struct json_object *v = doc_member(x->raw, written), *copy = NULL;
	int r;

	if (doc_is_empty(v))
		return doc_set_null(x->patch, key);
	r = doc_copy(v, &copy);
	if (r == 0 && json_object_is_type(copy, json_type_object))
		r = null_removed(x, f ? f->fields : NULL, doc_member(x->a, key), doc_member(x->d, key),
				 doc_member(x->s, key), copy);
	if (r < 0) {
		json_object_put(copy);
		return r;
	}
	return doc_set(x->patch, written, copy);
}

static bool field_same(const struct diff *x, const struct field *f, const char *key)
{
	return doc_member_same(&x->comparing, f, doc_member(x->a, key), doc_member(x->d, key), doc_member(x->s, key));
}

/* The size of a document at its top: the type, or each number that differs, in the spelling that was written. */
static int send_sizes(struct diff *x)
{
	bool retyped = type_removed(x, x->fields, x->a, x->d, x->s);
	int r = 0;

	if (!doc_size_table(x->fields) || doc_sizes_same(&x->comparing, x->fields, x->a, x->d, x->s))
		return 0;
	for (const struct field *f = x->fields; r == 0 && f->name; f++) {
		const char *modern = f->modern ? f->modern : f->name;

		if (!field_settable(f) || !doc_size_field(f->name) || !doc_member(x->raw, f->name))
			continue;
		if (retyped || !doc_member(x->a, modern) ||
		    !doc_same_text(doc_member(x->a, modern), doc_member(x->d, modern)))
			r = send_field(x, f, f->name);
	}
	return r < 0 ? r : null_sizes(x, x->fields, x->a, x->d, x->s, x->patch);
}

static int make_patch(struct diff *x)
{
	bool sizes = doc_size_table(x->fields);
	int r = 0;

	x->patch = json_object_new_object();
	if (!x->patch)
		return -ENOMEM;
	for (const struct field *f = x->fields; r == 0 && f->name; f++) {
		if (!field_settable(f) || f->modern || (sizes && doc_size_field(f->name)))
			continue;
		if (!field_same(x, f, f->name))
			r = send_field(x, f, f->name);
	}
	/* Fields that the contract does not know, where validation lets them pass. */
	json_object_object_foreach(x->d, key, value) {
		(void)value;
		if (r == 0 && !field_find(x->fields, key))
			r = send_field(x, NULL, key);
	}
	return r < 0 ? r : send_sizes(x);
}

static bool has_unknown(const struct diff *x)
{
	json_object_object_foreach(x->d, key, value) {
		(void)value;
		if (!field_find(x->fields, key))
			return true;
	}
	return false;
}

/* Fields that only validation's absence lets pass: those that the account has too are taken out. */
static int unknown_same(struct diff *x, struct json_object *object)
{
	size_t count = 0;
	cleanup_free_ const char **same = NULL;
	cleanup_json_ struct json_object *all = NULL;
	int r;

	if (!has_unknown(x))
		return 0;
	same = calloc((size_t)json_object_object_length(x->d) + 1, sizeof(*same));
	r = same ? doc_normal(x->fields, object, x->comparing.ctx, false, &all) : -ENOMEM;
	if (r < 0)
		return r;
	json_object_object_foreach(x->d, key, value) {
		if (!field_find(x->fields, key) && doc_same_text(value, doc_member(all, key)))
			same[count++] = key;
	}
	while (count)
		json_object_object_del(x->d, same[--count]);
	return 0;
}

/* The name's label goes with every list of labels, and is put back where the account lost it. */
static int patch_label(struct diff *x, const struct kind *kind, struct json_object *object, const char *identity)
{
	const char *have = doc_name_label(object), *id = kind_id(kind, object);
	struct json_object *labels;
	int r = 0;

	if (!(kind->flags & KIND_LABEL_NAME) || !identity || (id && strcmp(identity, id) == 0))
		return 0;
	if (have && strcmp(have, identity) == 0 && !doc_has(x->patch, "labels"))
		return 0;
	labels = doc_member(x->raw, "labels");
	if (labels)
		r = doc_set(x->patch, "labels", json_object_get(labels));
	return r < 0 ? r : doc_set_name_label(x->patch, identity);
}

int doc_diff(const struct kind *kind, struct json_object *object, struct json_object *doc, const char *identity,
	     const struct doc_context *ctx, struct json_object **ret, struct err *err)
{
	cleanup_diff_ struct diff x = { .comparing = { .ctx = ctx } };
	int r = load_kind(&x, kind, object, doc, err);

	if (r < 0)
		return r;
	r = check_fixed(&x, kind->fields, x.a, x.d, x.s, NULL, err);
	if (r < 0)
		return r;
	r = unknown_same(&x, object);
	if (r == 0)
		r = make_patch(&x);
	if (r == 0)
		r = patch_label(&x, kind, object, identity);
	if (r == 0 && kind->hooks && kind->hooks->to_api && json_object_object_length(x.patch))
		r = kind->hooks->to_api(x.patch, false);
	if (r < 0)
		return err_set(err, ENOMEM, "out of memory");
	*ret = json_object_object_length(x.patch) ? steal_ptr(x.patch) : NULL;
	return 0;
}

bool doc_same(const struct kind *kind, struct json_object *object, struct json_object *doc, const char *identity,
	      const struct doc_context *ctx)
{
	cleanup_diff_ struct diff x = { .comparing = { .ctx = ctx } };

	(void)identity;
	if (load_kind(&x, kind, object, doc, NULL) < 0 || unknown_same(&x, object) < 0)
		return false;
	return doc_object_same(&x.comparing, kind->fields, x.a, x.d, x.s);
}

int doc_part_diff(const struct part *part, struct json_object *object, struct json_object *doc,
		  const struct doc_context *ctx, struct json_object **ret, struct err *err)
{
	cleanup_diff_ struct diff x = { .comparing = { .ctx = ctx } };
	struct json_object *whole;
	int r = load(&x, part->fields, part->key ? doc_member(object, part->key) : object, doc, err);

	if (r < 0)
		return r;
	r = make_patch(&x);
	if (r < 0)
		return err_set(err, ENOMEM, "out of memory");
	if (json_object_object_length(x.patch) == 0) {
		*ret = NULL;
		return 0;
	}
	if (!part->key) {
		*ret = steal_ptr(x.patch);
		return 0;
	}
	whole = json_object_new_object();
	if (!whole || doc_set(whole, part->key, steal_ptr(x.patch)) < 0) {
		json_object_put(whole);
		return err_set(err, ENOMEM, "out of memory");
	}
	*ret = whole;
	return 0;
}
