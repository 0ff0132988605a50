/* What goes out for each kind and verb: the rows of tests/bats/kind_*.bats and differences.bats that need no mount. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fs_decide_fixture.h"

struct row {
	struct facts facts;
	const char *sends;
};

static void all_send(const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++)
		sends(&rows[i].facts, rows[i].sends);
}

#define V2 "'image':'registry.cloudflare.com/" ACCOUNT "/app:v2'"

/* ---- kinds ---- */

#define SIZES "'vcpus':0.0625,'memory_mib':256,'disk_mb':2000"
#define DEFAULTS(object_, doc_)                                                                                                  \
	.kind = "account", .part = "defaults.json", .object = "{'defaults':{" object_ "}}", .doc = "{" doc_ "}"

static void test_account(void **state)
{
	static const struct row rows[] = {
		{ { DEFAULTS(SIZES, SIZES) }, "" },
		{ { DEFAULTS(SIZES, "'vcpus':0.0625,'memory_mib':512,'disk_mb':2000") },
		  "PATCH /me {'defaults':{'memory_mib':512}}" },
		/* Removed, it is sent as null, once: what the service shows then is its own. */
		{ { DEFAULTS(SIZES, "'vcpus':0.0625,'disk_mb':2000") }, "PATCH /me {'defaults':{'memory_mib':null}}" },
		{ { DEFAULTS(SIZES, "'vcpus':0.0625,'disk_mb':2000"), .defaults = "{'memory_mib':256}" }, "" },
		/* Once another tool set it, it is a difference again. */
		{ { DEFAULTS("'vcpus':0.0625,'memory_mib':512,'disk_mb':2000", "'vcpus':0.0625,'disk_mb':2000"),
		    .defaults = "{'memory_mib':256}" },
		  "PATCH /me {'defaults':{'memory_mib':null}}" },
		/* An application that names no size has the account's. */
		{ { .object = APP(LITE_NUMBERS, ",'max_instances':5"),
		    .doc = DOC(",'vcpu':0.0625,'memory_mib':256,'disk':{'size_mb':2000}", ",'max_instances':5") },
		  "" },
	};
	(void)state;

	all_send(rows, array_len(rows));
}

#define EVERY_SETTING                                                                                                            \
	"'constraints':{'tier':1,'tiers':[1,2],'regions':['WEUR','EEUR'],'cities':['AMS'],'pops':['ams01'],'jurisdiction':'eu'}" \
	","                                                                                                                      \
	"'affinities':{'colocation':'datacenter','hardware_generation':'highest-overall-performance'},"                          \
	"'priorities':{'default':50},'rollout_active_grace_period':30,'observability':{'logs':{'enabled':true}}"
#define EVERY_CONFIGURATION                                                                                                      \
	",'wrangler_ssh':{'enabled':true,'port':2222},'ssh_public_key_ids':['ssh-keys/anna.pub'],'secrets':"                     \
	"[{'type':'env','name':'DB','secret':'db'}],'labels':[{'name':'team','value':'shop'}],'command':['serve','--all'],"      \
	"'entrypoint':['/bin/app'],'dns':{'servers':['1.1.1.1'],'searches':['example.com']}"

