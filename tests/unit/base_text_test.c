/* api/base: buffers, errors, names, numbers, dates. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>

#include "api/base/buf.h"
#include "api/base/clock.h"
#include "api/base/err.h"
#include "api/base/name.h"
#include "api/base/parse.h"
#include "api/base/rand.h"

/* ---- buf ---- */

static void test_buf_grows(void **state)
{
	cleanup_buf_ struct buf b = BUF_INIT;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(buf_addc(&b, (char)('a' + i % 26)), 0);
		assert_int_equal(b.data[b.len], '\0');
	}
	assert_int_equal(b.len, 1000);
	assert_int_equal(buf_addf(&b, "%d-%s", 42, "x"), 0);
	assert_string_equal(b.data + 1000, "42-x");
	assert_int_equal(buf_resize(&b, 3), 0);
	assert_string_equal(b.data, "abc");
	assert_int_equal(buf_resize(&b, 5), 0);
	assert_memory_equal(b.data, "abc\0\0", 6);
	buf_clear(&b);
	assert_int_equal(b.len, 0);
	assert_string_equal(b.data, "");
	assert_int_equal(buf_add(&b, NULL, 0), 0);
}

static void test_buf_bound(void **state)
{
	cleanup_buf_ struct buf b = { .max = 10 };

	(void)state;
	assert_int_equal(buf_adds(&b, "0123456789"), 0);
	assert_int_equal(buf_addc(&b, 'x'), -EFBIG);
	assert_int_equal(buf_addf(&b, "%s", "xyz"), -EFBIG);
	assert_int_equal(buf_resize(&b, 11), -EFBIG);
	assert_int_equal(buf_reserve(&b, SIZE_MAX), -EFBIG);
	assert_string_equal(b.data, "0123456789");
	assert_int_equal(b.len, 10);
	b.max = 0;
	assert_int_equal(buf_resize(&b, BUF_MAX + 1), -EFBIG);
}

static void test_buf_steal(void **state)
{
	struct buf b = BUF_INIT;
	char *p;

	(void)state;
	p = buf_steal(&b);
	assert_string_equal(p, "");
	free(p);
	buf_adds(&b, "kept");
	p = buf_steal(&b);
	assert_string_equal(p, "kept");
	assert_null(b.data);
	assert_int_equal(b.len, 0);
	free(p);
	buf_adds(&b, "secret");
	buf_wipe(&b);
	assert_null(b.data);
	buf_wipe(&b);
}

/* ---- err ---- */

static void test_err(void **state)
{
	struct err err = ERR_INIT;
	char long_text[2000];

	(void)state;
	assert_int_equal(err_set(NULL, EINVAL, "nobody reads %d", 1), -EINVAL);
	err.http_status = 400;
	assert_int_equal(err_set(&err, EINVAL, "field %s", "a"), -EINVAL);
	assert_int_equal(err.errnum, EINVAL);
	assert_int_equal(err.http_status, 400);
	assert_int_equal(err_prefix(&err, "line %d: ", 3), -EINVAL);
	assert_string_equal(err.text, "line 3: field a");
	memset(long_text, 'x', sizeof(long_text));
	long_text[sizeof(long_text) - 1] = '\0';
	err_set(&err, EIO, "%s", long_text);
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
	err_prefix(&err, "%s", long_text);
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
	err_clear(&err);
	assert_int_equal(err.errnum, 0);
	assert_string_equal(errno_name(EINVAL), "EINVAL");
	assert_string_equal(errno_name(0), "E?");
	assert_string_equal(errno_name(-1), "E?");
	assert_string_equal(errno_name(100000), "E?");
}

/* ---- names ---- */

static void test_name_encode(void **state)
{
	static const char *const cases[][2] = {
		{ "web", "web" },
		{ "a b", "a b" },
		{ "a/b", "a%2Fb" },
		{ ".hidden", "%2Ehidden" },
		{ "..", "%2E." },
		{ "a.b", "a.b" },
		{ "100%", "100%25" },
		{ "x.json", "x%2Ejson" },
		{ "x.json.json", "x.json%2Ejson" },
		{ "tab\there", "tab%09here" },
		{ "\x7f", "%7F" },
		{ "ümläut", "ümläut" },
		{ "v~1234abcd", "v%7E1234abcd" },
		{ "v~1234abc", "v~1234abc" },
		{ "v~1234abcde", "v~1234abcde" },
		{ "~1234abcd", "%7E1234abcd" },
		{ "%41", "%2541" },
		{ "\n", "%0A" },
	};
	char name[NAME_MAX_BYTES + 1];

	(void)state;
	for (size_t i = 0; i < array_len(cases); i++) {
		cleanup_free_ char *back = NULL;
		char want[64];

		name_encode(cases[i][0], ".json", name);
		snprintf(want, sizeof(want), "%s.json", cases[i][1]);
		assert_string_equal(name, want);
		assert_int_equal(name_decode(name, ".json", &back), 0);
		assert_string_equal(back, cases[i][0]);
	}
}

