#include "emulator/call.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <sodium.h>

#include "api/base/parse.h"

static const struct {
	int status;
	int code;
} codes[] = {
	{ 400, 1400 }, { 401, 10000 }, { 403, 10000 }, { 404, 1404 },  { 405, 10405 },
	{ 409, 1409 }, { 413, 1413 },  { 414, 1414 },  { 429, 10429 }, { 500, 1500 },
};

static int fail_start(struct call *c, int status, const char *word)
{
	c->fail.status = status;
	c->fail.word = word;
	c->fail.code = 1000;
	c->fail.inside = false;
	for (size_t i = 0; i < array_len(codes); i++)
		if (codes[i].status == status)
			c->fail.code = codes[i].code;
	buf_clear(&c->fail.details.b);
	return -EINVAL;
}

int call_fail(struct call *c, int status, const char *word, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(c->fail.text, sizeof(c->fail.text), fmt, args);
	va_end(args);
	return fail_start(c, status, word);
}

int call_invalid(struct call *c, const struct problems *p)
{
	int r = fail_start(c, 400, "VALIDATE_INPUT");

	c->fail.inside = true;
	snprintf(c->fail.text, sizeof(c->fail.text), "The input is not valid");
	out_raws(&c->fail.details, out_text(&p->details));
	return r;
}

int call_invalid_field(struct call *c, const char *path, const char *fmt, ...)
{
	cleanup_problems_ struct problems p = PROBLEMS_INIT;
	char text[256];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	problem_add(&p, path, "%s", text);
	return call_invalid(c, &p);
}

int call_not_found(struct call *c, const char *what)
{
	return call_fail(c, 404, NULL, "%s not found", what);
}

const char *call_query(const struct call *c, const char *key, unsigned nth)
{
	for (unsigned i = 0; i < c->queries; i++)
		if (strcmp(c->query[i].key, key) == 0 && nth-- == 0)
			return c->query[i].value;
	return NULL;
}

/* What the filters are, in a few digits: a page goes on under the same ones. */
static unsigned filters_of(const struct call *c)
{
	unsigned h = 2166136261u;

	for (unsigned i = 0; i < c->queries; i++) {
		const char *key = c->query[i].key;

		if (strcmp(key, "per_page") == 0 || strcmp(key, "page_token") == 0)
			continue;
		for (const char *s = key; *s; s++)
			h = (h ^ (unsigned char)*s) * 16777619u;
		for (const char *s = c->query[i].value; *s; s++)
			h = (h ^ (unsigned char)*s) * 16777619u;
	}
	return h;
}

int call_page(struct call *c, int64_t otherwise, int64_t max, struct page *ret)
{
	const char *per_page = call_query(c, "per_page", 0), *token = call_query(c, "page_token", 0), *end;
	char text[24];

	*ret = (struct page){ .limit = otherwise };
	if (per_page && parse_int64(per_page, 1, max, &ret->limit) < 0)
		return call_invalid_field(c, "per_page", "must be an integer between 1 and %" PRId64, max);
	if (token && *token) {
		/* A token is a sequence number in a dress that keeps clients from counting with it. */
		end = strchr(token, '-');
		snprintf(text, sizeof(text), "%.*s", end ? (int)(end - token) : 0, token);
		if (text[0] != 'p' || parse_int64(text + 1, 0, INT64_MAX, &ret->after) < 0)
			return call_invalid_field(c, "page_token", "is not a token of this list");
		if (strtoul(end + 1, NULL, 16) != filters_of(c))
			return call_invalid_field(c, "page_token", "is of a list with other filters");
		ret->limit = ret->limit ? ret->limit : 100;
	}
	c->paged = true;
	c->per_page = ret->limit;
	return 0;
}

bool call_page_takes(struct call *c, struct page *p, int64_t number)
{
	if (p->limit && p->n == p->limit) {
		snprintf(c->next_token, sizeof(c->next_token), "p%" PRId64 "-%x", p->last, filters_of(c));
		return false;
	}
	p->n++;
	p->last = number;
	return true;
}

int call_rows(struct call *c, sqlite3_stmt *query, row_writer *write)
{
	cleanup_query_ sqlite3_stmt *q = query;

	out_open(c->out, '[');
	while (store_row(c->store, q))
		write(c, q);
	out_close(c->out, ']');
	return 0;
}

int call_row(struct call *c, sqlite3_stmt *query, row_writer *write, const char *what)
{
	cleanup_query_ sqlite3_stmt *q = query;

	if (!store_row(c->store, q))
		return call_not_found(c, what);
	write(c, q);
	return 0;
}

int call_check(struct call *c, const struct field *fields, unsigned how)
{
	cleanup_problems_ struct problems p = PROBLEMS_INIT;

	schema_check(fields, c->body, "", how | CHECK_CLOSED | (emulator_live(c->em) ? CHECK_DEEP : 0u), &p);
	return p.count ? call_invalid(c, &p) : 0;
}

