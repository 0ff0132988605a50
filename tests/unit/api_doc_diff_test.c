/* What is sent where a document and the account differ, and that nothing is where they do not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <json-c/json.h>

#include "doc_fixture.h"

struct outcome {
	int result;
	struct err err;
	struct json_object *patch;
};

static struct outcome diff(const char *name, const char *object, const char *doc, const struct doc_context *given)
{
	const struct kind *kind = kind_find(name);
	struct json_object *o = parse(object), *d = parse(doc), *o_before = NULL, *d_before = NULL;
	struct outcome out = { .err = ERR_INIT };
	struct doc_context ctx = *given;
	int64_t version;

	ctx.known = o;
	out.result = doc_check((struct doc_file){ kind, d, "web" }, false, &ctx, &version, &out.err);
	if (out.result < 0)
		fail_msg("%s: %s", doc, out.err.text);
	json_object_deep_copy(o, &o_before, NULL);
	json_object_deep_copy(d, &d_before, NULL);
	out.result = doc_diff((struct doc_file){ kind, d, "web" }, o, &ctx, &out.patch, &out.err);
	if (!json_object_equal(o, o_before) || !json_object_equal(d, d_before))
		fail_msg("%s and %s: one was changed by the comparison", object, doc);
	json_object_put(o_before);
	json_object_put(d_before);
	if (out.result == 0 && !(kind->flags & KIND_LABEL_NAME) && doc_same(kind, o, d, &ctx) != (out.patch == NULL))
		fail_msg("%s and %s: doc_same and doc_diff disagree", object, doc);
	json_object_put(o);
	json_object_put(d);
	return out;
}

static void patches_in(const struct doc_context *ctx, const char *kind, const char *object, const char *doc, const char *wanted)
{
	struct outcome out = diff(kind, object, doc, ctx);
	struct json_object *want = wanted ? parse(wanted) : NULL;

	if (out.result < 0)
		fail_msg("%s\n%s\n%s", object, doc, out.err.text);
	if (!want != !out.patch || (want && !json_object_equal(want, out.patch)))
		fail_msg("%s\n%s\nsends %s\nmust send %s", object, doc,
			 out.patch ? json_object_to_json_string_ext(out.patch, JSON_C_TO_STRING_NOSLASHESCAPE) : "nothing",
			 wanted ? wanted : "nothing");
	json_object_put(want);
	json_object_put(out.patch);
}

static void patches(const char *kind, const char *object, const char *doc, const char *wanted)
{
	struct doc_context ctx = context();

	patches_in(&ctx, kind, object, doc, wanted);
}

static void refuses(const char *kind, const char *object, const char *doc, const char *text)
{
	struct doc_context ctx = context();
	struct outcome out = diff(kind, object, doc, &ctx);

	if (out.result != -EINVAL || !strstr(out.err.text, text))
		fail_msg("%s\n%s\nresult %d \"%s\", must hold \"%s\"", object, doc, out.result, out.err.text, text);
	json_object_put(out.patch);
}

static void same(const char *object, const char *doc)
{
	patches("application", object, doc, NULL);
}

static void changes(const char *object, const char *doc, const char *wanted)
{
	patches("application", object, doc, wanted);
}

static void defaults_are_no_difference(void **state)
{
	(void)state;
	same(APP("", ""), DOC("", ""));
	same(APP("", ""), DOC("", ",'instances':0,'scheduling_policy':'default','jobs':false,'rollout_active_grace_period':0"));
	same("{'configuration':{'image':'" LONG "'}}",
	     DOC("", ",'instances':0,'scheduling_policy':'default','jobs':false,'rollout_active_grace_period':0"));
	same(APP(",'network':{'assign_ipv4':'none'}", ""), DOC("", ""));
	same(APP("", ""), DOC(",'network':{'assign_ipv4':'none'}", ""));
	same(APP("", ""),
	     DOC(",'command':[],'dns':{},'secrets':null,'checks':[]", ",'constraints':{'regions':[]},'observability':null"));
	same(APP(",'command':[],'dns':{'servers':[]}", ",'constraints':{},'affinities':null"), DOC("", ""));
	same(APP("", ""), DOC("", ",'name':'web','version':99"));
	same(APP("", ",'new':{'x':1}"), DOC("", ""));
}

static void spellings_are_no_difference(void **state)
{
	(void)state;
	same(APP("", ""), "{'configuration':{'image':'registry.cloudflare.com/app:v1'}}");
	same(APP("", ""), "{'configuration':{'image':'" LONG "'}}");
	changes(APP("", ""), "{'configuration':{'image':'docker.io/library/app:v1'}}",
		"{'configuration':{'image':'docker.io/library/app:v1'}}");
	/* The short form of another image goes in its long form. */
	changes(APP("", ""), "{'configuration':{'image':'app:v2'}}",
		"{'configuration':{'image':'registry.cloudflare.com/" ACCOUNT "/app:v2'}}");
	same(APP("", ",'max_instances':2"), DOC("", ",'max_instances':2.0"));
	same(APP("", ",'max_instances':2"), DOC("", ",'max_instances':20e-1"));
	same(APP(",'command':['a/b','\xc3\xa9']", ""), DOC(",'command':['\\u0061\\/b','\\u00e9']", ""));
	same(APP(",'new':{'b':1,'a':[{'d':1,'c':2.50}]}", ""), DOC(",'new':{'a':[{'c':2.5,'d':1.0}],'b':1}", ""));
	same(APP(",'ssh_public_key_ids':['k1','k2']", ""), DOC(",'ssh_public_key_ids':['ssh-keys/bert.pub','k1']", ""));
}

