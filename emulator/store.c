#include "emulator/store.h"

#include <errno.h>
#include <stdarg.h>
/* uthash's default hash falls through its cases without a mark that clang knows. */
#define HASH_FUNCTION(key, len, hash) HASH_FNV(key, len, hash)
#include <uthash.h>

#include "api/base/log.h"

/* A prepared statement; more than one for the same text where a query runs inside its own rows. */
struct prepared {
	const char *sql; /* key: the address */
	sqlite3_stmt *stmt;
	struct prepared *next;
	UT_hash_handle hh;
};

struct store {
	sqlite3 *db;
	struct prepared *prepared; /* by sql */
	bool failed;
};

static const char schema[] =
	"CREATE TABLE IF NOT EXISTS meta(key TEXT PRIMARY KEY, value INTEGER) WITHOUT ROWID;"
	"CREATE TABLE IF NOT EXISTS account(id TEXT PRIMARY KEY, created INTEGER, def_vcpus REAL, def_mem INTEGER,"
	" def_disk INTEGER, total_vcpu REAL, total_mem INTEGER, total_disk INTEGER, used_vcpu REAL DEFAULT 0,"
	" used_mem INTEGER DEFAULT 0, used_disk INTEGER DEFAULT 0, used_count INTEGER DEFAULT 0,"
	" seeded INTEGER DEFAULT 0) WITHOUT ROWID;"
	/* What a container is made from: shared by the versions and deployments that have it. */
	"CREATE TABLE IF NOT EXISTS conf(seq INTEGER PRIMARY KEY, intent TEXT, user TEXT, dep TEXT, cut1 INTEGER,"
	" cut2 INTEGER, cut3 INTEGER, image TEXT, vcpu REAL, mem INTEGER, disk INTEGER, fate INTEGER, ssh INTEGER,"
	" wssh INTEGER, mode TEXT, ip4 TEXT, ip6 TEXT);"
	"CREATE TABLE IF NOT EXISTS application(seq INTEGER PRIMARY KEY, id TEXT, account TEXT, name TEXT,"
	" policy TEXT, intent TEXT, mid TEXT, tail TEXT, version INTEGER, active INTEGER, instances INTEGER,"
	" max_instances INTEGER, grace INTEGER, conf INTEGER, rollout TEXT DEFAULT '', created INTEGER,"
	" updated INTEGER, gone INTEGER DEFAULT 0, namespace TEXT, jobs INTEGER, durable INTEGER,"
	/* Live: the configuration that waits for a rollout; and what the lists still say, until when. */
	" pending TEXT DEFAULT '', lag_until INTEGER DEFAULT 0, lag_version INTEGER DEFAULT 0,"
	" lag_conf INTEGER DEFAULT 0, lag_rollout TEXT DEFAULT '', lag_updated INTEGER DEFAULT 0);"
	"CREATE INDEX IF NOT EXISTS application_id ON application(id);"
	"CREATE INDEX IF NOT EXISTS application_account ON application(account);"
	"CREATE INDEX IF NOT EXISTS application_name ON application(account, name);"
	"CREATE INDEX IF NOT EXISTS application_ns ON application(account, namespace) WHERE namespace <> '';"
	"CREATE INDEX IF NOT EXISTS application_gone ON application(gone) WHERE gone > 0;"
	"CREATE TABLE IF NOT EXISTS version(app INTEGER, version INTEGER, conf INTEGER,"
	" PRIMARY KEY(app, version)) WITHOUT ROWID;"
	/* instance: its id in the lists of instances. */
	"CREATE TABLE IF NOT EXISTS deployment(seq INTEGER PRIMARY KEY, id TEXT UNIQUE, instance TEXT UNIQUE, account TEXT,"
	" app INTEGER DEFAULT 0, app_version INTEGER DEFAULT 0, version INTEGER, conf INTEGER, location TEXT,"
	" created INTEGER, placement INTEGER DEFAULT 0, placed INTEGER DEFAULT 0, fate INTEGER DEFAULT 0,"
	" due INTEGER DEFAULT 0);"
	"CREATE INDEX IF NOT EXISTS deployment_account ON deployment(account);"
	"CREATE INDEX IF NOT EXISTS deployment_app ON deployment(app) WHERE app > 0;"
	"CREATE TABLE IF NOT EXISTS placement(seq INTEGER PRIMARY KEY, id TEXT UNIQUE, deployment INTEGER,"
	" version INTEGER, created INTEGER, stop INTEGER DEFAULT 0, fate INTEGER, ssh INTEGER, ip4 TEXT, ip6 TEXT);"
	"CREATE INDEX IF NOT EXISTS placement_deployment ON placement(deployment);"
	"CREATE INDEX IF NOT EXISTS placement_ip ON placement(seq) WHERE ip4 <> '' OR ip6 <> '';"
	"CREATE TABLE IF NOT EXISTS rollout(seq INTEGER PRIMARY KEY, id TEXT UNIQUE, app INTEGER, description TEXT,"
	" strategy TEXT, kind TEXT, created INTEGER, updated INTEGER, started INTEGER DEFAULT 0, status TEXT,"
	" from_version INTEGER, to_version INTEGER, from_conf INTEGER, to_conf INTEGER, step INTEGER DEFAULT 0,"
	" percentage INTEGER DEFAULT 0, due INTEGER DEFAULT 0, took TEXT DEFAULT '');"
	"CREATE INDEX IF NOT EXISTS rollout_app ON rollout(app);"
	"CREATE INDEX IF NOT EXISTS rollout_due ON rollout(due) WHERE due > 0;"
	"CREATE TABLE IF NOT EXISTS step(rollout INTEGER, n INTEGER, percentage INTEGER, description TEXT, status TEXT,"
	" started INTEGER DEFAULT 0, completed INTEGER DEFAULT 0, PRIMARY KEY(rollout, n)) WITHOUT ROWID;"
	"CREATE TABLE IF NOT EXISTS job(seq INTEGER PRIMARY KEY, id TEXT UNIQUE, app INTEGER, created INTEGER,"
	" head TEXT, tail TEXT, ended INTEGER DEFAULT 0, runs INTEGER, fate INTEGER, terminated INTEGER DEFAULT 0);"
	"CREATE INDEX IF NOT EXISTS job_app ON job(app);"
	"CREATE TABLE IF NOT EXISTS instance(seq INTEGER PRIMARY KEY, id TEXT, app INTEGER, name TEXT,"
	" location TEXT, created INTEGER, stopped INTEGER DEFAULT 0);"
	"CREATE INDEX IF NOT EXISTS instance_app ON instance(app);"
	"CREATE INDEX IF NOT EXISTS instance_id ON instance(id);"
	"CREATE TABLE IF NOT EXISTS secret(seq INTEGER PRIMARY KEY, account TEXT, name TEXT, version INTEGER,"
	" created INTEGER, updated INTEGER, UNIQUE(account, name));"
	"CREATE TABLE IF NOT EXISTS sshkey(seq INTEGER PRIMARY KEY, id TEXT UNIQUE, account TEXT, name TEXT,"
	" public_key TEXT, UNIQUE(account, name));"
	"CREATE TABLE IF NOT EXISTS registry(seq INTEGER PRIMARY KEY, account TEXT, domain TEXT, kind TEXT,"
	" is_public INTEGER, public_key TEXT, store TEXT, secret TEXT, created INTEGER, UNIQUE(account, domain));"
	"CREATE TABLE IF NOT EXISTS proto(seq INTEGER PRIMARY KEY, account TEXT, proto TEXT, doc TEXT,"
	" UNIQUE(account, proto));"
	"CREATE TABLE IF NOT EXISTS image(account TEXT, repository TEXT, tag TEXT, digest TEXT, created INTEGER, content TEXT,"
	" PRIMARY KEY(account, repository, tag)) WITHOUT ROWID;"
	"CREATE TABLE IF NOT EXISTS preparation(account TEXT, image TEXT, created INTEGER,"
	" PRIMARY KEY(account, image)) WITHOUT ROWID;";

