/* Changes of applications. */
#include <errno.h>
#include <sodium.h>

#include "emulator/route.h"
#include "emulator/settle.h"
#include "emulator/world.h"

#define DO_INSTANCES 2 /* that come to life with a Durable Object application */

static bool durable_policy(struct json_object *doc)
{
	const char *policy = json_str(doc, "scheduling_policy");

	return policy && strcmp(policy, "durable_object") == 0;
}

static void check_policy(struct json_object *doc, bool create, struct problems *p)
{
	struct json_object *conf = json_member(doc, "configuration");
	const char *policy = json_str(doc, "scheduling_policy");

	if (durable_policy(doc)) {
		if (json_member(doc, "instances"))
			problem_add(p, "instances", "does not apply to the policy durable_object");
		if (json_member(conf, "image"))
			problem_add(p, "configuration.image", "does not apply to the policy durable_object");
		if (create && !json_member(doc, "durable_objects"))
			problem_add(p, "durable_objects", "is required by the policy durable_object");
	} else if (strcmp(policy, "default") == 0) {
		if (create && !json_member(doc, "instances"))
			problem_add(p, "instances", "is required by the policy default");
		if (!json_member(conf, "image"))
			problem_add(p, "configuration.image", "is required by the policy default");
	}
	if (json_member(doc, "observability") && json_member(conf, "observability"))
		problem_add(p, "observability", "excludes configuration.observability");
}

/* Checks a whole document, nulls stripped. n: how many instances more than now it asks for. */
static int check_doc(struct call *c, struct json_object *doc, bool create, int64_t n)
{
	cleanup_problems_ struct problems p = PROBLEMS_INIT;
	struct json_object *conf = json_member(doc, "configuration");
	struct account a;
	struct size size;
	int r;

	schema_check(fields_app_create, doc, "", 0, &p);
	if (p.count == 0)
		check_policy(doc, create, &p);
	if (p.count)
		return call_invalid(c, &p);
	if (!conf)
		return 0;
	r = conf_check(c, conf, "configuration.", &p);
	if (r < 0)
		return r;
	account_load(c->store, c->account, &a);
	size = conf_size(conf, &a.defaults);
	return limits_check(c, &size, NULL, n);
}

/* Finds the namespace of a Durable Object class; script and class are answered as their namespace. */
static int check_durable(struct call *c, struct json_object *doc, char namespace[65])
{
	struct json_object *d = json_member(doc, "durable_objects");
	const char *id = json_str(d, "namespace_id"), *script = json_str(d, "script_name");
	const char *class = json_str(d, "class_name");
	unsigned char hash[16];
	char name[300];

	namespace[0] = '\0';
	if (!d)
		return 0;
	if (!id && !(script && class))
		return call_invalid_field(c, "durable_objects", "needs namespace_id, or script_name and class_name");
	if (id) {
		snprintf(namespace, 65, "%s", id);
	} else {
		snprintf(name, sizeof(name), "%s %.120s %.120s", c->account, script, class);
		crypto_generichash(hash, sizeof(hash), (const unsigned char *)name, strlen(name), NULL, 0);
		sodium_bin2hex(namespace, 65, hash, sizeof(hash));
	}
	if (strstr(script ? script : namespace, "missing"))
		return call_fail(c, 400, "DURABLE_OBJECT_NOT_FOUND", "There is no such Durable Object namespace");
	if (class && strstr(class, "NoContainer"))
		return call_fail(c, 400, "DURABLE_OBJECT_NOT_CONTAINER_ENABLED", "The class %.100s is not made for containers",
				 class);
	if (store_int(c->store, 0, "SELECT 1 FROM application WHERE account = ?1 AND namespace = ?2 AND namespace <> ''", "ss",
		      c->account, namespace))
		return call_fail(c, 400, "DURABLE_OBJECT_ALREADY_HAS_APPLICATION",
				 "The Durable Object namespace %s has an application already", namespace);
	json_object_object_del(d, "script_name");
	json_object_object_del(d, "class_name");
	json_object_object_add(d, "namespace_id", json_object_new_string(namespace));
	return 0;
}

static void write_member(struct out *o, struct json_object *doc, const char *key)
{
	struct json_object *v = json_member(doc, key);

	if (!v)
		return;
	out_key(o, key);
	schema_render_value(o, schema_field(fields_app_create, key), v);
}

/* The parts of the answer that only change with the document: up to durable_objects, and from updated_at on. */
static void render(struct call *c, const char *id, int64_t created, struct json_object *doc, int64_t version, const char *conf,
		   struct out *head, struct out *tail)
{
	bool durable = durable_policy(doc);

