/* The scanner: whole and cut anywhere, and that it agrees with the parser. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <json-c/json.h>

#include "api/base/buf.h"
#include "api/base/clock.h"
#include "api/doc.h"

static enum doc_state scan_chunks(const char *text, size_t len, size_t chunk)
{
	cleanup_(doc_scan_freep) struct doc_scan *scan = doc_scan_new();
	enum doc_state state = DOC_EMPTY;

	assert_non_null(scan);
	for (size_t i = 0; i < len; i += chunk)
		state = doc_scan_feed(scan, text + i, len - i < chunk ? len - i : chunk);
	return state;
}

static void expect(const char *text, size_t len, enum doc_state wanted)
{
	struct json_object *doc = NULL;

	for (size_t chunk = 1; chunk <= 7; chunk++) {
		enum doc_state state = scan_chunks(text, len, chunk);

		if (state != wanted)
			fail_msg("%.*s: state %d, wanted %d", (int)len, text, state, wanted);
	}
	assert_int_equal(doc_parse(text, len, &doc, NULL), wanted == DOC_COMPLETE ? 0 : -EINVAL);
	json_object_put(doc);
}

static void states_are_as_they_must_be(void **state)
{
	static const struct {
		const char *text;
		enum doc_state state;
	} cases[] = {
		{ "", DOC_EMPTY },
		{ " \t\r\n", DOC_EMPTY },
		{ "{", DOC_INCOMPLETE },
		{ "{}", DOC_COMPLETE },
		{ " {} \n\n", DOC_COMPLETE },
		{ "{}x", DOC_MALFORMED },
		{ "{}{}", DOC_MALFORMED },
		{ "[]", DOC_MALFORMED },
		{ "1", DOC_MALFORMED },
		{ "{\"a\"", DOC_INCOMPLETE },
		{ "{\"a\":", DOC_INCOMPLETE },
		{ "{\"a\":1", DOC_INCOMPLETE },
		{ "{\"a\":1}", DOC_COMPLETE },
		{ "{\"a\":1,", DOC_INCOMPLETE },
		{ "{\"a\":1,}", DOC_MALFORMED },
		{ "{,}", DOC_MALFORMED },
		{ "{\"a\" 1}", DOC_MALFORMED },
		{ "{a:1}", DOC_MALFORMED },
		{ "{\"a\":[]}", DOC_COMPLETE },
		{ "{\"a\":[1,]}", DOC_MALFORMED },
		{ "{\"a\":[1 2]}", DOC_MALFORMED },
		{ "{\"a\":[}", DOC_MALFORMED },
		{ "{\"a\":{]}", DOC_MALFORMED },
		{ "{\"a\":-}", DOC_MALFORMED },
		{ "{\"a\":-0}", DOC_COMPLETE },
		{ "{\"a\":00}", DOC_MALFORMED },
		{ "{\"a\":1.}", DOC_MALFORMED },
		{ "{\"a\":.5}", DOC_MALFORMED },
		{ "{\"a\":1.5e}", DOC_MALFORMED },
		{ "{\"a\":1.5e+}", DOC_MALFORMED },
		{ "{\"a\":1.5E+07}", DOC_COMPLETE },
		{ "{\"a\":1e5}", DOC_COMPLETE },
		{ "{\"a\":0e5}", DOC_COMPLETE },
		{ "{\"a\":1e400}", DOC_COMPLETE },
		{ "{\"a\":0x1}", DOC_MALFORMED },
		{ "{\"a\":tru}", DOC_MALFORMED },
		{ "{\"a\":truee}", DOC_MALFORMED },
		{ "{\"a\":true,\"b\":false,\"c\":null}", DOC_COMPLETE },
		{ "{\"a\":\"\\n\\u00e9\\\\\\/\"}", DOC_COMPLETE },
		{ "{\"a\":\"\\x\"}", DOC_MALFORMED },
		{ "{\"a\":\"\\u12g4\"}", DOC_MALFORMED },
		{ "{\"a\":\"\t\"}", DOC_MALFORMED },
		{ "{\"a\":\"\\ud83d\\ude00\"}", DOC_COMPLETE },
		{ "{\"a\":\"\\ud83d\"}", DOC_MALFORMED },
		{ "{\"a\":\"\\ud83d\\n\"}", DOC_MALFORMED },
		{ "{\"a\":\"\\ud83d\\u0041\"}", DOC_MALFORMED },
		{ "{\"a\":\"\\ude00\"}", DOC_MALFORMED },
		{ "{\"a\":\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"}", DOC_COMPLETE },
		{ "{\"a\":\"\xc3\"}", DOC_MALFORMED },
		{ "{\"a\":\"\xc3", DOC_INCOMPLETE },
		{ "{\"a\":\"\xed\xa0\x80\"}", DOC_MALFORMED },
		{ "{\"a\":\"\xe0\x80\x80\"}", DOC_MALFORMED },
		{ "{\"a\":\"\xf4\x90\x80\x80\"}", DOC_MALFORMED },
		{ "{\"a\":\"\xff\"}", DOC_MALFORMED },
		{ "\xef\xbb\xbf{}", DOC_MALFORMED },
		{ "{\"a\":1,\"a\":2}", DOC_MALFORMED },
		{ "{\"a\":1,\"\\u0061\":2}", DOC_MALFORMED },
		{ "{\"\":1,\"\":2}", DOC_MALFORMED },
		{ "{\"a\":{\"a\":1,\"b\":{\"a\":1}},\"b\":{\"a\":1}}", DOC_COMPLETE },
		{ "{\"a\":[{\"a\":1},{\"a\":1},{\"b\":1,\"a\":1}],\"c\":1}", DOC_COMPLETE },
		{ "{\"a\":[{\"a\":1},{\"b\":1,\"b\":1}]}", DOC_MALFORMED },
		{ "{\"a\\u0000b\":1}", DOC_MALFORMED },
		{ "{\"a\":\"x\\u0000y\"}", DOC_COMPLETE },
		{ "{/* */}", DOC_MALFORMED },
	};
	(void)state;

	for (size_t i = 0; i < array_len(cases); i++)
		expect(cases[i].text, strlen(cases[i].text), cases[i].state);
	expect("{\"a\":\"x\0y\"}", 10, DOC_MALFORMED);
}

