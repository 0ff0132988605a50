/*
 * The profile live: a changed configuration waits until a rollout completes. The document of the application is
 * what a GET shows; what waits is kept beside it.
 */
#include <errno.h>

#include "emulator/settle.h"
#include "emulator/world.h"

#define LIST_LAG_MS 20000 /* so much later than a GET a list shows what a rollout made */

static struct json_object *pending_of(struct call *c, const struct app *a)
{
	cleanup_query_ sqlite3_stmt *q = store_query(c->store, "SELECT pending FROM application WHERE seq = ?1", "i", a->seq);

	return store_row(c->store, q) && *col_text(q, 0) ? json_tokener_parse(col_text(q, 0)) : NULL;
}

struct json_object *app_base(struct call *c, const struct app *a)
{
	struct json_object *doc = app_intent(c, a), *pending = pending_of(c, a);

	if (doc && pending)
		json_object_object_add(doc, "configuration", pending);
	else
		json_object_put(pending);
	return doc;
}

static int set_pending(struct call *c, const struct app *a, struct json_object *conf)
{
	cleanup_out_ struct out text = OUT_INIT;

	if (conf)
		schema_render(&text, fields_conf, conf);
	return text.error ?
		       text.error :
		       store_exec(c->store, "UPDATE application SET pending = ?2 WHERE seq = ?1", "is", a->seq, out_text(&text));
}

/* What needs no rollout is taken over into the configuration that runs. */
static bool take_soft(struct json_object *to, struct json_object *from)
{
	static const char *const soft[] = { "wrangler_ssh", "authorized_keys" };
	bool changed = false;

	for (size_t i = 0; i < array_len(soft); i++) {
		struct json_object *v = json_member(from, soft[i]);

		if (json_object_equal(v, json_member(to, soft[i])))
			continue;
		changed = true;
		json_object_object_del(to, soft[i]);
		if (v)
			json_object_object_add(to, soft[i], json_object_get(v));
	}
	return changed;
}

/* Stores a configuration that holds at once, in place of the one that runs. */
static int replace_running(struct call *c, const struct app *a, struct json_object *conf, struct conf *ret)
{
	int r = conf_store(c, conf, 0, ret);

	return r < 0 ? r :
		       store_exec(c->store, "UPDATE deployment SET conf = ?2 WHERE app = ?1 AND app > 0 AND app_version = ?3",
				  "iii", a->seq, ret->seq, a->version);
}

int live_modify(struct call *c, struct app *a, struct json_object *doc, struct json_object *old)
{
	cleanup_json_ struct json_object *want = NULL;
	struct json_object *running = json_member(old, "configuration");
	struct conf conf = { 0 };
	bool changed;
	int r;

	r = conf_resolve(c, json_member(doc, "configuration"));
	if (r < 0)
		return r;
	want = json_object_get(json_member(doc, "configuration"));
	changed = take_soft(running, want);
	/* The top has it now: the old place need not wait for a rollout to lose it. */
	if (json_member(doc, "observability") && json_member(running, "observability")) {
		json_object_object_del(running, "observability");
		changed = true;
	}
	r = set_pending(c, a, conf_needs_rollout(running, want) ? want : NULL);
	if (r == 0 && changed)
		r = replace_running(c, a, running, &conf);
	json_object_object_add(doc, "configuration", json_object_get(running));
	if (r == 0)
		r = app_store(c, a, doc, a->version, conf.seq);
	if (r == 0)
		r = app_load_seq(c->store, a->seq, a);
	return r < 0 ? r : app_scale(c, a);
}

int live_rollout(struct call *c, const struct app *a, struct json_object *conf, int64_t *ret_version, int64_t *ret_conf)
{
	struct conf stored;
	int r = conf_store(c, conf, 0, &stored);

	*ret_version = 1 + store_int(c->store, a->version, "SELECT max(version) FROM version WHERE app = ?1", "i", a->seq);
	*ret_conf = stored.seq;
	return r < 0 ? r :
		       store_exec(c->store, "INSERT INTO version(app, version, conf) VALUES(?1, ?2, ?3)", "iii", a->seq,
				  *ret_version, *ret_conf);
}

/* The lists go on with what they have, the finished rollout included. */
static int lag(struct call *c, const struct app *a)
{
	return store_exec(
		c->store,
		"UPDATE application SET lag_version = iif(lag_until > ?2, lag_version, version),"
		" lag_conf = iif(lag_until > ?2, lag_conf, conf), lag_rollout = iif(lag_until > ?2, lag_rollout, rollout),"
		" lag_updated = iif(lag_until > ?2, lag_updated, updated), lag_until = ?3 WHERE seq = ?1",
		"iii", a->seq, c->now, c->now + LIST_LAG_MS);
}

int live_completed(struct call *c, int64_t app, int64_t rollout, int64_t version, int64_t conf)
{
	cleanup_json_ struct json_object *doc = NULL;
	struct app a;
	int r = app_load_seq(c->store, app, &a);

	if (r == 0)
		r = lag(c, &a);
	doc = r == 0 ? app_intent(c, &a) : NULL;
	if (!doc)
		return -EIO;
	json_object_object_add(doc, "configuration", conf_intent(c->store, conf));
	r = app_store(c, &a, doc, version, conf);
	if (r == 0)
		r = store_exec(c->store,
			       "UPDATE application SET active = ?2, rollout = '', pending = iif(pending ="
			       " (SELECT took FROM rollout WHERE seq = ?3), '', pending) WHERE seq = ?1",
			       "iii", app, version, rollout);
	if (r == 0)
		r = app_load_seq(c->store, app, &a);
	return r < 0 ? r : app_scale(c, &a);
}
