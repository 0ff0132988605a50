/* The state file: kill -9 at any moment, and two processes at once. */
#include "tests/unit/cache_state_dir.h"

static void write_until_killed(const char *dir, int out, int who)
{
	struct state *s = state_open(dir, SCOPE);

	for (int i = 0;; i++) {
		char id[40], value[40];
		struct state_row row = { .table = "names", .parent = "p", .id = id, .value = value };

		snprintf(id, sizeof(id), "w%d-%d", who, i % 50);
		snprintf(value, sizeof(value), "%d", i);
		row.len = strlen(value);
		/* One waits for the disk, the other for the file. */
		if ((who ? state_set_kept : state_set_durable)(s, &row, NULL, CLOCK_NEVER) < 0 ||
		    write(out, &i, sizeof(i)) != sizeof(i))
			_exit(1);
	}
}

/* What was told as done is there after kill -9, whenever it strikes, with two at it at once. */
static void test_kill(void **state)
{
	enum { ROUNDS = 12, WRITERS = 2 };
	const char *dir = sub("kill");

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		int pipes[WRITERS][2], last[WRITERS];
		pid_t pids[WRITERS];
		struct state *s;

		for (int w = 0; w < WRITERS; w++) {
			assert_int_equal(pipe2(pipes[w], O_CLOEXEC), 0);
			pids[w] = fork();
			if (pids[w] == 0)
				write_until_killed(dir, pipes[w][1], w);
			close(pipes[w][1]);
		}
		usleep((useconds_t)(60000 + rand_below(80000)));
		for (int w = 0; w < WRITERS; w++) {
			int i;

			kill(pids[w], SIGKILL);
			waitpid(pids[w], NULL, 0);
			last[w] = -1;
			while (read(pipes[w][0], &i, sizeof(i)) == sizeof(i))
				last[w] = i;
			close(pipes[w][0]);
		}
		s = state_open(dir, SCOPE);
		for (int w = 0; w < WRITERS; w++) {
			cleanup_buf_ struct buf got = BUF_INIT;
			char id[40];

			if (last[w] < 0)
				continue;
			snprintf(id, sizeof(id), "w%d-%d", w, last[w] % 50);
			assert_int_equal(state_get(s, "names", "p", id, &got), 0);
			assert_true(strtol(got.data, NULL, 10) >= last[w]);
		}
		state_close(s);
	}
	assert_int_equal(count_corrupt(dir), 0);
}

static void write_in_order_until_killed(const char *dir, int out)
{
	struct state *s = state_open(dir, SCOPE);

	/* The second of two is never there without the first: nothing waits, so kill -9 strikes between any two. */
	for (int i = 0;; i++) {
		char value[40];

		snprintf(value, sizeof(value), "%09d", i);
		if (state_set(s, "names", "p", "first", value, 9) < 0 || state_set(s, "owed", "p", "second", value, 9) < 0 ||
		    (i % 64 == 0 && write(out, &i, sizeof(i)) != sizeof(i)))
			_exit(1);
	}
}

/* What kill -9 loses is the last of what was set, never something in the middle. */
static void test_kill_keeps_order(void **state)
{
	enum { ROUNDS = 12 };

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		cleanup_buf_ struct buf first = BUF_INIT, second = BUF_INIT;
		char name[20];
		int pipes[2], i;
		const char *dir;
		struct state *s;
		pid_t pid;

		snprintf(name, sizeof(name), "order%d", round);
		dir = sub(name);
		assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
		pid = fork();
		if (pid == 0)
			write_in_order_until_killed(dir, pipes[1]);
		close(pipes[1]);
		assert_int_equal(read(pipes[0], &i, sizeof(i)), sizeof(i));
		usleep((useconds_t)(10000 + rand_below(60000)));
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		close(pipes[0]);
		s = state_open(dir, SCOPE);
		if (state_get(s, "owed", "p", "second", &second) == 0) {
			long later = strtol(second.data, NULL, 10);

			assert_int_equal(state_get(s, "names", "p", "first", &first), 0);
			assert_in_range(strtol(first.data, NULL, 10), later, later + 1);
		}
		state_close(s);
	}
}

/* Two processes write and read at the same time, and nothing of either is lost. */
static void test_two_processes(void **state)
{
	enum { ROWS = 150 };
	pid_t pids[2];
	struct state *s;

	(void)state;
	for (int w = 0; w < 2; w++) {
		pids[w] = fork();
		if (pids[w] == 0) {
			s = state_open(sub("two"), SCOPE);
			for (int i = 0; i < ROWS; i++) {
				char id[40];

				snprintf(id, sizeof(id), "w%d-%d", w, i);
				if (state_set(s, "names", "p", id, id, strlen(id)) < 0)
					_exit(1);
			}
			state_close(s);
			_exit(0);
		}
	}
	for (int w = 0; w < 2; w++) {
		int status;

		assert_int_equal(waitpid(pids[w], &status, 0), pids[w]);
		assert_int_equal(status, 0);
	}
	s = state_open(sub("two"), SCOPE);
	for (int i = 0; i < 2 * ROWS; i++) {
		char id[40];

		snprintf(id, sizeof(id), "w%d-%d", i % 2, i / 2);
		assert_row(s, "names", id, id);
	}
	state_close(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kill),
		cmocka_unit_test(test_kill_keeps_order),
		cmocka_unit_test(test_two_processes),
	};

	if (base_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
