/* Rollouts as the service answers them. */
#include <errno.h>
#include <inttypes.h>

#include "api/base/parse.h"
#include "emulator/rollout.h"
#include "emulator/route.h"

#define COLUMNS "seq, app, from_version, to_version, from_conf, to_conf, step, percentage, id, kind, status, strategy"

static struct rollout rollout_of(sqlite3_stmt *q)
{
	struct rollout r = { .seq = col_int(q, 0),
			     .app = col_int(q, 1),
			     .from_version = col_int(q, 2),
			     .to_version = col_int(q, 3),
			     .from_conf = col_int(q, 4),
			     .to_conf = col_int(q, 5),
			     .step = col_int(q, 6),
			     .percentage = col_int(q, 7) };

	snprintf(r.id, sizeof(r.id), "%s", col_text(q, 8));
	snprintf(r.kind, sizeof(r.kind), "%s", col_text(q, 9));
	snprintf(r.status, sizeof(r.status), "%s", col_text(q, 10));
	snprintf(r.strategy, sizeof(r.strategy), "%s", col_text(q, 11));
	return r;
}

int rollout_load_seq(struct store *s, int64_t seq, struct rollout *ret)
{
	cleanup_query_ sqlite3_stmt *q = store_query(s, "SELECT " COLUMNS " FROM rollout WHERE seq = ?1", "i", seq);

	if (!store_row(s, q))
		return -ENOENT;
	*ret = rollout_of(q);
	return 0;
}

int rollout_load_id(struct store *s, const char *id, struct rollout *ret)
{
	return rollout_load_seq(s, store_int(s, 0, "SELECT seq FROM rollout WHERE id = ?1", "s", id), ret);
}

int rollout_load(struct call *c, const struct app *a, struct rollout *ret)
{
	if (rollout_load_id(c->store, c->arg[1], ret) < 0 || ret->app != a->seq)
		return call_not_found(c, "Rollout");
	return 0;
}

bool rollout_active(const struct rollout *r)
{
	return strcmp(r->status, "pending") == 0 || strcmp(r->status, "progressing") == 0;
}

bool rollout_rolling(const struct rollout *r)
{
	return strcmp(r->strategy, "rolling") == 0;
}

int64_t rollout_steps(struct store *s, const struct rollout *r)
{
	return store_int(s, 0, "SELECT count(*) FROM step WHERE rollout = ?1", "i", r->seq);
}

int64_t rollout_step_percentage(struct store *s, const struct rollout *r, int64_t step)
{
	return step == 0 ? 0 : store_int(s, 100, "SELECT percentage FROM step WHERE rollout = ?1 AND n = ?2", "ii", r->seq, step);
}

/* Live: most instances are warm and have no row of their own, so the share follows from the steps. */
static struct share live_share(struct call *c, const struct app *a, const struct rollout *r)
{
	bool done = strcmp(r->status, "completed") == 0, back = strcmp(r->status, "reverted") == 0;
	int64_t percentage = back ? 0 : done ? 100 : rollout_step_percentage(c->store, r, r->step);
	struct share s = { .all = app_instances(c, a) };

	/* 10 % of one instance is none. */
	s.updated = s.all * percentage / 100;
	s.percentage = s.all ? s.updated * 100 / s.all : percentage;
	return s;
}

struct share rollout_share(struct call *c, const struct app *a, const struct rollout *r)
{
	struct share s = { 0 };

	if (emulator_live(c->em))
		return live_share(c, a, r);
	s.all = app_deployments(c->store, a);
	s.updated = store_int(c->store, 0, "SELECT count(*) FROM deployment WHERE app = ?1 AND app > 0 AND app_version = ?2",
			      "ii", a->seq, r->to_version);
	s.percentage = s.all ? s.updated * 100 / s.all : strcmp(r->status, "completed") == 0 ? 100 : 0;
	return s;
}

