/* Deployments: those that people make, and those that the scheduler makes for applications. */
#include <errno.h>

#include "emulator/route.h"
#include "emulator/world.h"

struct dep {
	int64_t seq, app, app_version, version, conf, created;
	char location[32];
};

static int dep_load(struct call *c, const char *id, struct dep *ret)
{
	cleanup_query_ sqlite3_stmt *q =
		store_query(c->store,
			    "SELECT seq, app, app_version, version, conf, created, location FROM deployment"
			    " WHERE id = ?1 AND account = ?2",
			    "ss", id, c->account);

	if (!store_row(c->store, q))
		return call_not_found(c, "Deployment");
	*ret = (struct dep){ col_int(q, 0), col_int(q, 1), col_int(q, 2), col_int(q, 3), col_int(q, 4), col_int(q, 5), "" };
	snprintf(ret->location, sizeof(ret->location), "%s", col_text(q, 6));
	return 0;
}

int dep_insert(struct call *c, const struct app *a, int64_t app_version, const struct conf *conf, const char *location,
	       char ret_id[ID_SIZE])
{
	const char *account = a ? a->account : c->account;
	char instance[65];
	int64_t seq;
	int r;

	id_make(ret_id);
	id_make_hex64(instance);
	r = store_exec(c->store,
		       "INSERT INTO deployment(id, account, app, app_version, version, conf, location, created, instance)"
		       " VALUES(?1, ?2, ?3, ?4, 1, ?5, ?6, ?7, ?8)",
		       "ssiiisis", ret_id, account, a ? a->seq : (int64_t)0, app_version, conf->seq, location, c->now, instance);
	if (r < 0)
		return r;
	seq = store_last_rowid(c->store);
	r = placement_make(c, seq, 1, conf, 0);
	return r < 0 ? r : account_use(c->store, account, &conf->size, 1);
}

int dep_update(struct call *c, int64_t seq, int64_t app_version, const struct conf *conf, const char *location, int64_t linger)
{
	struct store *s = c->store;
	cleanup_query_ sqlite3_stmt *q = store_query(s, "SELECT account, conf, version FROM deployment WHERE seq = ?1", "i", seq);
	char account[33];
	struct conf old;
	int64_t version;
	int r;

	if (!store_row(s, q) || conf_load(s, col_int(q, 1), &old) < 0)
		return -EIO;
	snprintf(account, sizeof(account), "%s", col_text(q, 0));
	version = col_int(q, 2);
	r = store_exec(s, "UPDATE deployment SET app_version = ?2, conf = ?3, location = coalesce(?4, location) WHERE seq = ?1",
		       "iiis", seq, app_version, conf->seq, location);
	if (r == 0)
		r = placement_make(c, seq, version + 1, conf, linger);
	if (r == 0)
		r = account_use(s, account, &old.size, -1);
	return r < 0 ? r : account_use(s, account, &conf->size, 1);
}

int dep_remove(struct store *s, int64_t seq)
{
	cleanup_query_ sqlite3_stmt *q = store_query(s, "SELECT account, conf, app FROM deployment WHERE seq = ?1", "i", seq);
	struct conf conf;
	int r;

	if (!store_row(s, q) || conf_load(s, col_int(q, 1), &conf) < 0)
		return -EIO;
	r = account_use(s, col_text(q, 0), &conf.size, -1);
	/* A configuration of its own goes with it; an application's belongs to a version. */
	if (r == 0 && col_int(q, 2) == 0)
		r = store_exec(s, "DELETE FROM conf WHERE seq = ?1", "i", conf.seq);
	if (r == 0)
		r = store_exec(s, "DELETE FROM placement WHERE deployment = ?1", "i", seq);
	return r < 0 ? r : store_exec(s, "DELETE FROM deployment WHERE seq = ?1", "i", seq);
}

/* Location, sizes and references of a document; doc has no location member afterwards. */
static int check_doc(struct call *c, struct json_object *doc, int64_t n, char location[32])
{
	cleanup_problems_ struct problems p = PROBLEMS_INIT;
	const struct location *where;
	struct account a;
	struct size size;
	int r;

	schema_strip_null(doc);
	schema_check(fields_dep_create, doc, "", 0, &p);
	if (p.count)
		return call_invalid(c, &p);
	r = conf_check(c, doc, "", &p);
	if (r < 0)
		return r;
	where = location_find(json_str(doc, "location"));
	if (!where)
		return call_fail(c, 400, "LOCATION_NOT_ALLOWED", "The account may not use the location %.100s",
				 json_str(doc, "location"));
	snprintf(location, 32, "%s", where->name);
	json_object_object_del(doc, "location");
	account_load(c->store, c->account, &a);
	size = conf_size(doc, &a.defaults);
	return limits_check(c, &size, where, n);
}

