/* The rollout that brings a changed configuration to what runs. */
#include "fs/send/decide.h"

#include <errno.h>

#include "api/doc_json.h"
#include "fs/core/tree.h"

bool decide_rollout_wanted(const struct gathered *g, struct json_object *patch)
{
	const struct kind *kind = g->wish.what->kind;

	return kind->flags & KIND_ROLLOUT_FOLLOWS && doc_needs_rollout(kind, g->object, patch, g->context.doc.service_defaults);
}

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

static int make_steps(const struct gathered *g, struct json_object *body, struct json_object *steps)
{
	static const unsigned usual[] = { 10, 100 }, whole[] = { 100 };
	struct json_object *max = doc_member(body, "max_instances");
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

static int make_rollout(const struct gathered *g, struct json_object *body, struct json_object *rollout)
{
	cleanup_json_ struct json_object *steps = json_object_new_array();
	struct json_object *configuration = doc_member(body, "configuration");
	const char *kind = g->rollout == ROLLOUT_MANUAL ? "full_manual" : "full_auto";
	int r = steps ? make_steps(g, body, steps) : -ENOMEM;

	if (r == 0)
		r = doc_set(rollout, "description", json_object_new_string("Written through cfcfs"));
	if (r == 0)
		r = doc_set(rollout, "strategy", json_object_new_string("rolling"));
	if (r == 0)
		r = doc_set(rollout, "kind", json_object_new_string(kind));
	if (r == 0)
		r = doc_set(rollout, "steps", steal_ptr(steps));
	if (r == 0)
		r = doc_set(rollout, "target_configuration",
			    configuration ? json_object_get(configuration) : json_object_new_object());
	return r;
}

int decide_rollout(const struct gathered *g, struct change *c)
{
	const struct kind *kind = kind_by_dir(c->kind, "rollouts");
	cleanup_json_ struct json_object *body = NULL, *rollout = json_object_new_object();
	cleanup_free_ char *path = NULL;
	struct step *step = NULL;
	int r = doc_create_body(c->kind, c->after, c->name, &g->context.doc, &body, &c->refusal);

	if (r == 0)
		r = rollout ? make_rollout(g, body, rollout) : -ENOMEM;
	if (r == 0)
		r = kind_path(kind->collection, c->id, NULL, NULL, &path);
	if (r == 0)
		step = change_step_at(c, "create rollout", "POST", steal_ptr(path));
	if (r < 0 || !step)
		return r < 0 ? r : -ENOMEM;
	step->answers = kind;
	step->of = c->id;
	step->settle = SETTLE_NOT;
	c->owes = true;
	c->was_owed = g->owed_noted;
	return step_body(step, rollout);
}
