/* Calls against a server that fails in every way: retries, lost answers, limits, deadlines, interrupts, paging. */
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
#define PREFIX "/client/v4/accounts/" ACCOUNT "/containers"
#define TOKEN "sesame-open-0123"
#define OK_BODY "{\"success\":true,\"result\":{\"id\":\"x\"},\"errors\":[],\"messages\":[]}"

static char token_path[64];

static void write_token(const char *token)
{
	FILE *f = fopen(token_path, "w");

	assert_non_null(f);
	fputs(token, f);
	fclose(f);
	assert_int_equal(chmod(token_path, 0600), 0);
}

static struct client *new_client(const char *url, unsigned retries, int64_t timeout_ms)
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

static void begin(struct fixture *f, server_handler handler, unsigned retries, int64_t timeout_ms)
{
	memset(f, 0, sizeof(*f));
	f->server = server_start(handler);
	f->client = new_client(f->server->url, retries, timeout_ms);
}

static void end(struct fixture *f)
{
	answer_clear(&f->answer);
	client_free(f->client);
	server_stop(f->server);
}

static int call(struct fixture *f, const char *method, unsigned flags, const char *body)
{
	struct call c = { .operation = "testCall", .method = method, .path = "/things/1", .body = body, .flags = flags };

	c.body_len = body ? strlen(body) : 0;
	answer_clear(&f->answer);
	return client_call(f->client, &c, &f->answer, &f->err);
}

/* ---- handlers ---- */

static void answer_ok(struct server *server, const struct request *request, struct reply *reply)
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

static void answer_script(struct server *server, const struct request *request, struct reply *reply)
{
	scoped_lock(&script_lock);
	if (request->number < script_len)
		*reply = script[request->number];
	else
		answer_ok(server, request, reply);
}

static void set_script(unsigned n, struct reply reply)
{
	scoped_lock(&script_lock);
	script_len = n;
	for (unsigned i = 0; i < n; i++)
		script[i] = reply;
}

/* ---- tests ---- */

static void sends_what_it_should(void **state)
{
	struct fixture f;
	struct json_object *id;
	(void)state;

	begin(&f, answer_ok, 4, 5000);
	assert_int_equal(call(&f, "PATCH", CALL_WRITE, "{\"a\":1}"), 0);
	assert_int_equal(f.answer.status, 200);
	assert_string_equal(f.answer.request_id, "ray-1");
	assert_true(json_object_object_get_ex(f.answer.result, "id", &id));
	assert_string_equal(json_object_get_string(id), "x");
	assert_string_equal(f.server->requests[0].method, "PATCH");
	assert_string_equal(f.server->requests[0].path, PREFIX "/things/1");
	assert_string_equal(f.server->requests[0].body, "{\"a\":1}");
	assert_non_null(strstr(f.server->requests[0].head, "Authorization: Bearer " TOKEN "\r\n"));
	assert_non_null(strstr(f.server->requests[0].head, "Content-Type: application/json\r\n"));
	/* The same handle, then without a body, and methods that curl knows under other names. */
	assert_int_equal(call(&f, "GET", 0, NULL), 0);
	assert_int_equal(call(&f, "DELETE", CALL_WRITE, NULL), 0);
	assert_int_equal(call(&f, "POST", CALL_WRITE, NULL), 0);
	assert_int_equal(call(&f, "PUT", CALL_WRITE, "{}"), 0);
	assert_string_equal(f.server->requests[1].method, "GET");
	assert_null(strstr(f.server->requests[1].head, "Content-"));
	assert_string_equal(f.server->requests[2].method, "DELETE");
	assert_string_equal(f.server->requests[3].method, "POST");
	assert_string_equal(f.server->requests[4].method, "PUT");
	assert_string_equal(f.server->requests[4].body, "{}");
	/* All of it over one connection. */
	assert_int_equal(f.server->conn_count, 1);
	end(&f);
}