int dep_create(struct call *c)
{
	char id[ID_SIZE], location[32];
	struct conf conf;
	int r = call_check(c, fields_dep_create, 0);

	if (r == 0)
		r = check_doc(c, c->body, 1, location);
	if (r == 0)
		r = conf_store(c, c->body, CONF_OWN, &conf);
	if (r == 0)
		r = dep_insert(c, NULL, 0, &conf, location, id);
	return r < 0 ? r : dep_answer(c, id);
}

/* The document as it was written, with its location. */
static struct json_object *intent_of(struct call *c, const struct dep *d)
{
	cleanup_query_ sqlite3_stmt *q = store_query(c->store, "SELECT intent FROM conf WHERE seq = ?1", "i", d->conf);
	struct json_object *doc;

	if (!store_row(c->store, q))
		return NULL;
	doc = json_tokener_parse(col_text(q, 0));
	if (doc)
		json_object_object_add(doc, "location", json_object_new_string(d->location));
	return doc;
}

int dep_modify(struct call *c)
{
	cleanup_json_ struct json_object *doc = NULL;
	char location[32];
	struct conf conf;
	struct dep d;
	int r = dep_load(c, c->arg[0], &d);

	if (r == 0)
		r = call_check_modify(c, fields_dep_modify, fields_dep_create);
	if (r < 0)
		return r;
	if (d.app)
		return call_fail(c, 400, NULL, "The deployment belongs to an application; modify that");
	doc = intent_of(c, &d);
	if (!doc)
		return -EIO;
	conf_merge_sizes(doc, c->body);
	schema_patch(doc, c->body, NULL);
	r = check_doc(c, doc, 0, location);
	if (r == 0)
		r = conf_store(c, doc, CONF_OWN, &conf);
	if (r == 0)
		r = dep_update(c, d.seq, 0, &conf, location, 0);
	if (r == 0)
		r = store_exec(c->store, "DELETE FROM conf WHERE seq = ?1", "i", d.conf);
	return r < 0 ? r : dep_answer(c, c->arg[0]);
}

/* The scheduler makes another for an application that has fewer than it should. */
static int replace_of_app(struct call *c, const struct dep *d, char ret_id[ID_SIZE])
{
	struct conf conf;
	struct app a;
	int r = app_load_seq(c->store, d->app, &a);

	if (r == 0)
		r = conf_load(c->store, d->conf, &conf);
	ret_id[0] = '\0';
	if (r < 0 || a.gone)
		return r;
	if (store_int(c->store, 0, "SELECT count(*) FROM deployment WHERE app = ?1 AND app > 0", "i", a.seq) >= a.instances)
		return 0;
	return dep_insert(c, &a, d->app_version, &conf, d->location, ret_id);
}

int dep_delete(struct call *c)
{
	char id[ID_SIZE];
	struct dep d;
	int r = dep_load(c, c->arg[0], &d);

	if (r == 0)
		r = dep_remove(c->store, d.seq);
	if (r == 0 && d.app)
		r = replace_of_app(c, &d, id);
	return r;
}

/* What the body gives is laid over the document; an empty body makes the same again. */
int dep_recreate(struct call *c)
{
	cleanup_json_ struct json_object *doc = NULL;
	char id[ID_SIZE], location[32];
	struct conf conf;
	struct dep d;
	int r = dep_load(c, c->arg[0], &d);

	if (r == 0)
		r = call_check(c, fields_dep_create, CHECK_PARTIAL);
	if (r < 0)
		return r;
	if (d.app) {
		r = dep_remove(c->store, d.seq);
		if (r == 0)
			r = replace_of_app(c, &d, id);
		return r < 0 ? r : *id ? dep_answer(c, id) : 0;
	}
	doc = intent_of(c, &d);
	if (!doc)
		return -EIO;
	conf_merge_sizes(doc, c->body);
	schema_patch(doc, c->body, NULL);
	r = check_doc(c, doc, 0, location);
	if (r == 0)
		r = dep_remove(c->store, d.seq);
	if (r == 0)
		r = conf_store(c, doc, CONF_OWN, &conf);
	if (r == 0)
		r = dep_insert(c, NULL, 0, &conf, location, id);
	return r < 0 ? r : dep_answer(c, id);
}

int dep_recreate_of_app(struct call *c)
{
	char id[ID_SIZE];
	struct app a;
	struct dep d;
	int r = app_load_live(c, &a);

	if (r == 0)
		r = dep_load(c, c->arg[1], &d);
	if (r < 0)
		return r;
	if (d.app != a.seq)
		return call_not_found(c, "Deployment");
	r = call_check(c, fields_conf, CHECK_PARTIAL);
	if (r == 0)
		r = dep_remove(c->store, d.seq);
	if (r == 0)
		r = replace_of_app(c, &d, id);
	return r < 0 ? r : *id ? dep_answer(c, id) : 0;
}
