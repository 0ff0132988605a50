#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <json-c/json.h>

#include "api/base/rand.h"
#include "fs/core/failures.h"
#include "fs/core/trail.h"

static const struct err refused = { .errnum = EINVAL,
				    .http_status = 400,
				    .api_code = 1000,
				    .code = "VALIDATE_INPUT",
				    .request_id = "ray-1",
				    .text = "instances: must be a whole number" };

static const char *string_of(struct json_object *line, const char *key)
{
	return json_object_get_string(json_object_object_get(line, key));
}

static void add_numbered(struct failures *f, unsigned from, unsigned to)
{
	for (unsigned i = from; i < to; i++) {
		char path[64];

		snprintf(path, sizeof(path), "/applications/a%u.json", i);
		failures_add(f, path, "write", &refused, path, strlen(path));
	}
}

static size_t count_lines(struct failures *f, char **ret_first)
{
	struct buf b = BUF_INIT;
	size_t count = 0;

	assert_int_equal(trail_all(failures_trail(f), &b), 0);
	for (size_t i = 0; i < b.len; i++)
		count += b.data[i] == '\n';
	if (ret_first)
		*ret_first = strndup(b.data, strcspn(b.data, "\n"));
	buf_free(&b);
	return count;
}

static void test_line(void **state)
{
	struct failures *f = failures_new();
	struct json_object *line;
	char *text;

	(void)state;
	failures_add(f, "/applications/web.json", "rename", &refused, "{}", 2);
	assert_int_equal(count_lines(f, &text), 1);
	line = json_tokener_parse(text);
	assert_non_null(line);
	assert_string_equal(string_of(line, "path"), "/applications/web.json");
	assert_string_equal(string_of(line, "operation"), "rename");
	assert_string_equal(string_of(line, "errno"), "EINVAL");
	assert_string_equal(string_of(line, "message"), refused.text);
	assert_string_equal(string_of(line, "code"), "VALIDATE_INPUT");
	assert_string_equal(string_of(line, "request_id"), "ray-1");
	assert_int_equal(json_object_get_int(json_object_object_get(line, "http_status")), 400);
	assert_int_equal(json_object_get_int(json_object_object_get(line, "api_code")), 1000);
	assert_int_equal(strlen(string_of(line, "time")), strlen("2026-11-24T12:00:00.000Z"));
	json_object_put(line);
	free(text);
	failures_free(f);
}

/* What no HTTP answer was behind has no HTTP facts; a name that is not UTF-8 still makes a line of JSON. */
static void test_local_line(void **state)
{
	static const char *const names[] = { "/\xff\xc3", "/\xc0\xaf", "/\xed\xa0\x80", "/\xf4\x90\x80\x80", "/a\"\\\n\x01" };
	struct failures *f = failures_new();
	struct err err = { .errnum = EPERM };

	(void)state;
	for (size_t i = 0; i < array_len(names); i++) {
		struct json_tokener *tokener = json_tokener_new();
		struct json_object *line;
		struct buf b = BUF_INIT;
		const char *last;

		/* Not strict: json-c 0.18 then takes what is beyond ASCII for control characters. */
		json_tokener_set_flags(tokener, JSON_TOKENER_VALIDATE_UTF8);
		failures_add(f, names[i], "unlink", &err, NULL, 0);
		assert_int_equal(trail_all(failures_trail(f), &b), 0);
		b.data[--b.len] = '\0';
		last = strrchr(b.data, '\n');
		last = last ? last + 1 : b.data;
		for (const char *at = last; *at; at++)
			assert_true((unsigned char)*at >= ' ');
		line = json_tokener_parse_ex(tokener, last, (int)strlen(last) + 1);
		assert_non_null(line);
		assert_null(json_object_object_get(line, "http_status"));
		assert_null(json_object_object_get(line, "code"));
		assert_null(json_object_object_get(line, "request_id"));
		assert_true(strlen(string_of(line, "message")) > 0);
		json_object_put(line);
		json_tokener_free(tokener);
		buf_free(&b);
	}
	failures_free(f);
}

