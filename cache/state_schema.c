/* The versions of the state file's tables, and the way from each to the next. */
#include <errno.h>

#include "cache/state_private.h"

/*
 * upgrades[n] brings version n to n + 1; an empty file goes the whole way. A step that was released is never changed, and what
 * it leaves must do for the program of the version before, which may have the file open: it finds out with its next write.
 */
static const char *const upgrades[] = {
	"CREATE TABLE rows(seq INTEGER PRIMARY KEY AUTOINCREMENT, scope TEXT NOT NULL, tbl TEXT NOT NULL,"
	" parent TEXT NOT NULL, id TEXT NOT NULL, value BLOB NOT NULL, UNIQUE(scope, tbl, parent, id));"
	"CREATE INDEX rows_by_age ON rows(scope, tbl, seq);"
	"CREATE TABLE meta(name TEXT PRIMARY KEY, value BLOB NOT NULL);",
	/* total: bytes of this line and of all that ever stood before it in the scope. */
	"CREATE TABLE history(seq INTEGER PRIMARY KEY AUTOINCREMENT, scope TEXT NOT NULL, total INTEGER NOT NULL,"
	" line BLOB NOT NULL);"
	"CREATE INDEX history_by_scope ON history(scope, seq);",
};
_Static_assert(array_len(upgrades) == STATE_SCHEMA, "a way to the version of this program");

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

static int run(sqlite3 *db, const char *sql)
{
	return state_file_error(sqlite3_exec(db, sql, NULL, NULL, NULL));
}

int schema_refuse(int64_t version, struct err *err)
{
	return err_set(err, EPROTO,
		       "it is of version %lld, written by a newer cfcfs, and this one knows versions up to %d: it is left alone, "
		       "and nothing is remembered after the unmount",
		       (long long)version, STATE_SCHEMA);
}

static int find_version(sqlite3 *db, int64_t *ret_version, struct err *err)
{
	int64_t version = 0, application = 0, tables = 0;
	int r = get_number(db, "PRAGMA user_version", &version);

	if (r == 0)
		r = get_number(db, "PRAGMA application_id", &application);
	if (r == 0)
		r = get_number(db, "SELECT count(*) FROM sqlite_master", &tables);
	if (r < 0)
		return r;
	if (application == STATE_APPLICATION_ID && version > STATE_SCHEMA)
		return schema_refuse(version, err);
	/* Empty, or one of ours; another program's file is none of our business. */
	if (tables || application || version) {
		if (application != STATE_APPLICATION_ID || version < 1)
			return err_set(err, EPROTO,
				       "it is not a state file of cfcfs: it is left alone, and nothing is remembered after "
				       "the unmount");
	}
	*ret_version = version;
	return 0;
}

/* In a transaction. */
static int upgrade(sqlite3 *db, struct err *err)
{
	char pragmas[96];
	int64_t version;
	/* Anew: another mount may have been first. */
	int r = find_version(db, &version, err);

	for (int64_t i = version; r == 0 && i < STATE_SCHEMA; i++)
		r = run(db, upgrades[i]);
	snprintf(pragmas, sizeof(pragmas), "PRAGMA user_version = %d; PRAGMA application_id = %d;", STATE_SCHEMA,
		 STATE_APPLICATION_ID);
	return r == 0 ? run(db, pragmas) : r;
}

int schema_prepare(sqlite3 *db, struct err *err)
{
	int64_t version;
	int r = find_version(db, &version, err);

	if (r < 0 || version == STATE_SCHEMA)
		return r;
	r = run(db, "BEGIN IMMEDIATE");
	if (r < 0)
		return r;
	r = upgrade(db, err);
	if (r == 0)
		r = run(db, "COMMIT");
	if (r < 0 && !sqlite3_get_autocommit(db))
		run(db, "ROLLBACK");
	return r;
}
