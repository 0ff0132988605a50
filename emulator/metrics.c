#include "emulator/metrics.h"

#include <errno.h>
#include <sodium.h>

#include "emulator/world.h"

#define MIB 1048576

static void read_life(sqlite3_stmt *q, struct life *l)
{
	cleanup_json_ struct json_object *conf = json_tokener_parse(col_text(q, 9));
	const struct location *where = location_find(col_text(q, 3));
	int64_t stop = col_int(q, 5);

	*l = (struct life){ .region = where ? where->region : "",
			    .start = col_int(q, 4) + RUNNING_AFTER_MS,
			    .stop = stop,
			    .vcpu = sqlite3_column_double(q, 6),
			    .mem = col_int(q, 7) * MIB,
			    .disk = col_int(q, 8) * 1000000,
			    .labels = json_object_get(json_member(conf, "labels")) };
	snprintf(l->app, sizeof(l->app), "%s", col_text(q, 0));
	snprintf(l->instance, sizeof(l->instance), "%s", col_text(q, 1));
	snprintf(l->placement, sizeof(l->placement), "%s", col_text(q, 2));
	snprintf(l->location, sizeof(l->location), "%s", col_text(q, 3));
}

int lives_load(struct call *c, int64_t from, int64_t to, struct lives *ret)
{
	cleanup_query_ sqlite3_stmt *q = store_query(
		c->store,
		"SELECT a.id, d.instance, p.id, d.location, p.created AS created, p.stop AS stop, c.vcpu, c.mem, c.disk, c.intent"
		" FROM placement p JOIN deployment d ON d.seq = p.deployment JOIN conf c ON c.seq = d.conf"
		" LEFT JOIN application a ON a.seq = d.app WHERE d.account = ?1 AND p.fate = 0"
		" AND p.created <= ?3 AND (p.stop = 0 OR p.stop >= ?2)"
		" UNION ALL SELECT a.id, i.id, i.id, i.location, i.created, i.stopped, c.vcpu, c.mem, c.disk, c.intent"
		" FROM instance i JOIN application a ON a.seq = i.app LEFT JOIN conf c ON c.seq = a.conf WHERE a.account = ?1"
		" AND i.created <= ?3 AND (i.stopped = 0 OR i.stopped >= ?2) ORDER BY created",
		"sii", c->account, from, to);
	struct lives all = { NULL, 0 };
	size_t room = 0;

	while (store_row(c->store, q)) {
		if (all.count == room) {
			struct life *more = realloc(all.list, (room * 2 + 16) * sizeof(*more));

			if (!more) {
				lives_free(&all);
				return -ENOMEM;
			}
			all.list = more;
			room = room * 2 + 16;
		}
		read_life(q, &all.list[all.count++]);
	}
	*ret = all;
	return 0;
}

void lives_free(struct lives *l)
{
	for (size_t i = 0; i < l->count; i++)
		json_object_put(l->list[i].labels);
	free(l->list);
}

/* Between 0 and 1. */
static double chance(const struct life *l, int64_t minute, const char *what)
{
	unsigned char hash[crypto_generichash_BYTES_MIN];
	char name[140];
	uint32_t n;

	snprintf(name, sizeof(name), "%s %s %lld", what, l->placement, (long long)minute);
	crypto_generichash(hash, sizeof(hash), (const unsigned char *)name, strlen(name), NULL, 0);
	memcpy(&n, hash, sizeof(n));
	return (double)n / 4294967295.0;
}

void life_sample(const struct life *l, int64_t t, double v[METRICS])
{
	int64_t minute = t / METRICS_STEP_MS;
	double seconds = METRICS_STEP_MS / 1000.0;
	double rx = 1e5 * chance(l, minute, "rx"), tx = 4e5 * chance(l, minute, "tx");

	/* Each container has a level of its own, around which it moves. */
	v[M_CPU] = 0.05 + 0.4 * chance(l, 0, "cpu") + 0.3 * chance(l, minute, "cpu");
	v[M_MEMORY] = (double)l->mem * (0.2 + 0.3 * chance(l, 0, "mem") + 0.2 * chance(l, minute, "mem"));
	v[M_RX_BPS] = rx * 8;
	v[M_TX_BPS] = tx * 8;
	v[M_UPTIME] = (double)(t - l->start) / 1000;
	v[M_DISK_SHARE] = 0.1 + 0.3 * chance(l, 0, "disk");
	v[M_DISK] = (double)l->disk * v[M_DISK_SHARE];
	v[M_CPU_TIME] = v[M_CPU] * l->vcpu * seconds;
	v[M_ALLOCATED_MEM] = (double)l->mem * seconds;
	v[M_ALLOCATED_DISK] = (double)l->disk * seconds;
	v[M_ALLOCATED_CPU] = l->vcpu * seconds;
	v[M_RX] = rx * seconds;
	v[M_TX] = tx * seconds;
}
