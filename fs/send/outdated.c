#include "fs/send/outdated.h"

#include <errno.h>

#include "api/doc_json.h"

/* ---- comparing ---- */

static int add_field(const char *path, struct json_object *before, struct json_object *after, const struct field_words *words,
		     struct json_object *out)
{
	struct json_object *row = json_object_new_object();
	int r = doc_set(row, "field", json_object_new_string(path));

	if (r == 0 && before)
		r = doc_set(row, words->before, json_object_get(before));
	if (r == 0 && after)
		r = doc_set(row, words->after, json_object_get(after));
	if (r < 0) {
		json_object_put(row);
		return r;
	}
	return doc_append(out, row);
}

/* Whether every item has a name of its own. */
static bool is_named(struct json_object *array)
{
	size_t n = json_object_is_type(array, json_type_array) ? json_object_array_length(array) : 0;

	for (size_t i = 0; i < n; i++) {
		const char *name = json_get_string(json_object_array_get_idx(array, i), "name");

		for (size_t k = 0; name && k < i; k++) {
			if (!strcmp(json_get_string(json_object_array_get_idx(array, k), "name"), name))
				return false;
		}
		if (!name)
			return false;
	}
	return n;
}

/* The array as an object, name by name: of {"name","value"} the value alone. A new reference; NULL without memory. */
static struct json_object *by_name(struct json_object *array)
{
	cleanup_json_ struct json_object *out = json_object_new_object();

	for (size_t i = 0; out && array && i < json_object_array_length(array); i++) {
		struct json_object *item = json_object_array_get_idx(array, i), *value = doc_member(item, "value");
		bool pair = value && json_object_object_length(item) == 2;

		if (doc_set(out, json_get_string(item, "name"), json_object_get(pair ? value : item)) < 0)
			return NULL;
	}
	return steal_ptr(out);
}

static int compare(const char *path, struct json_object *before, struct json_object *after, const struct field_words *words,
		   struct json_object *out);

/* bracket: "[NAME]" behind the path, else ".NAME". */
static int compare_member(const char *path, const char *key, bool bracket, struct json_object *pair[2],
			  const struct field_words *words, struct json_object *out)
{
	cleanup_free_ char *below = NULL;
	int n = bracket ? text_format(&below, "%s[%s]", path, key) : text_format(&below, "%s%s%s", path, *path ? "." : "", key);

	return n < 0 ? -ENOMEM : compare(below, pair[0], pair[1], words, out);
}

static int compare_objects(const char *path, bool bracket, struct json_object *before, struct json_object *after,
			   const struct field_words *words, struct json_object *out)
{
	int r = 0;

	json_object_object_foreach(after, key, value) {
		struct json_object *pair[2] = { doc_member(before, key), value };

		if (r == 0)
			r = compare_member(path, key, bracket, pair, words, out);
	}
	if (!before)
		return r;
	json_object_object_foreach(before, gone, had) {
		struct json_object *pair[2] = { had, NULL };

		if (r == 0 && !doc_member(after, gone))
			r = compare_member(path, gone, bracket, pair, words, out);
	}
	return r;
}

static int compare_named(const char *path, struct json_object *before, struct json_object *after, const struct field_words *words,
			 struct json_object *out)
{
	cleanup_json_ struct json_object *old = by_name(before), *new = by_name(after);

	return old && new ? compare_objects(path, true, old, new, words, out) : -ENOMEM;
}

static int compare(const char *path, struct json_object *before, struct json_object *after, const struct field_words *words,
		   struct json_object *out)
{
	bool objects = (!before || json_object_is_type(before, json_type_object)) &&
		       (!after || json_object_is_type(after, json_type_object));

	if (json_object_equal(before, after) || (doc_is_empty(before) && doc_is_empty(after)))
		return 0;
	if (objects) {
		cleanup_json_ struct json_object *none = json_object_new_object();

		return none ? compare_objects(path, false, before, after ? after : none, words, out) : -ENOMEM;
	}
	if ((!before || is_named(before)) && (!after || is_named(after)))
		return compare_named(path, before, after, words, out);
	return add_field(path, before, after, words, out);
}

