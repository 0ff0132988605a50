/* Answers of every shape, and what becomes of each: errno, code, text. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <json-c/json.h>

#include "api/client.h"
#include "api/envelope.h"
#include "api/oneline.h"

struct row {
	int status;
	bool writing;
	const char *body;
	int r;
	const char *code;
	int api_code;
	const char *text; /* must stand in err.text; NULL: nothing is asked of it */
};

#define INNER(json) "{\"success\":false,\"result\":null,\"messages\":[],\"errors\":[{\"code\":1000,\"message\":" json "}]}"

static const struct row rows[] = {
	/* The three shapes of the contract. */
	{ 400, true, INNER("\"instances must be positive\""), -EINVAL, "", 1000, "instances must be positive" },
	{ 400, true,
	  INNER("\"{\\\"error\\\":\\\"VALIDATE_INPUT\\\",\\\"details\\\":{\\\"configuration.image\\\":\\\"not found\\\"}}\""),
	  -EINVAL, "VALIDATE_INPUT", 1000, "configuration.image: not found" },
	{ 400, true, "{\"error\":\"VALIDATE_INPUT\",\"details\":{\"name\":\"is taken\",\"x\":\"odd\"},\"request_id\":\"rq\"}",
	  -EINVAL, "VALIDATE_INPUT", 0, "name: is taken; x: odd" },
	{ 400, true, "{\"success\":false,\"errors\":[{\"code\":7,\"message\":\"refused\"}],\"error\":\"SURPASSED_TOTAL_LIMITS\"}",
	  -EDQUOT, "SURPASSED_TOTAL_LIMITS", 7, "refused" },
	/* The same thing in two places is said once. */
	{ 404, true,
	  "{\"errors\":[{\"message\":\"{\\\"error\\\":\\\"NOT_HERE\\\",\\\"details\\\":{\\\"message\\\":\\\"Not found\\\"}}\"}],"
	  "\"error\":\"NOT_HERE\",\"details\":{\"message\":\"Not found\"}}",
	  -ENOENT, "NOT_HERE", 0, "Not found" },
	/* Other forms of the same. */
	{ 400, true, INNER("\"VALIDATE_INPUT\""), -EINVAL, "VALIDATE_INPUT", 1000, NULL },
	{ 400, true, INNER("\"JOB_CREATE_NOT_ALLOWED: no jobs\""), -EPERM, "JOB_CREATE_NOT_ALLOWED", 1000, "no jobs" },
	{ 400, true, "{\"error\":\"VALIDATE_INPUT\",\"details\":{\"a\":{\"b\":[\"one\",\"two\"]},\"c\":3}}", -EINVAL,
	  "VALIDATE_INPUT", 0, "a.b: one; a.b: two; c: 3" },
	{ 400, true, "{\"error\":\"a plain sentence\"}", -EINVAL, "", 0, "a plain sentence" },
	{ 400, true, "{\"message\":\"only a message\"}", -EINVAL, "", 0, "only a message" },
	{ 400, false, "{\"errors\":[\"just text\"]}", -EINVAL, "", 0, "just text" },
	{ 400, false, "{\"errors\":[{\"code\":\"VALIDATE_INPUT\",\"message\":\"m\"}]}", -EINVAL, "VALIDATE_INPUT", 0, "m" },
	{ 400, false, "{}", -EINVAL, "", 0, "400" },
	{ 400, false, "{\"success\":false,\"errors\":null,\"details\":7,\"error\":[]}", -EINVAL, "", 0, NULL },
	{ 400, false, "{\"success\":false,\"errors\":[null,{},[],{\"message\":{}},{\"code\":{}}]}", -EINVAL, "", 0, NULL },
	{ 400, false, INNER("\"Invalid request headers\",\"error_chain\":[{\"code\":6111,\"message\":\"bad format\"}]"), -EINVAL,
	  "", 1000, "bad format" },
	/* A failure that says 200. */
	{ 200, true, "{\"success\":false,\"errors\":[{\"message\":\"no\"}],\"error\":\"VALIDATE_INPUT\"}", -EINVAL,
	  "VALIDATE_INPUT", 0, "no" },
	{ 200, false, "{\"success\":false,\"errors\":[]}", -EIO, "", 0, NULL },
	/* Words. */
	{ 400, true, "{\"error\":\"SURPASSED_BASE_LIMITS\"}", -EDQUOT, "SURPASSED_BASE_LIMITS", 0, NULL },
	{ 400, true, "{\"error\":\"LOCATION_NOT_ALLOWED\"}", -EDQUOT, "LOCATION_NOT_ALLOWED", 0, NULL },
	{ 400, true, "{\"error\":\"LOCATION_SURPASSED_BASE_LIMITS\"}", -EDQUOT, "LOCATION_SURPASSED_BASE_LIMITS", 0, NULL },
	{ 400, true, "{\"error\":\"DURABLE_OBJECT_ALREADY_HAS_APPLICATION\"}", -EEXIST, "DURABLE_OBJECT_ALREADY_HAS_APPLICATION",
	  0, NULL },
	{ 409, true, "{\"error\":\"SECRET_NAME_ALREADY_EXISTS\"}", -EEXIST, "SECRET_NAME_ALREADY_EXISTS", 0, NULL },
	{ 409, true, "{\"error\":\"IMAGE_REGISTRY_IS_PUBLIC\"}", -EINVAL, "IMAGE_REGISTRY_IS_PUBLIC", 0, NULL },
	{ 400, true, "{\"error\":\"IMAGE_REGISTRY_PROTO_IS_REFERENCED\"}", -EBUSY, "IMAGE_REGISTRY_PROTO_IS_REFERENCED", 0,
	  NULL },
	{ 409, true, INNER("\"The application has an active rollout\""), -EBUSY, "", 1000, "active rollout" },
	{ 400, true, INNER("\"the current step is not finished\""), -EBUSY, "", 1000, NULL },
	/* Statuses. */
	{ 401, false, "{}", -EACCES, "", 0, NULL },
	{ 403, false, INNER("\"no\""), -EACCES, "", 1000, NULL },
	{ 403, true, INNER("\"no\""), -EPERM, "", 1000, NULL },
	{ 403, true, "{\"errors\":[{\"code\":10000,\"message\":\"Authentication error\"}]}", -EACCES, "", 10000, NULL },
	{ 400, true, "{\"errors\":[{\"code\":6003,\"message\":\"Invalid request headers\"}]}", -EACCES, "", 6003, NULL },
	{ 404, false, "{\"errors\":[]}", -ENOENT, "", 0, "not found" },
	{ 405, false, "{\"errors\":[]}", -ENOENT, "", 0, NULL },
	{ 405, false, "Method Not Allowed", -ENOENT, "", 0, NULL },
	{ 409, true, "{}", -EEXIST, "", 0, NULL },
	{ 412, true, "{}", -ESTALE, "", 0, NULL },
	{ 429, true, "slow down", -EAGAIN, "", 0, NULL },
	{ 500, true, "{\"error\":\"VALIDATE_INPUT\"}", -EIO, "VALIDATE_INPUT", 0, NULL },
	/* No answers of the API. */
	{ 502, false, "<html><head><title>502 Bad</title></head><body>cloudflare</body></html>", -EIO, "", 0,
	  "the answer was not JSON (text/html, 502): 502 Bad cloudflare" },
	{ 502, false, "", -EIO, "", 0, "empty" },
	{ 200, false, "", -EIO, "", 0, "empty" },
	{ 200, false, "error code: 1015", -EIO, "", 0, "error code: 1015" },
	{ 200, false, "{\"success\":true,\"result\":[1,2", -EIO, "", 0, "cut off" },
	{ 200, false, "{\"success\":true} trailing", -EIO, "", 0, NULL },
	{ 200, false, "\"text\"", -EIO, "", 0, NULL },
	{ 404, false, "<html>no such host</html>", -EIO, "", 0, "no such host" },
	{ 302, false, "{}", -EIO, "", 0, "redirect" },
};

