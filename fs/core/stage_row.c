#include "fs/core/stage_row.h"

#include <errno.h>

#include "api/doc_json.h"

/* ---- writing ---- */

static int set_text(struct json_object *out, const char *key, const char *text)
{
	return text ? doc_set(out, key, json_object_new_string(text)) : 0;
}

static int set_body(struct json_object *out, const char *key, const struct body *body)
{
	return body ? doc_set(out, key, json_object_new_string_len(body->data, (int)body->len)) : 0;
}

static int set_number(struct json_object *out, const char *key, int64_t number)
{
	return number ? doc_set(out, key, json_object_new_int64(number)) : 0;
}

static int set_flag(struct json_object *out, const char *key, bool flag)
{
	return flag ? doc_set(out, key, json_object_new_boolean(true)) : 0;
}

static int fill(const struct staged *row, struct json_object *out)
{
	int r = set_text(out, "kind", row->kind->name);

	if (r == 0)
		r = set_text(out, "part", row->part ? row->part->name : NULL);
	if (r == 0)
		r = set_text(out, "leaf", row->leaf ? row->leaf->name : NULL);
	if (r == 0)
		r = set_text(out, "parent", row->parent_id);
	if (r == 0)
		r = set_text(out, "id", row->id);
	if (r == 0)
		r = set_text(out, "file", row->file_name);
	if (r == 0)
		r = set_text(out, "name", row->new_name);
	if (r == 0)
		r = set_text(out, "dir", row->dir);
	if (r == 0)
		r = set_flag(out, "delete", row->remove);
	if (r == 0)
		r = set_flag(out, "secret", row->secret);
	if (r == 0)
		r = set_body(out, "content", row->content);
	if (r == 0)
		r = set_body(out, "shown", row->shown);
	if (r == 0)
		r = set_body(out, "base", row->base);
	if (r == 0)
		r = set_number(out, "order", (int64_t)row->order);
	if (r == 0)
		r = set_number(out, "staged", row->staged_ns);
	if (r == 0)
		r = set_number(out, "errno", row->errnum);
	if (r == 0)
		r = set_text(out, "reason", row->reason);
	if (r == 0)
		r = set_number(out, "sent", row->sent_ns);
	return r < 0 ? r : set_body(out, "before", row->before_ids);
}

int stage_row_write(const struct staged *row, struct buf *out)
{
	cleanup_json_ struct json_object *object = json_object_new_object();
	int r = object ? fill(row, object) : -ENOMEM;

	return r < 0 ? r :
		       buf_adds(out,
				json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
}

/* ---- reading ---- */

static bool get_text(struct json_object *object, const char *key, char **ret)
{
	const char *text = json_get_string(object, key);

	*ret = text ? strdup(text) : NULL;
	return *ret || !text;
}

static bool get_body(struct json_object *object, const char *key, struct body **ret)
{
	struct json_object *text = doc_member(object, key);

	if (!json_object_is_type(text, json_type_string))
		return true;
	*ret = body_new(json_object_get_string(text), (size_t)json_object_get_string_len(text));
	return *ret;
}

static int64_t get_number(struct json_object *object, const char *key)
{
	struct json_object *number = doc_member(object, key);

	return json_object_is_type(number, json_type_int) ? json_object_get_int64(number) : 0;
}

static bool get_flag(struct json_object *object, const char *key)
{
	return json_object_get_boolean(doc_member(object, key));
}

static bool find_rows(struct json_object *object, struct staged *row)
{
	const char *part = json_get_string(object, "part"), *leaf = json_get_string(object, "leaf");

	for (const struct part *p = row->kind->parts; part && p && p->name; p++) {
		if (!strcmp(p->name, part))
			row->part = p;
	}
	for (const struct leaf *l = row->kind->leaves; leaf && l && l->name; l++) {
		if (!strcmp(l->name, leaf))
			row->leaf = l;
	}
	return (!part || row->part) && (!leaf || row->leaf);
}

static bool take(struct json_object *object, struct staged *row)
{
	row->remove = get_flag(object, "delete");
	row->secret = row->lost = get_flag(object, "secret");
	row->order = (uint64_t)get_number(object, "order");
	row->staged_ns = get_number(object, "staged");
	row->errnum = (int)get_number(object, "errno");
	row->sent_ns = get_number(object, "sent");
	return find_rows(object, row) && get_text(object, "parent", &row->parent_id) && get_text(object, "id", &row->id) &&
	       get_text(object, "file", &row->file_name) && get_text(object, "name", &row->new_name) &&
	       get_text(object, "dir", &row->dir) && get_text(object, "reason", &row->reason) &&
	       get_body(object, "content", &row->content) && get_body(object, "shown", &row->shown) &&
	       get_body(object, "base", &row->base) && get_body(object, "before", &row->before_ids) && row->file_name && row->dir;
}

struct staged *stage_row_read(const char *text, size_t len)
{
	cleanup_free_ char *copy = strndup(text, len);
	cleanup_json_ struct json_object *object = copy ? json_tokener_parse(copy) : NULL;
	const char *name = json_object_is_type(object, json_type_object) ? json_get_string(object, "kind") : NULL;
	const struct kind *kind = name ? kind_find(name) : NULL;
	struct staged *row = kind ? staged_new(kind) : NULL;

	return row && !take(object, row) ? staged_unref(row) : row;
}
