/* Changes of applications. What the profile live does otherwise is in app_live.c. */
#include <errno.h>

#include "emulator/route.h"
#include "emulator/settle.h"
#include "emulator/world.h"

#define DO_INSTANCES 2 /* that come to life with a Durable Object application */

static void write_member(struct out *o, struct json_object *doc, const char *key)
{
	struct json_object *v = json_member(doc, key);

	if (!v)
		return;
	out_key(o, key);
	schema_render_value(o, schema_field(fields_app_create, key), v);
}

/* The members of the answer that only change with the document: between configuration and hint, and the last. */
static void render(struct call *c, struct json_object *doc, struct out *mid, struct out *tail)
{
	write_member(mid, doc, "constraints");
	if (json_true(doc, "jobs") || !(emulator_live(c->em) || doc_durable(doc)))
		out_kbool(mid, "jobs", json_true(doc, "jobs"));
	write_member(mid, doc, "affinities");
	write_member(mid, doc, "priorities");
	write_member(mid, doc, "durable_objects");
	write_member(tail, doc, "observability");
}

int app_store(struct call *c, const struct app *a, struct json_object *doc, int64_t version, int64_t conf)
{
	cleanup_out_ struct out mid = OUT_INIT, tail = OUT_INIT, intent = OUT_INIT;
	int r;

	if (!conf)
		conf = a->conf;
	render(c, doc, &mid, &tail);
	schema_render(&intent, fields_app_create, doc);
	if (mid.error || tail.error || intent.error)
		return -ENOMEM;
	r = store_exec(c->store,
		       "UPDATE application SET name = ?2, policy = ?3, intent = ?4, mid = ?5, tail = ?6, version = ?7,"
		       " instances = ?8, max_instances = ?9, grace = ?10, conf = ?11, updated = ?12 WHERE seq = ?1",
		       "isssssiiiiii", a->seq, json_str(doc, "name"), json_str(doc, "scheduling_policy"), out_text(&intent),
		       out_text(&mid), out_text(&tail), version, json_int(doc, "instances", 0),
		       json_int(doc, "max_instances", -1), json_int(doc, "rollout_active_grace_period", 0), conf, c->now);
	if (r == 0 && conf)
		r = store_exec(c->store, "INSERT OR REPLACE INTO version(app, version, conf) VALUES(?1, ?2, ?3)", "iii", a->seq,
			       version, conf);
	return r;
}

int app_scale(struct call *c, const struct app *a)
{
	int64_t have = app_deployments(c->store, a);
	cleanup_json_ struct json_object *doc = app_intent(c, a);
	struct conf conf;
	char id[ID_SIZE];
	int r = 0;

	if (have < a->instances && conf_load(c->store, version_conf(c->store, a->seq, a->active), &conf) < 0)
		return -EIO;
	for (; r == 0 && have < a->instances; have++) {
		const struct location *l = location_choose(json_member(doc, "constraints"), (uint64_t)(a->seq + have));

		r = dep_insert(c, a, a->active, &conf, l->name, id);
	}
	for (; r == 0 && have > a->instances; have--)
		r = dep_remove(c->store,
			       store_int(c->store, 0, "SELECT max(seq) FROM deployment WHERE app = ?1 AND app > 0", "i", a->seq));
	return r;
}

/* The id of the policy durable_object is that of its namespace. */
static void make_id(struct json_object *doc, const char *namespace, char id[ID_SIZE])
{
	if (doc_durable(doc))
		snprintf(id, ID_SIZE, "%.36s", namespace);
	else
		id_make(id);
}

int app_insert(struct call *c, struct json_object *doc, struct app *ret)
{
	struct json_object *conf_doc = json_member(doc, "configuration");
	const char *namespace = json_str(json_member(doc, "durable_objects"), "namespace_id");
	struct app a = { .version = 1, .active = 1, .created = c->now };
	struct conf conf = { 0 };
	int r = conf_doc ? conf_store(c, conf_doc, doc_durable(doc) ? CONF_PLAIN : 0, &conf) : 0;

	if (r < 0)
		return r;
	make_id(doc, namespace, a.id);
	r = store_exec(c->store,
		       "INSERT INTO application(id, account, active, created, namespace, jobs, durable)"
		       " VALUES(?1, ?2, 1, ?3, ?4, ?5, ?6)",
		       "ssisii", a.id, c->account, c->now, namespace ? namespace : "", (int64_t)json_true(doc, "jobs"),
		       (int64_t)(namespace != NULL));
	if (r < 0)
		return r;
	a.seq = store_last_rowid(c->store);
	if (conf_doc && emulator_live(c->em))
		json_object_object_add(doc, "configuration", conf_intent(c->store, conf.seq));
	r = app_store(c, &a, doc, 1, conf.seq);
	if (r == 0)
		r = app_load_seq(c->store, a.seq, &a);
	if (r == 0)
		r = app_scale(c, &a);
	*ret = a;
	return r;
}

static int first_instances(struct call *c, const struct app *a)
{
	char name[32];
	int r = 0;

	for (int64_t i = 0; r == 0 && i < DO_INSTANCES && (a->max_instances <= 0 || i < a->max_instances); i++) {
		snprintf(name, sizeof(name), "instance-%d", (int)i + 1);
		r = instance_insert(c, a->seq, name, location_choose(NULL, (uint64_t)(a->seq + i))->name, c->now, 0);
	}
	return r;
}