int outdated_compare(struct json_object *before, struct json_object *after, const struct field_words *words,
		     struct json_object *out)
{
	return compare("", before, after, words, out);
}

/* ---- what it was ---- */

int outdated_base(const struct gathered *g, struct buf *out)
{
	const struct identity *what = g->wish.what;
	struct json_object *part = what->part ? g->object : NULL;

	if (!g->exists || what->leaf)
		return 0;
	if (what->part)
		return doc_render_fields(what->part->fields, what->part->key ? doc_member(part, what->part->key) : part, out);
	if (what->kind->flags & KIND_SECRET)
		return buf_addf(out, "{\"version\":%lld}", (long long)g->version);
	return g->object ? doc_render(what->kind, DOC_SETTABLE, g->object, g->context.doc.written, &g->context.doc, out) : 0;
}

/* ---- what it will be ---- */

static int overlay_part(const struct change *c, struct json_object *object)
{
	struct json_object *patch = doc_member(c->patch, c->part->key), *into = doc_member(object, c->part->key);
	int r = 0;

	if (!patch || !into)
		return 0;
	json_object_object_foreach(patch, key, value) {
		if (r == 0)
			r = value ? doc_set(into, key, json_object_get(value)) : doc_set_null(into, key);
	}
	return r;
}

int outdated_after(const struct gathered *g, const struct change *c, struct json_object **ret)
{
	cleanup_json_ struct json_object *object = NULL;
	cleanup_buf_ struct buf text = BUF_INIT;
	struct gathered after = *g;
	int r = doc_copy(g->object, &object);

	if (r == 0 && c->patch)
		r = c->part ? overlay_part(c, object) : doc_lay_over(c->kind, object, c->patch);
	after.object = object;
	if (r == 0)
		r = outdated_base(&after, &text);
	*ret = r == 0 && text.len ? json_tokener_parse(text.data) : NULL;
	return r;
}

/* ---- what came between ---- */

/* What it was, in the spelling of what it is now, and without what the service answers by itself: what would have to be sent so that it
   were so again, laid over it. *ret NULL: it means the same. -EOPNOTSUPP where the kind cannot be compared so. */
static int was_in_words_of_now(const struct gathered *g, struct json_object *base, struct json_object **ret)
{
	const struct identity *what = g->wish.what;
	cleanup_json_ struct json_object *patch = NULL, *doc = NULL, *object = NULL;
	cleanup_buf_ struct buf text = BUF_INIT;
	struct gathered was = *g;
	int r;

	if (what->part || what->kind->flags & (KIND_SECRET | KIND_KEY_LINE) || !g->object)
		return -EOPNOTSUPP;
	r = doc_copy(base, &doc);
	/* What the service computes is another at any time, and nobody's change. */
	for (const struct field *f = what->kind->fields; r == 0 && f && f->name; f++) {
		if (f->flags & FIELD_COMPUTED)
			json_object_object_del(doc, f->name);
	}
	if (r == 0 && doc_diff((struct doc_file){ what->kind, doc, g->name }, g->object, &g->context.doc, &patch, NULL) < 0)
		return -EOPNOTSUPP;
	if (r < 0 || !patch)
		return r;
	r = doc_copy(g->object, &object);
	if (r == 0)
		r = doc_lay_over(what->kind, object, patch);
	was.object = object;
	if (r == 0)
		r = outdated_base(&was, &text);
	*ret = r == 0 ? json_tokener_parse(text.data) : NULL;
	return r;
}

/* A key's line is no JSON. */
static int compare_lines(const struct body *base, const struct buf *now, struct json_object *fields)
{
	static const struct field_words words = { "was", "now" };
	cleanup_json_ struct json_object *was = json_object_new_string_len(base->data, (int)base->len),
					 *is = now->len ? json_object_new_string_len(now->data, (int)now->len) : NULL;

	return was ? add_field("public_key", was, is, &words, fields) : -ENOMEM;
}