static void write_step(struct call *c, sqlite3_stmt *q)
{
	struct out *o = c->out;

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

static void write_steps(struct call *c, const struct rollout *r)
{
	out_key(c->out, "steps");
	call_rows(c,
		  store_query(c->store,
			      "SELECT n, percentage, description, status, started, completed FROM step WHERE rollout = ?1"
			      " ORDER BY n",
			      "i", r->seq),
		  write_step);
}

static void write_progress(struct call *c, const struct rollout *r, const struct share *s)
{
	struct out *o = c->out;

	out_key(o, "progress");
	out_open(o, '{');
	out_kint(o, "total_steps", rollout_steps(c->store, r));
	out_kint(o, "current_step", r->step);
	out_kint(o, "updated_instances", s->updated);
	out_kint(o, "total_instances", s->all);
	out_key(o, "version_distribution");
	out_open(o, '{');
	out_kint(o, "target_version_instances", s->updated);
	out_kint(o, "current_version_instances", s->all - s->updated);
	out_kint(o, "target_version_percentage", s->percentage);
	out_close(o, '}');
	out_close(o, '}');
}

/* The strategy new_instances has no steps: a share, and how it does. */
static void write_distribution(struct call *c, const struct rollout *r, const struct share *s)
{
	struct out *o = c->out;

	out_kint(o, "percentage", r->percentage);
	out_key(o, "version_distribution");
	out_open(o, '{');
	out_kint(o, "current_version_percentage", 100 - s->percentage);
	out_kint(o, "target_version_percentage", s->percentage);
	out_close(o, '}');
}

static void write_health(struct call *c, const struct app *a, const struct rollout *r)
{
	out_key(c->out, "health");
	app_health(c, a);
	if (rollout_rolling(r))
		return;
	/* One member more, before the brace that was just written. */
	c->out->b.len--;
	out_kstr(c->out, "summary", strcmp(r->status, "pending") == 0 ? "pending" : "healthy");
	out_close(c->out, '}');
}

static void write_rollout(struct call *c, const struct app *a, const struct rollout *r)
{
	cleanup_query_ sqlite3_stmt *q =
		store_query(c->store, "SELECT description, created, updated, started FROM rollout WHERE seq = ?1", "i", r->seq);
	struct share share = rollout_share(c, a, r);
	struct out *o = c->out;

	if (!store_row(c->store, q))
		return;
	out_open(o, '{');
	out_kstr(o, "description", col_text(q, 0));
	out_kstr(o, "id", r->id);
	out_ktime(o, "created_at", col_int(q, 1));
	out_ktime(o, "last_updated_at", col_int(q, 2));
	out_kstr(o, "kind", r->kind);
	out_kstr(o, "strategy", r->strategy);
	out_kint(o, "current_version", r->from_version);
	out_kint(o, "target_version", r->to_version);
	conf_write_target(c, "current_configuration", r->from_conf);
	conf_write_target(c, "target_configuration", r->to_conf);
	out_kstr(o, "status", r->status);
	write_health(c, a, r);
	if (rollout_rolling(r)) {
		write_steps(c, r);
		write_progress(c, r, &share);
	}
	if (col_int(q, 3))
		out_ktime(o, "started_at", col_int(q, 3));
	if (!rollout_rolling(r))
		write_distribution(c, r, &share);
	out_close(o, '}');
}

int rollout_answer(struct call *c, const struct app *a, const char *id)
{
	struct rollout r;

	if (rollout_load_id(c->store, id, &r) < 0)
		return -EIO;
	write_rollout(c, a, &r);
	return 0;
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
	q = store_query(c->store, "SELECT " COLUMNS " FROM rollout WHERE app = ?1 AND seq < ?2 ORDER BY seq DESC", "ii", a.seq,
			before);
	out_open(c->out, '[');
	while (left-- > 0 && store_row(c->store, q)) {
		struct rollout roll = rollout_of(q);

		write_rollout(c, &a, &roll);
	}
	out_close(c->out, ']');
	return 0;
}

int rollout_get(struct call *c)
{
	struct rollout roll;
	struct app a;
	int r = app_load(c, &a);

	if (r == 0)
		r = rollout_load(c, &a, &roll);
	return r < 0 ? r : rollout_answer(c, &a, roll.id);
}