static void sets_have_no_order(void **state)
{
	(void)state;
	same(APP(",'environment_variables':[{'name':'A','value':'1'},{'name':'B','value':'2'}]", ""),
	     DOC(",'environment_variables':[{'value':'2','name':'B'},{'name':'A','value':'1'}]", ""));
	same(APP(",'labels':[{'name':'A','value':'1'},{'name':'A','value':'2'}]", ""),
	     DOC(",'labels':[{'name':'A','value':'2'},{'name':'A','value':'1'}]", ""));
	same(APP(",'secrets':[{'type':'env','name':'A','secret':'a'},{'type':'env','name':'B','secret':'b'}]", ""),
	     DOC(",'secrets':[{'type':'env','name':'B','secret':'b'},{'type':'env','name':'A','secret':'a'}]", ""));
	same(APP("", ",'constraints':{'tiers':[1,2],'regions':['EEUR','WEUR'],'cities':['c','d'],'pops':['e','f']}"),
	     DOC("", ",'constraints':{'tiers':[2.0,1],'regions':['WEUR','EEUR'],'cities':['d','c'],'pops':['f','e']}"));
	changes(APP(",'command':['a','b']", ""), DOC(",'command':['b','a']", ""), PATCH("'command':['b','a']"));
	changes(APP(",'labels':[{'name':'A','value':'1'},{'name':'A','value':'2'}]", ""),
		DOC(",'labels':[{'name':'A','value':'1'}]", ""), PATCH("'labels':[{'name':'A','value':'1'}]"));
}

static void one_size_has_many_spellings(void **state)
{
	static const char *const spellings[] = {
		"{'image':'app:v1','instance_type':'lite'}",
		"{'image':'app:v1','instance_type':'dev'}",
		"{'image':'app:v1','vcpu':0.0625,'memory_mib':256,'disk':{'size_mb':2000}}",
		"{'image':'app:v1','vcpu':0.0625,'memory':'256MiB','disk':{'size':'2GB'}}",
		"{'image':'app:v1','vcpu':6.25e-2,'memory':'256 mib','disk':{'size':'2.0 gb'}}",
		"{'image':'app:v1','vcpu':0.0625,'memory':'0.25GiB','disk':{'size':'2000MB'}}",
		"{'image':'app:v1','memory':'0.25GiB'}",
		"{'image':'app:v1'}",
	};
	char doc[200];
	(void)state;

	for (size_t i = 0; i < array_len(spellings); i++) {
		snprintf(doc, sizeof(doc), "{'configuration':%s}", spellings[i]);
		same(APP(LITE, ""), doc);
		same(APP(LITE_NUMBERS, ""), doc);
		same(APP(",'instance_type':'dev'", ""), doc);
		same(APP("", ""), doc);
	}
	same(APP(BASIC_NUMBERS, ""), DOC(",'instance_type':'basic'", ""));
	same(APP(",'instance_type':'standard-1'", ""), DOC(",'instance_type':'standard'", ""));
	same(APP(",'instance_type':'standard'", ""), DOC(",'vcpu':0.5,'memory':'4gib','disk':{'size_mb':8000}", ""));
}

#define NAMED         "{'id':'d','labels':[{'name':'cfcfs.name','value':'web'}]"
#define EFFORT(conf_) NAMED ",'vcpu':1,'memory':'1GiB','memory_mib':1024,'disk':{'size':'4GB','size_mb':4000}" conf_ "}"

