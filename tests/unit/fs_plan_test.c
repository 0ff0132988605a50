/* The plan's texts, and what differs between what the account means and what a change rests on: no mount, no network. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fs_decide_fixture.h"
#include "fs/send/outdated.h"
#include "fs/show/plan_print.h"

/* Rows as a plan has them, with ' for "; ends with NULL. */
static void prints(const char *const *rows, const char *wanted)
{
	struct plan_sum sum = PLAN_SUM_INIT;
	struct buf out = BUF_INIT;

	for (; *rows; rows++) {
		char *text = quoted(*rows, false);
		struct json_object *row = parse(text);

		plan_sum_add(&sum, row);
		assert_int_equal(plan_print_row(row, &out), 0);
		json_object_put(row);
		free(text);
	}
	assert_int_equal(plan_print_sum(&sum, &out), 0);
	assert_string_equal(out.data, wanted);
	buf_free(&out);
}

static void test_nothing(void **unused)
{
	(void)unused;
	prints((const char *const[]){ NULL }, "Plan: nothing to do\n");
	prints((const char *const[]){ "{'path':'a','verb':'update','wave':1,'state':'nothing'}", NULL }, "Plan: nothing to do\n");
}

static void test_each_verb(void **unused)
{
	(void)unused;
	prints(
		(const char *const[]){
			"{'path':'secrets/"
			"db','verb':'create','wave':0,'state':'ready','fields':[{'field':'value','new':'(secret)'}],"
			"'requests':[{'method':'POST'}]}",
			"{'path':'applications/a.json','to':'applications/b.json','verb':'rename','wave':1,'state':'ready',"
			"'requests':[{'method':'PATCH'}]}",
			"{'path':'applications/"
			"web.json','verb':'update','wave':1,'state':'ready','fields':[{'field':'max_instances',"
			"'old':5,'new':8},{'field':'constraints.tier','old':1}],'follows':['a rollout in steps:','  Step 1 of 1: "
			"100%'],"
			"'requests':[{'method':'PATCH'},{'method':'POST'}]}",
			"{'path':'deployments/x/action','verb':'action','wave':2,'state':'ready','requests':[{'method':'POST'}]}",
			"{'path':'applications/"
			"old.json','verb':'delete','wave':4,'state':'ready','requests':[{'method':'DELETE'}]}",
			NULL },
		"+ secrets/db: create\n"
		"    value: \"(secret)\"\n"
		"> applications/a.json -> applications/b.json: rename\n"
		"~ applications/web.json: update\n"
		"    max_instances: 5 -> 8\n"
		"    constraints.tier: 1 -> (removed)\n"
		"    follows: a rollout in steps:\n"
		"    follows:   Step 1 of 1: 100%\n"
		"! deployments/x/action: action\n"
		"- applications/old.json: delete\n"
		"Plan: 1 to create, 1 to change, 1 to delete, 1 to rename, 1 action; 6 calls in 4 waves\n");
}

static void test_what_is_in_the_way(void **unused)
{
	(void)unused;
	prints(
		(const char *const[]){
			"{'path':'secrets/db','verb':'create','wave':0,'state':'lost','errno':'ENODATA','reason':'write it "
			"again'}",
			"{'path':'applications/"
			"a.json','verb':'update','wave':1,'state':'outdated','errno':'ESTALE','reason':'changed',"
			"'fields':[{'field':'max_instances','old':9,'new':8}],'conflicts':[{'field':'max_instances','was':5,'now'"
			":9},"
			"{'field':'constraints.tier','now':2}],'requests':[{'method':'PATCH'}]}",
			"{'path':'applications/"
			"b.json','verb':'create','wave':1,'state':'refused','errno':'EINVAL','reason':'no'}",
			"{'path':'applications/c.json','verb':'create','wave':1,'state':'ready','errno':'EDQUOT','reason':'full',"
			"'requests':[{'method':'POST'}]}",
			NULL },
		"+ secrets/db: create\n"
		"    must be written again: ENODATA: write it again\n"
		"~ applications/a.json: update\n"
		"    max_instances: 9 -> 8\n"
		"    changed meanwhile: max_instances: was 5, is now 9\n"
		"    changed meanwhile: constraints.tier: was (nothing), is now 2\n"
		"    outdated: ESTALE: changed\n"
		"+ applications/b.json: create\n"
		"    refused: EINVAL: no\n"
		"+ applications/c.json: create\n"
		"    failed: EDQUOT: full\n"
		"Plan: 3 to create, 1 to change, 0 to delete, 0 to rename; 1 call in 1 wave; 1 outdated; 1 refused; 1 to be "
		"written "
		"again\n");
}

