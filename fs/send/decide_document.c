/* Resources that are JSON documents: creates and updates. */
#include "fs/send/decide.h"

#include <errno.h>

#include "api/base/name.h"
#include "api/doc_json.h"
#include "fs/core/tree.h"

/* A cut one ends before a character that did not fit. */
#define CUT_BYTES_LEAST (NAME_MAX_BYTES - 4)

/* A cut file name: the document carries the whole one. By its looks alone it might also be a name of its own. */
static int find_name(const struct gathered *g, struct change *c)
{
	const struct kind *kind = c->kind;
	const char *whole = kind->name_key ? json_get_string(c->after, kind->name_key) : NULL, *file_name = g->wish.file_name;
	char encoded[NAME_MAX_BYTES + 1];
	bool fits = false;

	if (c->name && (g->exists || !name_is_cut(file_name, kind->suffix) || strlen(file_name) < CUT_BYTES_LEAST))
		return 0;
	if (whole) {
		name_encode(whole, kind->suffix, encoded);
		fits = !strcmp(encoded, file_name);
	}
	if (!fits)
		return change_refuse(c, EINVAL, "%s: must hold the whole name that the file's name was cut from",
				     kind->name_key ? kind->name_key : "name");
	free(c->name);
	c->name = strdup(whole);
	return c->name ? 0 : -ENOMEM;
}

static int check_version(const struct gathered *g, struct change *c, int64_t wanted)
{
	int64_t now = g->exists ? g->version : -1;

	c->precondition = wanted >= 0;
	if (wanted < 0 || wanted == now)
		return 0;
	if (now < 0)
		return change_refuse(c, ESTALE, "version: is %lld, but the account has no %s '%s'", (long long)wanted,
				     c->kind->name, c->name);
	return change_refuse(c, ESTALE, "version: is %lld, but the account is at version %lld: read it again", (long long)wanted,
			     (long long)now);
}

/* ---- create ---- */

static int create(const struct gathered *g, struct change *c)
{
	const struct kind *kind = c->kind;
	struct json_object *body = NULL;
	struct step *step = NULL;
	int r;

	if (!(kind->verbs & KIND_CREATE))
		return change_refuse(c, EPERM, "%s %s is made by the platform", kind_article(kind), kind->name);
	r = doc_create_body(change_file(c), &g->context.doc, &body, &c->refusal);
	if (r == 0)
		r = decide_step(c, "create", "POST", kind->create_path ? kind->create_path : kind->collection, body, &step);
	if (r != 0)
		return r;
	c->verb = VERB_CREATE;
	/* A job or a rollout is never sent twice on a guess. */
	step->settle = kind->flags & KIND_NEW_ONLY ? SETTLE_NOT : SETTLE_NEW;
	step->secret = doc_has_secret(kind, c->after);
	return 0;
}

/* ---- update ---- */

static int update_once(const struct gathered *g, struct change *c)
{
	const struct kind *kind = c->kind;

	if (g->wish.again)
		return 0;
	if (kind->flags & KIND_NEW_ONLY)
		return change_refuse(c, EEXIST, "%s %s is written once: give the new one another name", kind_article(kind),
				     kind->name);
	if (doc_same(kind, g->object, c->after, &g->context.doc))
		return 0;
	return change_refuse(c, EPERM, "%s %s cannot be changed: remove it first, then write the new one", kind_article(kind),
			     kind->name);
}

/* Where a comparison proves nothing, every member of the document's configuration is sent. */
static int add_unproved(const struct gathered *g, struct change *c)
{
	cleanup_json_ struct json_object *body = NULL;
	struct json_object *all, *members = doc_member(c->patch, "configuration");
	int r = doc_create_body(change_file(c), &g->context.doc, &body, &c->refusal);

	all = doc_member(body, "configuration");
	if (r < 0 || !json_object_is_type(all, json_type_object))
		return r;
	if (!c->patch && !(c->patch = json_object_new_object()))
		return -ENOMEM;
	if (json_object_is_type(members, json_type_object)) {
		json_object_object_foreach(members, key, value) {
			if (r == 0 && !doc_has(all, key))
				r = value ? doc_set(all, key, json_object_get(value)) : doc_set_null(all, key);
		}
	}
	return r < 0 ? r : doc_set(c->patch, "configuration", json_object_get(all));
}

static int put_whole(const struct gathered *g, struct change *c)
{
	struct json_object *body = NULL;
	struct step *step = NULL;
	int r = doc_create_body(change_file(c), &g->context.doc, &body, &c->refusal);

	if (r == 0)
		r = decide_step(c, "modify", "PUT", c->kind->collection, body, &step);
	if (r == 0)
		step->settle = SETTLE_REPEAT;
	return r;
}

static int update(const struct gathered *g, struct change *c, int64_t wanted_version)
{
	const struct kind *kind = c->kind;
	int r;

	if (kind->flags & (KIND_NEW_ONLY | KIND_WRITE_ONCE))
		return update_once(g, c);
	if (!(kind->verbs & KIND_UPDATE))
		return change_refuse(c, EPERM, "%s %s cannot be changed", kind_article(kind), kind->name);
	r = doc_diff(change_file(c), g->object, &g->context.doc, &c->patch, &c->refusal);
	if (r == 0 && !g->proves)
		r = add_unproved(g, c);
	if (r < 0 || (!c->patch && !g->owed))
		return r;
	r = check_version(g, c, wanted_version);
	if (r == 0)
		r = kind->flags & KIND_UPDATE_PUT ? put_whole(g, c) : decide_update_steps(g, c);
	if (r == 0 && c->steps_count)
		c->verb = VERB_UPDATE;
	return r;
}

/* ---- the managed registry ---- */

/* Whether the document names what the account's does not: fields that are never shown are no difference elsewhere. */
static bool names_more(struct json_object *doc, struct json_object *object)
{
	json_object_object_foreach(doc, key, value) {
		if (value && !json_object_object_get_ex(object, key, NULL))
			return true;
	}
	return false;
}

/* What the platform set up is shown with words that no user may write, so whether it is the same is all that is checked. */
static int leave_managed(const struct gathered *g, struct change *c)
{
	if (!names_more(c->after, g->object) && doc_same(c->kind, g->object, c->after, &g->context.doc))
		return 0;
	return change_refuse(c, EPERM, "the managed %s comes from the platform and cannot be changed", c->kind->name);
}

/* ---- the document ---- */

int decide_document(const struct gathered *g, struct change *c)
{
	int64_t wanted = -1;
	int r = decide_parse(g, c);

	if (r == 0)
		r = find_name(g, c);
	if (r < 0)
		return r;
	if (g->exists && g->traits & TRAIT_MANAGED)
		return leave_managed(g, c);
	r = doc_check(change_file(c), !g->exists, &g->context.doc, &wanted, &c->refusal);
	if (r < 0)
		return r;
	c->keep = !doc_has_secret(c->kind, c->after);
	if (g->exists)
		return update(g, c, wanted);
	r = check_version(g, c, wanted);
	return r < 0 ? r : create(g, c);
}
