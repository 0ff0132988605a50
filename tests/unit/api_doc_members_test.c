/* Partial documents: laid over an object as the service does it, and looked for in one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "doc_fixture.h"

/* ---- laying over ---- */

static void lays(const char *object, const char *members, const char *expected)
{
	struct json_object *o = parse(object), *m = parse(members), *e = parse(expected);

	assert_int_equal(doc_lay_over(kind_find("application"), o, m), 0);
	if (!json_object_equal(o, e))
		fail_msg("%s over %s: %s", members, object, json_object_to_json_string(o));
	json_object_put(o);
	json_object_put(m);
	json_object_put(e);
}

static void test_lay_over(void **state)
{
	(void)state;
	lays("{'max_instances':1,'version':3}", "{'max_instances':2}", "{'version':3,'max_instances':2}");
	lays("{'configuration':{'image':'a','command':['x']}}", "{'configuration':{'image':'b'}}",
	     "{'configuration':{'image':'b','command':['x']}}");
	lays("{'version':1}", "{'configuration':{'image':'b'}}", "{'version':1,'configuration':{'image':'b'}}");
	lays("{'constraints':{'region':'EEUR','tier':1}}", "{'constraints':{'tier':2}}", "{'constraints':{'tier':2}}");
	lays("{'configuration':{'image':'a','entrypoint':['x']}}", "{'configuration':{'entrypoint':null}}",
	     "{'configuration':{'image':'a'}}");
	lays("{'max_instances':1}", "{'max_instances':null}", "{}");
	lays("{'configuration':{'image':'a'}}", "{}", "{'configuration':{'image':'a'}}");
}

/* A type and numbers, and the two spellings of one number, exclude each other. */
static void test_lay_over_sizes(void **state)
{
	(void)state;
	lays("{'configuration':{'image':'a'" BASIC_NUMBERS "}}", "{'configuration':{'instance_type':'standard-1'}}",
	     "{'configuration':{'image':'a','instance_type':'standard-1'}}");
	lays("{'configuration':{'instance_type':'lite'}}", "{'configuration':{'vcpu':2,'memory_mib':6144}}",
	     "{'configuration':{'vcpu':2,'memory_mib':6144}}");
	lays("{'configuration':{'memory':'1GiB','memory_mib':1024,'vcpu':1}}", "{'configuration':{'memory_mib':2048}}",
	     "{'configuration':{'vcpu':1,'memory_mib':2048}}");
	lays("{'configuration':{'memory':'1GiB','memory_mib':1024}}", "{'configuration':{'memory':'2GiB'}}",
	     "{'configuration':{'memory':'2GiB'}}");
	lays("{'configuration':{'vcpu':1}}", "{'configuration':{'instance_type':'lite','vcpu':0.0625}}",
	     "{'configuration':{'instance_type':'lite','vcpu':0.0625}}");
	lays("{'configuration':{'vcpu':1}}", "{'configuration':{'instance_type':null}}", "{'configuration':{'vcpu':1}}");
}

/* ---- looking for them ---- */

static void shows(const char *object, const char *members, const char *differs)
{
	struct json_object *o = parse(object), *m = parse(members);
	struct doc_context ctx = context();
	char path[DOC_PATH_SIZE] = "";
	bool same = doc_shows(kind_find("application"), o, m, &ctx, path);

	if (same != !differs)
		fail_msg("%s in %s: %s %s", members, object, same ? "shown" : "not shown", path);
	if (differs)
		assert_string_equal(path, differs);
	assert_int_equal(doc_shows(kind_find("application"), o, m, &ctx, NULL), same);
	json_object_put(o);
	json_object_put(m);
}

static void test_shows(void **state)
{
	(void)state;
	shows(APP("", ""), "{}", NULL);
	shows(APP("", ""), "{'configuration':{'image':'app:v1'}}", NULL);
	shows(APP("", ""), "{'configuration':{'image':'registry.cloudflare.com/app:v1'}}", NULL);
	shows(APP("", ""), "{'configuration':{'image':'app:v2'}}", "configuration.image");
	shows(APP(",'command':['x'],'runtime':'firecracker'", ""), "{'configuration':{'image':'app:v1'}}", NULL);
	shows(APP("", ",'max_instances':3"), "{'max_instances':3}", NULL);
	shows(APP("", ",'max_instances':3"), "{'max_instances':4}", "max_instances");
	shows(APP("", ""), "{'max_instances':4}", "max_instances");
	shows(APP("", ",'max_instances':3"), "{'max_instances':3,'configuration':{'image':'app:v2'}}", "configuration.image");
	shows(APP("", ",'constraints':{'tiers':[1,2]}"), "{'constraints':{'tiers':[2,1]}}", NULL);
	shows(APP("", ",'constraints':{'tiers':[1,2],'region':'EEUR'}"), "{'constraints':{'region':'WNAM'}}", "constraints");
	shows(APP(",'environment_variables':[{'name':'B','value':'2'},{'name':'A','value':'1'}]", ""),
	      "{'configuration':{'environment_variables':[{'name':'A','value':'1'},{'name':'B','value':'2'}]}}", NULL);
}

static void test_shows_removals(void **state)
{
	(void)state;
	shows(APP("", ""), "{'configuration':{'command':null}}", NULL);
	shows(APP("", ""), "{'configuration':{'command':[]}}", NULL);
	shows(APP(",'command':[]", ""), "{'configuration':{'command':null}}", NULL);
	shows(APP(",'command':['x']", ""), "{'configuration':{'command':[]}}", "configuration.command");
	shows(APP("", ",'max_instances':3"), "{'max_instances':null}", "max_instances");
	shows("{'rollout_active_grace_period':7}", "{'rollout_active_grace_period':0}", "rollout_active_grace_period");
	shows(APP("", ""), "{'rollout_active_grace_period':0}", NULL);
}

static void test_shows_sizes(void **state)
{
	(void)state;
	shows(APP(BASIC_NUMBERS, ""), "{'configuration':{'instance_type':'basic'}}", NULL);
	shows(APP(BASIC_NUMBERS, ""), "{'configuration':{'instance_type':'lite'}}", "configuration.instance_type");
	shows(APP(LITE, ""), "{'configuration':{'instance_type':'dev'}}", NULL);
	shows(APP(BASIC_NUMBERS, ""), "{'configuration':{'memory':'1GiB'}}", NULL);
	shows(APP(BASIC_NUMBERS, ""), "{'configuration':{'memory_mib':2048}}", "configuration.memory_mib");
	shows(APP(BASIC_NUMBERS, ""), "{'configuration':{'instance_type':null,'vcpu':0.25}}", NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lay_over),       cmocka_unit_test(test_lay_over_sizes), cmocka_unit_test(test_shows),
		cmocka_unit_test(test_shows_removals), cmocka_unit_test(test_shows_sizes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
