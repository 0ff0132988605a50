/* Documents that pass, what is taken out of them, and the ways to be less strict. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <json-c/json.h>

#include "api/doc.h"

static struct json_object *parse(const char *text)
{
	struct json_object *o = NULL;
	struct err err = ERR_INIT;

	if (doc_parse(text, strlen(text), &o, &err) < 0)
		fail_msg("%s: %s", text, err.text);
	return o;
}

static int64_t passes(const char *kind, const char *text, bool creating)
{
	const struct doc_context ctx = { .validate = VALIDATE_STRICT };
	struct json_object *doc = parse(text);
	struct err err = ERR_INIT;
	int64_t version = -2;

	if (doc_check((struct doc_file){ kind_find(kind), doc, "web" }, creating, &ctx, &version, &err) < 0)
		fail_msg("%s: %s", text, err.text);
	assert_false(json_object_object_get_ex(doc, "version", NULL));
	assert_false(json_object_object_get_ex(doc, "name", NULL));
	json_object_put(doc);
	return version;
}

static void good_documents_pass(void **state)
{
	static const char *const cases[][2] = {
		{ "application", "{\"instances\":1.0,\"max_instances\":2,\"configuration\":{\"image\":\"a\"}}" },
		{ "application", "{\"name\":\"web\",\"instances\":1,\"max_instances\":2,\"configuration\":{\"image\":\"a\"}}" },
		{ "application",
		  "{\"scheduling_policy\":\"durable_object\",\"durable_objects\":{\"script_name\":\"s\",\"class_name\":\"c\"}}" },
		{ "application",
		  "{\"scheduling_policy\":\"durable_object\",\"instances\":null,\"durable_objects\":{\"namespace_id\":\"n\"}}" },
		{ "application", "{\"instances\":1,\"max_instances\":2,\"configuration\":{\"image\":\"a\",\"instance_type\":"
				 "\"lite\",\"vcpu\":null,\"disk\":{}}}" },
		{ "application", "{\"instances\":1,\"max_instances\":2,\"configuration\":{\"image\":\"a\",\"memory\":\"1GiB\","
				 "\"memory_mib\":1024}}" },
		{ "application", "{\"instances\":1,\"max_instances\":2,\"configuration\":{\"image\":\"a\",\"wrangler_ssh\":{},"
				 "\"network\":null,\"command\":[]}}" },
		{ "application", "{\"scheduling_policy\":\"moon\"}" },
		{ "application", "{\"max_instances\":2,\"configuration\":{\"image\":\"a\"}}" },
		{ "application", "{\"max_instances\":2,\"configuration\":{\"image\":\"a\",\"runtime\":\"firecracker\"},"
				 "\"observability\":{\"logs\":{\"enabled\":true},\"target_instance_percentage\":50},"
				 "\"constraints\":{\"regions\":[\"OC\",\"WEUR\"],\"tiers\":[1,2]}}" },
		{ "deployment", "{\"image\":\"a\",\"location\":\"l\",\"labels\":[{\"name\":\"cfcfs.name\",\"value\":\"web\"}]}" },
		{ "deployment",
		  "{\"image\":\"a\",\"location\":\"l\",\"checks\":[{\"type\":\"http\",\"port\":\"80\",\"interval\":\"5s\","
		  "\"timeout\":\"1s\",\"kind\":\"ready\",\"http\":{\"method\":\"GET\",\"headers\":{\"X-Y\":[1,{\"z\":2}]}}}]}" },
		{ "job", "{\"entrypoint\":[],\"command\":[],\"vcpus\":1,\"secrets\":[{\"type\":\"env\",\"name\":\"A\",\"value\":"
			 "\"\"}]}" },
		{ "rollout", "{\"description\":\"\",\"strategy\":\"rolling\",\"step_percentage\":25.0,\"target_configuration\":{"
			     "\"image\":\"a\"}}" },
		{ "registry", "{\"is_public\":true}" },
		{ "registry", "{\"domain\":\"web\",\"auth\":{\"public_credential\":\"u\",\"private_credential\":{\"store_id\":"
			      "\"s\",\"secret_name\":\"n\"}}}" },
		{ "registry protocol", "{\"proto\":\"web\",\"domains\":[]}" },
	};
	(void)state;

	for (size_t i = 0; i < array_len(cases); i++)
		assert_int_equal(passes(cases[i][0], cases[i][1], true), -1);
	/* An update may leave out what a create must say. */
	passes("deployment", "{}", false);
	assert_int_equal(passes("application", "{\"configuration\":{\"image\":\"a\"},\"version\":7}", false), 7);
	assert_int_equal(passes("application", "{\"configuration\":{\"image\":\"a\"},\"version\":7.0}", false), 7);
	assert_int_equal(passes("application", "{\"configuration\":{\"image\":\"a\"},\"version\":null}", false), -1);
}

static unsigned warned;

static void warn(void *arg, const char *text)
{
	(void)arg;
	warned++;
	assert_string_equal(text, "configuration.imgae: is no field: did you mean \"image\"?");
}

