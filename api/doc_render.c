/* What files show: the API's objects in canonical order and in the spelling of documents. */
#include "api/doc.h"

#include <errno.h>

#include "api/base/clock.h"
#include "api/doc_value.h"

/* ---- canonical order ---- */

static int ordered(const struct field *fields, struct json_object *v, struct json_object **ret);

static int ordered_array(const struct field *fields, struct json_object *v, struct json_object **ret)
{
	size_t n = json_object_array_length(v);
	cleanup_json_ struct json_object *out = json_object_new_array();
	int r = out ? 0 : -ENOMEM;

	for (size_t i = 0; i < n && r == 0; i++) {
		struct json_object *item = NULL;

		r = ordered(fields, json_object_array_get_idx(v, i), &item);
		if (r == 0)
			r = doc_append(out, item);
	}
	if (r == 0)
		*ret = steal_ptr(out);
	return r;
}

static int ordered_member(const struct field *fields, struct json_object *out, const char *key, struct json_object *v)
{
	const struct field *f = field_find(fields, key);
	struct json_object *copy = NULL;
	int r = v ? ordered(f ? f->fields : NULL, v, &copy) : 0;

	if (r < 0)
		return r;
	return v ? doc_set(out, key, copy) : doc_set_null(out, key);
}

static int ordered_object(const struct field *fields, struct json_object *v, struct json_object **ret)
{
	cleanup_json_ struct json_object *out = json_object_new_object();
	int r = out ? 0 : -ENOMEM;

	for (const struct field *f = fields; r == 0 && f && f->name; f++) {
		if (doc_has(v, f->name) && !doc_has(out, f->name))
			r = ordered_member(fields, out, f->name, doc_member(v, f->name));
	}
	json_object_object_foreach(v, key, value) {
		if (r == 0 && !doc_has(out, key))
			r = ordered_member(fields, out, key, value);
	}
	if (r == 0)
		*ret = steal_ptr(out);
	return r;
}

/* A copy with the known fields first, then the others as they came. */
static int ordered(const struct field *fields, struct json_object *v, struct json_object **ret)
{
	if (json_object_is_type(v, json_type_object))
		return ordered_object(fields, v, ret);
	if (json_object_is_type(v, json_type_array))
		return ordered_array(fields, v, ret);
	return doc_copy(v, ret);
}

/* ---- what can be set ---- */

struct shower {
	const struct doc_context *ctx;
	bool declared; /* DOC_DECLARED */
};

static int show_object(const struct shower *s, const struct field *fields, struct json_object *v, struct json_object *written,
		       bool top, struct json_object **ret);

static int show_image(const struct shower *s, struct json_object *v, struct json_object **ret)
{
	cleanup_free_ char *text = doc_image_shown(s->ctx ? s->ctx->account_id : NULL, json_object_get_string(v));

	*ret = text ? json_object_new_string(text) : NULL;
	return *ret ? 0 : -ENOMEM;
}

static int show_items(const struct shower *s, const struct field *f, struct json_object *v, struct json_object **ret)
{
	size_t n = json_object_array_length(v);
	cleanup_json_ struct json_object *out = json_object_new_array();
	int r = out ? 0 : -ENOMEM;

	for (size_t i = 0; i < n && r == 0; i++) {
		struct json_object *item = json_object_array_get_idx(v, i), *shown = NULL;

		if (json_object_is_type(item, json_type_object))
			r = show_object(s, f->fields, item, NULL, false, &shown);
		else
			r = doc_copy(item, &shown);
		if (r == 0)
			r = doc_append(out, shown);
	}
	if (r == 0)
		*ret = steal_ptr(out);
	return r;
}

static int show_value(const struct shower *s, const struct field *f, struct json_object *v, struct json_object *written,
		      struct json_object **ret)
{
	if (json_object_is_type(v, json_type_object) && f->fields)
		return show_object(s, f->fields, v, written, false, ret);
	if (json_object_is_type(v, json_type_array) && f->fields)
		return show_items(s, f, v, ret);
	if ((f->flags & FIELD_IMAGE) && json_object_is_type(v, json_type_string))
		return show_image(s, v, ret);
	if ((f->flags & FIELD_KEY_IDS) && json_object_is_type(v, json_type_array)) {
		*ret = doc_key_references(v, s->ctx);
		return *ret ? 0 : -ENOMEM;
	}
	return ordered(f->fields, v, ret);
}

