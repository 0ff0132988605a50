/* Applications as the service answers them. */
#include <errno.h>
#include <inttypes.h>

#include "api/base/parse.h"
#include "emulator/route.h"
#include "emulator/world.h"

static int load(struct call *c, bool live, struct app *ret)
{
	int64_t seq =
		store_int(c->store, 0, "SELECT seq FROM application WHERE id = ?1 AND account = ?2", "ss", c->arg[0], c->account);

	if (!seq || app_load_seq(c->store, seq, ret) < 0 || (live && ret->gone))
		return call_not_found(c, "Application");
	return 0;
}

int app_load(struct call *c, struct app *ret)
{
	return load(c, false, ret);
}

int app_load_live(struct call *c, struct app *ret)
{
	return load(c, true, ret);
}

int app_load_seq(struct store *s, int64_t seq, struct app *ret)
{
	cleanup_query_ sqlite3_stmt *q =
		store_query(s,
			    "SELECT id, account, policy, rollout, version, active, instances, max_instances, conf, created,"
			    " gone, jobs, durable FROM application WHERE seq = ?1",
			    "i", seq);

	if (!store_row(s, q))
		return -ENOENT;
	*ret = (struct app){ .seq = seq,
			     .version = col_int(q, 4),
			     .active = col_int(q, 5),
			     .instances = col_int(q, 6),
			     .max_instances = col_int(q, 7),
			     .conf = col_int(q, 8),
			     .created = col_int(q, 9),
			     .gone = col_int(q, 10),
			     .jobs = col_int(q, 11),
			     .durable = col_int(q, 12) };
	snprintf(ret->id, sizeof(ret->id), "%s", col_text(q, 0));
	snprintf(ret->account, sizeof(ret->account), "%s", col_text(q, 1));
	snprintf(ret->policy, sizeof(ret->policy), "%s", col_text(q, 2));
	snprintf(ret->rollout, sizeof(ret->rollout), "%s", col_text(q, 3));
	return 0;
}

bool app_versioned(const struct app *a)
{
	return strcmp(a->policy, "durable_object") != 0;
}

int64_t version_conf(struct store *s, int64_t app, int64_t version)
{
	return store_int(s, 0, "SELECT conf FROM version WHERE app = ?1 AND version = ?2", "ii", app, version);
}

void app_health(struct store *s, struct out *o, int64_t app, bool durable, int64_t now)
{
	cleanup_query_ sqlite3_stmt *q =
		store_query(s,
			    "SELECT count(*), sum(placement = 0), sum(placement > 0 AND fate = 1 AND ?2 - placed >= ?3),"
			    " sum(placement > 0 AND fate = 0 AND ?2 - placed >= ?4) FROM deployment WHERE app = ?1 AND app > 0",
			    "iiii", app, now, (int64_t)FAILED_AFTER_MS, (int64_t)RUNNING_AFTER_MS);
	int64_t all = 0, scheduling = 0, failed = 0, running = 0, do_running = 0, do_starting = 0;

	if (store_row(s, q)) {
		all = col_int(q, 0);
		scheduling = col_int(q, 1);
		failed = col_int(q, 2);
		running = col_int(q, 3);
	}
	if (durable)
		instance_count(s, app, now, &do_running, &do_starting);
	out_open(o, '{');
	out_key(o, "instances");
	out_open(o, '{');
	out_kint(o, "active", running + do_running);
	out_kint(o, "healthy", running + do_running);
	out_kint(o, "failed", failed);
	out_kint(o, "starting", all - scheduling - failed - running + do_starting);
	out_kint(o, "scheduling", scheduling);
	out_close(o, '}');
	out_close(o, '}');
}

enum { A_SEQ, A_ID, A_HEAD, A_TAIL, A_VERSION, A_ACTIVE, A_INSTANCES, A_GRACE, A_CONF, A_ROLLOUT, A_DURABLE, A_POLICY };
#define VIEW                                                                                                                     \
	"SELECT seq, id, head, tail, version, active, instances, grace, conf, rollout, durable, policy FROM "                    \
	"application "

static void write_side(struct call *c, const char *key, int64_t instances, int64_t conf, int64_t version)
{
	cleanup_query_ sqlite3_stmt *q = store_query(c->store, "SELECT user FROM conf WHERE seq = ?1", "i", conf);

	out_key(c->out, key);
	out_open(c->out, '{');
	out_kint(c->out, "instances", instances);
	out_kraw(c->out, "configuration", store_row(c->store, q) ? col_text(q, 0) : "{}");
	out_kint(c->out, "version", version);
	out_close(c->out, '}');
}

/* Where the document is ahead of what runs, a hint says what the scheduler is moving from and to. */
static void write_hint(struct call *c, sqlite3_stmt *q)
{
	int64_t seq = col_int(q, A_SEQ), version = col_int(q, A_VERSION), active = col_int(q, A_ACTIVE);
	int64_t instances = col_int(q, A_INSTANCES), now;

	if (active == version || strcmp(col_text(q, A_POLICY), "durable_object") == 0)
		return;
	now = store_int(c->store, 0, "SELECT count(*) FROM deployment WHERE app = ?1 AND app > 0", "i", seq);
	out_key(c->out, "scheduling_hint");
	out_open(c->out, '{');
	write_side(c, "current", now, version_conf(c->store, seq, active), active);
	write_side(c, "target", instances, col_int(q, A_CONF), version);
	out_close(c->out, '}');
}

