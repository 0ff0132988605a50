/* What a document said and no answer tells: remembered, and shown again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "doc_fixture.h"

static void says(const char *doc, const char *expected)
{
	struct json_object *d = parse(doc), *e = parse(expected), *said = doc_said(kind_find("application"), d);

	assert_non_null(said);
	if (!json_object_equal(said, e))
		fail_msg("%s says %s", doc, json_object_to_json_string(said));
	json_object_put(said);
	json_object_put(d);
	json_object_put(e);
}

static void test_said(void **state)
{
	(void)state;
	says(DOC("", ""), "{}");
	says(DOC("", ",'max_instances':3,'constraints':{'region':'EEUR'}"), "{}");
	says(DOC("", ",'instances':0"), "{'instances':0}");
	says(DOC(",'command':[],'entrypoint':['x']", ""), "{'configuration':{'command':[]}}");
	says(DOC(",'network':{'mode':'private'}", ""), "{'configuration':{'network':{'mode':'private'}}}");
	says(DOC(",'instance_type':'lite'", ",'instances':2"), "{'instances':2,'configuration':{'instance_type':'lite'}}");
	says(DOC(",'vcpu':1,'memory':'6GiB','disk':{'size':'12GB'}", ""),
	     "{'configuration':{'vcpu':1,'memory':'6GiB','disk':{'size':'12GB'}}}");
	says(DOC(",'environment_variables':[{'name':'A','value':'1'}]", ",'unknown':1,'max_instances':null"), "{}");
}

/* written NULL: nothing is known. */
static void shown(enum doc_view view, const char *written, const char *expected)
{
	struct json_object *o = parse(APP(LITE_NUMBERS ",'network':{'mode':'private'},'command':[]", ",'max_instances':5"));
	struct json_object *w = written ? parse(written) : NULL, *e = parse(expected), *got;
	struct doc_context ctx = context();
	cleanup_buf_ struct buf out = BUF_INIT;

	json_object_object_add(o, "instances", json_object_new_int(5));
	ctx.written = w;
	assert_int_equal(doc_render(kind_find("application"), view, o, w, &ctx, &out), 0);
	got = json_tokener_parse(out.data);
	json_object_object_del(got, "scheduling_policy");
	json_object_object_del(got, "jobs");
	json_object_object_del(got, "rollout_active_grace_period");
	if (!json_object_equal(got, e))
		fail_msg("%s: %s", written ? written : "unknown", out.data);
	json_object_put(got);
	json_object_put(e);
	json_object_put(w);
	json_object_put(o);
}

#define IMAGE "'image':'registry.cloudflare.com/app:v1'"

static void test_shown(void **state)
{
	(void)state;
	shown(DOC_DECLARED, NULL, "{'max_instances':5,'configuration':{" IMAGE ",'instance_type':'lite'}}");
	shown(DOC_DECLARED, "{}", "{'max_instances':5,'configuration':{" IMAGE ",'instance_type':'lite'}}");
	/* The number that was said, not the one that the service computes. */
	shown(DOC_DECLARED, "{'instances':0}",
	      "{'instances':0,'max_instances':5,'configuration':{" IMAGE ",'instance_type':'lite'}}");
	shown(DOC_DECLARED, "{'configuration':{'command':[],'network':{'mode':'private'}}}",
	      "{'max_instances':5,'configuration':{" IMAGE ",'instance_type':'lite','command':[],'network':{'mode':'private'}}}");
	shown(DOC_DECLARED, "{'configuration':{'vcpu':0.0625}}",
	      "{'max_instances':5,'configuration':{" IMAGE ",'vcpu':0.0625,'memory_mib':256,'disk':{'size_mb':2000}}}");
	/* In the full view too, so that the file is no change of it. */
	shown(DOC_SETTABLE, "{'instances':0}",
	      "{'instances':0,'max_instances':5,'configuration':{" IMAGE
	      ",'vcpu':0.0625,'memory_mib':256,'disk':{'size_mb':2000},'network':{'mode':'private'},'command':[]}}");
	shown(DOC_SETTABLE, NULL,
	      "{'instances':5,'max_instances':5,'configuration':{" IMAGE
	      ",'vcpu':0.0625,'memory_mib':256,'disk':{'size_mb':2000},'network':{'mode':'private'},'command':[]}}");
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_said), cmocka_unit_test(test_shown) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
