#include "fs/show/listing.h"

#include <errno.h>
#include <json-c/json.h>

#include "api/base/clock.h"
#include "api/doc.h"

static int64_t get_time(struct json_object *object, const char *key)
{
	const char *text = json_get_string(object, key);
	int64_t ns;

	return text && clock_parse_rfc3339(text, &ns) == 0 ? ns : 0;
}

static int64_t get_version(struct json_object *object)
{
	struct json_object *version;

	if (!json_object_object_get_ex(object, "version", &version) || !json_object_is_type(version, json_type_int))
		return -1;
	return json_object_get_int64(version);
}

/* A name that the API does not keep: what the mount remembers, else the id. */
static void remembered_name(struct mount *mount, const struct kind *kind, const char *parent, const char *id, struct buf *name)
{
	if (state_get(mount->state, "names", parent ? parent : kind->dir, id, name) < 0 || !name->len) {
		buf_clear(name);
		buf_adds(name, id);
	}
}

static void shown_name(struct mount *mount, const struct kind *kind, const char *parent, struct json_object *object,
		       const char *id, struct buf *name)
{
	const char *text = NULL;

	if ((kind->flags & KIND_LABEL_NAME) && !parent)
		text = doc_name_label(object);
	else if (kind->name_key)
		text = json_get_string(object, kind->name_key);
	if (text && *text)
		buf_adds(name, text);
	else if ((kind->flags & KIND_LOCAL_NAME) || ((kind->flags & KIND_LABEL_NAME) && !parent))
		remembered_name(mount, kind, parent, id, name);
	else
		buf_adds(name, id);
}

/* Fills *f with texts borrowed from object and name (which is filled too); false where it has no identity. */
static bool read_fields(struct mount *mount, const struct kind *kind, const char *parent, struct json_object *object,
			struct buf *name, struct snapshot_fields *f)
{
	const char *updated = kind->flags & KIND_WHOLE ? "last_update" : "updated_at";
	const char *owner = kind->parent_key ? json_get_string(object, kind->parent_key) : parent;

	f->id = kind_id(kind, object);
	if (!f->id || !*f->id)
		return false;
	f->parent_id = owner && *owner ? owner : NULL;
	buf_clear(name);
	shown_name(mount, kind, f->parent_id, object, f->id, name);
	f->name = name->data;
	f->version = get_version(object);
	f->created_ns = get_time(object, "created_at");
	f->updated_ns = get_time(object, updated);
	if (!f->updated_ns)
		f->updated_ns = get_time(object, "last_updated_at");
	if (kind->hooks && kind->hooks->traits)
		f->traits = kind->hooks->traits(object);
	f->body =
		json_object_to_json_string_length(object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &f->body_len);
	return f->name && f->body;
}

struct snapshot *source_make(struct mount *mount, const struct kind *kind, const char *parent, struct json_object *object,
			     int64_t sent_ms)
{
	cleanup_buf_ struct buf name = BUF_INIT;
	struct snapshot_fields f = { .fetched_ms = sent_ms };

	return read_fields(mount, kind, parent, object, &name, &f) ? snapshot_new(&f) : NULL;
}

/* ---- a list, page by page ---- */

/* Followed by id, name, parent_id (each with its NUL) and the body; the next one begins at the next multiple of 8. */
struct packed_item {
	int64_t version, created_ns, updated_ns;
	unsigned traits;
	uint32_t id_size, name_size, parent_size; /* bytes, the NUL included; parent_size 0: none */
	size_t body_len;
};

static size_t padding(size_t len)
{
	return -len & (sizeof(int64_t) - 1);
}

