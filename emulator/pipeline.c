/* What every call goes through: log, rate limit, faults, credentials, route, body, transaction, answer. */
#include "emulator/exchange.h"

#include <errno.h>
#include <inttypes.h>
#include <sodium.h>

#include "emulator/ascii.h"
#include "emulator/auth.h"
#include "emulator/fault.h"
#include "emulator/oci.h"
#include "emulator/rate.h"
#include "emulator/reqlog.h"
#include "emulator/route.h"
#include "emulator/settle.h"

#define JSON_DEPTH_MAX 32
#define BASE_PATH      "/client/v4"

/* Splits the query string into c->query; what is past the bound is dropped. */
static int read_query(struct call *c, const char *query)
{
	while (*query && c->queries < CALL_QUERY_MAX) {
		size_t len = strcspn(query, "&");
		char *text;
		int r = percent_decode(query, len, true, &text);

		if (r < 0)
			return r;
		c->query[c->queries].key = text;
		text += strcspn(text, "=");
		if (*text)
			*text++ = '\0';
		c->query[c->queries++].value = text;
		query += len + (query[len] == '&');
	}
	return 0;
}

static int read_body(struct call *c, const struct exchange *ex)
{
	cleanup_buf_ struct buf text = BUF_INIT;
	struct json_tokener *t;
	enum json_tokener_error e;
	int r;

	if (ex->body_too_large)
		return call_fail(c, 413, NULL, "The body is larger than %zu bytes", EMULATOR_BODY_MAX);
	if (!(c->route->flags & ROUTE_BODY))
		return 0;
	if (ex->body_len == 0 && (c->route->flags & ROUTE_EMPTY)) {
		c->body = json_object_new_object();
		return c->body ? 0 : -ENOMEM;
	}
	r = ascii_json(ex->body ? ex->body : "", ex->body_len, &text);
	if (r == -EILSEQ)
		return call_invalid_field(c, "body", "is not valid JSON: it is not UTF-8");
	if (r < 0)
		return r;
	t = json_tokener_new_ex(JSON_DEPTH_MAX);
	if (!t)
		return -ENOMEM;
	json_tokener_set_flags(t, JSON_TOKENER_STRICT);
	c->body = json_tokener_parse_ex(t, text.data ? text.data : "", (int)text.len);
	/* A document that ends where it could go on (a number, or nothing) is finished by a NUL. */
	if (json_tokener_get_error(t) == json_tokener_continue && !c->body)
		c->body = json_tokener_parse_ex(t, "", 1);
	e = json_tokener_get_error(t);
	json_tokener_free(t);
	if (e != json_tokener_success)
		return call_invalid_field(c, "body", "is not valid JSON: %s",
					  e == json_tokener_continue ? "it ends too early" : json_tokener_error_desc(e));
	if (!json_object_is_type(c->body, json_type_object))
		return call_invalid_field(c, "body", "must be a JSON object");
	return 0;
}

/* What the nulls of a body mean. */
static int treat_nulls(struct call *c)
{
	cleanup_problems_ struct problems p = PROBLEMS_INIT;

	if (!c->body || c->above || c->em->options.null == NULL_CLEAR)
		return 0;
	if (c->em->options.null == NULL_IGNORE) {
		schema_strip_null(c->body);
		return 0;
	}
	schema_nulls(c->body, "", &p);
	return p.count ? call_invalid(c, &p) : 0;
}

static void mask_member(struct json_object *obj, const char *key)
{
	struct json_object *v = json_member(obj, key);

	if (v && !json_object_is_type(v, json_type_object))
		json_object_object_add(obj, key, json_object_new_string("***"));
}

