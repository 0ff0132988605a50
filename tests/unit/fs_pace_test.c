#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "fs/core/pace.h"

#define LONG_MS 3600000

static void test_so_many_and_no_more(void **state)
{
	struct pace *pace = pace_new(3, LONG_MS);

	(void)state;
	assert_non_null(pace);
	for (int i = 0; i < 3; i++)
		assert_true(pace_take(pace));
	assert_false(pace_take(pace));
	assert_false(pace_take(pace));
	/* One was none after all. */
	pace_give_back(pace);
	assert_true(pace_take(pace));
	assert_false(pace_take(pace));
	pace_free(pace);
}

static void test_none_at_all(void **state)
{
	struct pace *pace = pace_new(0, LONG_MS);

	(void)state;
	assert_false(pace_take(pace));
	pace_give_back(pace);
	assert_false(pace_take(pace));
	pace_free(pace);
}

static void test_what_is_past_does_not_count(void **state)
{
	struct pace *pace = pace_new(1, 0);

	(void)state;
	for (int i = 0; i < 5; i++)
		assert_true(pace_take(pace));
	for (int i = 0; i < 9; i++)
		pace_give_back(pace);
	assert_true(pace_take(pace));
	pace_free(pace);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_so_many_and_no_more),
		cmocka_unit_test(test_none_at_all),
		cmocka_unit_test(test_what_is_past_does_not_count),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
