/* The emulator's route table, its globs, its checks of bodies, and what a PATCH does. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "api/base/buf.h"
#include "emulator/ascii.h"
#include "emulator/fault.h"
#include "emulator/route.h"

static int find(const char *method, const char *path, struct call *c)
{
	memset(c, 0, sizeof(*c));
	return route_find(method, path, c);
}

static void test_routes(void **state)
{
	struct call c;

	(void)state;
	assert_int_equal(find("GET", "/secrets/a%2Fb%20c", &c), 0);
	assert_string_equal(c.arg[0], "a/b c");
	call_clear(&c);
	assert_int_equal(find("POST", "/applications/1/deployments/2/recreate", &c), 0);
	assert_string_equal(c.arg[0], "1");
	assert_string_equal(c.arg[1], "2");
	call_clear(&c);
	assert_int_equal(find("GET", "/registries/protos", &c), 0);
	assert_ptr_equal(c.route->handler, proto_list);
	assert_int_equal(find("PUT", "/secrets", &c), -EPERM);
	assert_int_equal(find("GET", "/secrets/", &c), -ENOENT);
	assert_int_equal(find("GET", "/nothing", &c), -ENOENT);
	assert_int_equal(find("GET", "/secrets/%00", &c), -EINVAL);
	call_clear(&c);
	assert_int_equal(find("GET", "/secrets/%4", &c), -EINVAL);
	call_clear(&c);
}

static void test_globs(void **state)
{
	(void)state;
	assert_true(fault_glob("/applications/*", "/applications/1"));
	assert_true(fault_glob("/applications/*", "/applications/1/rollouts"));
	assert_false(fault_glob("/applications/*", "/applications"));
	assert_true(fault_glob("/secrets*", "/secrets/a"));
	assert_true(fault_glob("/applications/{}", "/applications/1"));
	assert_false(fault_glob("/applications/{}", "/applications/1/rollouts"));
	assert_true(fault_glob("/applications/{}/rollouts", "/applications/1/rollouts"));
	assert_false(fault_glob("/applications/{}", "/applications/"));
	assert_true(fault_glob("*", "/a/b"));
	assert_true(fault_glob("", ""));
	assert_false(fault_glob("/a", "/ab"));
}

static void check(const char *text, unsigned how, const char *want)
{
	cleanup_problems_ struct problems p = PROBLEMS_INIT;
	cleanup_json_ struct json_object *doc = json_tokener_parse(text);

	assert_non_null(doc);
	schema_check(fields_app_create, doc, "", how, &p);
	assert_string_equal(out_text(&p.details), want);
}

static void test_checks(void **state)
{
	(void)state;
	check("{\"name\":\"a\",\"scheduling_policy\":\"default\"}", CHECK_CLOSED, "");
	check("{\"name\":\"a\"}", 0, "\"scheduling_policy\":\"is required\"");
	check("{\"instances\":1.5}", CHECK_PARTIAL, "\"instances\":\"must be an integer\"");
	check("{\"name\":null}", CHECK_PARTIAL, "\"name\":\"must not be null\"");
	check("{\"max_instances\":null}", CHECK_PARTIAL, "");
	check("{\"nmae\":\"a\"}", CHECK_PARTIAL | CHECK_CLOSED, "\"nmae\":\"is not a field of this request\"");
	/* An element of an array is whole, also in a modification; what is inside an object may be unknown. */
	check("{\"configuration\":{\"labels\":[{\"name\":\"x\"}],\"new\":1}}", CHECK_PARTIAL | CHECK_CLOSED,
	      "\"configuration.labels.0.value\":\"is required\"");
}

static void patch(const char *base, const char *change, const char *merged, const char *want)
{
	cleanup_json_ struct json_object *b = json_tokener_parse(base), *c = json_tokener_parse(change);

	schema_patch(b, c, merged);
	assert_string_equal(json_object_to_json_string_ext(b, JSON_C_TO_STRING_PLAIN), want);
}

