/* Rollouts: how a configuration reaches the instances that run. */
#include <errno.h>
#include <inttypes.h>

#include "api/base/parse.h"
#include "emulator/route.h"
#include "emulator/settle.h"
#include "emulator/world.h"

#define START_MS  1000  /* from pending to the first step, when it goes by itself */
#define STEP_MS   10000 /* how long a step takes */
#define STEPS_MAX 100

struct rollout {
	int64_t seq, app, from_version, to_version, from_conf, to_conf, step, total;
	char id[ID_SIZE], kind[24], status[16], strategy[16];
};

static int load_seq(struct store *s, int64_t seq, struct rollout *ret)
{
	cleanup_query_ sqlite3_stmt *q =
		store_query(s,
			    "SELECT app, from_version, to_version, from_conf, to_conf, step, total, id, kind, status, strategy"
			    " FROM rollout WHERE seq = ?1",
			    "i", seq);

	if (!store_row(s, q))
		return -ENOENT;
	*ret = (struct rollout){ seq,
				 col_int(q, 0),
				 col_int(q, 1),
				 col_int(q, 2),
				 col_int(q, 3),
				 col_int(q, 4),
				 col_int(q, 5),
				 col_int(q, 6),
				 "",
				 "",
				 "",
				 "" };
	snprintf(ret->id, sizeof(ret->id), "%s", col_text(q, 7));
	snprintf(ret->kind, sizeof(ret->kind), "%s", col_text(q, 8));
	snprintf(ret->status, sizeof(ret->status), "%s", col_text(q, 9));
	snprintf(ret->strategy, sizeof(ret->strategy), "%s", col_text(q, 10));
	return 0;
}

/* The rollout that the second argument names. */
static int load(struct call *c, const struct app *a, struct rollout *ret)
{
	int64_t seq = store_int(c->store, 0, "SELECT seq FROM rollout WHERE id = ?1 AND app = ?2", "si", c->arg[1], a->seq);

	if (!seq || load_seq(c->store, seq, ret) < 0)
		return call_not_found(c, "Rollout");
	return 0;
}

static bool is_active(const struct rollout *r)
{
	return strcmp(r->status, "pending") == 0 || strcmp(r->status, "progressing") == 0;
}

static int set_status(struct call *c, const struct rollout *r, const char *status, int64_t step, int64_t due)
{
	if (due)
		settle_soon(due);
	return store_exec(c->store, "UPDATE rollout SET status = ?2, step = ?3, due = ?4, updated = ?5 WHERE seq = ?1", "isiii",
			  r->seq, status, step, due, c->now);
}

static int64_t steps_of(struct call *c, const struct rollout *r)
{
	return store_int(c->store, 0, "SELECT count(*) FROM step WHERE rollout = ?1", "i", r->seq);
}

static int64_t updated_of(struct call *c, const struct rollout *r)
{
	return store_int(c->store, 0, "SELECT count(*) FROM deployment WHERE app = ?1 AND app > 0 AND app_version = ?2", "ii",
			 r->app, r->to_version);
}

/* Gives want deployments the target version, the others the earlier one. */
static int distribute(struct call *c, const struct rollout *r, int64_t want)
{
	int64_t have = updated_of(c, r);
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
		e = dep_update(c->store, dep, r->to_version, &to, NULL, true, c->now);
	}
	for (; e == 0 && have > want; have--) {
		int64_t dep =
			store_int(c->store, 0, "SELECT max(seq) FROM deployment WHERE app = ?1 AND app > 0 AND app_version = ?2",
				  "ii", r->app, r->to_version);

		if (!dep)
			break;
		e = dep_update(c->store, dep, r->from_version, &from, NULL, true, c->now);
	}
	return e;
}

static int64_t wanted(struct call *c, const struct rollout *r, int64_t step)
{
	int64_t all = store_int(c->store, 0, "SELECT count(*) FROM deployment WHERE app = ?1 AND app > 0", "i", r->app);
	int64_t percentage = step == 0 ? 0 :
					 store_int(c->store, 100, "SELECT percentage FROM step WHERE rollout = ?1 AND n = ?2",
						   "ii", r->seq, step);

	return (all * percentage + 99) / 100;
}