static void test_application(void **state)
{
	static const unsigned quarters[] = { 25, 50, 75, 100 };
	static const struct row rows[] = {
		{ { .doc = "{'max_instances':5,'instances':2,'configuration':{'image':'app:v1'" EVERY_CONFIGURATION
			   "}," EVERY_SETTING "}" },
		  "POST /applications {'name':'web','max_instances':5,'instances':2,'configuration':{'image':'" LONG
		  "','wrangler_ssh':{'enabled':true,'port':2222},'ssh_public_key_ids':['k1'],'secrets':[{'type':'env','name':'DB'"
		  ",'secret':'db'}],'labels':[{'name':'team','value':'shop'}],'command':['serve','--all'],'entrypoint':['/bin/"
		  "app'],'dns':{'servers':['1.1.1.1'],'searches':['example.com']}}," EVERY_SETTING
		  ",'scheduling_policy':'default'}" },
		/* instances is a PATCH alone, the image a rollout alone, what runs on takes a PATCH. */
		{ { .object = APP(LITE, ",'max_instances':5"),
		    .doc = DOC("", ",'max_instances':5,'instances':3"),
		    .written = "{'instances':2}" },
		  "PATCH /applications/ID {'instances':3}" },
		{ { .object = APP(LITE, ",'max_instances':5"),
		    .doc = DOC(",'wrangler_ssh':{'enabled':true}", ",'max_instances':5") },
		  "PATCH /applications/ID {'configuration':{'wrangler_ssh':{'enabled':true}}}" },
		{ { .object = APP(LITE, ",'max_instances':5,'observability':{'logs':{'enabled':true}}"),
		    .doc = DOC("", ",'max_instances':5") },
		  "PATCH /applications/ID {'observability':{'logs':{'enabled':false}}}" },
		{ { .object = "{'id':'i','name':'web','version':3,'configuration':{'image':'" LONG
			      "'},'rollout_active_grace_period':60}",
		    .doc = DOC("", "") },
		  "PATCH /applications/ID {'rollout_active_grace_period':0}" },
		/* A version that is right is no difference. */
		{ { .object = APP(LITE, ",'max_instances':5"), .doc = DOC("", ",'max_instances':5,'version':3") }, "" },
		{ { .object = APP(LITE, ",'max_instances':5"), .doc = DOC("", ",'max_instances':6,'version':3") },
		  "PATCH /applications/ID {'max_instances':6}" },
		{ { .object = APP(LITE, ""), .verb = WISH_RENAME, .new_name = "other" },
		  "PATCH /applications/ID {'name':'other'}" },
		{ { .object = APP(LITE, ""), .verb = WISH_DELETE }, "DELETE /applications/ID " },
		/* References to keys: by file or by id, in any order. */
		{ { .object = APP(LITE ",'ssh_public_key_ids':['k1','k2']", ",'max_instances':5"),
		    .doc = DOC(",'ssh_public_key_ids':['ssh-keys/bert.pub','k1']", ",'max_instances':5") },
		  "" },
	};
	struct change *by_hand = decision(&(struct facts){ .object = APP(LITE, ",'max_instances':5"),
							   .doc = "{'max_instances':5,'configuration':{'image':'app:v2'}}",
							   .rollout = ROLLOUT_MANUAL,
							   .steps = quarters,
							   .steps_count = 4 });
	struct change *usual = decision(&(struct facts){ .object = APP(LITE, ",'max_instances':5"),
							 .doc = "{'max_instances':5,'configuration':{'image':'app:v2'}}" });
	(void)state;

	all_send(rows, array_len(rows));
	assert_int_equal(by_hand->steps_count, 1);
	assert_non_null(strstr(by_hand->steps[0].body.data, "\"kind\":\"full_manual\""));
	for (size_t i = 0; i < array_len(quarters); i++) {
		char text[40];

		snprintf(text, sizeof(text), "\"percentage\":%u}", quarters[i]);
		assert_non_null(strstr(by_hand->steps[0].body.data, text));
	}
	assert_non_null(strstr(usual->steps[0].body.data, "\"strategy\":\"rolling\""));
	assert_non_null(strstr(usual->steps[0].body.data, "\"percentage\":10}"));
	change_free(by_hand);
	change_free(usual);
}

#define DEP(object_, doc_) .kind = "deployment", .object = DEPLOYMENT(object_), .doc = "{'location':'lhr01'," doc_ "}"
#define PLACED             "'current_placement':{'id':'p'}"

