/* Pieces of the emulator's answers: times, pages, GraphQL, passwords of the registry, sizes. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "api/base/rand.h"
#include "emulator/graphql.h"
#include "emulator/metrics.h"
#include "emulator/oci.h"
#include "emulator/route.h"
#include "emulator/world.h"

static void time_is(int64_t ms, bool vary, const char *want)
{
	cleanup_out_ struct out o = OUT_INIT;

	out_times_vary(vary);
	out_time(&o, ms);
	out_times_vary(false);
	assert_string_equal(out_text(&o), want);
}

static void test_times(void **state)
{
	(void)state;
	time_is(1795815331630, false, "\"2026-11-27T21:35:31.630Z\"");
	time_is(1795815331630, true, "\"2026-11-27T21:35:31.63Z\"");
	time_is(1795815331000, true, "\"2026-11-27T21:35:31Z\"");
	time_is(1795815331050, true, "\"2026-11-27T21:35:31.05Z\"");
	time_is(1795815331631, true, "\"2026-11-27T21:35:31.630999936Z\"");
	time_is(1795815331632, true, "\"2026-11-27T21:35:31.632Z\"");
	time_is(1795815331633, true, "\"2026-11-27T21:35:31.633000128Z\"");
}

static void query_is(struct call *c, unsigned n, char *key, char *value)
{
	c->query[n] = (struct query_item){ key, value };
	c->queries = n + 1;
}

static void test_pages(void **state)
{
	struct emulator em = { 0 };
	struct call c = { .em = &em, .fail.details = OUT_INIT };
	struct page p;
	char token[48];

	(void)state;
	assert_int_equal(call_page(&c, 0, 500, &p), 0);
	assert_int_equal(p.limit, 0);
	assert_true(call_page_takes(&c, &p, 1));
	query_is(&c, 0, (char *)"per_page", (char *)"2");
	query_is(&c, 1, (char *)"name", (char *)"x");
	assert_int_equal(call_page(&c, 0, 500, &p), 0);
	assert_true(call_page_takes(&c, &p, 7));
	assert_true(call_page_takes(&c, &p, 9));
	assert_false(call_page_takes(&c, &p, 11));
	snprintf(token, sizeof(token), "%s", c.next_token);
	/* The page goes on after the last one, under the same filters. */
	query_is(&c, 2, (char *)"page_token", token);
	assert_int_equal(call_page(&c, 0, 500, &p), 0);
	assert_int_equal(p.after, 9);
	query_is(&c, 1, (char *)"name", (char *)"y");
	c.queries = 3;
	assert_int_equal(call_page(&c, 0, 500, &p), -EINVAL);
	query_is(&c, 0, (char *)"per_page", (char *)"501");
	assert_int_equal(call_page(&c, 0, 500, &p), -EINVAL);
	assert_non_null(strstr(out_text(&c.fail.details), "per_page"));
	query_is(&c, 0, (char *)"page_token", (char *)"nonsense");
	assert_int_equal(call_page(&c, 0, 500, &p), -EINVAL);
	out_free(&c.fail.details);
}

static void refuses(const char *query)
{
	struct gq_field *f = NULL;
	char text[200] = "";

	assert_int_equal(graphql_parse(query, NULL, &f, text, sizeof(text)), -EINVAL);
	assert_null(f);
	assert_true(text[0] != '\0');
}

static void test_graphql(void **state)
{
	cleanup_json_ struct json_object *vars = json_tokener_parse("{\"n\":3,\"s\":\"x\"}");
	char text[200], deep[400] = "";
	struct gq_field *f = NULL;

	(void)state;
	assert_int_equal(
		graphql_parse("query Q($n: Int!, $s: String = \"y\") { # a comment\n a: viewer(limit: $n, f: {k_geq: $s, "
			      "e: [UP, \"d\\\"q\", -1.5, true]}) { one two } }",
			      vars, &f, text, sizeof(text)),
		0);
	assert_string_equal(f->alias, "a");
	assert_string_equal(f->name, "viewer");
	assert_string_equal(json_object_to_json_string_ext(f->args, JSON_C_TO_STRING_PLAIN),
			    "{\"limit\":3,\"f\":{\"k_geq\":\"x\",\"e\":[\"UP\",\"d\\\"q\",-1.5,true]}}");
	assert_string_equal(f->sub->next->name, "two");
	assert_null(f->next);
	graphql_free(f);
	refuses("");
	refuses("{");
	refuses("{ a(");
	refuses("{ a(b: ) }");
	refuses("{ a(b: \"x) }");
	refuses("mutation { a }");
	refuses("{ a } { b }");
	refuses("query Q($a: [String] { a }");
	for (int i = 0; i < 60; i++)
		memcpy(deep + 2 * i, "{a", 3);
	refuses(deep);
}

static void test_figures(void **state)
{
	struct life l = { .start = 60000, .vcpu = 0.5, .mem = 1 << 30, .disk = 4000000000 };
	double a[METRICS], b[METRICS];

	(void)state;
	snprintf(l.placement, sizeof(l.placement), "p");
	life_sample(&l, 120000, a);
	life_sample(&l, 120000, b);
	assert_memory_equal(a, b, sizeof(a));
	assert_true(a[M_CPU] > 0 && a[M_CPU] < 1);
	assert_true(a[M_MEMORY] > 0 && a[M_MEMORY] < (double)l.mem);
	assert_true(a[M_UPTIME] == 60);
	assert_true(a[M_ALLOCATED_MEM] == (double)l.mem * 60);
	life_sample(&l, 180000, b);
	assert_true(a[M_CPU] != b[M_CPU]);
}

static void test_managed(void **state)
{
	struct emulator em = { .port = 8443 };

	(void)state;
	assert_true(oci_is_managed(&em, "registry.cloudflare.com"));
	assert_true(oci_is_managed(&em, "registry.fed.cloudflare.com"));
	assert_true(oci_is_managed(&em, "localhost:8443"));
	assert_false(oci_is_managed(&em, "localhost:8444"));
	assert_false(oci_is_managed(&em, "docker.io"));
}

static void test_rollout_needed(void **state)
{
	static const struct {
		const char *old, *new;
		bool needed;
	} cases[] = {
		{ "{\"image\":\"a\"}", "{\"image\":\"a\"}", false },
		{ "{\"image\":\"a\"}", "{\"image\":\"b\"}", true },
		{ "{\"image\":\"a\"}", "{\"image\":\"a\",\"command\":[\"x\"]}", true },
		{ "{\"image\":\"a\",\"command\":[\"x\"]}", "{\"image\":\"a\"}", true },
		{ "{\"image\":\"a\"}", "{\"image\":\"a\",\"wrangler_ssh\":{\"enabled\":true}}", false },
		{ "{\"image\":\"a\",\"authorized_keys\":[]}", "{\"image\":\"a\"}", false },
	};

	(void)state;
	for (size_t i = 0; i < array_len(cases); i++) {
		cleanup_json_ struct json_object *a = json_tokener_parse(cases[i].old), *b = json_tokener_parse(cases[i].new);

		assert_int_equal(conf_needs_rollout(a, b), cases[i].needed);
	}
	assert_false(conf_needs_rollout(NULL, NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_times),   cmocka_unit_test(test_pages),   cmocka_unit_test(test_graphql),
		cmocka_unit_test(test_figures), cmocka_unit_test(test_managed), cmocka_unit_test(test_rollout_needed),
	};

	return base_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
