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
		 "{\"success\":true,\"result\":{\"items\":[{\"id\":\"a%d\"},{\"id\":\"b%d\"}]},\"result_info\":{\"per_page\":2%s}"
		 "}",
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_more_than_max_conns_at_once),   cmocka_unit_test(writes_go_before_waiting_reads),
		cmocka_unit_test(free_finishes_what_is_being_sent), cmocka_unit_test(lists_follow_the_token),
		cmocka_unit_test(a_list_that_leads_to_itself_ends), cmocka_unit_test(lists_go_on_after_the_last),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