	out_open(head, '{');
	out_kstr(head, "id", id);
	out_ktime(head, "created_at", created);
	out_kstr(head, "account_id", c->account);
	write_member(head, doc, "name");
	if (!durable)
		out_kint(head, "version", version);
	write_member(head, doc, "scheduling_policy");
	if (!durable)
		out_kint(head, "instances", json_int(doc, "instances", 0));
	write_member(head, doc, "max_instances");
	out_kraw(head, "configuration", conf);
	write_member(head, doc, "constraints");
	out_kbool(head, "jobs", json_true(doc, "jobs"));
	write_member(head, doc, "affinities");
	write_member(head, doc, "priorities");
	write_member(head, doc, "durable_objects");
	out_ktime(tail, "updated_at", c->now);
	write_member(tail, doc, "observability");
}

static int user_text(struct call *c, int64_t conf, struct out *o)
{
	cleanup_query_ sqlite3_stmt *q = store_query(c->store, "SELECT user FROM conf WHERE seq = ?1", "i", conf);

	if (conf && store_row(c->store, q))
		out_raws(o, col_text(q, 0));
	return o->error;
}

int app_store(struct call *c, const struct app *a, struct json_object *doc, int64_t version, int64_t conf)
{
	cleanup_out_ struct out head = OUT_INIT, tail = OUT_INIT, intent = OUT_INIT, user = OUT_INIT;
	int r;

	if (!conf)
		conf = a->conf;
	r = user_text(c, conf, &user);
	render(c, a->id, a->created, doc, version, out_text(&user), &head, &tail);
	schema_render(&intent, fields_app_create, doc);
	if (r < 0 || head.error || tail.error || intent.error)
		return -ENOMEM;
	r = store_exec(c->store,
		       "UPDATE application SET name = ?2, policy = ?3, intent = ?4, head = ?5, tail = ?6, version = ?7,"
		       " instances = ?8, max_instances = ?9, grace = ?10, conf = ?11, updated = ?12 WHERE seq = ?1",
		       "isssssiiiiii", a->seq, json_str(doc, "name"), json_str(doc, "scheduling_policy"), out_text(&intent),
		       out_text(&head), out_text(&tail), version, json_int(doc, "instances", 0),
		       json_int(doc, "max_instances", 0), json_int(doc, "rollout_active_grace_period", 0), conf, c->now);
	if (r == 0 && conf)
		r = store_exec(c->store, "INSERT OR REPLACE INTO version(app, version, conf) VALUES(?1, ?2, ?3)", "iii", a->seq,
			       version, conf);
	return r;
}

int app_scale(struct call *c, const struct app *a)
{
	int64_t have = store_int(c->store, 0, "SELECT count(*) FROM deployment WHERE app = ?1 AND app > 0", "i", a->seq);
	cleanup_json_ struct json_object *doc = app_intent(c, a);
	struct conf conf;
	char id[ID_SIZE];
	int r = 0;

	if (have < a->instances && conf_load(c->store, version_conf(c->store, a->seq, a->active), &conf) < 0)
		return -EIO;
	for (; r == 0 && have < a->instances; have++) {
		const struct location *l = location_choose(json_member(doc, "constraints"), (uint64_t)(a->seq + have));

		r = dep_insert(c, a, a->active, &conf, l->name, c->now, id);
	}
	for (; r == 0 && have > a->instances; have--)
		r = dep_remove(c->store,
			       store_int(c->store, 0, "SELECT max(seq) FROM deployment WHERE app = ?1 AND app > 0", "i", a->seq));
	return r;
}

int app_insert(struct call *c, struct json_object *doc, char ret_id[ID_SIZE])
{
	struct json_object *conf_doc = json_member(doc, "configuration");
	const char *namespace = json_str(json_member(doc, "durable_objects"), "namespace_id");
	struct conf conf = { 0 };
	struct app a = { .version = 1, .active = 1, .created = c->now };
	int r = conf_doc ? conf_store(c, conf_doc, &conf) : 0;

	if (r < 0)
		return r;
	id_make(a.id);
	r = store_exec(c->store,
		       "INSERT INTO application(id, account, active, created, namespace, jobs, durable)"
		       " VALUES(?1, ?2, 1, ?3, ?4, ?5, ?6)",
		       "ssisii", a.id, c->account, c->now, namespace ? namespace : "", (int64_t)json_true(doc, "jobs"),
		       (int64_t)(namespace != NULL));
	if (r < 0)
		return r;
	a.seq = store_last_rowid(c->store);
	r = app_store(c, &a, doc, 1, conf.seq);
	if (r == 0)
		r = app_load_seq(c->store, a.seq, &a);
	if (r == 0)
		r = app_scale(c, &a);
	snprintf(ret_id, ID_SIZE, "%s", a.id);
	return r;
}