static int start_step(struct call *c, const struct rollout *r, int64_t step)
{
	int e = strcmp(r->strategy, "rolling") == 0 ? distribute(c, r, wanted(c, r, step)) : 0;

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
	int e = store_exec(c->store,
			   "UPDATE application SET active = max(active, ?2), rollout = '' WHERE seq = ?1 AND rollout = ?3", "iis",
			   r->app, r->to_version, r->id);

	return e < 0 ? e : set_status(c, r, "completed", r->step, 0);
}

int rollout_due(struct call *c, int64_t seq)
{
	struct rollout r;
	int e;

	if (load_seq(c->store, seq, &r) < 0)
		return 0;
	if (!is_active(&r))
		return set_status(c, &r, r.status, r.step, 0);
	if (r.step == 0)
		return start_step(c, &r, 1);
	e = store_exec(c->store, "UPDATE step SET status = 'completed', completed = ?3 WHERE rollout = ?1 AND n = ?2", "iii",
		       r.seq, r.step, c->now);
	if (e < 0)
		return e;
	if (r.step >= steps_of(c, &r))
		return finish(c, &r);
	if (strcmp(r.kind, "full_manual") == 0)
		return set_status(c, &r, "progressing", r.step, 0);
	return start_step(c, &r, r.step + 1);
}

static void write_steps(struct call *c, const struct rollout *r)
{
	cleanup_query_ sqlite3_stmt *q = store_query(
		c->store, "SELECT n, percentage, description, status, started, completed FROM step WHERE rollout = ?1 ORDER BY n",
		"i", r->seq);
	struct out *o = c->out;

	out_key(o, "steps");
	out_open(o, '[');
	while (store_row(c->store, q)) {
		out_open(o, '{');
		out_kint(o, "id", col_int(q, 0));
		out_key(o, "step_size");
		out_rawf(o, "{\"percentage\":%" PRId64 "}", col_int(q, 1));
		out_kstr(o, "description", col_text(q, 2));
		out_kstr(o, "status", col_text(q, 3));
		if (col_int(q, 4))
			out_ktime(o, "started_at", col_int(q, 4));
		if (col_int(q, 5))
			out_ktime(o, "completed_at", col_int(q, 5));
		out_close(o, '}');
	}
	out_close(o, ']');
}

static void write_progress(struct call *c, const struct rollout *r)
{
	int64_t all = store_int(c->store, 0, "SELECT count(*) FROM deployment WHERE app = ?1 AND app > 0", "i", r->app);
	int64_t updated = updated_of(c, r);
	struct out *o = c->out;

	out_key(o, "progress");
	out_open(o, '{');
	out_kint(o, "total_steps", steps_of(c, r));
	out_kint(o, "current_step", r->step);
	out_kint(o, "updated_instances", updated);
	out_kint(o, "total_instances", all);
	out_close(o, '}');
}

static void write_distribution(struct call *c, const struct rollout *r)
{
	int64_t all = store_int(c->store, 0, "SELECT count(*) FROM deployment WHERE app = ?1 AND app > 0", "i", r->app);
	double share = all ? 100.0 * (double)updated_of(c, r) / (double)all : strcmp(r->status, "completed") == 0 ? 100 : 0;

	out_key(c->out, "version_distribution");
	out_open(c->out, '{');
	out_knum(c->out, "current_version_percentage", 100 - share);
	out_knum(c->out, "target_version_percentage", share);
	out_close(c->out, '}');
}