static void test_text_and_success(void **state)
{
	struct failures *f = failures_new();
	struct buf b = BUF_INIT;
	char *text;

	(void)state;
	assert_null(failures_text(f, "/a.json"));
	failures_add(f, "/a.json", "write", &refused, "{\"x\":\0 1}", 9);
	text = failures_text(f, "/a.json");
	assert_string_equal(text, refused.text);
	free(text);
	assert_int_equal(failures_serial(f), 1);
	failures_clear(f, "/a.json");
	failures_clear(f, "/b.json");
	assert_null(failures_text(f, "/a.json"));
	assert_int_equal(failures_rejected(f, "/a.json", &b), 0);
	assert_int_equal(b.len, 9);
	assert_memory_equal(b.data, "{\"x\":\0 1}", 9);
	assert_true(failures_rejected_time(f, "/a.json") > 0);
	buf_clear(&b);
	assert_int_equal(failures_rejected(f, "/b.json", &b), -ENOENT);
	assert_int_equal(failures_rejected_time(f, "/b.json"), 0);
	buf_free(&b);
	failures_free(f);
}

static void test_bounds(void **state)
{
	struct failures *f = failures_new();
	struct buf b = BUF_INIT;
	char *first;

	(void)state;
	add_numbered(f, 0, FAILURES_MAX + 10);
	assert_int_equal(count_lines(f, &first), FAILURES_MAX);
	assert_non_null(strstr(first, "/applications/a10.json"));
	free(first);
	assert_int_equal(failures_serial(f), FAILURES_MAX + 10);
	assert_null(failures_text(f, "/applications/a9.json"));
	assert_int_equal(failures_rejected(f, "/applications/a9.json", &b), -ENOENT);
	assert_int_equal(failures_rejected(f, "/applications/a10.json", &b), 0);
	buf_free(&b);
	failures_free(f);
}

/* A path that fails again moves to the recent end. */
static void test_oldest_goes(void **state)
{
	struct failures *f = failures_new();
	char *text;

	(void)state;
	add_numbered(f, 0, FAILURES_MAX);
	add_numbered(f, 0, 1);
	add_numbered(f, FAILURES_MAX, FAILURES_MAX + 1);
	text = failures_text(f, "/applications/a0.json");
	assert_non_null(text);
	free(text);
	assert_null(failures_text(f, "/applications/a1.json"));
	failures_free(f);
}

static void test_bytes_bound(void **state)
{
	struct failures *f = failures_new();
	char *big = calloc(1, REJECTED_BYTES_MAX + 1);
	struct buf b = BUF_INIT;

	(void)state;
	failures_add(f, "/a", "write", &refused, big, REJECTED_BYTES_MAX / 2);
	failures_add(f, "/b", "write", &refused, big, REJECTED_BYTES_MAX / 2);
	assert_true(failures_rejected_time(f, "/a") > 0);
	failures_add(f, "/c", "write", &refused, big, 1);
	assert_int_equal(failures_rejected(f, "/a", &b), -ENOENT);
	assert_true(failures_rejected_time(f, "/b") > 0);
	failures_add(f, "/d", "write", &refused, big, REJECTED_BYTES_MAX + 1);
	assert_int_equal(failures_rejected(f, "/d", &b), -ENOENT);
	assert_true(failures_rejected_time(f, "/b") > 0);
	free(big);
	failures_free(f);
}

static int collect(void *arg, const char *name, bool is_dir)
{
	return buf_addf(arg, "%s%s ", name, is_dir ? "/" : "");
}

static void check_names(struct failures *f, const char *dir, const char *want)
{
	struct buf b = BUF_INIT;

	assert_int_equal(failures_rejected_each(f, dir, collect, &b), 0);
	assert_string_equal(b.data ? b.data : "", want);
	buf_free(&b);
}

static int stop(void *arg, const char *name, bool is_dir)
{
	(void)name, (void)is_dir;
	++*(int *)arg;
	return -EINTR;
}

static void test_tree(void **state)
{
	static const char *const paths[] = { "/applications/web.json", "/applications/api.json", "/applications/web/jobs/j.json",
					     "/deployments/d.json", "/applications.json" };
	struct failures *f = failures_new();
	int calls = 0;

	(void)state;
	check_names(f, "", "");
	for (size_t i = 0; i < array_len(paths); i++)
		failures_add(f, paths[i], "write", &refused, "x", 1);
	check_names(f, "", "applications/ deployments/ applications.json ");
	check_names(f, "/applications", "web.json api.json web/ ");
	check_names(f, "/applications/web", "jobs/ ");
	check_names(f, "/applications/web.json", "");
	check_names(f, "/nothing", "");
	assert_int_equal(failures_rejected_each(f, "", stop, &calls), -EINTR);
	assert_int_equal(calls, 1);
	failures_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_line),   cmocka_unit_test(test_local_line),  cmocka_unit_test(test_text_and_success),
		cmocka_unit_test(test_bounds), cmocka_unit_test(test_oldest_goes), cmocka_unit_test(test_bytes_bound),
		cmocka_unit_test(test_tree),
	};

	if (base_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