int app_create(struct call *c)
{
	char namespace[65], same[ID_SIZE];
	struct app a;
	/* Live: what is not known is told with all the rest. */
	int r = emulator_live(c->em) ? 0 : call_check(c, fields_app_create, 0);

	if (r < 0)
		return r;
	schema_strip_null(c->body);
	r = app_check(c, c->body, true, json_int(c->body, "instances", 0));
	if (r == 0)
		r = app_check_durable(c, c->body, namespace, same);
	if (r == 0 && same[0])
		return app_answer(c, same);
	if (r == 0)
		r = account_ensure(c->store, c->account, c->now);
	if (r == 0)
		r = app_insert(c, c->body, &a);
	if (r == 0 && *namespace)
		r = first_instances(c, &a);
	return r < 0 ? r : app_answer(c, a.id);
}

/* Members of a configuration that reach what runs without a rollout. */
static bool conf_soft(const char *key)
{
	return strcmp(key, "authorized_keys") == 0 || strcmp(key, "wrangler_ssh") == 0;
}

bool conf_needs_rollout(struct json_object *old, struct json_object *new)
{
	struct json_object *both[] = { old, new };

	for (size_t i = 0; i < array_len(both); i++) {
		struct json_object_iter it;

		if (!both[i])
			continue;
		json_object_object_foreachC(both[i], it)
		{
			if (!conf_soft(it.key) && !json_object_equal(it.val, json_member(both[1 - i], it.key)))
				return true;
		}
	}
	return !old != !new;
}

/* What runs already is what the new version says: it counts as that version, without a new placement. */
static int version_follows(struct call *c, const struct app *a, int64_t version)
{
	int r = store_exec(c->store, "UPDATE application SET active = ?2 WHERE seq = ?1", "ii", a->seq, version);

	return r < 0 ? r :
		       store_exec(c->store,
				  "UPDATE deployment SET app_version = ?2, conf = (SELECT conf FROM version WHERE app = ?1 AND"
				  " version = ?2) WHERE app = ?1 AND app > 0 AND app_version = ?3",
				  "iii", a->seq, version, a->active);
}

static int modify(struct call *c, struct app *a, struct json_object *doc, struct json_object *old)
{
	struct json_object *old_conf = json_member(old, "configuration"), *new_conf = json_member(doc, "configuration");
	int64_t version = a->version + 1;
	struct conf conf = { 0 };
	int r = 0;

	if (new_conf && !json_object_equal(old_conf, new_conf))
		r = conf_store(c, new_conf, app_versioned(a) ? 0 : CONF_PLAIN, &conf);
	if (r == 0)
		r = app_store(c, a, doc, version, conf.seq);
	/* Where an earlier change still waits for its rollout, this one waits with it. */
	if (r == 0 && !conf_needs_rollout(old_conf, new_conf) && a->active == a->version)
		r = version_follows(c, a, version);
	if (r == 0)
		r = app_load_seq(c->store, a->seq, a);
	return r < 0 ? r : app_scale(c, a);
}

/* A change at the top that says what the old place says takes it away there. */
static void one_observability(struct json_object *doc, struct json_object *body)
{
	struct json_object *conf = json_member(doc, "configuration"), *top = json_member(body, "observability");

	if (top && json_object_equal(top, json_member(conf, "observability")))
		json_object_object_del(conf, "observability");
}

int app_modify(struct call *c)
{
	cleanup_json_ struct json_object *doc = NULL, *old = NULL;
	bool merge = c->em->options.patch == PATCH_MERGE;
	struct app a;
	int r = app_load_live(c, &a);

	if (r == 0)
		r = call_check_modify(c, fields_app_modify, fields_app_create);
	if (r < 0)
		return r;
	doc = app_base(c, &a);
	old = app_intent(c, &a);
	if (!doc || !old)
		return -EIO;
	if (merge && json_member(c->body, "configuration") && json_member(doc, "configuration"))
		conf_merge_sizes(json_member(doc, "configuration"), json_member(c->body, "configuration"));
	schema_patch(doc, c->body, merge ? "configuration" : NULL);
	schema_strip_null(doc);
	one_observability(doc, c->body);
	if (strcmp(json_str(doc, "scheduling_policy"), a.policy) != 0)
		return call_invalid_field(c, "scheduling_policy", "cannot change after creation");
	r = app_check(c, doc, false, json_int(doc, "instances", 0) - a.instances);
	if (r == 0)
		r = emulator_live(c->em) && app_versioned(&a) ? live_modify(c, &a, doc, old) : modify(c, &a, doc, old);
	return r < 0 ? r : app_answer(c, a.id);
}

int app_delete(struct call *c)
{
	struct app a;
	int r = app_load_live(c, &a);

	if (r < 0)
		return r;
	r = store_exec(c->store, "UPDATE application SET gone = ?2, rollout = '', lag_until = 0 WHERE seq = ?1", "ii", a.seq,
		       c->now + DELETED_AFTER_MS);
	if (r == 0)
		r = store_exec(c->store,
			       "UPDATE placement SET stop = ?2 WHERE stop = 0 AND deployment IN"
			       " (SELECT seq FROM deployment WHERE app = ?1 AND app > 0)",
			       "ii", a.seq, c->now);
	if (r == 0)
		r = store_exec(c->store, "UPDATE rollout SET due = 0 WHERE app = ?1", "i", a.seq);
	settle_soon(c->now + DELETED_AFTER_MS);
	out_raws(c->out, "{\"message\":\"The application is being deleted\"}");
	return r;
}