static void test_name_decode_refuses(void **state)
{
	static const char *const names[] = { ".json",   "a",        "a.jso",     "a%zz.json",   "a%41.json", "a%2.json",
					     "a%.json", "%00.json", "a%2f.json", "x.json.json", ".a.json",   "a~12345678.json",
					     "a%2" };
	char *back = (char *)"untouched";

	(void)state;
	for (size_t i = 0; i < array_len(names); i++)
		assert_int_equal(name_decode(names[i], ".json", &back), -EINVAL);
	assert_string_equal(back, "untouched");
}

/* Whatever the bytes: the way there and back, one name for one identity, and a name that a directory can hold. */
static void test_name_round_trip(void **state)
{
	static const char *const pieces[] = {
		"a", ".", "/", "%", "~", "deadbeef", ".json", "\x01", "\xc3\xa9", "41", "Z", "\xff"
	};
	unsigned seed = 3;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		char identity[64] = "", name[NAME_MAX_BYTES + 1];
		cleanup_free_ char *back = NULL;
		size_t n = 0;

		for (int parts = 1 + rand_r(&seed) % 5; parts > 0; parts--)
			n += (size_t)snprintf(identity + n, sizeof(identity) - n, "%s",
					      pieces[(size_t)rand_r(&seed) % array_len(pieces)]);
		name_encode(identity, ".json", name);
		assert_null(strchr(name, '/'));
		assert_true(name[0] != '.');
		assert_int_equal(name_decode(name, ".json", &back), 0);
		assert_string_equal(back, identity);
	}
}

static void test_name_cut(void **state)
{
	char identity[1000], name[NAME_MAX_BYTES + 1], other[NAME_MAX_BYTES + 1];

	(void)state;
	for (size_t len = 245; len < 260; len++) {
		memset(identity, 'x', len);
		identity[len] = '\0';
		name_encode(identity, ".json", name);
		assert_int_equal(name_is_cut(name, ".json"), len > 250);
		assert_int_equal(strlen(name), len > 250 ? NAME_MAX_BYTES : len + 5);
		name_encode_duplicate(identity, "12345678-9", ".json", other);
		assert_true(strlen(other) <= NAME_MAX_BYTES);
		assert_true(name_has_suffix(other, "~12345678.json"));
	}
	/* An id is text of the service's, too. */
	name_encode_duplicate("web", "a/../b\ncd", ".json", other);
	assert_string_equal(other, "web~a%2F..%2Fb%0Ac.json");
	memset(identity, '/', 300);
	identity[300] = '\0';
	name_encode_duplicate(identity, "////////", ".json", other);
	assert_true(strlen(other) <= NAME_MAX_BYTES && !strchr(other, '/'));
	/* Not inside a character, nor inside a %XX, wherever the cut falls. */
	for (size_t before = 220; before < 250; before++) {
		memset(identity, 'x', before);
		for (size_t i = before; i < 900; i += 2)
			memcpy(identity + i, "\xc3\xa9", 3);
		name_encode(identity, ".json", name);
		assert_true(strlen(name) <= NAME_MAX_BYTES && strlen(name) > NAME_MAX_BYTES - 3);
		for (size_t i = 0; name[i]; i++) {
			if (name[i] == '\xc3')
				assert_int_equal((unsigned char)name[i + 1], 0xa9);
		}
		memset(identity + before, '/', 300);
		name_encode(identity, ".json", name);
		for (size_t i = 0; name[i]; i++) {
			if (name[i] == '%')
				assert_memory_equal(&name[i], "%2F", 3);
		}
	}
	memset(identity, 'x', 300);
	identity[300] = '\0';
	name_encode(identity, "", name);
	identity[299] = 'y';
	name_encode(identity, "", other);
	assert_string_not_equal(name, other);
}

