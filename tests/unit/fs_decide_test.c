/* What a write comes to, as tables of documents: no mount, no network, thousands of decisions in a moment. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>

#include "fs_decide_fixture.h"
#include "fs/send/send.h"

#define ROLLOUT(members_)  "POST /applications/ID/rollouts {'target_configuration':{" members_ "}}"
#define MODIFY(members_)   "PATCH /applications/ID {" members_ "}"
#define V2                 "'image':'registry.cloudflare.com/" ACCOUNT "/app:v2'"
#define DOC2(conf_, more_) "{'configuration':{'image':'app:v2'" conf_ "}" more_ "}"
#define ENV(value_)        ",'environment_variables':[{'name':'A','value':'" value_ "'}]"

/* ---- applications ---- */

static void test_configuration_is_one_rollout(void **state)
{
	static const struct row {
		struct facts facts;
		const char *sends;
	} rows[] = {
		/* The same, in every spelling: nothing. */
		{ { .object = APP(LITE, ""), .doc = DOC("", "") }, "" },
		{ { .object = APP(LITE, ""), .doc = DOC(",'instance_type':'lite'", "") }, "" },
		{ { .object = APP(LITE, ""), .doc = DOC(",'command':[],'entrypoint':null", ",'constraints':{},'jobs':false") },
		  "" },
		{ { .object = APP(LITE_NUMBERS ",'command':[],'entrypoint':[],'network':{'mode':'public'}", ""),
		    .doc = DOC("", "") },
		  "" },
		{ { .object = APP(LITE, ",'max_instances':5"), .doc = DOC("", ",'max_instances':5.0") }, "" },
		/* One member, one rollout with it alone. */
		{ { .object = APP(LITE, ""), .doc = DOC2("", "") }, ROLLOUT(V2) },
		{ { .object = APP(LITE ENV("1"), ""), .doc = DOC2(ENV("1"), "") }, ROLLOUT(V2) },
		{ { .object = APP(LITE ENV("1"), ""), .doc = DOC(ENV("2"), "") },
		  ROLLOUT("'environment_variables':[{'name':'A','value':'2'}]") },
		{ { .object = APP(LITE, ""), .doc = DOC(",'command':['a']", "") }, ROLLOUT("'command':['a']") },
		/* What no rollout carries goes first. */
		{ { .object = APP(LITE, ",'max_instances':5"), .doc = DOC2("", ",'max_instances':1") },
		  MODIFY("'max_instances':1") "\n" ROLLOUT(V2) },
		{ { .object = APP(LITE, ",'max_instances':5"), .doc = DOC("", ",'max_instances':6") },
		  MODIFY("'max_instances':6") },
		/* What reaches a running container needs none, alone; beside others it goes with them. */
		{ { .object = APP(LITE, ""), .doc = DOC(",'wrangler_ssh':{'enabled':true}", "") },
		  MODIFY("'configuration':{'wrangler_ssh':{'enabled':true}}") },
		{ { .object = APP(LITE, ""), .doc = DOC2(",'wrangler_ssh':{'enabled':true}", "") },
		  ROLLOUT(V2 ",'wrangler_ssh':{'enabled':true}") },
		/* Removed members are neutral values. */
		{ { .object = APP(LITE ENV("1"), ""), .doc = DOC("", "") }, ROLLOUT("'environment_variables':[]") },
		{ { .object = APP(LITE ",'command':['a'],'entrypoint':['b']", ""), .doc = DOC("", "") },
		  ROLLOUT("'command':[],'entrypoint':[]") },
		{ { .object = APP(LITE, ",'observability':{'logs':{'enabled':true}}"), .doc = DOC("", "") },
		  MODIFY("'observability':{'logs':{'enabled':false}}") },
		/* Our own rollout's members go on with the next. */
		{ { .object = APP(LITE ",'command':['a']", ""),
		    .doc = DOC2(",'command':['a']", ""),
		    .carried = "{'command':['a']}" },
		  ROLLOUT("'command':['a']," V2) },
		{ { .object = APP(LITE, ""), .doc = DOC2("", ""), .carried = "{'image':'app:v9'}" }, ROLLOUT(V2) },
		{ { .object = APP(LITE, ",'max_instances':5"),
		    .doc = DOC("", ",'max_instances':6"),
		    .carried = "{'command':['a']}" },
		  MODIFY("'max_instances':6") },
		/* A target that cannot be read proves nothing: every member of the document's configuration goes. */
		{ { .object = APP(LITE, ""), .doc = DOC(",'command':['a']", ""), .blind = true },
		  ROLLOUT("'image':'" LONG "','command':['a']") },
		{ { .object = APP(LITE, ",'max_instances':5"), .doc = DOC("", ",'max_instances':5"), .blind = true },
		  ROLLOUT("'image':'" LONG "'") },
		/* rollout=none is a PATCH alone, of the changed members. */
		{ { .object = APP(LITE, ",'max_instances':5"), .doc = DOC2("", ",'max_instances':6"), .rollout = ROLLOUT_NONE },
		  MODIFY("'max_instances':6,'configuration':{" V2 "}") },
		/* So is an application that has no rollouts. */
		{ { .object = APP(LITE, ""), .doc = DOC2("", ""), .traits = TRAIT_DURABLE }, MODIFY("'configuration':{" V2 "}") },
		/* wrangler's way: the account first, then the whole configuration; and what is owed of it. */
		{ { .object = APP(LITE ENV("1"), ""), .doc = DOC2(ENV("1"), ""), .older_way = true },
		  MODIFY("'configuration':{" V2 "}") "\n" ROLLOUT(V2 ENV("1")) },
		{ { .object = APP(LITE, ""), .doc = DOC("", ""), .owed = true }, ROLLOUT("'image':'" LONG "'") },
		{ { .object = APP(LITE, ""), .doc = DOC("", ""), .owed = true, .rollout = ROLLOUT_NONE }, "" },
		/* instances: by what was written last, and by nothing that is answered. */
		{ { .object = APP(LITE, ""), .doc = DOC("", ",'instances':4"), .written = "{'instances':4}" }, "" },
		{ { .object = APP(LITE, ""), .doc = DOC("", ",'instances':5"), .written = "{'instances':4}" },
		  MODIFY("'instances':5") },
		{ { .object = APP(LITE, ""), .doc = DOC("", ""), .written = "{'instances':4}" }, "" },
		/* Without memory: in a view that does not show the number, a document that says one was not read here. */
		{ { .object = APP(LITE, ""), .doc = DOC("", ",'instances':2"), .declared = true }, "" },
		{ { .object = APP(LITE, ""), .doc = DOC("", ",'instances':2") }, MODIFY("'instances':2") },
		{ { .object = APP(LITE, ""), .doc = DOC("", ",'instances':2"), .written = "{'instances':4}", .declared = true },
		  MODIFY("'instances':2") },
	};
	(void)state;

	for (size_t i = 0; i < array_len(rows); i++)
		sends(&rows[i].facts, rows[i].sends);
}