/* Of the tables above: it rises with them. */
#define SCHEMA_VERSION 3

static int check_version(struct store *s, const char *path, char *text, size_t size)
{
	int64_t version = store_int(s, 0, "PRAGMA user_version", "");
	int64_t tables = store_int(s, 0, "SELECT count(*) FROM sqlite_master", "");

	if (tables == 0 || version == SCHEMA_VERSION)
		return 0;
	snprintf(text, size, "%s: it is the state of another version of the emulator; remove it, or name another file", path);
	return -EINVAL;
}

int store_open(const char *path, struct store **ret_store, char *text, size_t size)
{
	struct store *s = calloc(1, sizeof(*s));
	char *message = NULL, set_version[48];

	if (!s)
		return -ENOMEM;
	text[0] = '\0';
	snprintf(set_version, sizeof(set_version), "PRAGMA user_version = %d", SCHEMA_VERSION);
	if (sqlite3_open_v2(path ? path : ":memory:", &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
			    NULL) != SQLITE_OK ||
	    sqlite3_exec(s->db,
			 "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA temp_store=MEMORY;"
			 "PRAGMA cache_size=-65536;",
			 NULL, NULL, &message) != SQLITE_OK ||
	    check_version(s, path, text, size) < 0 || sqlite3_exec(s->db, schema, NULL, NULL, &message) != SQLITE_OK ||
	    sqlite3_exec(s->db, set_version, NULL, NULL, &message) != SQLITE_OK) {
		if (!text[0])
			snprintf(text, size, "%s: %s", path ? path : "memory", message ? message : sqlite3_errmsg(s->db));
		sqlite3_free(message);
		store_close(s);
		return -EIO;
	}
	*ret_store = s;
	return 0;
}

