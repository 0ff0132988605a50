/*
 * Answers from any bytes: a success holds what its operation must answer, a failure has an errno and a text of one line, and
 * nothing is left filled. The first byte chooses the operation, the second the status and the rest of the circumstances.
 */
#include <ctype.h>
#include <json-c/json.h>

#include "api/complaint.h"
#include "api/envelope.h"
#include "api/operation.h"
#include "fuzz.h"

static const int statuses[] = { 200, 201, 202, 204, 302, 400, 401, 403, 404, 405, 409, 429, 500, 502 };
static const char *const types[] = { "", "application/json", "text/html; charset=utf-8", "text/plain" };

static const struct operation *choose(unsigned n)
{
	const struct operation *o = operations;

	while (n-- && o->id)
		o++;
	return o->id ? o : NULL;
}

static void succeeded(const struct envelope *in, struct answer *answer)
{
	MUST(in->status >= 200 && in->status < 300 && answer->status == in->status);
	if (!in->operation)
		return;
	MUST(answer_check(in->operation, in->path, in->bare, answer, NULL) == 0);
	if (in->operation->answers == ANSWER_OBJECT)
		MUST(json_object_is_type(answer->result, json_type_object));
	if (in->operation->answers == ANSWER_ITEMS && !in->operation->list_key)
		MUST(json_object_is_type(answer->result, json_type_array));
}

static void failed(int r, const struct err *err, const struct answer *answer)
{
	MUST(r < 0 && err->errnum == -r && err->text[0] && !answer->result && !answer->result_info);
	for (const char *p = err->text; *p; p++)
		MUST((unsigned char)*p >= ' ' && *p != 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct envelope in = { 0 };
	struct envelope_facts facts;
	struct answer answer = { 0 };
	struct err err = ERR_INIT;
	size_t bytes;
	unsigned depth;
	int r;

	if (size < 2)
		return 0;
	in.operation = choose(data[0] & 0x3f);
	in.bare = data[0] & 0x40;
	in.writing = in.operation ? strcmp(in.operation->method, "GET") : data[0] & 0x80;
	in.policy = data[0] & 0x80 ? "default" : NULL;
	in.status = statuses[data[1] % array_len(statuses)];
	in.content_type = types[data[1] >> 6];
	in.body = (const char *)data + 2;
	in.len = size - 2;
	answer_measure(in.body, in.len, &bytes, &depth);
	MUST(depth <= in.len && bytes <= 1000 * in.len);
	r = envelope_take(&in, &answer, &err, &facts);
	if (r == 0)
		succeeded(&in, &answer);
	else
		failed(r, &err, &answer);
	answer_clear(&answer);
	complaint_policy(operation_find("POST", "/applications"), in.body, in.len);
	return 0;
}