static void every_prefix_of_a_document_is_incomplete(void **state)
{
	static const char text[] = "{\"a\": [1, -2.5e3, true, null, {\"\\u00e9\": \"\xe2\x82\xac \\ud83d\\ude00\"}], \"b\": {}}";
	(void)state;

	for (size_t n = 1; n + 1 < sizeof(text); n++)
		expect(text, n, DOC_INCOMPLETE);
	expect(text, sizeof(text) - 1, DOC_COMPLETE);
}

static void depth_is_bounded(void **state)
{
	struct buf text = BUF_INIT;
	(void)state;

	for (int depth = DOC_DEPTH_MAX - 1; depth <= DOC_DEPTH_MAX + 1; depth++) {
		buf_clear(&text);
		for (int i = 0; i < depth; i++)
			buf_adds(&text, i % 2 ? "[" : i ? "{\"a\":" : "{\"a\":");
		/* Odd levels are arrays; what they hold is an object. */
		buf_adds(&text, "1");
		for (int i = depth; i-- > 0;)
			buf_adds(&text, i % 2 ? "]" : "}");
		expect(text.data, text.len, depth <= DOC_DEPTH_MAX ? DOC_COMPLETE : DOC_MALFORMED);
	}
	buf_free(&text);
}

/* What people write who know JSON by its relatives. */
static void errors_say_what_json_lacks(void **state)
{
	static const struct {
		const char *text, *says;
	} rows[] = {
		{ "{\"a\": 1,}",
		  "line 1, column 9: found '}' where a key in quotes must stand (the comma before it is one too many)" },
		{ "{\"a\": [1,]}",
		  "line 1, column 10: found ']' where a value must stand (the comma before it is one too many)" },
		{ "{\"a\": ]}", "line 1, column 7: found ']' where a value must stand" },
		{ "{ // what it is\n}",
		  "line 1, column 3: found '/' where a key in quotes, or '}' must stand (JSON has no comments)" },
		{ "# what it is\n{}",
		  "line 1, column 1: found '#' where '{', the start of a JSON object, must stand (JSON has no comments)" },
		{ "{'a': 1}", "line 1, column 2: found ''' where a key in quotes, or '}' must stand (quotes are \" in JSON)" },
		{ "{\"a\": \"\\#\"}",
		  "line 1, column 9: found '#' where one of \" \\ / b f n r t u behind a backslash must stand" },
	};
	cleanup_(doc_scan_freep) struct doc_scan *scan = doc_scan_new();
	(void)state;

	for (size_t i = 0; i < array_len(rows); i++) {
		struct err err = ERR_INIT;

		doc_scan_reset(scan);
		assert_int_equal(doc_scan_feed(scan, rows[i].text, strlen(rows[i].text)), DOC_MALFORMED);
		doc_scan_error(scan, &err);
		assert_string_equal(err.text, rows[i].says);
	}
}

