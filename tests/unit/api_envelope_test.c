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
#include "api/operation.h"

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
	{ 403, true, INNER("\"no\""), -EPERM, "", 1000, "Workers Containers Write" },
	{ 403, false, "{\"errors\":[{\"message\":\"Unauthorized\"}]}", -EACCES, "", 0, "Workers Containers Read" },
	{ 403, true, INNER("\"the account is deactivated\""), -EPERM, "", 1000, "the account is deactivated" },
	{ 401, false, "{\"errors\":[{\"code\":1000,\"message\":\"Unauthorized\"}]}", -EACCES, "", 1000,
	  "its plan does not include" },
	{ 405, false, "{\"errors\":[{\"code\":10405,\"message\":\"Method not allowed\"}]}", -EACCES, "", 10405, "API token" },
	{ 405, true, "{\"errors\":[{\"code\":10405,\"message\":\"Method not allowed\"}]}", -EPERM, "", 10405, "API token" },
	{ 400, true, "{\"errors\":[{\"code\":1608,\"message\":\"taken\"}]}", -EEXIST, "", 1608, "already has an application" },
	{ 404, true, "{\"errors\":[{\"code\":1609,\"message\":\"Container application not found\"}]}", -ENOENT, "", 1609,
	  "no such application" },
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
	{ 403, false, "{\"error\":\"Unauthorized\"}", -EACCES, "", 0, "Unauthorized" },
	{ 200, false, "error code: 1015", -EIO, "", 0, "error code: 1015" },
	{ 200, false, "{\"success\":true,\"result\":[1,2", -EIO, "", 0, "cut off" },
	{ 200, false, "{\"success\":true} trailing", -EIO, "", 0, NULL },
	{ 200, false, "\"text\"", -EIO, "", 0, NULL },
	{ 404, false, "<html>no such host</html>", -EIO, "", 0, "no such host" },
	{ 302, false, "{}", -EIO, "", 0, "redirect" },
};

static int parse(int status, const char *body, size_t len, bool writing, struct answer *ret, struct err *err)
{
	const struct envelope in = { .status = status, .content_type = "", .body = body, .len = len, .writing = writing };
	struct envelope_facts facts;

	return envelope_take(&in, ret, err, &facts);
}