static void repeats_after_server_errors(void **state)
{
	struct client_stats stats;
	struct fixture f;
	(void)state;

	begin(&f, answer_script, 4, 5000);
	set_script(2, (struct reply){ .status = 502, .headers = "Content-Type: text/html\r\n", .body = "<html>bad</html>" });
	assert_int_equal(call(&f, "GET", 0, NULL), 0);
	assert_int_equal(server_count(f.server), 3);
	client_stats(f.client, &stats);
	assert_int_equal(stats.retries, 2);
	assert_int_equal(stats.metrics_count, 2);
	assert_string_equal(stats.metrics[0].operation, "testCall");
	assert_int_equal(stats.metrics[0].status, 502);
	assert_int_equal(stats.metrics[0].calls, 2);
	assert_int_equal(stats.metrics[1].status, 200);
	assert_true(stats.metrics[1].seconds > 0);
	assert_true(stats.budget_left > 900);
	end(&f);
}

static void gives_up_after_the_retries(void **state)
{
	struct fixture f;
	(void)state;

	begin(&f, answer_script, 2, 5000);
	set_script(9, (struct reply){ .status = 503, .headers = "cf-ray: r9\r\n", .body = "{\"success\":false,\"errors\":[{\"code\":1,\"message\":\"down\"}]}" });
	assert_int_equal(call(&f, "GET", 0, NULL), -EIO);
	assert_int_equal(server_count(f.server), 3);
	assert_int_equal(f.err.http_status, 503);
	assert_int_equal(f.err.api_code, 1);
	assert_string_equal(f.err.request_id, "r9");
	assert_non_null(strstr(f.err.text, "down"));
	assert_false(f.err.outcome_unknown);
	end(&f);
}

/* A create whose answer is lost is never sent a second time, in whatever way it was lost. */
static void never_repeats_a_lost_create(void **state)
{
	const struct reply lost[] = {
		{ .close = true },
		{ .reset = true },
		{ .status = 201, .body = OK_BODY, .truncate = 10 },
		{ .status = 502, .body = "" },
		{ .status = 200, .body = "" },
		{ .status = 200, .headers = "Content-Type: text/html\r\n", .body = "<p>Sign in" },
	};
	(void)state;

	for (unsigned reused = 0; reused < 2; reused++) {
		for (size_t i = 0; i < array_len(lost); i++) {
			struct fixture f;

			begin(&f, answer_script, 4, 5000);
			script_len = reused + 1;
			script[0] = (struct reply){ .status = 200, .body = OK_BODY };
			script[reused] = lost[i];
			/* curl repeats by itself what fails on a connection that was used before. */
			if (reused)
				assert_int_equal(call(&f, "GET", 0, NULL), 0);
			assert_int_equal(call(&f, "POST", CALL_WRITE, "{\"name\":\"a\"}"), -EIO);
			assert_true(f.err.outcome_unknown);
			assert_int_equal(server_count(f.server), reused + 1);
			end(&f);
		}
	}
}

static void repeats_what_can_be_repeated(void **state)
{
	const struct reply lost[] = {
		{ .close = true }, { .reset = true }, { .status = 200, .body = OK_BODY, .truncate = 10 },
		{ .status = 200, .body = "<html>" }, { .status = 200, .body = "" },
		{ .status = 404, .headers = "Content-Type: text/html\r\n", .body = "<html>no such page" },
	};
	static const struct {
		const char *method;
		unsigned flags;
	} calls[] = { { "GET", 0 }, { "PUT", CALL_WRITE }, { "DELETE", CALL_WRITE }, { "PATCH", CALL_WRITE | CALL_REPEATABLE } };
	(void)state;

	for (size_t c = 0; c < array_len(calls); c++) {
		struct fixture f;

		begin(&f, answer_script, array_len(lost), 9000);
		script_len = 1;
		/* Each way once with a GET, the first with the others: every one of them takes a pause. */
		for (size_t i = 0; i < (c ? 1 : array_len(lost)); i++) {
			script[0] = lost[i];
			pthread_mutex_lock(&f.server->lock);
			f.server->count = 0;
			pthread_mutex_unlock(&f.server->lock);
			assert_int_equal(call(&f, calls[c].method, calls[c].flags, "{}"), 0);
			assert_int_equal(server_count(f.server), 2);
			assert_false(f.err.outcome_unknown);
		}
		end(&f);
	}
}

