/* The dashboard's lists, which wrangler asks for. */
#include "emulator/route.h"
#include "emulator/world.h"

#define PAGE_MAX 1000

static void write_app(struct call *c, sqlite3_stmt *q)
{
	struct app a = app_of(q);
	struct out *o = c->out;

	out_open(o, '{');
	out_kstr(o, "id", a.id);
	out_ktime(o, "created_at", a.created);
	out_ktime(o, "updated_at", col_int(q, APP_COLUMNS_COUNT));
	out_kstr(o, "name", col_text(q, APP_COLUMNS_COUNT + 1));
	out_kint(o, "version", a.version);
	out_kint(o, "instances", app_instances(c, &a));
	out_kstr(o, "image", col_text(q, APP_COLUMNS_COUNT + 2));
	out_key(o, "health");
	app_health_dash(c, &a);
	out_close(o, '}');
}

int dash_apps(struct call *c)
{
	cleanup_query_ sqlite3_stmt *q = NULL;
	struct page page;
	int r = call_page(c, PAGE_MAX, PAGE_MAX, &page);

	if (r < 0)
		return r;
	q = store_query(c->store,
			"SELECT " APP_COLUMNS ", updated, name, (SELECT image FROM conf c WHERE c.seq = application.conf)"
			" FROM application WHERE account = ?1 AND seq > ?2 ORDER BY seq",
			"si", c->account, page.after);
	out_open(c->out, '[');
	while (store_row(c->store, q)) {
		if (!call_page_takes(c, &page, col_int(q, 0)))
			break;
		write_app(c, q);
	}
	out_close(c->out, ']');
	return 0;
}

static void write_deployments(struct call *c, const struct app *a, struct page *page)
{
	cleanup_query_ sqlite3_stmt *q = store_query(
		c->store,
		"SELECT d.seq, d.id, d.created, d.location, d.app_version, c.image, p.id, p.version, p.created, p.stop, p.fate,"
		" p.ssh FROM deployment d JOIN conf c ON c.seq = d.conf LEFT JOIN placement p ON p.seq = d.placement"
		" WHERE d.app = ?1 AND d.app > 0 AND d.seq > ?2 ORDER BY d.seq",
		"ii", a->seq, page->after);
	struct out *o = c->out;

	while (store_row(c->store, q)) {
		struct placement p = { col_int(q, 8), col_int(q, 9), col_int(q, 10), col_int(q, 11) };
		const struct location *l = location_find(col_text(q, 3));

		if (!call_page_takes(c, page, col_int(q, 0)))
			return;
		out_open(o, '{');
		out_kstr(o, "type", a->jobs ? "jobs" : "default");
		out_kstr(o, "id", col_text(q, 1));
		out_ktime(o, "created_at", col_int(q, 2));
		if (*col_text(q, 6)) {
			out_key(o, "current_placement");
			out_open(o, '{');
			placement_write(c, col_text(q, 6), col_text(q, 1), col_int(q, 7), &p, false);
			out_close(o, '}');
		}
		out_kstr(o, "location", col_text(q, 3));
		if (l)
			out_kstr(o, "region", l->region);
		out_kint(o, "app_version", col_int(q, 4));
		out_kstr(o, "image", col_text(q, 5));
		out_close(o, '}');
	}
}

static void write_objects(struct call *c, const struct app *a, struct page *page)
{
	cleanup_query_ sqlite3_stmt *q = store_query(c->store,
						     "SELECT seq, id, name, created FROM instance WHERE app = ?1 AND seq > ?2"
						     " ORDER BY seq",
						     "ii", a->seq, page->after);
	struct out *o = c->out;

	while (store_row(c->store, q) && call_page_takes(c, page, col_int(q, 0))) {
		out_open(o, '{');
		out_kstr(o, "id", col_text(q, 1));
		out_ktime(o, "assigned_at", col_int(q, 3));
		out_kstr(o, "name", col_text(q, 2));
		out_close(o, '}');
	}
}

int dash_instances(struct call *c)
{
	struct out *o = c->out;
	struct page page;
	struct app a;
	int r = app_load(c, &a);

	if (r == 0)
		r = call_page(c, PAGE_MAX, PAGE_MAX, &page);
	if (r < 0)
		return r;
	out_raws(o, "{\"instances\":[");
	write_deployments(c, &a, &page);
	out_raws(o, "]");
	if (a.durable || emulator_live(c->em)) {
		out_key(o, "durable_objects");
		out_open(o, '[');
		write_objects(c, &a, &page);
		out_close(o, ']');
	}
	out_raws(o, "}");
	return 0;
}
