/* What must be sent so that the account means what the document says. */
#include "api/doc.h"

#include <errno.h>

#include "api/doc_normal.h"
#include "api/doc_path.h"

/* One place in the documents; borrowed from them. */
struct sides {
	struct json_object *shown;     /* the account's, in its own spelling */
	struct json_object *a, *d, *s; /* normal: the account's, the document's, the service's defaults */
};

static struct sides inside(const struct sides *up, const char *key)
{
	return (struct sides){ doc_member(up->shown, key), doc_member(up->a, key), doc_member(up->d, key),
			       doc_member(up->s, key) };
}

struct diff {
	struct comparing comparing;
	const struct field *fields;
	struct json_object *raw; /* the document as written, references resolved; to read alone */
	struct sides top;        /* owned; a, d and shown without what stands in both documents alike */
	struct json_object *patch;
};

static void diff_clear(struct diff *x)
{
	json_object_put(x->raw);
	json_object_put(x->top.shown);
	json_object_put(x->top.a);
	json_object_put(x->top.d);
	json_object_put(x->top.s);
	json_object_put(x->patch);
}
#define cleanup_diff_ cleanup_(diff_clear)

static int load(struct diff *x, const struct field *fields, struct json_object *shaped, struct json_object *doc, struct err *err)
{
	const struct doc_context *ctx = x->comparing.ctx;
	cleanup_json_ struct json_object *a = NULL, *d = NULL;
	int r = doc_resolved(fields, doc, ctx, &x->raw, err);

	x->fields = fields;
	if (r == 0 && !x->comparing.lenient && json_object_is_type(shaped, json_type_object) &&
	    json_object_is_type(x->raw, json_type_object))
		r = doc_unlike(fields, shaped, x->raw, &a, &d);
	if (r == 0)
		r = doc_normal(fields, d ? d : x->raw, ctx, false, &x->top.d);
	if (r == 0)
		r = doc_normal(fields, a ? a : shaped, ctx, true, &x->top.a);
	if (r == 0)
		r = doc_normal(fields, ctx->service_defaults, ctx, true, &x->top.s);
	if (r == 0)
		x->top.shown = json_object_get(a ? a : shaped);
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
static bool size_removed(const struct diff *x, const struct sides *at, enum size_dimension dim)
{
	struct doc_size account = doc_size_explicit(at->a), wanted = doc_size_explicit(at->d);
	struct doc_size defaults = doc_size_remembered(at->a, at->d, at->s);

	if (!account.known[dim] || wanted.known[dim] || doc_member(at->a, "instance_type"))
		return false;
	/* Beside a type no number may stay. */
	if (doc_member(at->d, "instance_type"))
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

static bool sizes_same(const struct diff *x, const struct field *fields, const struct sides *at)
{
	return doc_sizes_same(&x->comparing, fields, at->a, at->d, at->s);
}

static bool type_removed(const struct diff *x, const struct field *fields, const struct sides *at)
{
	struct doc_size wanted = doc_size_explicit(at->d);

	if (doc_member(at->d, "instance_type"))
		return false;
	if (!doc_member(at->a, "instance_type"))
		return type_hidden(x, at->a) && !sizes_same(x, fields, at);
	return wanted.known[SIZE_VCPU] || wanted.known[SIZE_MEMORY] || wanted.known[SIZE_DISK] || !sizes_same(x, fields, at);
}

static int null_sizes(const struct diff *x, const struct field *fields, const struct sides *at, struct json_object *out)
{
	int r = 0;

	if (type_removed(x, fields, at))
		r = doc_set_null(out, "instance_type");
	for (enum size_dimension i = 0; r == 0 && i < SIZE_DIMENSIONS; i++) {
		if (field_find_settable(fields, doc_size_key(i)) && size_removed(x, at, i))
			r = doc_set_null(out, doc_size_key(i));
	}
	return r;
}

/* In place: where a value that has two spellings changes in one, null for the other that the account shows: it would stay, and the
   two say different things. */
static int null_twins(const struct field *fields, const struct sides *at, struct json_object *out)
{
	int r = 0;

	for (const struct field *f = fields; r == 0 && f && f->name; f++) {
		const char *gone;

		if (!f->modern || !field_settable(f) || doc_has(out, f->name) == doc_has(out, f->modern))
			continue;
		gone = doc_has(out, f->name) ? f->modern : f->name;
		if (doc_member(at->shown, gone) && !doc_same_text(doc_member(at->a, f->modern), doc_member(at->d, f->modern)))
			r = doc_set_null(out, gone);
	}
	return r;
}

/* In place: null for what the account has inside the object and the document, out, lacks. */
static int null_removed(const struct diff *x, const struct field *fields, const struct sides *at, struct json_object *out)
{
	bool sizes = doc_size_table(fields);
	int r = sizes ? null_sizes(x, fields, at, out) : 0;

	if (!json_object_is_type(at->a, json_type_object))
		return r;
	json_object_object_foreach(at->a, key, value) {
		const struct field *f = field_find_settable(fields, key);
		struct json_object *ov = doc_member(out, key);
		struct sides sub = inside(at, key);
		bool removed = !sub.d && doc_is_empty(ov) && !(sizes && doc_size_field(key));

		if (r < 0)
			break;
		if (removed && !doc_member_same(&x->comparing, f, value, NULL, sub.s))
			r = doc_set_null(out, key);
		else if (json_object_is_type(value, json_type_object) && json_object_is_type(ov, json_type_object))
			r = null_removed(x, f ? f->fields : NULL, &sub, ov);
	}
	return r < 0 ? r : null_twins(fields, at, out);
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
	struct sides at = inside(&x->top, key);
	cleanup_json_ struct json_object *copy = NULL;
	int r = doc_copy(doc_member(x->raw, written), &copy);

	if (r == 0)
		r = doc_sendable(f, &copy);
	if (r == 0 && doc_is_empty(copy))
		return doc_set_null(x->patch, key);
	if (r == 0 && json_object_is_type(copy, json_type_object))
		r = null_removed(x, f ? f->fields : NULL, &at, copy);
	return r < 0 ? r : doc_set(x->patch, written, steal_ptr(copy));
}

static bool field_same(const struct diff *x, const struct field *f, const char *key)
{
	return doc_member_same(&x->comparing, f, doc_member(x->top.a, key), doc_member(x->top.d, key), doc_member(x->top.s, key));
}

/* The size of a document at its top: the type, or each number that differs, in the spelling that was written. */
static int send_sizes(struct diff *x)
{
	bool retyped = type_removed(x, x->fields, &x->top);
	int r = 0;

	if (!doc_size_table(x->fields) || sizes_same(x, x->fields, &x->top))
		return 0;
	for (const struct field *f = x->fields; r == 0 && f->name; f++) {
		struct sides at = inside(&x->top, f->modern ? f->modern : f->name);

		if (!field_settable(f) || !doc_size_field(f->name) || !doc_member(x->raw, f->name))
			continue;
		if (retyped || !at.a || !doc_same_text(at.a, at.d))
			r = send_field(x, f, f->name);
	}
	if (r == 0)
		r = null_sizes(x, x->fields, &x->top, x->patch);
	return r < 0 ? r : null_twins(x->fields, &x->top, x->patch);
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
	json_object_object_foreach(x->top.d, key, value) {
		(void)value;
		if (r == 0 && !field_find(x->fields, key))
			r = send_field(x, NULL, key);
	}
	return r < 0 ? r : send_sizes(x);
}

static bool has_unknown(const struct diff *x)
{
	json_object_object_foreach(x->top.d, key, value) {
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
	same = calloc((size_t)json_object_object_length(x->top.d) + 1, sizeof(*same));
	r = same ? doc_normal(x->fields, object, x->comparing.ctx, false, &all) : -ENOMEM;
	if (r < 0)
		return r;
	json_object_object_foreach(x->top.d, key, value) {
		if (!field_find(x->fields, key) && doc_same_text(value, doc_member(all, key)))
			same[count++] = key;
	}
	while (count)
		json_object_object_del(x->top.d, same[--count]);
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
	r = check_fixed(&x, kind->fields, x.top.a, x.top.d, x.top.s, NULL, err);
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
	return doc_object_same(&x.comparing, kind->fields, x.top.a, x.top.d, x.top.s);
}

int doc_part_diff(const struct part *part, struct json_object *object, struct json_object *doc, const struct doc_context *ctx,
		  struct json_object **ret, struct err *err)
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