static void a_delete_that_was_done_is_a_success(void **state)
{
	struct fixture f;
	(void)state;

	begin(&f, answer_script, 4, 5000);
	script_len = 2;
	script[0] = (struct reply){ .close = true };
	script[1] = (struct reply){ .status = 404, .body = "{\"success\":false,\"errors\":[{\"message\":\"gone\"}]}" };
	assert_int_equal(call(&f, "DELETE", CALL_WRITE, NULL), 0);
	assert_int_equal(f.answer.status, 404);
	/* But one whose first answer is 404 was not. */
	script[0] = script[1];
	f.server->count = 0;
	assert_int_equal(call(&f, "DELETE", CALL_WRITE, NULL), -ENOENT);
	assert_int_equal(server_count(f.server), 1);
	end(&f);
}

struct caller {
	struct fixture *f;
	pthread_t thread;
	int r;
};

static void *caller_main(void *arg)
{
	struct caller *caller = arg;
	struct call c = { .operation = "testCall", .method = "GET", .path = "/p" };
	struct answer answer = { 0 };

	caller->r = client_call(caller->f->client, &c, &answer, NULL);
	answer_clear(&answer);
	return NULL;
}

static void run_callers(struct fixture *f, struct caller *callers, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		callers[i].f = f;
		pthread_create(&callers[i].thread, NULL, caller_main, &callers[i]);
	}
	for (unsigned i = 0; i < n; i++)
		pthread_join(callers[i].thread, NULL);
}

static void a_limit_is_waited_out_once_for_all_callers(void **state)
{
	struct caller callers[24];
	struct client_stats stats;
	struct fixture f;
	int64_t limited_at;
	unsigned refused;
	(void)state;

	begin(&f, answer_script, 4, 9000);
	/* The seven that are on their way with it are answered after it. */
	set_script(8, (struct reply){ .status = 200, .body = OK_BODY, .delay_ms = 300 });
	script[0] = (struct reply){ .status = 429, .headers = "Retry-After: 1\r\n", .body = "{}" };
	run_callers(&f, callers, array_len(callers));
	for (unsigned i = 0; i < array_len(callers); i++)
		assert_int_equal(callers[i].r, 0);
	client_stats(f.client, &stats);
	refused = (unsigned)stats.throttled;
	assert_int_equal(refused, 1);
	limited_at = f.server->requests[0].at_ms;
	/* Besides those that were on their way at once, nothing came before the second was over. */
	for (unsigned i = 8; i < f.server->count; i++)
		assert_true(f.server->requests[i].at_ms - limited_at >= 990);
	assert_int_equal(server_count(f.server), 25);
	end(&f);
}

static void a_create_is_repeated_after_429(void **state)
{
	struct fixture f;
	(void)state;

	begin(&f, answer_script, 4, 5000);
	set_script(1, (struct reply){ .status = 429, .headers = "retry-after: 0\r\n", .body = "slow down" });
	assert_int_equal(call(&f, "POST", CALL_WRITE, "{}"), 0);
	assert_int_equal(server_count(f.server), 2);
	f.server->count = 0;
	set_script(1, (struct reply){ .status = 503, .headers = "Retry-After: 0\r\n", .body = "" });
	assert_int_equal(call(&f, "POST", CALL_WRITE, "{}"), 0);
	assert_int_equal(server_count(f.server), 2);
	end(&f);
}