static int pack(struct buf *to, const struct snapshot_fields *f)
{
	static const char zeros[sizeof(int64_t)];
	struct packed_item item = {
		.version = f->version,
		.created_ns = f->created_ns,
		.updated_ns = f->updated_ns,
		.traits = f->traits,
		.id_size = (uint32_t)strlen(f->id) + 1,
		.name_size = (uint32_t)strlen(f->name) + 1,
		.parent_size = f->parent_id ? (uint32_t)strlen(f->parent_id) + 1 : 0,
		.body_len = f->body_len,
	};
	size_t size = sizeof(item) + item.id_size + item.name_size + item.parent_size + item.body_len;
	int r = buf_reserve(to, size + sizeof(zeros));

	if (r < 0)
		return r;
	buf_add(to, &item, sizeof(item));
	buf_add(to, f->id, item.id_size);
	buf_add(to, f->name, item.name_size);
	if (f->parent_id)
		buf_add(to, f->parent_id, item.parent_size);
	buf_add(to, f->body, f->body_len);
	return buf_add(to, zeros, padding(size));
}

/* *at moves on to the next item. */
static struct snapshot *unpack(const struct listing *l, size_t *at)
{
	struct packed_item item;
	const struct buf *from = &l->packed;
	const char *text = from->data + *at + sizeof(item);
	struct snapshot_fields f = { .fetched_ms = l->sent_ms, .like = l->like };

	memcpy(&item, from->data + *at, sizeof(item));
	f.version = item.version;
	f.created_ns = item.created_ns;
	f.updated_ns = item.updated_ns;
	f.traits = item.traits;
	f.id = text;
	f.name = f.id + item.id_size;
	f.parent_id = item.parent_size ? f.name + item.name_size : NULL;
	f.body = f.name + item.name_size + item.parent_size;
	f.body_len = item.body_len;
	*at = (size_t)(f.body - from->data) + f.body_len;
	*at += padding(*at);
	return snapshot_new(&f);
}

int listing_add(struct listing *l, struct snapshot *snapshot)
{
	if (l->count == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 64;
		struct snapshot **p = reallocarray(l->snapshots, cap, sizeof(*p));

		if (!p) {
			snapshot_unref(snapshot);
			return -ENOMEM;
		}
		l->snapshots = p;
		l->cap = cap;
	}
	l->snapshots[l->count++] = snapshot;
	return 0;
}

void listing_clear(struct listing *l)
{
	for (size_t i = 0; i < l->count; i++)
		snapshot_unref(l->snapshots[i]);
	free(l->snapshots);
	list_unref(l->old);
	body_unref(l->like);
	buf_free(&l->packed);
}

/* An unchanged resource keeps its snapshot, unless the body was dropped: this is the moment to have it again. */
static bool still_good(struct snapshot *old, const struct snapshot *fresh)
{
	return old->hash == fresh->hash && !strcmp(old->name, fresh->name) && snapshot_touch(old);
}

int listing_page(void *arg, struct json_object *items)
{
	struct listing *l = arg;
	size_t n = json_object_array_length(items);
	cleanup_buf_ struct buf name = BUF_INIT;

	l->packed.max = SIZE_MAX / 2; /* the answer's own bound holds */
	for (size_t i = 0; i < n; i++) {
		struct snapshot_fields f = { 0 };
		int r;

		/* An item without an identity cannot be shown under any name. */
		if (!read_fields(l->mount, l->kind, l->parent, json_object_array_get_idx(items, i), &name, &f))
			continue;
		r = pack(&l->packed, &f);
		if (r < 0)
			return r;
	}
	return 0;
}

int listing_settle(void *arg)
{
	struct listing *l = arg;
	size_t at = 0;

	while (at < l->packed.len) {
		struct snapshot *s = unpack(l, &at);
		const struct list_item *old;
		int r;

		if (!s)
			return -ENOMEM;
		old = l->old ? list_by_id(l->old, s->id) : NULL;
		if (old && old->snapshot->hash == s->hash)
			s->seen_ns = old->snapshot->seen_ns;
		if (old && still_good(old->snapshot, s)) {
			snapshot_unref(s);
			s = snapshot_ref(old->snapshot);
		}
		if (!l->like)
			l->like = snapshot_body(s);
		r = listing_add(l, s);
		if (r < 0)
			return r;
	}
	l->like = body_unref(l->like);
	buf_free(&l->packed);
	return 0;
}