static void test_creates(void **state)
{
	static const struct row {
		struct facts facts;
		const char *sends;
	} rows[] = {
		{ { .doc = DOC("", ",'max_instances':2") },
		  "POST /applications {'name':'web','configuration':{'image':'" LONG "'},'max_instances':2,"
		  "'scheduling_policy':'default','instances':0}" },
		{ { .doc = DOC(",'command':[],'checks':[]", ",'max_instances':2,'constraints':{},'instances':3") },
		  "POST /applications {'name':'web','configuration':{'image':'" LONG "'},'max_instances':2,'instances':3,"
		  "'scheduling_policy':'default'}" },
		{ { .kind = "deployment", .doc = "{'image':'app:v1','location':'lhr01'}" },
		  "POST /deployments/v2 {'image':'" LONG "','location':'lhr01','labels':[{'name':'cfcfs.name','value':'web'}]}" },
		{ { .kind = "registry protocol", .doc = "{'domains':[{'domain':'a.example'}]}" }, NULL },
	};
	(void)state;

	for (size_t i = 0; i < array_len(rows); i++) {
		if (rows[i].sends)
			sends(&rows[i].facts, rows[i].sends);
	}
}

static void test_refusals(void **state)
{
	static const struct row {
		struct facts facts;
		int errnum;
		const char *text;
	} rows[] = {
		{ { .object = APP(LITE, ""), .doc = DOC2("", ",'version':2") },
		  ESTALE,
		  "version: is 2, but the account is at version 3" },
		{ { .doc = DOC("", ",'max_instances':1,'version':2") },
		  ESTALE,
		  "version: is 2, but the account has no application" },
		{ { .object = APP(LITE, ""), .doc = DOC("", ",'jobs':true") }, EINVAL, "jobs" },
		{ { .object = APP(LITE, ""), .doc = DOC(",'imag':'x'", "") }, EINVAL, "configuration.imag: " },
		{ { .object = APP(LITE, ""), .doc = "{'configuration':" }, EINVAL, "" },
		{ { .kind = "job", .parent = "a", .object = "{'id':'j'}", .doc = "{'entrypoint':['a'],'command':['b']}" },
		  EEXIST,
		  "a job is written once" },
		{ { .kind = "placement", .parent = "a", .doc = "{}" }, EPERM, "is made by the platform" },
	};
	(void)state;

	for (size_t i = 0; i < array_len(rows); i++)
		refuses(&rows[i].facts, rows[i].errnum, rows[i].text);
}

