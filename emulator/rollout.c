/* Rollouts: how a configuration reaches the instances that run. */
#include <errno.h>
#include <inttypes.h>

#include "emulator/rollout.h"
#include "emulator/route.h"
#include "emulator/settle.h"

#define START_MS  1000  /* from pending to the first step, when it goes by itself */
#define STEP_MS   10000 /* how long a step takes */
#define STEPS_MAX 100
#define LINGER_MS 90000 /* live: so long an old container goes on beside the new one */

static int set_status(struct call *c, const struct rollout *r, const char *status, int64_t step, int64_t due)
{
	if (due)
		settle_soon(due);
	return store_exec(c->store, "UPDATE rollout SET status = ?2, step = ?3, due = ?4, updated = ?5 WHERE seq = ?1", "isiii",
			  r->seq, status, step, due, c->now);
}

/* Gives want deployments the target version, the others the earlier one. */
static int distribute(struct call *c, const struct rollout *r, int64_t want)
{
	int64_t have = store_int(c->store, 0, "SELECT count(*) FROM deployment WHERE app = ?1 AND app > 0 AND app_version = ?2",
				 "ii", r->app, r->to_version);
	int64_t linger = emulator_live(c->em) ? LINGER_MS : 0;
	struct conf from, to;
	int e = 0;

	if (r->from_version == r->to_version || conf_load(c->store, r->from_conf, &from) < 0 ||
	    conf_load(c->store, r->to_conf, &to) < 0)
		return 0;
	for (; e == 0 && have < want; have++) {
		int64_t dep =
			store_int(c->store, 0, "SELECT min(seq) FROM deployment WHERE app = ?1 AND app > 0 AND app_version <> ?2",
				  "ii", r->app, r->to_version);

		if (!dep)
			break;
		e = dep_update(c, dep, r->to_version, &to, NULL, linger);
	}
	for (; e == 0 && have > want; have--) {
		int64_t dep =
			store_int(c->store, 0, "SELECT max(seq) FROM deployment WHERE app = ?1 AND app > 0 AND app_version = ?2",
				  "ii", r->app, r->to_version);

		if (!dep)
			break;
		e = dep_update(c, dep, r->from_version, &from, NULL, linger);
	}
	return e;
}

/* How many of the deployments a step gives the target to; live: 10 % of one is none. */
static int64_t wanted(struct call *c, const struct rollout *r, int64_t step)
{
	int64_t all = store_int(c->store, 0, "SELECT count(*) FROM deployment WHERE app = ?1 AND app > 0", "i", r->app);
	int64_t percentage = rollout_step_percentage(c->store, r, step);

	return (all * percentage + (emulator_live(c->em) ? 0 : 99)) / 100;
}

static int start_step(struct call *c, const struct rollout *r, int64_t step)
{
	int e = rollout_rolling(r) || emulator_live(c->em) ? distribute(c, r, wanted(c, r, step)) : 0;

	if (e == 0)
		e = store_exec(
			c->store,
			"UPDATE step SET status = 'progressing', started = ?3, completed = 0 WHERE rollout = ?1 AND n = ?2",
			"iii", r->seq, step, c->now);
	if (e == 0)
		e = store_exec(c->store, "UPDATE rollout SET started = ?2 WHERE seq = ?1 AND started = 0", "ii", r->seq, c->now);
	return e < 0 ? e : set_status(c, r, "progressing", step, c->now + STEP_MS);
}

static int finish(struct call *c, const struct rollout *r)
{
	int e;

	if (emulator_live(c->em))
		e = live_completed(c, r->app, r->seq, r->to_version, r->to_conf);
	else
		e = store_exec(c->store,
			       "UPDATE application SET active = max(active, ?2), rollout = '' WHERE seq = ?1 AND rollout = ?3",
			       "iis", r->app, r->to_version, r->id);
	return e < 0 ? e : set_status(c, r, "completed", r->step, 0);
}

