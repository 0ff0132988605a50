/* The state file: SQLite. Whoever calls has the turn. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "api/base/log.h"
#include "cache/state_private.h"

/* Between two tries where another mount writes. */
#define BUSY_POLL_MS 5

static const char schema[] = "CREATE TABLE rows(seq INTEGER PRIMARY KEY AUTOINCREMENT, scope TEXT NOT NULL, tbl TEXT NOT NULL,"
			     " parent TEXT NOT NULL, id TEXT NOT NULL, value BLOB NOT NULL, UNIQUE(scope, tbl, parent, id));"
			     "CREATE INDEX rows_by_age ON rows(scope, tbl, seq);"
			     "CREATE TABLE meta(name TEXT PRIMARY KEY, value BLOB NOT NULL);";

static const char *const statement_texts[STATEMENTS] = {
	[STATEMENT_BEGIN] = "BEGIN IMMEDIATE",
	[STATEMENT_COMMIT] = "COMMIT",
	[STATEMENT_ROLLBACK] = "ROLLBACK",
	/* A row that is set again keeps its place. */
	[STATEMENT_SET] = "INSERT INTO rows(scope, tbl, parent, id, value) VALUES(?1, ?2, ?3, ?4, ?5)"
			  " ON CONFLICT(scope, tbl, parent, id) DO UPDATE SET value = excluded.value",
	[STATEMENT_TRIM] = "DELETE FROM rows WHERE scope = ?1 AND tbl = ?2 AND seq <= (SELECT seq FROM rows"
			   " WHERE scope = ?1 AND tbl = ?2 ORDER BY seq DESC LIMIT 1 OFFSET ?5)",
	[STATEMENT_GET] = "SELECT value FROM rows WHERE scope = ?1 AND tbl = ?2 AND parent = ?3 AND id = ?4",
	[STATEMENT_DELETE] = "DELETE FROM rows WHERE scope = ?1 AND tbl = ?2 AND parent = ?3 AND id = ?4",
	[STATEMENT_EACH] = "SELECT id, value FROM rows WHERE scope = ?1 AND tbl = ?2 AND parent = ?3 ORDER BY seq",
	[STATEMENT_PUT_KEY] = "INSERT OR IGNORE INTO meta(name, value) VALUES('key', ?1)",
	[STATEMENT_GET_KEY] = "SELECT value FROM meta WHERE name = 'key'",
};

int state_file_error(int rc)
{
	switch (rc & 0xff) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE:
		return 0;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return -EUCLEAN;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_READONLY:
		return -EROFS;
	case SQLITE_PERM:
	case SQLITE_CANTOPEN:
		return -EACCES;
	default:
		return -EIO;
	}
}

static int on_busy(void *arg, int tries)
{
	const struct state_file *file = arg;
	const struct timespec pause = { .tv_nsec = BUSY_POLL_MS * NSEC_PER_MSEC };

	(void)tries;
	if (!clock_left_ms(file->deadline_ms))
		return 0;
	nanosleep(&pause, NULL);
	return 1;
}

/* ---- opening ---- */

static int get_number(sqlite3 *db, const char *sql, int64_t *ret)
{
	sqlite3_stmt *statement = NULL;
	int rc = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_step(statement);
	if (rc == SQLITE_ROW)
		*ret = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	return state_file_error(rc);
}

static int check_content(sqlite3 *db)
{
	sqlite3_stmt *statement = NULL;
	int rc = sqlite3_prepare_v2(db, "PRAGMA quick_check(1)", -1, &statement, NULL);
	bool fine = true;

	if (rc == SQLITE_OK)
		rc = sqlite3_step(statement);
	if (rc == SQLITE_ROW) {
		const char *text = (const char *)sqlite3_column_text(statement, 0);

		fine = text && !strcmp(text, "ok");
	}
	sqlite3_finalize(statement);
	return fine ? state_file_error(rc) : -EUCLEAN;
}

static int run(sqlite3 *db, const char *sql)
{
	return state_file_error(sqlite3_exec(db, sql, NULL, NULL, NULL));
}

static int make_schema(sqlite3 *db)
{
	char pragmas[96];
	int r = run(db, "BEGIN IMMEDIATE");

	snprintf(pragmas, sizeof(pragmas), "PRAGMA user_version = %d; PRAGMA application_id = %d;", STATE_SCHEMA,
		 STATE_APPLICATION_ID);
	if (r == 0)
		r = run(db, schema);
	if (r == 0)
		r = run(db, pragmas);
	if (r == 0)
		r = run(db, "COMMIT");
	if (r < 0)
		run(db, "ROLLBACK");
	return r;
}

