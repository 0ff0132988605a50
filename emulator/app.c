/* Applications in the state. */
#include <errno.h>

#include "emulator/route.h"
#include "emulator/world.h"

struct app app_of(sqlite3_stmt *q)
{
	struct app a = { .seq = col_int(q, 0),
			 .version = col_int(q, 5),
			 .active = col_int(q, 6),
			 .instances = col_int(q, 7),
			 .max_instances = col_int(q, 8),
			 .conf = col_int(q, 9),
			 .created = col_int(q, 10),
			 .gone = col_int(q, 11),
			 .jobs = col_int(q, 12),
			 .durable = col_int(q, 13) };

	snprintf(a.id, sizeof(a.id), "%s", col_text(q, 1));
	snprintf(a.account, sizeof(a.account), "%s", col_text(q, 2));
	snprintf(a.policy, sizeof(a.policy), "%s", col_text(q, 3));
	snprintf(a.rollout, sizeof(a.rollout), "%s", col_text(q, 4));
	return a;
}

int app_load_seq(struct store *s, int64_t seq, struct app *ret)
{
	cleanup_query_ sqlite3_stmt *q = store_query(s, "SELECT " APP_COLUMNS " FROM application WHERE seq = ?1", "i", seq);

	if (!store_row(s, q))
		return -ENOENT;
	*ret = app_of(q);
	return 0;
}

static int not_found(struct call *c)
{
	int r = call_fail(c, 404, NULL, "Container application not found");

	c->fail.code = 1609;
	return r;
}

static bool is_id(const char *text)
{
	size_t n = strlen(text);

	return (n == 36 || n == 32) && strspn(text, "0123456789abcdef-") == n;
}

/* The newest of that id: that of a Durable Object's namespace may be given again while the old one lingers. */
static int load(struct call *c, bool live, struct app *ret)
{
	int64_t seq;

	/* Live: what is no id does not even reach the service. */
	if (emulator_live(c->em) && !is_id(c->arg[0]))
		return call_fail(c, 405, NULL, "Method not allowed for this authentication scheme");
	seq = store_int(c->store, 0, "SELECT seq FROM application WHERE id = ?1 AND account = ?2 ORDER BY seq DESC LIMIT 1", "ss",
			c->arg[0], c->account);
	if (!seq || app_load_seq(c->store, seq, ret) < 0 || (ret->gone && (live || ret->gone <= c->now)))
		return not_found(c);
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

bool app_versioned(const struct app *a)
{
	return strcmp(a->policy, "durable_object") != 0;
}

int64_t version_conf(struct store *s, int64_t app, int64_t version)
{
	return store_int(s, 0, "SELECT conf FROM version WHERE app = ?1 AND version = ?2", "ii", app, version);
}

int app_get(struct call *c)
{
	struct app a;
	int r = app_load(c, &a);

	return r < 0 ? r : app_answer(c, a.id);
}

int app_status(struct call *c)
{
	struct out *o = c->out;
	struct app a;
	int r = app_load(c, &a);

	if (r < 0)
		return r;
	out_open(o, '{');
	out_key(o, "scheduler");
	out_open(o, '{');
	out_kstr(o, "status", a.gone ? "deleting" : a.rollout[0] ? "rolling_out" : "idle");
	out_kint(o, "desired_instances", a.instances);
	out_kint(o, "deployments", app_deployments(c->store, &a));
	out_close(o, '}');
	out_key(o, "jobs");
	job_queue(c, a.seq);
	out_close(o, '}');
	return 0;
}

/* The document as it was written. */
struct json_object *app_intent(struct call *c, const struct app *a)
{
	cleanup_query_ sqlite3_stmt *q = store_query(c->store, "SELECT intent FROM application WHERE seq = ?1", "i", a->seq);

	return store_row(c->store, q) ? json_tokener_parse(col_text(q, 0)) : NULL;
}

int app_purge(struct store *s, int64_t seq)
{
	static const char *const rows[] = {
		"DELETE FROM step WHERE rollout IN (SELECT seq FROM rollout WHERE app = ?1)",
		"DELETE FROM rollout WHERE app = ?1",
		"DELETE FROM job WHERE app = ?1",
		"DELETE FROM instance WHERE app = ?1",
		"DELETE FROM conf WHERE seq IN (SELECT conf FROM version WHERE app = ?1)",
		"DELETE FROM version WHERE app = ?1",
		"DELETE FROM application WHERE seq = ?1",
	};
	int64_t dep;
	int r = 0;

	while (r == 0 && (dep = store_int(s, 0, "SELECT seq FROM deployment WHERE app = ?1 AND app > 0 LIMIT 1", "i", seq)))
		r = dep_remove(s, dep);
	for (size_t i = 0; r == 0 && i < array_len(rows); i++)
		r = store_exec(s, rows[i], "i", seq);
	return r;
}