static void test_deployment(void **state)
{
	static const struct row rows[] = {
		{ { .kind = "deployment",
		    .doc = "{'image':'app:v1','location':'lhr01','instance_type':'lite','labels':[{'name':'team','value':'net'}]"
			   "}" },
		  "POST /deployments/v2 {'image':'" LONG
		  "','location':'lhr01','instance_type':'lite','labels':[{'name':'team','value':'net'}," LABEL("web") "]}" },
		{ { DEP("", "'image':'app:v1','instance_type':'lite'") }, "" },
		{ { DEP("", "'image':'app:v2','instance_type':'lite'") }, "PATCH /deployments/ID/v2 {" V2 "}" },
		{ { DEP("", "'image':'app:v1','instance_type':'lite','labels':[{'name':'team','value':'ops'}]") },
		  "PATCH /deployments/ID/v2 {'labels':[{'name':'team','value':'ops'}," LABEL("web") "]}" },
		{ { .kind = "deployment",
		    .object = "{'id':'d','image':'" LONG
			      "','location':{'name':'lhr01'},'labels':[{'name':'team','value':'net'}," LABEL("web") "]}",
		    .doc = "{'image':'app:v1','location':'lhr01'}" },
		  "PATCH /deployments/ID/v2 {'labels':[" LABEL("web") "]}" },
		/* A label that another tool dropped is put back with the next change. */
		{ { .kind = "deployment",
		    .object =
			    "{'id':'d','image':'" LONG "','location':{'name':'lhr01'},'labels':[{'name':'team','value':'net'}]}",
		    .doc = "{'image':'app:v2','location':'lhr01','labels':[{'name':'team','value':'net'}]}" },
		  "PATCH /deployments/ID/v2 {" V2 ",'labels':[{'name':'team','value':'net'}," LABEL("web") "]}" },
		/* What can be written and is never shown is no difference. */
		{ { DEP(",'network':{'mode':'public','ipv4':'192.0.2.1'}",
			"'image':'app:v1','instance_type':'lite','network':{'mode':'public','assign_ipv4':'predefined'},"
			"'ports':[{'name':'http','port':80}]") },
		  "" },
		{ { .kind = "deployment", .object = DEPLOYMENT(""), .verb = WISH_RENAME, .new_name = "other" },
		  "PATCH /deployments/ID/v2 {'labels':[" LABEL("other") "]}" },
		{ { .kind = "deployment", .object = DEPLOYMENT(""), .verb = WISH_DELETE }, "DELETE /deployments/ID/v2 " },
		{ { .kind = "deployment", .object = DEPLOYMENT("," PLACED), .leaf = "action", .doc = "replace\n" },
		  "POST /placements/p {'replace':true}" },
		{ { .kind = "deployment", .object = DEPLOYMENT("," PLACED), .leaf = "action", .doc = " recreate" },
		  "POST /deployments/ID/recreate {'image':'" LONG
		  "','location':'lhr01','instance_type':'lite','labels':[" LABEL("web") "]}" },
		{ { .kind = "application deployment", .parent = "a", .object = "{'id':'d'}", .leaf = "action", .doc = "delete" },
		  "DELETE /deployments/ID/v2 " },
		{ { .kind = "application deployment",
		    .parent = "a",
		    .object = "{'id':'d'}",
		    .leaf = "action",
		    .doc = "recreate" },
		  "POST /applications/a/deployments/ID/recreate {}" },
		{ { .kind = "deployment",
		    .doc = "{'image':'app:v1','location':'lhr01','ssh_public_key_ids':['ssh-keys/anna.pub']}" },
		  "POST /deployments/v2 {'image':'" LONG
		  "','location':'lhr01','ssh_public_key_ids':['k1'],'labels':[" LABEL("web") "]}" },
	};
	(void)state;

	all_send(rows, array_len(rows));
}

#define JOB         "{'entrypoint':['/bin/report'],'command':['--month','10']}"
#define ROLL        "{'description':'to v2','strategy':'rolling','step_percentage':50,'target_configuration':{'image':'app:v2'}}"
#define CORP(path_) "{'domains':[{'domain':'docker.io','path':'" path_ "'}]}"

