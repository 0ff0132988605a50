/* The state file of each older version, of a newer one, and of another program. */
#include "tests/unit/cache_state_dir.h"

#include "cache/state_private.h"

#define COMMON "PRAGMA application_id = 0x63666373;"
#define ROWS                                                                                                                     \
	"INSERT INTO rows(scope, tbl, parent, id, value) VALUES('" SCOPE "', 'names', 'p', 'b', CAST('2' AS BLOB));"             \
	"INSERT INTO rows(scope, tbl, parent, id, value) VALUES('" SCOPE "', 'owed', 'p', 'a', CAST('1' AS BLOB));"              \
	"INSERT INTO rows(scope, tbl, parent, id, value) VALUES('another', 'names', 'p', 'c', CAST('3' AS BLOB));"               \
	"INSERT INTO meta(name, value) VALUES('key', x'000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f');"

/* The files as each version wrote them: never changed once it was released. */
static const char *const files[] = {
	COMMON "PRAGMA user_version = 1;"
	       "CREATE TABLE rows(seq INTEGER PRIMARY KEY AUTOINCREMENT, scope TEXT NOT NULL, tbl TEXT NOT NULL,"
	       " parent TEXT NOT NULL, id TEXT NOT NULL, value BLOB NOT NULL, UNIQUE(scope, tbl, parent, id));"
	       "CREATE INDEX rows_by_age ON rows(scope, tbl, seq);"
	       "CREATE TABLE meta(name TEXT PRIMARY KEY, value BLOB NOT NULL);" ROWS,
	COMMON "PRAGMA user_version = 2;"
	       "CREATE TABLE rows(seq INTEGER PRIMARY KEY AUTOINCREMENT, scope TEXT NOT NULL, tbl TEXT NOT NULL,"
	       " parent TEXT NOT NULL, id TEXT NOT NULL, value BLOB NOT NULL, UNIQUE(scope, tbl, parent, id));"
	       "CREATE INDEX rows_by_age ON rows(scope, tbl, seq);"
	       "CREATE TABLE meta(name TEXT PRIMARY KEY, value BLOB NOT NULL);"
	       "CREATE TABLE history(seq INTEGER PRIMARY KEY AUTOINCREMENT, scope TEXT NOT NULL, total INTEGER NOT NULL,"
	       " line BLOB NOT NULL);"
	       "CREATE INDEX history_by_scope ON history(scope, seq);" ROWS
	       "INSERT INTO history(scope, total, line) VALUES('" SCOPE "', 6, CAST('first' || char(10) AS BLOB));"
	       "INSERT INTO history(scope, total, line) VALUES('another', 6, CAST('other' || char(10) AS BLOB));",
};
_Static_assert(array_len(files) == STATE_SCHEMA, "a file of each version");

static int64_t number(const char *path, const char *text)
{
	sqlite3_stmt *s = NULL;
	sqlite3 *db = NULL;
	int64_t n;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, text, -1, &s, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(s), SQLITE_ROW);
	n = sqlite3_column_int64(s, 0);
	sqlite3_finalize(s);
	sqlite3_close(db);
	return n;
}

static void assert_history(struct state *s, const char *text)
{
	cleanup_buf_ struct buf got = BUF_INIT;

	buf_adds(&got, "");
	assert_int_equal(state_history_all(s, &got), 0);
	assert_string_equal(got.data, text);
}

static const char *make_file(const char *name, const char *text)
{
	char path[300];

	snprintf(path, sizeof(path), "%s/cfcfs.db", name);
	assert_int_equal(mkdir(name, 0700), 0);
	sql(path, text);
	return name;
}

