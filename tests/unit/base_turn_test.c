/* api/base: turns, and what a pool gives back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdatomic.h>

#include "api/base/pool.h"
#include "api/base/turn.h"

static void test_free_turn_is_had_at_once(void **state)
{
	struct waiter waiter;
	struct turn turn;

	(void)state;
	turn_init(&turn);
	assert_int_equal(waiter_init(&waiter), 0);
	waiter_cancel(&waiter);
	assert_int_equal(turn_take(&turn, &waiter, 0), 0);
	assert_false(turn_try(&turn));
	turn_give(&turn);
	assert_true(turn_try(&turn));
	turn_give(&turn);
	waiter_destroy(&waiter);
	turn_destroy(&turn);
}

static void test_wait_ends_by_deadline_and_cancel(void **state)
{
	struct waiter waiter;
	struct turn turn;

	(void)state;
	turn_init(&turn);
	assert_int_equal(waiter_init(&waiter), 0);
	assert_true(turn_try(&turn));
	assert_int_equal(turn_take(&turn, NULL, clock_after_ms(20)), -ETIMEDOUT);
	assert_int_equal(turn_take(&turn, &waiter, clock_after_ms(20)), -ETIMEDOUT);
	waiter_cancel(&waiter);
	assert_int_equal(turn_take(&turn, &waiter, CLOCK_NEVER), -EINTR);
	/* Who left the queue does not get it. */
	turn_give(&turn);
	assert_true(turn_try(&turn));
	turn_give(&turn);
	waiter_destroy(&waiter);
	turn_destroy(&turn);
}

/* ---- in order, and one at a time ---- */

#define THREADS 6
#define ROUNDS  400

struct crowd {
	struct turn turn;
	int inside; /* by turn alone: ThreadSanitizer looks */
	unsigned long had;
	atomic_uint left_early;
};

static void *visit(void *arg)
{
	struct crowd *crowd = arg;

	for (int i = 0; i < ROUNDS; i++) {
		/* Some give up while the turn is being given to them. */
		int r = turn_take(&crowd->turn, NULL, i % 3 ? CLOCK_NEVER : clock_after_ms(i % 2));

		if (r < 0) {
			atomic_fetch_add(&crowd->left_early, 1);
			continue;
		}
		assert_int_equal(crowd->inside++, 0);
		crowd->had++;
		crowd->inside--;
		turn_give(&crowd->turn);
	}
	return NULL;
}

static void test_one_at_a_time(void **state)
{
	struct crowd crowd = { .inside = 0 };
	pthread_t threads[THREADS];

	(void)state;
	turn_init(&crowd.turn);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, visit, &crowd), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(crowd.had + crowd.left_early, THREADS * ROUNDS);
	turn_destroy(&crowd.turn);
}

/* A wake that came with the turn is used up: it must not end the waiter's next wait. */
static void *give_soon(void *arg)
{
	turn_give(arg);
	return NULL;
}

static void test_no_wake_is_left(void **state)
{
	struct waiter waiter;
	pthread_t thread;
	struct turn turn;

	(void)state;
	turn_init(&turn);
	assert_int_equal(waiter_init(&waiter), 0);
	for (int i = 0; i < 200; i++) {
		assert_true(turn_try(&turn));
		assert_int_equal(pthread_create(&thread, NULL, give_soon, &turn), 0);
		assert_int_equal(turn_take(&turn, &waiter, CLOCK_NEVER), 0);
		pthread_join(thread, NULL);
		assert_int_equal(waiter_wait(&waiter, 0, false), -ETIMEDOUT);
		turn_give(&turn);
	}
	waiter_destroy(&waiter);
	turn_destroy(&turn);
}

/* ---- pools ---- */

struct gate {
	struct pool *pool;
	struct waiter open;
	atomic_uint ran;
	atomic_bool mine;
};

static void wait_at_gate(void *arg)
{
	struct gate *gate = arg;

	gate->mine = pool_is_mine(gate->pool);
	(void)waiter_wait(&gate->open, CLOCK_NEVER, false);
	atomic_fetch_add(&gate->ran, 1);
}

static void count(void *arg)
{
	struct gate *gate = arg;

	atomic_fetch_add(&gate->ran, 1);
}

static void test_pool_takes_back(void **state)
{
	struct gate gate = { .pool = pool_new("test", 1, 65536) };

	(void)state;
	assert_non_null(gate.pool);
	assert_int_equal(waiter_init(&gate.open), 0);
	assert_false(pool_is_mine(gate.pool));
	assert_int_equal(pool_run(gate.pool, wait_at_gate, &gate), 0);
	assert_int_equal(pool_run(gate.pool, count, &gate), 0);
	assert_int_equal(pool_run(gate.pool, count, &gate), 0);
	assert_true(pool_take_back(gate.pool, count, &gate));
	assert_true(pool_take_back(gate.pool, count, &gate));
	assert_false(pool_take_back(gate.pool, count, &gate));
	/* What was added after the last one was taken back is run. */
	assert_int_equal(pool_run(gate.pool, count, &gate), 0);
	waiter_wake(&gate.open);
	assert_int_equal(pool_wait_idle(gate.pool, clock_after_ms(10000)), 0);
	assert_int_equal(gate.ran, 2);
	assert_true(gate.mine);
	pool_free(gate.pool);
	waiter_destroy(&gate.open);
}

static void test_threads_that_must_not_wait(void **state)
{
	(void)state;
	assert_true(waiter_allowed());
	waiter_forbid(true);
	assert_false(waiter_allowed());
	waiter_forbid(false);
	assert_true(waiter_allowed());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_free_turn_is_had_at_once),
		cmocka_unit_test(test_wait_ends_by_deadline_and_cancel),
		cmocka_unit_test(test_one_at_a_time),
		cmocka_unit_test(test_no_wake_is_left),
		cmocka_unit_test(test_pool_takes_back),
		cmocka_unit_test(test_threads_that_must_not_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