int rollout_due(struct call *c, int64_t seq)
{
	struct rollout r;
	int e;

	if (rollout_load_seq(c->store, seq, &r) < 0)
		return 0;
	if (!rollout_active(&r))
		return set_status(c, &r, r.status, r.step, 0);
	if (r.step == 0)
		return start_step(c, &r, 1);
	e = store_exec(c->store, "UPDATE step SET status = 'completed', completed = ?3 WHERE rollout = ?1 AND n = ?2", "iii",
		       r.seq, r.step, c->now);
	if (e < 0)
		return e;
	if (r.step >= rollout_steps(c->store, &r))
		return finish(c, &r);
	if (strcmp(r.kind, "full_manual") == 0)
		return set_status(c, &r, "progressing", r.step, 0);
	return start_step(c, &r, r.step + 1);
}

static int check_percentages(struct call *c, const struct app *a, struct json_object *steps)
{
	bool live = emulator_live(c->em);
	size_t n = json_object_array_length(steps);
	int64_t before = 0, percentage;

	if (n == 0 || n > STEPS_MAX)
		return call_invalid_field(c, "steps", "must have 1 to %d steps", STEPS_MAX);
	if (live && n > (size_t)(a->max_instances > 1 ? a->max_instances : 1))
		return call_invalid_field(c, "steps", "must not be more than max_instances");
	for (size_t i = 0; i < n; i++) {
		percentage = json_int(json_member(json_object_array_get_idx(steps, i), "step_size"), "percentage", 0);
		if (percentage <= before)
			return call_invalid_field(c, "steps", "each step must reach a larger percentage than the one before");
		if (live && percentage < 10)
			return call_invalid_field(c, "steps", "each step must reach 10 percent at least");
		before = percentage;
	}
	if (live && before != 100)
		return call_invalid_field(c, "steps", "the last step must reach 100 percent");
	return 0;
}

static int check_steps(struct call *c, const struct app *a)
{
	struct json_object *steps = json_member(c->body, "steps"), *size = json_member(c->body, "step_percentage");
	const char *kind = json_str(c->body, "kind");
	static const int sizes[] = { 5, 10, 20, 25, 50, 100 };
	bool known = false, rolling = strcmp(json_str(c->body, "strategy"), "rolling") == 0;

	if (steps && size)
		return call_invalid_field(c, "step_percentage", "cannot be given together with steps");
	if (!rolling && (steps || size))
		return call_invalid_field(c, steps ? "steps" : "step_percentage", "goes with the strategy rolling alone");
	if (emulator_live(c->em) && rolling && json_member(c->body, "percentage"))
		return call_invalid_field(c, "percentage", "goes with the strategy new_instances alone");
	if (!rolling && kind && strcmp(kind, "full_manual") == 0 && !json_member(c->body, "percentage"))
		return call_invalid_field(c, "percentage", "is required by new_instances with full_manual");
	for (size_t i = 0; size && i < array_len(sizes); i++)
		known = known || json_object_get_double(size) == sizes[i];
	if (size && !known)
		return call_invalid_field(c, "step_percentage", "must be one of: 5, 10, 20, 25, 50, 100");
	return steps ? check_percentages(c, a, steps) : 0;
}

static int add_step(struct call *c, int64_t rollout, int64_t n, int64_t percentage, const char *description)
{
	return store_exec(c->store,
			  "INSERT INTO step(rollout, n, percentage, description, status) VALUES(?1, ?2, ?3, ?4, 'pending')",
			  "iiis", rollout, n, percentage, description);
}

static int add_steps(struct call *c, int64_t rollout)
{
	struct json_object *steps = json_member(c->body, "steps"), *step;
	/* new_instances has a share in place of steps: one of its size. */
	int64_t size = json_int(c->body, "step_percentage", json_int(c->body, "percentage", 100)), n = 0;
	char text[80];
	int e = 0;

	for (size_t i = 0; e == 0 && steps && i < json_object_array_length(steps); i++) {
		step = json_object_array_get_idx(steps, i);
		e = add_step(c, rollout, ++n, json_int(json_member(step, "step_size"), "percentage", 100),
			     json_str(step, "description"));
	}
	for (int64_t p = size > 0 ? size : 100; e == 0 && !steps && p <= 100; p += size > 0 ? size : 100) {
		snprintf(text, sizeof(text), "Step %" PRId64 ": rollout at %" PRId64 "%% of instances", n + 1, p);
		e = add_step(c, rollout, ++n, p, text);
	}
	return e;
}

