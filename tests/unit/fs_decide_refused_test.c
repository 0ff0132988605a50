/* Documents that are refused before anything is sent: the rows of tests/bats/kind_*.bats that need no mount. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fs_decide_fixture.h"

/* One document, its errno, and what the text must hold. */
struct refusal {
	const char *doc;
	int errnum;
	const char *words[3];
};

static void refused(struct facts base, const struct refusal *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		base.doc = rows[i].doc;
		for (size_t w = 0; w < array_len(rows[i].words) && rows[i].words[w]; w++)
			refuses(&base, rows[i].errnum, rows[i].words[w]);
	}
}

/* Most begin like this. */
#define START  "{'instances':1,'max_instances':5,'configuration':{'image':'a:1'"
#define TARGET "'target_configuration':{'image':'a:1'}"

static void test_account(void **state)
{
	static const struct refusal rows[] = {
		{ "{'vcpus':'one'}", EINVAL, { "vcpus", "number" } },
		{ "{'vcpu':1}", EINVAL, { "vcpu", "vcpus" } },
		{ "{'memory_mib':-5}", EINVAL, { "memory_mib" } },
		{ "[]", EINVAL, { "object" } },
	};
	(void)state;

	refused((struct facts){ .kind = "account",
				.part = "defaults.json",
				.object = "{'vcpus':0.0625,'memory_mib':256,'disk_mb':2000}" },
		rows, array_len(rows));
}

static void test_application(void **state)
{
	static const struct refusal rows[] = {
		{ START "}", EINVAL, { "line" } },
		{ "[1]", EINVAL, { "object" } },
		{ "{'instances':1,'instances':2,'max_instances':5,'configuration':{'image':'a:1'}}",
		  EINVAL,
		  { "duplicate", "instances" } },
		{ START "},}", EINVAL, { "line 1" } },
		{ START ",'enviroment_variables':[]}}",
		  EINVAL,
		  { "configuration.enviroment_variables", "environment_variables" } },
		{ "{'instances':'1','configuration':{'image':'a:1'}}", EINVAL, { "instances", "integer" } },
		{ "{'instances':-1,'max_instances':5,'configuration':{'image':'a:1'}}", EINVAL, { "instances", "-1" } },
		{ "{'instances':1.5,'max_instances':5,'configuration':{'image':'a:1'}}", EINVAL, { "instances" } },
		{ "{'instances':1,'max_instances':5,'scheduling_policy':'magic','configuration':{'image':'a:1'}}",
		  EINVAL,
		  { "scheduling_policy", "durable_object" } },
		{ START ",'instance_type':'huge'}}", EINVAL, { "configuration.instance_type", "standard-1" } },
		{ START ",'instance_type':'lite','vcpu':1}}", EINVAL, { "instance_type", "vcpu" } },
		{ "{'instances':1,'max_instances':5,'configuration':{}}", EINVAL, { "configuration.image" } },
		{ "{'configuration':{'image':'a:1'}}", EINVAL, { "max_instances" } },
		{ "{'instances':1}", EINVAL, { "configuration" } },
		{ START "},'health':{}}", EINVAL, { "health", "status.json" } },
		{ START "},'name':'other'}", EINVAL, { "name", "bad" } },
		{ START ",'observability':{'logs':{'enabled':true}}},'observability':{'logs':{'enabled':true}}}",
		  EINVAL,
		  { "observability" } },
		{ START ",'environment_variables':[{'name':'A'}]}}", EINVAL, { "environment_variables[0].value" } },
		{ START ",'wrangler_ssh':{'port':0}}}", EINVAL, { "wrangler_ssh.port" } },
		{ START ",'secrets':[{'name':'A','type':'file','secret':'s'}]}}", EINVAL, { "secrets[0].type", "env" } },
		{ "{'scheduling_policy':'durable_object','instances':1,'durable_objects':{'namespace_id':'n'}}",
		  EINVAL,
		  { "instances" } },
		{ "{'scheduling_policy':'durable_object'}", EINVAL, { "durable_objects" } },
		{ START "},'durable_objects':{'script_name':'s'}}", EINVAL, { "durable_objects", "namespace_id" } },
		{ START "},'priorities':{'default':'high'}}", EINVAL, { "priorities.default" } },
		{ START "},'constraints':{'jurisdiction':'mars'}}", EINVAL, { "constraints.jurisdiction", "fedramp" } },
	};
	(void)state;

	refused((struct facts){ .name = "bad" }, rows, array_len(rows));
}