static void test_others(void **state)
{
	static const struct row rows[] = {
		{ { .kind = "job", .parent = "a", .doc = JOB }, "POST /applications/a/jobs " JOB },
		{ { .kind = "job", .parent = "a", .object = "{'id':'j'}", .doc = JOB, .again = true }, "" },
		{ { .kind = "job", .parent = "a", .object = "{'id':'j'}", .leaf = "action", .doc = "terminate" },
		  "PATCH /applications/a/jobs/ID {'terminate':true}" },
		{ { .kind = "job", .parent = "a", .object = "{'id':'j'}", .verb = WISH_DELETE },
		  "DELETE /applications/a/jobs/ID " },
		{ { .kind = "rollout", .parent = "a", .doc = ROLL },
		  "POST /applications/a/rollouts {'description':'to "
		  "v2','strategy':'rolling','step_percentage':50,'target_configuration':{" V2 "}}" },
		{ { .kind = "rollout", .parent = "a", .object = "{'id':'r'}", .leaf = "action", .doc = "next" },
		  "POST /applications/a/rollouts/ID {'action':'next'}" },
		{ { .kind = "rollout", .parent = "a", .object = "{'id':'r'}", .leaf = "action", .doc = "previous" },
		  "POST /applications/a/rollouts/ID {'action':'previous'}" },
		{ { .kind = "rollout", .parent = "a", .object = "{'id':'r'}", .leaf = "action", .doc = "revert" },
		  "POST /applications/a/rollouts/ID {'action':'revert'}" },
		{ { .kind = "rollout", .parent = "a", .object = "{'id':'r'}", .verb = WISH_DELETE },
		  "DELETE /applications/a/rollouts/ID " },
		{ { .kind = "registry protocol", .name = "corp", .doc = CORP("acme") },
		  "POST /registries/protos {'proto':'corp','domains':[{'domain':'docker.io','path':'acme'}]}" },
		{ { .kind = "registry protocol",
		    .name = "corp",
		    .object = "{'proto':'corp','domains':[{'domain':'docker.io','path':'acme'}]}",
		    .doc = CORP("other") },
		  "PUT /registries/protos {'proto':'corp','domains':[{'domain':'docker.io','path':'other'}]}" },
		{ { .kind = "registry protocol",
		    .name = "corp",
		    .object = "{'proto':'corp','domains':[{'domain':'docker.io','path':'acme'}]}",
		    .doc = CORP("acme") },
		  "" },
		{ { .kind = "registry protocol", .object = "{'proto':'corp'}", .verb = WISH_DELETE },
		  "DELETE /registries/protos/ID " },
		{ { .kind = "registry",
		    .name = "docker.io",
		    .doc = "{'kind':'DockerHub','auth':{'public_credential':'acme','private_credential':{'store_id':'s1','secret_"
			   "name':"
			   "'hub'}}}" },
		  "POST /registries "
		  "{'domain':'docker.io','kind':'DockerHub','auth':{'public_credential':'acme','private_credential':{'store_id':'"
		  "s1','secret_name':'hub'}}}" },
		{ { .kind = "registry", .name = "ghcr.io", .doc = "{'is_public':true}" },
		  "POST /registries {'domain':'ghcr.io','is_public':true}" },
		{ { .kind = "registry",
		    .object = HUB_SHOWN,
		    .doc = "{'kind':'DockerHub','auth':{'public_credential':'acme','private_credential':{'store_id':'s','secret_"
			   "name':'n'}}"
			   "}" },
		  "" },
		{ { .kind = "registry", .object = HUB_SHOWN, .verb = WISH_DELETE }, "DELETE /registries/ID " },
		{ { .kind = "registry", .object = MANAGED, .traits = TRAIT_MANAGED, .doc = "{'kind':'Cloudflare'}" }, "" },
		{ { .kind = "registry", .object = MANAGED, .traits = TRAIT_MANAGED, .doc = MANAGED }, "" },
		{ { .kind = "registry",
		    .object = MANAGED,
		    .traits = TRAIT_MANAGED,
		    .leaf = "credentials.json",
		    .doc = "{'permissions':['pull'],'expiration_minutes':5}" },
		  "POST /registries/ID/credentials {'permissions':['pull'],'expiration_minutes':5}" },
		{ { .kind = "ssh key", .name = "anna", .doc = KEY_ANNA "\n" },
		  "POST /ssh-public-keys {'name':'anna','public_key':'" KEY_ANNA "'}" },
		{ { .kind = "ssh key", .object = "{'id':'k','public_key':'" KEY_ANNA "'}", .doc = KEY_ANNA }, "" },
		/* By its name, as the contract has it. */
		{ { .kind = "ssh key", .name = "anna", .object = "{'id':'k'}", .verb = WISH_DELETE },
		  "DELETE /ssh-public-keys/anna " },
		{ { .kind = "secret", .object = "{'id':'s'}", .verb = WISH_DELETE }, "DELETE /secrets/ID " },
		{ { .kind = "secret", .name = "odd", .raw = true, .doc = "\"q\" \\ \t two\nlines \xe2\x98\x83" },
		  "POST /secrets {'name':'odd','value':'\\\"q\\\" \\\\ \\t two\\nlines \xe2\x98\x83'}" },
	};
	(void)state;

	all_send(rows, array_len(rows));
}