/* Each is brought up to this version with all that is in it, and works. */
static void test_older_versions(void **state)
{
	(void)state;
	for (size_t i = 0; i < array_len(files); i++) {
		char name[20], path[300];
		uint8_t key[32];
		struct state *s;
		const char *dir;

		snprintf(name, sizeof(name), "v%zu", i + 1);
		dir = make_file(sub(name), files[i]);
		snprintf(path, sizeof(path), "%s/cfcfs.db", dir);
		for (int round = 0; round < 2; round++) {
			s = state_open(dir, SCOPE);
			assert_int_equal(state_check(s, NULL), 0);
			assert_row(s, "names", "b", round ? "again" : "2");
			assert_row(s, "owed", "a", "1");
			assert_row(s, "names", "c", NULL);
			assert_int_equal(state_key(s, key), 0);
			for (uint8_t k = 0; k < sizeof(key); k++)
				assert_int_equal(key[k], k);
			set(s, "names", "b", "again");
			assert_history(s, i == 0 ? (round ? "added\n" : "") : round ? "first\nadded\n" : "first\n");
			if (!round)
				assert_int_equal(state_history_add(s, "added\n", 6), 0);
			state_close(s);
			assert_int_equal(number(path, "PRAGMA user_version"), STATE_SCHEMA);
		}
		s = state_open(dir, "another");
		assert_row(s, "names", "c", "3");
		state_close(s);
		assert_int_equal(count_corrupt(dir), 0);
	}
}

/* Several mounts that come at once upgrade it once. */
static void test_upgrade_together(void **state)
{
	const char *dir = make_file(sub("together"), files[0]);
	pid_t pids[4];

	(void)state;
	for (size_t i = 0; i < array_len(pids); i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			struct state *s = state_open(dir, SCOPE);
			int r = state_check(s, NULL);

			state_close(s);
			_exit(r < 0);
		}
	}
	for (size_t i = 0; i < array_len(pids); i++) {
		int status;

		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
}

static void assert_left_alone(const char *dir, const char *word)
{
	struct state *s = state_open(dir, SCOPE);
	struct err err = ERR_INIT;

	assert_int_equal(state_check(s, &err), -EPROTO);
	assert_non_null(strstr(err.text, word));
	assert_non_null(strstr(err.text, "left alone"));
	/* The mount works without it. */
	assert_row(s, "names", "b", NULL);
	set(s, "names", "b", "memory");
	assert_row(s, "names", "b", "memory");
	assert_int_equal(state_flush(s, NULL, clock_after_ms(60000)), -EPROTO);
	state_close(s);
}

static void test_newer_version(void **state)
{
	const char *dir = make_file(sub("newer"), files[STATE_SCHEMA - 1]);
	struct state *s;

	(void)state;
	sql(sub("newer/cfcfs.db"), "PRAGMA user_version = 999");
	assert_left_alone(dir, "version 999");
	assert_int_equal(number(sub("newer/cfcfs.db"), "SELECT count(*) FROM rows"), 3);
	assert_int_equal(number(sub("newer/cfcfs.db"), "PRAGMA user_version"), 999);
	sql(sub("newer/cfcfs.db"), "PRAGMA user_version = 2");
	s = state_open(dir, SCOPE);
	assert_row(s, "names", "b", "2");
	/* A newer program upgrades the file while this one has it. */
	sql(sub("newer/cfcfs.db"), "PRAGMA user_version = 999");
	set(s, "names", "b", "memory");
	assert_int_equal(state_flush(s, NULL, clock_after_ms(60000)), -EPROTO);
	assert_row(s, "names", "b", "memory");
	state_close(s);
	assert_int_equal(number(sub("newer/cfcfs.db"), "SELECT count(*) FROM rows WHERE value = CAST('2' AS BLOB)"), 1);
}

static void test_foreign_file(void **state)
{
	const char *dir = make_file(sub("foreign"), "CREATE TABLE theirs(x); INSERT INTO theirs VALUES(1)");

	(void)state;
	assert_left_alone(dir, "not a state file");
	assert_int_equal(number(sub("foreign/cfcfs.db"), "SELECT x FROM theirs"), 1);
	assert_int_equal(number(sub("foreign/cfcfs.db"), "SELECT count(*) FROM sqlite_master"), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_older_versions),
		cmocka_unit_test(test_upgrade_together),
		cmocka_unit_test(test_newer_version),
		cmocka_unit_test(test_foreign_file),
	};

	if (base_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
