/* Many calls: at once, and page after page. */
#include "client_fixture.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_more_than_max_conns_at_once),
		cmocka_unit_test(writes_go_before_waiting_reads),
		cmocka_unit_test(free_finishes_what_is_being_sent),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