static void sizes_change(void **state)
{
	struct doc_context unknown = context();
	(void)state;

	/* The service ends the numbers that stand beside a new type, and the type beside new numbers. */
	changes(APP(LITE, ""), DOC(",'instance_type':'basic'", ""), PATCH("'instance_type':'basic'"));
	changes(APP(LITE_NUMBERS, ""), DOC(",'instance_type':'basic'", ""), PATCH("'instance_type':'basic'"));
	changes(APP(LITE, ""), DOC(",'vcpu':1", ""), PATCH("'vcpu':1"));
	changes(APP(LITE_NUMBERS, ""), DOC(",'vcpu':2", ""), PATCH("'vcpu':2"));
	/* What is not said any more goes back to the account's default: by its name where nothing is said. */
	changes(APP(BASIC_NUMBERS, ""), DOC("", ""), PATCH("'instance_type':'lite'"));
	changes(APP(BASIC_NUMBERS, ""), DOC(",'memory':'1GiB','disk':{'size':'4GB'}", ""), PATCH("'vcpu':0.0625"));
	/* Where a type is shown, all numbers that the document says. */
	patches("deployment", NAMED ",'instance_type':'basic'" BASIC_NUMBERS "}",
		"{'vcpu':0.25,'memory_mib':512,'disk':{'size_mb':4000}}",
		"{'vcpu':0.25,'memory_mib':512,'disk':{'size_mb':4000}}");
	patches("deployment", NAMED ",'instance_type':'lite'" LITE_NUMBERS "}", "{'instance_type':'basic'}",
		"{'instance_type':'basic'}");
	patches("deployment", NAMED BASIC_NUMBERS "}", "{'vcpu':2,'memory_mib':1024,'disk':{'size_mb':4000}}", "{'vcpu':2}");
	/* Where the account's defaults are not known, what nobody wrote is the service's. */
	unknown.default_vcpu = 0;
	unknown.default_memory_mib = unknown.default_disk_mb = 0;
	patches_in(&unknown, "application", APP(BASIC_NUMBERS, ""), DOC("", ""), NULL);
	patches_in(&unknown, "application", APP("", ""), DOC(",'instance_type':'lite'", ""), PATCH("'instance_type':'lite'"));
	/* Defaults that are no type go as numbers. */
	unknown.default_vcpu = 0.5;
	unknown.default_memory_mib = 512;
	unknown.default_disk_mb = 3000;
	patches_in(&unknown, "application", APP(BASIC_NUMBERS, ""), DOC("", ""),
		   PATCH("'vcpu':0.5,'memory_mib':512,'disk':{'size_mb':3000}"));
}

/* Whatever spelling was written, the modern one is sent, and the service makes the other of it. */
static void both_spellings_change(void **state)
{
	static const char old[] = NAMED ",'vcpu':1,'memory':'1GiB','disk':{'size':'4GB'}}";
	static const char modern[] = NAMED ",'vcpu':1,'memory_mib':1024,'disk':{'size_mb':4000}}";
	static const char *const cases[][3] = {
		{ EFFORT(""), "{'vcpu':1,'memory_mib':2048,'disk':{'size_mb':4000}}", "{'memory_mib':2048}" },
		{ EFFORT(""), "{'vcpu':1,'memory':'2GiB','disk':{'size_mb':4000}}", "{'memory_mib':2048}" },
		{ EFFORT(""), "{'vcpu':1,'memory':'2GiB','memory_mib':2048,'disk':{'size_mb':4000}}", "{'memory_mib':2048}" },
		{ EFFORT(""), "{'vcpu':1,'disk':{'size':'4GB'}}", "{'memory_mib':256}" },
		{ EFFORT(""), "{'vcpu':1,'memory':'1GiB','disk':{'size':'8GB'}}", "{'disk':{'size_mb':8000}}" },
		{ EFFORT(""), "{'vcpu':1,'memory':'1GiB'}", "{'disk':{'size_mb':2000}}" },
		{ EFFORT(""), "{'vcpu':2.5,'memory':'1GiB','disk':{'size':'4GB'}}", "{'vcpu':2.5}" },
		{ old, "{'vcpu':1,'memory_mib':2048,'disk':{'size':'4GB'}}", "{'memory_mib':2048}" },
		{ old, "{'vcpu':1,'memory':'2GiB','disk':{'size_mb':8000}}", "{'memory_mib':2048,'disk':{'size_mb':8000}}" },
		{ modern, "{'vcpu':1,'memory':'2GiB','disk':{'size':'8GB'}}", "{'memory_mib':2048,'disk':{'size_mb':8000}}" },
	};
	(void)state;

	for (size_t i = 0; i < array_len(cases); i++)
		patches("deployment", cases[i][0], cases[i][1], cases[i][2]);
	/* Another change leaves both alone. */
	changes(APP(",'vcpu':1,'memory':'1GiB','memory_mib':1024", ""), DOC(",'vcpu':1,'memory_mib':1024,'command':['a']", ""),
		PATCH("'command':['a']"));
}

