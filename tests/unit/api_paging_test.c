/* Lists of several pages: marks, sizes that the service refuses, lists without an end. */
#include "client_fixture.h"

#include "api/client_parts.h"
#include "api/operation.h"

/* What the server holds, and how it hands it out. */
static struct {
	int items;
	int at_most; /* a larger per_page is refused; 0: any is taken */
	int own;     /* the size of a page that was not asked for one */
} shelf;

static int parameter(const char *path, const char *name, int otherwise)
{
	const char *at = strstr(path, name);

	return at ? (int)strtol(at + strlen(name), NULL, 10) : otherwise;
}

/* A token is the number of the first item. */
static void answer_shelf(struct server *server, const struct request *request, struct reply *reply)
{
	int size = parameter(request->path, "per_page=", 0), first = parameter(request->path, "page_token=t", 0), last;
	cleanup_buf_ struct buf out = BUF_INIT;

	(void)server;
	if (shelf.at_most && size > shelf.at_most) {
		reply->status = 400;
		reply->body = "{\"success\":false,\"errors\":[{\"code\":1000,\"message\":\"{\\\"error\\\":\\\"VALIDATE_INPUT\\\","
			      "\\\"details\\\":{\\\"per_page\\\":\\\"too many\\\"}}\"}]}";
		return;
	}
	size = size ? size : shelf.own;
	last = first + size < shelf.items ? first + size : shelf.items;
	buf_adds(&out, "{\"success\":true,\"result\":[");
	for (int i = first; i < last; i++)
		buf_addf(&out, "%s{\"id\":\"a%d\"}", i > first ? "," : "", i);
	buf_addf(&out, "],\"result_info\":{\"per_page\":%d", size);
	if (last < shelf.items)
		buf_addf(&out, ",\"next_page_token\":\"t%d\"", last);
	buf_adds(&out, "}}");
	reply->body = reply->owned = buf_steal(&out);
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

static int list_with(struct fixture *f, const char *path, unsigned flags, int (*page)(void *arg, struct json_object *items),
		     size_t *n)
{
	struct list_call list = { .operation = "list", .path = path, .flags = flags, .page = page, .arg = n };

	if (n)
		*n = 0;
	return client_list(f->client, &list, &f->err);
}

static int list_all(struct fixture *f, const char *path, size_t *n)
{
	return list_with(f, path, 0, count_items, n);
}

static void lists_follow_the_token(void **state)
{
	struct fixture f;
	size_t n;
	(void)state;

	shelf = (typeof(shelf)){ .items = 1200 };
	begin(&f, answer_shelf, 0, 5000);
	assert_int_equal(list_all(&f, "/applications", &n), 0);
	assert_int_equal(n, 1200);
	assert_int_equal(server_count(f.server), 3);
	assert_string_equal(f.server->requests[0].path, PREFIX "/applications?per_page=500");
	assert_string_equal(f.server->requests[2].path, PREFIX "/applications?per_page=500&page_token=t1000");
	/* Each list has its own size, and its own parameters before it. */
	assert_int_equal(list_all(&f, "/applications/1/instances-v2?state=active", &n), 0);
	assert_string_equal(f.server->requests[3].path, PREFIX "/applications/1/instances-v2?state=active&per_page=1000");
	assert_int_equal(list_with(&f, "/applications", 0, refuse_items, NULL), -E2BIG);
	end(&f);
}

static void a_size_that_is_refused_is_halved_and_remembered(void **state)
{
	static const struct {
		int at_most;
		unsigned first, again; /* calls of the first list, and of the second */
	} rows[] = {
		/* 500, then five of 250. */
		{ 250, 6, 5 },
		/* 500, 250, then twelve of the service's own size. */
		{ 100, 14, 12 },
	};
	(void)state;

	for (size_t i = 0; i < array_len(rows); i++) {
		struct fixture f;
		size_t n;

		shelf = (typeof(shelf)){ .items = 1200, .at_most = rows[i].at_most, .own = 100 };
		begin(&f, answer_shelf, 0, 5000);
		assert_int_equal(list_all(&f, "/applications", &n), 0);
		assert_int_equal(n, 1200);
		assert_int_equal(server_count(f.server), rows[i].first);
		assert_int_equal(list_all(&f, "/applications", &n), 0);
		assert_int_equal(server_count(f.server), rows[i].first + rows[i].again);
		/* What is remembered of one list says nothing of another, and a reload forgets it. */
		assert_int_equal(client_page_size(f.client, operation_find("GET", "/applications/1/instances-v2")), 1000);
		client_forget_limits(f.client);
		assert_int_equal(client_page_size(f.client, operation_find("GET", "/applications")), 500);
		end(&f);
	}
}

static void another_refusal_is_an_error(void **state)
{
	struct fixture f;
	size_t n;
	(void)state;

	set_script(1, (struct reply){ .status = 400, .body = "{\"error\":\"VALIDATE_INPUT\",\"details\":{\"name\":\"no\"}}" });
	begin(&f, answer_script, 0, 5000);
	assert_int_equal(list_all(&f, "/applications", &n), -EINVAL);
	assert_int_equal(server_count(f.server), 1);
	end(&f);
}

/* Each page leads to the next of a ring. */
static int ring;

static void answer_ring(struct server *server, const struct request *request, struct reply *reply)
{
	int at = parameter(request->path, "page_token=r", 0);

	(void)server;
	snprintf(reply->room, sizeof(reply->room),
		 "{\"success\":true,\"result\":[],\"result_info\":{\"next_page_token\":\"r%d\"}}", at % ring + 1);
	reply->body = reply->room;
}

static void a_list_without_an_end_is_refused(void **state)
{
	static const int rings[] = { 1, 2, 3, 7 };
	(void)state;

	for (size_t i = 0; i < array_len(rings); i++) {
		struct fixture f;
		size_t n;

		ring = rings[i];
		begin(&f, answer_ring, 0, 5000);
		assert_int_equal(list_all(&f, "/applications", &n), -EIO);
		assert_non_null(strstr(f.err.text, "do not end"));
		assert_int_equal(server_count(f.server), ring + 1);
		end(&f);
	}
}

/* Marks that are new each time, before pages that are not. */
static const char *page_items;

static void answer_new_marks(struct server *server, const struct request *request, struct reply *reply)
{
	(void)server;
	snprintf(reply->room, sizeof(reply->room),
		 "{\"success\":true,\"result\":%s,\"result_info\":{\"next_page_token\":\"n%u\"}}", page_items, request->number);
	reply->body = reply->room;
}

static void a_list_that_goes_on_with_nothing_new_is_refused(void **state)
{
	static const struct {
		const char *items, *text;
		unsigned calls;
	} rows[] = {
		{ "[]", "holds nothing", 11 },
		{ "[{\"id\":\"a\"},{\"id\":\"b\"}]", "came twice", 2 },
	};
	(void)state;

	for (size_t i = 0; i < array_len(rows); i++) {
		struct fixture f;
		size_t n;

		page_items = rows[i].items;
		begin(&f, answer_new_marks, 0, 5000);
		assert_int_equal(list_all(&f, "/applications", &n), -EIO);
		assert_non_null(strstr(f.err.text, rows[i].text));
		assert_int_equal(server_count(f.server), rows[i].calls);
		end(&f);
	}
}

/* A mark that cannot be used is no end. */
static void a_mark_that_is_no_text_is_refused(void **state)
{
	static const char *const marks[] = { "5", "{}", "[\"a\"]", "true", "\"a\\u0000b\"" };
	static const char *const ends[] = { "null", "\"\"" };
	char body[200];
	(void)state;

	for (size_t i = 0; i < array_len(marks) + array_len(ends); i++) {
		bool end_of_list = i >= array_len(marks);
		struct fixture f;
		size_t n;

		snprintf(body, sizeof(body),
			 "{\"success\":true,\"result\":[{\"id\":\"a\"}],\"result_info\":{\"next_page_token\":%s}}",
			 end_of_list ? ends[i - array_len(marks)] : marks[i]);
		begin(&f, answer_script, 0, 5000);
		set_script(1, (struct reply){ .status = 200, .body = body });
		assert_int_equal(list_all(&f, "/applications", &n), end_of_list ? 0 : -EIO);
		assert_int_equal(server_count(f.server), 1);
		end(&f);
	}
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
	size_t n;
	(void)state;

	buf_adds(&page, "{\"success\":true,\"result\":[");
	for (unsigned i = 0; i < 1000; i++)
		buf_addf(&page, "%s{\"id\":\"r%u\"}", i ? "," : "", i);
	buf_adds(&page, "]}");
	big_page = page.data;
	begin(&f, answer_last, 0, 5000);
	assert_int_equal(list_all(&f, "/applications/1/rollouts", &n), 0);
	assert_int_equal(n, 1001);
	assert_string_equal(f.server->requests[1].path, PREFIX "/applications/1/rollouts?limit=1000&last=r999");
	end(&f);
}

static void answer_one(struct server *server, const struct request *request, struct reply *reply)
{
	(void)server;
	(void)request;
	reply->body = "{\"success\":true,\"result\":{\"ips\":[{\"ip\":\"192.0.2.1\"}]}}";
}

static void what_is_not_paged_is_one_call(void **state)
{
	struct fixture f;
	size_t n;
	(void)state;

	begin(&f, answer_one, 0, 5000);
	assert_int_equal(list_all(&f, "/ips", &n), 0);
	assert_int_equal(n, 1);
	assert_string_equal(f.server->requests[0].path, PREFIX "/ips");
	/* The result is an object, and not the list that was asked for. */
	assert_int_equal(list_all(&f, "/secrets", &n), -EIO);
	end(&f);
}

/* One that is cut is not the end of a list. */
static void the_next_page_s_address(void **state)
{
	static const struct {
		const char *link, *next;
	} cases[] = {
		{ "</v2/_catalog?last=x>; rel=\"next\"", "/v2/_catalog?last=x" },
		{ "</v2/_catalog?last=x>; rel=next", "/v2/_catalog?last=x" },
		{ "</v2/_catalog>; rel=\"first\"", "" },
		{ "none", "" },
	};
	static char headers[2048];
	(void)state;

	for (size_t i = 0; i < array_len(cases) + 2; i++) {
		struct fixture f;

		begin(&f, answer_script, 0, 5000);
		if (i < array_len(cases))
			snprintf(headers, sizeof(headers), "Link: %s\r\n", cases[i].link);
		else
			snprintf(headers, sizeof(headers), "Link: </v2/_catalog?last=%0*d>; rel=\"next\"\r\n",
				 i == array_len(cases) ? 600 : 1500, 0);
		set_script(1, (struct reply){ .status = 200, .headers = headers, .body = OK_BODY });
		assert_int_equal(call(&f, "GET", 0, NULL), 0);
		if (i < array_len(cases))
			assert_string_equal(f.answer.next, cases[i].next);
		assert_int_equal(f.answer.next_cut, i >= array_len(cases));
		end(&f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_follow_the_token),
		cmocka_unit_test(a_size_that_is_refused_is_halved_and_remembered),
		cmocka_unit_test(another_refusal_is_an_error),
		cmocka_unit_test(a_list_without_an_end_is_refused),
		cmocka_unit_test(a_list_that_goes_on_with_nothing_new_is_refused),
		cmocka_unit_test(a_mark_that_is_no_text_is_refused),
		cmocka_unit_test(lists_go_on_after_the_last),
		cmocka_unit_test(what_is_not_paged_is_one_call),
		cmocka_unit_test(the_next_page_s_address),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