static void write_rollout(struct call *c, const struct app *a, int64_t seq)
{
	cleanup_query_ sqlite3_stmt *q =
		store_query(c->store,
			    "SELECT r.description, r.created, r.updated, r.started, r.percentage, f.user, t.user FROM rollout r"
			    " LEFT JOIN conf f ON f.seq = r.from_conf LEFT JOIN conf t ON t.seq = r.to_conf WHERE r.seq = ?1",
			    "i", seq);
	struct out *o = c->out;
	struct rollout r;

	if (load_seq(c->store, seq, &r) < 0 || !store_row(c->store, q))
		return;
	out_open(o, '{');
	out_kstr(o, "description", col_text(q, 0));
	out_kstr(o, "id", r.id);
	out_ktime(o, "created_at", col_int(q, 1));
	out_ktime(o, "last_updated_at", col_int(q, 2));
	out_kstr(o, "kind", r.kind);
	out_kstr(o, "strategy", r.strategy);
	out_kint(o, "current_version", r.from_version);
	out_kint(o, "target_version", r.to_version);
	out_kraw(o, "current_configuration", *col_text(q, 5) ? col_text(q, 5) : "{}");
	out_kraw(o, "target_configuration", *col_text(q, 6) ? col_text(q, 6) : "{}");
	out_kstr(o, "status", r.status);
	out_key(o, "health");
	app_health(c->store, o, a->seq, a->durable, c->now);
	write_steps(c, &r);
	write_progress(c, &r);
	if (col_int(q, 3))
		out_ktime(o, "started_at", col_int(q, 3));
	if (col_int(q, 4))
		out_kint(o, "percentage", col_int(q, 4));
	write_distribution(c, &r);
	out_close(o, '}');
}

int rollout_answer(struct call *c, const struct app *a, const char *id)
{
	write_rollout(c, a, store_int(c->store, 0, "SELECT seq FROM rollout WHERE id = ?1", "s", id));
	return 0;
}

static int check_steps(struct call *c)
{
	struct json_object *steps = json_member(c->body, "steps"), *size = json_member(c->body, "step_percentage");
	static const int sizes[] = { 5, 10, 20, 25, 50, 100 };
	int64_t before = 0, percentage;
	bool known = false;

	if (steps && size)
		return call_invalid_field(c, "step_percentage", "cannot be given together with steps");
	for (size_t i = 0; size && i < array_len(sizes); i++)
		known = known || json_object_get_double(size) == sizes[i];
	if (size && !known)
		return call_invalid_field(c, "step_percentage", "must be one of: 5, 10, 20, 25, 50, 100");
	if (!steps)
		return 0;
	if (json_object_array_length(steps) == 0 || json_object_array_length(steps) > STEPS_MAX)
		return call_invalid_field(c, "steps", "must have 1 to %d steps", STEPS_MAX);
	for (size_t i = 0; i < json_object_array_length(steps); i++) {
		percentage = json_int(json_member(json_object_array_get_idx(steps, i), "step_size"), "percentage", 0);
		if (percentage <= before)
			return call_invalid_field(c, "steps", "each step must reach a larger percentage than the one before");
		before = percentage;
	}
	return 0;
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
	int64_t size = json_int(c->body, "step_percentage", 100), n = 0;
	char text[80];
	int e = 0;

	for (size_t i = 0; e == 0 && steps && i < json_object_array_length(steps); i++) {
		step = json_object_array_get_idx(steps, i);
		e = add_step(c, rollout, ++n, json_int(json_member(step, "step_size"), "percentage", 100),
			     json_str(step, "description"));
	}
	for (int64_t p = size; e == 0 && !steps && p <= 100; p += size) {
		snprintf(text, sizeof(text), "Step %" PRId64 ": rollout at %" PRId64 "%% of instances", n + 1, p);
		e = add_step(c, rollout, ++n, p, text);
	}
	return e;
}

/* The application takes the target as its configuration, where that is not what it has already. */
static int take_target(struct call *c, struct app *a)
{
	cleanup_json_ struct json_object *doc = app_intent(c, a);
	cleanup_problems_ struct problems p = PROBLEMS_INIT;
	struct json_object *conf = json_member(doc, "configuration"), *target = json_member(c->body, "target_configuration");
	struct conf new_conf;
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
		r = conf_store(c, conf, &new_conf);
	if (r < 0)
		return r;
	if (store_int(c->store, 0, "SELECT a.user = b.user FROM conf a, conf b WHERE a.seq = ?1 AND b.seq = ?2", "ii",
		      new_conf.seq, a->conf))
		return store_exec(c->store, "DELETE FROM conf WHERE seq = ?1", "i", new_conf.seq);
	r = app_store(c, a, doc, a->version + 1, new_conf.seq);
	return r < 0 ? r : app_load_seq(c->store, a->seq, a);
}

