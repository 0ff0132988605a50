/* Lines that grow, of which the end is kept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>

#include "fs/core/trail.h"

static void check(struct trail *trail, uint64_t at, size_t size, const char *want)
{
	char out[64] = "";

	assert_int_equal(trail_read(trail, at, out, size), strlen(want));
	assert_memory_equal(out, want, strlen(want));
}

static void what_is_added_is_read_at_its_offset(void **state)
{
	struct trail *trail = trail_new(0, 1000);

	(void)state;
	assert_int_equal(trail_add(trail, "one\n", 4), 0);
	assert_int_equal(trail_add(trail, "two\n", 4), 0);
	assert_int_equal(trail_first(trail), 0);
	assert_int_equal(trail_end(trail), 8);
	check(trail, 0, 64, "one\ntwo\n");
	check(trail, 2, 3, "e\nt");
	check(trail, 8, 64, "");
	check(trail, 1000, 64, "");
	trail_free(trail);
}

static void the_oldest_lines_go_and_offsets_stay(void **state)
{
	struct trail *trail = trail_new(0, 16);
	cleanup_buf_ struct buf all = BUF_INIT;
	uint64_t first;

	(void)state;
	assert_int_equal(trail_add(trail, "too long for it: 16\n", 20), -EFBIG);
	for (int i = 0; i < 5; i++)
		assert_int_equal(trail_add(trail, "abc\n", 4), 0);
	first = trail_first(trail);
	assert_int_equal(trail_end(trail), 20);
	assert_int_equal(first % 4, 0);
	assert_true(first > 0 && first < 20);
	/* What is gone reads as empty lines. */
	check(trail, 0, 4, "\n\n\n\n");
	check(trail, first - 1, 5, "\nabc\n");
	check(trail, 16, 64, "abc\n");
	assert_int_equal(trail_all(trail, &all), 0);
	assert_int_equal(all.len, 20 - first);
	assert_memory_equal(all.data, "abc\nabc\n", 8);
	trail_free(trail);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_added_is_read_at_its_offset),
		cmocka_unit_test(the_oldest_lines_go_and_offsets_stay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
