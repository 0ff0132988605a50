/* What files show. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <json-c/json.h>

#include "api/doc.h"

#define ACCOUNT "0123456789abcdef0123456789abcdef"
#define OTHER   "fedcba9876543210fedcba9876543210"

static const char *key_name(void *arg, const char *id)
{
	(void)arg;
	return strcmp(id, "k1") == 0 ? "anna" : strcmp(id, "k2") == 0 ? "a/b" : strcmp(id, "k3") == 0 ? "anna" : NULL;
}

static const char *key_id(void *arg, const char *name)
{
	(void)arg;
	return strcmp(name, "anna") == 0 ? "k1" : strcmp(name, "a/b") == 0 ? "k2" : NULL;
}

static const struct doc_context context = { .account_id = ACCOUNT, .key_name = key_name, .key_id = key_id };

static struct json_object *parse(const char *text)
{
	struct json_object *o = NULL;
	struct err err = ERR_INIT;

	if (doc_parse(text, strlen(text), &o, &err) < 0)
		fail_msg("%s: %s", text, err.text);
	return o;
}

static void shows_with(const char *kind, enum doc_view view, const char *object, const char *written, const char *wanted)
{
	struct json_object *o = parse(object), *w = written ? parse(written) : NULL;
	cleanup_buf_ struct buf out = BUF_INIT, again = BUF_INIT;

	assert_int_equal(doc_render(kind_find(kind), view, o, w, &context, &out), 0);
	assert_int_equal(doc_render(kind_find(kind), view, o, w, &context, &again), 0);
	assert_string_equal(out.data ? out.data : "", wanted);
	assert_string_equal(again.data ? again.data : "", wanted);
	json_object_put(o);
	json_object_put(w);
}

static void shows(const char *kind, enum doc_view view, const char *object, const char *wanted)
{
	shows_with(kind, view, object, NULL, wanted);
}

static void an_application(void **state)
{
	static const char object[] =
		"{\"id\":\"i\",\"new\":[1],\"name\":\"web\",\"version\":3,\"observability\":{\"logs\":{\"enabled\":true}},"
		"\"instances\":2,\"scheduling_policy\":\"default\",\"account_id\":\"" ACCOUNT "\",\"configuration\":{"
		"\"new\":{\"b\":1,\"a\":2.50},\"instance_type\":\"lite\",\"vcpu\":0.0625,\"memory\":\"256MiB\",\"memory_mib\":"
		"256,"
		"\"disk\":{\"size\":\"2GB\",\"size_mb\":2000},\"ssh_public_key_ids\":[\"k1\",\"k2\",\"k3\",\"k9\"],"
		"\"image\":\"registry.cloudflare.com/" ACCOUNT
		"/app:v1\"},\"health\":{\"instances\":{\"healthy\":1,\"active\":2}}}";
	(void)state;

	shows("application", DOC_SETTABLE, object,
	      "{\n  \"scheduling_policy\": \"default\",\n  \"instances\": 2,\n  \"configuration\": {\n"
	      "    \"image\": \"registry.cloudflare.com/app:v1\",\n"
	      "    \"ssh_public_key_ids\": [\n      \"ssh-keys/anna.pub\",\n      \"ssh-keys/a%2Fb.pub\",\n      \"k3\",\n"
	      "      \"k9\"\n    ],\n    \"instance_type\": \"lite\",\n    \"new\": {\n      \"b\": 1,\n      \"a\": 2.5\n    "
	      "}\n  },\n"
	      "  \"observability\": {\n    \"logs\": {\n      \"enabled\": true\n    }\n  }\n}\n");
	shows("application", DOC_STATUS, object,
	      "{\n  \"id\": \"i\",\n  \"account_id\": \"" ACCOUNT "\",\n  \"version\": 3,\n  \"health\": {\n"
	      "    \"instances\": {\n      \"active\": 2,\n      \"healthy\": 1\n    }\n  },\n  \"new\": [\n    1\n  ]\n}\n");
}

#define CONFIGURATION(inner_) "{\"configuration\":{" inner_ "}}"
#define SHOWN(inner_)         "{\n  \"configuration\": {\n" inner_ "  }\n}\n"

static void sizes(void **state)
{
	(void)state;
	/* Numbers stay numbers, in their modern spelling. */
	shows("application", DOC_SETTABLE,
	      CONFIGURATION(
		      "\"vcpu\":0.0625,\"memory\":\"256MiB\",\"memory_mib\":256,\"disk\":{\"size\":\"2GB\",\"size_mb\":2000}"),
	      SHOWN("    \"vcpu\": 0.0625,\n    \"memory_mib\": 256,\n    \"disk\": {\n      \"size_mb\": 2000\n    }\n"));
	shows("application", DOC_SETTABLE, CONFIGURATION("\"memory\":\"1.5GiB\",\"disk\":{\"size\":\"2.5gb\"}"),
	      SHOWN("    \"memory_mib\": 1536,\n    \"disk\": {\n      \"size_mb\": 2500\n    }\n"));
	shows("application", DOC_SETTABLE, CONFIGURATION("\"memory\":\"a lot\""),
	      SHOWN(""
		    "    \"memory\": \"a lot\"\n"));
}

