/* Lines of changes.jsonl: what differs between two answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <json-c/json.h>

#include "fs/show/changes_line.h"

/* What follows the fixed members of the line; "" where there is none. */
static void check(const char *before, const char *after, const char *want)
{
	const struct changed_thing thing = { "application", "/applications/web.json", "1" };
	struct json_object *a = before ? json_tokener_parse(before) : NULL, *b = after ? json_tokener_parse(after) : NULL;
	cleanup_buf_ struct buf out = BUF_INIT;
	const char *tail;

	assert_int_equal(changes_line(&thing, a, b, &out), 0);
	tail = out.len ? strstr(out.data, "\"change\"") : "";
	assert_non_null(tail);
	assert_string_equal(tail, want);
	json_object_put(a);
	json_object_put(b);
}

static void a_thing_appears_and_vanishes(void **state)
{
	(void)state;
	check(NULL, "{\"id\":\"1\"}", "\"change\":\"appeared\"}\n");
	check("{\"id\":\"1\"}", NULL, "\"change\":\"vanished\"}\n");
	check(NULL, NULL, "\"change\":\"changed\"}\n");
}

static void fields_are_named_and_times_are_none(void **state)
{
	(void)state;
	check("{\"a\":1,\"updated_at\":\"x\"}", "{\"a\":1,\"updated_at\":\"y\"}", "");
	check("{\"a\":1,\"c\":{\"x\":1,\"y\":[1],\"z\":1}}", "{\"a\":2,\"c\":{\"x\":1,\"y\":[2],\"n\":null}}",
	      "\"change\":\"changed\",\"fields\":[\"a\",\"c.y\",\"c.z\"]}\n");
	check("{\"rollout\":\"r\"}", "{}", "\"change\":\"changed\",\"fields\":[\"rollout\"]}\n");
}

static void health_is_told_beside_them_or_alone(void **state)
{
	(void)state;
	check("{\"health\":{\"instances\":{\"active\":1}}}", "{\"health\":{\"instances\":{\"active\":2}}}",
	      "\"change\":\"health\",\"health\":{\"from\":{\"active\":1},\"to\":{\"active\":2}}}\n");
	check("{\"v\":1,\"current_placement\":{\"status\":{\"health\":\"running\"}}}",
	      "{\"v\":2,\"current_placement\":{\"status\":{\"health\":\"failed\"}}}",
	      "\"change\":\"changed\",\"fields\":[\"v\"],\"health\":{\"from\":\"running\",\"to\":\"failed\"}}\n");
	check("{\"health\":{\"instances\":{\"failed\":0},\"errors\":[]}}",
	      "{\"health\":{\"instances\":{\"failed\":1},\"errors\":[{\"event\":{\"name\":\"N\",\"message\":\"why\"}}]}}",
	      "\"change\":\"health\",\"health\":{\"from\":{\"failed\":0},\"to\":{\"failed\":1},\"reason\":\"why\"}}\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_thing_appears_and_vanishes),
		cmocka_unit_test(fields_are_named_and_times_are_none),
		cmocka_unit_test(health_is_told_beside_them_or_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