static int first_instances(struct call *c, const char *id)
{
	int64_t seq = store_int(c->store, 0, "SELECT seq FROM application WHERE id = ?1", "s", id);
	int64_t most = store_int(c->store, 0, "SELECT max_instances FROM application WHERE seq = ?1", "i", seq);
	char name[32];
	int r = 0;

	for (int64_t i = 0; r == 0 && i < DO_INSTANCES && (most == 0 || i < most); i++) {
		snprintf(name, sizeof(name), "instance-%d", (int)i + 1);
		r = instance_insert(c, seq, name, location_choose(NULL, (uint64_t)(seq + i))->name, c->now, 0);
	}
	return r;
}

int app_create(struct call *c)
{
	char id[ID_SIZE], namespace[65];
	int r = call_check(c, fields_app_create, 0);

	if (r < 0)
		return r;
	schema_strip_null(c->body);
	r = check_doc(c, c->body, true, json_int(c->body, "instances", 0));
	if (r == 0)
		r = check_durable(c, c->body, namespace);
	if (r == 0)
		r = account_ensure(c->store, c->account, c->now);
	if (r == 0)
		r = app_insert(c, c->body, id);
	if (r == 0 && *namespace)
		r = first_instances(c, id);
	return r < 0 ? r : app_answer(c, id);
}

struct json_object *app_intent(struct call *c, const struct app *a)
{
	cleanup_query_ sqlite3_stmt *q = store_query(c->store, "SELECT intent FROM application WHERE seq = ?1", "i", a->seq);

	return store_row(c->store, q) ? json_tokener_parse(col_text(q, 0)) : NULL;
}

/* Whether two configurations differ in more than what needs no rollout. *ret_any: in anything at all. */
static bool needs_rollout(struct json_object *old, struct json_object *new, bool *ret_any)
{
	static const char *const soft[] = { "authorized_keys", "wrangler_ssh" };
	cleanup_json_ struct json_object *a = NULL, *b = NULL;

	*ret_any = (!old != !new) || (old && !json_object_equal(old, new));
	if (!*ret_any || !old || !new)
		return *ret_any;
	if (json_object_deep_copy(old, &a, NULL) < 0 || json_object_deep_copy(new, &b, NULL) < 0)
		return true;
	for (size_t i = 0; i < array_len(soft); i++) {
		json_object_object_del(a, soft[i]);
		json_object_object_del(b, soft[i]);
	}
	return !json_object_equal(a, b);
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
	struct json_object *new_conf = json_member(doc, "configuration");
	int64_t version = a->version + 1;
	struct conf conf = { 0 };
	bool any, rollout;
	int r = 0;

	rollout = needs_rollout(json_member(old, "configuration"), new_conf, &any);
	if (any && new_conf)
		r = conf_store(c, new_conf, &conf);
	if (r == 0)
		r = app_store(c, a, doc, version, conf.seq);
	/* Where an earlier change still waits for its rollout, this one waits with it. */
	if (r == 0 && !rollout && a->active == a->version)
		r = version_follows(c, a, version);
	if (r == 0)
		r = app_load_seq(c->store, a->seq, a);
	return r < 0 ? r : app_scale(c, a);
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
	doc = app_intent(c, &a);
	old = app_intent(c, &a);
	if (!doc || !old)
		return -EIO;
	if (merge && json_member(c->body, "configuration") && json_member(doc, "configuration"))
		conf_merge_sizes(json_member(doc, "configuration"), json_member(c->body, "configuration"));
	schema_patch(doc, c->body, merge ? "configuration" : NULL);
	schema_strip_null(doc);
	if (durable_policy(doc) != durable_policy(old))
		return call_invalid_field(c, "scheduling_policy", "cannot change from or to durable_object");
	r = check_doc(c, doc, false, json_int(doc, "instances", 0) - a.instances);
	if (r == 0)
		r = modify(c, &a, doc, old);
	return r < 0 ? r : app_answer(c, a.id);
}

int app_delete(struct call *c)
{
	struct app a;
	int r = app_load_live(c, &a);

	if (r < 0)
		return r;
	r = store_exec(c->store, "UPDATE application SET gone = ?2, rollout = '' WHERE seq = ?1", "ii", a.seq,
		       c->now + DELETED_AFTER_MS);
	if (r == 0)
		r = store_exec(c->store,
			       "UPDATE placement SET stop = ?2 WHERE stop = 0 AND deployment IN"
			       " (SELECT seq FROM deployment WHERE app = ?1 AND app > 0)",
			       "ii", a.seq, c->now);
	if (r == 0)
		r = store_exec(c->store, "UPDATE rollout SET due = 0 WHERE app = ?1", "i", a.seq);
	settle_soon(c->now + DELETED_AFTER_MS);
	out_raws(c->out, "{}");
	return r;
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
