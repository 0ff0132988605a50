/* fs/core/undo, fs/core/below: what was deleted, under its path, and no more of it than may be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>

#include "api/base/rand.h"
#include "cache/state.h"
#include "fs/core/undo.h"

static void keep(struct state *s, const char *path, const char *text)
{
	/* Without a file it is in memory, and the caller is told. */
	assert_int_equal(undo_keep(s, path, text, strlen(text)), -ENOTCONN);
}

static void assert_kept(struct state *s, const char *path, const char *text)
{
	cleanup_buf_ struct buf got = BUF_INIT;
	int64_t time_ns = 0;

	buf_adds(&got, "");
	if (!text) {
		assert_int_equal(undo_get(s, path, &got, NULL), -ENOENT);
		return;
	}
	assert_int_equal(undo_get(s, path, &got, &time_ns), 0);
	assert_string_equal(got.data, text);
	assert_true(time_ns > 0);
}

static int add_name(void *arg, const char *name, bool is_dir)
{
	return buf_addf(arg, "%s%s ", name, is_dir ? "/" : "");
}

static void assert_names(struct state *s, const char *dir, const char *names)
{
	cleanup_buf_ struct buf got = BUF_INIT;

	buf_adds(&got, "");
	assert_int_equal(undo_each(s, dir, add_name, &got), 0);
	assert_string_equal(got.data, names);
}

static void test_paths(void **state)
{
	struct state *s = state_open(NULL, "scope");

	(void)state;
	assert_names(s, "", "");
	keep(s, "/applications/web.json", "{\n\"a\": 1}\n");
	keep(s, "/applications/web/jobs/one.json", "");
	keep(s, "/ssh-keys/me.pub", "key\n");
	assert_kept(s, "/applications/web.json", "{\n\"a\": 1}\n");
	assert_kept(s, "/applications/web/jobs/one.json", "");
	assert_kept(s, "/applications/web", NULL);
	assert_names(s, "", "applications/ ssh-keys/ ");
	assert_names(s, "/applications", "web.json web/ ");
	assert_names(s, "/applications/web", "jobs/ ");
	assert_names(s, "/app", "");
	/* The newest stands there. */
	keep(s, "/applications/web.json", "second");
	assert_kept(s, "/applications/web.json", "second");
	state_close(s);
}

/* A delete that was refused leaves what was kept before it. */
static void test_forget(void **state)
{
	struct state *s = state_open(NULL, "scope");
	cleanup_buf_ struct buf earlier = BUF_INIT;
	int64_t time_ns = 0, again_ns = 0;

	(void)state;
	keep(s, "/a", "first");
	assert_int_equal(undo_get(s, "/a", &earlier, &time_ns), 0);
	keep(s, "/a", "second");
	undo_forget(s, "/a", &earlier, time_ns);
	assert_kept(s, "/a", "first");
	buf_clear(&earlier);
	assert_int_equal(undo_get(s, "/a", &earlier, &again_ns), 0);
	assert_int_equal(time_ns, again_ns);
	undo_forget(s, "/a", NULL, 0);
	assert_kept(s, "/a", NULL);
	undo_forget(s, "/never", NULL, 0);
	state_close(s);
}

/* The oldest go, by number and by bytes; what was deleted again is the newest. */
static void test_bounds(void **state)
{
	const size_t big = (size_t)900 << 10;
	struct state *s = state_open(NULL, "scope");
	char path[32], *text = malloc(big);
	unsigned left = 0;

	(void)state;
	for (unsigned i = 0; i < UNDO_MAX; i++) {
		snprintf(path, sizeof(path), "/a/%u", i);
		keep(s, path, "x");
	}
	keep(s, "/a/0", "again");
	keep(s, "/a/new", "x");
	assert_kept(s, "/a/0", "again");
	assert_kept(s, "/a/1", NULL);
	assert_kept(s, "/a/2", "x");
	memset(text, 'x', big);
	for (unsigned i = 0; i < 40; i++) {
		snprintf(path, sizeof(path), "/b/%u", i);
		assert_int_equal(undo_keep(s, path, text, big), -ENOTCONN);
	}
	assert_kept(s, "/a/new", NULL);
	for (unsigned i = 0; i < 40; i++) {
		cleanup_buf_ struct buf got = BUF_INIT;

		snprintf(path, sizeof(path), "/b/%u", i);
		left += undo_get(s, path, &got, NULL) == 0;
	}
	assert_int_equal(left, UNDO_BYTES_MAX / (big + 20));
	free(text);
	state_close(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_forget),
		cmocka_unit_test(test_bounds),
	};

	if (base_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
