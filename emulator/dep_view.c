/* Deployments as the service answers them. */
#include <errno.h>

#include "emulator/route.h"
#include "emulator/world.h"

enum {
	D_ID,
	D_ACCOUNT,
	D_APP_VERSION,
	D_VERSION,
	D_LOCATION,
	D_CREATED,
	P_ID,
	P_VERSION,
	P_CREATED,
	P_STOP,
	P_FATE,
	P_SSH,
	P_IP4,
	P_IP6,
	C_DEP,
	C_CUT1,
	C_CUT2,
	C_CUT3,
	C_IMAGE,
	C_MODE,
	A_ID,
	A_JOBS,
	A_POLICY,
	D_SEQ
};

#define VIEW                                                                                                                     \
	"SELECT d.id, d.account, d.app_version, d.version, d.location, d.created, p.id, p.version, p.created,"                   \
	" p.stop, p.fate, p.ssh, p.ip4, p.ip6, c.dep, c.cut1, c.cut2, c.cut3, c.image, c.mode, a.id, a.jobs,"                    \
	" a.policy, d.seq FROM deployment d JOIN conf c ON c.seq = d.conf"                                                       \
	" LEFT JOIN placement p ON p.seq = d.placement LEFT JOIN application a ON a.seq = d.app "

static void write_location(struct out *o, const char *name)
{
	const struct location *l = location_find(name);

	out_key(o, "location");
	out_open(o, '{');
	out_kstr(o, "name", name);
	out_kbool(o, "enabled", true);
	if (l)
		out_kstr(o, "region", l->region);
	out_close(o, '}');
}

static void write_placement(struct call *c, sqlite3_stmt *q)
{
	struct out *o = c->out;
	struct placement p = { col_int(q, P_CREATED), col_int(q, P_STOP), col_int(q, P_FATE), col_int(q, P_SSH) };

	if (*col_text(q, P_ID)) {
		out_key(o, "current_placement");
		out_open(o, '{');
		placement_write(c, col_text(q, P_ID), col_text(q, D_ID), col_int(q, P_VERSION), &p, false);
		out_close(o, '}');
	}
	out_key(o, "placements_ref");
	out_rawf(o, "\"/accounts/%s/containers/deployments/%s/placements\"", c->account, col_text(q, D_ID));
}

static void write_network(struct out *o, sqlite3_stmt *q)
{
	out_key(o, "network");
	out_open(o, '{');
	out_kstr(o, "mode", col_text(q, C_MODE));
	if (*col_text(q, P_IP4))
		out_kstr(o, "ipv4", col_text(q, P_IP4));
	if (*col_text(q, P_IP6))
		out_kstr(o, "ipv6", col_text(q, P_IP6));
	out_close(o, '}');
}

static void write_state(struct out *o, sqlite3_stmt *q)
{
	bool placed = *col_text(q, P_ID);

	out_key(o, "state");
	out_open(o, '{');
	out_kstr(o, "current", placed ? "placed" : "scheduled");
	out_ktime(o, "last_updated", col_int(q, placed ? P_CREATED : D_CREATED));
	out_close(o, '}');
}

static const char *type_of(sqlite3_stmt *q)
{
	if (strcmp(col_text(q, A_POLICY), "durable_object") == 0)
		return "durable_object";
	return col_int(q, A_JOBS) ? "jobs" : "default";
}

static void write_row(struct call *c, sqlite3_stmt *q)
{
	struct out *o = c->out;
	const char *dep = col_text(q, C_DEP);
	size_t cut1 = (size_t)col_int(q, C_CUT1), cut2 = (size_t)col_int(q, C_CUT2), cut3 = (size_t)col_int(q, C_CUT3);

	out_open(o, '{');
	out_kstr(o, "type", type_of(q));
	out_kstr(o, "id", col_text(q, D_ID));
	if (*col_text(q, A_ID)) {
		out_kstr(o, "app_id", col_text(q, A_ID));
		out_kint(o, "app_version", col_int(q, D_APP_VERSION));
	}
	out_ktime(o, "created_at", col_int(q, D_CREATED));
	out_kstr(o, "account_id", col_text(q, D_ACCOUNT));
	out_kint(o, "version", col_int(q, D_VERSION));
	out_kstr(o, "image", col_text(q, C_IMAGE));
	write_location(o, col_text(q, D_LOCATION));
	out_raw(o, dep, cut1);
	write_placement(c, q);
	out_raw(o, dep + cut1, cut2 - cut1);
	write_network(o, q);
	out_raw(o, dep + cut2, cut3 - cut2);
	write_state(o, q);
	out_raws(o, dep + cut3);
	out_close(o, '}');
}