static int show_member(const struct shower *s, const struct field *f, struct json_object *v, struct json_object *written,
		       struct json_object *out)
{
	struct json_object *shown = NULL;
	int r = 0;

	if (s->declared && !written && (f->flags & FIELD_UNSAID || doc_is_empty(v)))
		return 0;
	/* The answer is no echo: where it is known what was said, that is what a document is compared with. */
	if (f->flags & FIELD_COMPUTED && s->ctx && s->ctx->written)
		v = written;
	if (f->flags & FIELD_WRITE_ONLY) {
		/* The service never answers it, but a hook may know; a secret is not shown even where it is known. */
		if ((!written && !v) || (f->flags & FIELD_SECRET))
			return 0;
		r = ordered(f->fields, written ? written : v, &shown);
	} else if (v) {
		r = show_value(s, f, v, written, &shown);
	} else if (f->type == FIELD_OBJECT && f->fields && json_object_is_type(written, json_type_object)) {
		r = show_object(s, f->fields, NULL, written, false, &shown);
	}
	if (r < 0)
		return r;
	/* What lost all its members to status.json is not shown as an empty object. */
	if (!shown || (doc_is_empty(shown) && !doc_is_empty(v))) {
		json_object_put(shown);
		return 0;
	}
	return doc_set(out, f->name, shown);
}

/* The type stands for the numbers. named: also where the numbers are those of one, and nobody wrote them. */
static int drop_derived(const struct field *fields, struct json_object *v, bool named)
{
	struct doc_size size = doc_size_explicit(v);
	const char *name = doc_size_table(fields) && named ? doc_size_type_name(&size) : NULL;

	if (name && !doc_member(v, "instance_type") && doc_set(v, "instance_type", json_object_new_string(name)) < 0)
		return -ENOMEM;
	if (!doc_size_table(fields) || !doc_member(v, "instance_type"))
		return 0;
	for (const struct field *f = fields; f->name; f++) {
		if (doc_size_field(f->name) && strcmp(f->name, "instance_type") != 0)
			json_object_object_del(v, f->name);
	}
	return 0;
}

static bool wrote_numbers(struct json_object *written)
{
	return doc_member(written, "vcpu") || doc_member(written, "vcpus") || doc_member(written, "memory") ||
	       doc_member(written, "memory_mib") || doc_member(written, "disk");
}

static int show_unknown(const struct field *fields, struct json_object *v, struct json_object *out)
{
	int r = 0;

	json_object_object_foreach(v, key, value) {
		struct json_object *copy = NULL;

		if (r < 0 || !value || field_find(fields, key))
			continue;
		r = doc_copy(value, &copy);
		if (r == 0)
			r = doc_set(out, key, copy);
	}
	return r;
}

static int show_object(const struct shower *s, const struct field *fields, struct json_object *v, struct json_object *written,
		       bool top, struct json_object **ret)
{
	cleanup_json_ struct json_object *out = json_object_new_object(), *modern = NULL;
	int r = out ? 0 : -ENOMEM;

	if (r == 0 && v) {
		r = doc_copy(v, &modern);
		if (r == 0)
			r = doc_modernise(fields, modern);
		if (r == 0)
			r = drop_derived(fields, modern, s->declared && !wrote_numbers(written));
	}
	for (const struct field *f = fields; r == 0 && f->name; f++) {
		if (field_settable(f))
			r = show_member(s, f, doc_member(modern, f->name), doc_member(written, f->name), out);
	}
	if (r == 0 && modern && !top && !s->declared)
		r = show_unknown(fields, modern, out);
	if (r == 0)
		*ret = steal_ptr(out);
	return r;
}

/* ---- what the service says ---- */

static int status_object(const struct kind *kind, bool whole, struct json_object *object, struct json_object **ret)
{
	cleanup_json_ struct json_object *out = json_object_new_object();
	int r = out ? 0 : -ENOMEM;

	for (const struct field *f = kind->fields; r == 0 && f->name; f++) {
		struct json_object *v = doc_member(object, f->name), *copy = NULL;

		if (!v || doc_has(out, f->name) || (f->flags & FIELD_HIDDEN) || !(whole || (f->flags & FIELD_STATUS)))
			continue;
		r = ordered(f->fields, v, &copy);
		if (r == 0)
			r = doc_set(out, f->name, copy);
	}
	if (r == 0)
		r = show_unknown(kind->fields, object, out);
	if (r == 0)
		*ret = steal_ptr(out);
	return r;
}