static void a_limit_beyond_the_deadline_is_told_at_once(void **state)
{
	struct fixture f;
	int64_t start;
	(void)state;

	begin(&f, answer_script, 4, 3000);
	set_script(1, (struct reply){ .status = 429, .headers = "Retry-After: 60\r\n", .body = "{}" });
	start = clock_now_ms();
	assert_int_equal(call(&f, "GET", 0, NULL), -EAGAIN);
	assert_int_equal(f.err.http_status, 429);
	assert_non_null(strstr(f.err.text, "rate limit"));
	assert_int_equal(call(&f, "POST", CALL_WRITE, "{}"), -EAGAIN);
	assert_false(f.err.outcome_unknown);
	assert_true(clock_now_ms() - start < 2500);
	assert_int_equal(server_count(f.server), 1);
	end(&f);
}

static void ends_by_its_deadline(void **state)
{
	struct fixture f;
	int64_t start;
	(void)state;

	begin(&f, answer_script, 4, 300);
	set_script(9, (struct reply){ .stall = true });
	start = clock_now_ms();
	assert_int_equal(call(&f, "GET", 0, NULL), -ETIMEDOUT);
	assert_in_range(clock_now_ms() - start, 290, 2000);
	assert_false(f.err.outcome_unknown);
	assert_int_equal(call(&f, "POST", CALL_WRITE, "{}"), -ETIMEDOUT);
	assert_true(f.err.outcome_unknown);
	assert_int_equal(server_count(f.server), 2);
	end(&f);
}

static void an_own_budget_that_is_used_up_times_out(void **state)
{
	struct client_options options = { .account_id = ACCOUNT, .rps = 0.01, .burst = 2, .max_conns = 2, .timeout_ms = 200 };
	struct credentials *credentials;
	struct fixture f = { 0 };
	(void)state;

	f.server = server_start(answer_ok);
	options.base_url = f.server->url;
	assert_int_equal(credentials_load(token_path, &credentials, NULL), 0);
	assert_int_equal(client_new(&options, credentials, &f.client, NULL), 0);
	assert_int_equal(call(&f, "GET", 0, NULL), 0);
	assert_int_equal(call(&f, "GET", 0, NULL), 0);
	assert_int_equal(call(&f, "POST", CALL_WRITE, "{}"), -ETIMEDOUT);
	assert_false(f.err.outcome_unknown);
	assert_int_equal(server_count(f.server), 2);
	end(&f);
}

struct canceler {
	struct waiter *waiter;
	int ms;
};

static void *canceler_main(void *arg)
{
	struct canceler *c = arg;

	usleep((unsigned)c->ms * 1000);
	waiter_cancel(c->waiter);
	return NULL;
}

static int call_canceled(struct fixture *f, const char *method, unsigned flags, int ms)
{
	struct waiter waiter;
	struct canceler canceler = { &waiter, ms };
	struct call c = { .operation = "c", .method = method, .path = "/p", .body = flags ? "{}" : NULL,
			  .body_len = flags ? 2 : 0, .flags = flags, .waiter = &waiter };
	pthread_t thread;
	int r;

	waiter_init(&waiter);
	pthread_create(&thread, NULL, canceler_main, &canceler);
	answer_clear(&f->answer);
	r = client_call(f->client, &c, &f->answer, &f->err);
	pthread_join(thread, NULL);
	/* No wake is left behind for the thread's next wait. */
	assert_int_equal(waiter_wait(&waiter, 0, true), -ETIMEDOUT);
	waiter_destroy(&waiter);
	return r;
}