/* What means nothing is not sent: the service takes an empty object for one that lacks its fields. */
static void empty_ones_stay_here(void **state)
{
	(void)state;
	changes(APP("", ""), DOC(",'command':['a'],'wrangler_ssh':{},'checks':[],'dns':{'servers':[]},'provisioner':null", ""),
		PATCH("'command':['a']"));
	changes(APP("", ",'constraints':{'tier':1}"), DOC("", ",'constraints':{'tier':2,'regions':[]}"),
		"{'constraints':{'tier':2}}");
	changes(APP("", ""),
		DOC(",'checks':[{'type':'tcp','port':'80','interval':'5s','timeout':'1s','kind':'ready','http':{},'name':null}]",
		    ""),
		PATCH("'checks':[{'type':'tcp','port':'80','interval':'5s','timeout':'1s','kind':'ready'}]"));
	/* What the contract does not know stays where it is. */
	changes(APP(",'new':{'x':[]}", ""), DOC(",'new':{'x':[]},'command':['a']", ""), PATCH("'command':['a']"));
}

static void is_integer(struct json_object *v, int64_t wanted)
{
	assert_true(json_object_is_type(v, json_type_int));
	assert_int_equal(json_object_get_int64(v), wanted);
}

/* However it was written. */
static void whole_numbers_go_as_integers(void **state)
{
	struct doc_context ctx = context();
	struct outcome out =
		diff("application", APP("", ""),
		     "{'instances':1e1,'configuration':{'image':'app:v1','memory_mib':1e3,'vcpu':1.5,'disk':{'size_mb':4.0e3}}}",
		     &ctx);
	struct json_object *v, *configuration, *body = NULL, *d = parse("{'location':'l','image':'a','memory_mib':1e3}");
	(void)state;

	json_object_object_get_ex(out.patch, "instances", &v);
	is_integer(v, 10);
	json_object_object_get_ex(out.patch, "configuration", &configuration);
	json_object_object_get_ex(configuration, "memory_mib", &v);
	is_integer(v, 1000);
	json_object_object_get_ex(configuration, "vcpu", &v);
	assert_true(json_object_is_type(v, json_type_double));
	json_object_object_get_ex(configuration, "disk", &v);
	json_object_object_get_ex(v, "size_mb", &v);
	is_integer(v, 4000);
	json_object_put(out.patch);
	assert_int_equal(doc_create_body((struct doc_file){ kind_find("deployment"), d, "web" }, &ctx, &body, NULL), 0);
	json_object_object_get_ex(body, "memory_mib", &v);
	is_integer(v, 1000);
	json_object_put(body);
	json_object_put(d);
}

static void a_changed_field_goes_whole(void **state)
{
	(void)state;
	changes(APP("", ",'max_instances':5"), DOC("", ",'max_instances':6"), "{'max_instances':6}");
	changes(APP("", ",'constraints':{'regions':['EEUR'],'jurisdiction':'eu'}"),
		DOC("", ",'constraints':{'regions':['WEUR'],'jurisdiction':'eu'}"),
		"{'constraints':{'regions':['WEUR'],'jurisdiction':'eu'}}");
	changes(APP("", ",'observability':{'logs':{'enabled':true}}"),
		DOC("", ",'observability':{'logs':{'enabled':true},'target_instance_count':2}"),
		"{'observability':{'logs':{'enabled':true},'target_instance_count':2}}");
}

/* The old place of observability is cleared by the new one, and must not stand beside it. */
static void observability_moves_to_the_top(void **state)
{
	(void)state;
	changes(APP(",'observability':{'logs':{'enabled':true}}", ""), DOC("", ",'observability':{'logs':{'enabled':true}}"),
		"{'observability':{'logs':{'enabled':true}}}");
	changes(APP(",'observability':{'logs':{'enabled':true}}", ""),
		DOC(",'command':['a']", ",'observability':{'logs':{'enabled':true}}"),
		"{'observability':{'logs':{'enabled':true}},'configuration':{'command':['a']}}");
	changes(APP(",'observability':{'logs':{'enabled':true}}", ""), DOC("", ""),
		PATCH("'observability':{'logs':{'enabled':false}}"));
}

