/* Documents checked without an account, and the schemas of the same table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <json-c/json.h>

#include "api/base/buf.h"
#include "api/check.h"
#include "api/schema.h"

static void the_path_says_what_it_is(void **state)
{
	static const struct {
		const char *path, *word, *kind, *identity; /* kind NULL: not found */
	} rows[] = {
		{ "applications/web.json", NULL, "application", "web" },
		{ "/r/repo/applications/a%2Fb.json", NULL, "application", "a/b" },
		{ "./deployments/x.json", NULL, "deployment", "x" },
		{ "m/applications/web/jobs/j.json", NULL, "job", "j" },
		{ "m/applications/web/rollouts/r.json", NULL, "rollout", "r" },
		{ "registries/docker.io.json", NULL, "registry", "docker.io" },
		{ "registry-protocols/corp.json", NULL, "registry protocol", "corp" },
		{ "ssh-keys/anna.pub", NULL, "ssh key", "anna" },
		{ "secrets/db", NULL, "secret", "db" },
		{ "account/defaults.json", NULL, "defaults.json", NULL },
		{ "registries/docker.io/credentials.json", NULL, "credentials", NULL },
		{ "web.json", NULL, NULL, NULL },
		{ "account/limits.json", NULL, NULL, NULL },
		{ "applications/web.yaml", NULL, NULL, NULL },
		{ "instances/x.json", NULL, NULL, NULL },
		{ "", NULL, NULL, NULL },
		{ "/", NULL, NULL, NULL },
		{ "web.json", "application", "application", "web" },
		{ "web.txt", "application", "application", NULL },
		{ "x.json", "registry-protocol", "registry protocol", "x" },
		{ "x.json", "registry protocol", "registry protocol", "x" },
		{ "x.json", "defaults", "defaults.json", NULL },
		{ "x.json", "credentials", "credentials", NULL },
		{ "x.json", "nothing", NULL, NULL },
		{ "x.json", "instance", NULL, NULL },
	};
	(void)state;

	for (size_t i = 0; i < array_len(rows); i++) {
		struct check_target t = { 0 };
		struct err err = ERR_INIT;
		int r = check_find(rows[i].path, rows[i].word, &t, &err);
		const char *kind = r < 0 ? NULL : t.credentials ? "credentials" : t.part ? t.part->name : t.kind->name;
		const char *identity = t.identity;

		if (strcmp(kind ? kind : "-", rows[i].kind ? rows[i].kind : "-") ||
		    strcmp(identity ? identity : "-", rows[i].identity ? rows[i].identity : "-") || (r < 0 && !err.text[0]))
			fail_msg("%s: is %s, %s", rows[i].path, kind ? kind : err.text, identity ? identity : "-");
		check_clear(&t);
	}
}

static void add_line(void *arg, const char *line)
{
	buf_addf(arg, "%s\n", line);
}

static void each_fault_is_a_line(void **state)
{
	static const struct {
		const char *path, *text, *wanted;
	} rows[] = {
		{ "applications/web.json", "{\"$schema\":\"x\",\"max_instances\":1,\"configuration\":{\"image\":\"a\"}}", "" },
		{ "applications/web.json",
		  "{\"max_instances\":\"1\",\"imge\":1,\"configuration\":{\"image\":\"\",\"vcpu\":1,\"instance_type\":\"lite\"}}",
		  "max_instances: is a string, must be an integer\nimge: is no field that the API knows\n"
		  "configuration.image: is empty, must be a string with at least one character\n"
		  "configuration.instance_type: excludes vcpu: leave one of the two out\n" },
		{ "applications/web.json", "{\"configuration\":{\"image\":\"a\"}}",
		  "max_instances: is required by scheduling_policy \"default\": an integer, such as 1\n" },
		{ "applications/web.json", "{\"name\":\"other\"}",
		  "name: is \"other\", must be \"web\", as the file is called (rename "
		  "the file to change it)\n" },
		{ "applications/web.json", "{\"a\":1", "line 1, column 7: the document stops here\n" },
		{ "applications/web.json", "{\"$schema\":1}", "$schema: must be a string, the address of a JSON Schema\n" },
		{ "account/defaults.json", "{\"$schema\":\"x\",\"vcpus\":-1,\"disk_mb\":true}",
		  "vcpus: is -1, must not be less than 0\ndisk_mb: is a boolean, must be an integer\n" },
		{ "secrets/db", "\n", "is empty: a secret has a value\n" },
		{ "secrets/db", "value\n", "" },
	};
	(void)state;

	for (size_t i = 0; i < array_len(rows); i++) {
		cleanup_buf_ struct buf lines = BUF_INIT;
		struct check_target t = { 0 };
		int n, count = 0;

		assert_int_equal(check_find(rows[i].path, NULL, &t, NULL), 0);
		n = check_text(&t, rows[i].text, strlen(rows[i].text), add_line, &lines);
		for (const char *p = lines.data; p && *p; p++)
			count += *p == '\n';
		assert_int_equal(n, count);
		if (strncmp(rows[i].wanted, "line", 4) ? strcmp(lines.data ? lines.data : "", rows[i].wanted) :
							 strncmp(lines.data ? lines.data : "", "line 1, column 7", 16))
			fail_msg("%s: says\n%s", rows[i].text, lines.data ? lines.data : "");
		check_clear(&t);
	}
}

/* tests/schemas.py holds them against the documents; here: which there are, and that each is the same bytes. */
static void schemas_are_json_and_stable(void **state)
{
	unsigned count = 0;
	(void)state;

	for (const struct kind *const *k = kinds; *k; k++) {
		cleanup_buf_ struct buf one = BUF_INIT, two = BUF_INIT;
		struct json_object *schema, *v;

		if (schema_write(*k, &one) == -ENOENT)
			continue;
		count++;
		assert_int_equal(schema_write(*k, &two), 0);
		assert_string_equal(one.data, two.data);
		schema = json_tokener_parse(one.data);
		if (!schema)
			fail_msg("%s: is no JSON:\n%s", (*k)->name, one.data);
		assert_true(json_object_object_get_ex(schema, "properties", &v));
		assert_true(json_object_object_get_ex(v, "$schema", NULL));
		json_object_put(schema);
	}
	/* Applications, jobs, rollouts, deployments, registries, protocols. */
	assert_int_equal(count, 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_path_says_what_it_is),
		cmocka_unit_test(each_fault_is_a_line),
		cmocka_unit_test(schemas_are_json_and_stable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
