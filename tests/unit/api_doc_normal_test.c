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
	if (doc_alike(x, y) && !wanted)
		fail_msg("%s and %s are not alike", a, b);
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
	same("{'a':1,'b':2}", "{'a':1.0,'b':2}", true);
	same("{'a':1,'b':2}", "{'a':1}", false);
	same("{'a':1,'b':2}", "{'b':2,'a':1}", false);
	same("{'\xff':1}", "{'\xfe':1}", true);
	assert_true(doc_same_text(NULL, NULL));
}

/* ---- what two documents do not have alike ---- */

static const struct field size_fields[] = {
	{ .name = "instance_type", .type = FIELD_STRING },
	{ .name = "vcpu", .type = FIELD_NUMBER },
	{ .name = "image", .type = FIELD_STRING, .flags = FIELD_IMAGE },
	{ .name = "dns", .type = FIELD_OBJECT, .fields = env_fields },
	{ .name = NULL },
};
static const struct field top_fields[] = {
	{ .name = "id", .type = FIELD_STRING, .flags = FIELD_STATUS },
	{ .name = "n", .type = FIELD_INT },
	{ .name = "sizes", .type = FIELD_OBJECT, .fields = size_fields },
	{ .name = "once", .type = FIELD_OBJECT, .flags = FIELD_CREATE_ONLY, .fields = env_fields },
	{ .name = "filled", .type = FIELD_OBJECT, .flags = FIELD_FILLED, .fields = env_fields },
	{ .name = "env", .type = FIELD_ARRAY, .flags = FIELD_SET, .fields = env_fields },
	{ .name = "memory_mib", .type = FIELD_INT },
	{ .name = "memory", .type = FIELD_STRING, .modern = "memory_mib" },
	{ .name = NULL },
};

static void unlike(const char *a, const char *d, const char *wanted_a, const char *wanted_d)
{
	struct json_object *x = parse(a), *y = parse(d), *left_x = NULL, *left_y = NULL;
	struct json_object *want_x = parse(wanted_a), *want_y = parse(wanted_d), *before_x = parse(a), *before_y = parse(d);

	assert_int_equal(doc_unlike(top_fields, x, y, &left_x, &left_y), 0);
	if (!json_object_equal(left_x, want_x) || !json_object_equal(left_y, want_y))
		fail_msg("%s and %s leave %s and %s", a, d, json_object_to_json_string(left_x),
			 json_object_to_json_string(left_y));
	json_object_put(left_x);
	json_object_put(left_y);
	assert_true(json_object_equal(x, before_x) && json_object_equal(y, before_y));
	json_object_put(x);
	json_object_put(y);
	json_object_put(want_x);
	json_object_put(want_y);
	json_object_put(before_x);
	json_object_put(before_y);
}

static void test_unlike(void **state)
{
	(void)state;
	unlike("{'n':1}", "{'n':1}", "{}", "{}");
	unlike("{'n':1}", "{'n':1.0}", "{'n':1}", "{'n':1.0}");
	unlike("{'n':1,'id':'i'}", "{'n':2}", "{'n':1,'id':'i'}", "{'n':2}");
	unlike("{'n':null}", "{'n':null}", "{}", "{}");
	unlike("{'n':null}", "{'n':1}", "{}", "{'n':1}");
	unlike("{'env':[{'name':'a'}]}", "{'env':[{'name':'a'}]}", "{}", "{}");
	unlike("{'env':[{'name':'a'}]}", "{'env':[{'name':'b'}]}", "{'env':[{'name':'a'}]}", "{'env':[{'name':'b'}]}");
	/* Unknown and read-only fields are not for here. */
	unlike("{'x':1,'id':'i'}", "{'x':1,'id':'i'}", "{'x':1,'id':'i'}", "{'x':1,'id':'i'}");
	/* Two spellings of one number stay together, */
	unlike("{'memory_mib':256,'memory':'256MiB'}", "{'memory_mib':256}", "{'memory_mib':256,'memory':'256MiB'}",
	       "{'memory_mib':256}");
	/* and so does a size. */
	unlike("{'sizes':{'instance_type':'lite','vcpu':1,'image':'a'}}", "{'sizes':{'instance_type':'lite','image':'a'}}",
	       "{'sizes':{'instance_type':'lite','vcpu':1}}", "{'sizes':{'instance_type':'lite'}}");
	/* Inside too, but not where an empty object would mean something else. */
	unlike("{'sizes':{'image':'a','dns':{'name':'x','value':'1'}}}", "{'sizes':{'image':'a','dns':{'name':'x'}}}",
	       "{'sizes':{'dns':{'value':'1'}}}", "{'sizes':{'dns':{}}}");
	unlike("{'once':{'name':'a','value':'1'}}", "{'once':{'name':'a'}}", "{'once':{'name':'a','value':'1'}}",
	       "{'once':{'name':'a'}}");
	unlike("{'filled':{'name':'a','value':'1'}}", "{'filled':{'name':'a'}}", "{'filled':{'name':'a','value':'1'}}",
	       "{'filled':{'name':'a'}}");
	unlike("{'sizes':{'image':'a'}}", "{'sizes':{'image':'a'}}", "{'sizes':{}}", "{'sizes':{}}");
	unlike("{'sizes':'x'}", "{'sizes':{}}", "{'sizes':'x'}", "{'sizes':{}}");
}

/* ---- writing ---- */

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
		cmocka_unit_test(test_sets),   cmocka_unit_test(test_spellings),  cmocka_unit_test(test_texts),
		cmocka_unit_test(test_unlike), cmocka_unit_test(test_characters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