/* But the configuration, which the service merges: its changed members alone. */
static void of_the_configuration_changed_members_go_alone(void **state)
{
	(void)state;
	changes(APP(",'command':['a']", ",'max_instances':2"),
		"{'configuration':{'image':'docker.io/x:2','command':['a']},'max_instances':2}",
		"{'configuration':{'image':'docker.io/x:2'}}");
	changes(APP(",'command':['a']", ",'max_instances':2"),
		"{'configuration':{'image':'docker.io/x:2','command':['a']},'max_instances':3}",
		"{'max_instances':3,'configuration':{'image':'docker.io/x:2'}}");
	changes(APP("", ""), DOC(",'ssh_public_key_ids':['ssh-keys/bert.pub','k9']", ""),
		PATCH("'ssh_public_key_ids':['k2','k9']"));
	changes(APP(",'environment_variables':[{'name':'A','value':'1'},{'name':'B','value':'2'}]", ""),
		DOC(",'environment_variables':[{'name':'A','value':'1'}]", ""),
		PATCH("'environment_variables':[{'name':'A','value':'1'}]"));
	/* An object in it goes whole. */
	changes(APP(",'dns':{'servers':['1'],'searches':['x']}", ""), DOC(",'dns':{'servers':['2'],'searches':['x']}", ""),
		PATCH("'dns':{'servers':['2'],'searches':['x']}"));
}

static void what_is_removed_is_neutral_or_null(void **state)
{
	(void)state;
	/* Lists. */
	changes(APP(",'command':['a']", ""), DOC("", ""), PATCH("'command':[]"));
	changes(APP(",'command':['a']", ""), DOC(",'command':[]", ""), PATCH("'command':[]"));
	changes(APP(",'environment_variables':[{'name':'A','value':'1'}],'labels':[{'name':'l','value':'1'}]", ""), DOC("", ""),
		PATCH("'environment_variables':[],'labels':[]"));
	/* Documented defaults. */
	changes("{'rollout_active_grace_period':60,'configuration':{'image':'" LONG "'}}", DOC("", ""),
		"{'rollout_active_grace_period':0}");
	/* Objects whose members have one. */
	changes(APP("", ",'observability':{'logs':{'enabled':true}}"), DOC("", ""),
		"{'observability':{'logs':{'enabled':false}}}");
	changes(APP(",'wrangler_ssh':{'enabled':true,'port':2222}", ""), DOC("", ""),
		PATCH("'wrangler_ssh':{'enabled':false,'port':22}"));
	changes(APP("", ",'constraints':{'regions':['EEUR'],'tiers':[1,2]}"), DOC("", ""),
		"{'constraints':{'regions':[],'tiers':[]}}");
	changes(APP(",'dns':{'servers':['1'],'searches':['x']}", ""), DOC(",'dns':{'servers':['1']}", ""),
		PATCH("'dns':{'servers':['1'],'searches':[]}"));
	changes(APP(",'dns':{'servers':['1']}", ""), DOC(",'dns':{'servers':[]}", ""), PATCH("'dns':{'servers':[]}"));
	/* And what has none. */
	changes(APP("", ",'max_instances':5"), DOC("", ""), "{'max_instances':null}");
	changes(APP("", ",'max_instances':5"), DOC("", ",'max_instances':null"), "{'max_instances':null}");
	changes(APP("", ",'constraints':{'regions':['EEUR'],'jurisdiction':'eu'}"), DOC("", ""), "{'constraints':null}");
	changes(APP("", ",'affinities':{'colocation':'datacenter'}"), DOC("", ""), "{'affinities':null}");
	/* Within an object that goes whole, what has none is left out. */
	changes(APP("", ",'constraints':{'regions':['EEUR'],'jurisdiction':'eu'}"),
		DOC("", ",'constraints':{'regions':['WEUR']}"), "{'constraints':{'regions':['WEUR']}}");
}

/* The closed list of what a document need not say, with a state or without one. */
static void what_the_service_answers_unasked_is_no_difference(void **state)
{
	(void)state;
	same("{'configuration':{'image':'" LONG "'},'instances':5}", DOC("", ""));
	same(APP(",'network':{'assign_ipv6':'none','assign_ipv4':'none','mode':'private'},'runtime':'firecracker'", ""),
	     DOC("", ""));
	same(APP(",'network':{'assign_ipv6':'none','mode':'private'}", ""), DOC(",'network':{'mode':'private'}", ""));
	same(APP(",'command':[],'entrypoint':[],'new':1,'newer':{'x':[1]}", ",'newest':true"), DOC("", ""));
	/* Another change says nothing of them. */
	changes(APP(",'network':{'mode':'private'},'runtime':'firecracker','new':1", ""), DOC(",'entrypoint':['e']", ""),
		PATCH("'entrypoint':['e']"));
	/* What it does say counts. */
	changes(APP(",'network':{'mode':'private'}", ""), DOC(",'network':{'mode':'public'}", ""),
		PATCH("'network':{'mode':'public'}"));
	changes(APP(",'new':{'x':1}", ""), DOC(",'new':{'x':2}", ""), PATCH("'new':{'x':2}"));
	/* In an array too. */
	same(APP(",'environment_variables':[{'name':'A','value':'1','kind':'plain'}]", ""),
	     DOC(",'environment_variables':[{'name':'A','value':'1'}]", ""));
}

