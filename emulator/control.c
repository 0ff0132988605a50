/* The part of the server that tests talk to, under /__emulator/. No token, no rate limit, not in the log. */
#include <errno.h>

#include "api/base/parse.h"
#include "emulator/exchange.h"
#include "emulator/fault.h"
#include "emulator/overview.h"
#include "emulator/rate.h"
#include "emulator/reqlog.h"
#include "emulator/route.h"
#include "emulator/seed.h"
#include "emulator/settle.h"

struct control {
	struct emulator *em;
	struct exchange *ex;
	struct json_object *body; /* NULL where none came */
	char text[1024];          /* why it was refused */
};

char *exchange_parameter(const struct exchange *ex, const char *key)
{
	size_t n = strlen(key);
	char *value = NULL;

	for (const char *q = ex->query; *q;) {
		size_t len = strcspn(q, "&");

		if (strncmp(q, key, n) == 0 && q[n] == '=') {
			if (percent_decode(q + n + 1, len - n - 1, true, &value) < 0)
				return NULL;
			return value;
		}
		q += len + (q[len] == '&');
	}
	return NULL;
}

static int requests_get(struct control *c)
{
	cleanup_free_ char *since = exchange_parameter(c->ex, "since");
	cleanup_free_ char *method = exchange_parameter(c->ex, "method");
	cleanup_free_ char *path = exchange_parameter(c->ex, "path");
	cleanup_free_ char *count = exchange_parameter(c->ex, "count");
	int64_t from = 0;

	if (since && parse_int64(since, 0, INT64_MAX, &from) < 0) {
		snprintf(c->text, sizeof(c->text), "since is the number (n) of an entry");
		return -EINVAL;
	}
	if (path && !fault_glob_bounded(path)) {
		snprintf(c->text, sizeof(c->text), "path has more than %d wildcards", FAULT_WILDCARDS_MAX);
		return -EINVAL;
	}
	if (count) {
		out_open(&c->ex->answer, '{');
		out_kint(&c->ex->answer, "count", (int64_t)reqlog_count(c->em->log));
		out_close(&c->ex->answer, '}');
		return 0;
	}
	reqlog_list(c->em->log, &c->ex->answer, (uint64_t)from, method, path);
	return 0;
}

static int requests_delete(struct control *c)
{
	reqlog_clear(c->em->log);
	return 0;
}

static int faults_get(struct control *c)
{
	faults_list(c->em->faults, &c->ex->answer);
	return 0;
}

/* One fault, or an array of them. */
static int faults_post(struct control *c)
{
	int r = 0;

	if (!json_object_is_type(c->body, json_type_array))
		return faults_add(c->em->faults, c->body, c->text, sizeof(c->text));
	for (size_t i = 0; r == 0 && i < json_object_array_length(c->body); i++)
		r = faults_add(c->em->faults, json_object_array_get_idx(c->body, i), c->text, sizeof(c->text));
	return r;
}

static int faults_delete(struct control *c)
{
	faults_clear(c->em->faults);
	return 0;
}

static int seed_post(struct control *c)
{
	return seed_run(c->em, c->body, &c->ex->answer, c->text, sizeof(c->text));
}

static int clock_answer(struct control *c)
{
	int64_t now;

	scope_lock(emulator, c->em);
	now = vclock_now(&c->em->clock);
	settle(c->em, now);
	out_open(&c->ex->answer, '{');
	out_ktime(&c->ex->answer, "now", now);
	out_kint(&c->ex->answer, "now_ms", now);
	out_knum(&c->ex->answer, "time_scale", c->em->clock.scale);
	out_close(&c->ex->answer, '}');
	return 0;
}

#define ADVANCE_MAX (10.0 * 366 * 86400)

static int clock_post(struct control *c)
{
	double seconds = json_num(c->body, "advance_seconds", -1);

	if (!(seconds >= 0) || seconds > ADVANCE_MAX) {
		snprintf(c->text, sizeof(c->text), "advance_seconds is a number from 0 to %g", ADVANCE_MAX);
		return -EINVAL;
	}
	emulator_lock(c->em);
	vclock_advance(&c->em->clock, (int64_t)(seconds * 1000));
	store_exec(c->em->store, "INSERT OR REPLACE INTO meta(key, value) VALUES('clock', ?1)", "i", vclock_now(&c->em->clock));
	emulator_unlock(c->em);
	return clock_answer(c);
}

static int overview_get(struct control *c)
{
	return overview_write(c->em, &c->ex->answer);
}

static int page_get(struct control *c)
{
	page_write(c->ex);
	return 0;
}

static int rate_delete(struct control *c)
{
	rate_clear(c->em->rate);
	rate_clear(c->em->queries);
	return 0;
}