/* The body as the log may show it; freed by the caller, NULL for none. */
static char *masked_body(const struct call *c, const struct exchange *ex)
{
	unsigned mask = c->route ? c->route->flags & ROUTE_MASK : 0;
	cleanup_json_ struct json_object *copy = NULL;
	struct json_object *list;

	if (!ex->body_len)
		return NULL;
	if (!mask)
		return strndup(ex->body, REQLOG_BODY_MAX);
	if (!c->body || json_object_deep_copy(c->body, &copy, NULL) < 0)
		return strdup("***");
	if (mask & ROUTE_MASK_VALUE)
		mask_member(copy, "value");
	if (mask & ROUTE_MASK_AUTH)
		mask_member(json_member(copy, "auth"), "private_credential");
	list = mask & ROUTE_MASK_SECRETS ? json_member(copy, "secrets") : NULL;
	if (list && !json_object_is_type(list, json_type_array))
		mask_member(copy, "secrets");
	else if (list)
		for (size_t i = 0; i < json_object_array_length(list); i++)
			mask_member(json_object_array_get_idx(list, i), "value");
	return strdup(json_object_to_json_string_ext(copy, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
}

/* Runs the handler on the state. */
static int run(struct call *c)
{
	bool change = c->route->flags & ROUTE_CHANGE;
	int r;

	scope_lock(emulator, c->em);
	c->now = vclock_now(&c->em->clock);
	settle(c->em, c->now);
	if (change && store_begin(c->store) < 0)
		return -EIO;
	r = c->route->handler(c);
	if (change && store_end(c->store, r == 0) < 0)
		r = -EIO;
	return r;
}

/* What the token has to be good for. */
static unsigned needed(const struct call *c, int found)
{
	unsigned flags = found == 0 ? c->route->flags : 0;

	if (flags & ROUTE_ANALYTICS)
		return 0; /* it tells in its own words what it may not */
	if (flags & ROUTE_LOGS)
		return PERMIT_LOGS;
	if (c->bare)
		return PERMIT_CHAMBER | (flags & ROUTE_CHANGE ? PERMIT_WRITE : 0);
	return flags & ROUTE_CHANGE ? PERMIT_WRITE : PERMIT_READ;
}

/* Everything after the faults. */
static int serve(struct call *c, const struct exchange *ex, int found)
{
	int r;

	r = auth_check(c, ex, needed(c, found));
	if (r < 0)
		return r;
	if (found == -ENOENT) {
		r = call_fail(c, 404, NULL, "Could not route to %.200s, perhaps your object identifier is invalid?", ex->path);
		c->fail.code = 7003;
		return r;
	}
	if (found == -EPERM)
		return call_fail(c, 405, NULL, "Method %s is not allowed here", ex->method);
	if (found < 0)
		return call_fail(c, 400, NULL, "The path is not encoded well");
	r = read_body(c, ex);
	if (r == 0)
		r = treat_nulls(c);
	if (r < 0)
		return r;
	c->status = c->route->status;
	call_begin_answer(c);
	return run(c);
}

/*
 * Takes account and prefix from a path; NULL where it is not of the API, else the rest of it. What stands beside the two
 * prefixes keeps its name.
 */
static const char *split_path(struct call *c, const char *path)
{
	static const char accounts[] = BASE_PATH "/accounts/", graphql[] = BASE_PATH "/graphql", workers[] = "/workers/";
	static const struct {
		const char *text;
		bool bare;
	} prefixes[] = { { "/containers", false }, { "/cloudchamber", true } };

	if (strcmp(path, graphql) == 0) {
		/* It has no envelope either. */
		c->above = c->bare = true;
		return path + strlen(BASE_PATH);
	}
	if (strncmp(path, accounts, strlen(accounts)) != 0)
		return NULL;
	path += strlen(accounts);
	if (strcspn(path, "/") != 32 || strspn(path, "0123456789abcdefABCDEF") != 32)
		return NULL;
	snprintf(c->account, sizeof(c->account), "%.32s", path);
	for (char *p = c->account; *p; p++)
		*p = (char)(*p >= 'A' && *p <= 'F' ? *p | 0x20 : *p);
	path += 32;
	for (size_t i = 0; i < array_len(prefixes); i++) {
		size_t len = strlen(prefixes[i].text);

		if (strncmp(path, prefixes[i].text, len) == 0 && (path[len] == '/' || !path[len])) {
			c->bare = prefixes[i].bare;
			return path + len;
		}
	}
	c->above = strncmp(path, workers, strlen(workers)) == 0;
	return c->above ? path : NULL;
}

static void fault_answer(const struct fault *f, struct exchange *ex, struct call *c)
{
	static const char *const texts[] = { "Too many requests", "The service failed" };

	ex->status = f->status ? f->status : 200;
	if (f->body) {
		buf_clear(&ex->answer.b);
		out_raws(&ex->answer, f->body);
		if (*f->body == '<')
			ex->type = "text/html";
		else if (*f->body != '{' && *f->body != '[')
			ex->type = "text/plain";
		return;
	}
	call_begin_answer(c);
	call_fail(c, ex->status, NULL, "%s (a fault asked for it)", texts[ex->status != 429]);
	call_end_answer(c, ex->status >= 400 ? -EINVAL : 0, ex->ray);
}

/* How the answer travels, and whether the call is served at all. */
static bool fault_delivery(const struct fault *f, struct exchange *ex)
{
	ex->faulty = true;
	ex->delay_ms += f->latency_ms;
	ex->truncate = f->truncate;
	ex->stall = f->stall;
	ex->close = f->close != FAULT_OPEN;
	if (f->retry_after >= 0)
		ex->retry_after = f->retry_after;
	return f->close != FAULT_CLOSE_BEFORE && !f->status && !f->body;
}

static void new_ray(char ray[32])
{
	unsigned char b[8];

	randombytes_buf(b, sizeof(b));
	snprintf(ray, 32, "%02x%02x%02x%02x%02x%02x%02x%02x-EMU", b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]);
}

static void api_handle(struct emulator *em, struct exchange *ex)
{
	struct call c = { .em = em, .store = em->store, .out = &ex->answer, .fail.details = OUT_INIT };
	const char *rest = split_path(&c, ex->path);
	int found = rest ? route_find(ex->method, rest, &c) : -ENOENT;
	cleanup_free_ char *body = NULL;
	struct fault *fault;
	struct rate *limit;
	uint64_t number;
	bool serving = true;
	int r = 0;

	if (found == 0 && read_query(&c, ex->query) < 0)
		found = -EINVAL;
	number = reqlog_begin(em->log, ex, c.account, rest ? rest : ex->path);
	limit = found == 0 && (c.route->flags & ROUTE_ANALYTICS) ? em->queries : em->rate;
	if (rest && rate_take(limit, c.account, ex)) {
		r = call_fail(&c, 429, NULL, "Too many requests");
		serving = false;
	}
	fault = serving ? faults_take(em->faults, ex->method, rest ? rest : ex->path) : NULL;
	if (fault)
		serving = fault_delivery(fault, ex);
	if (serving)
		r = serve(&c, ex, found);
	else if (found == 0 && (c.route->flags & ROUTE_MASK))
		read_body(&c, ex);
	if (fault && !serving) {
		fault_answer(fault, ex, &c);
	} else {
		call_end_answer(&c, r, ex->ray);
		ex->status = c.status;
	}
	body = masked_body(&c, ex);
	reqlog_end(em->log, number, ex->close || ex->stall < 0 ? 0 : ex->status, body, fault != NULL);
	fault_free(fault);
	call_clear(&c);
}

/* The registry has credentials, errors and a budget of its own. */
static void registry_handle(struct emulator *em, struct exchange *ex)
{
	struct call c = { .em = em, .out = &ex->answer, .fail.details = OUT_INIT };
	uint64_t number = reqlog_begin(em->log, ex, "", ex->path);
	struct fault *fault = faults_take(em->faults, ex->method, ex->path);

	if (!fault || fault_delivery(fault, ex))
		oci_handle(em, ex);
	else
		fault_answer(fault, ex, &c);
	reqlog_end(em->log, number, ex->close || ex->stall < 0 ? 0 : ex->status, NULL, fault != NULL);
	fault_free(fault);
	call_clear(&c);
}

void pipeline_handle(struct emulator *em, struct exchange *ex)
{
	static const char control[] = "/__emulator/";

	ex->status = 500;
	ex->type = "application/json";
	ex->retry_after = -1;
	ex->truncate = ex->stall = DELIVER_WHOLE;
	new_ray(ex->ray);
	if (strncmp(ex->path, control, strlen(control)) == 0) {
		control_handle(em, ex, ex->path + strlen(control));
		return;
	}
	ex->delay_ms = em->options.latency_ms;
	if (strncmp(ex->path, "/v2/", 4) == 0)
		registry_handle(em, ex);
	else
		api_handle(em, ex);
}
