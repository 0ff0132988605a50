/* The table of operations, and that the table of kinds stands on it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "api/operation.h"

static void paths_lead_to_their_row(void **state)
{
	static const struct {
		const char *method, *path, *id; /* NULL: none */
	} rows[] = {
		{ "GET", "/applications", "listApplications" },
		{ "GET", "/applications?per_page=1", "listApplications" },
		{ "GET", "/applications/1", "getApplication" },
		{ "GET", "/applications/{id}", "getApplication" },
		{ "PATCH", "/applications/1", "modifyApplication" },
		{ "POST", "/applications/1/rollouts/2", "updateApplicationRollout" },
		{ "GET", "/applications/1/rollouts?limit=1&last=2", "listApplicationRollouts" },
		{ "GET", "/deployments/v2", "listDeploymentsV2" },
		{ "GET", "/deployments/1/v2", "getDeploymentV2" },
		{ "GET", "/registries/protos", "listImageRegistryProtocols" },
		{ "DELETE", "/registries/docker.io", "deleteImageRegistry" },
		{ "DELETE", "/registries/protos/x", "deleteImageRegistryProto" },
		{ "GET", "/applications/", NULL },
		{ "GET", "/applications//rollouts", NULL },
		{ "GET", "/applications/1/rollouts/2/3", NULL },
		{ "GET", "/applications/1/", NULL },
		{ "GET", "/", NULL },
		{ "GET", "", NULL },
		{ "GET", "/deployments", NULL },
		{ "PUT", "/applications", NULL },
	};
	(void)state;

	for (size_t i = 0; i < array_len(rows); i++) {
		const struct operation *o = operation_find(rows[i].method, rows[i].path);
		const char *id = o ? o->id : "none", *expected = rows[i].id ? rows[i].id : "none";

		if (strcmp(id, expected))
			fail_msg("%s %s: is %s, not %s", rows[i].method, rows[i].path, id, expected);
	}
}

static void need(const char *method, const char *path, const char *what)
{
	if (!operation_find(method, path))
		fail_msg("%s: no operation %s %s", what, method, path);
}

static void every_call_of_the_kinds_is_an_operation(void **state)
{
	(void)state;
	for (const struct kind *const *k = kinds; *k; k++) {
		const struct kind *kind = *k;

		for (unsigned verb = KIND_LIST; verb <= KIND_RENAME; verb <<= 1) {
			const struct operation *o = operation_of(kind, verb);

			if ((kind->verbs & verb) && !o)
				fail_msg("%s: no operation for verb %u", kind->name, verb);
			/* A list tells its items apart by what the kind calls their identity. */
			if (verb == KIND_LIST && o && (o->answers != ANSWER_ITEMS || strcmp(o->must, kind->id_key)))
				fail_msg("%s: %s does not answer items with %s", kind->name, o->id, kind->id_key);
			if ((verb == KIND_GET || verb == KIND_CREATE) && o && kind->id_key && o->answers != ANSWER_OBJECT)
				fail_msg("%s: %s does not answer an object", kind->name, o->id);
		}
		for (const struct leaf *l = kind->leaves; l && l->name; l++) {
			if (l->path && l->source == LEAF_CREDENTIALS)
				need("POST", l->path, l->name);
			else if (l->path)
				need("GET", l->path, l->name);
			for (const struct action *a = l->actions; a && a->word; a++)
				need(a->method, a->path, a->word);
		}
		for (const struct part *p = kind->parts; p && p->name; p++) {
			need("GET", p->path, p->name);
			if (p->update)
				need("PATCH", p->update, p->name);
		}
	}
}

static void sources_are_those_of_the_contract(void **state)
{
	static const struct {
		const char *kind;
		enum kind_verb verb;
		enum operation_source source;
		bool cloudchamber;
	} rows[] = {
		{ "application", KIND_LIST, SOURCE_OFFICIAL, false },
		{ "application", KIND_RENAME, SOURCE_OFFICIAL, false },
		{ "rollout", KIND_CREATE, SOURCE_OFFICIAL, false },
		{ "rollout", KIND_LIST, SOURCE_UNCONFIRMED, false },
		{ "deployment", KIND_LIST, SOURCE_WRANGLER, true },
		{ "ssh key", KIND_DELETE, SOURCE_UNCONFIRMED, false },
		{ "secret", KIND_CREATE, SOURCE_UNCONFIRMED, false },
		{ "registry protocol", KIND_UPDATE, SOURCE_UNCONFIRMED, false },
		{ "account", KIND_GET, SOURCE_WRANGLER, false },
	};
	(void)state;

	for (size_t i = 0; i < array_len(rows); i++) {
		const struct operation *o = operation_of(kind_find(rows[i].kind), rows[i].verb);

		assert_non_null(o);
		if (o->source != rows[i].source || o->cloudchamber != rows[i].cloudchamber)
			fail_msg("%s: is %s", o->id, operation_source_word(o->source));
	}
	assert_null(operation_of(kind_find("instance"), KIND_DELETE));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_lead_to_their_row),
		cmocka_unit_test(every_call_of_the_kinds_is_an_operation),
		cmocka_unit_test(sources_are_those_of_the_contract),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