static void test_a_long_value_is_cut(void **unused)
{
	struct buf text = BUF_INIT, out = BUF_INIT;
	struct json_object *row;

	(void)unused;
	buf_adds(&text, "{\"path\":\"a\",\"verb\":\"create\",\"state\":\"ready\",\"fields\":[{\"field\":\"f\",\"new\":\"");
	for (unsigned i = 0; i < 200; i++)
		buf_adds(&text, "ü");
	buf_adds(&text, "\"}]}");
	row = parse(text.data);
	assert_int_equal(plan_print_row(row, &out), 0);
	assert_non_null(strstr(out.data, "ü… (402 bytes)\n"));
	json_object_put(row);
	buf_free(&text);
	buf_free(&out);
}

/* ---- what differs ---- */

static void differ(const char *before, const char *after, const char *wanted)
{
	static const struct field_words words = { "old", "new" };
	struct json_object *fields = json_object_new_array();
	char *b = before ? quoted(before, false) : NULL, *a = quoted(after, false), *w = quoted(wanted, false);
	struct json_object *x = parse_or_null(b), *y = parse(a);

	assert_int_equal(outdated_compare(x, y, &words, fields), 0);
	assert_string_equal(json_object_to_json_string_ext(fields, JSON_C_TO_STRING_PLAIN), w);
	json_object_put(x);
	json_object_put(y);
	json_object_put(fields);
	free(b);
	free(a);
	free(w);
}

static void test_differences(void **unused)
{
	(void)unused;
	differ("{'a':1}", "{'a':1}", "[]");
	differ("{'a':1,'b':[]}", "{'a':2,'c':{}}", "[{'field':'a','old':1,'new':2}]");
	differ("{'a':{'b':{'c':1,'d':2}}}", "{'a':{'b':{'c':3}}}",
	       "[{'field':'a.b.c','old':1,'new':3},{'field':'a.b.d','old':2}]");
	differ(NULL, "{'a':{'b':1},'c':['x']}", "[{'field':'a.b','new':1},{'field':'c','new':['x']}]");
	differ("{'v':[{'name':'A','value':'1'},{'name':'B','value':'2'}]}",
	       "{'v':[{'name':'B','value':'3'},{'name':'C','value':'4'}]}",
	       "[{'field':'v[B]','old':'2','new':'3'},{'field':'v[C]','new':'4'},{'field':'v[A]','old':'1'}]");
	differ("{'v':[{'name':'A','value':'1'}]}", "{'v':[]}", "[{'field':'v','old':[{'name':'A','value':'1'}],'new':[]}]");
	differ("{'c':['a','b']}", "{'c':['b','a']}", "[{'field':'c','old':['a','b'],'new':['b','a']}]");
	differ("{'s':[{'name':'A','type':'env','secret':'x'}]}", "{'s':[{'name':'A','type':'env','secret':'y'}]}",
	       "[{'field':'s[A].secret','old':'x','new':'y'}]");
	/* Names that are there twice tell nothing apart. */
	differ("{'v':[{'name':'A'},{'name':'A'}]}", "{'v':[{'name':'A'}]}",
	       "[{'field':'v','old':[{'name':'A'},{'name':'A'}],'new':[{'name':'A'}]}]");
}

/* ---- a change that rests on what it was ---- */