static void a_cancel_ends_reads_but_not_changes(void **state)
{
	struct fixture f;
	int64_t start;
	(void)state;

	begin(&f, answer_script, 4, 5000);
	set_script(9, (struct reply){ .status = 200, .body = OK_BODY, .delay_ms = 3000 });
	start = clock_now_ms();
	assert_int_equal(call_canceled(&f, "GET", 0, 50), -EINTR);
	assert_true(clock_now_ms() - start < 2000);
	set_script(9, (struct reply){ .status = 200, .body = OK_BODY, .delay_ms = 400 });
	start = clock_now_ms();
	assert_int_equal(call_canceled(&f, "POST", CALL_WRITE, 50), 0);
	assert_true(clock_now_ms() - start >= 390);
	/* A change that was not sent yet is not sent any more. */
	set_script(9, (struct reply){ .status = 429, .headers = "Retry-After: 3\r\n", .body = "{}" });
	start = clock_now_ms();
	assert_int_equal(call_canceled(&f, "POST", CALL_WRITE, 50), -EINTR);
	assert_true(clock_now_ms() - start < 2000);
	assert_false(f.err.outcome_unknown);
	assert_int_equal(server_count(f.server), 3);
	end(&f);
}

static void what_cannot_be_reached_says_why(void **state)
{
	struct server *server = server_start(answer_ok);
	struct fixture f = { 0 };
	char url[64];
	(void)state;

	snprintf(url, sizeof(url), "%s", server->url);
	server_stop(server);
	f.client = new_client(url, 1, 3000);
	assert_int_equal(call(&f, "POST", CALL_WRITE, "{}"), -ECONNREFUSED);
	assert_false(f.err.outcome_unknown);
	assert_int_equal(f.err.http_status, 0);
	client_free(f.client);
	f.client = new_client("https://name.invalid/v4", 0, 3000);
	assert_int_equal(call(&f, "GET", 0, NULL), -EHOSTUNREACH);
	assert_non_null(strstr(f.err.text, "name.invalid"));
	client_free(f.client);
}

static void *garbage_main(void *arg)
{
	int fd = accept(*(int *)arg, NULL, NULL);
	char hello[512];

	/* Not before the greeting has come, or closing would take back what was sent. */
	if (recv(fd, hello, sizeof(hello), 0) > 0)
		server_send(fd, "HTTP/1.1 400 Bad\r\n\r\n", 20);
	close(fd);
	return NULL;
}

static void tls_failures_are_eproto(void **state)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	socklen_t len = sizeof(addr);
	struct fixture f = { 0 };
	pthread_t thread;
	char url[64];
	(void)state;

	assert_int_equal(bind(fd, (struct sockaddr *)&addr, len), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
	pthread_create(&thread, NULL, garbage_main, &fd);
	snprintf(url, sizeof(url), "https://127.0.0.1:%d", ntohs(addr.sin_port));
	f.client = new_client(url, 0, 3000);
	assert_int_equal(call(&f, "POST", CALL_WRITE, "{}"), -EPROTO);
	assert_false(f.err.outcome_unknown);
	pthread_join(thread, NULL);
	client_free(f.client);
	close(fd);
}

/* ---- credentials ---- */

static void answer_by_token(struct server *server, const struct request *request, struct reply *reply)
{
	answer_ok(server, request, reply);
	if (!strstr(request->head, "Bearer second-token\r\n")) {
		reply->status = 403;
		reply->body = "{\"success\":false,\"errors\":[{\"code\":10000,\"message\":\"Authentication error\"}]}";
	}
}

static void rotated_credentials_are_read_again(void **state)
{
	struct fixture f;
	(void)state;

	begin(&f, answer_by_token, 4, 5000);
	write_token("second-token\n");
	assert_int_equal(call(&f, "POST", CALL_WRITE, "{}"), 0);
	assert_int_equal(server_count(f.server), 2);
	write_token("third-token\n");
	assert_int_equal(client_reload_credentials(f.client, &f.err), 0);
	assert_int_equal(call(&f, "GET", 0, NULL), -EACCES);
	assert_int_equal(f.err.api_code, 10000);
	assert_int_equal(server_count(f.server), 3);
	/* Credentials that have become unusable leave the old ones in place. */
	write_token("");
	assert_int_equal(client_reload_credentials(f.client, &f.err), -EACCES);
	assert_int_equal(call(&f, "GET", 0, NULL), -EACCES);
	write_token(TOKEN);
	end(&f);
}