static int check_schema(sqlite3 *db)
{
	int64_t version = 0, application = 0, tables = 0;
	int r = get_number(db, "PRAGMA user_version", &version);

	if (r == 0)
		r = get_number(db, "PRAGMA application_id", &application);
	if (r == 0)
		r = get_number(db, "SELECT count(*) FROM sqlite_master", &tables);
	if (r < 0)
		return r;
	if (!version && !application && !tables)
		return make_schema(db);
	/* A later version may mean something else by the same tables; another program's file is none of our business. */
	return version == STATE_SCHEMA && application == STATE_APPLICATION_ID ? 0 : -EPROTO;
}

static int prepare_all(struct state_file *file)
{
	for (size_t i = 0; i < STATEMENTS; i++) {
		int rc = sqlite3_prepare_v3(file->db, statement_texts[i], -1, SQLITE_PREPARE_PERSISTENT, &file->statements[i],
					    NULL);

		if (rc != SQLITE_OK)
			return state_file_error(rc);
	}
	return 0;
}

/*
 * synchronous=FULL: what is here was told to the user as done (a rollout that is owed, a job's name), so it must be on the
 * disk when a call returns, even if the power goes. In WAL mode NORMAL would keep the file whole, but lose the last
 * writes. There is one write for several calls over the network, so an fsync does not show.
 */
static int set_up(sqlite3 *db)
{
	int r = check_content(db);

	if (r == 0)
		r = check_schema(db);
	/* Where WAL cannot be had (a network filesystem), the rollback journal does as well, slower. */
	if (r == 0)
		run(db, "PRAGMA journal_mode = WAL");
	if (r == 0)
		r = run(db, "PRAGMA synchronous = FULL; PRAGMA trusted_schema = OFF; PRAGMA cache_size = -512;"
			    "PRAGMA journal_size_limit = 1048576; PRAGMA temp_store = MEMORY;");
	return r;
}

static int open_db(struct state_file *file, const char *path)
{
	int rc = sqlite3_open_v2(path, &file->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW, NULL);
	int r = state_file_error(rc);

	if (r == 0) {
		sqlite3_busy_handler(file->db, on_busy, file);
		r = set_up(file->db);
	}
	if (r == 0)
		r = prepare_all(file);
	if (r < 0)
		state_file_close(file);
	return r;
}

int state_file_open(struct state_file *file, const char *dir, int64_t deadline_ms)
{
	cleanup_free_ char *whole = NULL;
	cleanup_buf_ struct buf path = BUF_INIT;
	cleanup_close_ int dir_fd = state_dir_open(dir, &whole);
	int r;

	if (dir_fd < 0)
		return dir_fd;
	file->deadline_ms = deadline_ms;
	r = buf_addf(&path, "%s/%s", whole, STATE_FILE);
	if (r == 0)
		r = state_dir_lock(dir_fd, deadline_ms);
	if (r == 0)
		r = state_dir_check_file(dir_fd, &file->dev, &file->ino);
	if (r == 0)
		r = open_db(file, path.data);
	if (r != -EUCLEAN)
		return r;
	r = state_dir_set_aside(dir_fd);
	if (r == 0)
		r = state_dir_check_file(dir_fd, &file->dev, &file->ino);
	return r == 0 ? open_db(file, path.data) : r;
}

void state_file_close(struct state_file *file)
{
	for (size_t i = 0; i < STATEMENTS; i++) {
		sqlite3_finalize(file->statements[i]);
		file->statements[i] = NULL;
	}
	sqlite3_close(file->db);
	file->db = NULL;
}

bool state_file_is_gone(const struct state_file *file, const char *dir)
{
	char path[4096];
	struct stat st;

	if (snprintf(path, sizeof(path), "%s/%s", dir, STATE_FILE) >= (int)sizeof(path))
		return false;
	return stat(path, &st) < 0 ? errno == ENOENT : st.st_dev != file->dev || st.st_ino != file->ino;
}

/* ---- rows ---- */

static int step(struct state_file *file, enum statement which, bool *ret_row)
{
	int rc = sqlite3_step(file->statements[which]);

	if (ret_row)
		*ret_row = rc == SQLITE_ROW;
	return state_file_error(rc);
}

