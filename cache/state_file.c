/* The state file: SQLite. One thread uses it. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <utlist.h>

#include "api/base/log.h"
#include "cache/state_private.h"

/* Once for so many new lines, as a part of those that are kept, the oldest go: finding them looks through all that there are. */
#define TRIM_PART 64
/* Between two tries where another mount writes. */
#define BUSY_POLL_MS 5

static const char *const statement_texts[] = {
	[STATEMENT_BEGIN] = "BEGIN IMMEDIATE",
	[STATEMENT_COMMIT] = "COMMIT",
	[STATEMENT_ROLLBACK] = "ROLLBACK",
	[STATEMENT_SCHEMA] = "PRAGMA user_version",
	[STATEMENT_CHANGED] = "PRAGMA data_version",
	/* A row that is set again keeps its place. */
	[STATEMENT_SET] = "INSERT INTO rows(scope, tbl, parent, id, value) VALUES(?1, ?2, ?3, ?4, ?5)"
			  " ON CONFLICT(scope, tbl, parent, id) DO UPDATE SET value = excluded.value",
	[STATEMENT_TRIM] = "DELETE FROM rows WHERE scope = ?1 AND tbl = ?2 AND seq <= (SELECT seq FROM rows"
			   " WHERE scope = ?1 AND tbl = ?2 ORDER BY seq DESC LIMIT 1 OFFSET ?5)",
	[STATEMENT_DELETE] = "DELETE FROM rows WHERE scope = ?1 AND tbl = ?2 AND parent = ?3 AND id = ?4",
	[STATEMENT_LOAD] = "SELECT tbl, parent, id, value FROM rows WHERE scope = ?1 ORDER BY seq",
	[STATEMENT_PUT_KEY] = "INSERT OR IGNORE INTO meta(name, value) VALUES('key', ?1)",
	[STATEMENT_GET_KEY] = "SELECT value FROM meta WHERE name = 'key'",
	[STATEMENT_HISTORY_ADD] = "INSERT INTO history(scope, total, line) VALUES(?1, length(?2) + coalesce("
				  "(SELECT total FROM history WHERE scope = ?1 ORDER BY seq DESC LIMIT 1), 0), ?2)",
	[STATEMENT_HISTORY_TRIM] = "DELETE FROM history WHERE scope = ?1 AND (seq <= (SELECT seq FROM history WHERE scope = ?1"
				   " ORDER BY seq DESC LIMIT 1 OFFSET ?2) OR total <= (SELECT total FROM history WHERE"
				   " scope = ?1 ORDER BY seq DESC LIMIT 1) - ?3)",
	[STATEMENT_HISTORY_LOAD] = "SELECT seq, line FROM history WHERE scope = ?1 AND seq > ?2 AND NOT seq BETWEEN ?3 AND ?4"
				   " ORDER BY seq",
	[STATEMENT_HISTORY_LAST] = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'history'",
};
_Static_assert(array_len(statement_texts) == STATEMENTS, "each statement has its text");

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

static int prepare_all(struct state_file *file)
{
	for (size_t i = 0; i < STATEMENTS; i++) {
		int rc;

		(void)invariant(statement_texts[i]);
		rc = sqlite3_prepare_v3(file->db, statement_texts[i], -1, SQLITE_PREPARE_PERSISTENT, &file->statements[i], NULL);

		if (rc != SQLITE_OK)
			return state_file_error(rc);
	}
	return 0;
}

static bool is_wal(sqlite3 *db)
{
	sqlite3_stmt *s = NULL;
	const unsigned char *mode = NULL;
	bool wal;

	if (sqlite3_prepare_v2(db, "PRAGMA journal_mode = WAL", -1, &s, NULL) == SQLITE_OK && sqlite3_step(s) == SQLITE_ROW)
		mode = sqlite3_column_text(s, 0);
	wal = mode && !strcmp((const char *)mode, "wal");
	sqlite3_finalize(s);
	return wal;
}