/* ---- differences ---- */

#define CHECK                "'type':'tcp','port':'80','interval':'5s','timeout':'1s','kind':'ready'"
#define FILLED(nth_)         CHECK ",'name':'check-" nth_ "','attempts_before_failure':3,'tls':false"
#define TWO(first_, second_) "'checks':[{" first_ "},{" second_ "}]"
#define WITH_CHECKS(first_, second_)                                                                                             \
	.kind = "deployment", .object = "{'id':'d','image':'" LONG                                                               \
					"','location':{'name':'lhr01'},'labels':[" LABEL("web") "]," TWO(first_, second_) "}"
#define CHECKED(first_, second_) .doc = "{'image':'app:v1','location':'lhr01'," TWO(first_, second_) "}"
#define FILLED_IN                                                                                                                \
	"{'checks':[{'name':'check-1','attempts_before_failure':3,'tls':false},{'name':'check-2','attempts_before_failure':3,"   \
	"'tls':false}]}"

static void test_checks(void **state)
{
	static const char *const added[] = { "'name':'mine'", "'attempts_before_failure':7", "'grace_period':'9s'",
					     "'tls':true" };
	static const char *const answered[] = { CHECK ",'name':'mine','attempts_before_failure':3,'tls':false",
						CHECK ",'name':'check-2','attempts_before_failure':7,'tls':false",
						FILLED("2") ",'grace_period':'9s'",
						CHECK ",'name':'check-2','attempts_before_failure':3,'tls':true" };
	static const struct row rows[] = {
		/* What the service filled in is no difference, with or without the memory of it. */
		{ { WITH_CHECKS(FILLED("1"), FILLED("2")), CHECKED(CHECK, CHECK), .defaults = FILLED_IN }, "" },
		{ { WITH_CHECKS(FILLED("1"), FILLED("2")), CHECKED(CHECK, CHECK) }, "" },
		/* What another tool changed is put right. */
		{ { WITH_CHECKS(CHECK ",'name':'check-1','attempts_before_failure':9,'tls':false", FILLED("2")),
		    CHECKED(CHECK, CHECK), .defaults = FILLED_IN },
		  "PATCH /deployments/ID/v2 {" TWO(CHECK, CHECK) "}" },
	};
	char doc[600], object[900], wanted[600];
	(void)state;

	all_send(rows, array_len(rows));
	for (size_t i = 0; i < array_len(added); i++) {
		/* Added … */
		snprintf(doc, sizeof(doc), "{'image':'app:v1','location':'lhr01','checks':[{" CHECK "},{" CHECK ",%s}]}",
			 added[i]);
		snprintf(wanted, sizeof(wanted), "PATCH /deployments/ID/v2 {'checks':[{" CHECK "},{" CHECK ",%s}]}", added[i]);
		sends(&(struct facts){ WITH_CHECKS(FILLED("1"), FILLED("2")), .doc = doc, .defaults = FILLED_IN }, wanted);
		/* … and removed. */
		snprintf(object, sizeof(object),
			 "{'id':'d','image':'" LONG
			 "','location':{'name':'lhr01'},'labels':[" LABEL("web") "],'checks':[{" FILLED("1") "},{%s}]}",
			 answered[i]);
		sends(&(struct facts){ .kind = "deployment", .object = object, CHECKED(CHECK, CHECK), .defaults = FILLED_IN },
		      "PATCH /deployments/ID/v2 {" TWO(CHECK, CHECK) "}");
	}
}

