/* What a create sends, and which change of an application calls for a rollout. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>

#include "doc_fixture.h"

#define A "registry.cloudflare.com/" ACCOUNT "/a"

static void creates(void **state)
{
	static const char *const cases[][4] = {
		{ "application",
		  "{'instances':1,'configuration':{'image':'app:v1','command':null,'ssh_public_key_ids':['ssh-keys/anna.pub']}}",
		  "{'name':'web','instances':1,'configuration':{'image':'" LONG
		  "','ssh_public_key_ids':['k1']},'scheduling_policy'"
		  ":'default'}",
		  NULL },
		{ "deployment", "{'image':'a','location':'l','labels':[{'name':'x','value':'y'}]}",
		  "{'image':'" A "','location':'l','labels':[{'name':'x','value':'y'},{'name':'cfcfs.name','value':'web'}]}",
		  NULL },
		{ "deployment",
		  "{'image':'a','location':'l','wrangler_ssh':{},'provisioner':{},'dns':{'servers':[]},'checks':[],'network':{'"
		  "mode':null}}",
		  "{'image':'" A "','location':'l','labels':[{'name':'cfcfs.name','value':'web'}]}", NULL },
		{ "application", "{'instances':0,'priorities':{},'durable_objects':{},'configuration':{'image':'a','dns':{}}}",
		  "{'name':'web','scheduling_policy':'default','instances':0,'configuration':{'image':'" A "'}}", NULL },
		/* What a create must say, and what none takes. */
		{ "application", "{'max_instances':2,'configuration':{'image':'a','runtime':'firecracker','new':1}}",
		  "{'name':'web','max_instances':2,'configuration':{'image':'" A
		  "'},'scheduling_policy':'default','instances':0}",
		  NULL },
		{ "application", "{'scheduling_policy':'durable_object','durable_objects':{'namespace_id':'n'}}",
		  "{'name':'web','scheduling_policy':'durable_object','durable_objects':{'namespace_id':'n'}}", NULL },
		{ "rollout",
		  "{'description':'d','strategy':'rolling','steps':[],'step_percentage':50,'target_configuration':{'dns':{}}}",
		  "{'description':'d','strategy':'rolling','step_percentage':50,'target_configuration':{}}", NULL },
		{ "job", "{'entrypoint':[],'command':['b'],'secrets':[]}", "{'entrypoint':[],'command':['b']}", NULL },
		{ "job", "{'entrypoint':['a'],'command':['b'],'image':null}", "{'entrypoint':['a'],'command':['b']}", NULL },
		{ "registry", "{'is_public':true}", "{'domain':'web','is_public':true}", NULL },
		{ "registry protocol", "{'domains':[]}", "{'proto':'web','domains':[]}", NULL },
		{ "secret", "{'value':'v'}", "{'name':'web','value':'v'}", NULL },
		{ "ssh key", "{'public_key':'k'}", "{'name':'web','public_key':'k'}", NULL },
		{ "application",
		  "{'instances':1,'configuration':{'image':'a','ssh_public_key_ids':['k1','ssh-keys/nobody.pub']}}", NULL,
		  "configuration.ssh_public_key_ids[1]: \"ssh-keys/nobody.pub\" does not exist" },
		{ "application", "{'instances':1,'configuration':{'image':'a','ssh_public_key_ids':['ssh-keys/nobody']}}", NULL,
		  "configuration.ssh_public_key_ids[0]: " },
	};
	struct doc_context ctx = context();
	(void)state;

	for (size_t i = 0; i < array_len(cases); i++) {
		struct json_object *d = parse(cases[i][1]), *body = NULL, *want = cases[i][2] ? parse(cases[i][2]) : NULL;
		struct err err = ERR_INIT;
		struct json_object *before = parse(cases[i][1]);
		int r = doc_create_body((struct doc_file){ kind_find(cases[i][0]), d, "web" }, &ctx, &body, &err);

		if (!json_object_equal(d, before))
			fail_msg("%s was changed", cases[i][1]);
		json_object_put(before);
		if (want && (r < 0 || !json_object_equal(want, body)))
			fail_msg("%s sends %s, %s", cases[i][1], body ? json_object_to_json_string(body) : "nothing", err.text);
		if (!want && (r != -EINVAL || !strstr(err.text, cases[i][3])))
			fail_msg("%s: %d %s", cases[i][1], r, err.text);
		json_object_put(d);
		json_object_put(body);
		json_object_put(want);
	}
}

static void rollouts_follow(void **state)
{
	static const struct {
		const char *object, *patch;
		bool needed;
	} cases[] = {
		{ APP("", ""), "{'instances':2}", false },
		{ APP("", ""), "{'configuration':{'image':'app:v2'}}", true },
		{ APP("", ""), "{'configuration':{'wrangler_ssh':{'enabled':true}}}", false },
		{ APP("", ""), "{'configuration':{'authorized_keys':[{'public_key':'k'}]}}", false },
		{ APP(",'authorized_keys':[{'public_key':'k'}]", ""), "{'configuration':{'authorized_keys':[]}}", false },
		{ APP(",'command':['a']", ""), "{'configuration':{'command':[]}}", true },
		{ APP(LITE, ""), "{'configuration':{'instance_type':'basic'}}", true },
		{ APP("", ""), "{'configuration':{'authorized_keys':[],'command':[]}}", true },
		{ APP("", ""), "{'configuration':null}", true },
	};
	(void)state;

	for (size_t i = 0; i < array_len(cases); i++) {
		struct json_object *o = parse(cases[i].object), *patch = parse(cases[i].patch);

		if (doc_needs_rollout(kind_find("application"), o, patch, NULL) != cases[i].needed)
			fail_msg("%s\n%s: must%s need a rollout", cases[i].object, cases[i].patch, cases[i].needed ? "" : " not");
		json_object_put(o);
		json_object_put(patch);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(creates),
		cmocka_unit_test(rollouts_follow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