static void test_credentials(void **state)
{
	static const struct refusal rows[] = {
		{ "{}", EINVAL, { "permissions" } },
		{ "{'permissions':['pull']}", EINVAL, { "expiration_minutes", "missing" } },
		{ "{'permissions':['own'],'expiration_minutes':5}", EINVAL, { "permissions[0]", "library_push" } },
		{ "{'permissions':'pull','expiration_minutes':5}", EINVAL, { "permissions", "array" } },
		{ "{'permissions':['pull'],'expiration_minutes':0}", EINVAL, { "expiration_minutes" } },
		{ "{'permissions':['pull'],'expiration_minutes':5,'scope':'x'}", EINVAL, { "scope" } },
	};
	(void)state;

	refused((struct facts){ .kind = "registry",
				.leaf = "credentials.json",
				.object = "{'domain':'registry.cloudflare.com'}",
				.traits = TRAIT_MANAGED },
		rows, array_len(rows));
}

static void test_deployment(void **state)
{
	static const struct refusal rows[] = {
		{ "{'location':'lhr01'}", EINVAL, { "image", "missing" } },
		{ "{'image':'a:1'}", EINVAL, { "location", "missing" } },
		{ "{'image':'a:1','location':{'name':'lhr01'}}", EINVAL, { "location", "string" } },
		{ "{'image':'','location':'lhr01'}", EINVAL, { "image" } },
		{ "{'image':'a:1','location':'lhr01','state':{}}", EINVAL, { "state", "status.json" } },
		{ "{'image':'a:1','location':'lhr01','app_id':'x'}", EINVAL, { "app_id", "status.json" } },
		{ "{'image':'a:1','location':'lhr01','comand':['x']}", EINVAL, { "comand", "command" } },
		{ "{'image':'a:1','location':'lhr01','network':{'mode':'secret'}}",
		  EINVAL,
		  { "network.mode", "public-by-port" } },
		{ "{'image':'a:1','location':'lhr01','checks':[{'type':'http','port':'80','interval':'1s','timeout':'1s'}]}",
		  EINVAL,
		  { "checks[0].kind" } },
		{ "{'image':'a:1','location':'lhr01','memory_mib':'256'}", EINVAL, { "memory_mib" } },
	};
	(void)state;

	refused((struct facts){ .kind = "deployment", .name = "bad" }, rows, array_len(rows));
}

static void test_job(void **state)
{
	static const struct refusal rows[] = {
		{ "{'command':[]}", EINVAL, { "entrypoint", "missing" } },
		{ "{'entrypoint':[]}", EINVAL, { "command", "missing" } },
		{ "{'entrypoint':'/bin/x','command':[]}", EINVAL, { "entrypoint", "array" } },
		{ "{'entrypoint':['x'],'command':[1]}", EINVAL, { "command[0]" } },
		{ "{'entrypoint':['x'],'command':[],'timeout':'1h'}", EINVAL, { "timeout" } },
		{ "{'entrypoint':['x'],'command':[],'timout':1}", EINVAL, { "timout", "timeout" } },
		{ "{'entrypoint':['x'],'command':[],'status':{}}", EINVAL, { "status", "status.json" } },
		{ "{'entrypoint':['x'],'command':[],'terminate':true}", EINVAL, { "terminate", "status.json" } },
		{ "{'entrypoint':['x'],'command':[],'instance_type':'lite','vcpu':1}", EINVAL, { "instance_type", "vcpu" } },
		{ "{'entrypoint':['x'],'command':[],'secrets':[{'type':'env','name':'A','secret':'s'}]}",
		  EINVAL,
		  { "secrets[0]" } },
	};
	(void)state;

	refused((struct facts){ .kind = "job", .parent = "a", .name = "bad" }, rows, array_len(rows));
}