static int compare_texts(const struct gathered *g, const struct buf *now, struct json_object **ret)
{
	static const struct field_words words = { "was", "now" };
	const struct body *base = g->wish.base;
	cleanup_json_ struct json_object *was = base ? json_tokener_parse(base->data) : NULL, *spelled = NULL,
					 *is = now->len ? json_tokener_parse(now->data) : NULL, *fields = json_object_new_array();
	int r = fields ? 0 : -ENOMEM;

	if (r == 0 && was && is) {
		r = was_in_words_of_now(g, was, &spelled);
		if (r == 0 && !spelled)
			return 0;
		if (r == -EOPNOTSUPP)
			r = 0;
	}
	if (r == 0)
		r = base && !was ? compare_lines(base, now, fields) :
				   outdated_compare(spelled ? spelled : was, is, &words, fields);
	if (r == 0 && json_object_array_length(fields))
		*ret = steal_ptr(fields);
	return r;
}

/* Whether one is the other's path, or leads to it. */
static bool is_on_path(const char *a, const char *b)
{
	size_t n = strlen(a) < strlen(b) ? strlen(a) : strlen(b);
	const char *longer = strlen(a) > strlen(b) ? a : b;

	return !strncmp(a, b, n) && (!longer[n] || longer[n] == '.' || longer[n] == '[');
}

static bool has_field(struct json_object *fields, const char *path)
{
	for (size_t i = 0; i < json_object_array_length(fields); i++) {
		if (is_on_path(json_get_string(json_object_array_get_idx(fields, i), "field"), path))
			return true;
	}
	return false;
}

/* An update overwrites what it changes and nothing else: who gave a field another value that it leaves, or the very value that it
   gives, is in nobody's way. *fields keeps the others. */
static int keep_overwritten(const struct gathered *g, const struct change *c, const struct buf *now, struct json_object **fields)
{
	static const struct field_words words = { "old", "new" };
	cleanup_json_ struct json_object *before = NULL, *after = NULL, *changes = json_object_new_array(),
					 *kept = json_object_new_array();
	int r = changes && kept ? outdated_after(g, c, &after) : -ENOMEM;

	if (r < 0 || !after)
		return r;
	before = json_tokener_parse(now->data);
	r = outdated_compare(before, after, &words, changes);
	for (size_t i = 0; r == 0 && i < json_object_array_length(*fields); i++) {
		struct json_object *field = json_object_array_get_idx(*fields, i);

		if (has_field(changes, json_get_string(field, "field")))
			r = doc_append(kept, json_object_get(field));
	}
	if (r < 0)
		return r;
	json_object_put(*fields);
	*fields = json_object_array_length(kept) ? steal_ptr(kept) : NULL;
	return 0;
}

int outdated_fields(const struct gathered *g, const struct change *c, struct json_object **ret)
{
	const struct body *base = g->wish.base;
	cleanup_buf_ struct buf now = BUF_INIT;
	int r;

	*ret = NULL;
	if (g->wish.what->leaf)
		return 0;
	r = outdated_base(g, &now);
	if (r < 0 || (base ? base->len == now.len && (!now.len || !memcmp(base->data, now.data, now.len)) : !now.len))
		return r;
	r = compare_texts(g, &now, ret);
	if (r == 0 && *ret && c->verb == VERB_UPDATE && now.len && !(c->kind->flags & (KIND_SECRET | KIND_KEY_LINE)))
		r = keep_overwritten(g, c, &now, ret);
	return r;
}

int outdated_refuse(const struct gathered *g, struct change *c)
{
	cleanup_json_ struct json_object *fields = NULL;
	cleanup_buf_ struct buf names = BUF_INIT;
	int r = outdated_fields(g, c, &fields);

	if (r < 0 || !fields)
		return r;
	if (!g->wish.base)
		return change_refuse(c, ESTALE, "somebody made this %s since it was staged ('apply!' overwrites it)",
				     c->kind->name);
	for (size_t i = 0; i < json_object_array_length(fields) && names.len < 200; i++)
		buf_addf(&names, "%s%s", i ? ", " : "", json_get_string(json_object_array_get_idx(fields, i), "field"));
	return change_refuse(c, ESTALE, "changed in the account since it was staged: %.220s ('apply!' overwrites it)",
			     names.data ? names.data : "");
}
