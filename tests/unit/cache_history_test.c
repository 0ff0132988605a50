/* cache/lines and the history of the state file: what is kept, by whom it is seen, what outlives whom. */
#include "tests/unit/cache_state_dir.h"

#include "cache/textlog.h"

/* ---- lines ---- */

static void assert_lines(const struct textlog *l, uint64_t at, const char *text)
{
	char out[256];
	size_t n = textlog_read(l, at, out, sizeof(out) - 1);

	out[n] = '\0';
	assert_string_equal(out, text);
}

static void test_lines(void **state)
{
	struct textlog l;
	char two[3];

	(void)state;
	textlog_init(&l, 3, 12);
	assert_int_equal(textlog_end(&l), 0);
	assert_lines(&l, 0, "");
	assert_int_equal(textlog_add(&l, "one\n", 4), 0);
	assert_int_equal(textlog_add(&l, "two\n", 4), 0);
	assert_int_equal(textlog_add(&l, "six\n", 4), 0);
	assert_lines(&l, 0, "one\ntwo\nsix\n");
	assert_lines(&l, 5, "wo\nsix\n");
	assert_lines(&l, 12, "");
	/* Past the number the oldest goes, and its place reads as newlines. */
	assert_int_equal(textlog_add(&l, "ten\n", 4), 0);
	assert_int_equal(textlog_first(&l), 4);
	assert_lines(&l, 1, "\n\n\ntwo\nsix\nten\n");
	/* Past the bytes, too. */
	assert_int_equal(textlog_add(&l, "eleven\n", 7), 0);
	assert_int_equal(textlog_first(&l), 12);
	assert_lines(&l, 12, "ten\neleven\n");
	assert_int_equal(textlog_read(&l, 13, two, 3), 3);
	assert_memory_equal(two, "en\n", 3);
	/* What fits nowhere is left out, and takes nothing with it. */
	assert_int_equal(textlog_add(&l, "longer than it all\n", 19), 0);
	assert_lines(&l, 12, "ten\neleven\n");
	textlog_limit(&l, 1);
	assert_lines(&l, 16, "eleven\n");
	textlog_limit(&l, 0);
	assert_int_equal(textlog_add(&l, "x\n", 2), 0);
	assert_lines(&l, textlog_first(&l), "");
	textlog_clear(&l);
}

/* Long lines are packed, and read back whole from any offset. */
static void test_long_lines(void **state)
{
	const size_t len = 20000;
	char *text = malloc(len), *out = malloc(4 * len);
	struct textlog l;

	(void)state;
	textlog_init(&l, 1000, (size_t)64 << 20);
	for (unsigned i = 0; i < 200; i++) {
		for (size_t k = 0; k < len; k++)
			text[k] = (char)('a' + (k / 50 + i) % 26);
		text[len - 1] = '\n';
		assert_int_equal(textlog_add(&l, text, len), 0);
	}
	assert_int_equal(textlog_end(&l), 200 * len);
	assert_true(l.ring[l.first].packed < len / 4);
	for (unsigned i = 0; i < 199; i++) {
		uint64_t at = i * len + (i * 37) % len;
		size_t n = textlog_read(&l, at, out, len);

		assert_int_equal(n, len);
		for (size_t k = 0; k < n; k++) {
			size_t in = (size_t)(at + k) % len, line = (size_t)(at + k) / len;

			assert_int_equal(out[k], in == len - 1 ? '\n' : 'a' + (in / 50 + line) % 26);
		}
	}
	textlog_clear(&l);
	free(text);
	free(out);
}

/* ---- the state's ---- */

static void add(struct state *s, const char *line)
{
	assert_int_equal(state_history_add(s, line, strlen(line)), 0);
}

static void assert_history(struct state *s, const char *text)
{
	cleanup_buf_ struct buf got = BUF_INIT;

	buf_adds(&got, "");
	assert_int_equal(state_history_all(s, &got), 0);
	assert_string_equal(got.data, text);
}

