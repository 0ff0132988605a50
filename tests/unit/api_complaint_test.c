/* Of a refusal that complains for several policies, the document's own complaints. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "api/complaint.h"
#include "api/envelope.h"
#include "api/operation.h"

static void the_policy_is_the_documents(void **state)
{
	static const struct {
		const char *method, *path, *body, *policy;
	} rows[] = {
		{ "POST", "/applications", "{\"name\":\"x\"}", "default" },
		{ "POST", "/applications", "{\"scheduling_policy\":\"default\"}", "default" },
		{ "POST", "/applications", "{\"scheduling_policy\":\"durable_object\"}", "durable_object" },
		{ "POST", "/applications", "{\"scheduling_policy\":\"gpu\"}", NULL },
		{ "PATCH", "/applications/1", "{\"max_instances\":1}", NULL },
		{ "POST", "/secrets", "{}", NULL },
		{ "POST", "/applications", NULL, NULL },
	};
	(void)state;

	for (size_t i = 0; i < array_len(rows); i++) {
		const char *body = rows[i].body;
		const char *policy =
			complaint_policy(operation_find(rows[i].method, rows[i].path), body, body ? strlen(body) : 0);

		assert_string_equal(policy ? policy : "none", rows[i].policy ? rows[i].policy : "none");
	}
}

#define REFUSAL(details)                                                                                                         \
	"{\"success\":false,\"errors\":[{\"code\":1000,\"message\":\"{\\\"error\\\":\\\"VALIDATE_INPUT\\\","                     \
	"\\\"details\\\":" details "}\"}]}"

static void foreign_complaints_are_left_out(void **state)
{
	static const char both[] =
		REFUSAL("{\\\"instances\\\":\\\"Too small\\\",\\\"scheduling_policy\\\":\\\"Invalid input: expected "
			"'durable_object'\\\",\\\"durable_objects\\\":\\\"Invalid input: expected object, received "
			"undefined\\\",\\\"configuration\\\":\\\"Unrecognized keys: 'image', 'command'\\\"}");
	static const char typo[] = REFUSAL("{\\\"configuration\\\":\\\"Unrecognized key: 'imgae'\\\",\\\"scheduling_policy\\\":"
					   "\\\"expected 'durable_object'\\\"}");
	static const char durable[] = REFUSAL(
		"{\\\"scheduling_policy\\\":\\\"Invalid input: expected 'default'\\\",\\\"instances\\\":\\\"received undefined"
		"\\\",\\\"max_instances\\\":\\\"Required\\\",\\\"configuration.image\\\":\\\"received undefined\\\","
		"\\\"durable_objects.namespace_id\\\":\\\"Invalid\\\"}");
	static const char alone[] = REFUSAL("{\\\"scheduling_policy\\\":\\\"expected 'durable_object'\\\"}");
	static const struct {
		const char *policy, *body, *text;
	} rows[] = {
		{ "default", both, "the service refused the document: instances: Too small" },
		{ "default", typo, "the service refused the document: configuration: Unrecognized key: 'imgae'" },
		{ "durable_object", durable, "the service refused the document: durable_objects.namespace_id: Invalid" },
		{ "default", alone, "the service refused the document: scheduling_policy: expected 'durable_object'" },
		{ NULL, typo,
		  "the service refused the document: configuration: Unrecognized key: 'imgae'; scheduling_policy: expected "
		  "'durable_object'" },
	};
	(void)state;

	for (size_t i = 0; i < array_len(rows); i++) {
		const struct envelope in = { .status = 400,
					     .content_type = "",
					     .body = rows[i].body,
					     .len = strlen(rows[i].body),
					     .writing = true,
					     .policy = rows[i].policy };
		struct envelope_facts facts;
		struct answer answer = { 0 };
		struct err err = ERR_INIT;

		assert_true(envelope_take(&in, &answer, &err, &facts) < 0);
		assert_string_equal(err.text, rows[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_policy_is_the_documents),
		cmocka_unit_test(foreign_complaints_are_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
