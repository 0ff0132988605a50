/* Calls against a server that fails in every way: retries, lost answers, limits, deadlines, interrupts, credentials. */
#include "client_fixture.h"

#include "api/transport.h"

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
	set_script(9, (struct reply){ .status = 503,
				      .headers = "cf-ray: r9\r\n",
				      .body = "{\"success\":false,\"errors\":[{\"code\":1,\"message\":\"down\"}]}" });
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
		/* What stands before the service says so of what it has passed on, too. */
		{ .status = 503, .headers = "Retry-After: 0\r\n", .body = "" },
		{ .status = 408, .body = "" },
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
		{ .close = true },
		{ .reset = true },
		{ .status = 200, .body = OK_BODY, .truncate = 10 },
		{ .status = 200, .body = "<html>" },
		{ .status = 200, .body = "" },
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

/* Whoever let one caller's time go by is not waited for at full length by the next, until it says something again. */
static void silence_is_shared(void **state)
{
	struct fixture f;
	int64_t start;
	(void)state;

	begin(&f, answer_script, 0, 4000);
	set_script(2, (struct reply){ .stall = true });
	assert_int_equal(call(&f, "GET", 0, NULL), -ETIMEDOUT);
	start = clock_now_ms();
	assert_int_equal(call(&f, "GET", 0, NULL), -ETIMEDOUT);
	assert_in_range(clock_now_ms() - start, 900, 3500);
	assert_int_equal(call(&f, "GET", 0, NULL), 0);
	/* It answered: the next one has all its time again. */
	set_script(4, (struct reply){ .delay_ms = 1500, .body = OK_BODY, .status = 200 });
	assert_int_equal(call(&f, "GET", 0, NULL), 0);
	end(&f);
}

static void a_refusal_names_where_the_credentials_come_from(void **state)
{
	struct fixture f;
	(void)state;

	begin(&f, answer_script, 0, 4000);
	set_script(1, (struct reply){ .status = 401,
				      .body = "{\"errors\":[{\"code\":10000,\"message\":\"Authentication error\"}]}" });
	assert_int_equal(call(&f, "GET", 0, NULL), -EACCES);
	assert_non_null(strstr(f.err.text, "the credentials from token_file=/tmp/"));
	set_script(2, (struct reply){ .status = 401, .body = "{\"errors\":[{\"code\":1000,\"message\":\"Unauthorized\"}]}" });
	assert_int_equal(call(&f, "GET", 0, NULL), -EACCES);
	assert_non_null(strstr(f.err.text, "its plan does not include them"));
	assert_null(strstr(f.err.text, "token_file"));
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
	struct server *server; /* NULL: cancels after ms; else so long after the request has come */
	unsigned count;        /* of requests before it */
};

static void *canceler_main(void *arg)
{
	struct canceler *c = arg;

	while (c->server && server_count(c->server) == c->count)
		usleep(1000);
	usleep((unsigned)c->ms * 1000);
	waiter_cancel(c->waiter);
	return NULL;
}

static int call_canceled(struct fixture *f, const char *method, unsigned flags, int ms)
{
	struct waiter waiter;
	struct canceler canceler = { &waiter, ms, f->server, server_count(f->server) };
	struct call c = { .operation = "c",
			  .method = method,
			  .path = "/p",
			  .body = flags ? "{}" : NULL,
			  .body_len = flags ? 2 : 0,
			  .flags = flags,
			  .waiter = &waiter };
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

/* libcurl keeps what it is sent, trailers without an end too. */
static void headers_have_a_bound(void **state)
{
	cleanup_buf_ struct buf headers = BUF_INIT;
	struct fixture f;
	(void)state;

	while (headers.len < HEADERS_MAX)
		buf_addf(&headers, "x-%zu: %0999d\r\n", headers.len, 0);
	begin(&f, answer_script, 4, 5000);
	set_script(1, (struct reply){ .status = 200, .headers = headers.data, .body = OK_BODY });
	assert_int_equal(call(&f, "GET", 0, NULL), -EIO);
	assert_non_null(strstr(f.err.text, "headers take more than 256 KiB"));
	assert_int_equal(server_count(f.server), 1);
	assert_int_equal(call(&f, "GET", 0, NULL), 0);
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
		cmocka_unit_test(silence_is_shared),
		cmocka_unit_test(a_refusal_names_where_the_credentials_come_from),
		cmocka_unit_test(an_own_budget_that_is_used_up_times_out),
		cmocka_unit_test(a_cancel_ends_reads_but_not_changes),
		cmocka_unit_test(what_cannot_be_reached_says_why),
		cmocka_unit_test(tls_failures_are_eproto),
		cmocka_unit_test(rotated_credentials_are_read_again),
		cmocka_unit_test(a_missing_permission_is_not_a_wrong_token),
		cmocka_unit_test(a_token_that_may_only_read_is_told_by_its_reads),
		cmocka_unit_test(texts_hold_no_secrets),
		cmocka_unit_test(headers_have_a_bound),
		cmocka_unit_test(redirects_are_not_followed),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
