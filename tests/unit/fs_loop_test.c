#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "fs/run/loop.h"

static void test_requests_close_together_are_looked_for(void **state)
{
	(void)state;
	/* It came soon after the thread went to sleep: the next is looked for all the time. */
	assert_int_equal(loop_next_spin(0, LOOP_SPIN_NS), LOOP_SPIN_NS);
	assert_int_equal(loop_next_spin(LOOP_SPIN_NS / 4, LOOP_SPIN_NS / 2), LOOP_SPIN_NS);
	/* Found while looking: as before. */
	assert_int_equal(loop_next_spin(LOOP_SPIN_NS, 1000), LOOP_SPIN_NS);
	assert_int_equal(loop_next_spin(LOOP_SPIN_NS, LOOP_SPIN_NS), LOOP_SPIN_NS);
}

static void test_requests_far_apart_cost_nothing_in_between(void **state)
{
	int64_t spin = LOOP_SPIN_NS, looked = 0;
	unsigned requests = 0;

	(void)state;
	/* One each second, forever: all that is ever looked for them is less than two full turns. */
	while (spin) {
		looked += spin;
		spin = loop_next_spin(spin, 1000000000);
		assert_true(++requests < 20);
	}
	assert_true(looked < 2 * LOOP_SPIN_NS);
	assert_int_equal(loop_next_spin(0, 1000000000), 0);
	assert_int_equal(loop_next_spin(0, LOOP_SPIN_NS + 1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests_close_together_are_looked_for),
		cmocka_unit_test(test_requests_far_apart_cost_nothing_in_between),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