/* The service counts by itself: what is compared is what was written last. */
static void instances_are_compared_with_what_was_written(void **state)
{
	static const struct {
		const char *written, *object, *doc, *wanted; /* written, doc: the number, or NULL */
	} rows[] = {
		{ "2", "5", "2", NULL },
		{ "2", "5", "5", "5" },
		{ "2", "2", "3", "3" },
		{ "2", "2", NULL, NULL },
		{ "0", "5", "0", NULL },
		{ "", "5", "0", NULL },
		{ "", "5", "5", "5" },
		{ "2", "2", "0", "0" },
		/* It is not known: the number that the account shows is no change. */
		{ NULL, "5", "5", NULL },
		{ NULL, "5", "6", "6" },
		{ NULL, "5", NULL, NULL },
	};
	(void)state;

	for (size_t i = 0; i < array_len(rows); i++) {
		char object[200], doc[200], wanted[60], written[60];
		struct doc_context ctx = context();

		snprintf(object, sizeof(object), "{'configuration':{'image':'" LONG "'},'instances':%s}", rows[i].object);
		snprintf(doc, sizeof(doc),
			 rows[i].doc ? "{'configuration':{'image':'app:v1'},'instances':%s}" :
				       "{'configuration':{'image':'app:v1'}}",
			 rows[i].doc);
		snprintf(wanted, sizeof(wanted), "{'instances':%s}", rows[i].wanted ? rows[i].wanted : "");
		snprintf(written, sizeof(written), rows[i].written && *rows[i].written ? "{'instances':%s}" : "{}",
			 rows[i].written);
		if (rows[i].written)
			ctx.written = parse(written);
		patches_in(&ctx, "application", object, doc, rows[i].wanted ? wanted : NULL);
		json_object_put(ctx.written);
	}
}

static void the_service_has_defaults_of_its_own(void **state)
{
	struct doc_context ctx = context();
	struct json_object *patch =
		parse("{'max_instances':null,'configuration':{'command':null,'dns':{'searches':null},'image':'x'}}");
	struct json_object *answer = parse(APP(",'command':['x'],'dns':{'servers':['1']}", ",'max_instances':20"));
	struct json_object *remembered = doc_service_defaults(kind_find("application"), patch, answer, &ctx), *more, *want;
	(void)state;

	want = parse("{'max_instances':20,'configuration':{'command':['x']}}");
	assert_true(json_object_equal(remembered, want));
	json_object_put(want);
	ctx.service_defaults = remembered;
	patches_in(&ctx, "application", APP(",'command':['x']", ",'max_instances':20"), DOC("", ""), NULL);
	patches_in(&ctx, "application", APP(",'command':['x']", ",'max_instances':20"), DOC(",'entrypoint':['e']", ""),
		   PATCH("'entrypoint':['e']"));
	patches_in(&ctx, "application", APP(",'command':['y']", ",'max_instances':20"), DOC("", ""), PATCH("'command':[]"));
	patches_in(&ctx, "application", APP("", ",'max_instances':20"), DOC("", ",'max_instances':20"), NULL);
	json_object_put(patch);
	/* What a later patch leaves alone stays remembered. */
	patch = parse("{'configuration':{'image':'x','command':['z'],'entrypoint':null}}");
	json_object_put(answer);
	answer = parse(APP(",'command':['z'],'entrypoint':['e']", ",'max_instances':20"));
	more = doc_service_defaults(kind_find("application"), patch, answer, &ctx);
	want = parse("{'configuration':{'entrypoint':['e']},'max_instances':20}");
	assert_true(json_object_equal(more, want));
	json_object_put(want);
	json_object_put(more);
	json_object_put(remembered);
	json_object_put(patch);
	ctx.service_defaults = NULL;
	patch = parse("{'max_instances':null}");
	json_object_put(answer);
	answer = parse(APP("", ""));
	assert_null(doc_service_defaults(kind_find("application"), patch, answer, &ctx));
	json_object_put(patch);
	json_object_put(answer);
}

