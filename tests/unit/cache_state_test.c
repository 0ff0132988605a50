/* The state file: rows, several mounts, corruption, a lock held by another, and a directory that is not for us. */
#include "tests/unit/cache_state_dir.h"

static int append_id(void *arg, const char *id, const void *value, size_t len)
{
	assert_non_null(value);
	(void)len;
	buf_adds(arg, id);
	return 0;
}

static void assert_ids(struct state *s, const char *table, const char *ids)
{
	cleanup_buf_ struct buf got = BUF_INIT;

	buf_adds(&got, "");
	assert_int_equal(state_each(s, table, "p", append_id, &got), 0);
	assert_string_equal(got.data, ids);
}

static int stop_at_b(void *arg, const char *id, const void *value, size_t len)
{
	(void)value, (void)len;
	++*(int *)arg;
	return *id == 'b' ? 42 : 0;
}

static void check_rows(struct state *s)
{
	cleanup_buf_ struct buf got = BUF_INIT;
	char bytes[] = { 1, 0, 2 };
	int calls = 0;

	assert_row(s, "names", "a", NULL);
	set(s, "names", "c", "3");
	set(s, "names", "b", "2");
	set(s, "names", "a", "1");
	set(s, "names", "c", "33");
	assert_row(s, "names", "c", "33");
	assert_row(s, "owed", "c", NULL);
	assert_int_equal(state_get(s, "names", "", "c", &got), -ENOENT);
	assert_ids(s, "names", "cba");
	assert_int_equal(state_each(s, "names", "p", stop_at_b, &calls), 42);
	assert_int_equal(calls, 2);
	assert_int_equal(state_delete(s, "names", "p", "b"), 0);
	assert_int_equal(state_delete(s, "names", "p", "b"), 0);
	assert_row(s, "names", "b", NULL);
	assert_ids(s, "names", "ca");
	assert_int_equal(state_set(s, "defaults", "", "x", bytes, sizeof(bytes)), 0);
	assert_int_equal(state_set(s, "defaults", "", "y", NULL, 0), 0);
	buf_adds(&got, "left over");
	assert_int_equal(state_get(s, "defaults", "", "x", &got), 0);
	assert_int_equal(got.len, 3);
	assert_memory_equal(got.data, bytes, 3);
	assert_int_equal(state_get(s, "defaults", "", "y", &got), 0);
	assert_int_equal(got.len, 0);
}