static void failures_become_errno_and_text(void **state)
{
	(void)state;
	for (size_t i = 0; i < array_len(rows); i++) {
		const struct row *row = &rows[i];
		struct answer answer = { .status = 1 };
		struct err err = ERR_INIT;
		int r = parse(row->status, row->body, strlen(row->body), row->writing, &answer, &err);

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

	assert_int_equal(parse(404, body, strlen(body), true, &answer, &err), -ENOENT);
	assert_string_equal(err.text, "Not found; x");
}

static void the_request_id_of_the_body_is_kept(void **state)
{
	struct answer answer = { 0 };
	struct err err = ERR_INIT;
	const char *body = rows[2].body;
	(void)state;

	parse(400, body, strlen(body), true, &answer, &err);
	assert_string_equal(err.request_id, "rq");
	assert_int_equal(parse(400, body, strlen(body), true, &answer, NULL), -EINVAL);
}

static void take(int status, const char *body, struct answer *answer)
{
	struct err err = ERR_INIT;

	answer_clear(answer);
	if (parse(status, body, strlen(body), false, answer, &err) < 0)
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
	take(202, "", &a);
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
	assert_int_equal(parse(400, body, strlen(body), true, &answer, &err), -EINVAL);
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
	assert_int_equal(parse(200, deep, sizeof(deep), false, &answer, &err), -EIO);
	assert_non_null(strstr(err.text, "levels deep"));
	/* Every beginning of an answer is handled; none of them is a success. */
	for (size_t i = 0; i < strlen(whole); i++)
		assert_true(parse(200, whole, i, false, &answer, &err) < 0);
	assert_null(answer.result);
}

static struct envelope_facts facts_of(int status, const char *content_type, const char *body, bool writing)
{
	const struct envelope in = { status, content_type, body, strlen(body), writing };
	struct envelope_facts facts;
	struct answer answer = { 0 };

	envelope_take(&in, &answer, NULL, &facts);
	answer_clear(&answer);
	return facts;
}

static void foreign_answers_are_told_apart(void **state)
{
	(void)state;
	assert_true(facts_of(404, "text/html; charset=x", "no such page", false).foreign);
	assert_false(facts_of(404, "", "{\"errors\":[]}", false).foreign);
	assert_false(facts_of(404, "", "{\"errors\":[]}", false).refused_credentials);
	assert_true(facts_of(403, "", "{\"errors\":[]}", true).refused_credentials);
	/* Whether something was done is known where the answer says that nothing was, and where it says that all was. */
	assert_false(facts_of(200, "", "{\"success\":false}", true).lacking);
	assert_true(facts_of(200, "", "{\"success\":\"false\"}", true).lacking);
	assert_false(facts_of(400, "", "{}", true).lacking);
}

#define OK(result)   "{\"success\":true,\"errors\":[],\"messages\":[],\"result\":" result "}"
#define PAGE(result) "{\"success\":true,\"errors\":[],\"messages\":[],\"result\":" result ",\"result_info\":{\"per_page\":1}}"

/* What each kind of operation must answer. */
static const struct {
	const char *method, *path;
	int status;
	bool bare;
	const char *body;
	const char *text; /* of the failure; NULL: a success */
} answers[] = {
	/* Lists. */
	{ "GET", "/applications", 200, false, PAGE("[{\"id\":\"a\"}]"), NULL },
	{ "GET", "/applications", 200, false, PAGE("[]"), NULL },
	{ "GET", "/applications", 200, false, OK("[]"), "result_info" },
	{ "GET", "/applications", 200, false, PAGE("null"), "holds no list" },
	{ "GET", "/applications", 200, false, PAGE("{}"), "holds no list" },
	{ "GET", "/applications", 200, false, PAGE("\"\""), "holds no list" },
	{ "GET", "/applications", 200, false, "{\"success\":true}", "holds no list" },
	{ "GET", "/applications", 200, false, "{}", "does not say" },
	{ "GET", "/applications", 200, false, "[]", "does not say" },
	{ "GET", "/applications", 200, false, "{\"error\":\"INTERNAL_ERROR\"}", "INTERNAL_ERROR" },
	{ "GET", "/applications", 200, false, "{\"error\":\"it broke\"}", "it broke" },
	{ "GET", "/applications", 200, false, "{\"success\":\"false\",\"result\":[],\"result_info\":{}}", "does not say" },
	{ "GET", "/applications", 200, false, "{\"success\":\"true\",\"result\":[],\"result_info\":{}}", "does not say" },
	{ "GET", "/applications", 200, false, "{\"success\":1,\"result\":[],\"result_info\":{}}", "does not say" },
	{ "GET", "/applications", 200, false, "{\"success\":false,\"result\":[],\"errors\":[{\"message\":\"no\"}]}", "no" },
	{ "GET", "/applications", 204, false, "", "holds no list" },
	{ "GET", "/applications", 202, false, "", "holds no list" },
	{ "GET", "/applications", 200, false, "", "empty" },
	{ "GET", "/applications", 200, false, PAGE("[{\"id\":\"a\"},{\"name\":\"b\"}]"), "item 1" },
	{ "GET", "/applications", 200, false, PAGE("[{\"id\":7}]"), "has no \"id\"" },
	{ "GET", "/applications", 200, false, PAGE("[{\"id\":\"\"}]"), "has no \"id\"" },
	{ "GET", "/applications", 200, false, PAGE("[null]"), "no object" },
	{ "GET", "/secrets", 200, false, OK("[{\"name\":\"s\"}]"), NULL },
	{ "GET", "/secrets", 200, false, OK("[{\"id\":\"s\"}]"), "has no \"name\"" },
	{ "GET", "/ips", 200, false, OK("{\"ips\":[{\"ip\":\"192.0.2.1\"}]}"), NULL },
	{ "GET", "/ips", 200, false, OK("{}"), "holds no list" },
	{ "GET", "/ips", 200, false, OK("{\"ips\":null}"), "holds no list" },
	{ "GET", "/applications/1/versions", 200, false, OK("[{\"version\":1}]"), NULL },
	/* Objects. */
	{ "GET", "/applications/1", 200, false, OK("{\"id\":\"1\"}"), NULL },
	{ "GET", "/applications/1", 200, false, OK("{}"), "has no \"id\"" },
	{ "GET", "/applications/1", 200, false, OK("null"), "holds no result" },
	{ "GET", "/applications/1", 200, false, OK("[]"), "holds no result" },
	/* About what was asked for. */
	{ "GET", "/applications/1", 200, false, OK("{\"id\":\"12\"}"), "another one: its \"id\" is 12" },
	{ "GET", "/applications/12", 200, false, OK("{\"id\":\"1\"}"), "another one" },
	{ "GET", "/applications/AB?x=1", 200, false, OK("{\"id\":\"ab\"}"), NULL },
	{ "GET", "/applications/a/rollouts/r", 200, false, OK("{\"id\":\"a\"}"), "another one" },
	{ "GET", "/applications/a/rollouts/r", 200, false, OK("{\"id\":\"r\"}"), NULL },
	{ "PATCH", "/deployments/d/v2", 200, false, OK("{\"id\":\"d\"}"), NULL },
	{ "PATCH", "/deployments/d/v2", 200, true, "{\"id\":\"e\"}", "another one" },
	{ "PATCH", "/secrets/a%20b%2Fc", 200, false, OK("{\"name\":\"a b/c\"}"), NULL },
	{ "PATCH", "/secrets/a", 200, false, OK("{\"name\":\"b\"}"), "another one" },
	{ "GET", "/me", 200, false, OK("null"), "holds no result" },
	{ "GET", "/me", 200, false, OK("{\"a\":1}"), "has no \"limits\"" },
	{ "GET", "/me", 200, false, OK("{\"limits\":{},\"locations\":{},\"defaults\":{}}"), "has no \"locations\"" },
	{ "GET", "/me", 200, false, OK("{\"limits\":{},\"locations\":[],\"defaults\":\"x\"}"), "has no \"defaults\"" },
	{ "GET", "/me", 200, false, OK("{\"limits\":{},\"locations\":[],\"defaults\":{}}"), NULL },
	{ "PATCH", "/me", 200, false, OK("{\"a\":1}"), "has no \"defaults\"" },
	{ "GET", "/usage", 200, false, OK("{\"usage\":{},\"maximum\":null}"), "has no \"maximum\"" },
	{ "GET", "/usage", 200, false, OK("{\"usage\":{},\"maximum\":{}}"), NULL },
	/* Changes. */
	{ "POST", "/applications", 201, false, OK("{\"id\":\"1\"}"), NULL },
	{ "POST", "/applications", 200, false, OK("{\"id\":\"1\"}"), NULL },
	{ "POST", "/applications", 201, false, OK("null"), "holds no result" },
	{ "POST", "/applications", 201, false, "{\"result\":{\"id\":\"1\"}}", "does not say" },
	{ "POST", "/applications", 204, false, "", "holds no result" },
	{ "PATCH", "/applications/1", 202, false, "", "holds no result" },
	{ "POST", "/registries/docker.io/credentials", 201, false, OK("{\"username\":\"u\"}"), "has no \"password\"" },
	/* Deletes: any success will do, but it must be one. */
	{ "DELETE", "/applications/1", 204, false, "", NULL },
	{ "DELETE", "/applications/1", 202, false, "", NULL },
	{ "DELETE", "/applications/1", 200, false, "{\"success\":true}", NULL },
	{ "DELETE", "/applications/1", 200, false, OK("{\"message\":\"gone\"}"), NULL },
	{ "DELETE", "/applications/1", 200, false, "{}", "does not say" },
	{ "DELETE", "/applications/1", 200, false, "", "empty" },
	/* Bare bodies, where they belong. */
	{ "GET", "/deployments/v2", 200, true, "[{\"id\":\"1\"}]", NULL },
	{ "GET", "/deployments/v2", 200, true, "[]", NULL },
	{ "GET", "/deployments/v2", 200, true, "{}", "holds no list" },
	{ "GET", "/deployments/v2", 200, true, "{\"error\":\"NOT_NOW\"}", "NOT_NOW" },
	{ "GET", "/deployments/v2", 200, true, OK("[{\"id\":\"1\"}]"), NULL },
	{ "GET", "/applications", 200, true, "[{\"id\":\"1\"}]", NULL },
	{ "POST", "/deployments/v2", 200, true, "{\"id\":\"1\"}", NULL },
	{ "POST", "/deployments/v2", 200, true, "{\"request_id\":\"1\"}", "has no \"id\"" },
	{ "DELETE", "/deployments/1/v2", 200, true, "{}", NULL },
	{ "DELETE", "/deployments/1/v2", 200, true, "{\"error\":\"NOT_NOW\"}", "NOT_NOW" },
};

static void an_answer_holds_what_it_must(void **state)
{
	(void)state;
	for (size_t i = 0; i < array_len(answers); i++) {
		const struct envelope in = { .status = answers[i].status,
					     .content_type = "",
					     .body = answers[i].body,
					     .len = strlen(answers[i].body),
					     .writing = strcmp(answers[i].method, "GET"),
					     .bare = answers[i].bare,
					     .operation = operation_find(answers[i].method, answers[i].path),
					     .path = answers[i].path };
		struct envelope_facts facts;
		struct answer answer = { 0 };
		struct err err = ERR_INIT;
		int r = envelope_take(&in, &answer, &err, &facts);

		assert_non_null(in.operation);
		if (r != (answers[i].text ? -EIO : 0) || (answers[i].text && !strstr(err.text, answers[i].text)))
			fail_msg("row %zu (%s %s %s): %s: %s", i, answers[i].method, answers[i].path, answers[i].body,
				 errno_name(-r), err.text);
		if (answers[i].text)
			assert_int_equal(err.http_status, answers[i].status);
		answer_clear(&answer);
	}
}

/* 40 MiB of "{}," are 10 GiB of objects. */
static void an_answer_is_bounded_by_what_it_takes(void **state)
{
	const size_t len = (size_t)40 << 20;
	struct answer answer = { 0 };
	struct err err = ERR_INIT;
	size_t bytes;
	unsigned depth;
	char *body;
	(void)state;

	body = malloc(len);
	assert_non_null(body);
	for (size_t i = 0; i < len; i += 3)
		memcpy(body + i, "{},", len - i < 3 ? len - i : 3);
	body[0] = '[';
	body[len - 1] = ']';
	assert_int_equal(parse(200, body, len, false, &answer, &err), -EIO);
	assert_non_null(strstr(err.text, "MiB, and 128 are allowed"));
	free(body);
	/* A text with brackets in it is a text. */
	answer_measure("{\"a\":\"[[[\\\"{{{\"}", strlen("{\"a\":\"[[[\\\"{{{\"}"), &bytes, &depth);
	assert_int_equal(depth, 1);
	answer_measure("[[[]],\"", 7, &bytes, &depth);
	assert_int_equal(depth, 3);
}

/* Comments and texts in single quotes, which json-c takes, would hide from the measure what comes behind them. */
static void what_is_not_quite_json_is_not_parsed(void **state)
{
	static const char *const bodies[] = {
		"/* */ {\"success\":true,\"result\":[]}",   "{'a':'\"',\"success\":true,\"result\":[]}",
		"{\"success\":true,\"result\":[NaN]}",      "{\"success\":true,\"result\":[],}",
		"{\"success\":true,\"result\":[Infinity]}", "{\"success\":true,\"result\":[]} {}",
		"{\"success\":true,\"result\":[1, ]}",      "{\"success\":true,/**/\"result\":[]}",
	};
	struct answer answer = { 0 };
	struct err err = ERR_INIT;
	(void)state;

	for (size_t i = 0; i < array_len(bodies); i++) {
		assert_int_equal(parse(200, bodies[i], strlen(bodies[i]), false, &answer, &err), -EIO);
		assert_null(answer.result);
	}
}

static void bodies_are_scrubbed(void **state)
{
	char text[200];
	const char *body = "{\"name\":\"keep\",\"auth\":{\"private_credential\":{\"x\":\"q\\\"uote\"}},\"value\":\"\"}";
	const char *two = "{\"name\":\"x\",\"value\":\"alpha-line-one\\nbravo-line-two\"}";
	const char *plain = "{\"environment_variables\":[{\"name\":\"A\",\"value\":\"2\"},{\"name\":\"B\",\"value\":\"true\"},"
			    "{\"name\":\"C\",\"value\":\"hunt\"}],\"labels\":[{\"name\":\"app\",\"value\":\"web\"}]}";
	const char *closed = "{\"secrets\":[{\"value\":\"2\"},{\"value\":\"true\"},{\"value\":\"web\"}]}";
	const char *open = "{\"environment_variables\":[{\"name\":\"URL\",\"value\":\"https://example.com\"}]}";
	(void)state;

	snprintf(text, sizeof(text), "keep q\"uote and q\\\"uote");
	scrub_body(text, body, strlen(body));
	assert_string_equal(text, "keep *** and ***");
	snprintf(text, sizeof(text), "value \"alpha-line-one bravo-line-two\" is not allowed");
	scrub_body(text, two, strlen(two));
	assert_string_equal(text, "value \"***\" is not allowed");
	snprintf(text, sizeof(text), "value \"alpha-line-one\" is not allowed");
	scrub_body(text, two, strlen(two));
	assert_string_equal(text, "value \"***\" is not allowed");
	/* Of what anybody may read, no pieces. */
	snprintf(text, sizeof(text), "https://other.com, not https://example.com");
	scrub_body(text, open, strlen(open));
	assert_string_equal(text, "https://other.com, not ***");
	/* A word that any message may have hides nothing there; where a secret is, it goes all the same. */
	snprintf(text, sizeof(text), "environment_variables[2].name: must be true, web or 2; \"hunt\"");
	scrub_body(text, plain, strlen(plain));
	assert_string_equal(text, "environment_variables[2].name: must be true, web or 2; \"***\"");
	snprintf(text, sizeof(text), "secrets[2].value: web of 2 is true");
	scrub_body(text, closed, strlen(closed));
	assert_string_equal(text, "secrets[2].value: *** of * is ***");
}

/* GraphQL's errors come with 200, and so does its refusal. */
static void graphql_says_what_went_wrong_with_200(void **state)
{
	static const struct {
		const char *body;
		int r;
		const char *text;
	} cases[] = {
		{ "{\"data\":{\"viewer\":{}},\"errors\":null}", 0, "" },
		{ "{\"data\":{\"viewer\":{}},\"errors\":[]}", 0, "" },
		{ "{\"data\":null,\"errors\":[{\"message\":\"unknown field colour\"}]}", -EIO, "unknown field colour" },
		{ "{\"data\":null,\"errors\":[{\"message\":\"Not authorized for that account\"}]}", -EACCES, "Not authorized" },
		{ "{\"data\":null,\"errors\":[{}]}", -EIO, "no reason" },
		{ "{\"data\":null,\"errors\":null}", -EIO, "no data" },
		{ "{}", -EIO, "no data" },
	};
	(void)state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct envelope in = {
			.status = 200, .content_type = "", .body = cases[i].body, .len = strlen(cases[i].body), .graphql = true
		};
		struct envelope_facts facts;
		struct answer answer = { 0 };
		struct err err = ERR_INIT;

		assert_int_equal(envelope_take(&in, &answer, &err, &facts), cases[i].r);
		assert_non_null(strstr(err.text, cases[i].text));
		assert_false(facts.lacking);
		if (cases[i].r == 0)
			assert_true(json_object_object_get_ex(answer.result, "viewer", NULL));
		answer_clear(&answer);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(failures_become_errno_and_text),       cmocka_unit_test(nothing_is_said_twice),
		cmocka_unit_test(the_request_id_of_the_body_is_kept),   cmocka_unit_test(successes_of_all_shapes),
		cmocka_unit_test(odd_bytes_stay_out_of_texts),          cmocka_unit_test(deep_and_broken_documents_are_refused),
		cmocka_unit_test(foreign_answers_are_told_apart),       cmocka_unit_test(bodies_are_scrubbed),
		cmocka_unit_test(an_answer_holds_what_it_must),         cmocka_unit_test(an_answer_is_bounded_by_what_it_takes),
		cmocka_unit_test(what_is_not_quite_json_is_not_parsed), cmocka_unit_test(graphql_says_what_went_wrong_with_200),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