static void done(struct state_file *file, enum statement which)
{
	sqlite3_reset(file->statements[which]);
	sqlite3_clear_bindings(file->statements[which]);
}

static int run_one(struct state_file *file, enum statement which)
{
	int r = step(file, which, NULL);

	done(file, which);
	return r;
}

/* SQLite's own copies are not needed: each statement is done with before the caller's strings go. */
static sqlite3_stmt *bind(struct state_file *file, enum statement which, const char *scope, const struct row_name *name)
{
	sqlite3_stmt *s = file->statements[which];

	sqlite3_bind_text(s, 1, scope, -1, SQLITE_STATIC);
	sqlite3_bind_text(s, 2, name->table, -1, SQLITE_STATIC);
	sqlite3_bind_text(s, 3, name->parent, -1, SQLITE_STATIC);
	if (name->id)
		sqlite3_bind_text(s, 4, name->id, -1, SQLITE_STATIC);
	return s;
}

/* Ends a transaction, one way or the other. */
static int end(struct state_file *file, int r)
{
	if (r == 0)
		r = run_one(file, STATEMENT_COMMIT);
	if (r < 0 && !sqlite3_get_autocommit(file->db))
		run_one(file, STATEMENT_ROLLBACK);
	return r;
}

int state_file_set(struct state_file *file, const char *scope, const struct row_name *name, const void *value, size_t len)
{
	int r = run_one(file, STATEMENT_BEGIN);

	if (r < 0)
		return r;
	sqlite3_bind_blob64(bind(file, STATEMENT_SET, scope, name), 5, len ? value : "", len, SQLITE_STATIC);
	r = run_one(file, STATEMENT_SET);
	if (r == 0) {
		sqlite3_bind_int(bind(file, STATEMENT_TRIM, scope, name), 5, STATE_ROWS_MAX);
		r = run_one(file, STATEMENT_TRIM);
	}
	return end(file, r);
}

int state_file_delete(struct state_file *file, const char *scope, const struct row_name *name)
{
	bind(file, STATEMENT_DELETE, scope, name);
	return run_one(file, STATEMENT_DELETE);
}

int state_file_get(struct state_file *file, const char *scope, const struct row_name *name, struct buf *ret)
{
	sqlite3_stmt *s = bind(file, STATEMENT_GET, scope, name);
	bool found = false;
	int r = step(file, STATEMENT_GET, &found);

	if (r == 0 && !found)
		r = -ENOENT;
	if (r == 0)
		r = buf_add(ret, sqlite3_column_blob(s, 0), (size_t)sqlite3_column_bytes(s, 0));
	done(file, STATEMENT_GET);
	return r;
}

int state_file_each(struct state_file *file, const char *scope, const struct row_name *name,
		    int (*each)(void *arg, const char *id, const void *value, size_t len), void *arg)
{
	struct row_name all = { .table = name->table, .parent = name->parent };
	sqlite3_stmt *s = bind(file, STATEMENT_EACH, scope, &all);
	bool found = false;
	int r = step(file, STATEMENT_EACH, &found);

	while (r == 0 && found) {
		r = each(arg, (const char *)sqlite3_column_text(s, 0), sqlite3_column_blob(s, 1),
			 (size_t)sqlite3_column_bytes(s, 1));
		if (r == 0)
			r = step(file, STATEMENT_EACH, &found);
	}
	done(file, STATEMENT_EACH);
	return r;
}

int state_file_key(struct state_file *file, uint8_t key[STATE_KEY_BYTES])
{
	sqlite3_stmt *s = file->statements[STATEMENT_GET_KEY];
	bool found = false;
	int r;

	sqlite3_bind_blob(file->statements[STATEMENT_PUT_KEY], 1, key, STATE_KEY_BYTES, SQLITE_STATIC);
	r = run_one(file, STATEMENT_PUT_KEY);
	/* Another mount may have been first: what is in the file counts. */
	if (r == 0)
		r = step(file, STATEMENT_GET_KEY, &found);
	if (r == 0 && (!found || sqlite3_column_bytes(s, 0) != STATE_KEY_BYTES))
		r = -EIO;
	if (r == 0)
		memcpy(key, sqlite3_column_blob(s, 0), STATE_KEY_BYTES);
	done(file, STATEMENT_GET_KEY);
	return r;
}