static void failures_become_errno_and_text(void **state)
{
	(void)state;
	for (size_t i = 0; i < array_len(rows); i++) {
		const struct row *row = &rows[i];
		struct answer answer = { .status = 1 };
		struct err err = ERR_INIT;
		int r = envelope_parse(row->status, row->body, strlen(row->body), row->writing, &answer, &err);

		if (r != row->r || err.errnum != -row->r || strcmp(err.code, row->code) || err.api_code != row->api_code ||
		    err.http_status != row->status || !err.text[0] || (row->text && !strstr(err.text, row->text)))
			fail_msg("row %zu (%d %s): %s, code \"%s\" %d: %s", i, row->status, row->body, errno_name(-r), err.code,
				 err.api_code, err.text);
		/* Untouched on failure. */
		assert_int_equal(answer.status, 1);
	}
}

static void nothing_is_said_twice(void **state)
{
	const char *body = "{\"errors\":[{\"message\":\"Not found\"}],\"error\":\"x\",\"details\":{\"message\":\"Not found\"}}";
	struct answer answer = { 0 };
	struct err err = ERR_INIT;
	(void)state;

	assert_int_equal(envelope_parse(404, body, strlen(body), true, &answer, &err), -ENOENT);
	assert_string_equal(err.text, "Not found; x");
}

static void the_request_id_of_the_body_is_kept(void **state)
{
	struct answer answer = { 0 };
	struct err err = ERR_INIT;
	const char *body = rows[2].body;
	(void)state;

	envelope_parse(400, body, strlen(body), true, &answer, &err);
	assert_string_equal(err.request_id, "rq");
	assert_int_equal(envelope_parse(400, body, strlen(body), true, &answer, NULL), -EINVAL);
}