static void test_protocol(void **state)
{
	static const struct refusal rows[] = {
		{ "{}", EINVAL, { "domains", "missing" } },
		{ "{'domains':'docker.io'}", EINVAL, { "domains", "array" } },
		{ "{'domains':[{'domain':'docker.io'}]}", EINVAL, { "domains[0].path", "missing" } },
		{ "{'domains':[{'domain':'','path':''}]}", EINVAL, { "domains[0].domain" } },
		{ "{'proto':'firm','domains':[{'domain':'docker.io','path':''}]}", EINVAL, { "proto", "corp" } },
	};
	(void)state;

	refused((struct facts){ .kind = "registry protocol", .name = "corp" }, rows, array_len(rows));
}

static void test_registry(void **state)
{
	static const struct refusal rows[] = {
		{ "{'kind':'DockerHub'}", EINVAL, { "auth" } },
		{ "{'is_public':true,'auth':{'public_credential':'a','private_credential':'b'}}",
		  EINVAL,
		  { "is_public", "auth" } },
		{ "{'kind':'Quay','is_public':true}", EINVAL, { "kind", "DockerHub" } },
		{ "{'auth':{'private_credential':'b'}}", EINVAL, { "auth.public_credential", "missing" } },
		{ "{'auth':{'public_credential':'a'}}", EINVAL, { "auth.private_credential", "missing" } },
		{ "{'auth':{'public_credential':'a','private_credential':5}}", EINVAL, { "auth.private_credential" } },
		{ "{'auth':{'public_credential':'a','private_credential':{'store_id':'x'}}}", EINVAL, { "secret_name" } },
		{ "{'domain':'ghcr.io','is_public':true}", EINVAL, { "domain", "docker.io" } },
		{ "{'is_public':'yes'}", EINVAL, { "is_public" } },
	};
	(void)state;

	refused((struct facts){ .kind = "registry", .name = "docker.io" }, rows, array_len(rows));
}

static void test_rollout(void **state)
{
	static const struct refusal rows[] = {
		{ "{'strategy':'rolling'," TARGET "}", EINVAL, { "description", "missing" } },
		{ "{'description':'d'," TARGET "}", EINVAL, { "strategy", "missing" } },
		{ "{'description':'d','strategy':'rolling'}", EINVAL, { "target_configuration", "missing" } },
		{ "{'description':'d','strategy':'slow'," TARGET "}", EINVAL, { "strategy", "new_instances" } },
		{ "{'description':'d','strategy':'rolling','kind':'by_hand'," TARGET "}", EINVAL, { "kind", "full_manual" } },
		{ "{'description':'d','strategy':'rolling','step_percentage':30," TARGET "}",
		  EINVAL,
		  { "step_percentage", "25" } },
		{ "{'description':'d','strategy':'rolling','step_percentage':50,'steps':[{'step_size':{'percentage':100},'"
		  "description':'x'}]," TARGET "}",
		  EINVAL,
		  { "step_percentage", "steps" } },
		{ "{'description':'d','strategy':'rolling','steps':[{'step_size':{'percentage':50},'description':'x'},{'step_"
		  "size':{'percentage':20},'description':'y'}]," TARGET "}",
		  EINVAL,
		  { "steps[1]" } },
		{ "{'description':'d','strategy':'rolling','steps':[{'step_size':{'percentage':101},'description':'x'}]," TARGET
		  "}",
		  EINVAL,
		  { "steps[0].step_size.percentage" } },
		{ "{'description':'d','strategy':'rolling','status':'pending'," TARGET "}", EINVAL, { "status", "status.json" } },
	};
	(void)state;

	refused((struct facts){ .kind = "rollout", .parent = "a", .name = "bad" }, rows, array_len(rows));
}

