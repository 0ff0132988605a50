/* Applications as the service answers them: alone, in the list, with their health and their versions. */
#include <inttypes.h>

#include "emulator/rollout.h"
#include "emulator/route.h"
#include "emulator/world.h"

#define ERRORS_MAX 10

int64_t app_instances(const struct call *c, const struct app *a)
{
	return emulator_live(c->em) && a->max_instances > 0 ? a->max_instances : a->instances;
}

int64_t app_deployments(struct store *s, const struct app *a)
{
	/* "> 0" tells SQLite that the partial index will do. */
	return store_int(s, 0, "SELECT count(*) FROM deployment WHERE app = ?1 AND app > 0", "i", a->seq);
}

struct counts {
	int64_t running, failed, starting, scheduling;
};

static struct counts count(struct call *c, const struct app *a)
{
	cleanup_query_ sqlite3_stmt *q =
		store_query(c->store,
			    "SELECT count(*), sum(placement = 0), sum(placement > 0 AND fate = 1 AND ?2 - placed >= ?3),"
			    " sum(placement > 0 AND fate = 0 AND ?2 - placed >= ?4) FROM deployment WHERE app = ?1 AND app > 0",
			    "iiii", a->seq, c->now, (int64_t)FAILED_AFTER_MS, (int64_t)RUNNING_AFTER_MS);
	int64_t running = 0, starting = 0;
	struct counts n = { 0 };

	if (store_row(c->store, q))
		n = (struct counts){ col_int(q, 3), col_int(q, 2), col_int(q, 0) - col_int(q, 1) - col_int(q, 2) - col_int(q, 3),
				     col_int(q, 1) };
	if (a->durable)
		instance_count(c->store, a->seq, c->now, &running, &starting);
	n.running += running;
	n.starting += starting;
	return n;
}

/* The events that failed, each with its instance. */
static void write_errors(struct call *c, const struct app *a)
{
	cleanup_query_ sqlite3_stmt *q =
		store_query(c->store,
			    "SELECT d.instance, p.id, p.created, p.stop, p.fate, p.ssh FROM deployment d"
			    " JOIN placement p ON p.seq = d.placement WHERE d.app = ?1 AND d.app > 0 AND d.fate = 1"
			    " AND ?2 - d.placed >= ?3 ORDER BY d.seq LIMIT ?4",
			    "iiii", a->seq, c->now, (int64_t)FAILED_AFTER_MS, (int64_t)ERRORS_MAX);

	out_key(c->out, "errors");
	out_open(c->out, '[');
	while (store_row(c->store, q)) {
		struct placement p = { col_int(q, 2), col_int(q, 3), col_int(q, 4), col_int(q, 5) };
		struct event e[EVENTS_MAX];
		unsigned n = timeline(&p, c->now, e);

		out_open(c->out, '{');
		out_kstr(c->out, "instance_id", col_text(q, 0));
		out_key(c->out, "event");
		event_write(c->out, col_text(q, 1), n ? n - 1 : 0, &e[n ? n - 1 : 0]);
		out_close(c->out, '}');
	}
	out_close(c->out, ']');
}

/* What neither runs nor starts nor failed is warm; ideal: what runs is healthy. */
static int64_t healthy_of(struct call *c, const struct app *a, const struct counts *n)
{
	int64_t warm = app_instances(c, a) - n->running - n->failed - n->starting - n->scheduling;

	return !emulator_live(c->em) ? n->running : warm > 0 ? warm : 0;
}

void app_health(struct call *c, const struct app *a)
{
	struct counts n = count(c, a);
	struct out *o = c->out;

	out_open(o, '{');
	if (app_versioned(a))
		write_errors(c, a);
	out_key(o, "instances");
	out_open(o, '{');
	out_kint(o, "active", n.running);
	if (app_versioned(a)) {
		out_kint(o, "assigned", 0);
		out_kint(o, "healthy", healthy_of(c, a, &n));
		out_kint(o, "stopped", 0);
		out_kint(o, "failed", n.failed);
		out_kint(o, "scheduling", n.scheduling);
	}
	out_kint(o, "starting", n.starting);
	out_close(o, '}');
	out_close(o, '}');
}

void app_health_dash(struct call *c, const struct app *a)
{
	struct counts n = count(c, a);
	struct out *o = c->out;

	out_raws(o, "{\"instances\":{");
	out_kint(o, "active", n.running);
	out_kint(o, "healthy", healthy_of(c, a, &n));
	out_kint(o, "failed", n.failed);
	out_kint(o, "starting", n.starting);
	out_kint(o, "scheduling", n.scheduling);
	out_raws(o, "}}");
}