int dep_answer(struct call *c, const char *id)
{
	return call_row(c, store_query(c->store, VIEW "WHERE d.id = ?1", "s", id), write_row, "Deployment");
}

int dep_get(struct call *c)
{
	return call_row(c, store_query(c->store, VIEW "WHERE d.id = ?1 AND d.account = ?2", "ss", c->arg[0], c->account),
			write_row, "Deployment");
}

int dep_get_of_app(struct call *c)
{
	struct app a;
	int r = app_load(c, &a);

	return r < 0 ? r :
		       call_row(c, store_query(c->store, VIEW "WHERE d.id = ?1 AND d.app = ?2", "si", c->arg[1], a.seq),
				write_row, "Deployment");
}

int dep_list_of_app(struct call *c)
{
	struct app a;
	int r = app_load(c, &a);

	/* "> 0" tells SQLite that the partial index will do. */
	return r < 0 ? r :
		       call_rows(c, store_query(c->store, VIEW "WHERE d.app = ?1 AND d.app > 0 ORDER BY d.seq", "i", a.seq),
				 write_row);
}

static bool state_fits(const char *state, sqlite3_stmt *q, int64_t now)
{
	struct placement p = { col_int(q, P_CREATED), col_int(q, P_STOP), col_int(q, P_FATE), col_int(q, P_SSH) };
	const char *health = *col_text(q, P_ID) ? timeline_health(&p, now) : "placed";

	if (strcmp(state, "starting") == 0)
		return strcmp(health, "placed") == 0;
	if (strcmp(state, "stopped") == 0)
		return strcmp(health, "stopped") == 0 || strcmp(health, "failed") == 0;
	return strcmp(state, health) == 0;
}

/* A label filter is "name", "name:value" or "name=value"; all that are given must be there. */
bool labels_fit(const struct call *c, const char *conf_text)
{
	cleanup_json_ struct json_object *conf = json_tokener_parse(conf_text);
	struct json_object *labels = json_member(conf, "labels");
	const char *want;

	for (unsigned n = 0; (want = call_query(c, "label", n)); n++) {
		size_t len = strcspn(want, ":=");
		bool found = false;

		for (size_t i = 0; labels && !found && i < json_object_array_length(labels); i++) {
			struct json_object *l = json_object_array_get_idx(labels, i);
			const char *name = json_str(l, "name"), *value = json_str(l, "value");

			found = name && value && strncmp(name, want, len) == 0 && !name[len] &&
				(!want[len] || strcmp(value, want + len + 1) == 0);
		}
		if (!found)
			return false;
	}
	return true;
}

static bool filters_fit(struct call *c, sqlite3_stmt *q, const char *image)
{
	const char *app = call_query(c, "app_id", 0), *location = call_query(c, "location", 0);
	const char *state = call_query(c, "state", 0), *ip = call_query(c, "ipv4", 0);
	cleanup_out_ struct out labels = OUT_INIT;

	if ((app && strcmp(app, col_text(q, A_ID)) != 0) || (location && strcmp(location, col_text(q, D_LOCATION)) != 0) ||
	    (ip && strcmp(ip, col_text(q, P_IP4)) != 0) || (image && strcmp(image, col_text(q, C_IMAGE)) != 0) ||
	    (state && !state_fits(state, q, c->now)))
		return false;
	if (!call_query(c, "label", 0))
		return true;
	out_raws(&labels, "{");
	if (col_int(q, C_CUT1) > 0)
		out_raw(&labels, col_text(q, C_DEP) + 1, (size_t)col_int(q, C_CUT1) - 1);
	out_raws(&labels, "}");
	return labels_fit(c, out_text(&labels));
}

int dep_list(struct call *c)
{
	const char *image = call_query(c, "image", 0);
	cleanup_free_ char *longer = image ? image_long(c->account, image) : NULL;
	cleanup_query_ sqlite3_stmt *q = store_query(c->store, VIEW "WHERE d.account = ?1 ORDER BY d.seq", "s", c->account);

	out_open(c->out, '[');
	while (store_row(c->store, q))
		if (filters_fit(c, q, longer))
			write_row(c, q);
	out_close(c->out, ']');
	return 0;
}
