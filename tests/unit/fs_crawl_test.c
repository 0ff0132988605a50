#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "api/kind.h"
#include "fs/show/crawl.h"

static const struct kind first = { .dir = "first" }, second = { .dir = "second" }, third = { .dir = "third" };

static int set_up(void **state)
{
	*state = crawl_new();
	return *state ? 0 : -1;
}

static int tear_down(void **state)
{
	crawl_free(*state);
	return 0;
}

static void test_the_second_collection_after_the_root(void **state)
{
	crawl_at_root(*state, 7);
	assert_false(crawl_at_collection(*state, 7, &first));
	/* Looked at again: still one. */
	assert_false(crawl_at_collection(*state, 7, &first));
	assert_true(crawl_at_collection(*state, 7, &second));
	/* Once for a crawl. */
	assert_false(crawl_at_collection(*state, 7, &third));
	assert_false(crawl_at_collection(*state, 7, &first));
	crawl_at_root(*state, 7);
	assert_false(crawl_at_collection(*state, 7, &third));
	assert_true(crawl_at_collection(*state, 7, &first));
}

static void test_no_crawl(void **state)
{
	/* ls applications deployments: the root was not listed. */
	assert_false(crawl_at_collection(*state, 7, &first));
	assert_false(crawl_at_collection(*state, 7, &second));
	/* Two processes, a collection each. */
	crawl_at_root(*state, 8);
	crawl_at_root(*state, 9);
	assert_false(crawl_at_collection(*state, 8, &first));
	assert_false(crawl_at_collection(*state, 9, &second));
	/* Who asks is not known. */
	crawl_at_root(*state, 0);
	assert_false(crawl_at_collection(*state, 0, &first));
	assert_false(crawl_at_collection(*state, 0, &second));
}

static void test_many_crawls_side_by_side(void **state)
{
	for (pid_t thread = 1; thread <= CRAWL_MAX; thread++)
		crawl_at_root(*state, thread);
	for (pid_t thread = 1; thread <= CRAWL_MAX; thread++)
		assert_false(crawl_at_collection(*state, thread, &first));
	for (pid_t thread = 1; thread <= CRAWL_MAX; thread++)
		assert_true(crawl_at_collection(*state, thread, &second));
	/* More than are told apart: some go unnoticed, and nothing else happens. */
	for (pid_t thread = 1; thread <= 3 * CRAWL_MAX; thread++)
		crawl_at_root(*state, thread);
	assert_false(crawl_at_collection(*state, 1, &first));
	assert_false(crawl_at_collection(*state, 1, &second));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_the_second_collection_after_the_root, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_no_crawl, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_many_crawls_side_by_side, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
