/* The rollout that brings a changed configuration to what runs. */
#include "fs/send/commit.h"

#include <errno.h>
#include <json-c/json.h>

#include "api/base/parse.h"

bool commit_rollout_wanted(struct commit *c, struct json_object *object, struct json_object *patch,
			   struct json_object *service_defaults)
{
	const struct kind *kind = c->what.kind;

	if (!(kind->flags & KIND_ROLLOUT_FOLLOWS) || c->r->mount->options->rollout == ROLLOUT_NONE)
		return false;
	return !(c->snapshot->traits & TRAIT_DURABLE) && doc_needs_rollout(kind, object, patch, service_defaults);
}

/* What is owed is noted with the version before the change: only where the account is past it did the change arrive. */
bool commit_rollout_owed(struct commit *c)
{
	cleanup_buf_ struct buf text = BUF_INIT;
	int64_t before;

	if (!(c->what.kind->flags & KIND_ROLLOUT_FOLLOWS) || c->r->mount->options->rollout == ROLLOUT_NONE ||
	    (c->snapshot->traits & TRAIT_DURABLE))
		return false;
	if (state_get(c->r->mount->state, "owed", c->what.kind->dir, c->what.id, &text) < 0)
		return false;
	return parse_int64(text.data ? text.data : "", -1, INT64_MAX, &before) == 0 && c->snapshot->version > before;
}

void commit_rollout_owe(struct commit *c, struct buf *ret_earlier)
{
	char text[32];
	int n = snprintf(text, sizeof(text), "%lld", (long long)c->snapshot->version);
	const struct state_row row = {
		.table = "owed", .parent = c->what.kind->dir, .id = c->what.id, .value = text, .len = (size_t)n
	};

	if (state_get(c->r->mount->state, "owed", c->what.kind->dir, c->what.id, ret_earlier) < 0)
		buf_clear(ret_earlier);
	/* On the disk before the change goes out, for a kill -9 in between; without a file it goes out all the same. */
	state_set_durable(c->r->mount->state, &row, &c->r->waiter, clock_after_ms(STATE_BUSY_MS));
}

void commit_rollout_restore(struct commit *c, const struct buf *earlier)
{
	if (earlier->len)
		state_set(c->r->mount->state, "owed", c->what.kind->dir, c->what.id, earlier->data, earlier->len);
	else
		state_delete(c->r->mount->state, "owed", c->what.kind->dir, c->what.id);
}

static struct json_object *make_steps(struct commit *c, struct json_object *body)
{
	static const unsigned usual[] = { 10, 100 }, whole[] = { 100 };
	const struct options *o = c->r->mount->options;
	const unsigned *percent = o->rollout_steps_count ? o->rollout_steps : usual;
	unsigned count = o->rollout_steps_count ? o->rollout_steps_count : (unsigned)array_len(usual);
	struct json_object *steps = json_object_new_array(), *max;

	if (!o->rollout_steps_count && json_object_object_get_ex(body, "max_instances", &max) && json_object_get_int64(max) < 2) {
		percent = whole;
		count = 1;
	}
	for (unsigned i = 0; i < count; i++) {
		struct json_object *step = json_object_new_object(), *size = json_object_new_object();
		char text[48];

		snprintf(text, sizeof(text), "Step %u of %u: %u%%", i + 1, count, percent[i]);
		json_object_object_add(size, "percentage", json_object_new_int((int)percent[i]));
		json_object_object_add(step, "step_size", size);
		json_object_object_add(step, "description", json_object_new_string(text));
		json_object_array_add(steps, step);
	}
	return steps;
}

static struct json_object *make_rollout(struct commit *c, struct json_object *body)
{
	struct json_object *rollout = json_object_new_object(), *configuration;

	if (!json_object_object_get_ex(body, "configuration", &configuration))
		configuration = NULL;
	json_object_object_add(rollout, "description", json_object_new_string("Written through cfcfs"));
	json_object_object_add(rollout, "strategy", json_object_new_string("rolling"));
	json_object_object_add(
		rollout, "kind",
		json_object_new_string(c->r->mount->options->rollout == ROLLOUT_MANUAL ? "full_manual" : "full_auto"));
	json_object_object_add(rollout, "steps", make_steps(c, body));
	json_object_object_add(rollout, "target_configuration",
			       configuration ? json_object_get(configuration) : json_object_new_object());
	return rollout;
}

int commit_rollout_send(struct commit *c, struct json_object *body)
{
	const struct kind *kind = kind_by_dir(c->what.kind, "rollouts");
	struct json_object *rollout = make_rollout(c, body);
	struct commit child = { .r = c->r, .what = { .kind = kind, .parent_id = c->what.id } };
	struct answer answer = { 0 };
	int result = commit_call(&child, "create rollout", "POST", kind->collection, rollout, &answer);

	json_object_put(rollout);
	if (result == 0) {
		commit_accept(&child, answer.result, answer.sent_ms);
		state_delete(c->r->mount->state, "owed", c->what.kind->dir, c->what.id);
	} else {
		if (c->r->err.outcome_unknown)
			result = -EIO;
		err_prefix(&c->r->err,
			   "the change was made, but its rollout failed (write the same again to send only the rollout): ");
	}
	free(child.new_id);
	answer_clear(&answer);
	return result;
}