static void answer_forbidden(struct server *server, const struct request *request, struct reply *reply)
{
	(void)server;
	(void)request;
	reply->status = 403;
	reply->body = "{\"success\":false,\"errors\":[{\"code\":1000,\"message\":\"no permission\"}]}";
}

static void a_missing_permission_is_not_a_wrong_token(void **state)
{
	struct fixture f;
	(void)state;

	begin(&f, answer_forbidden, 4, 5000);
	assert_int_equal(call(&f, "GET", 0, NULL), -EACCES);
	assert_int_equal(call(&f, "PATCH", CALL_WRITE, "{}"), -EPERM);
	assert_int_equal(server_count(f.server), 2);
	end(&f);
}

static void answer_reader(struct server *server, const struct request *request, struct reply *reply)
{
	answer_ok(server, request, reply);
	if (!strcmp(request->method, "GET"))
		return;
	reply->status = 403;
	reply->body = "{\"success\":false,\"errors\":[{\"code\":10000,\"message\":\"Authentication error\"}]}";
}

static void a_token_that_may_only_read_is_told_by_its_reads(void **state)
{
	struct fixture f;
	(void)state;

	begin(&f, answer_reader, 4, 5000);
	assert_int_equal(call(&f, "PATCH", CALL_WRITE, "{}"), -EACCES);
	assert_int_equal(call(&f, "GET", 0, NULL), 0);
	assert_int_equal(call(&f, "PATCH", CALL_WRITE, "{}"), -EPERM);
	assert_false(f.err.outcome_unknown);
	end(&f);
}

static void answer_echo(struct server *server, const struct request *request, struct reply *reply)
{
	(void)server;
	reply->status = 400;
	snprintf(reply->room, sizeof(reply->room),
		 "{\"success\":false,\"errors\":[{\"message\":\"bad request: %s value hunter2 of xy in syntax%s\"}]}",
		 strstr(request->head, "Bearer ") ? TOKEN : "", request->path);
	reply->body = reply->room;
}

static void texts_hold_no_secrets(void **state)
{
	struct fixture f;
	(void)state;

	begin(&f, answer_echo, 0, 5000);
	assert_int_equal(call(&f, "POST", CALL_WRITE, "{\"name\":\"bad\",\"list\":[{\"value\":\"hunter2\"},{\"value\":\"xy\"}]}"),
			 -EINVAL);
	assert_null(strstr(f.err.text, TOKEN));
	assert_null(strstr(f.err.text, "hunter2"));
	assert_null(strstr(f.err.text, " xy "));
	assert_non_null(strstr(f.err.text, "bad request"));
	assert_non_null(strstr(f.err.text, "syntax"));
	end(&f);
}

static void redirects_are_not_followed(void **state)
{
	struct fixture f;
	(void)state;

	begin(&f, answer_script, 4, 5000);
	set_script(1, (struct reply){ .status = 302, .headers = "Location: /elsewhere\r\n", .body = "" });
	assert_int_equal(call(&f, "GET", 0, NULL), -EIO);
	assert_non_null(strstr(f.err.text, "redirect"));
	assert_int_equal(server_count(f.server), 1);
	end(&f);
}

/* ---- many at once ---- */

static void answer_slowly(struct server *server, const struct request *request, struct reply *reply)
{
	answer_ok(server, request, reply);
	reply->delay_ms = 20;
}

static void no_more_than_max_conns_at_once(void **state)
{
	struct caller callers[60];
	struct fixture f;
	(void)state;

	begin(&f, answer_slowly, 4, 9000);
	run_callers(&f, callers, array_len(callers));
	for (unsigned i = 0; i < array_len(callers); i++)
		assert_int_equal(callers[i].r, 0);
	assert_in_range(f.server->active_max, 2, 8);
	assert_in_range(f.server->conn_count, 2, 8);
	end(&f);
}

