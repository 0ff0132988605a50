/* Placements, and the addresses that they hold. */
#include <errno.h>
#include <inttypes.h>

#include "emulator/route.h"
#include "emulator/world.h"

void placement_write(struct call *c, const char *id, const char *deployment, int64_t version, const struct placement *p,
		     bool events)
{
	struct out *o = c->out;
	struct event e[EVENTS_MAX];
	unsigned n = timeline(p, c->now, e);
	const char *health = timeline_health(p, c->now);
	bool running = strcmp(health, "running") == 0;

	out_kstr(o, "id", id);
	out_ktime(o, "created_at", p->created);
	out_kstr(o, "deployment_id", deployment);
	out_kint(o, "deployment_version", version);
	out_kbool(o, "terminate", p->stop != 0);
	out_key(o, "status");
	out_open(o, '{');
	out_kstr(o, "health", health);
	out_kbool(o, "ready", running);
	out_kstr(o, "container_status", running ? "running" : strcmp(health, "placed") == 0 ? "pending" : "stopped");
	out_close(o, '}');
	if (events)
		events_write(o, id, n, e);
	out_ktime(o, "last_update", n ? e[n - 1].at : p->created);
}

/* Documentation addresses (RFC 5737, 3849), spread by the placement's number. */
static void addresses(const struct conf *conf, int64_t n, char ip4[20], char ip6[48])
{
	static const char *const nets[] = { "192.0.2", "198.51.100", "203.0.113" };

	ip4[0] = ip6[0] = '\0';
	if (strcmp(conf->ip4, "none") != 0)
		snprintf(ip4, 20, "%s.%d", nets[(n / 254) % 3], (int)(n % 254) + 1);
	if (strcmp(conf->ip6, "none") != 0)
		snprintf(ip6, 48, "2001:db8::%x:%x", (unsigned)(n >> 16) & 0xffff, (unsigned)n & 0xffff);
}

int placement_make(struct call *c, int64_t deployment, int64_t version, const struct conf *conf, int64_t linger)
{
	struct store *s = c->store;
	int64_t at = c->now;
	char id[ID_SIZE], ip4[20], ip6[48];
	int64_t seq;
	int r;

	id_make(id);
	r = store_exec(s, "UPDATE placement SET stop = ?2, ip4 = '', ip6 = '' WHERE deployment = ?1 AND stop = 0", "ii",
		       deployment, at + linger);
	if (r == 0)
		r = store_exec(s,
			       "INSERT INTO placement(id, deployment, version, created, fate, ssh, ip4, ip6)"
			       " VALUES(?1, ?2, ?3, ?4, ?5, ?6, '', '')",
			       "siiiii", id, deployment, version, at, (int64_t)conf->bad, (int64_t)conf->ssh);
	if (r < 0)
		return r;
	seq = store_last_rowid(s);
	addresses(conf, seq, ip4, ip6);
	if (*ip4 || *ip6)
		r = store_exec(s, "UPDATE placement SET ip4 = ?2, ip6 = ?3 WHERE seq = ?1", "iss", seq, ip4, ip6);
	if (r < 0)
		return r;
	return store_exec(s, "UPDATE deployment SET placement = ?2, placed = ?3, fate = ?4, version = ?5 WHERE seq = ?1", "iiiii",
			  deployment, seq, at, (int64_t)conf->bad, version);
}

#define PLACEMENT_COLUMNS "p.id, d.id, p.version, p.created, p.stop, p.fate, p.ssh"

static void write_row(struct call *c, sqlite3_stmt *q)
{
	struct placement p = { col_int(q, 3), col_int(q, 4), col_int(q, 5), col_int(q, 6) };

	out_open(c->out, '{');
	placement_write(c, col_text(q, 0), col_text(q, 1), col_int(q, 2), &p, true);
	out_close(c->out, '}');
}

int placement_list(struct call *c)
{
	if (!store_int(c->store, 0, "SELECT 1 FROM deployment WHERE id = ?1 AND account = ?2", "ss", c->arg[0], c->account))
		return call_not_found(c, "Deployment");
	return call_rows(c,
			 store_query(c->store,
				     "SELECT " PLACEMENT_COLUMNS " FROM deployment d JOIN placement p ON p.deployment = d.seq"
				     " WHERE d.id = ?1 ORDER BY p.seq",
				     "s", c->arg[0]),
			 write_row);
}