static void test_name_scratch(void **state)
{
	static const char *const scratch[] = { ".x.json.swp", "a.json~", "a.swp",     "a.swx", "a.tmp",
					       "4913",        "#a#",     "sedAb12cd", "." };
	static const char *const plain[] = { "a.json", "sedAb12c", "sedAb12cde", "sed.b12cd", "#a", "#", "49130", "swp", "" };

	(void)state;
	for (size_t i = 0; i < array_len(scratch); i++)
		assert_true(name_is_scratch(scratch[i]));
	for (size_t i = 0; i < array_len(plain); i++)
		assert_false(name_is_scratch(plain[i]));
}

/* ---- numbers ---- */

static void test_parse_int64(void **state)
{
	static const char *const bad[] = { "", " 1", "\t1", "+1", "1 ", "1x", "x", "-", "--1", "0x10", "1.5" };
	int64_t v = 77;

	(void)state;
	for (size_t i = 0; i < array_len(bad); i++)
		assert_int_equal(parse_int64(bad[i], INT64_MIN, INT64_MAX, &v), -EINVAL);
	assert_int_equal(parse_int64("11", 0, 10, &v), -ERANGE);
	assert_int_equal(parse_int64("-1", 0, 10, &v), -ERANGE);
	assert_int_equal(parse_int64("9223372036854775808", INT64_MIN, INT64_MAX, &v), -ERANGE);
	assert_int_equal(v, 77);
	assert_int_equal(parse_int64("9223372036854775807", INT64_MIN, INT64_MAX, &v), 0);
	assert_true(v == INT64_MAX);
	assert_int_equal(parse_int64("-10", -10, 10, &v), 0);
	assert_int_equal(v, -10);
}

static void test_parse_seconds(void **state)
{
	static const char *const bad[] = { "", " 1", "1s", "inf", "nan", "0x1", "1e3", "1.2.3", "-", ".", "1-2" };
	int64_t ms = 5;
	double v;
	unsigned mode = 5;

	(void)state;
	for (size_t i = 0; i < array_len(bad); i++)
		assert_int_equal(parse_seconds(bad[i], 1000000, &ms), -EINVAL);
	assert_int_equal(parse_seconds("-1", 1000, &ms), -ERANGE);
	assert_int_equal(parse_seconds("1.001", 1000, &ms), -ERANGE);
	assert_int_equal(ms, 5);
	assert_int_equal(parse_seconds("0.05", 1000, &ms), 0);
	assert_int_equal(ms, 50);
	assert_int_equal(parse_seconds("1", 1000, &ms), 0);
	assert_int_equal(ms, 1000);
	assert_int_equal(parse_seconds(".5", 1000, &ms), 0);
	assert_int_equal(ms, 500);
	assert_int_equal(parse_double("-2.5", -3, 0, &v), 0);
	assert_true(v == -2.5);
	assert_int_equal(parse_mode("0640", &mode), 0);
	assert_int_equal(mode, 0640);
	assert_int_equal(parse_mode("17777", &mode), -ERANGE);
	assert_int_equal(parse_mode("777777777777777777777777777777", &mode), -ERANGE);
	assert_int_equal(parse_mode("8", &mode), -EINVAL);
	assert_int_equal(parse_mode("", &mode), -EINVAL);
	assert_int_equal(mode, 0640);
}

static void test_parse_nearest(void **state)
{
	static const char *const words[] = { "instances", NULL, "max_instances", "configuration", "image" };
	char long_word[100];

	(void)state;
	assert_string_equal(parse_nearest("instnaces", words, array_len(words)), "instances");
	assert_string_equal(parse_nearest("imge", words, array_len(words)), "image");
	assert_string_equal(parse_nearest("configuraton", words, array_len(words)), "configuration");
	assert_null(parse_nearest("something else", words, array_len(words)));
	assert_null(parse_nearest("x", words, array_len(words)));
	assert_null(parse_nearest("image", words, 0));
	memset(long_word, 'i', sizeof(long_word));
	long_word[sizeof(long_word) - 1] = '\0';
	assert_null(parse_nearest(long_word, words, array_len(words)));
}

/* ---- dates ---- */