/* Where a rollout leads. */
struct target {
	int64_t version, conf;
};

/* The configuration that the target, which may be partial, makes of the application's: a member of *ret_doc. */
static int merge_target(struct call *c, const struct app *a, struct json_object **ret_doc)
{
	cleanup_json_ struct json_object *doc = app_base(c, a);
	cleanup_problems_ struct problems p = PROBLEMS_INIT;
	struct json_object *conf = json_member(doc, "configuration"), *target = json_member(c->body, "target_configuration");
	struct account account;
	struct size size;
	int r;

	if (!doc)
		return -EIO;
	if (!conf) {
		conf = json_object_new_object();
		json_object_object_add(doc, "configuration", conf);
	}
	schema_strip_null(target);
	conf_merge_sizes(conf, target);
	schema_patch(conf, target, NULL);
	r = conf_check(c, conf, "target_configuration.", &p);
	if (r < 0)
		return r;
	account_load(c->store, c->account, &account);
	size = conf_size(conf, &account.defaults);
	r = limits_check(c, &size, NULL, 0);
	if (r == 0)
		*ret_doc = steal_ptr(doc);
	return r;
}

/* The application takes the target as its configuration, where that is not what it has already; live: when it is done. */
static int take_target(struct call *c, struct app *a, struct target *ret)
{
	cleanup_json_ struct json_object *doc = NULL;
	struct conf conf;
	int r = merge_target(c, a, &doc);

	if (r == 0 && emulator_live(c->em))
		return live_rollout(c, a, json_member(doc, "configuration"), &ret->version, &ret->conf);
	if (r == 0)
		r = conf_store(c, json_member(doc, "configuration"), 0, &conf);
	if (r < 0)
		return r;
	if (store_int(c->store, 0, "SELECT a.user = b.user FROM conf a, conf b WHERE a.seq = ?1 AND b.seq = ?2", "ii", conf.seq,
		      a->conf)) {
		*ret = (struct target){ a->version, a->conf };
		return store_exec(c->store, "DELETE FROM conf WHERE seq = ?1", "i", conf.seq);
	}
	r = app_store(c, a, doc, a->version + 1, conf.seq);
	*ret = (struct target){ a->version + 1, conf.seq };
	return r < 0 ? r : app_load_seq(c->store, a->seq, a);
}

static int insert(struct call *c, const struct app *a, const struct target *t, char id[ID_SIZE])
{
	const char *kind = json_str(c->body, "kind");
	bool manual = kind && strcmp(kind, "full_manual") == 0;
	int64_t due = manual ? 0 : c->now + START_MS;
	int e;

	id_make(id);
	e = store_exec(c->store,
		       "UPDATE rollout SET status = 'replaced', due = 0, updated = ?2 WHERE app = ?1 AND"
		       " status IN ('pending', 'progressing')",
		       "ii", a->seq, c->now);
	if (e == 0)
		e = store_exec(c->store,
			       "INSERT INTO rollout(id, app, description, strategy, kind, created, updated, status, from_version,"
			       " to_version, from_conf, to_conf, percentage, due, took)"
			       " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?6, 'pending', ?7, ?8, ?9, ?10, ?11, ?12,"
			       " (SELECT pending FROM application WHERE seq = ?2))",
			       "sisssiiiiiii", id, a->seq, json_str(c->body, "description"), json_str(c->body, "strategy"),
			       kind       ? kind :
			       a->durable ? "durable_objects_auto" :
					    "full_auto",
			       c->now, a->active, t->version, version_conf(c->store, a->seq, a->active), t->conf,
			       json_int(c->body, "percentage", 100), due);
	if (e == 0)
		e = add_steps(c, store_last_rowid(c->store));
	if (e == 0)
		e = store_exec(c->store, "UPDATE application SET rollout = ?2 WHERE seq = ?1", "is", a->seq, id);
	if (due)
		settle_soon(due);
	return e;
}

/* Live: the answer to the POST says that it progresses already. */
static int start_at_once(struct call *c, const char *id)
{
	struct rollout r;

	if (rollout_load_id(c->store, id, &r) < 0)
		return -EIO;
	return strcmp(r.kind, "full_manual") == 0 ? 0 : start_step(c, &r, 1);
}