static void take(int status, const char *body, struct answer *answer)
{
	struct err err = ERR_INIT;

	answer_clear(answer);
	if (envelope_parse(status, body, strlen(body), false, answer, &err) < 0)
		fail_msg("%d %s: %s", status, body, err.text);
	assert_int_equal(answer->status, status);
}

static void successes_of_all_shapes(void **state)
{
	struct answer a = { 0 };
	(void)state;

	take(200, "{\"success\":true,\"result\":{\"id\":\"x\"},\"result_info\":{\"next_page_token\":\"t\"}}", &a);
	assert_true(json_object_object_get_ex(a.result, "id", NULL));
	assert_true(json_object_object_get_ex(a.result_info, "next_page_token", NULL));
	take(202, "{\"success\":true}", &a);
	assert_null(a.result);
	assert_null(a.result_info);
	take(201, " {\"success\":true,\"result\":null,\"errors\":[]}\r\n", &a);
	assert_null(a.result);
	take(204, "", &a);
	assert_null(a.result);
	/* Bare. */
	take(200, "{\"id\":\"x\",\"error\":\"shown\",\"result\":\"mine\"}", &a);
	assert_true(json_object_object_get_ex(a.result, "error", NULL));
	assert_null(a.result_info);
	take(200, "[{\"id\":1}]", &a);
	assert_int_equal(json_object_array_length(a.result), 1);
	answer_clear(&a);
	assert_null(a.result);
	answer_clear(&a);
}

static void odd_bytes_stay_out_of_texts(void **state)
{
	char body[3000], long_message[2000];
	struct answer answer = { 0 };
	struct err err = ERR_INIT;
	size_t n = 0;
	(void)state;

	memset(long_message, 'm', sizeof(long_message));
	long_message[sizeof(long_message) - 1] = '\0';
	snprintf(body, sizeof(body), INNER("\"a\\u0000\\n\\u001b[31mb \\u009f \xff\xfe %s\""), long_message);
	assert_int_equal(envelope_parse(400, body, strlen(body), true, &answer, &err), -EINVAL);
	for (const char *p = err.text; *p; p++, n++)
		assert_true((unsigned char)*p >= ' ' && (unsigned char)*p < 0x7f);
	assert_true(n < sizeof(err.text));
}

static void deep_and_broken_documents_are_refused(void **state)
{
	char deep[4096];
	struct answer answer = { 0 };
	struct err err = ERR_INIT;
	const char *whole = rows[1].body;
	(void)state;

	memset(deep, '[', sizeof(deep));
	assert_int_equal(envelope_parse(200, deep, sizeof(deep), false, &answer, &err), -EIO);
	/* Every beginning of an answer is handled; none of them is a success. */
	for (size_t i = 0; i < strlen(whole); i++)
		assert_true(envelope_parse(200, whole, i, false, &answer, &err) < 0);
	assert_null(answer.result);
}

static void foreign_answers_are_told_apart(void **state)
{
	struct envelope_facts facts;
	struct answer answer = { 0 };
	(void)state;

	envelope_take(404, "text/html; charset=x", "no such page", 12, false, &answer, NULL, &facts);
	assert_true(facts.foreign);
	envelope_take(404, "", "{\"errors\":[]}", 13, false, &answer, NULL, &facts);
	assert_false(facts.foreign);
	assert_false(facts.refused_credentials);
	envelope_take(403, "", "{\"errors\":[]}", 13, true, &answer, NULL, &facts);
	assert_true(facts.refused_credentials);
}

static void scrub_takes_secrets_out(void **state)
{
	char text[128];
	const char *body = "{\"name\":\"keep\",\"auth\":{\"private_credential\":{\"x\":\"q\\\"uote\"}},\"value\":\"\"}";
	(void)state;

	snprintf(text, sizeof(text), "abcdef abcdefabcdef x");
	scrub(text, "abcdef");
	assert_string_equal(text, "*** ****** x");
	snprintf(text, sizeof(text), "in in inside");
	scrub(text, "in");
	assert_string_equal(text, "** ** inside");
	snprintf(text, sizeof(text), "keep q\"uote and q\\\"uote");
	scrub_body(text, body, strlen(body));
	assert_string_equal(text, "keep *** and ***");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(failures_become_errno_and_text),     cmocka_unit_test(nothing_is_said_twice),
		cmocka_unit_test(the_request_id_of_the_body_is_kept), cmocka_unit_test(successes_of_all_shapes),
		cmocka_unit_test(odd_bytes_stay_out_of_texts),        cmocka_unit_test(deep_and_broken_documents_are_refused),
		cmocka_unit_test(foreign_answers_are_told_apart),     cmocka_unit_test(scrub_takes_secrets_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
