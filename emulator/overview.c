#include "emulator/overview.h"

#include "emulator/rate.h"
#include "emulator/settle.h"
#include "emulator/world.h"

#define ACCOUNTS_MAX     50
#define APPLICATIONS_MAX 200

static void write_counts(struct store *s, struct out *o, const char *account)
{
	out_key(o, "counts");
	out_open(o, '{');
	out_kint(o, "applications", store_int(s, 0, "SELECT count(*) FROM application WHERE account = ?1", "s", account));
	out_kint(o, "deployments", store_int(s, 0, "SELECT count(*) FROM deployment WHERE account = ?1", "s", account));
	out_kint(o, "jobs",
		 store_int(s, 0, "SELECT count(*) FROM job WHERE app IN (SELECT seq FROM application WHERE account = ?1)", "s",
			   account));
	out_kint(o, "secrets", store_int(s, 0, "SELECT count(*) FROM secret WHERE account = ?1", "s", account));
	out_kint(o, "ssh_keys", store_int(s, 0, "SELECT count(*) FROM sshkey WHERE account = ?1", "s", account));
	out_kint(o, "registries", 1 + store_int(s, 0, "SELECT count(*) FROM registry WHERE account = ?1", "s", account));
	out_kint(o, "image_tags", store_int(s, 0, "SELECT count(*) FROM image WHERE account = ?1", "s", account));
	out_close(o, '}');
}

static void write_applications(struct call *c, const char *account)
{
	cleanup_query_ sqlite3_stmt *q =
		store_query(c->store,
			    "SELECT " APP_COLUMNS ", name, (SELECT image FROM conf WHERE conf.seq = application.conf),"
			    " (SELECT r.status FROM rollout r WHERE r.id = application.rollout)"
			    " FROM application WHERE account = ?1 ORDER BY seq LIMIT ?2",
			    "si", account, (int64_t)APPLICATIONS_MAX);
	struct out *o = c->out;

	out_key(o, "applications");
	out_open(o, '[');
	while (store_row(c->store, q)) {
		struct app a = app_of(q);

		out_open(o, '{');
		out_kstr(o, "id", a.id);
		out_kstr(o, "name", col_text(q, APP_COLUMNS_COUNT));
		if (app_versioned(&a)) {
			out_kint(o, "version", a.version);
			out_kint(o, "instances", app_instances(c, &a));
		}
		out_kstr(o, "image", col_text(q, APP_COLUMNS_COUNT + 1));
		if (*col_text(q, APP_COLUMNS_COUNT + 2))
			out_kstr(o, "rollout", col_text(q, APP_COLUMNS_COUNT + 2));
		if (a.gone)
			out_kbool(o, "gone", true);
		out_close(o, '}');
	}
	out_close(o, ']');
}

static void write_account(struct call *c, const char *account)
{
	struct emulator *em = c->em;
	int64_t left, reset;

	out_open(c->out, '{');
	out_kstr(c->out, "id", account);
	if (em->options.rate_count) {
		rate_read(em->rate, account, &left, &reset);
		out_key(c->out, "rate");
		out_open(c->out, '{');
		out_kint(c->out, "left", left);
		out_kint(c->out, "quota", em->options.rate_count);
		out_kint(c->out, "reset", reset);
		out_close(c->out, '}');
	}
	write_counts(c->store, c->out, account);
	write_applications(c, account);
	out_close(c->out, '}');
}

int overview_write(struct emulator *em, struct out *o)
{
	static const char *const surfaces[] = {
		[SURFACE_OFFICIAL] = "official",
		[SURFACE_WRANGLER] = "wrangler",
		[SURFACE_FULL] = "full",
	};
	_Static_assert(array_len(surfaces) == SURFACE_FULL + 1, "each surface has a word");
	struct call c = { .em = em, .store = em->store, .out = o, .fail.details = OUT_INIT };
	cleanup_query_ sqlite3_stmt *q = NULL;

	scope_lock(emulator, em);
	c.now = vclock_now(&em->clock);
	settle(em, c.now);
	out_open(o, '{');
	out_kint(o, "now_ms", c.now);
	out_knum(o, "time_scale", em->clock.scale);
	out_kstr(o, "surface", surfaces[em->options.surface]);
	out_kstr(o, "profile", emulator_live(em) ? "live" : "ideal");
	out_key(o, "accounts");
	out_open(o, '[');
	q = store_query(em->store,
			"SELECT id FROM account UNION SELECT account FROM secret UNION SELECT account FROM sshkey"
			" UNION SELECT account FROM registry UNION SELECT account FROM image ORDER BY 1 LIMIT ?1",
			"i", (int64_t)ACCOUNTS_MAX);
	while (store_row(em->store, q))
		write_account(&c, col_text(q, 0));
	out_close(o, ']');
	out_close(o, '}');
	return o->error;
}

void page_write(struct exchange *ex)
{
	ex->status = 200;
	ex->type = "text/html; charset=utf-8";
	out_raw(&ex->answer, page_html, page_html_length);
}
