/* What must be sent so that the account means what the document says. */
#include "api/doc.h"

#include <errno.h>

#include "api/doc_patch.h"
#include "api/doc_path.h"

static void diff_clear(struct diff *x)
{
	json_object_put(x->raw);
	json_object_put(x->a);
	json_object_put(x->d);
	json_object_put(x->s);
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

/* A place in the three objects of struct diff. */
struct sides {
	struct json_object *a, *d, *s;
};

static int check_fixed(const struct diff *x, const struct field *fields, const struct sides *at, const struct doc_path *up,
		       struct err *err)
{
	int r = 0;

	for (const struct field *f = fields; r == 0 && f->name; f++) {
		const struct sides in = {
			doc_member(at->a, f->name),
			doc_member(at->d, f->name),
			doc_member(at->s, f->name),
		};
		struct doc_path path = { up, f->name, 0 };

		if (!field_settable(f) || (!in.a && !in.d))
			continue;
		if ((f->flags & FIELD_CREATE_ONLY) && !doc_member_same(&x->comparing, f, in.a, in.d, in.s))
			r = refuse_change(f, &path, in.a, err);
		else if (f->type == FIELD_OBJECT && f->fields && !(f->flags & FIELD_CREATE_ONLY))
			r = check_fixed(x, f->fields, &in, &path, err);
	}
	return r;
}

/* ---- the patch ---- */

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

int doc_diff(struct doc_file file, struct json_object *object, const struct doc_context *ctx, struct json_object **ret,
	     struct err *err)
{
	const struct kind *kind = file.kind;
	cleanup_diff_ struct diff x = { .comparing = { .ctx = ctx } };
	int r = load_kind(&x, kind, object, file.doc, err);

	if (r < 0)
		return r;
	r = check_fixed(&x, kind->fields, &(struct sides){ x.a, x.d, x.s }, NULL, err);
	if (r < 0)
		return r;
	r = unknown_same(&x, object);
	if (r == 0)
		r = doc_make_patch(&x);
	if (r == 0)
		r = patch_label(&x, kind, object, file.identity);
	if (r == 0 && kind->hooks && kind->hooks->to_api && json_object_object_length(x.patch))
		r = kind->hooks->to_api(x.patch, false);
	if (r < 0)
		return err_set(err, ENOMEM, "out of memory");
	*ret = json_object_object_length(x.patch) ? steal_ptr(x.patch) : NULL;
	return 0;
}

bool doc_same(const struct kind *kind, struct json_object *object, struct json_object *doc, const struct doc_context *ctx)
{
	cleanup_diff_ struct diff x = { .comparing = { .ctx = ctx } };

	if (load_kind(&x, kind, object, doc, NULL) < 0 || unknown_same(&x, object) < 0)
		return false;
	return doc_object_same(&x.comparing, kind->fields, x.a, x.d, x.s);
}

int doc_part_diff(const struct part *part, struct json_object *object, struct json_object *doc, const struct doc_context *ctx,
		  struct json_object **ret, struct err *err)
{
	cleanup_diff_ struct diff x = { .comparing = { .ctx = ctx } };
	struct json_object *whole;
	int r = load(&x, part->fields, part->key ? doc_member(object, part->key) : object, doc, err);

	if (r < 0)
		return r;
	r = doc_make_patch(&x);
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
