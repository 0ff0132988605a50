/* The account's default sizes, as a comparison is given them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fs/core/defaults.h"

#define FIRST  "{\"defaults\":{\"vcpus\":0.5,\"memory_mib\":512,\"disk_mb\":4000}}"
#define SECOND "{\"defaults\":{\"vcpus\":1,\"memory_mib\":1024}}"

static struct snapshot *account(const char *body)
{
	struct snapshot_fields f = { .id = "P:/me", .version = -1, .body = body, .body_len = strlen(body) };
	struct snapshot *s = snapshot_new(&f);

	assert_non_null(s);
	return s;
}

static void drop_body(struct snapshot *s) NO_THREAD_SAFETY_ANALYSIS
{
	s->body = body_unref(s->body);
}

static void reads(struct defaults *d, struct snapshot *s, double vcpu, int64_t memory_mib, int64_t disk_mb)
{
	struct doc_context ctx = { .account_id = "a" };

	defaults_read(d, s, &ctx);
	assert_true(ctx.default_vcpu == vcpu);
	assert_int_equal(ctx.default_memory_mib, memory_mib);
	assert_int_equal(ctx.default_disk_mb, disk_mb);
	assert_string_equal(ctx.account_id, "a");
}

static void test_contents(void **state)
{
	cleanup_(snapshot_unrefp) struct snapshot *first = account(FIRST), *second = account(SECOND), *none = account("{}");
	struct defaults *d = defaults_new();

	(void)state;
	reads(d, first, 0.5, 512, 4000);
	reads(d, first, 0.5, 512, 4000);
	reads(d, second, 1, 1024, 0);
	reads(d, none, 0, 0, 0);
	reads(d, first, 0.5, 512, 4000);
	defaults_free(d);
}

/* Read once, the sizes do not need the text; without it nothing is known, and nothing is remembered as if it were. */
static void test_dropped_body(void **state)
{
	cleanup_(snapshot_unrefp) struct snapshot *first = account(FIRST), *second = account(SECOND), *again = account(SECOND);
	struct defaults *d = defaults_new();

	(void)state;
	reads(d, first, 0.5, 512, 4000);
	drop_body(first);
	reads(d, first, 0.5, 512, 4000);
	drop_body(second);
	reads(d, second, 0, 0, 0);
	reads(d, again, 1, 1024, 0);
	reads(d, second, 1, 1024, 0);
	defaults_free(d);
}

static void test_no_document(void **state)
{
	cleanup_(snapshot_unrefp) struct snapshot *odd = account("{\"defaults\":[1]}"), *cut = account("{\"defaults\":");
	struct defaults *d = defaults_new();

	(void)state;
	reads(d, odd, 0, 0, 0);
	reads(d, cut, 0, 0, 0);
	defaults_free(d);
	defaults_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_contents),
		cmocka_unit_test(test_dropped_body),
		cmocka_unit_test(test_no_document),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