static void images(void **state)
{
	static const char *const cases[][2] = {
		{ "registry.cloudflare.com/" ACCOUNT "/a/b@sha256:1", "registry.cloudflare.com/a/b@sha256:1" },
		{ "registry.cloudflare.com/" OTHER "/app:v1", "registry.cloudflare.com/" OTHER "/app:v1" },
		{ "docker.io/library/app:v1", "docker.io/library/app:v1" },
		{ "localhost/app", "localhost/app" },
		{ "proto://app", "proto://app" },
		/* Shortened, this one would be another account's. */
		{ "registry.cloudflare.com/" ACCOUNT "/" OTHER "/app", "registry.cloudflare.com/" ACCOUNT "/" OTHER "/app" },
	};
	char object[300], wanted[300];
	(void)state;

	for (size_t i = 0; i < array_len(cases); i++) {
		snprintf(object, sizeof(object), CONFIGURATION("\"image\":\"%s\""), cases[i][0]);
		snprintf(wanted, sizeof(wanted), SHOWN("    \"image\": \"%s\"\n"), cases[i][1]);
		shows("application", DOC_SETTABLE, object, wanted);
	}
}

static void numbers_and_strings(void **state)
{
	static const char *const numbers[][2] = {
		{ "1", "1" },
		{ "1.0", "1" },
		{ "-0", "0" },
		{ "-0.0", "0" },
		{ "1e2", "100" },
		{ "0.1", "0.1" },
		{ "0.10000000000000001", "0.1" },
		{ "0.0625", "0.0625" },
		{ "6.25e-2", "0.0625" },
		{ "9223372036854775807", "9223372036854775807" },
		{ "-9223372036854775808", "-9223372036854775808" },
		{ "123456789012345678901234567890", "123456789012345678901234567890" },
		{ "1e400", "1e400" },
		{ "1e-400", "1e-400" },
		{ "0e400", "0" },
		{ "0.12345678901234567890123", "0.12345678901234567890123" },
		{ "1e300", "1e+300" },
	};
	static const char *const strings[][2] = {
		{ "\\u0061\\/b", "a/b" },
		{ "\\u00e9\xe2\x82\xac", "\xc3\xa9\xe2\x82\xac" },
		{ "\\ud83d\\ude00", "\xf0\x9f\x98\x80" },
		{ "\\\"\\\\\\n\\t\\b\\f\\r", "\\\"\\\\\\n\\t\\b\\f\\r" },
		{ "\\u0001\\u001f\\u007f", "\\u0001\\u001f\x7f" },
		{ "x\\u0000y", "x\\u0000y" },
	};
	char object[300], wanted[300];
	(void)state;

	for (size_t i = 0; i < array_len(numbers); i++) {
		snprintf(object, sizeof(object), CONFIGURATION("\"new\":%s"), numbers[i][0]);
		snprintf(wanted, sizeof(wanted), SHOWN("    \"new\": %s\n"), numbers[i][1]);
		shows("application", DOC_SETTABLE, object, wanted);
	}
	for (size_t i = 0; i < array_len(strings); i++) {
		snprintf(object, sizeof(object), CONFIGURATION("\"new\":\"%s\""), strings[i][0]);
		snprintf(wanted, sizeof(wanted), SHOWN("    \"new\": \"%s\"\n"), strings[i][1]);
		shows("application", DOC_SETTABLE, object, wanted);
	}
	/* As the client's parser takes it from the service: not UTF-8. */
	{
		struct json_object *o = json_tokener_parse("{\"configuration\":{\"new\":\"a\xffz\"}}");
		cleanup_buf_ struct buf out = BUF_INIT;

		assert_non_null(o);
		assert_int_equal(doc_render(kind_find("application"), DOC_SETTABLE, o, NULL, &context, &out), 0);
		assert_string_equal(out.data, SHOWN("    \"new\": \"a\xef\xbf\xbdz\"\n"));
		json_object_put(o);
	}
}