/*
 * What is here was told to the user as done (a rollout that is owed, a job's name), so it must be on the disk when a durable write
 * returns, even if the power goes. In WAL mode NORMAL keeps the file whole, and leaves to state_file_sync when the last writes go
 * to the disk. Only the state's thread waits for it.
 */
static int set_up(struct state_file *file, struct err *err)
{
	int r = check_content(file->db);

	if (r == 0)
		r = schema_prepare(file->db, err);
	/* Where WAL cannot be had (a network filesystem), the rollback journal does as well, slower. */
	file->syncs = r == 0 && !is_wal(file->db);
	if (r == 0)
		r = run(file->db, file->syncs ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL");
	if (r == 0)
		r = run(file->db, "PRAGMA trusted_schema = OFF; PRAGMA cache_size = -512;"
				  "PRAGMA journal_size_limit = 1048576; PRAGMA temp_store = MEMORY;");
	return r;
}

static int open_db(struct state_file *file, const char *path, struct err *err)
{
	int rc = sqlite3_open_v2(path, &file->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW, NULL);
	int r = state_file_error(rc);

	if (r == 0) {
		sqlite3_busy_handler(file->db, on_busy, file);
		r = set_up(file, err);
	}
	if (r == 0)
		r = prepare_all(file);
	if (r < 0)
		state_file_close(file);
	return r;
}

static int open_checked(struct state_file *file, int dir_fd, const char *path, struct err *err)
{
	int r = state_dir_check_file(dir_fd, &file->dev, &file->ino);

	return r == 0 ? open_db(file, path, err) : r;
}

int state_file_open(struct state_file *file, const char *dir, int64_t deadline_ms, struct err *err)
{
	cleanup_free_ char *whole = NULL;
	cleanup_buf_ struct buf path = BUF_INIT;
	cleanup_close_ int dir_fd = state_dir_open(dir, &whole);
	int r = dir_fd < 0 ? dir_fd : 0;

	assert_return(!file->db, -EBUSY);
	err_clear(err);
	file->deadline_ms = deadline_ms;
	if (r == 0)
		r = buf_addf(&path, "%s/%s", whole, STATE_FILE);
	if (r == 0)
		r = state_dir_lock(dir_fd, deadline_ms);
	if (r == 0)
		r = open_checked(file, dir_fd, path.data, err);
	if (r == -EUCLEAN) {
		r = state_dir_set_aside(dir_fd);
		if (r == 0)
			r = open_checked(file, dir_fd, path.data, err);
	}
	if (r < 0 && err->errnum == 0)
		err_set(err, -r, "it cannot be used (%s): what it should hold is kept in memory", errno_name(-r));
	return r;
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

int state_file_sync(struct state_file *file)
{
	sqlite3_file *log = NULL;

	if (file->syncs)
		return 0;
	if (sqlite3_file_control(file->db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log) != SQLITE_OK || !log || !log->pMethods)
		return -EIO;
	return state_file_error(log->pMethods->xSync(log, SQLITE_SYNC_NORMAL | SQLITE_SYNC_DATAONLY));
}

bool state_file_is_gone(const struct state_file *file, const char *dir)
{
	char path[4096];
	struct stat st;

	if (snprintf(path, sizeof(path), "%s/%s", dir, STATE_FILE) >= (int)sizeof(path))
		return false;
	return stat(path, &st) < 0 ? errno == ENOENT : st.st_dev != file->dev || st.st_ino != file->ino;
}

/* ---- statements ---- */

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

static int get_number(struct state_file *file, enum statement which, int64_t *ret)
{
	bool found = false;
	int r = step(file, which, &found);

	if (r == 0 && found)
		*ret = sqlite3_column_int64(file->statements[which], 0);
	done(file, which);
	return r == 0 && !found ? -EIO : r;
}

/* SQLite's own copies are not needed: each statement is done with before the caller's strings go. */
static sqlite3_stmt *bind(struct state_file *file, enum statement which, const char *scope, const struct row_name *name)
{
	sqlite3_stmt *s = file->statements[which];

	sqlite3_bind_text(s, 1, scope, -1, SQLITE_STATIC);
	sqlite3_bind_text(s, 2, name->table, -1, SQLITE_STATIC);
	if (which != STATEMENT_TRIM) {
		sqlite3_bind_text(s, 3, name->parent, -1, SQLITE_STATIC);
		sqlite3_bind_text(s, 4, name->id, -1, SQLITE_STATIC);
	}
	return s;
}

/* ---- writing: in a transaction ---- */

static int write_row_change(struct state_file *file, const char *scope, const struct row_change *change)
{
	int r = 0;

	if (change->deleted || change->again) {
		bind(file, STATEMENT_DELETE, scope, &change->name);
		r = run_one(file, STATEMENT_DELETE);
	}
	if (r < 0 || change->deleted)
		return r;
	sqlite3_bind_blob64(bind(file, STATEMENT_SET, scope, &change->name), 5, change->value->data, change->value->len,
			    SQLITE_STATIC);
	r = run_one(file, STATEMENT_SET);
	/* Once for a row of changes of one table. */
	if (r == 0 && change->full && (!change->next || strcmp(change->next->name.table, change->name.table))) {
		sqlite3_bind_int(bind(file, STATEMENT_TRIM, scope, &change->name), 5, STATE_ROWS_MAX);
		r = run_one(file, STATEMENT_TRIM);
	}
	return r;
}

/* Lines of other mounts that this one has not seen may stand beside, until it has. */
static int trim_history(struct state_file *file, const char *scope, const struct state_batch *batch)
{
	sqlite3_stmt *s = file->statements[STATEMENT_HISTORY_TRIM];

	if (!batch->history_full || (file->trimmed && file->untrimmed <= batch->history_max / TRIM_PART))
		return 0;
	file->trimmed = true;
	file->untrimmed = 0;
	sqlite3_bind_text(s, 1, scope, -1, SQLITE_STATIC);
	sqlite3_bind_int64(s, 2, (int64_t)batch->history_max);
	sqlite3_bind_int64(s, 3, (int64_t)STATE_HISTORY_BYTES_MAX);
	return run_one(file, STATEMENT_HISTORY_TRIM);
}

static int write_history(struct state_file *file, const char *scope, const struct state_batch *batch)
{
	const struct history_line *line;
	int r = 0;

	file->own_first = file->own_last = 0;
	if (!batch->history)
		return 0;
	LL_FOREACH(batch->history, line) {
		sqlite3_stmt *s = file->statements[STATEMENT_HISTORY_ADD];

		sqlite3_bind_text(s, 1, scope, -1, SQLITE_STATIC);
		sqlite3_bind_blob64(s, 2, line->text, line->len, SQLITE_STATIC);
		r = run_one(file, STATEMENT_HISTORY_ADD);
		if (r < 0)
			return r;
		/* In one transaction nobody else adds any. */
		file->own_last = sqlite3_last_insert_rowid(file->db);
		if (!file->own_first)
			file->own_first = file->own_last;
		file->untrimmed++;
	}
	return trim_history(file, scope, batch);
}

static int write_all(struct state_file *file, const char *scope, const struct state_batch *batch, struct err *err)
{
	const struct row_change *changes = batch->changes;
	int64_t version = 0;
	int r = get_number(file, STATEMENT_SCHEMA, &version);

	if (r == 0 && version != STATE_SCHEMA)
		return schema_refuse(version, err);
	if (r == 0) {
		sqlite3_bind_blob(file->statements[STATEMENT_PUT_KEY], 1, batch->key, STATE_KEY_BYTES, SQLITE_STATIC);
		r = run_one(file, STATEMENT_PUT_KEY);
	}
	for (; changes && r == 0; changes = changes->next)
		r = write_row_change(file, scope, changes);
	return r == 0 ? write_history(file, scope, batch) : r;
}

int state_file_write(struct state_file *file, const char *scope, const struct state_batch *batch, struct err *err)
{
	int r;

	err_clear(err);
	r = run_one(file, STATEMENT_BEGIN);
	if (r == 0)
		r = write_all(file, scope, batch, err);
	if (r == 0)
		r = run_one(file, STATEMENT_COMMIT);
	if (r < 0 && !sqlite3_get_autocommit(file->db))
		run_one(file, STATEMENT_ROLLBACK);
	if (r < 0 && err->errnum == 0)
		err_set(err, -r, "it cannot be written (%s): what it should hold is kept in memory", errno_name(-r));
	return r;
}

/* ---- reading ---- */

int state_file_is_changed(struct state_file *file)
{
	int64_t version = 0;
	int r = get_number(file, STATEMENT_CHANGED, &version);

	return r < 0 ? r : version != file->data_version;
}

int state_file_load(struct state_file *file, const char *scope,
		    int (*each)(void *arg, const struct row_name *name, const void *value, size_t len), void *arg)
{
	sqlite3_stmt *s = file->statements[STATEMENT_LOAD];
	int64_t version = 0;
	bool found = false;
	/* Before: what is written meanwhile is seen the next time. */
	int r = get_number(file, STATEMENT_CHANGED, &version);

	sqlite3_bind_text(s, 1, scope, -1, SQLITE_STATIC);
	if (r == 0)
		r = step(file, STATEMENT_LOAD, &found);
	while (r == 0 && found) {
		struct row_name name = { .table = (const char *)sqlite3_column_text(s, 0),
					 .parent = (const char *)sqlite3_column_text(s, 1),
					 .id = (const char *)sqlite3_column_text(s, 2) };

		r = name.table && name.parent && name.id ?
			    each(arg, &name, sqlite3_column_blob(s, 3), (size_t)sqlite3_column_bytes(s, 3)) :
			    -ENOMEM;
		if (r == 0)
			r = step(file, STATEMENT_LOAD, &found);
	}
	done(file, STATEMENT_LOAD);
	if (r == 0)
		file->data_version = version;
	return r;
}

int state_file_load_history(struct state_file *file, const char *scope, int (*each)(void *arg, const char *text, size_t len),
			    void *arg)
{
	sqlite3_stmt *s = file->statements[STATEMENT_HISTORY_LOAD];
	int64_t last = 0, seen;
	bool found = false;
	int r = get_number(file, STATEMENT_HISTORY_LAST, &last);

	if (r < 0)
		return r;
	if (last < file->history_seq) {
		file->history_seq = last;
		if (last == 0)
			return 1;
	}
	seen = file->history_seq;
	sqlite3_bind_text(s, 1, scope, -1, SQLITE_STATIC);
	sqlite3_bind_int64(s, 2, seen);
	sqlite3_bind_int64(s, 3, file->own_first);
	sqlite3_bind_int64(s, 4, file->own_last);
	r = step(file, STATEMENT_HISTORY_LOAD, &found);
	while (r == 0 && found) {
		seen = sqlite3_column_int64(s, 0);
		r = each(arg, sqlite3_column_blob(s, 1), (size_t)sqlite3_column_bytes(s, 1));
		if (r == 0)
			r = step(file, STATEMENT_HISTORY_LOAD, &found);
	}
	done(file, STATEMENT_HISTORY_LOAD);
	if (r == 0)
		file->history_seq = seen > file->own_last ? seen : file->own_last;
	return r;
}

int state_file_get_key(struct state_file *file, uint8_t ret_key[STATE_KEY_BYTES])
{
	sqlite3_stmt *s = file->statements[STATEMENT_GET_KEY];
	bool found = false;
	int r = step(file, STATEMENT_GET_KEY, &found);

	if (r == 0 && !found)
		r = -ENOENT;
	else if (r == 0 && sqlite3_column_bytes(s, 0) != STATE_KEY_BYTES)
		r = -EIO;
	if (r == 0)
		memcpy(ret_key, sqlite3_column_blob(s, 0), STATE_KEY_BYTES);
	done(file, STATEMENT_GET_KEY);
	return r;
}
