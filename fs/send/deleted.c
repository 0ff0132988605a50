#include "fs/send/deleted.h"

#include <json-c/json.h>

#include "api/base/clock.h"
#include "fs/core/lately.h"
#include "fs/core/mount.h"
#include "fs/send/vocabulary.h"
#include "fs/show/source.h"

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
	struct lately_one one = { .kind = what->kind, .how = LATELY_REMOVED, .id = strdup(what->id) };

	if (snapshot) {
		one.name = strdup(snapshot->name);
		one.claims = claims_of(what->kind, snapshot);
		one.body = snapshot_body(snapshot);
	}
	/* Nobody would look for it elsewhere. */
	if (what->parent_id && !(one.parent_id = strdup(what->parent_id)))
		free(steal_ptr(one.name));
	lately_note(mount->lately, &one);
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

/* What is looked for: by the name, or by what the document claims. */
struct search {
	const struct identity *what;
	const char *name;
	struct json_object *doc;
	int64_t since_ms;
};

static bool is_beside(const struct lately_one *one, const struct identity *what)
{
	return one->how == LATELY_REMOVED && one->name && !one->let_go &&
	       !strcmp(one->parent_id ? one->parent_id : "", what->parent_id ? what->parent_id : "");
}

static bool may_hold(struct lately_one *one, void *arg)
{
	const struct search *s = arg;

	return is_beside(one, s->what) && one->at_ms >= s->since_ms &&
	       (!strcmp(one->name, s->name) || claims_meet(one->claims, s->doc));
}

bool deleted_may_hold(struct mount *mount, const struct identity *what, const char *name, struct json_object *doc)
{
	struct search search = { what, name, doc, clock_now_ms() - DELETED_RECENT_MS };

	return lately_find(mount->lately, what->kind, may_hold, &search);
}

static bool settle(struct lately_one *one, void *arg)
{
	const struct search *s = arg;

	if (is_beside(one, s->what))
		one->let_go = one->claims ? claims_meet(one->claims, s->doc) : !strcmp(one->name, s->name);
	return false;
}

void deleted_settled(struct mount *mount, const struct identity *what, const char *name, struct json_object *object)
{
	struct search search = { what, name, object, 0 };

	lately_find(mount->lately, what->kind, settle, &search);
}

/* References to the bodies, the newest first. */
struct bodies {
	const struct identity *what;
	struct body *all[VOCABULARY_MAX];
	size_t count;
};

static bool take_body(struct lately_one *one, void *arg)
{
	struct bodies *bodies = arg;

	if (is_beside(one, bodies->what) && one->body)
		bodies->all[bodies->count++] = body_ref(one->body);
	return bodies->count == VOCABULARY_MAX;
}

int deleted_vocabulary(struct mount *mount, const struct identity *what, struct json_object *into)
{
	struct bodies bodies = { .what = what };
	int r = 0;

	lately_find(mount->lately, what->kind, take_body, &bodies);
	for (size_t i = 0; i < bodies.count; i++) {
		cleanup_(body_unrefp) struct body *plain = body_plain(bodies.all[i]);
		struct json_object *object = r == 0 && plain ? json_tokener_parse(plain->data) : NULL;

		if (object)
			r = vocabulary_add(into, object);
		json_object_put(object);
		body_unref(bodies.all[i]);
	}
	return r;
}
