/* What the tests of the client share: a token in a file, a client of one test server, a script of replies, callers at once. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/stat.h>
#include <json-c/json.h>

#include "api/base/rand.h"
#include "api/client.h"
#include "api/credentials.h"
#include "http_server.h"

#define ACCOUNT "0123456789abcdef0123456789abcdef"
#define PREFIX  "/client/v4/accounts/" ACCOUNT "/containers"
#define TOKEN   "sesame-open-0123"
#define OK_BODY "{\"success\":true,\"result\":{\"id\":\"x\"},\"errors\":[],\"messages\":[]}"

static char token_path[64];

static inline void write_token(const char *token)
{
	FILE *f = fopen(token_path, "w");

	assert_non_null(f);
	fputs(token, f);
	fclose(f);
	assert_int_equal(chmod(token_path, 0600), 0);
}

static inline struct client *new_client(const char *url, unsigned retries, int64_t timeout_ms)
{
	struct client_options options = {
		.base_url = url,
		.account_id = ACCOUNT,
		.rps = 1000,
		.burst = 1000,
		.max_conns = 8,
		.retries = retries,
		.connect_timeout_ms = 2000,
		.timeout_ms = timeout_ms,
	};
	struct credentials *credentials;
	struct client *client = NULL;
	struct err err = ERR_INIT;

	if (credentials_load(token_path, &credentials, &err) < 0 || client_new(&options, credentials, &client, &err) < 0)
		fail_msg("%s", err.text);
	return client;
}

struct fixture {
	struct server *server;
	struct client *client;
	struct answer answer;
	struct err err;
};

static inline void begin(struct fixture *f, server_handler handler, unsigned retries, int64_t timeout_ms)
{
	memset(f, 0, sizeof(*f));
	f->server = server_start(handler);
	f->client = new_client(f->server->url, retries, timeout_ms);
}

static inline void end(struct fixture *f)
{
	answer_clear(&f->answer);
	client_free(f->client);
	server_stop(f->server);
}

static inline int call(struct fixture *f, const char *method, unsigned flags, const char *body)
{
	struct call c = { .operation = "testCall", .method = method, .path = "/things/1", .body = body, .flags = flags };

	c.body_len = body ? strlen(body) : 0;
	answer_clear(&f->answer);
	return client_call(f->client, &c, &f->answer, &f->err);
}

static inline void answer_ok(struct server *server, const struct request *request, struct reply *reply)
{
	(void)server;
	(void)request;
	reply->headers = "CF-Ray: ray-1\r\n";
	reply->body = OK_BODY;
}

/* The first requests get the script's replies, later ones a success. */
static pthread_mutex_t script_lock = PTHREAD_MUTEX_INITIALIZER; /* guards the two below */
static struct reply script[16];
static unsigned script_len;

static inline void answer_script(struct server *server, const struct request *request, struct reply *reply)
{
	scoped_lock(&script_lock);
	if (request->number < script_len)
		*reply = script[request->number];
	else
		answer_ok(server, request, reply);
}

static inline void set_script(unsigned n, struct reply reply)
{
	scoped_lock(&script_lock);
	script_len = n;
	for (unsigned i = 0; i < n; i++)
		script[i] = reply;
}

struct caller {
	struct fixture *f;
	pthread_t thread;
	int r;
};

static inline void *caller_main(void *arg)
{
	struct caller *caller = arg;
	struct call c = { .operation = "testCall", .method = "GET", .path = "/p" };
	struct answer answer = { 0 };

	caller->r = client_call(caller->f->client, &c, &answer, NULL);
	answer_clear(&answer);
	return NULL;
}

static inline void run_callers(struct fixture *f, struct caller *callers, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		callers[i].f = f;
		pthread_create(&callers[i].thread, NULL, caller_main, &callers[i]);
	}
	for (unsigned i = 0; i < n; i++)
		pthread_join(callers[i].thread, NULL);
}

static inline int setup(void **state)
{
	int fd;
	(void)state;

	base_init();
	snprintf(token_path, sizeof(token_path), "/tmp/cfcfs-token-XXXXXX");
	fd = mkstemp(token_path);
	close(fd);
	write_token(TOKEN "\n");
	return fd < 0;
}

static inline int teardown(void **state)
{
	(void)state;
	return unlink(token_path);
}
