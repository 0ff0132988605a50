/* Text in columns: what is cut, padded and kept from the terminal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "fs/show/columns.h"

static void check(const char *text, int width, bool pad, const char *want)
{
	cleanup_buf_ struct buf out = BUF_INIT;

	assert_int_equal(columns_add(&out, text, width, pad), 0);
	assert_string_equal(out.data ? out.data : "", want);
}

static void what_fits_stays_and_what_is_longer_is_cut(void **state)
{
	(void)state;
	check("web", 5, false, "web");
	check("web", 5, true, "web  ");
	check("web", 3, true, "web");
	check("website", 5, true, "webs…");
	check("website", 1, false, "…");
	check("website", 0, false, "");
	check("", 2, true, "  ");
}

static void columns_are_those_of_a_terminal(void **state)
{
	(void)state;
	assert_int_equal(columns_of("grün"), 4);
	assert_int_equal(columns_of("e\xcc\x81t"), 2);
	assert_int_equal(columns_of("日本"), 4);
	assert_int_equal(columns_of("🙂"), 2);
	check("grün", 4, true, "grün");
	/* Two columns that do not fit are no half of one. */
	check("日本語", 4, true, "日… ");
	check("e\xcc\x81tat", 3, false, "e\xcc\x81t…");
}

static void what_would_move_the_cursor_does_not(void **state)
{
	(void)state;
	check("a\x1b[2Jb\n", 9, false, "a?[2Jb?");
	check("\xff\xc3", 4, true, "??  ");
	check("a\xe2\x80\xae"
	      "b",
	      4, true, "a?b ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_fits_stays_and_what_is_longer_is_cut),
		cmocka_unit_test(columns_are_those_of_a_terminal),
		cmocka_unit_test(what_would_move_the_cursor_does_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