/* Each sees the other's lines, once, in their order; a third one, of later, all of them; another account none. */
static void test_two(void **state)
{
	const char *dir = sub("two");
	struct state *a = state_open(dir, SCOPE), *b = state_open(dir, SCOPE), *other = state_open(dir, "other");

	(void)state;
	add(a, "a1\n");
	assert_history(a, "a1\n");
	sync_state(a);
	sync_state(b);
	assert_history(b, "a1\n");
	for (unsigned i = 0; i < 20; i++) {
		add(i % 2 ? a : b, i % 2 ? "odd\n" : "even\n");
		sync_state(i % 2 ? a : b);
	}
	sync_state(a);
	sync_state(b);
	assert_int_equal(state_history_end(a), 3 + 10 * (4 + 5));
	assert_int_equal(state_history_end(b), 3 + 10 * (4 + 5));
	sync_state(other);
	assert_history(other, "");
	state_close(a);
	state_close(b);
	state_close(other);
	a = state_open(dir, SCOPE);
	assert_history(a, "a1\neven\nodd\neven\nodd\neven\nodd\neven\nodd\neven\nodd\neven\nodd\neven\nodd\neven\nodd\neven\nodd"
			  "\neven\nodd\n");
	state_close(a);
}

/* Written by both at once: each line is there once, for everybody. */
static void test_at_once(void **state)
{
	const char *dir = sub("once");
	struct state *s[2] = { state_open(dir, SCOPE), state_open(dir, SCOPE) };
	char line[16];

	(void)state;
	for (unsigned i = 0; i < 300; i++) {
		snprintf(line, sizeof(line), "%c%03u\n", 'a' + i % 2, i);
		add(s[i % 2], line);
	}
	for (unsigned i = 0; i < 4; i++)
		sync_state(s[i % 2]);
	for (unsigned i = 0; i < 2; i++) {
		cleanup_buf_ struct buf all = BUF_INIT;

		assert_int_equal(state_history_all(s[i], &all), 0);
		assert_int_equal(all.len, 300 * 5);
		for (unsigned k = 0; k < 300; k++) {
			snprintf(line, sizeof(line), "%c%03u\n", 'a' + k % 2, k);
			assert_non_null(strstr(all.data, line));
		}
	}
	state_close(s[0]);
	state_close(s[1]);
}

/* The oldest go, here and in the file. */
static void test_full(void **state)
{
	const char *dir = sub("full");
	struct state *s = state_open(dir, SCOPE);
	char line[16];

	(void)state;
	state_history_limit(s, 5);
	for (unsigned i = 0; i < 12; i++) {
		snprintf(line, sizeof(line), "%u\n", i);
		add(s, line);
	}
	assert_history(s, "7\n8\n9\n10\n11\n");
	state_close(s);
	s = state_open(dir, SCOPE);
	assert_history(s, "7\n8\n9\n10\n11\n");
	/* 0: none is shown, or added. */
	state_history_limit(s, 0);
	assert_history(s, "");
	add(s, "more\n");
	assert_history(s, "");
	state_close(s);
	s = state_open(dir, SCOPE);
	assert_history(s, "7\n8\n9\n10\n11\n");
	state_close(s);
}

/* By bytes, in the file too. */
static void test_full_of_bytes(void **state)
{
	const size_t len = (size_t)1 << 20;
	const char *dir = sub("bytes");
	struct state *s = state_open(dir, SCOPE);
	char *line = malloc(len);

	(void)state;
	memset(line, 'x', len);
	line[len - 1] = '\n';
	for (unsigned i = 0; i < 70; i++) {
		assert_int_equal(state_history_add(s, line, len), 0);
		if (i % 10 == 0)
			sync_state(s);
	}
	assert_int_equal(state_history_end(s) - state_history_first(s), STATE_HISTORY_BYTES_MAX);
	state_close(s);
	s = state_open(dir, SCOPE);
	assert_int_equal(state_history_end(s) - state_history_first(s), STATE_HISTORY_BYTES_MAX);
	state_close(s);
	free(line);
}

/* Without a file there is what this mount did; a file that was lost is filled anew. */
static void test_without_file(void **state)
{
	const char *dir = sub("lost");
	struct state *s = state_open(NULL, SCOPE);
	char path[300];

	(void)state;
	add(s, "memory\n");
	assert_history(s, "memory\n");
	state_close(s);
	s = state_open(dir, SCOPE);
	add(s, "one\n");
	sync_state(s);
	snprintf(path, sizeof(path), "rm %s/cfcfs.db*", dir);
	assert_int_equal(system(path), 0);
	add(s, "two\n");
	sync_state(s);
	assert_history(s, "one\ntwo\n");
	state_close(s);
	s = state_open(dir, SCOPE);
	assert_history(s, "one\ntwo\n");
	state_close(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),        cmocka_unit_test(test_long_lines), cmocka_unit_test(test_two),
		cmocka_unit_test(test_at_once),      cmocka_unit_test(test_full),       cmocka_unit_test(test_full_of_bytes),
		cmocka_unit_test(test_without_file),
	};

	if (base_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
