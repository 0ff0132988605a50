/* The normal form of documents, and when two values have one text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "api/doc_normal.h"

static const struct field env_fields[] = {
	{ .name = "name", .type = FIELD_STRING },
	{ .name = "value", .type = FIELD_STRING },
	{ .name = NULL },
};
static const struct field fields[] = {
	{ .name = "image", .type = FIELD_STRING, .flags = FIELD_IMAGE },
	{ .name = "env", .type = FIELD_ARRAY, .flags = FIELD_SET, .fields = env_fields },
	{ .name = "words", .type = FIELD_ARRAY, .flags = FIELD_SET },
	{ .name = "memory_mib", .type = FIELD_INT },
	{ .name = "memory", .type = FIELD_STRING, .modern = "memory_mib" },
	{ .name = "inner", .type = FIELD_OBJECT, .fields = env_fields },
	{ .name = NULL },
};

/* JSON with ' for ". */
static struct json_object *parse(const char *text)
{
	char *copy = strdup(text);
	struct json_object *o;

	for (char *p = copy; *p; p++)
		*p = (char)(*p == '\'' ? '"' : *p);
	o = json_tokener_parse(copy);
	if (!o)
		fail_msg("no JSON: %s", text);
	free(copy);
	return o;
}

static void normal(const char *text, const char *wanted)
{
	struct json_object *o = parse(text), *before = parse(text), *want = parse(wanted), *n = NULL;
	struct doc_context ctx = { .account_id = NULL };
	cleanup_buf_ struct buf is = BUF_INIT, must = BUF_INIT;

	assert_int_equal(doc_normal(fields, o, &ctx, false, &n), 0);
	assert_int_equal(doc_write(n, true, &is), 0);
	assert_int_equal(doc_write(want, true, &must), 0);
	assert_string_equal(is.data, must.data);
	/* Some of its values are shared with what it was made of, which must not show. */
	json_object_put(n);
	if (!json_object_equal(o, before))
		fail_msg("changed: %s", text);
	json_object_put(o);
	json_object_put(before);
	json_object_put(want);
}

static void test_sets(void **state)
{
	(void)state;
	normal("{'words':['b','a','b','c','a','b']}", "{'words':['a','b','c']}");
	normal("{'words':['b','B','a\\n','a','a b','\\u0000','']}", "{'words':['','B','\\u0000','a b','a','a\\n','b']}");
	normal("{'words':[2,1,2.0,'2',true,null,[],{}]}", "{'words':['2',1,2,[],null,true,{}]}");
	normal("{'words':['a']}", "{'words':['a']}");
	normal("{'words':[]}", "{}");
	normal("{'env':[{'name':'x','value':'2'},{'value':'1','name':'x'},{'name':'a','value':'9'},{'name':'x','value':'1'}]}",
	       "{'env':[{'name':'a','value':'9'},{'name':'x','value':'1'},{'name':'x','value':'2'}]}");
}

static void test_spellings(void **state)
{
	(void)state;
	normal("{'memory':'256MiB','image':'docker.io/x/y:1'}", "{'image':'docker.io/x/y:1','memory_mib':256}");
	normal("{'memory':'256MiB','memory_mib':512}", "{'memory_mib':512}");
	normal("{'memory':'256MiB','memory_mib':null,'z':1}", "{'memory_mib':256,'z':1}");
	normal("{'memory':'much','a':[1,{'y':1,'x':2}]}", "{'memory':'much','a':[1,{'x':2,'y':1}]}");
	normal("{'inner':{'memory':'256MiB'},'words':null}", "{'inner':{'memory':'256MiB'}}");
}

static void same(const char *a, const char *b, bool wanted)
{
	struct json_object *x = parse(a), *y = parse(b);

	if (doc_same_text(x, y) != wanted || doc_same_text(y, x) != wanted)
		fail_msg("%s and %s must be %s", a, b, wanted ? "the same" : "different");
	assert_true(doc_same_text(x, x));
	json_object_put(x);
	json_object_put(y);
}

static void test_texts(void **state)
{
	(void)state;
	same("'a'", "'a'", true);
	same("'a'", "'b'", false);
	same("'a'", "'a\\u0000'", false);
	same("'\xff'", "'\xfe'", true);
	same("'1'", "1", false);
	same("true", "true", true);
	same("true", "false", false);
	same("7", "7", true);
	same("7", "8", false);
	same("2", "2.0", true);
	same("2.5", "2.50", true);
	same("9223372036854775807", "9223372036854775808", false);
	same("9223372036854775808", "9223372036854775808", true);
	same("[1,'a',null]", "[1.0,'a',null]", true);
	same("[1,'a',null]", "[1,'a',0]", false);
	same("[1]", "[1,1]", false);
	same("[]", "{}", false);
	same("{'a':[1]}", "{'a':[1]}", true);
	same("{'a':[1]}", "{'a':[2]}", false);
	assert_true(doc_same_text(NULL, NULL));
}

static void test_characters(void **state)
{
	cleanup_buf_ struct buf out = BUF_INIT;
	struct json_object *o = json_object_new_string_len("a~\x7f\"\\\n\0\xc3\xa4\x80z", 11);

	(void)state;
	assert_int_equal(doc_write(o, true, &out), 0);
	assert_string_equal(out.data, "\"a~\x7f\\\"\\\\\\n\\u0000\xc3\xa4\xef\xbf\xbdz\"");
	json_object_put(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sets),
		cmocka_unit_test(test_spellings),
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_characters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