static void errors_say_where(void **state)
{
	cleanup_(doc_scan_freep) struct doc_scan *scan = doc_scan_new();
	static const char bad[] = "{\n  \"\xc3\xa9\": 1,\n  \"b\": \"\xc3\xa9\xc3\xa9\", x\n}";
	struct err err = ERR_INIT;
	(void)state;

	assert_int_equal(doc_scan_feed(scan, bad, sizeof(bad) - 1), DOC_MALFORMED);
	doc_scan_error(scan, &err);
	assert_string_equal(err.text, "line 3, column 14: found 'x' where a key in quotes must stand");
	doc_scan_reset(scan);
	assert_int_equal(doc_scan_feed(scan, "{\"a\":1}", 7), DOC_COMPLETE);
	doc_scan_reset(scan);
	assert_int_equal(doc_scan_feed(scan, "{\"a\": [\n1", 9), DOC_INCOMPLETE);
	doc_scan_error(scan, &err);
	assert_non_null(strstr(err.text, "the array of line 1, column 7 is not closed"));
	doc_scan_reset(scan);
	doc_scan_error(scan, &err);
	assert_non_null(strstr(err.text, "empty"));
	/* Whatever comes behind the first error does not change it. */
	doc_scan_feed(scan, "]", 1);
	doc_scan_feed(scan, "{}", 2);
	doc_scan_error(scan, &err);
	assert_non_null(strstr(err.text, "line 1, column 1: found ']'"));
}

/* 1 MiB of keys, a byte at a time: linear, or this would not end. */
static void many_keys_byte_by_byte(void **state)
{
	struct buf text = BUF_INIT;
	int64_t before = clock_now_ms();
	(void)state;

	buf_adds(&text, "{");
	for (int i = 0; text.len < DOC_BYTES_MAX - 20; i++)
		buf_addf(&text, "%s\"%x\":{}", i ? "," : "", i);
	buf_adds(&text, "}");
	assert_int_equal(scan_chunks(text.data, text.len, 1), DOC_COMPLETE);
	assert_true(clock_now_ms() - before < 5000);
	text.len--;
	buf_adds(&text, ",\"0\":1}");
	assert_int_equal(scan_chunks(text.data, text.len, 1), DOC_MALFORMED);
	buf_free(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(states_are_as_they_must_be), cmocka_unit_test(every_prefix_of_a_document_is_incomplete),
		cmocka_unit_test(depth_is_bounded),           cmocka_unit_test(errors_say_where),
		cmocka_unit_test(errors_say_what_json_lacks), cmocka_unit_test(many_keys_byte_by_byte),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