static void what_only_a_creation_sets_cannot_change(void **state)
{
	static const char dep[] =
		"{'id':'d','labels':[{'name':'cfcfs.name','value':'web'}],'image':'" LONG "','location':{'name':'sfo06'},"
		"'network':{'mode':'public','ipv4':'192.0.2.1'},'wrangler_ssh':{'enabled':true}}";
	(void)state;

	refuses("application", APP("", ""), DOC("", ",'jobs':true"), "jobs: can be set at creation only, and must stay");
	refuses("application", "{'jobs':true,'configuration':{'image':'" LONG "'}}", DOC("", ""),
		"jobs: can be set at creation only, and must stay true");
	refuses("application", "{'scheduling_policy':'gpu','configuration':{'image':'" LONG "'}}", DOC("", ""),
		"scheduling_policy: can be set at creation only");
	refuses("application", APP("", ",'durable_objects':{'namespace_id':'n'}"), DOC("", ""), "durable_objects: can be set");
	refuses("application", APP("", ""), DOC("", ",'durable_objects':{'namespace_id':'n'}"), "durable_objects: can be set");
	refuses("application", APP("", ",'durable_objects':{'namespace_id':'n'}"),
		DOC("", ",'durable_objects':{'namespace_id':'m'}"), "durable_objects: can be set");
	same(APP("", ",'durable_objects':{'namespace_id':'n'}"),
	     DOC("", ",'durable_objects':{'script_name':'s','class_name':'C'}"));
	refuses("deployment", dep,
		"{'image':'app:v1','location':'sfo06','wrangler_ssh':{'enabled':true},'network':{'mode':'private'}}",
		"network.mode: can be set at creation only");
	refuses("deployment", dep, "{'image':'app:v1','location':'sfo06','wrangler_ssh':{'enabled':false}}",
		"wrangler_ssh: can be set");
	/* What the service never answers is no difference, and what it chose neither. */
	patches("deployment", dep,
		"{'image':'app:v1','location':'sfo06','wrangler_ssh':{'enabled':true},'network':{'mode':'public','assign_ipv4':'"
		"predefined'},"
		"'experimental_flags':['x'],'ports':[{'name':'web'}],'provisioner':{'type':'none'}}",
		NULL);
	patches("deployment", dep, "{'image':'app:v1','location':'sfo06','wrangler_ssh':{'enabled':true}}", NULL);
}

static void deployments_keep_their_name(void **state)
{
	static const char plain[] = "{'id':'d','image':'" LONG "','location':{'name':'sfo06'}}";
	static const char named[] = "{'id':'d','image':'" LONG "','location':{'name':'sfo06'},'labels':[{'name':'a','value':'1'},"
				    "{'name':'cfcfs.name','value':'web'}]}";
	static const char doc[] = "{'image':'app:v1','location':'sfo06','labels':[{'name':'a','value':'1'}]}";
	struct doc_context ctx = context();
	struct json_object *o, *d, *patch = NULL;
	(void)state;

	patches("deployment", named, doc, NULL);
	patches("deployment", named, "{'image':'app:v1','location':'ams01','labels':[{'name':'a','value':'1'}]}",
		"{'location':'ams01'}");
	patches("deployment", named, "{'image':'app:v1','location':'sfo06'}", "{'labels':[{'name':'cfcfs.name','value':'web'}]}");
	patches("deployment", named,
		"{'image':'app:v1','location':'sfo06','labels':[{'name':'b','value':'2'},{'name':'cfcfs.name','value':'web'}]}",
		"{'labels':[{'name':'b','value':'2'},{'name':'cfcfs.name','value':'web'}]}");
	/* A label that another tool dropped is put back. */
	patches("deployment", plain, "{'image':'app:v1','location':'sfo06'}", "{'labels':[{'name':'cfcfs.name','value':'web'}]}");
	/* One that goes by its id needs none. */
	o = parse(plain);
	d = parse("{'image':'app:v1','location':'sfo06'}");
	assert_true(doc_same(kind_find("deployment"), o, d, &ctx));
	assert_int_equal(doc_diff((struct doc_file){ kind_find("deployment"), d, "d" }, o, &ctx, &patch, NULL), 0);
	assert_null(patch);
	json_object_put(o);
	json_object_put(d);
}

