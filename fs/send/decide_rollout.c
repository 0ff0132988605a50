/*
 * The steps of a changed document: what reaches the account by a PATCH, and what a rollout carries to what runs.
 */
#include "fs/send/decide.h"

#include <errno.h>
#include <inttypes.h>

#include "api/base/rand.h"
#include "api/doc_json.h"
#include "fs/core/tree.h"

#define CONFIGURATION "configuration"

/* ---- the rollout's body ---- */

static int add_step(struct json_object *steps, unsigned i, unsigned count, unsigned percent)
{
	struct json_object *step = json_object_new_object(), *size = json_object_new_object();
	char text[48];
	int r;

	snprintf(text, sizeof(text), "Step %u of %u: %u%%", i + 1, count, percent);
	r = doc_set(size, "percentage", json_object_new_int((int)percent));
	if (r == 0)
		r = doc_set(step, "step_size", steal_ptr(size));
	if (r == 0)
		r = doc_set(step, "description", json_object_new_string(text));
	if (r == 0)
		r = doc_append(steps, steal_ptr(step));
	json_object_put(size);
	json_object_put(step);
	return r;
}

/* By the max_instances that the account will have. */
static int make_steps(const struct gathered *g, const struct change *c, struct json_object *steps)
{
	static const unsigned usual[] = { 10, 100 }, whole[] = { 100 };
	struct json_object *max = doc_member(c->after, "max_instances");
	const unsigned *percent = g->rollout_steps_count ? g->rollout_steps : usual;
	unsigned count = g->rollout_steps_count ? g->rollout_steps_count : (unsigned)array_len(usual);
	int r = 0;

	if (!g->rollout_steps_count && max && json_object_get_int64(max) < 2) {
		percent = whole;
		count = 1;
	}
	for (unsigned i = 0; r == 0 && i < count; i++)
		r = add_step(steps, i, count, percent[i]);
	return r;
}

/* By it a rollout whose answer was lost is found. The same change of the same account may have been made before, and reverted: what
   that one left in the list is not this one's. */
static int make_mark(const struct gathered *g, const struct change *c, struct json_object *target, struct step *step)
{
	cleanup_buf_ struct buf basis = BUF_INIT;
	const char *active = json_get_string(c->before, "active_rollout_id");
	int r = buf_addf(&basis, "%s\n%" PRId64 "\n%s\n%" PRIx64 "\n", c->id, c->version, active ? active : "", g->nonce);

	if (r == 0)
		r = buf_adds(&basis, json_object_to_json_string_ext(target, JSON_C_TO_STRING_PLAIN));
	if (r == 0)
		snprintf(step->mark, sizeof(step->mark), "Written through cfcfs (%08" PRIx32 ")",
			 (uint32_t)hash64(basis.data, basis.len));
	return r;
}

static int make_body(const struct gathered *g, const struct change *c, const struct step *step, struct json_object *target,
		     struct json_object *body)
{
	cleanup_json_ struct json_object *steps = json_object_new_array();
	const char *kind = g->rollout == ROLLOUT_MANUAL ? "full_manual" : "full_auto";
	int r = steps ? make_steps(g, c, steps) : -ENOMEM;

	if (r == 0)
		r = doc_set(body, "description", json_object_new_string(step->mark));
	if (r == 0)
		r = doc_set(body, "strategy", json_object_new_string("rolling"));
	if (r == 0)
		r = doc_set(body, "kind", json_object_new_string(kind));
	if (r == 0)
		r = doc_set(body, "steps", steal_ptr(steps));
	return r < 0 ? r : doc_set(body, "target_configuration", json_object_get(target));
}

static int add_rollout(const struct gathered *g, struct change *c, struct json_object *target, struct step **ret)
{
	const struct kind *kind = kind_by_dir(c->kind, "rollouts");
	cleanup_json_ struct json_object *body = json_object_new_object();
	cleanup_free_ char *path = NULL;
	struct step *step = NULL;
	int r = body ? kind_path(kind->collection, c->id, NULL, NULL, &path) : -ENOMEM;

	if (r == 0)
		step = change_step_at(c, "create rollout", "POST", steal_ptr(path));
	if (r < 0 || !step)
		return r < 0 ? r : -ENOMEM;
	step->answers = kind;
	step->of = c->id;
	step->settle = SETTLE_MARK;
	r = make_mark(g, c, target, step);
	if (r == 0)
		r = make_body(g, c, step, target, body);
	*ret = step;
	return r < 0 ? r : step_body(step, body);
}

/* ---- the steps ---- */

static int add_patch(struct change *c, struct json_object *members)
{
	struct step *step = NULL;
	int r = decide_step(c, "modify", "PATCH", c->kind->item, json_object_get(members), &step);

	if (r < 0)
		return r;
	step->settle = SETTLE_LOOK;
	return 0;
}

