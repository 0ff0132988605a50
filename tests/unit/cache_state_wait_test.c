/* The state file: foreign locks that nobody waits for, waits with a deadline, and what other mounts change. */
#include "tests/unit/cache_state_dir.h"

#include <pthread.h>

#include "cache/state_private.h"

/* Calls that waited for the lock would take minutes; this is for a machine that is busy. */
#define CALL_MS 30000

static sqlite3 *hold_lock(const char *path, const char *how)
{
	sqlite3 *db = NULL;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	sqlite3_busy_timeout(db, 10000);
	assert_int_equal(sqlite3_exec(db, how, NULL, NULL, NULL), SQLITE_OK);
	return db;
}

static void give_back(sqlite3 *db)
{
	assert_int_equal(sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

/* Another process holds the lock: nothing waits for it, all is seen, and it reaches the file when the lock goes. */
static void test_foreign_lock(void **state)
{
	struct state *s = state_open(sub("busy"), SCOPE), *other;
	int64_t start;
	sqlite3 *db;

	(void)state;
	set(s, "names", "a", "1");
	set(s, "names", "gone", "1");
	sync_state(s);
	db = hold_lock(sub("busy/cfcfs.db"), "BEGIN IMMEDIATE");
	start = clock_now_ms();
	for (int i = 0; i < 200; i++) {
		set(s, "names", "a", "2");
		assert_row(s, "names", "a", "2");
		assert_int_equal(state_delete(s, "names", "p", "gone"), 0);
		assert_row(s, "names", "gone", NULL);
	}
	assert_true(clock_now_ms() - start < CALL_MS);
	assert_int_equal(state_flush(s, NULL, clock_after_ms(50)), -ETIMEDOUT);
	give_back(db);
	sync_state(s);
	other = state_open(sub("busy"), SCOPE);
	assert_row(other, "names", "a", "2");
	assert_row(other, "names", "gone", NULL);
	state_close(other);
	state_close(s);
}

/* The mount begins and ends in time under a foreign lock, and what was set then is not lost where the lock goes. */
static void test_open_under_lock(void **state)
{
	struct state *s = state_open(sub("begin"), SCOPE);
	int64_t start;
	sqlite3 *db;

	(void)state;
	set(s, "names", "a", "1");
	state_close(s);
	db = hold_lock(sub("begin/cfcfs.db"), "BEGIN EXCLUSIVE");
	start = clock_now_ms();
	s = state_open(sub("begin"), SCOPE);
	set(s, "names", "b", "2");
	state_close(s);
	assert_true(clock_now_ms() - start < CALL_MS);
	s = state_open(sub("begin"), SCOPE);
	set(s, "names", "c", "3");
	give_back(db);
	state_close(s);
	s = state_open(sub("begin"), SCOPE);
	assert_row(s, "names", "a", "1");
	assert_row(s, "names", "c", "3");
	state_close(s);
}

static void *cancel_soon(void *arg)
{
	usleep(30000);
	waiter_cancel(arg);
	return NULL;
}

static bool is_synced(struct state *s)
{
	scope_lock(state, s);
	return s->written > 0 && s->synced == s->written;
}

/* What is in the file goes to the disk by itself; who waits for that finds it there. */
static void test_kept_goes_to_the_disk(void **state)
{
	struct state *s = state_open(sub("kept"), SCOPE);
	struct state_row row = { .table = "making", .parent = "p", .id = "a", .len = 1 };

	(void)state;
	for (int i = 0; i < 20; i++) {
		row.value = i % 2 ? "1" : "0";
		assert_int_equal(state_set_kept(s, &row, NULL, clock_after_ms(60000)), 0);
		if (i % 5)
			continue;
		assert_int_equal(state_flush(s, NULL, clock_after_ms(60000)), 0);
		assert_true(is_synced(s));
	}
	for (int i = 0; i < 2000 && !is_synced(s); i++)
		usleep(5000);
	assert_true(is_synced(s));
	state_close(s);
}

/* A durable write ends by its deadline, or by a signal; the row is set all the same. */
static void test_durable_wait_ends(void **state)
{
	struct state *s = state_open(sub("durable"), SCOPE);
	const struct state_row row = { .table = "owed", .parent = "p", .id = "a", .value = "1", .len = 1 };
	struct waiter waiter;
	pthread_t thread;
	int64_t start;
	sqlite3 *db;

	(void)state;
	assert_int_equal(waiter_init(&waiter), 0);
	assert_int_equal(state_set_durable(s, &row, &waiter, clock_after_ms(60000)), 0);
	db = hold_lock(sub("durable/cfcfs.db"), "BEGIN IMMEDIATE");
	start = clock_now_ms();
	assert_int_equal(state_set_durable(s, &row, &waiter, clock_after_ms(50)), -ETIMEDOUT);
	pthread_create(&thread, NULL, cancel_soon, &waiter);
	assert_int_equal(state_set_durable(s, &row, &waiter, clock_after_ms(60000)), -EINTR);
	pthread_join(thread, NULL);
	assert_true(clock_now_ms() - start < 10000);
	assert_row(s, "owed", "a", "1");
	give_back(db);
	waiter_destroy(&waiter);
	state_close(s);
	/* Where there is no file, it says so at once. */
	s = state_open("/proc/nothing/here", SCOPE);
	start = clock_now_ms();
	assert_true(state_set_durable(s, &row, NULL, clock_after_ms(60000)) < 0);
	assert_true(clock_now_ms() - start < 10000);
	assert_row(s, "owed", "a", "1");
	state_close(s);
}

static void wait_for_row(struct state *s, const char *id, const char *value)
{
	cleanup_buf_ struct buf got = BUF_INIT;

	for (int64_t deadline = clock_after_ms(20000); clock_left_ms(deadline); usleep(2000)) {
		int r = state_get(s, "names", "p", id, &got);

		if (value ? r == 0 && !strcmp(got.data, value) : r == -ENOENT)
			return;
	}
	fail_msg("%s never became %s", id, value ? value : "nothing");
}

/* What another mount changes shows without a call that asks for it; what waits of the own stands above it. */
static void test_others_changes(void **state)
{
	struct state *a = state_open(sub("others"), SCOPE), *b = state_open(sub("others"), SCOPE);
	sqlite3 *db;

	(void)state;
	set(a, "names", "x", "1");
	wait_for_row(b, "x", "1");
	set(b, "names", "x", "2");
	wait_for_row(a, "x", "2");
	assert_int_equal(state_delete(b, "names", "p", "x"), 0);
	wait_for_row(a, "x", NULL);
	/* Deleted where this one does not know it yet: it goes. */
	set(a, "names", "y", "1");
	assert_int_equal(state_delete(b, "names", "p", "y"), 0);
	sync_state(a);
	assert_int_equal(state_delete(b, "names", "p", "y"), 0);
	sync_state(b);
	sync_state(a);
	assert_row(a, "names", "y", NULL);
	db = hold_lock(sub("others/cfcfs.db"), "BEGIN IMMEDIATE");
	set(a, "names", "z", "of a");
	assert_int_equal(sqlite3_exec(db,
				      "INSERT INTO rows(scope, tbl, parent, id, value)"
				      " VALUES('" SCOPE "', 'names', 'p', 'z', CAST('of another' AS BLOB)); COMMIT",
				      NULL, NULL, NULL),
			 SQLITE_OK);
	sqlite3_close(db);
	sync_state(a);
	assert_row(a, "names", "z", "of a");
	wait_for_row(b, "z", "of a");
	state_close(a);
	state_close(b);
}

static int append(void *arg, const char *id, const void *value, size_t len)
{
	(void)value, (void)len;
	return buf_adds(arg, id);
}

/* Deleted and set again before the file knew of it: the new place is the last, in memory and in the file. */
static void test_set_again(void **state)
{
	for (int round = 0; round < 2; round++) {
		cleanup_buf_ struct buf ids = BUF_INIT;
		struct state *s = state_open(sub("again"), SCOPE);
		sqlite3 *db;

		(void)state;
		if (round == 0) {
			set(s, "names", "a", "1");
			set(s, "names", "b", "1");
			sync_state(s);
			db = hold_lock(sub("again/cfcfs.db"), "BEGIN IMMEDIATE");
			assert_int_equal(state_delete(s, "names", "p", "a"), 0);
			set(s, "names", "a", "2");
			give_back(db);
			sync_state(s);
		}
		assert_int_equal(state_each(s, "names", "p", append, &ids), 0);
		assert_string_equal(ids.data, "ba");
		assert_row(s, "names", "a", "2");
		state_close(s);
	}
}

struct crowd {
	struct state *state;
	int number;
};

static void *set_and_delete(void *arg)
{
	const struct crowd *c = arg;

	for (int i = 0; i < 400; i++) {
		char id[40];
		struct state_row row = { .table = "names", .parent = "p", .id = id, .value = "v", .len = 1 };

		snprintf(id, sizeof(id), "t%d-%d", c->number, i % 40);
		if (i % 3 == 2)
			state_delete(c->state, "names", "p", id);
		else if (i % 20 == 0)
			state_set_durable(c->state, &row, NULL, clock_after_ms(60000));
		else
			state_set(c->state, "names", "p", id, "v", 1);
	}
	return NULL;
}

/* Many threads of two mounts: memory, file and the other mount say the same afterwards. */
static void test_crowd(void **state)
{
	struct state *states[2] = { state_open(sub("crowd"), SCOPE), state_open(sub("crowd"), SCOPE) };
	struct buf ids[2] = { BUF_INIT, BUF_INIT };
	struct crowd crowd[6];
	pthread_t threads[6];
	struct state *s;

	(void)state;
	for (int i = 0; i < 6; i++) {
		crowd[i] = (struct crowd){ .state = states[i % 2], .number = i };
		pthread_create(&threads[i], NULL, set_and_delete, &crowd[i]);
	}
	for (int i = 0; i < 6; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < 4; i++)
		sync_state(states[i % 2]);
	for (int i = 0; i < 6; i++) {
		for (int j = 0; j < 40; j++) {
			cleanup_buf_ struct buf got = BUF_INIT;
			char id[40];
			int r[2];

			snprintf(id, sizeof(id), "t%d-%d", i, j);
			for (int k = 0; k < 2; k++)
				r[k] = state_get(states[k], "names", "p", id, &got);
			assert_int_equal(r[0], r[1]);
		}
	}
	state_each(states[0], "names", "p", append, &ids[0]);
	state_close(states[0]);
	state_close(states[1]);
	s = state_open(sub("crowd"), SCOPE);
	state_each(s, "names", "p", append, &ids[1]);
	assert_int_equal(ids[0].len, ids[1].len);
	state_close(s);
	buf_free(&ids[0]);
	buf_free(&ids[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_foreign_lock),
		cmocka_unit_test(test_open_under_lock),
		cmocka_unit_test(test_kept_goes_to_the_disk),
		cmocka_unit_test(test_durable_wait_ends),
		cmocka_unit_test(test_others_changes),
		cmocka_unit_test(test_set_again),
		cmocka_unit_test(test_crowd),
	};

	if (base_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