static void test_rfc3339(void **state)
{
	static const struct {
		const char *text, *same;
	} good[] = {
		{ "2026-11-24T12:00:00Z", "2026-11-24T12:00:00.000Z" },
		{ "2026-11-24t12:00:00z", "2026-11-24T12:00:00.000Z" },
		{ "2026-11-24T12:00:00.123456789Z", "2026-11-24T12:00:00.123Z" },
		{ "2026-11-24T12:00:00.1234567891234Z", "2026-11-24T12:00:00.123Z" },
		{ "2026-11-24T12:00:00.5+02:30", "2026-11-24T09:30:00.500Z" },
		{ "2026-11-24T12:00:00-01:00", "2026-11-24T13:00:00.000Z" },
		{ "2024-02-29T00:00:00Z", "2024-02-29T00:00:00.000Z" },
		{ "2016-12-31T23:59:60Z", "2017-01-01T00:00:00.000Z" },
		{ "1969-12-31T23:59:59.25Z", "1969-12-31T23:59:59.250Z" },
	};
	static const char *const bad[] = { "",
					   "2026",
					   "2026-11-24",
					   "2026-11-24T12:00:00",
					   "2026-13-24T12:00:00Z",
					   "2026-11-31T12:00:00Z",
					   "2023-02-29T12:00:00Z",
					   "2026-11-24T24:00:00Z",
					   "2026-11-24T12:60:00Z",
					   "2026-11-24T12:00:61Z",
					   "2026-11-24T12:00:00.Z",
					   "2026-11-24T12:00:00+0100",
					   "2026-11-24T12:00:00+-1:00",
					   "2026-11-24T12:00:00Zx",
					   "2026-11-24T-1:00:00Z",
					   "+026-11-24T12:00:00Z",
					   "2026-11-24T12:00: 1Z",
					   "9999-11-24T12:00:00Z",
					   "0001-01-01T00:00:00Z",
					   "2026-11-24T12:00:00+24:00" };
	char text[CLOCK_TEXT_SIZE];
	int64_t ns = 7;

	(void)state;
	for (size_t i = 0; i < array_len(bad); i++)
		assert_int_equal(clock_parse_rfc3339(bad[i], &ns), -EINVAL);
	assert_int_equal(ns, 7);
	for (size_t i = 0; i < array_len(good); i++) {
		assert_int_equal(clock_parse_rfc3339(good[i].text, &ns), 0);
		assert_string_equal(clock_format_rfc3339(ns, text, sizeof(text)), good[i].same);
	}
	assert_int_equal(clock_parse_rfc3339("1970-01-01T00:00:01.000000001Z", &ns), 0);
	assert_int_equal(ns, NSEC_PER_SEC + 1);
	assert_int_equal(clock_timespec(-1).tv_sec, -1);
	assert_int_equal(clock_timespec(-1).tv_nsec, NSEC_PER_SEC - 1);
}

static void test_deadlines(void **state)
{
	(void)state;
	assert_true(clock_after_ms(INT64_MAX) == CLOCK_NEVER);
	assert_true(clock_after_ms(CLOCK_NEVER - 1) == CLOCK_NEVER);
	assert_true(clock_left_ms(CLOCK_NEVER) == CLOCK_NEVER);
	assert_int_equal(clock_left_ms(clock_now_ms() - 10), 0);
	assert_true(clock_left_ms(clock_after_ms(500)) <= 500 && clock_left_ms(clock_after_ms(500)) > 300);
}

/* ---- hashes ---- */

static void test_hashes(void **state)
{
	uint8_t key[FINGERPRINT_KEY_BYTES] = { 1 }, other[FINGERPRINT_KEY_BYTES] = { 2 };
	uint8_t a[FINGERPRINT_BYTES], b[FINGERPRINT_BYTES];

	(void)state;
	/* Inode numbers rely on it: the same in every process, for ever. */
	assert_true(hash64("cfcfs", 5) == hash64("cfcfs", 5));
	assert_true(hash64("cfcfs", 5) != hash64("cfcft", 5));
	fingerprint(key, "value", 5, a);
	fingerprint(key, "value", 5, b);
	assert_memory_equal(a, b, sizeof(a));
	fingerprint(other, "value", 5, b);
	assert_memory_not_equal(a, b, sizeof(a));
	for (int i = 0; i < 100; i++)
		assert_true(rand_below(7) < 7);
	assert_null(wipe_str(NULL));
	assert_null(wipe_str(strdup("secret")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_buf_grows),       cmocka_unit_test(test_buf_bound),
		cmocka_unit_test(test_buf_steal),       cmocka_unit_test(test_err),
		cmocka_unit_test(test_name_encode),     cmocka_unit_test(test_name_decode_refuses),
		cmocka_unit_test(test_name_round_trip), cmocka_unit_test(test_name_cut),
		cmocka_unit_test(test_name_scratch),    cmocka_unit_test(test_parse_int64),
		cmocka_unit_test(test_parse_seconds),   cmocka_unit_test(test_parse_nearest),
		cmocka_unit_test(test_rfc3339),         cmocka_unit_test(test_deadlines),
		cmocka_unit_test(test_hashes),
	};

	if (base_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