static void test_secret(void **state)
{
	static const struct refusal rows[] = {
		{ START ",'secrets':[{'name':'A','type':'env','value':'x'}]}}", EINVAL, { "secrets[0]" } },
	};
	(void)state;

	refused((struct facts){ .name = "web" }, rows, array_len(rows));
}

/* By what is there already. */
static void test_changes(void **state)
{
	static const struct {
		struct facts facts;
		struct refusal want;
	} rows[] = {
		{ { .object = APP(LITE, ",'max_instances':5") },
		  { DOC("", ",'max_instances':5,'jobs':true"), EINVAL, { "jobs", "creat" } } },
		{ { .object = APP(LITE, ",'max_instances':5") },
		  { DOC("", ",'max_instances':5,'durable_objects':{'namespace_id':'5f0c1d9a7b3e4826a1c4d8f2b6e09375'}"),
		    EINVAL,
		    { "durable_objects", "creat" } } },
		{ { .object = "{'id':'i','name':'web','version':1,'jobs':true,'max_instances':5,'configuration':{'image':'" LONG
			      "'}}",
		    .traits = TRAIT_JOBS },
		  { DOC("", ",'max_instances':5"), EINVAL, { "jobs" } } },
		{ { .object = APP(LITE, ",'max_instances':5"), .version = 1 },
		  { DOC("", ",'version':7,'max_instances':6"), ESTALE, { "version", "7", "1" } } },
		{ { .name = "new" }, { DOC("", ",'version':1,'max_instances':6"), ESTALE, { "version" } } },
		/* A deployment's are set when it is made. */
		{ { .kind = "deployment", .object = DEPLOYMENT("") },
		  { "{'image':'app:v1','location':'lhr01','wrangler_ssh':{'enabled':true}}",
		    EINVAL,
		    { "wrangler_ssh", "creat" } } },
		{ { .kind = "deployment", .object = DEPLOYMENT(",'network':{'mode':'public'}") },
		  { "{'image':'app:v1','location':'lhr01','network':{'mode':'private'}}", EINVAL, { "network.mode", "creat" } } },
		/* What is written once. */
		{ { .kind = "job", .parent = "a", .object = "{'id':'j','entrypoint':['/bin/report'],'command':[]}" },
		  { "{'entrypoint':['/bin/report'],'command':[]}", EEXIST, { "another name" } } },
		{ { .kind = "rollout", .parent = "a", .object = "{'id':'r','description':'d','strategy':'rolling'}" },
		  { "{'description':'d','strategy':'rolling'," TARGET "}", EEXIST, { "another name" } } },
		{ { .kind = "ssh key", .object = "{'id':'k','name':'web','public_key':'" KEY_ANNA "'}" },
		  { KEY_BERT, EPERM, { "remove" } } },
		{ { .kind = "registry", .object = HUB_SHOWN },
		  { "{'kind':'DockerHub','auth':{'public_credential':'other','private_credential':{'store_id':'s','secret_name':'"
		    "n'}}}",
		    EPERM,
		    { "remove" } } },
		/* The managed registry. */
		{ { .kind = "registry", .object = MANAGED, .traits = TRAIT_MANAGED },
		  { "{'kind':'DockerHub','auth':{'public_credential':'acme','private_credential':'dckr_pat_0123456789'}}",
		    EPERM,
		    { "managed registry" } } },
		{ { .kind = "registry", .object = MANAGED, .traits = TRAIT_MANAGED },
		  { "{'is_public':true}", EPERM, { "managed registry" } } },
		{ { .kind = "registry", .object = MANAGED, .traits = TRAIT_MANAGED }, { "{'kind':}", EINVAL, { "line" } } },
		{ { .kind = "registry", .object = MANAGED, .traits = TRAIT_MANAGED, .verb = WISH_DELETE },
		  { "", EPERM, { "managed registry" } } },
		/* Names of keys that nobody has. */
		{ { 0 },
		  { START ",'ssh_public_key_ids':['ssh-keys/nobody.pub']}}", EINVAL, { "ssh_public_key_ids", "nobody" } } },
		{ { .object = APP(LITE, ",'max_instances':5") },
		  { START ",'ssh_public_key_ids':['ssh-keys/nobody.pub']}}", EINVAL, { "nobody" } } },
		{ { .kind = "deployment" },
		  { "{'image':'a:1','location':'lhr01','ssh_public_key_ids':['ssh-keys/nobody.pub']}",
		    EINVAL,
		    { "ssh_public_key_ids", "nobody" } } },
		/* Secrets. */
		{ { .kind = "secret", .raw = true, .size = 3 }, { "a\0b", EINVAL, { "NUL" } } },
		{ { .kind = "secret", .raw = true }, { "a\xff\xfe", EINVAL, { "UTF-8" } } },
		/* Renames and deletes. */
		{ { .kind = "deployment", .object = DEPLOYMENT(""), .verb = WISH_RENAME, .new_name = "other", .taken = true },
		  { "", EEXIST, { "other" } } },
		{ { .object = APP(LITE, ""), .verb = WISH_RENAME, .new_name = "other", .taken = true },
		  { "", EEXIST, { "other" } } },
		{ { .object = APP(LITE, ""), .verb = WISH_DELETE, .nodelete = true }, { "", EPERM, { "nodelete" } } },
		{ { .kind = "placement", .parent = "a", .object = "{'id':'p'}", .verb = WISH_DELETE },
		  { "", EPERM, { "platform" } } },
		/* Words that are no action. */
		{ { .kind = "deployment", .object = DEPLOYMENT(""), .leaf = "action" },
		  { "dance", EINVAL, { "'dance'", "recreate", "replace" } } },
		{ { .kind = "rollout", .parent = "a", .object = "{'id':'r'}", .leaf = "action" },
		  { "dance", EINVAL, { "next", "previous", "revert" } } },
		{ { .kind = "job", .parent = "a", .object = "{'id':'j'}", .leaf = "action" },
		  { "dance", EINVAL, { "terminate" } } },
		{ { .kind = "deployment", .object = DEPLOYMENT(""), .leaf = "action" },
		  { "replace", EBUSY, { "no placement" } } },
	};
	(void)state;

	for (size_t i = 0; i < array_len(rows); i++)
		refused(rows[i].facts, &rows[i].want, 1);
}