/* The version says something only where something would be sent. */
static void test_precondition(void **state)
{
	(void)state;
	sends(&(struct facts){ .object = APP(LITE, ""), .doc = DOC("", ",'version':2") }, "");
	sends(&(struct facts){ .object = APP(LITE, ""), .doc = DOC2("", ",'version':3") }, ROLLOUT(V2));
}

/* The steps are those of the new max_instances, and the mark is the same for the same decision alone. */
static void test_rollout_body(void **state)
{
	struct change *one =
		decision(&(struct facts){ .object = APP(LITE, ",'max_instances':5"), .doc = DOC2("", ",'max_instances':1") });
	struct change *same =
		decision(&(struct facts){ .object = APP(LITE, ",'max_instances':5"), .doc = DOC2("", ",'max_instances':1") });
	struct change *many = decision(&(struct facts){ .object = APP(LITE, ""), .doc = DOC2("", ",'max_instances':9") });
	struct change *later = decision(&(struct facts){ .object = APP(LITE, ""), .doc = DOC2("", ""), .version = 5 });
	struct change *again = decision(
		&(struct facts){ .object = APP(LITE, ",'max_instances':5"), .doc = DOC2("", ",'max_instances':1"), .nonce = 1 });
	(void)state;

	assert_non_null(strstr(one->steps[1].body.data, "\"steps\":[{\"step_size\":{\"percentage\":100}"));
	assert_non_null(strstr(many->steps[1].body.data, "\"steps\":[{\"step_size\":{\"percentage\":10}"));
	assert_true(change_equal(one, same));
	assert_false(change_equal(one, many));
	assert_string_equal(one->steps[1].mark, same->steps[1].mark);
	assert_string_not_equal(one->steps[1].mark, later->steps[0].mark);
	assert_string_not_equal(one->steps[1].mark, again->steps[1].mark);
	change_free(one);
	change_free(same);
	change_free(many);
	change_free(later);
	change_free(again);
}

/* ---- what must be gone ---- */