static void other_kinds(void **state)
{
	(void)state;
	patches("registry",
		"{'domain':'web','public_key':'u','private_credential':{'store_id':'s','secret_name':'n'},'kind':'ECR'}",
		"{'auth':{'public_credential':'u','private_credential':'a secret'}}", NULL);
	patches("registry",
		"{'domain':'web','public_key':'u','private_credential':{'store_id':'s','secret_name':'n'},'kind':'ECR'}",
		"{'kind':'ECR','auth':{'public_credential':'u','private_credential':{'store_id':'s','secret_name':'n'}}}", NULL);
	patches("registry", "{'domain':'web','kind':'DockerHub'}", "{'is_public':true}", NULL);
	/* The official answer says less than was written. */
	patches("registry", "{'domain':'web','created_at':'2026-08-01T00:00:00Z'}",
		"{'kind':'ECR','auth':{'public_credential':'u','private_credential':{'store_id':'s','secret_name':'n'}}}", NULL);
	patches("registry", "{'domain':'web','public_key':'u','kind':'ECR'}",
		"{'kind':'ECR','auth':{'public_credential':'u','private_credential':{'store_id':'s','secret_name':'n'}}}", NULL);
	patches("registry protocol", "{'proto':'web','domains':[{'domain':'a','path':'/'}]}",
		"{'proto':'web','domains':[{'path':'/','domain':'a'}]}", NULL);
	patches("registry protocol", "{'proto':'web','domains':[{'domain':'a','path':'/'}]}",
		"{'domains':[{'domain':'b','path':'/'}]}", "{'domains':[{'domain':'b','path':'/'}]}");
	/* A job takes from its application what it does not say. */
	patches("job",
		"{'id':'j','entrypoint':['a'],'command':['b'],'image':'" LONG "','vcpu':1,'memory_mib':256,'timeout':0,"
		"'secrets':[{'type':'env','name':'A'}]}",
		"{'entrypoint':['a'],'command':['b'],'secrets':[{'type':'env','name':'A','value':'x'}]}", NULL);
	patches("rollout",
		"{'id':'r','description':'d','kind':'full_auto','strategy':'rolling','target_configuration':{'image':'" LONG
		"'" LITE "},"
		"'steps':[{'id':1,'step_size':{'percentage':50},'description':'x','status':'pending'}]}",
		"{'description':'d','strategy':'rolling','step_percentage':50,'target_configuration':{'image':'app:v1'}}", NULL);
}

static void the_account(void **state)
{
	const struct part *part = kind_find("account")->parts;
	struct json_object *o =
		parse("{'limits':{},'defaults':{'vcpus':0.0625,'memory_mib':256,'disk_mb':2000,'memory':'256MiB'}}");
	struct doc_context ctx = context();
	static const char *const cases[][2] = {
		{ "{'vcpus':0.0625,'memory_mib':256,'disk_mb':2000}", NULL },
		{ "{'vcpus':0.0625,'memory':'256MiB','disk_mb':2000}", NULL },
		{ "{'vcpus':0.5,'memory_mib':256,'disk_mb':2000}", "{'defaults':{'vcpus':0.5}}" },
		{ "{'vcpus':0.0625,'memory':'1GiB','disk_mb':2000}", "{'defaults':{'memory':'1GiB'}}" },
		{ "{'vcpus':0.0625,'memory_mib':256}", "{'defaults':{'disk_mb':null}}" },
	};
	(void)state;

	while (!part->update)
		part++;
	for (size_t i = 0; i < array_len(cases); i++) {
		struct json_object *d = parse(cases[i][0]), *patch = NULL, *want = cases[i][1] ? parse(cases[i][1]) : NULL;

		assert_int_equal(doc_part_check(part, d, &ctx, NULL), 0);
		assert_int_equal(doc_part_diff(part, o, d, &ctx, &patch, NULL), 0);
		if (!want != !patch || (want && !json_object_equal(want, patch)))
			fail_msg("%s sends %s", cases[i][0], patch ? json_object_to_json_string(patch) : "nothing");
		json_object_put(d);
		json_object_put(patch);
		json_object_put(want);
	}
	json_object_put(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_are_no_difference),
		cmocka_unit_test(spellings_are_no_difference),
		cmocka_unit_test(sets_have_no_order),
		cmocka_unit_test(one_size_has_many_spellings),
		cmocka_unit_test(sizes_change),
		cmocka_unit_test(both_spellings_change),
		cmocka_unit_test(empty_ones_stay_here),
		cmocka_unit_test(whole_numbers_go_as_integers),
		cmocka_unit_test(a_changed_field_goes_whole),
		cmocka_unit_test(of_the_configuration_changed_members_go_alone),
		cmocka_unit_test(observability_moves_to_the_top),
		cmocka_unit_test(what_is_removed_is_neutral_or_null),
		cmocka_unit_test(what_the_service_answers_unasked_is_no_difference),
		cmocka_unit_test(instances_are_compared_with_what_was_written),
		cmocka_unit_test(the_service_has_defaults_of_its_own),
		cmocka_unit_test(what_only_a_creation_sets_cannot_change),
		cmocka_unit_test(deployments_keep_their_name),
		cmocka_unit_test(other_kinds),
		cmocka_unit_test(the_account),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