#define OBJECT(max)                                                                                                              \
	"{'id':'" ID "','name':'web','version':3,'instances':" max ",'max_instances':" max ","                                   \
	"'scheduling_policy':'default','configuration':{'image':'registry.cloudflare.com/0123456789abcdef0123456789abcdef/"      \
	"app:v1'}}"

/* What a row staged on base becomes, when the account is object by then. */
static struct change *staged_decision(const char *object, const char *base, const char *doc, bool force)
{
	struct identity what = { .place = PLACE_RESOURCE, .kind = kind_find("application") };
	char *text = quoted(doc, false), *o = object ? quoted(object, false) : NULL, *b = base ? quoted(base, false) : NULL;
	struct buf content = { .data = text, .len = strlen(text) };
	struct body *body = b ? body_new(b, strlen(b)) : NULL;
	struct gathered g = {
		.wish = { .verb = WISH_WRITE,
			  .what = &what,
			  .content = &content,
			  .file_name = "web.json",
			  .staged = true,
			  .base = body,
			  .force = force },
		.exists = o,
		.object = parse_or_null(o),
		.proves = true,
		.version = o ? 3 : -1,
		.rollout = ROLLOUT_NONE,
	};
	struct change *change;

	g.name = strdup("web");
	g.id = o ? strdup(ID) : NULL;
	g.context.doc = context();
	g.context.doc.known = g.object;
	change = decide(&g);
	gathered_clear(&g);
	body_unref(body);
	free(text);
	free(o);
	free(b);
	return change;
}

static void test_outdated(void **unused)
{
	static const char was[] = "{'instances':5,'max_instances':5,'configuration':{'image':'app:v1'}}",
			  doc[] = "{'max_instances':8,'configuration':{'image':'app:v1'}}";
	struct change *c;

	(void)unused;
	/* What it was, in another spelling, and with what the service computes. */
	c = staged_decision(OBJECT("5"), was, doc, false);
	assert_int_equal(c->refusal.errnum, 0);
	assert_int_equal(c->steps_count, 1);
	change_free(c);
	c = staged_decision(OBJECT("9"), was, doc, false);
	assert_int_equal(c->refusal.errnum, ESTALE);
	assert_non_null(strstr(c->refusal.text, "max_instances"));
	assert_null(strstr(c->refusal.text, "max_instances, instances"));
	change_free(c);
	c = staged_decision(OBJECT("9"), was, doc, true);
	assert_int_equal(c->refusal.errnum, 0);
	assert_int_equal(c->steps_count, 1);
	change_free(c);
	/* Changed to what is wanted: there is nothing to do, and nothing to refuse. */
	c = staged_decision(OBJECT("8"), was, doc, false);
	assert_int_equal(c->refusal.errnum, 0);
	assert_int_equal(c->steps_count, 0);
	change_free(c);
	/* It was not there, and is. */
	c = staged_decision(OBJECT("9"), NULL, doc, false);
	assert_int_equal(c->refusal.errnum, ESTALE);
	change_free(c);
	c = staged_decision(NULL, NULL, doc, false);
	assert_int_equal(c->refusal.errnum, 0);
	assert_int_equal(c->verb, VERB_CREATE);
	change_free(c);
}

static void test_references(void **unused)
{
	struct json_object *out = json_object_new_array();
	char *text =
		quoted("{'configuration':{'image':'docker.io/library/x:1','secrets':[{'name':'A','type':'env','secret':'db'}],"
		       "'ssh_public_key_ids':['ssh-keys/me.pub']}}",
		       false);
	struct json_object *doc = parse(text);

	(void)unused;
	assert_int_equal(change_refers_of(doc, NULL, out), 0);
	assert_string_equal(json_object_to_json_string_ext(out, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE),
			    "[\"registries/docker.io.json\",\"secrets/db\",\"ssh-keys/me.pub\"]");
	json_object_put(doc);
	json_object_put(out);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_each_verb),
		cmocka_unit_test(test_what_is_in_the_way),
		cmocka_unit_test(test_a_long_value_is_cut),
		cmocka_unit_test(test_differences),
		cmocka_unit_test(test_outdated),
		cmocka_unit_test(test_references),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