static void a_deployment(void **state)
{
	static const char object[] =
		"{\"type\":\"default\",\"id\":\"d\",\"image\":\"app:v1\",\"location\":{\"name\":\"sfo06\",\"enabled\":true},"
		"\"labels\":[{\"name\":\"cfcfs.name\",\"value\":\"web\"}],\"network\":{\"mode\":\"public\",\"ipv4\":\"192.0.2."
		"1\"},"
		"\"vcpu\":1}";
	(void)state;

	shows("deployment", DOC_SETTABLE, object,
	      "{\n  \"image\": \"app:v1\",\n  \"location\": \"sfo06\",\n  \"vcpu\": 1,\n  \"network\": {\n    \"mode\": "
	      "\"public\"\n  }\n}\n");
	shows("deployment", DOC_STATUS, object,
	      "{\n  \"type\": \"default\",\n  \"id\": \"d\",\n  \"location\": {\n    \"name\": \"sfo06\",\n    \"enabled\": "
	      "true\n  },\n"
	      "  \"network\": {\n    \"mode\": \"public\",\n    \"ipv4\": \"192.0.2.1\"\n  }\n}\n");
	/* What the service never answers is shown from what was written. */
	shows_with("deployment", DOC_SETTABLE, "{\"image\":\"a\",\"network\":{\"ipv4\":\"192.0.2.1\"}}",
		   "{\"network\":{\"assign_ipv4\":\"predefined\"},\"experimental_flags\":[\"x\"]}",
		   "{\n  \"image\": \"a\",\n  \"network\": {\n    \"assign_ipv4\": \"predefined\"\n  },\n"
		   "  \"experimental_flags\": [\n    \"x\"\n  ]\n}\n");
	shows("deployment", DOC_SETTABLE, "{\"image\":\"a\",\"network\":{\"ipv4\":\"192.0.2.1\"}}", "{\n  \"image\": \"a\"\n}\n");
}

static void jobs_rollouts_registries(void **state)
{
	(void)state;
	shows("job", DOC_SETTABLE,
	      "{\"id\":\"j\",\"entrypoint\":[\"a\"],\"command\":[],\"image\":\"app:v1\",\"vcpus\":1,\"memory_mb\":256,\"events\":"
	      "[{}],"
	      "\"secrets\":[{\"type\":\"env\",\"name\":\"A\"}],\"timeout\":0}",
	      "{\n  \"entrypoint\": [\n    \"a\"\n  ],\n  \"command\": [],\n  \"image\": \"app:v1\",\n  \"vcpu\": 1,\n"
	      "  \"memory_mib\": 256,\n  \"secrets\": [\n    {\n      \"type\": \"env\",\n      \"name\": \"A\"\n    }\n  ],\n"
	      "  \"timeout\": 0\n}\n");
	shows_with("job", DOC_SETTABLE, "{\"secrets\":[{\"type\":\"env\",\"name\":\"A\"}]}",
		   "{\"secrets\":[{\"type\":\"env\",\"name\":\"A\",\"value\":\"hidden\"}]}",
		   "{\n  \"secrets\": [\n    {\n      \"type\": \"env\",\n      \"name\": \"A\"\n    }\n  ]\n}\n");
	shows("job", DOC_STATUS, "{\"id\":\"j\",\"events\":[{}],\"vcpu\":1,\"memory\":\"256MiB\",\"terminate\":false}",
	      "{\n  \"id\": \"j\",\n  \"vcpu\": 1,\n  \"memory\": \"256MiB\",\n  \"terminate\": false\n}\n");
	shows("rollout", DOC_SETTABLE,
	      "{\"description\":\"d\",\"id\":\"r\",\"steps\":[{\"id\":1,\"step_size\":{\"percentage\":10},\"description\":\"s\","
	      "\"status\":\"pending\"}]}",
	      "{\n  \"description\": \"d\",\n  \"steps\": [\n    {\n      \"step_size\": {\n        \"percentage\": 10\n      "
	      "},\n"
	      "      \"description\": \"s\"\n    }\n  ]\n}\n");
	shows("registry", DOC_SETTABLE,
	      "{\"public_key\":\"u\",\"private_credential\":{\"secret_name\":\"n\",\"store_id\":\"s\"},\"domain\":\"docker.io\","
	      "\"kind\":\"DockerHub\",\"created_at\":\"2026-01-01T00:00:00Z\"}",
	      "{\n  \"auth\": {\n    \"public_credential\": \"u\",\n    \"private_credential\": {\n      \"store_id\": \"s\",\n"
	      "      \"secret_name\": \"n\"\n    }\n  },\n  \"kind\": \"DockerHub\"\n}\n");
	shows_with("registry", DOC_SETTABLE, "{\"domain\":\"docker.io\",\"kind\":\"DockerHub\"}", "{\"is_public\":true}",
		   "{\n  \"is_public\": true,\n  \"kind\": \"DockerHub\"\n}\n");
	shows("registry protocol", DOC_SETTABLE, "{\"proto\":\"p\",\"domains\":[{\"path\":\"/x\",\"domain\":\"d\"}]}",
	      "{\n  \"domains\": [\n    {\n      \"domain\": \"d\",\n      \"path\": \"/x\"\n    }\n  ]\n}\n");
	shows("placement", DOC_WHOLE, "{\"new\":1,\"status\":{\"health\":\"running\"},\"events\":[1],\"id\":\"p\"}",
	      "{\n  \"id\": \"p\",\n  \"status\": {\n    \"health\": \"running\"\n  },\n  \"new\": 1\n}\n");
	shows("ssh key", DOC_SETTABLE, "{\"id\":\"k\",\"name\":\"anna\",\"public_key\":\"ssh-ed25519 AAAA anna\"}",
	      "ssh-ed25519 AAAA anna\n");
	shows("secret", DOC_SETTABLE, "{\"name\":\"s\",\"version\":1}", "");
}