static void test_rows(void **state)
{
	struct state *s = state_open(sub("deep/er"), SCOPE), *other;
	struct stat st;

	(void)state;
	check_rows(s);
	other = state_open(sub("deep/er"), "another account");
	assert_row(other, "names", "c", NULL);
	set(other, "names", "c", "theirs");
	sync_state(other);
	sync_state(s);
	assert_row(s, "names", "c", "33");
	state_close(other);
	state_close(s);
	s = state_open(sub("deep/er"), SCOPE);
	assert_row(s, "names", "c", "33");
	assert_row(s, "names", "b", NULL);
	assert_ids(s, "names", "ca");
	state_close(s);
	assert_int_equal(stat(sub("deep/er"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	assert_int_equal(stat(sub("deep/er/cfcfs.db"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

static void test_memory_alone(void **state)
{
	struct state *s = state_open(NULL, SCOPE);
	uint8_t a[32], b[32];

	(void)state;
	check_rows(s);
	assert_int_equal(state_key(s, a), 0);
	assert_int_equal(state_key(s, b), 0);
	assert_memory_equal(a, b, 32);
	assert_int_equal(state_flush(s, NULL, clock_after_ms(1000)), -ENOTCONN);
	assert_int_equal(state_check(s, NULL), -ENOTCONN);
	state_close(s);
}

static void test_umask(void **state)
{
	static const mode_t masks[] = { 0, 0777 };
	struct stat st;

	(void)state;
	for (size_t i = 0; i < array_len(masks); i++) {
		const char *dir = sub(i ? "tight" : "loose");
		char path[300];
		mode_t old = umask(masks[i]);
		struct state *s = state_open(dir, SCOPE);

		set(s, "names", "a", "1");
		state_close(s);
		umask(old);
		snprintf(path, sizeof(path), "%s/cfcfs.db", dir);
		assert_int_equal(stat(dir, &st), 0);
		assert_int_equal(st.st_mode & 0777, 0700);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_mode & 0777, 0600);
		s = state_open(dir, SCOPE);
		assert_row(s, "names", "a", "1");
		state_close(s);
	}
}

static void test_key(void **state)
{
	struct state *a = state_open(sub("key"), SCOPE), *b = state_open(sub("key"), "other");
	uint8_t ka[32], kb[32], kc[32];

	(void)state;
	assert_int_equal(state_key(a, ka), 0);
	assert_int_equal(state_key(b, kb), 0);
	assert_memory_equal(ka, kb, 32);
	state_close(a);
	state_close(b);
	a = state_open(sub("key"), SCOPE);
	assert_int_equal(state_key(a, kc), 0);
	assert_memory_equal(ka, kc, 32);
	state_close(a);
	a = state_open(sub("key2"), SCOPE);
	assert_int_equal(state_key(a, kc), 0);
	assert_memory_not_equal(ka, kc, 32);
	state_close(a);
}

static void scribble(const char *path, off_t at, size_t len)
{
	cleanup_close_ int fd = open(path, O_RDWR | O_CLOEXEC);
	char junk[8192];

	memset(junk, 'X', sizeof(junk));
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, junk, len, at), (ssize_t)len);
}

static void test_corruption(void **state)
{
	struct state *s;
	struct stat st;

	(void)state;
	for (int round = 0; round < 3; round++) {
		s = state_open(sub("corrupt"), SCOPE);
		assert_row(s, "names", "a", NULL);
		for (int i = 0; i < 300; i++) {
			char id[20];

			snprintf(id, sizeof(id), "%d", i);
			set(s, "names", id, "a value of some length, to fill some pages of the file");
		}
		set(s, "names", "a", "1");
		state_close(s);
		assert_int_equal(stat(sub("corrupt/cfcfs.db"), &st), 0);
		assert_true(st.st_size > 8192);
		if (round == 0)
			scribble(sub("corrupt/cfcfs.db"), 0, 4096);
		else if (round == 1)
			scribble(sub("corrupt/cfcfs.db"), 4096, 8192);
		else
			assert_int_equal(truncate(sub("corrupt/cfcfs.db"), st.st_size / 2 / 4096 * 4096), 0);
	}
	s = state_open(sub("corrupt"), SCOPE);
	assert_row(s, "names", "a", NULL);
	set(s, "names", "a", "again");
	state_close(s);
	assert_int_equal(count_corrupt(sub("corrupt")), 1);
	s = state_open(sub("corrupt"), SCOPE);
	assert_row(s, "names", "a", "again");
	state_close(s);
}

/* Another mount set the file aside, or a person removed it: a running mount goes on with the new one. */
static void test_file_replaced(void **state)
{
	struct state *a = state_open(sub("replaced"), SCOPE), *b;

	(void)state;
	set(a, "names", "a", "1");
	sync_state(a);
	assert_int_equal(unlink(sub("replaced/cfcfs.db")), 0);
	unlink(sub("replaced/cfcfs.db-wal"));
	unlink(sub("replaced/cfcfs.db-shm"));
	set(a, "names", "b", "2");
	sync_state(a);
	/* Nothing that it knew is lost. */
	b = state_open(sub("replaced"), SCOPE);
	assert_row(b, "names", "a", "1");
	assert_row(b, "names", "b", "2");
	set(b, "names", "c", "3");
	sync_state(b);
	sync_state(a);
	assert_row(a, "names", "c", "3");
	state_close(a);
	state_close(b);
}

static void test_symlink(void **state)
{
	struct stat st;
	struct state *s;

	(void)state;
	assert_int_equal(mkdir(sub("links"), 0700), 0);
	assert_int_equal(symlink(sub("victim"), sub("links/cfcfs.db")), 0);
	s = state_open(sub("links"), SCOPE);
	check_rows(s);
	state_close(s);
	assert_int_equal(stat(sub("victim"), &st), -1);
	/* systemd's StateDirectory can be a link itself. */
	assert_int_equal(mkdir(sub("private"), 0700), 0);
	assert_int_equal(symlink("private", sub("linked")), 0);
	s = state_open(sub("linked"), SCOPE);
	set(s, "names", "a", "1");
	state_close(s);
	assert_int_equal(stat(sub("private/cfcfs.db"), &st), 0);
	/* A file with a second name is someone else's too. */
	assert_int_equal(link(sub("private/cfcfs.db"), sub("second")), 0);
	s = state_open(sub("private"), SCOPE);
	assert_row(s, "names", "a", NULL);
	state_close(s);
}

static void test_unusable_dir(void **state)
{
	struct state *s;
	int fd = open(sub("file"), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	(void)state;
	close(fd);
	s = state_open(sub("file"), SCOPE);
	check_rows(s);
	state_close(s);
	s = state_open(sub("file/below"), SCOPE);
	check_rows(s);
	state_close(s);
	s = state_open("/proc/nothing/here", SCOPE);
	check_rows(s);
	state_close(s);
	assert_int_equal(mkdir(sub("everyone"), 0700), 0);
	assert_int_equal(chmod(sub("everyone"), 01777), 0);
	s = state_open(sub("everyone"), SCOPE);
	check_rows(s);
	state_close(s);
	if (geteuid() != 0) {
		assert_int_equal(mkdir(sub("closed"), 0500), 0);
		s = state_open(sub("closed"), SCOPE);
		check_rows(s);
		state_close(s);
	}
}

static void test_bound(void **state)
{
	struct state *s = state_open(sub("bound"), SCOPE);
	char text[512];

	(void)state;
	set(s, "names", "first", "1");
	set(s, "owed", "kept", "1");
	state_close(s);
	/* As if they had been set one by one. */
	snprintf(text, sizeof(text),
		 "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)"
		 " INSERT INTO rows(scope, tbl, parent, id, value) SELECT '%s', 'names', 'p', 'n' || i, 'v' FROM n",
		 STATE_ROWS_MAX - 1, SCOPE);
	sql(sub("bound/cfcfs.db"), text);
	s = state_open(sub("bound"), SCOPE);
	assert_row(s, "names", "first", "1");
	set(s, "names", "last", "1");
	assert_row(s, "names", "first", NULL);
	assert_row(s, "names", "n1", "v");
	set(s, "names", "n1", "w");
	assert_row(s, "names", "n2", "v");
	assert_row(s, "owed", "kept", "1");
	state_close(s);
}

static void test_bound_of_bytes(void **state)
{
	struct state *s = state_open(sub("bytes"), SCOPE);
	size_t len = (size_t)1 << 20, count = 0;
	cleanup_free_ char *value = calloc(1, len + 1);
	int r;

	(void)state;
	assert_int_equal(state_set(s, "names", "p", "longer", value, len + 1), -EFBIG);
	do {
		char id[20];

		snprintf(id, sizeof(id), "%zu", count);
		r = state_set(s, "names", "p", id, value, len);
	} while (r == 0 && ++count < 1000);
	assert_int_equal(r, -ENOSPC);
	assert_in_range(count, 60, 64);
	/* What is there can become smaller, or go. */
	set(s, "names", "0", "small");
	assert_int_equal(state_delete(s, "names", "p", "1"), 0);
	assert_int_equal(state_set(s, "names", "p", "2", value, len), 0);
	state_close(s);
}

/* Rows that wait for a file that is never written are no bound on those that count. */
static void test_a_file_of_another_version(void **state)
{
	struct state *s = state_open(sub("newer"), SCOPE);
	char id[256];

	(void)state;
	set(s, "names", "a", "1");
	state_close(s);
	sql(sub("newer/cfcfs.db"), "PRAGMA user_version = 999");
	s = state_open(sub("newer"), SCOPE);
	check_rows(s);
	for (int i = 0; i < 200000; i++) {
		snprintf(id, sizeof(id), "%0250d", i);
		assert_int_equal(state_delete(s, "defaults", "p", id), 0);
	}
	set(s, "names", "d", "4");
	assert_ids(s, "names", "cad");
	state_close(s);
}

static void test_default_dir(void **state)
{
	char *dir;

	(void)state;
	setenv("XDG_STATE_HOME", "/x", 1);
	dir = state_default_dir();
	assert_string_equal(dir, "/x/cfcfs");
	free(dir);
	setenv("XDG_STATE_HOME", "relative", 1);
	setenv("HOME", "/home/me", 1);
	dir = state_default_dir();
	assert_string_equal(dir, geteuid() == 0 ? "/var/lib/cfcfs" : "/home/me/.local/state/cfcfs");
	free(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),        cmocka_unit_test(test_memory_alone),
		cmocka_unit_test(test_umask),       cmocka_unit_test(test_key),
		cmocka_unit_test(test_corruption),  cmocka_unit_test(test_file_replaced),
		cmocka_unit_test(test_symlink),     cmocka_unit_test(test_unusable_dir),
		cmocka_unit_test(test_bound),       cmocka_unit_test(test_bound_of_bytes),
		cmocka_unit_test(test_default_dir), cmocka_unit_test(test_a_file_of_another_version),
	};

	if (base_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