static void test_removed(void **state)
{
	struct change *c = decision(
		&(struct facts){ .object = APP(LITE ENV("1") ",'command':['a']", ",'observability':{'logs':{'enabled':true}}"),
				 .doc = DOC(",'command':['b']", "") });
	struct json_object *want =
		parse("{'observability':{'logs':{'enabled':false}},'configuration':{'environment_variables':[]}}");
	struct json_object *kept = parse("{'target_configuration':{'environment_variables':[{'name':'A','value':'1'}]}}");
	struct json_object *gone = parse("{'target_configuration':{'command':['b']}}");
	struct err err = ERR_INIT;
	(void)state;

	assert_true(json_object_equal(c->removed, want));
	assert_true(step_wants_look(c, 0));
	assert_int_equal(step_check(c, 1, kept, &err), -EINVAL);
	assert_non_null(strstr(err.text, "configuration.environment_variables"));
	assert_int_equal(step_check(c, 1, gone, &err), 0);
	json_object_put(want);
	json_object_put(kept);
	json_object_put(gone);
	change_free(c);
}

/* ---- an answer that was lost ---- */

static void test_arrived(void **state)
{
	struct change *c =
		decision(&(struct facts){ .object = APP(LITE, ",'max_instances':5"), .doc = DOC2("", ",'max_instances':6") });
	struct json_object *before = parse(APP(LITE, ",'max_instances':5")), *after = parse(APP(LITE, ",'max_instances':6"));
	struct json_object *other = parse("{'id':'i','name':'web','version':5,'max_instances':7,'configuration':{'image':'x'}}");
	(void)state;

	/* Of the PATCH alone: the image is the rollout's. */
	assert_int_equal(settle_arrived(c, 0, after), 1);
	assert_int_equal(settle_arrived(c, 0, before), 0);
	assert_int_equal(settle_arrived(c, 0, other), -1);
	json_object_put(before);
	json_object_put(after);
	json_object_put(other);
	change_free(c);
}

/* A create that the service takes for one that was made answers that one. */
static void test_created_already(void **state)
{
	static const char policy[] = "'scheduling_policy':'durable_object','durable_objects':{'namespace_id':'" ACCOUNT "'}";
	struct change *c;
	struct json_object *same, *other, *name;
	struct err err = ERR_INIT;
	char doc[300], text[400];
	(void)state;

	snprintf(doc, sizeof(doc), "{%s,'configuration':{'wrangler_ssh':{'enabled':true}}}", policy);
	c = decision(&(struct facts){ .doc = doc });
	assert_int_equal(c->refusal.errnum, 0);
	snprintf(text, sizeof(text), "{'id':'" ACCOUNT "','name':'web',%s,'configuration':{'wrangler_ssh':{'enabled':true}}}",
		 policy);
	same = parse(text);
	snprintf(text, sizeof(text), "{'id':'" ACCOUNT "','name':'web',%s,'configuration':{}}", policy);
	other = parse(text);
	snprintf(text, sizeof(text), "{'id':'" ACCOUNT "','name':'old',%s}", policy);
	name = parse(text);
	assert_int_equal(step_check(c, 0, same, &err), 0);
	assert_int_equal(step_check(c, 0, other, &err), -EEXIST);
	assert_int_equal(step_check(c, 0, name, &err), -EEXIST);
	json_object_put(same);
	json_object_put(other);
	json_object_put(name);
	change_free(c);
}

/* ---- what is no document ---- */

static void test_secrets(void **state)
{
	struct facts make = { .kind = "secret", .doc = "pass\"word\n", .raw = true }, keep = make, change = make, nul = make;
	struct change *c;
	struct buf shown = BUF_INIT;
	(void)state;

	keep.object = change.object = "{'id':'s','name':'web'}";
	keep.same_secret = true;
	nul.doc = "\xff\xfe";
	c = decision(&make);
	assert_int_equal(c->steps_count, 1);
	assert_string_equal(c->steps[0].body.data, "{\"name\":\"web\",\"value\":\"pass\\\"word\"}");
	assert_int_equal(change_print(c, &shown), 0);
	assert_null(strstr(shown.data, "pass"));
	buf_free(&shown);
	change_free(c);
	c = decision(&change);
	assert_string_equal(c->steps[0].body.data, "{\"value\":\"pass\\\"word\"}");
	assert_string_equal(c->steps[0].method, "PATCH");
	change_free(c);
	sends(&keep, "");
	refuses(&nul, EINVAL, "UTF-8");
}