enum {
	V_NAME = APP_COLUMNS_COUNT,
	V_MID,
	V_TAIL,
	V_UPDATED,
	V_GRACE,
	V_LAG_UNTIL,
	V_LAG_VERSION,
	V_LAG_CONF,
	V_LAG_ROLLOUT,
	V_LAG_UPDATED
};
#define VIEW                                                                                                                     \
	"SELECT " APP_COLUMNS ", name, mid, tail, updated, grace, lag_until, lag_version, lag_conf, lag_rollout, lag_updated"    \
	" FROM application "

/* What an answer says of an application that changes with its rollouts. */
struct shown {
	int64_t version, conf, updated;
	const char *rollout;
};

static void write_side(struct call *c, const char *key, int64_t instances, int64_t conf, int64_t version)
{
	out_key(c->out, key);
	out_open(c->out, '{');
	out_kint(c->out, "instances", instances);
	conf_write_target(c, "configuration", conf);
	out_kint(c->out, "version", version);
	out_close(c->out, '}');
}

/* Where the document is ahead of what runs, a hint says what the scheduler is moving from and to. */
static void write_hint(struct call *c, const struct app *a)
{
	if (a->active == a->version || !app_versioned(a))
		return;
	out_key(c->out, "scheduling_hint");
	out_open(c->out, '{');
	write_side(c, "current", app_deployments(c->store, a), version_conf(c->store, a->seq, a->active), a->active);
	write_side(c, "target", a->instances, a->conf, a->version);
	out_close(c->out, '}');
}

static void write_fragment(struct out *o, const char *members)
{
	if (!*members)
		return;
	out_comma(o);
	out_raws(o, members);
}

/* Read-only, by the size. */
static void write_network(struct call *c, int64_t conf)
{
	struct conf f;

	if (conf_load(c->store, conf, &f) < 0)
		return;
	out_key(c->out, "network");
	out_rawf(c->out, "{\"bandwidth_limit_mbps\":%" PRId64 "}", (int64_t)(f.size.vcpu * 1000));
}

/* The policy durable_object: nothing runs that has a version. */
static void write_durable(struct call *c, sqlite3_stmt *q, const struct app *a)
{
	struct out *o = c->out;

	write_fragment(o, col_text(q, V_MID));
	if (!emulator_live(c->em)) {
		out_key(o, "health");
		app_health(c, a);
	}
	out_ktime(o, "updated_at", col_int(q, V_UPDATED));
	write_fragment(o, col_text(q, V_TAIL));
}

static void write_scheduled(struct call *c, sqlite3_stmt *q, const struct app *a, const struct shown *s)
{
	bool live = emulator_live(c->em);
	struct out *o = c->out;

	write_fragment(o, col_text(q, V_MID));
	write_hint(c, a);
	if (*s->rollout)
		out_kstr(o, "active_rollout_id", s->rollout);
	out_kint(o, "rollout_active_grace_period", col_int(q, V_GRACE));
	out_key(o, "health");
	app_health(c, a);
	if (!live)
		out_ktime(o, "updated_at", s->updated);
	write_fragment(o, col_text(q, V_TAIL));
	if (live)
		write_network(c, s->conf);
}

static void write_app(struct call *c, sqlite3_stmt *q, const struct app *a, const struct shown *s)
{
	bool live = emulator_live(c->em), versioned = app_versioned(a);
	struct out *o = c->out;

	out_open(o, '{');
	out_kstr(o, "id", a->id);
	out_ktime(o, "created_at", a->created);
	if (live && versioned)
		out_ktime(o, "updated_at", s->updated);
	out_kstr(o, "account_id", a->account);
	out_kstr(o, "name", col_text(q, V_NAME));
	if (versioned)
		out_kint(o, "version", s->version);
	out_kstr(o, "scheduling_policy", a->policy);
	if (versioned)
		out_kint(o, "instances", app_instances(c, a));
	if (a->max_instances >= 0)
		out_kint(o, "max_instances", a->max_instances);
	if (s->conf || live)
		conf_write(c, "configuration", s->conf);
	if (versioned)
		write_scheduled(c, q, a, s);
	else
		write_durable(c, q, a);
	out_close(o, '}');
}

static void write_now(struct call *c, sqlite3_stmt *q)
{
	struct app a = app_of(q);
	struct shown s = { a.version, a.conf, col_int(q, V_UPDATED), a.rollout };

	write_app(c, q, &a, &s);
}