int call_check_modify(struct call *c, const struct field *fields, const struct field *create)
{
	json_object_object_foreach(c->body, key, unused) {
		(void)unused;
		if (!schema_field(fields, key) && schema_field(create, key))
			return call_invalid_field(c, key, "cannot change after creation");
	}
	return call_check(c, fields, CHECK_PARTIAL);
}

/* Seeding happens under the emulator's lock, as every other change: so plain statics. */
static struct {
	char account[33];
	int64_t serial;
	bool on;
} seeded;

int64_t ids_seeded(const char *account, int64_t serial)
{
	int64_t next = seeded.serial;

	seeded.on = account != NULL;
	if (account) {
		snprintf(seeded.account, sizeof(seeded.account), "%s", account);
		seeded.serial = serial;
	}
	return next;
}

static void id_bytes(unsigned char *bytes, size_t len)
{
	char name[64];

	if (!seeded.on) {
		randombytes_buf(bytes, len);
		return;
	}
	snprintf(name, sizeof(name), "%s %" PRId64, seeded.account, seeded.serial++);
	crypto_generichash(bytes, len, (const unsigned char *)name, strlen(name), NULL, 0);
}

void id_make(char id[ID_SIZE])
{
	unsigned char b[16];

	id_bytes(b, sizeof(b));
	b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
	b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
	snprintf(id, ID_SIZE, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1], b[2], b[3],
		 b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
}

void id_make_hex64(char id[65])
{
	unsigned char b[32];

	id_bytes(b, sizeof(b));
	sodium_bin2hex(id, 65, b, sizeof(b));
}

void call_clear(struct call *c)
{
	for (unsigned i = 0; i < CALL_ARGS_MAX; i++)
		free(c->arg[i]);
	for (unsigned i = 0; i < c->queries; i++)
		free(c->query[i].key);
	json_object_put(c->body);
	out_free(&c->fail.details);
}

#define ENVELOPE_HEAD "{\"success\":true,\"result\":"

void call_begin_answer(struct call *c)
{
	buf_clear(&c->out->b);
	if (!c->bare)
		out_raws(c->out, ENVELOPE_HEAD);
}

static void end_good(struct call *c)
{
	struct out *o = c->out;

	if (c->status == 204) {
		buf_clear(&o->b);
		return;
	}
	if (c->bare) {
		if (o->b.len == 0)
			out_raws(o, "{}");
		return;
	}
	/* A handler that wrote nothing has no result. */
	if (o->b.len == strlen(ENVELOPE_HEAD)) {
		buf_clear(&o->b);
		out_raws(o, "{\"success\":true");
	}
	out_raws(o, emulator_live(c->em) ? ",\"messages\":[],\"errors\":[]" : ",\"errors\":[],\"messages\":[]");
	if (c->paged) {
		out_raws(o, ",\"result_info\":{");
		if (c->per_page)
			out_kint(o, "per_page", c->per_page);
		if (c->next_token[0])
			out_kstr(o, "next_page_token", c->next_token);
		out_raws(o, "}");
	}
	out_raws(o, "}");
}

static void error_member(struct call *c, struct out *o, const char *request_id)
{
	out_kstr(o, "error", c->fail.word ? c->fail.word : c->fail.text);
	out_key(o, "details");
	out_open(o, '{');
	if (c->fail.details.b.len)
		out_raws(o, out_text(&c->fail.details));
	else
		out_kstr(o, "message", c->fail.text);
	out_close(o, '}');
	out_kstr(o, "request_id", request_id);
}

/*
 * The three shapes that the service has: VALIDATE_INPUT as JSON inside the message, other words as
 * top-level members beside the sentence, and the bare sentence.
 */
static void end_failed(struct call *c, const char *request_id)
{
	cleanup_out_ struct out inner = OUT_INIT;
	struct out *o = c->out;
	bool inside = c->fail.inside;

	buf_clear(&o->b);
	o->error = 0;
	out_open(o, '{');
	if (c->bare) {
		error_member(c, o, request_id);
		out_close(o, '}');
		return;
	}
	out_raws(o, "\"success\":false,\"result\":null,\"errors\":[{");
	out_kint(o, "code", c->fail.code);
	if (inside) {
		out_open(&inner, '{');
		out_kstr(&inner, "error", c->fail.word);
		out_rawf(&inner, ",\"details\":{");
		out_raws(&inner, out_text(&c->fail.details));
		out_raws(&inner, "}}");
	}
	out_kstr(o, "message", inside ? out_text(&inner) : c->fail.text);
	out_raws(o, "}],\"messages\":[]");
	if (c->fail.word && !inside)
		error_member(c, o, request_id);
	out_close(o, '}');
}

void call_end_answer(struct call *c, int r, const char *request_id)
{
	if (r == 0 && c->out->error) {
		r = c->out->error;
		c->fail.status = 0;
	}
	if (r == 0) {
		end_good(c);
		return;
	}
	if (!c->fail.status)
		call_fail(c, 500, NULL, "The emulator failed: %s", strerror(-r));
	c->status = c->fail.status;
	end_failed(c, request_id);
}