static int insert(struct call *c, const struct app *a, char id[ID_SIZE])
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
			       " to_version, from_conf, to_conf, percentage, due)"
			       " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?6, 'pending', ?7, ?8, ?9, ?10, ?11, ?12)",
			       "sisssiiiiiii", id, a->seq, json_str(c->body, "description"), json_str(c->body, "strategy"),
			       kind       ? kind :
			       a->durable ? "durable_objects_auto" :
					    "full_auto",
			       c->now, a->active, a->version, version_conf(c->store, a->seq, a->active), a->conf,
			       json_int(c->body, "percentage", 0), due);
	if (e == 0)
		e = add_steps(c, store_last_rowid(c->store));
	if (e == 0)
		e = store_exec(c->store, "UPDATE application SET rollout = ?2 WHERE seq = ?1", "is", a->seq, id);
	if (due)
		settle_soon(due);
	return e;
}

int rollout_create(struct call *c)
{
	char id[ID_SIZE];
	struct app a;
	int r = app_load_live(c, &a);

	if (r == 0)
		r = call_check(c, fields_rollout_create, 0);
	if (r == 0)
		r = check_steps(c);
	if (r < 0)
		return r;
	if (!app_versioned(&a))
		return call_fail(c, 400, NULL, "Rollouts do not apply to the scheduling policy durable_object");
	r = take_target(c, &a);
	if (r == 0)
		r = insert(c, &a, id);
	return r < 0 ? r : rollout_answer(c, &a, id);
}

/* The newest first; "last" is the id after which the page begins. */
int rollout_list(struct call *c)
{
	const char *limit = call_query(c, "limit", 0), *last = call_query(c, "last", 0);
	int64_t left = INT64_MAX, before = INT64_MAX;
	cleanup_query_ sqlite3_stmt *q = NULL;
	struct app a;
	int r = app_load(c, &a);

	if (r < 0)
		return r;
	if (limit && parse_int64(limit, 1, INT64_MAX, &left) < 0)
		return call_invalid_field(c, "limit", "must be a positive integer");
	if (last)
		before = store_int(c->store, 0, "SELECT seq FROM rollout WHERE id = ?1 AND app = ?2", "si", last, a.seq);
	q = store_query(c->store, "SELECT seq FROM rollout WHERE app = ?1 AND seq < ?2 ORDER BY seq DESC", "ii", a.seq, before);
	out_open(c->out, '[');
	while (left-- > 0 && store_row(c->store, q))
		write_rollout(c, &a, col_int(q, 0));
	out_close(c->out, ']');
	return 0;
}

int rollout_get(struct call *c)
{
	struct rollout roll;
	struct app a;
	int r = app_load(c, &a);

	if (r == 0)
		r = load(c, &a, &roll);
	return r < 0 ? r : rollout_answer(c, &a, roll.id);
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
		e = store_exec(c->store, "UPDATE application SET rollout = '' WHERE seq = ?1", "i", r->app);
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
		r = load(c, &a, &roll);
	if (r == 0)
		r = call_check(c, fields_rollout_action, 0);
	if (r < 0)
		return r;
	if (!is_active(&roll))
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
		r = load(c, &a, &roll);
	if (r < 0)
		return r;
	if (is_active(&roll))
		return call_fail(c, 400, NULL, "The rollout is active and cannot be deleted");
	r = store_exec(c->store, "DELETE FROM step WHERE rollout = ?1", "i", roll.seq);
	if (r == 0)
		r = store_exec(c->store, "DELETE FROM rollout WHERE seq = ?1", "i", roll.seq);
	out_raws(c->out, "{}");
	return r;
}