struct store *store_close(struct store *s)
{
	struct prepared *p, *tmp;

	if (!s)
		return NULL;
	HASH_ITER(hh, s->prepared, p, tmp) {
		HASH_DEL(s->prepared, p);
		while (p) {
			struct prepared *next = p->next;

			sqlite3_finalize(p->stmt);
			free(p);
			p = next;
		}
	}
	sqlite3_close(s->db);
	free(s);
	return NULL;
}

static void fail(struct store *s, const char *sql)
{
	log_error("state: %s (%.200s)", sqlite3_errmsg(s->db), sql);
	s->failed = true;
}

static struct prepared *prepare(struct store *s, const char *sql)
{
	struct prepared *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->sql = sql;
	if (sqlite3_prepare_v3(s->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &p->stmt, NULL) == SQLITE_OK)
		return p;
	free(p);
	return NULL;
}

/* A statement for the text that is not in the middle of its rows. */
static sqlite3_stmt *idle_statement(struct store *s, const char *sql)
{
	struct prepared *p = NULL, *more;

	HASH_FIND_PTR(s->prepared, &sql, p);
	if (!p) {
		p = prepare(s, sql);
		if (!p)
			return NULL;
		HASH_ADD_PTR(s->prepared, sql, p);
		return p->stmt;
	}
	for (more = p; more; more = more->next)
		if (!sqlite3_stmt_busy(more->stmt))
			return more->stmt;
	more = prepare(s, sql);
	if (!more)
		return NULL;
	more->next = p->next;
	p->next = more;
	return more->stmt;
}

static sqlite3_stmt *vquery(struct store *s, const char *sql, const char *types, va_list args)
{
	sqlite3_stmt *q = idle_statement(s, sql);
	int i = 1;

	if (!q) {
		fail(s, sql);
		return NULL;
	}
	for (; *types; types++, i++) {
		if (*types == 's')
			sqlite3_bind_text(q, i, va_arg(args, const char *), -1, SQLITE_STATIC);
		else if (*types == 'd')
			sqlite3_bind_double(q, i, va_arg(args, double));
		else
			sqlite3_bind_int64(q, i, va_arg(args, int64_t));
	}
	return q;
}

sqlite3_stmt *store_query(struct store *s, const char *sql, const char *types, ...)
{
	sqlite3_stmt *q;
	va_list args;

	va_start(args, types);
	q = vquery(s, sql, types, args);
	va_end(args);
	return q;
}

bool store_row(struct store *s, sqlite3_stmt *q)
{
	int r;

	if (!q)
		return false;
	r = sqlite3_step(q);
	if (r == SQLITE_ROW)
		return true;
	if (r != SQLITE_DONE)
		fail(s, sqlite3_sql(q));
	return false;
}

int store_exec(struct store *s, const char *sql, const char *types, ...)
{
	sqlite3_stmt *q;
	va_list args;
	int r;

	va_start(args, types);
	q = vquery(s, sql, types, args);
	va_end(args);
	if (!q)
		return -EIO;
	do
		r = sqlite3_step(q);
	while (r == SQLITE_ROW);
	sqlite3_reset(q);
	if (r == SQLITE_DONE)
		return 0;
	if (r == SQLITE_CONSTRAINT)
		return -EEXIST;
	fail(s, sql);
	return -EIO;
}

int64_t store_int(struct store *s, int64_t otherwise, const char *sql, const char *types, ...)
{
	sqlite3_stmt *q;
	va_list args;

	va_start(args, types);
	q = vquery(s, sql, types, args);
	va_end(args);
	if (store_row(s, q) && sqlite3_column_type(q, 0) != SQLITE_NULL)
		otherwise = sqlite3_column_int64(q, 0);
	query_endp(&q);
	return otherwise;
}

int64_t store_last_rowid(struct store *s)
{
	return sqlite3_last_insert_rowid(s->db);
}

int store_changes(struct store *s)
{
	return sqlite3_changes(s->db);
}

int store_begin(struct store *s)
{
	s->failed = false;
	return store_exec(s, "BEGIN IMMEDIATE", "");
}

int store_end(struct store *s, bool ok)
{
	if (ok && !s->failed && store_exec(s, "COMMIT", "") == 0)
		return 0;
	store_exec(s, "ROLLBACK", "");
	return ok ? -EIO : 0;
}

bool store_failed(struct store *s)
{
	return s->failed;
}
