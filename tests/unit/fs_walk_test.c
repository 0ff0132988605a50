/* fs/show/walk: what a new name in a directory would be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>

#include "fs/show/walk.h"

static const struct options options;
static struct mount mount = { .options = &options };

struct row {
	const char *dir; /* of the root; NULL: a scratch directory */
	const char *name;
	int result;
	enum place place;
};

static const struct row rows[] = {
	{ "applications", "web.json", 0, PLACE_RESOURCE },
	{ "applications", "a b.json", 0, PLACE_RESOURCE },
	{ "applications", ".web.json.swp", 0, PLACE_SCRATCH },
	{ "applications", "web.json~", 0, PLACE_SCRATCH },
	{ "applications", "4913", 0, PLACE_SCRATCH },
	{ "applications", "#web.json#", 0, PLACE_SCRATCH },
	{ "applications", "sedAbC123", 0, PLACE_SCRATCH },
	{ "applications", "%zz.json", -EINVAL, PLACE_SCRATCH },
	{ "secrets", "KEY", 0, PLACE_RESOURCE },
	{ "secrets", ".KEY", 0, PLACE_SCRATCH },
	{ "secrets", "KEY~", 0, PLACE_SCRATCH },
	{ "secrets", "key.tmp", 0, PLACE_RESOURCE },
	{ "ssh-keys", "me.pub", 0, PLACE_RESOURCE },
	{ "ips", "192.0.2.1.json", -EPERM, PLACE_SCRATCH },
	{ "account", "defaults.json", 0, PLACE_PART },
	{ NULL, "web.json", 0, PLACE_SCRATCH },
};

static void test_classify(void **state)
{
	struct request r = { .mount = &mount, .worker = true };

	(void)state;
	for (size_t i = 0; i < array_len(rows); i++) {
		const struct row *row = &rows[i];
		const struct kind *kind = row->dir ? kind_by_dir(NULL, row->dir) : NULL;
		const struct identity dir = {
			.place = !kind                        ? PLACE_SCRATCH_DIR :
				 kind->flags & KIND_SINGLETON ? PLACE_PARTS :
								PLACE_COLLECTION,
			.kind = kind,
		};
		struct identity got = { 0 };
		int result = walk_classify(&r, &dir, row->name, &got, &r.err);

		if (result != row->result || (result == 0 && got.place != row->place))
			fail_msg("%s/%s: %d, place %d", row->dir ? row->dir : ".d", row->name, result, got.place);
		identity_clear(&got);
	}
}

static void test_control_dir(void **state)
{
	const struct identity dir = { .place = PLACE_CONTROL_DIR };
	struct request r = { .mount = &mount, .worker = true };
	struct identity got = { 0 };

	(void)state;
	assert_int_equal(walk_classify(&r, &dir, "x", &got, &r.err), -EPERM);
	assert_non_null(strstr(r.err.text, ".cfcfs"));
}

static void test_tool_names(void **state)
{
	static const char *const tools[] = { ".x", "x~", "x.swp", "x.swx", "x.tmp", "4913", "#x#", "sedABCDEF" };
	static const char *const people[] = { "x", "x.json", "x.txt", "sedABC", "5913" };

	(void)state;
	for (size_t i = 0; i < array_len(tools); i++)
		assert_true(walk_is_tool_name(tools[i]));
	for (size_t i = 0; i < array_len(people); i++)
		assert_false(walk_is_tool_name(people[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_classify),
		cmocka_unit_test(test_control_dir),
		cmocka_unit_test(test_tool_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
