#include "fs/send/deleted.h"

#include <json-c/json.h>

#include "api/base/clock.h"
#include "api/base/lock.h"
#include "fs/core/mount.h"
#include "fs/send/vocabulary.h"
#include "fs/show/source.h"

struct record {
	const struct kind *kind;    /* NULL: free */
	char *parent_id, *name;     /* owned; parent_id may be NULL */
	struct json_object *claims; /* owned; by field; NULL: none */
	struct body *body;          /* owned reference: what it was; NULL: not at hand */
	int64_t at_ms;
};

DECLARE_LOCK(deleted);
struct deleted {
	struct lock lock;
	struct record records[DELETED_MAX] GUARDED_BY(deleted_locked);
	size_t next GUARDED_BY(deleted_locked); /* the oldest, or a free one */
};
DEFINE_LOCK(deleted, struct deleted, lock)

struct deleted *deleted_new(void)
{
	struct deleted *deleted = calloc(1, sizeof(*deleted));

	if (deleted)
		lock_init(&deleted->lock);
	return deleted;
}

static void record_clear(struct record *record)
{
	free(record->parent_id);
	free(record->name);
	json_object_put(record->claims);
	body_unref(record->body);
	*record = (struct record){ 0 };
}

struct deleted *deleted_free(struct deleted *deleted)
{
	if (!deleted)
		return NULL;
	deleted_lock(deleted);
	for (size_t i = 0; i < DELETED_MAX; i++)
		record_clear(&deleted->records[i]);
	deleted_unlock(deleted);
	lock_destroy(&deleted->lock);
	free(deleted);
	return NULL;
}

static bool is_claim(const struct field *field)
{
	return field->type == FIELD_OBJECT && field->flags & FIELD_CREATE_ONLY;
}

static struct json_object *claims_of(const struct kind *kind, struct snapshot *snapshot)
{
	cleanup_(body_unrefp) struct body *body = snapshot_body(snapshot);
	struct json_object *object = body ? json_tokener_parse(body->data) : NULL, *claims = NULL, *value;

	for (const struct field *f = kind->fields; object && f && f->name; f++) {
		if (!is_claim(f) || !json_object_object_get_ex(object, f->name, &value) ||
		    !json_object_is_type(value, json_type_object))
			continue;
		if (!claims)
			claims = json_object_new_object();
		json_object_object_add(claims, f->name, json_object_get(value));
	}
	json_object_put(object);
	return claims;
}

void deleted_note(struct mount *mount, const struct identity *what)
{
	cleanup_(snapshot_unrefp) struct snapshot *snapshot = source_known(mount, what->kind, what->parent_id, what->id);
	struct deleted *deleted = mount->deleted;
	struct record record = { .kind = what->kind, .at_ms = clock_now_ms() };

	if (!snapshot)
		return;
	record.name = strdup(snapshot->name);
	record.parent_id = what->parent_id ? strdup(what->parent_id) : NULL;
	if (!record.name || (what->parent_id && !record.parent_id)) {
		record_clear(&record);
		return;
	}
	record.claims = claims_of(what->kind, snapshot);
	record.body = snapshot_body(snapshot);
	scope_lock(deleted, deleted);
	record_clear(&deleted->records[deleted->next]);
	deleted->records[deleted->next] = record;
	deleted->next = (deleted->next + 1) % DELETED_MAX;
}

static bool may_be_one(struct json_object *a, struct json_object *b)
{
	struct json_object *other;

	json_object_object_foreach(a, key, value) {
		if (json_object_object_get_ex(b, key, &other) && !json_object_equal(value, other))
			return false;
	}
	return true;
}

static bool claims_meet(struct json_object *claims, struct json_object *doc)
{
	struct json_object *other;

	if (!claims)
		return false;
	json_object_object_foreach(claims, key, value) {
		if (json_object_object_get_ex(doc, key, &other) && json_object_is_type(other, json_type_object) &&
		    may_be_one(value, other))
			return true;
	}
	return false;
}

static bool is_beside(const struct record *r, const struct identity *what)
{
	return r->kind && r->kind == what->kind &&
	       !strcmp(r->parent_id ? r->parent_id : "", what->parent_id ? what->parent_id : "");
}

bool deleted_may_hold(struct mount *mount, const struct identity *what, const char *name, struct json_object *doc)
{
	struct deleted *deleted = mount->deleted;
	int64_t since = clock_now_ms() - DELETED_RECENT_MS;

	scope_lock(deleted, deleted);
	for (size_t i = 0; i < DELETED_MAX; i++) {
		const struct record *r = &deleted->records[i];

		if (is_beside(r, what) && r->at_ms >= since && (!strcmp(r->name, name) || claims_meet(r->claims, doc)))
			return true;
	}
	return false;
}

void deleted_settled(struct mount *mount, const struct identity *what, const char *name, struct json_object *object)
{
	struct deleted *deleted = mount->deleted;

	scope_lock(deleted, deleted);
	for (size_t i = 0; i < DELETED_MAX; i++) {
		struct record *r = &deleted->records[i];

		if (is_beside(r, what) && (r->claims ? claims_meet(r->claims, object) : !strcmp(r->name, name)))
			record_clear(r);
	}
}

/* The newest body at or before *at, which is counted down; a reference, or NULL. */
static struct body *next_body(struct deleted *deleted, const struct identity *what, size_t *at)
{
	scope_lock(deleted, deleted);
	while (*at > 0) {
		const struct record *r = &deleted->records[(deleted->next + --*at) % DELETED_MAX];

		if (is_beside(r, what) && r->body)
			return body_ref(r->body);
	}
	return NULL;
}

int deleted_vocabulary(struct mount *mount, const struct identity *what, struct json_object *into)
{
	size_t at = DELETED_MAX;
	int r = 0;

	while (r == 0 && at > 0) {
		cleanup_(body_unrefp) struct body *body = next_body(mount->deleted, what, &at);
		struct json_object *object = body ? json_tokener_parse(body->data) : NULL;

		r = object ? vocabulary_add(into, object) : 0;
		json_object_put(object);
	}
	return r;
}
