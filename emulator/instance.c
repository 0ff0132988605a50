/* Instances: of Durable Objects, and of deployments seen as instances. */
#include <errno.h>

#include "emulator/route.h"
#include "emulator/world.h"

#define PAGE_MAX          1000
#define INACTIVE_AFTER_MS 60000 /* a stopped Durable Object is forgotten by the machine, but not by its namespace */

/* One instance of either kind, ready to be written. */
struct instance {
	int64_t order; /* in the list: a page token */
	char id[65], name[128];
	char location[32];
	const char *state;
	int64_t updated, started; /* started 0: not yet */
	bool stopped;
};

static void of_durable(sqlite3_stmt *q, int64_t now, struct instance *ret)
{
	int64_t created = col_int(q, 4), stop = col_int(q, 5);
	struct placement p = { created, stop, false, false };
	const char *health = timeline_health(&p, now);

	*ret = (struct instance){ .order = col_int(q, 0), .updated = created };
	snprintf(ret->id, sizeof(ret->id), "%s", col_text(q, 1));
	snprintf(ret->name, sizeof(ret->name), "%s", col_text(q, 2));
	snprintf(ret->location, sizeof(ret->location), "%s", col_text(q, 3));
	ret->state = strcmp(health, "placed") == 0 ? "provisioning" : health;
	if (now >= created + RUNNING_AFTER_MS)
		ret->updated = ret->started = created + RUNNING_AFTER_MS;
	if (stop && now >= stop) {
		ret->updated = stop;
		ret->stopped = strcmp(health, "stopped") == 0;
	}
	if (stop && now >= stop + INACTIVE_AFTER_MS) {
		ret->state = "inactive";
		ret->stopped = false;
		ret->updated = stop + INACTIVE_AFTER_MS;
	}
}

static void of_deployment(sqlite3_stmt *q, int64_t now, struct instance *ret)
{
	struct placement p = { col_int(q, 4), col_int(q, 5), col_int(q, 6), col_int(q, 7) };
	struct event e[EVENTS_MAX];
	unsigned n = timeline(&p, now, e);
	const char *health = timeline_health(&p, now);

	*ret = (struct instance){ .order = col_int(q, 0), .updated = n ? e[n - 1].at : p.created };
	snprintf(ret->id, sizeof(ret->id), "%s", col_text(q, 1));
	snprintf(ret->location, sizeof(ret->location), "%s", col_text(q, 3));
	ret->state = strcmp(health, "placed") == 0 ? "provisioning" : health;
	if (!p.bad && now >= p.created + RUNNING_AFTER_MS)
		ret->started = p.created + RUNNING_AFTER_MS;
	ret->stopped = strcmp(health, "stopped") == 0;
}

#define DURABLE "SELECT seq, id, name, location, created, stopped FROM instance "
#define DEPLOYED                                                                                                                 \
	"SELECT d.seq, d.instance, '', d.location, p.created, p.stop, p.fate, p.ssh FROM deployment d"                           \
	" LEFT JOIN placement p ON p.seq = d.placement "

static void write_status(struct out *o, const struct instance *i)
{
	out_key(o, "status");
	out_open(o, '{');
	out_kstr(o, "state", i->state);
	out_ktime(o, "updated_at", i->updated);
	if (i->stopped)
		out_kint(o, "exit_code", 0);
	out_close(o, '}');
}

static void write_size(struct out *o, sqlite3_stmt *conf)
{
	out_key(o, "configuration");
	out_open(o, '{');
	out_knum(o, "vcpu", sqlite3_column_double(conf, 1));
	out_kint(o, "memory", col_int(conf, 2));
	out_kint(o, "disk", col_int(conf, 3));
	out_close(o, '}');
}

static void write_place(struct out *o, const char *name)
{
	const struct location *l = location_find(name);

	out_key(o, "location");
	out_open(o, '{');
	out_kstr(o, "name", name);
	out_kstr(o, "region", l ? l->region : "");
	out_close(o, '}');
}

static void write_instance(struct call *c, const struct app *a, const struct instance *i)
{
	cleanup_query_ sqlite3_stmt *q =
		store_query(c->store, "SELECT image, vcpu, mem, disk FROM conf WHERE seq = ?1", "i", a->conf);
	bool conf = store_row(c->store, q);
	/* Live: of what has ended nothing is told but that. */
	bool ended = emulator_live(c->em) && strcmp(i->state, "inactive") == 0;
	struct out *o = c->out;

	out_open(o, '{');
	out_kstr(o, "id", i->id);
	out_kstr(o, "application_id", a->id);
	if (ended)
		write_status(o, i);
	out_kstr(o, "image", conf ? col_text(q, 0) : "");
	if (i->name[0])
		out_kstr(o, "name", i->name);
	if (!ended) {
		write_status(o, i);
		if (conf)
			write_size(o, q);
		write_place(o, i->location);
		if (i->started)
			out_ktime(o, "started_at", i->started);
	}
	out_close(o, '}');
}

static bool filters_fit(struct call *c, const struct instance *i)
{
	const char *prefix = call_query(c, "name_prefix", 0), *state = call_query(c, "state", 0);
	bool active = strcmp(i->state, "running") == 0 || strcmp(i->state, "provisioning") == 0 ||
		      strcmp(i->state, "stopping") == 0 || strcmp(i->state, "unhealthy") == 0;

	/* Of the id where there is no name. */
	if (prefix && strncmp(i->name[0] ? i->name : i->id, prefix, strlen(prefix)) != 0)
		return false;
	return !state || (strcmp(state, "active") == 0) == active;
}