/* Sizes: what was written and is removed again is no default of the service; where one spelling changes, the other goes. */
#define SIZED(object_, doc_)                                                                                                     \
	.kind = "deployment",                                                                                                    \
	.object = "{'id':'d','image':'" LONG "','location':{'name':'lhr01'},'labels':[" LABEL("web") "]" object_ "}",            \
	.doc = "{'image':'app:v1','location':'lhr01'" doc_ "}"
#define BASIC ",'instance_type':'basic'" BASIC_NUMBERS
#define FOUR  ",'vcpu':1,'memory':'4GiB','memory_mib':4096,'disk':{'size':'4GB','size_mb':4000}"

static void test_sizes(void **state)
{
	static const struct row rows[] = {
		{ { SIZED(BASIC, ",'instance_type':'basic'") }, "" },
		{ { SIZED(BASIC, "") }, "PATCH /deployments/ID/v2 {'instance_type':'lite'}" },
		{ { SIZED(BASIC, ",'vcpu':0.25") }, "PATCH /deployments/ID/v2 {'vcpu':0.25}" },
		{ { SIZED(BASIC, ",'memory_mib':1024") }, "PATCH /deployments/ID/v2 {'memory_mib':1024}" },
		{ { SIZED(BASIC, ",'disk':{'size':'4GB'}") }, "PATCH /deployments/ID/v2 {'disk':{'size_mb':4000}}" },
		{ { SIZED(BASIC_NUMBERS, ",'instance_type':'basic'") }, "" },
		{ { SIZED(FOUR, ",'vcpu':1,'memory':'4GiB','disk':{'size':'4GB'}") }, "" },
		{ { SIZED(FOUR, ",'vcpu':1,'memory_mib':5120,'disk':{'size':'4GB'}") },
		  "PATCH /deployments/ID/v2 {'memory_mib':5120}" },
		{ { SIZED(FOUR, ",'vcpu':1,'memory':'6GiB','disk':{'size_mb':5000}") },
		  "PATCH /deployments/ID/v2 {'memory_mib':6144,'disk':{'size_mb':5000}}" },
		{ { SIZED(FOUR, ",'vcpu':1,'memory':'3GiB','disk':{'size':'6GB'}") },
		  "PATCH /deployments/ID/v2 {'memory_mib':3072,'disk':{'size_mb':6000}}" },
		{ { SIZED(FOUR, ",'vcpu':1,'memory_mib':4096") }, "PATCH /deployments/ID/v2 {'disk':{'size_mb':2000}}" },
		{ { SIZED(FOUR, ",'vcpu':1,'disk':{'size':'6GB'}") },
		  "PATCH /deployments/ID/v2 {'memory_mib':256,'disk':{'size_mb':6000}}" },
		/* The same in an application, where the numbers go with the rollout. */
		{ { .object = APP(BASIC, ""), .doc = DOC("", "") },
		  "POST /applications/ID/rollouts {'target_configuration':{'instance_type':'lite'}}" },
		{ { .object = APP(FOUR, ""),
		    .doc = DOC(",'vcpu':1,'memory':'6GiB','disk':{'size_mb':5000}", ""),
		    .rollout = ROLLOUT_NONE },
		  "PATCH /applications/ID {'configuration':{'memory_mib':6144,'disk':{'size_mb':5000}}}" },
	};
	(void)state;

	all_send(rows, array_len(rows));
}