static void *writer_main(void *arg)
{
	struct caller *caller = arg;
	struct call c = { .operation = "w", .method = "POST", .path = "/w", .body = "{}", .body_len = 2, .flags = CALL_WRITE };
	struct answer answer = { 0 };

	/* Eight are being answered, the others wait. */
	while (server_count(caller->f->server) < 8)
		usleep(1000);
	usleep(50000);
	caller->r = client_call(caller->f->client, &c, &answer, NULL);
	answer_clear(&answer);
	return NULL;
}

static void writes_go_before_waiting_reads(void **state)
{
	struct caller callers[40], writer;
	struct fixture f;
	unsigned at = 0;
	(void)state;

	begin(&f, answer_script, 4, 9000);
	/* Slow enough that the order of arrival is the order of sending. */
	set_script(16, (struct reply){ .status = 200, .body = OK_BODY, .delay_ms = 300 });
	writer.f = &f;
	pthread_create(&writer.thread, NULL, writer_main, &writer);
	run_callers(&f, callers, array_len(callers));
	pthread_join(writer.thread, NULL);
	assert_int_equal(writer.r, 0);
	while (strcmp(f.server->requests[at].method, "POST"))
		at++;
	assert_in_range(at, 8, 15);
	end(&f);
}

struct late {
	struct fixture *f;
	int r;
};

static void *late_main(void *arg)
{
	struct late *late = arg;

	late->r = call(late->f, "POST", CALL_WRITE, "{}");
	return NULL;
}

static void free_finishes_what_is_being_sent(void **state)
{
	struct fixture f;
	struct late late = { &f, 1 };
	pthread_t thread;
	(void)state;

	begin(&f, answer_script, 4, 5000);
	set_script(1, (struct reply){ .status = 200, .body = OK_BODY, .delay_ms = 200 });
	pthread_create(&thread, NULL, late_main, &late);
	while (server_count(f.server) == 0)
		usleep(1000);
	f.client = client_free(f.client);
	pthread_join(thread, NULL);
	assert_int_equal(late.r, 0);
	end(&f);
}

/* ---- paging ---- */

static void answer_pages(struct server *server, const struct request *request, struct reply *reply)
{
	const char *token = strstr(request->path, "page_token=");
	int page = token ? token[strlen("page_token=t%2F")] - '0' : 0;
	char next[64] = "";

	(void)server;
	if (page < 3)
		snprintf(next, sizeof(next), ",\"next_page_token\":\"t/%d\"", page + 1);
	snprintf(reply->room, sizeof(reply->room),
		 "{\"success\":true,\"result\":{\"items\":[{\"id\":\"a%d\"},{\"id\":\"b%d\"}]},\"result_info\":{\"per_page\":2%s}}",
		 page, page, next);
	reply->body = reply->room;
}

static int count_items(void *arg, struct json_object *items)
{
	*(size_t *)arg += json_object_array_length(items);
	return 0;
}

static int refuse_items(void *arg, struct json_object *items)
{
	(void)arg;
	(void)items;
	return -E2BIG;
}

static int list_all(struct fixture *f, const char *path, const char *list_key, enum paging paging,
		    int (*page)(void *arg, struct json_object *items), size_t *n)
{
	struct list_call list = { "list", path, list_key, paging, 0, page, NULL, n };

	return client_list(f->client, &list, &f->err);
}

static void lists_follow_the_token(void **state)
{
	struct fixture f;
	size_t n = 0;
	(void)state;

	begin(&f, answer_pages, 0, 5000);
	assert_int_equal(list_all(&f, "/a", "items", PAGING_TOKEN, count_items, &n), 0);
	assert_int_equal(n, 8);
	assert_string_equal(f.server->requests[0].path, PREFIX "/a?per_page=1000");
	assert_string_equal(f.server->requests[1].path, PREFIX "/a?per_page=1000&page_token=t%2F1");
	assert_int_equal(list_all(&f, "/a?x=1", "items", PAGING_NONE, count_items, &n), 0);
	assert_string_equal(f.server->requests[4].path, PREFIX "/a?x=1");
	assert_int_equal(list_all(&f, "/a", "items", PAGING_TOKEN, refuse_items, NULL), -E2BIG);
	/* The result is an object, and not the list that was asked for. */
	assert_int_equal(list_all(&f, "/a", NULL, PAGING_NONE, count_items, &n), -EIO);
	end(&f);
}