int rollout_create(struct call *c)
{
	char id[ID_SIZE];
	struct target target;
	struct app a;
	int r = app_load_live(c, &a);

	if (r == 0)
		r = call_check(c, fields_rollout_create, 0);
	if (r == 0)
		r = check_steps(c, &a);
	if (r < 0)
		return r;
	if (!app_versioned(&a))
		return call_fail(c, 400, NULL, "Rollouts do not apply to the scheduling policy durable_object");
	r = take_target(c, &a, &target);
	if (r == 0)
		r = insert(c, &a, &target, id);
	if (r == 0 && emulator_live(c->em))
		r = start_at_once(c, id);
	return r < 0 ? r : rollout_answer(c, &a, id);
}

static bool step_runs(struct call *c, const struct rollout *r)
{
	return store_int(c->store, 0, "SELECT status = 'progressing' FROM step WHERE rollout = ?1 AND n = ?2", "ii", r->seq,
			 r->step);
}

static int next(struct call *c, const struct rollout *r)
{
	if (step_runs(c, r))
		return call_fail(c, 400, NULL, "The current step of the rollout is not finished");
	return start_step(c, r, r->step + 1);
}

static int previous(struct call *c, const struct rollout *r)
{
	int e;

	if (r->step == 0)
		return call_fail(c, 400, NULL, "The rollout has no previous step");
	e = distribute(c, r, wanted(c, r, r->step - 1));
	if (e == 0)
		e = store_exec(c->store, "UPDATE step SET status = 'reverted', completed = 0 WHERE rollout = ?1 AND n = ?2", "ii",
			       r->seq, r->step);
	return e < 0 ? e : set_status(c, r, r->step > 1 ? "progressing" : "pending", r->step - 1, 0);
}

static int revert(struct call *c, const struct rollout *r)
{
	int e = distribute(c, r, 0);

	if (e == 0)
		e = store_exec(c->store, "UPDATE step SET status = 'reverted' WHERE rollout = ?1 AND status <> 'pending'", "i",
			       r->seq);
	if (e == 0)
		e = store_exec(c->store, "UPDATE application SET rollout = '', pending = '' WHERE seq = ?1", "i", r->app);
	return e < 0 ? e : set_status(c, r, "reverted", r->step, 0);
}

int rollout_action(struct call *c)
{
	static const struct {
		const char *word, *message;
		int (*act)(struct call *c, const struct rollout *r);
	} acts[] = { { "next", "The next step was started", next },
		     { "previous", "The step was taken back", previous },
		     { "revert", "The rollout was reverted", revert } };
	const char *word = json_str(c->body, "action");
	struct rollout roll;
	struct app a;
	int r = app_load_live(c, &a);

	if (r == 0)
		r = rollout_load(c, &a, &roll);
	if (r == 0)
		r = call_check(c, fields_rollout_action, 0);
	if (r < 0)
		return r;
	if (!rollout_active(&roll))
		return call_fail(c, 400, NULL, "The rollout is %s: nothing can be done with it any more", roll.status);
	for (size_t i = 0; i < array_len(acts); i++) {
		if (strcmp(acts[i].word, word) != 0)
			continue;
		r = acts[i].act(c, &roll);
		if (r < 0)
			return r;
		out_open(c->out, '{');
		out_kbool(c->out, "success", true);
		out_kstr(c->out, "message", acts[i].message);
		out_key(c->out, "rollout");
		rollout_answer(c, &a, roll.id);
		out_close(c->out, '}');
	}
	return 0;
}

int rollout_delete(struct call *c)
{
	struct rollout roll;
	struct app a;
	int r = app_load_live(c, &a);

	if (r == 0)
		r = rollout_load(c, &a, &roll);
	if (r < 0)
		return r;
	if (rollout_active(&roll))
		return call_fail(c, 400, NULL, "The rollout is active and cannot be deleted");
	r = store_exec(c->store, "DELETE FROM step WHERE rollout = ?1", "i", roll.seq);
	if (r == 0)
		r = store_exec(c->store, "DELETE FROM rollout WHERE seq = ?1", "i", roll.seq);
	out_raws(c->out, "{}");
	return r;
}