static void less_strict(void **state)
{
	struct doc_context ctx = { .validate = VALIDATE_WARN, .warn = warn };
	struct json_object *doc =
		parse("{\"instances\":1,\"max_instances\":2,\"configuration\":{\"image\":\"a\",\"imgae\":\"b\"},\"version\":3}");
	struct json_object *wrong = parse("{\"instances\":\"1\",\"id\":\"x\",\"name\":\"web\"}");
	struct err err = ERR_INIT;
	int64_t version;
	(void)state;

	assert_int_equal(doc_check((struct doc_file){ kind_find("application"), doc, "web" }, true, &ctx, &version, &err), 0);
	assert_int_equal(version, 3);
	assert_int_equal(warned, 1);
	assert_int_equal(doc_check((struct doc_file){ kind_find("application"), wrong, "web" }, true, &ctx, &version, &err),
			 -EINVAL);
	ctx.validate = VALIDATE_OFF;
	assert_int_equal(doc_check((struct doc_file){ kind_find("application"), wrong, "web" }, true, &ctx, &version, &err), 0);
	ctx.validate = VALIDATE_STRICT;
	assert_int_equal(doc_check((struct doc_file){ kind_find("application"), doc, "web" }, true, &ctx, &version, &err),
			 -EINVAL);
	/* What the service itself answers inside may go back. */
	ctx.known = parse("{\"configuration\":{\"imgae\":1},\"top\":1}");
	assert_int_equal(doc_check((struct doc_file){ kind_find("application"), doc, "web" }, true, &ctx, &version, &err), 0);
	json_object_object_add(doc, "top", json_object_new_int(1));
	assert_int_equal(doc_check((struct doc_file){ kind_find("application"), doc, "web" }, true, &ctx, &version, &err),
			 -EINVAL);
	json_object_put(ctx.known);
	json_object_put(doc);
	json_object_put(wrong);
}

static void secrets_are_never_quoted(void **state)
{
	static const char *const cases[][2] = {
		{ "application", "{\"instances\":1,\"configuration\":{\"image\":\"a\",\"environment_variables\":[{\"name\":\"A\","
				 "\"value\":\"TOPSECRET\\u0000\"}]}}" },
		{ "job", "{\"entrypoint\":[],\"command\":[],\"secrets\":[{\"type\":\"env\",\"name\":\"A\",\"value\":"
			 "\"TOPSECRET\\u0000\"}]}" },
		{ "job", "{\"entrypoint\":[],\"command\":[],\"secrets\":[{\"type\":\"env\",\"name\":\"A\",\"value\":["
			 "\"TOPSECRET\"]}]}" },
		{ "registry", "{\"auth\":{\"public_credential\":\"u\",\"private_credential\":\"TOPSECRET\\u0000\"}}" },
		{ "registry", "{\"auth\":{\"public_credential\":\"u\",\"private_credential\":[\"TOPSECRET\"]}}" },
	};
	const struct doc_context ctx = { .validate = VALIDATE_STRICT };
	(void)state;

	for (size_t i = 0; i < array_len(cases); i++) {
		struct json_object *doc = parse(cases[i][1]);
		struct err err = ERR_INIT;
		int64_t version;

		assert_int_equal(doc_check((struct doc_file){ kind_find(cases[i][0]), doc, "web" }, true, &ctx, &version, &err),
				 -EINVAL);
		if (strstr(err.text, "TOPSECRET"))
			fail_msg("%s", err.text);
		json_object_put(doc);
	}
}

static void secrets_are_seen(void **state)
{
	static const struct {
		const char *kind, *doc;
		bool secret;
	} cases[] = {
		{ "application", "{\"configuration\":{\"secrets\":[{\"secret\":\"s\"}]}}", false },
		{ "job", "{\"secrets\":[{\"name\":\"A\"}]}", false },
		{ "job", "{\"secrets\":[{\"name\":\"A\"},{\"name\":\"B\",\"value\":\"v\"}]}", true },
		{ "registry", "{\"auth\":{\"private_credential\":\"p\"}}", true },
		{ "registry", "{\"auth\":{\"private_credential\":{\"store_id\":\"s\"}}}", false },
		{ "secret", "{\"value\":\"v\"}", true },
	};
	(void)state;

	for (size_t i = 0; i < array_len(cases); i++) {
		struct json_object *doc = parse(cases[i].doc);

		assert_int_equal(doc_has_secret(kind_find(cases[i].kind), doc), cases[i].secret);
		json_object_put(doc);
	}
	assert_true(doc_may_hold_secret(kind_find("job")));
	assert_true(doc_may_hold_secret(kind_find("registry")));
	assert_false(doc_may_hold_secret(kind_find("application")));
	assert_false(doc_may_hold_secret(kind_find("deployment")));
}

static void credentials(void **state)
{
	struct json_object *whole = parse("{\"permissions\":[\"pull\",\"push\"],\"expiration_minutes\":15}"),
			   *empty = parse("{}");
	(void)state;

	assert_int_equal(doc_credentials_check(whole, true, NULL), 0);
	assert_int_equal(doc_credentials_check(whole, false, NULL), 0);
	assert_int_equal(doc_credentials_check(empty, false, NULL), 0);
	assert_int_equal(doc_credentials_check(empty, true, NULL), -EINVAL);
	json_object_put(whole);
	json_object_put(empty);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_documents_pass), cmocka_unit_test(less_strict), cmocka_unit_test(secrets_are_never_quoted),
		cmocka_unit_test(secrets_are_seen),    cmocka_unit_test(credentials),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