/* ---- documents that must be refused ---- */

static void read_file(const char *name, const char *suffix, struct buf *out)
{
	const char *source = getenv("CFCFS_SOURCE_DIR");
	char path[4500], bytes[4096];
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "%s/tests/documents/%s%s", source ? source : ".", name, suffix);
	f = fopen(path, "r");
	if (!f)
		fail_msg("%s: %s", path, strerror(errno));
	while ((n = fread(bytes, 1, sizeof(bytes), f)) > 0)
		assert_int_equal(buf_add(out, bytes, n), 0);
	fclose(f);
}

/* Each is refused as a new one: of a resource, of the account's defaults, of a request for credentials. */
static void refuse_document(const char *name)
{
	cleanup_buf_ struct buf text = BUF_INIT, expect = BUF_INIT;
	char kind[64];
	struct facts f = { .kind = kind, .parent = "a", .name = "NAME", .raw = true };

	snprintf(kind, sizeof(kind), "%.*s", (int)strcspn(name, "-"), name);
	for (char *p = kind; *p; p++)
		*p = (char)(*p == '_' ? ' ' : *p);
	if (!strcmp(kind, "account")) {
		f.part = "defaults.json";
		f.object = "{}";
	} else if (!strcmp(kind, "credentials")) {
		f.kind = "registry";
		f.leaf = "credentials.json";
		f.object = "{'domain':'NAME'}";
		f.traits = TRAIT_MANAGED;
	}
	read_file(name, ".json", &text);
	read_file(name, ".expect", &expect);
	expect.data[strcspn(expect.data, "\n")] = 0;
	f.doc = text.data ? text.data : "";
	f.size = text.len;
	refuses(&f, EINVAL, expect.data);
}

static void test_documents(void **state)
{
	const char *source = getenv("CFCFS_SOURCE_DIR");
	char path[4096];
	unsigned count = 0;
	struct dirent *e;
	DIR *dir;
	(void)state;

	snprintf(path, sizeof(path), "%s/tests/documents", source ? source : ".");
	dir = opendir(path);
	assert_non_null(dir);
	while ((e = readdir(dir))) {
		char name[256];
		size_t n = strlen(e->d_name);

		if (n <= 5 || strcmp(e->d_name + n - 5, ".json") != 0)
			continue;
		snprintf(name, sizeof(name), "%.*s", (int)(n - 5), e->d_name);
		refuse_document(name);
		count++;
	}
	closedir(dir);
	assert_true(count >= 120);
}

/* Many of them: the same decision each time, and nothing that is left behind. */
static void test_many(void **state)
{
	const struct facts f = { .object = APP(LITE ENV("1"), ",'max_instances':5"),
				 .doc = DOC2(ENV("2"), ",'max_instances':1") };
	struct change *first = decision(&f);
	(void)state;

	for (unsigned i = 0; i < 2000; i++) {
		struct change *again = decision(&f);

		assert_true(change_equal(first, again));
		change_free(again);
	}
	change_free(first);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_configuration_is_one_rollout),
		cmocka_unit_test(test_creates),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_precondition),
		cmocka_unit_test(test_rollout_body),
		cmocka_unit_test(test_removed),
		cmocka_unit_test(test_arrived),
		cmocka_unit_test(test_created_already),
		cmocka_unit_test(test_secrets),
		cmocka_unit_test(test_documents),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