static void test_patches(void **state)
{
	(void)state;
	patch("{\"a\":{\"x\":1,\"y\":2},\"b\":1}", "{\"a\":{\"x\":3}}", NULL, "{\"a\":{\"x\":3},\"b\":1}");
	patch("{\"a\":{\"x\":1,\"y\":2},\"b\":1}", "{\"a\":{\"x\":3}}", "a", "{\"a\":{\"x\":3,\"y\":2},\"b\":1}");
	patch("{\"a\":{\"x\":1},\"b\":{\"x\":1,\"y\":2}}", "{\"b\":{\"x\":3}}", "a", "{\"a\":{\"x\":1},\"b\":{\"x\":3}}");
	patch("{\"a\":{\"x\":{\"p\":1,\"q\":1}}}", "{\"a\":{\"x\":{\"p\":2}}}", "a", "{\"a\":{\"x\":{\"p\":2}}}");
	patch("{\"a\":{\"x\":1,\"y\":2},\"b\":1}", "{\"a\":{\"y\":null},\"b\":null}", "a", "{\"a\":{\"x\":1}}");
	patch("{\"a\":[1,2]}", "{\"a\":[3]}", "a", "{\"a\":[3]}");
}

static void test_nulls(void **state)
{
	cleanup_problems_ struct problems p = PROBLEMS_INIT;
	cleanup_json_ struct json_object *doc = json_tokener_parse("{\"a\":null,\"b\":{\"c\":[1,{\"d\":null}]},\"e\":1}");

	(void)state;
	schema_nulls(doc, "", &p);
	assert_string_equal(out_text(&p.details), "\"a\":\"must not be null\",\"b.c.1.d\":\"must not be null\"");
}

/* What each surface has: the official operations, wrangler's with its prefix, all. */
static void test_surfaces(void **state)
{
	static const struct {
		const char *method, *path;
		int found[3], bare[3]; /* official, wrangler, full */
	} cases[] = {
		{ "GET", "/applications", { 0, 0, 0 }, { -ENOENT, 0, 0 } },
		{ "GET", "/me", { -ENOENT, 0, 0 }, { -ENOENT, 0, 0 } },
		{ "GET", "/secrets", { -ENOENT, -ENOENT, 0 }, { -ENOENT, -ENOENT, 0 } },
		{ "GET", "/deployments/v2", { -ENOENT, -ENOENT, 0 }, { -ENOENT, 0, 0 } },
		{ "POST", "/applications/1/rollouts", { 0, 0, 0 }, { -ENOENT, 0, 0 } },
		{ "GET", "/applications/1/rollouts", { -ENOENT, -ENOENT, 0 }, { -ENOENT, -ENOENT, 0 } },
		{ "PUT", "/applications/1/rollouts", { -EPERM, -EPERM, -EPERM }, { -ENOENT, -EPERM, -EPERM } },
		{ "PUT", "/secrets", { -ENOENT, -ENOENT, -EPERM }, { -ENOENT, -ENOENT, -EPERM } },
	};
	struct emulator em = { 0 };

	(void)state;
	for (size_t i = 0; i < array_len(cases); i++)
		for (int s = SURFACE_OFFICIAL; s <= SURFACE_FULL; s++)
			for (int bare = 0; bare < 2; bare++) {
				struct call c = { .em = &em, .bare = bare, .fail.details = OUT_INIT };

				em.options.surface = s;
				assert_int_equal(route_find(cases[i].method, cases[i].path, &c),
						 bare ? cases[i].bare[s] : cases[i].found[s]);
				call_clear(&c);
			}
}

static void test_order(void **state)
{
	cleanup_json_ struct json_object *doc = json_tokener_parse("{\"zz\":1,\"labels\":[],\"vcpu\":1.0,\"image\":\"a\"}");
	cleanup_out_ struct out o = OUT_INIT;

	(void)state;
	schema_render(&o, fields_conf, doc);
	assert_string_equal(out_text(&o), "{\"image\":\"a\",\"vcpu\":1,\"labels\":[],\"zz\":1}");
}

static void test_ascii(void **state)
{
	static const char *const bad[] = { "\xff", "\xc3", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "a\x80", "\xe2\x82" };
	static const char text[] = "{\"a\":\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\\n\"}";
	cleanup_buf_ struct buf b = BUF_INIT;

	(void)state;
	assert_int_equal(ascii_json(text, strlen(text), &b), 0);
	assert_string_equal(b.data, "{\"a\":\"\\u00e9\\u20ac\\ud83d\\ude00\\n\"}");
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(ascii_json(bad[i], strlen(bad[i]), &b), -EILSEQ);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_routes),   cmocka_unit_test(test_globs), cmocka_unit_test(test_checks),
		cmocka_unit_test(test_patches),  cmocka_unit_test(test_order), cmocka_unit_test(test_nulls),
		cmocka_unit_test(test_surfaces), cmocka_unit_test(test_ascii),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