static void write_row(struct call *c, sqlite3_stmt *q)
{
	struct out *o = c->out;

	out_comma(o);
	out_raws(o, col_text(q, A_HEAD));
	write_hint(c, q);
	if (*col_text(q, A_ROLLOUT))
		out_kstr(o, "active_rollout_id", col_text(q, A_ROLLOUT));
	out_kint(o, "rollout_active_grace_period", col_int(q, A_GRACE));
	out_key(o, "health");
	app_health(c->store, o, col_int(q, A_SEQ), col_int(q, A_DURABLE), c->now);
	out_raws(o, ",");
	out_raws(o, col_text(q, A_TAIL));
	out_close(o, '}');
}

int app_answer(struct call *c, const char *id)
{
	cleanup_query_ sqlite3_stmt *q = store_query(c->store, VIEW "WHERE id = ?1", "s", id);

	if (!store_row(c->store, q))
		return call_not_found(c, "Application");
	write_row(c, q);
	return 0;
}

int app_get(struct call *c)
{
	struct app a;
	int r = app_load(c, &a);

	return r < 0 ? r : app_answer(c, a.id);
}

static bool image_fits(struct call *c, int64_t conf, const char *image)
{
	cleanup_query_ sqlite3_stmt *q = store_query(c->store, "SELECT image FROM conf WHERE seq = ?1", "i", conf);

	return store_row(c->store, q) && strcmp(col_text(q, 0), image) == 0;
}

static bool filters_fit(struct call *c, sqlite3_stmt *q, const char *image)
{
	cleanup_query_ sqlite3_stmt *conf = NULL;

	if (image && !image_fits(c, col_int(q, A_CONF), image))
		return false;
	if (!call_query(c, "label", 0))
		return true;
	conf = store_query(c->store, "SELECT intent FROM conf WHERE seq = ?1", "i", col_int(q, A_CONF));
	return store_row(c->store, conf) && labels_fit(c, col_text(conf, 0));
}

int app_list(struct call *c)
{
	const char *image = call_query(c, "image", 0), *name = call_query(c, "name", 0);
	cleanup_free_ char *longer = image ? image_long(c->account, image) : NULL;
	cleanup_query_ sqlite3_stmt *q = NULL;
	int64_t after, limit, n = 0, last = 0;
	int r = call_page(c, &after, &limit);

	if (r < 0)
		return r;
	if (name)
		q = store_query(c->store, VIEW "WHERE account = ?1 AND name = ?2 AND seq > ?3 ORDER BY seq", "ssi", c->account,
				name, after);
	else
		q = store_query(c->store, VIEW "WHERE account = ?1 AND seq > ?2 ORDER BY seq", "si", c->account, after);
	out_open(c->out, '[');
	while (store_row(c->store, q)) {
		if (!filters_fit(c, q, longer))
			continue;
		if (n++ == limit) {
			call_next_page(c, last);
			break;
		}
		last = col_int(q, A_SEQ);
		write_row(c, q);
	}
	out_close(c->out, ']');
	return 0;
}

int app_status(struct call *c)
{
	struct out *o = c->out;
	struct app a;
	int64_t deployments;
	int r = app_load(c, &a);

	if (r < 0)
		return r;
	deployments = store_int(c->store, 0, "SELECT count(*) FROM deployment WHERE app = ?1 AND app > 0", "i", a.seq);
	out_open(o, '{');
	out_key(o, "scheduler");
	out_open(o, '{');
	out_kstr(o, "status", a.gone ? "deleting" : a.rollout[0] ? "rolling_out" : "idle");
	out_kint(o, "desired_instances", a.instances);
	out_kint(o, "deployments", deployments);
	out_close(o, '}');
	out_key(o, "jobs");
	job_queue(c, a.seq);
	out_close(o, '}');
	return 0;
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
	all = store_int(c->store, 0, "SELECT count(*) FROM deployment WHERE app = ?1 AND app > 0", "i", a.seq);
	q = store_query(c->store,
			"SELECT v.version, c.user, (SELECT count(*) FROM deployment d WHERE d.app = ?1 AND d.app > 0"
			" AND d.app_version = v.version) FROM version v JOIN conf c ON c.seq = v.conf WHERE v.app = ?1"
			" ORDER BY v.version",
			"i", a.seq);
	out_open(c->out, '[');
	while (app_versioned(&a) && store_row(c->store, q)) {
		int64_t version = col_int(q, 0);

		out_open(c->out, '{');
		out_kint(c->out, "version", version);
		out_kint(c->out, "percentage", all ? col_int(q, 2) * 100 / all : version == a.active ? 100 : 0);
		out_kraw(c->out, "configuration", col_text(q, 1));
		out_close(c->out, '}');
	}
	out_close(c->out, ']');
	return 0;
}