/* As wrangler does it: the account is changed first, and what runs follows by a rollout of the whole configuration. */
static int older_way(const struct gathered *g, struct change *c)
{
	cleanup_json_ struct json_object *body = NULL, *none = NULL;
	struct step *step;
	int r = c->patch ? add_patch(c, c->patch) : 0;

	if (r == 0)
		r = doc_create_body(change_file(c), &g->context.doc, &body, &c->refusal);
	if (r == 0 && !doc_member(body, CONFIGURATION) && !(none = json_object_new_object()))
		r = -ENOMEM;
	if (r == 0)
		r = add_rollout(g, c, none ? none : doc_member(body, CONFIGURATION), &step);
	c->owes = true;
	c->was_owed = g->owed_noted;
	c->owes_from = g->owed_noted ? g->owed_from : c->version;
	return r;
}

/* A rollout takes the place of the one before it, and so carries what that one did. */
static int make_target(const struct gathered *g, struct json_object *members, struct json_object **ret)
{
	cleanup_json_ struct json_object *target = NULL;
	int r = g->carried ? doc_copy(g->carried, &target) : 0;

	if (!g->carried)
		target = json_object_new_object();
	if (r < 0 || !target)
		return -ENOMEM;
	/* A type ends the numbers beside it, and they it: by what is set now. */
	if (doc_member(members, "instance_type")) {
		static const char *const numbers[] = { "vcpu", "memory", "memory_mib", "disk" };

		for (size_t i = 0; i < array_len(numbers); i++)
			json_object_object_del(target, numbers[i]);
	} else if (doc_member(members, "vcpu") || doc_member(members, "memory_mib") || doc_member(members, "memory") ||
		   doc_member(members, "disk")) {
		json_object_object_del(target, "instance_type");
	}
	json_object_object_foreach(members, key, value) {
		if (r == 0)
			r = value ? doc_set(target, key, json_object_get(value)) : doc_set_null(target, key);
	}
	if (r == 0)
		*ret = steal_ptr(target);
	return r;
}

/* Nothing is left half done: what no rollout carries goes first, then one rollout with the changed members alone. */
static int rollout_way(const struct gathered *g, struct change *c)
{
	cleanup_json_ struct json_object *top = json_object_new_object(), *target = NULL;
	struct step *step;
	int r = top ? make_target(g, doc_member(c->patch, CONFIGURATION), &target) : -ENOMEM;

	json_object_object_foreach(c->patch, key, value) {
		if (r == 0 && strcmp(key, CONFIGURATION) != 0)
			r = value ? doc_set(top, key, json_object_get(value)) : doc_set_null(top, key);
	}
	if (r == 0 && json_object_object_length(top))
		r = add_patch(c, top);
	if (r == 0)
		r = add_rollout(g, c, target, &step);
	if (r == 0)
		step->older_way = true;
	return r;
}

/* ---- what must be gone ---- */

static bool loses_items(struct json_object *before, struct json_object *sent)
{
	return json_object_is_type(sent, json_type_array) && json_object_is_type(before, json_type_array) &&
	       json_object_array_length(before) > json_object_array_length(sent);
}

/* In out: the members of the patch that the document lacks, or that lost items. */
static int find_removed(struct json_object *patch, struct json_object *doc, struct json_object *before, struct json_object *out)
{
	int r = 0;

	json_object_object_foreach(patch, key, value) {
		struct json_object *had = doc_member(before, key);

		if (r < 0)
			break;
		if (had && (doc_is_empty(doc_member(doc, key)) || loses_items(had, value)))
			r = value ? doc_set(out, key, json_object_get(value)) : doc_set_null(out, key);
	}
	return r;
}

static int note_removed(struct change *c)
{
	struct json_object *members = doc_member(c->patch, CONFIGURATION), *inside;
	int r;

	c->removed = json_object_new_object();
	r = c->removed ? find_removed(c->patch, c->after, c->before, c->removed) : -ENOMEM;
	/* Beside the name's label, which the file does not show, the list is the document's. */
	if (r == 0 && c->kind->flags & KIND_LABEL_NAME && doc_has(c->removed, "labels"))
		r = doc_set(c->removed, "labels",
			    doc_member(c->after, "labels") ? json_object_get(doc_member(c->after, "labels")) :
							     json_object_new_array());
	if (r == 0 && json_object_is_type(members, json_type_object) && doc_member(c->after, CONFIGURATION)) {
		inside = json_object_new_object();
		r = inside ? find_removed(members, doc_member(c->after, CONFIGURATION), doc_member(c->before, CONFIGURATION),
					  inside) :
			     -ENOMEM;
		if (r == 0 && json_object_object_length(inside))
			r = doc_set(c->removed, CONFIGURATION, json_object_get(inside));
		json_object_put(inside);
	}
	if (r == 0 && !json_object_object_length(c->removed)) {
		json_object_put(c->removed);
		c->removed = NULL;
	}
	return r;
}

int decide_update_steps(const struct gathered *g, struct change *c)
{
	bool rollouts = c->kind->flags & KIND_ROLLOUT_FOLLOWS && g->rollout != ROLLOUT_NONE && !(g->traits & TRAIT_DURABLE);
	bool hard = c->patch && doc_needs_rollout(c->kind, g->object, c->patch, g->context.doc.service_defaults);
	int r = c->patch ? note_removed(c) : 0;

	if (r < 0)
		return r;
	if (rollouts && (g->owed || (hard && g->wish.older_way)))
		return older_way(g, c);
	if (rollouts && hard)
		return rollout_way(g, c);
	return c->patch ? add_patch(c, c->patch) : 0;
}