/* A name is the identity of most kinds. */
static void test_renames(void **state)
{
	static const char *const kinds_of[] = { "secret", "ssh key", "registry", "registry protocol",
						"job",    "rollout", "placement" };
	(void)state;

	for (size_t i = 0; i < array_len(kinds_of); i++) {
		struct facts f = { .kind = kinds_of[i],
				   .parent = "a",
				   .object = "{'id':'x','name':'web','domain':'web','proto':'web'}",
				   .verb = WISH_RENAME,
				   .new_name = "other" };

		refuses(&f, EPERM, "cannot be renamed");
	}
}

/* An item of a list that lacks a field. */
static void test_items(void **state)
{
	static const char *const lists[] = { "environment_variables", "checks", "secrets", "labels", "authorized_keys" };
	char doc[200], text[100];
	(void)state;

	for (size_t i = 0; i < array_len(lists); i++) {
		snprintf(doc, sizeof(doc), START ",'%s':[{}]}}", lists[i]);
		snprintf(text, sizeof(text), "configuration.%s[0].", lists[i]);
		refuses(&(struct facts){ .doc = doc }, EINVAL, text);
		refuses(&(struct facts){ .doc = doc }, EINVAL, ": is missing");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_account),    cmocka_unit_test(test_application), cmocka_unit_test(test_credentials),
		cmocka_unit_test(test_deployment), cmocka_unit_test(test_job),         cmocka_unit_test(test_protocol),
		cmocka_unit_test(test_registry),   cmocka_unit_test(test_rollout),     cmocka_unit_test(test_secret),
		cmocka_unit_test(test_changes),    cmocka_unit_test(test_renames),     cmocka_unit_test(test_items),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