#define NOTHING "'wrangler_ssh':{},'provisioner':{},'dns':{'servers':[]},'checks':[],'network':{'mode':null}"

/* What is empty is not sent, and what is sent for it later is nothing either; a whole number is an integer. */
static void test_empty(void **state)
{
	static const struct row rows[] = {
		{ { .kind = "deployment", .doc = "{'image':'app:v1','location':'lhr01'," NOTHING "}" },
		  "POST /deployments/v2 {'image':'" LONG "','location':'lhr01','labels':[" LABEL("web") "]}" },
		{ { .doc = "{'max_instances':5,'priorities':{},'durable_objects':{},'configuration':{'image':'app:v1'," NOTHING
			   "}}" },
		  "POST /applications {'name':'web','max_instances':5,'configuration':{'image':'" LONG
		  "'},'scheduling_policy':'default','instances':0}" },
		{ { .object = APP(LITE, ",'max_instances':5"),
		    .doc = "{'max_instances':5,'priorities':{'default':3},'configuration':{'image':'app:v1','command':['a']"
			   "," NOTHING "}}" },
		  "PATCH /applications/ID {'priorities':{'default':3}}\nPOST /applications/ID/rollouts "
		  "{'target_configuration':{'command':['a']}}" },
		{ { .object = APP(LITE ",'command':['a']", ",'max_instances':5,'priorities':{'default':3}"),
		    .doc = "{'max_instances':5,'priorities':{},'configuration':{'image':'app:v1','command':['b']," NOTHING "}}" },
		  "PATCH /applications/ID {'priorities':null}\nPOST /applications/ID/rollouts "
		  "{'target_configuration':{'command':['b']}}" },
		{ { .kind = "rollout",
		    .parent = "a",
		    .doc = "{'description':'','strategy':'rolling','steps':[],'step_percentage':50,"
			   "'target_configuration':{'image':'app:v2','wrangler_ssh':{}}}" },
		  "POST /applications/a/rollouts "
		  "{'description':'','strategy':'rolling','step_percentage':50,'target_configuration':{" V2 "}}" },
		{ { .object = APP(LITE, ",'max_instances':5"), .doc = DOC("", ",'max_instances':1e1") },
		  "PATCH /applications/ID {'max_instances':10}" },
		{ { .object = APP(LITE, ",'max_instances':10"), .doc = DOC("", ",'max_instances':12.0") },
		  "PATCH /applications/ID {'max_instances':12}" },
		{ { .object = APP(LITE, ",'max_instances':12"), .doc = DOC("", ",'max_instances':12.0") }, "" },
	};
	(void)state;

	all_send(rows, array_len(rows));
}

#define CONFIGURED(check_) ",'checks':[{" check_ "}]"

/* Each field of an application's check counts too. */
static void test_application_checks(void **state)
{
	static const char *const added[] = { "'name':'mine'", "'attempts_before_failure':7", "'grace_period':'9s'",
					     "'tls':true" };
	char doc[600], wanted[600];
	(void)state;

	sends(&(struct facts){ .object = APP(LITE CONFIGURED(FILLED("1")), ""), .doc = DOC(CONFIGURED(CHECK), "") }, "");
	for (size_t i = 0; i < array_len(added); i++) {
		snprintf(doc, sizeof(doc), "{'configuration':{'image':'app:v1','checks':[{" CHECK ",%s}]}}", added[i]);
		snprintf(wanted, sizeof(wanted),
			 "POST /applications/ID/rollouts {'target_configuration':{'checks':[{" CHECK ",%s}]}}", added[i]);
		sends(&(struct facts){ .object = APP(LITE CONFIGURED(FILLED("1")), ""), .doc = doc }, wanted);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_account),    cmocka_unit_test(test_application),
		cmocka_unit_test(test_deployment), cmocka_unit_test(test_others),
		cmocka_unit_test(test_checks),     cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_empty),      cmocka_unit_test(test_application_checks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