/* Everything goes: accounts, calls, faults, rate-limit windows. The clock goes on. */
static int state_delete(struct control *c)
{
	static const char *const empty[] = {
		"DELETE FROM account",  "DELETE FROM application", "DELETE FROM version",     "DELETE FROM conf",
		"DELETE FROM rollout",  "DELETE FROM deployment",  "DELETE FROM placement",   "DELETE FROM step",
		"DELETE FROM job",      "DELETE FROM instance",    "DELETE FROM secret",      "DELETE FROM sshkey",
		"DELETE FROM registry", "DELETE FROM proto",       "DELETE FROM preparation", "DELETE FROM image",
	};
	struct store *s = c->em->store;
	bool ok = true;
	int r;

	scope_lock(emulator, c->em);
	r = store_begin(s);
	for (size_t i = 0; r == 0 && i < array_len(empty); i++)
		ok = store_exec(s, empty[i], "") == 0 && ok;
	if (r == 0)
		r = store_end(s, ok);
	faults_clear(c->em->faults);
	reqlog_clear(c->em->log);
	rate_clear(c->em->rate);
	rate_clear(c->em->queries);
	return r;
}

static const struct {
	const char *method, *path;
	bool body;
	int (*handler)(struct control *c);
} controls[] = {
	{ "GET", "requests", false, requests_get },   { "DELETE", "requests", false, requests_delete },
	{ "GET", "faults", false, faults_get },       { "POST", "faults", true, faults_post },
	{ "DELETE", "faults", false, faults_delete }, { "POST", "seed", true, seed_post },
	{ "GET", "clock", false, clock_answer },      { "POST", "clock", true, clock_post },
	{ "DELETE", "state", false, state_delete },   { "DELETE", "rate", false, rate_delete },
	{ "GET", "overview", false, overview_get },   { "GET", "", false, page_get },
};

static int run(struct control *c, const char *path)
{
	enum json_tokener_error e;

	for (size_t i = 0; i < array_len(controls); i++) {
		if (strcmp(controls[i].path, path) != 0 || strcmp(controls[i].method, c->ex->method) != 0)
			continue;
		if (controls[i].body) {
			c->body = json_tokener_parse_verbose(c->ex->body ? c->ex->body : "", &e);
			if (!c->body) {
				snprintf(c->text, sizeof(c->text), "the body is not valid JSON: %s", json_tokener_error_desc(e));
				return -EINVAL;
			}
		}
		return controls[i].handler(c);
	}
	snprintf(c->text, sizeof(c->text), "no such endpoint: %s %.100s", c->ex->method, path);
	return -ENOENT;
}

/* "HOST:PORT", or without the port where that is the scheme's own. */
static bool names_host(const char *given, const char *own)
{
	const char *colon = strrchr(own, ':');

	if (strcasecmp(given, own) == 0)
		return true;
	return (strcmp(colon, ":80") == 0 || strcmp(colon, ":443") == 0) && strlen(given) == (size_t)(colon - own) &&
	       strncasecmp(given, own, strlen(given)) == 0;
}

/*
 * There is no token here, so a page that some browser of this machine shows must not get in: neither by a name of its
 * own that leads to this address, nor by a request across origins.
 */
static bool from_here(const struct exchange *ex)
{
	char named[32];
	const char *end;

	if (!ex->host || !ex->local[0])
		return false;
	snprintf(named, sizeof(named), "localhost%s", strrchr(ex->local, ':'));
	if (!names_host(ex->host, ex->local) && !(ex->loopback && names_host(ex->host, named)))
		return false;
	if (ex->fetch_site && strcmp(ex->fetch_site, "same-origin") != 0 && strcmp(ex->fetch_site, "none") != 0)
		return false;
	end = ex->origin ? strstr(ex->origin, "://") : NULL;
	return !ex->origin || (end && strcasecmp(end + 3, ex->host) == 0);
}

void control_handle(struct emulator *em, struct exchange *ex, const char *path)
{
	struct control c = { .em = em, .ex = ex };
	struct out *o = &ex->answer;
	int r = -EPERM;

	if (from_here(ex))
		r = run(&c, path);
	else
		snprintf(c.text, sizeof(c.text), "only for requests to the emulator's own address, and of no other page");
	json_object_put(c.body);
	ex->status = r == 0 ? 200 : r == -ENOENT ? 404 : r == -EINVAL ? 400 : r == -EPERM ? 403 : 500;
	if (r == 0 && o->b.len)
		return;
	buf_clear(&o->b);
	out_open(o, '{');
	if (r == 0)
		out_kbool(o, "ok", true);
	else
		out_kstr(o, "error", c.text[0] ? c.text : strerror(-r));
	out_close(o, '}');
}