/* As the list has it, which may be late. */
static void write_listed(struct call *c, sqlite3_stmt *q)
{
	struct app a = app_of(q);
	struct shown s = { col_int(q, V_LAG_VERSION), col_int(q, V_LAG_CONF), col_int(q, V_LAG_UPDATED),
			   col_text(q, V_LAG_ROLLOUT) };

	if (c->now < col_int(q, V_LAG_UNTIL))
		write_app(c, q, &a, &s);
	else
		write_now(c, q);
}

int app_answer(struct call *c, const char *id)
{
	return call_row(
		c, store_query(c->store, VIEW "WHERE id = ?1 AND account = ?2 ORDER BY seq DESC LIMIT 1", "ss", id, c->account),
		write_now, "Application");
}

static bool image_fits(struct call *c, int64_t conf, const char *image)
{
	cleanup_query_ sqlite3_stmt *q = store_query(c->store, "SELECT image FROM conf WHERE seq = ?1", "i", conf);

	return store_row(c->store, q) && strcmp(col_text(q, 0), image) == 0;
}

static bool filters_fit(struct call *c, int64_t conf, const char *image)
{
	cleanup_query_ sqlite3_stmt *q = NULL;

	if (image && !image_fits(c, conf, image))
		return false;
	if (!call_query(c, "label", 0))
		return true;
	q = store_query(c->store, "SELECT intent FROM conf WHERE seq = ?1", "i", conf);
	return store_row(c->store, q) && labels_fit(c, col_text(q, 0));
}

int app_list(struct call *c)
{
	const char *image = call_query(c, "image", 0), *name = call_query(c, "name", 0);
	cleanup_free_ char *longer = image ? image_long(c->account, image) : NULL;
	cleanup_query_ sqlite3_stmt *q = NULL;
	struct page page;
	int r = call_page(c, 0, emulator_live(c->em) ? 500 : 1000, &page);

	if (r < 0)
		return r;
	if (name)
		q = store_query(c->store, VIEW "WHERE account = ?1 AND name = ?2 AND seq > ?3 ORDER BY seq", "ssi", c->account,
				name, page.after);
	else
		q = store_query(c->store, VIEW "WHERE account = ?1 AND seq > ?2 ORDER BY seq", "si", c->account, page.after);
	out_open(c->out, '[');
	while (store_row(c->store, q)) {
		struct app a = app_of(q);

		if (!filters_fit(c, a.conf, longer))
			continue;
		if (!call_page_takes(c, &page, a.seq))
			break;
		write_listed(c, q);
	}
	out_close(c->out, ']');
	return 0;
}

static void write_version(struct call *c, int64_t version, int64_t percentage, int64_t conf)
{
	out_open(c->out, '{');
	out_kint(c->out, "version", version);
	out_kint(c->out, "percentage", percentage);
	conf_write_target(c, "configuration", conf);
	out_close(c->out, '}');
}

/* Live: what runs; during a rollout the target too. */
static void live_versions(struct call *c, const struct app *a)
{
	struct rollout r;
	int64_t share;

	if (!a->rollout[0] || rollout_load_id(c->store, a->rollout, &r) < 0) {
		write_version(c, a->version, 100, a->conf);
		return;
	}
	share = rollout_share(c, a, &r).percentage;
	write_version(c, a->version, 100 - share, a->conf);
	write_version(c, r.to_version, share, r.to_conf);
}

/*
 * All versions, the newest last, with the share of the instances that run each. Without any instance the
 * active version has it all.
 */
int app_versions(struct call *c)
{
	cleanup_query_ sqlite3_stmt *q = NULL;
	int64_t all;
	struct app a;
	int r = app_load(c, &a);

	if (r < 0)
		return r;
	out_open(c->out, '[');
	if (app_versioned(&a) && emulator_live(c->em)) {
		live_versions(c, &a);
	} else if (app_versioned(&a)) {
		all = app_deployments(c->store, &a);
		q = store_query(c->store,
				"SELECT v.version, v.conf, (SELECT count(*) FROM deployment d WHERE d.app = ?1 AND d.app > 0"
				" AND d.app_version = v.version) FROM version v WHERE v.app = ?1 ORDER BY v.version",
				"i", a.seq);
		while (store_row(c->store, q)) {
			int64_t version = col_int(q, 0);

			write_version(c, version, all ? col_int(q, 2) * 100 / all : version == a.active ? 100 : 0, col_int(q, 1));
		}
	}
	out_close(c->out, ']');
	return 0;
}