static void answer_endless(struct server *server, const struct request *request, struct reply *reply)
{
	(void)server;
	(void)request;
	reply->body = "{\"success\":true,\"result\":[],\"result_info\":{\"next_page_token\":\"again\"}}";
}

static void a_list_that_leads_to_itself_ends(void **state)
{
	struct fixture f;
	size_t n = 0;
	(void)state;

	begin(&f, answer_endless, 0, 5000);
	assert_int_equal(list_all(&f, "/a", NULL, PAGING_TOKEN, count_items, &n), -EIO);
	assert_int_equal(server_count(f.server), 2);
	end(&f);
}

static char *big_page;

static void answer_last(struct server *server, const struct request *request, struct reply *reply)
{
	(void)server;
	reply->body = strstr(request->path, "last=") ? "{\"success\":true,\"result\":[{\"id\":\"z\"}]}" : big_page;
}

static void lists_go_on_after_the_last(void **state)
{
	cleanup_buf_ struct buf page = BUF_INIT;
	struct fixture f;
	size_t n = 0;
	(void)state;

	buf_adds(&page, "{\"success\":true,\"result\":[");
	for (unsigned i = 0; i < CLIENT_PAGE_SIZE; i++)
		buf_addf(&page, "%s{\"id\":\"r%u\"}", i ? "," : "", i);
	buf_adds(&page, "]}");
	big_page = page.data;
	begin(&f, answer_last, 0, 5000);
	assert_int_equal(list_all(&f, "/r", NULL, PAGING_LAST, count_items, &n), 0);
	assert_int_equal(n, CLIENT_PAGE_SIZE + 1);
	assert_string_equal(f.server->requests[1].path, PREFIX "/r?limit=1000&last=r999");
	end(&f);
}

static int setup(void **state)
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

static int teardown(void **state)
{
	(void)state;
	return unlink(token_path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sends_what_it_should),
		cmocka_unit_test(repeats_after_server_errors),
		cmocka_unit_test(gives_up_after_the_retries),
		cmocka_unit_test(never_repeats_a_lost_create),
		cmocka_unit_test(repeats_what_can_be_repeated),
		cmocka_unit_test(a_delete_that_was_done_is_a_success),
		cmocka_unit_test(a_limit_is_waited_out_once_for_all_callers),
		cmocka_unit_test(a_create_is_repeated_after_429),
		cmocka_unit_test(a_limit_beyond_the_deadline_is_told_at_once),
		cmocka_unit_test(ends_by_its_deadline),
		cmocka_unit_test(an_own_budget_that_is_used_up_times_out),
		cmocka_unit_test(a_cancel_ends_reads_but_not_changes),
		cmocka_unit_test(what_cannot_be_reached_says_why),
		cmocka_unit_test(tls_failures_are_eproto),
		cmocka_unit_test(rotated_credentials_are_read_again),
		cmocka_unit_test(a_missing_permission_is_not_a_wrong_token),
		cmocka_unit_test(a_token_that_may_only_read_is_told_by_its_reads),
		cmocka_unit_test(texts_hold_no_secrets),
		cmocka_unit_test(redirects_are_not_followed),
		cmocka_unit_test(no_more_than_max_conns_at_once),
		cmocka_unit_test(writes_go_before_waiting_reads),
		cmocka_unit_test(free_finishes_what_is_being_sent),
		cmocka_unit_test(lists_follow_the_token),
		cmocka_unit_test(a_list_that_leads_to_itself_ends),
		cmocka_unit_test(lists_go_on_after_the_last),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