static void fields_and_events(void **state)
{
	cleanup_buf_ struct buf out = BUF_INIT;
	struct json_object *o = parse("{\"memory\":\"1GiB\",\"disk_mb\":2000,\"vcpus\":0.0625,\"memory_mib\":1024}");
	const struct part *part = kind_find("account")->parts;
	(void)state;

	while (!part->update)
		part++;
	assert_int_equal(doc_render_fields(part->fields, o, &out), 0);
	assert_string_equal(out.data, "{\n  \"vcpus\": 0.0625,\n  \"memory_mib\": 1024,\n  \"disk_mb\": 2000\n}\n");
	json_object_put(o);
	buf_clear(&out);
	o = json_tokener_parse(
		"[{\"time\":\"2026-01-01T00:00:02Z\",\"id\":\"b\"},{\"id\":\"c\",\"time\":\"2026-01-01T00:00:01Z\"},"
		"{\"id\":\"n\"},{\"time\":\"2026-01-01T01:00:01+01:00\",\"id\":\"d\",\"details\":{\"x\":\"/\"}}]");
	assert_int_equal(doc_render_events(o, &out), 0);
	assert_string_equal(out.data, "{\"id\":\"c\",\"time\":\"2026-01-01T00:00:01Z\"}\n{\"id\":\"n\"}\n"
				      "{\"id\":\"d\",\"time\":\"2026-01-01T01:00:01+01:00\",\"details\":{\"x\":\"/\"}}\n"
				      "{\"id\":\"b\",\"time\":\"2026-01-01T00:00:02Z\"}\n");
	json_object_put(o);
}

static void labels(void **state)
{
	struct json_object *o = parse("{\"labels\":[{\"name\":\"a\",\"value\":\"1\"}]}");
	(void)state;

	assert_null(doc_name_label(o));
	assert_int_equal(doc_set_name_label(o, "web"), 0);
	assert_string_equal(doc_name_label(o), "web");
	assert_int_equal(doc_set_name_label(o, "site"), 0);
	assert_string_equal(doc_name_label(o), "site");
	assert_string_equal(json_object_to_json_string_ext(o, 0),
			    "{\"labels\":[{\"name\":\"a\",\"value\":\"1\"},{\"name\":\"cfcfs.name\",\"value\":\"site\"}]}");
	assert_int_equal(doc_set_name_label(o, NULL), 0);
	assert_null(doc_name_label(o));
	assert_string_equal(json_object_to_json_string_ext(o, 0), "{\"labels\":[{\"name\":\"a\",\"value\":\"1\"}]}");
	json_object_put(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_application),      cmocka_unit_test(sizes),        cmocka_unit_test(images),
		cmocka_unit_test(numbers_and_strings), cmocka_unit_test(a_deployment), cmocka_unit_test(jobs_rollouts_registries),
		cmocka_unit_test(fields_and_events),   cmocka_unit_test(labels),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