static int key_line(struct json_object *object, struct buf *out)
{
	const char *line = json_get_string(object, "public_key");
	size_t n = line ? strlen(line) : 0;
	int r;

	if (!n)
		return 0;
	r = buf_add(out, line, n);
	return r < 0 || line[n - 1] == '\n' ? r : buf_addc(out, '\n');
}

static int write_document(struct json_object *v, struct buf *out)
{
	size_t len = out->len;
	int r = doc_write(v, false, out);

	if (r == 0)
		r = buf_addc(out, '\n');
	if (r < 0)
		buf_resize(out, len);
	return r;
}

int doc_render(const struct kind *kind, enum doc_view view, struct json_object *object, struct json_object *written,
	       const struct doc_context *ctx, struct buf *out)
{
	cleanup_json_ struct json_object *shaped = NULL, *shown = NULL;
	bool settable = view == DOC_SETTABLE || view == DOC_DECLARED;
	struct shower s = { ctx, view == DOC_DECLARED };
	int r;

	if (settable && (kind->flags & KIND_SECRET))
		return 0;
	if (settable && (kind->flags & KIND_KEY_LINE))
		return key_line(object, out);
	if (!kind->fields)
		return doc_render_fields(NULL, object, out);
	if (!json_object_is_type(object, json_type_object))
		return -EINVAL;
	if (settable) {
		r = doc_shape(kind, object, &shaped);
		if (r == 0)
			r = show_object(&s, kind->fields, shaped, written, true, &shown);
	} else {
		r = status_object(kind, view == DOC_WHOLE, object, &shown);
	}
	return r < 0 ? r : write_document(shown, out);
}

int doc_render_fields(const struct field *fields, struct json_object *object, struct buf *out)
{
	cleanup_json_ struct json_object *modern = NULL, *shown = NULL;
	int r = doc_copy(object, &modern);

	if (r == 0 && json_object_is_type(modern, json_type_object))
		r = doc_modernise(fields, modern);
	if (r == 0)
		r = ordered(fields, modern, &shown);
	return r < 0 ? r : write_document(shown, out);
}

/* ---- events ---- */

static const struct field event_order[] = {
	{ .name = "type" },    { .name = "id" },      { .name = "time" },         { .name = "name" },
	{ .name = "message" }, { .name = "details" }, { .name = "statusChange" }, { .name = NULL },
};

struct event {
	struct json_object *object; /* borrowed */
	int64_t time;
	size_t place;
};

static int by_time(const void *a, const void *b)
{
	const struct event *x = a, *y = b;

	if (x->time != y->time)
		return x->time < y->time ? -1 : 1;
	return x->place < y->place ? -1 : x->place > y->place;
}

static int write_event(struct json_object *event, struct buf *out)
{
	cleanup_json_ struct json_object *shown = NULL;
	int r = ordered(event_order, event, &shown);

	if (r == 0)
		r = doc_write(shown, true, out);
	return r < 0 ? r : buf_addc(out, '\n');
}

int doc_render_events(struct json_object *events, struct buf *out)
{
	size_t n = json_object_is_type(events, json_type_array) ? json_object_array_length(events) : 0, len = out->len;
	cleanup_free_ struct event *list = calloc(n + 1, sizeof(*list));
	int64_t last = INT64_MIN;
	int r = list ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < n; i++) {
		struct json_object *o = json_object_array_get_idx(events, i);
		const char *time = json_get_string(o, "time");

		/* One without a readable time stays behind the one that it came after. */
		if (time && clock_parse_rfc3339(time, &list[i].time) == 0)
			last = list[i].time;
		else
			list[i].time = last;
		list[i].object = o;
		list[i].place = i;
	}
	if (r == 0)
		qsort(list, n, sizeof(*list), by_time);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = write_event(list[i].object, out);
	if (r < 0)
		buf_resize(out, len);
	return r;
}