int placement_get(struct call *c)
{
	return call_row(c,
			store_query(c->store,
				    "SELECT " PLACEMENT_COLUMNS " FROM placement p JOIN deployment d ON d.seq = p.deployment"
				    " WHERE p.id = ?1 AND d.account = ?2",
				    "ss", c->arg[0], c->account),
			write_row, "Placement");
}

int placement_replace(struct call *c)
{
	cleanup_query_ sqlite3_stmt *q = NULL;
	char id[ID_SIZE];
	struct conf conf;
	int64_t deployment, version;
	int r = call_check(c, fields_replace, 0);

	if (r < 0)
		return r;
	q = store_query(c->store,
			"SELECT d.seq, d.id, d.conf, d.version, d.placement = p.seq FROM placement p"
			" JOIN deployment d ON d.seq = p.deployment WHERE p.id = ?1 AND d.account = ?2",
			"ss", c->arg[0], c->account);
	if (!store_row(c->store, q))
		return call_not_found(c, "Placement");
	deployment = col_int(q, 0);
	snprintf(id, sizeof(id), "%s", col_text(q, 1));
	version = col_int(q, 3);
	if (!json_true(c->body, "replace"))
		return call_invalid_field(c, "replace", "must be true");
	if (!col_int(q, 4))
		return call_fail(c, 400, NULL, "The placement is not the current one of its deployment");
	if (conf_load(c->store, col_int(q, 2), &conf) < 0)
		return -EIO;
	r = placement_make(c, deployment, version, &conf, 0);
	return r < 0 ? r : dep_answer(c, id);
}

static void write_ip(struct out *o, const char *account, sqlite3_stmt *q, bool six)
{
	out_open(o, '{');
	out_key(o, "configuration");
	out_open(o, '{');
	out_kstr(o, "deploymentId", col_text(q, 1));
	out_kstr(o, "accountId", account);
	out_close(o, '}');
	out_key(o, "allocation");
	out_open(o, '{');
	out_kstr(o, "placementID", col_text(q, 0));
	out_kstr(o, "deploymentID", col_text(q, 1));
	out_close(o, '}');
	out_kint(o, "subnetMask", six ? 128 : 32);
	out_kstr(o, "ip", col_text(q, six ? 3 : 2));
	out_kstr(o, "ipType", six ? "v6" : "v4");
	out_key(o, "portRanges");
	out_raws(o, "[]");
	out_close(o, '}');
}

int ip_list(struct call *c)
{
	static const char *const filters[] = { "placement_id", "allocated", "ipType", "deployment_id" };
	const char *placement = call_query(c, "placement_id", 0), *deployment = call_query(c, "deployment_id", 0);
	const char *type = call_query(c, "ipType", 0), *allocated = call_query(c, "allocated", 0);
	/* All addresses that the emulator knows belong to a placement. */
	bool none = allocated && strcmp(allocated, "false") == 0;
	cleanup_query_ sqlite3_stmt *q = NULL;

	if (type && strcmp(type, "v4") != 0 && strcmp(type, "v6") != 0)
		return call_invalid_field(c, "ipType", "must be one of: v4, v6");
	q = store_query(c->store,
			"SELECT p.id, d.id, p.ip4, p.ip6 FROM placement p JOIN deployment d ON d.seq = p.deployment"
			" WHERE (p.ip4 <> '' OR p.ip6 <> '') AND d.account = ?1 AND (?2 IS NULL OR p.id = ?2)"
			" AND (?3 IS NULL OR d.id = ?3) ORDER BY p.seq",
			"sss", c->account, placement, deployment);
	out_raws(c->out, "{\"ips\":[");
	while (!none && store_row(c->store, q)) {
		if (*col_text(q, 2) && (!type || type[1] == '4'))
			write_ip(c->out, c->account, q, false);
		if (*col_text(q, 3) && (!type || type[1] == '6'))
			write_ip(c->out, c->account, q, true);
	}
	out_raws(c->out, "],\"filters\":{");
	for (size_t i = 0; i < array_len(filters); i++)
		if (call_query(c, filters[i], 0))
			out_kstr(c->out, filters[i], call_query(c, filters[i], 0));
	out_raws(c->out, "}}");
	return 0;
}