/* otherwise: items of a page that is not asked for by size; 0: all. */
static int write_list(struct call *c, const struct app *a, int64_t otherwise)
{
	const char *state = call_query(c, "state", 0);
	cleanup_query_ sqlite3_stmt *q = NULL;
	struct page page;
	struct instance i;
	int r = call_page(c, otherwise, PAGE_MAX, &page);

	if (r < 0)
		return r;
	if (state && strcmp(state, "active") != 0 && strcmp(state, "not-active") != 0)
		return call_invalid_field(c, "state", "must be one of: active, not-active");
	if (a->durable)
		q = store_query(c->store, DURABLE "WHERE app = ?1 AND seq > ?2 ORDER BY seq", "ii", a->seq, page.after);
	else
		q = store_query(c->store, DEPLOYED "WHERE d.app = ?1 AND d.app > 0 AND d.seq > ?2 ORDER BY d.seq", "ii", a->seq,
				page.after);
	out_open(c->out, '[');
	while (store_row(c->store, q)) {
		(a->durable ? of_durable : of_deployment)(q, c->now, &i);
		if (!filters_fit(c, &i))
			continue;
		if (!call_page_takes(c, &page, i.order))
			break;
		write_instance(c, a, &i);
	}
	out_close(c->out, ']');
	return 0;
}

/* The application of a call about its instances; other policies than these have none that could be asked about. */
static int load_enabled(struct call *c, struct app *ret)
{
	int r = app_load(c, ret);

	if (r < 0 || !app_versioned(ret) || strcmp(ret->policy, "default") == 0)
		return r;
	return call_fail(c, 400, NULL, "Instances are not enabled for this application");
}

int instance_list(struct call *c)
{
	struct app a;
	int r = load_enabled(c, &a);

	return r < 0 ? r : write_list(c, &a, emulator_live(c->em) ? 100 : PAGE_MAX);
}

int instance_list_v1(struct call *c)
{
	struct app a;
	int r = load_enabled(c, &a);

	if (r < 0)
		return r;
	out_raws(c->out, "{\"instances\":");
	r = write_list(c, &a, 0);
	out_raws(c->out, "}");
	return r;
}

int instance_get(struct call *c)
{
	cleanup_query_ sqlite3_stmt *q = NULL;
	struct instance i;
	struct app a;
	int r = load_enabled(c, &a);

	if (r < 0)
		return r;
	if (a.durable)
		q = store_query(c->store, DURABLE "WHERE id = ?1 AND app = ?2", "si", c->arg[1], a.seq);
	else
		q = store_query(c->store, DEPLOYED "WHERE d.instance = ?1 AND d.app = ?2", "si", c->arg[1], a.seq);
	if (!store_row(c->store, q))
		return call_not_found(c, "Instance");
	(a.durable ? of_durable : of_deployment)(q, c->now, &i);
	write_instance(c, &a, &i);
	return 0;
}

int instance_insert(struct call *c, int64_t app, const char *name, const char *location, int64_t created, int64_t stopped)
{
	char id[65];

	id_make_hex64(id);
	return store_exec(c->store,
			  "INSERT INTO instance(id, app, name, location, created, stopped) VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
			  "sissii", id, app, name, location, created, stopped);
}

void instance_count(struct store *s, int64_t app, int64_t now, int64_t *ret_running, int64_t *ret_starting)
{
	cleanup_query_ sqlite3_stmt *q = store_query(s,
						     "SELECT sum(?2 - created >= ?3), sum(?2 - created < ?3) FROM instance"
						     " WHERE app = ?1 AND (stopped = 0 OR stopped > ?2)",
						     "iii", app, now, (int64_t)RUNNING_AFTER_MS);

	if (store_row(s, q)) {
		*ret_running = col_int(q, 0);
		*ret_starting = col_int(q, 1);
	}
}

/* The configuration behind an instance id of either kind, or 0. */
static int64_t conf_of(struct call *c)
{
	int64_t conf = store_int(c->store, 0, "SELECT conf FROM deployment WHERE (instance = ?1 OR id = ?1) AND account = ?2",
				 "ss", c->arg[0], c->account);

	return conf ? conf :
		      store_int(c->store, 0,
				"SELECT a.conf FROM instance i JOIN application a ON a.seq = i.app WHERE i.id = ?1 AND a.account "
				"= ?2",
				"ss", c->arg[0], c->account);
}

int instance_ssh(struct call *c)
{
	int64_t seq = conf_of(c);
	struct conf conf;
	char token[65];

	if (!seq || conf_load(c->store, seq, &conf) < 0)
		return call_not_found(c, "Instance");
	if (!conf.wssh)
		return call_fail(c, 400, NULL, "wrangler_ssh is not enabled for this instance");
	id_make_hex64(token);
	out_open(c->out, '{');
	out_key(c->out, "url");
	out_rawf(c->out, "\"wss://ssh.containers.invalid/%.32s/%.64s\"", c->account, c->arg[0]);
	out_kstr(c->out, "token", token);
	out_close(c->out, '}');
	return 0;
}
