/*
 * Answers of the service that people published (tests/live): each is shown, written back unchanged, which sends nothing, and with
 * one change, which sends the change alone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <json-c/json.h>

#include "api/doc.h"
#include "api/envelope.h"
#include "api/operation.h"

#define ACCOUNT "a1b2c3d4e5f60718293a4b5c6d7e8f90"

static struct json_object *load(const char *name)
{
	const char *source = getenv("CFCFS_SOURCE_DIR");
	struct json_object *object;
	char path[512];

	snprintf(path, sizeof(path), "%s/tests/live/%s", source ? source : ".", name);
	object = json_object_from_file(path);
	if (!object)
		fail_msg("%s cannot be read: %s", path, json_util_get_last_err());
	return object;
}

static struct json_object *get(struct json_object *object, const char *key)
{
	struct json_object *v = NULL;

	json_object_object_get_ex(object, key, &v);
	return v;
}

/* The application, or the applications, of a file. */
static const struct {
	const char *file;
	bool enveloped, list;
} files[] = {
	{ "application-get.json", true, false },
	{ "application-get-first.json", false, false },
	{ "application-get-running.json", false, false },
	{ "applications-list.json", false, true },
	{ "double-list-lags.json", false, true },
	{ "double-detail-ahead.json", false, false },
	{ "double-durable-object-application.json", false, false },
};

static void each_application(void (*look)(struct json_object *object))
{
	for (size_t i = 0; i < array_len(files); i++) {
		struct json_object *root = load(files[i].file), *v = files[i].enveloped ? get(root, "result") : root;

		for (size_t k = 0; k < (files[i].list ? json_object_array_length(v) : 1); k++)
			look(files[i].list ? json_object_array_get_idx(v, k) : v);
		json_object_put(root);
	}
}

static const struct kind *application(void)
{
	return kind_find("application");
}

static struct json_object *shown(struct json_object *object, enum doc_view view)
{
	const struct doc_context ctx = { .account_id = ACCOUNT };
	cleanup_buf_ struct buf text = BUF_INIT;
	struct json_object *doc = NULL;
	struct err err = ERR_INIT;

	assert_int_equal(doc_render(application(), view, object, NULL, &ctx, &text), 0);
	if (doc_parse(text.data, text.len, &doc, &err) < 0)
		fail_msg("%s: %s", text.data, err.text);
	return doc;
}

/* What a write of the document sends, for a mount that knows no more than the answer; defaults: and the account's sizes. */
static struct json_object *sends(struct json_object *object, struct json_object *doc, bool defaults)
{
	struct doc_context ctx = { .account_id = ACCOUNT, .validate = VALIDATE_STRICT, .known = object };
	const struct doc_file named = { application(), doc, json_get_string(object, "name") };
	struct json_object *patch = NULL;
	struct err err = ERR_INIT;
	int64_t version;

	if (defaults) {
		ctx.default_vcpu = 0.0625;
		ctx.default_memory_mib = 256;
		ctx.default_disk_mb = 2000;
	}
	if (doc_check(named, false, &ctx, &version, &err) < 0 ||
	    doc_diff((struct doc_file){ application(), doc, "web" }, object, &ctx, &patch, &err) < 0)
		fail_msg("%s: %s", json_object_to_json_string(doc), err.text);
	return patch;
}

static void must_send(struct json_object *object, struct json_object *doc, const char *wanted)
{
	for (int defaults = 0; defaults < 2; defaults++) {
		struct json_object *copy = NULL, *patch, *want = wanted ? json_tokener_parse(wanted) : NULL;

		json_object_deep_copy(doc, &copy, NULL);
		patch = sends(object, copy, defaults);
		if (!want != !patch || (want && !json_object_equal(want, patch)))
			fail_msg("%s sends %s, must send %s", json_object_to_json_string(doc),
				 patch ? json_object_to_json_string(patch) : "nothing", wanted ? wanted : "nothing");
		json_object_put(patch);
		json_object_put(want);
		json_object_put(copy);
	}
}

static void write_back(struct json_object *object)
{
	static const enum doc_view views[] = { DOC_SETTABLE, DOC_DECLARED };

	for (size_t i = 0; i < array_len(views); i++) {
		struct json_object *doc = shown(object, views[i]);

		must_send(object, doc, NULL);
		json_object_put(doc);
	}
}

static void written_back_it_sends_nothing(void **state)
{
	(void)state;
	each_application(write_back);
}

static void change_one(struct json_object *object)
{
	const char *policy = json_get_string(object, "scheduling_policy");
	struct json_object *doc = shown(object, DOC_SETTABLE), *configuration = get(doc, "configuration");

	if (policy && !strcmp(policy, "durable_object")) {
		json_object_object_add(doc, "observability", json_tokener_parse("{\"logs\":{\"enabled\":true}}"));
		must_send(object, doc, "{\"observability\":{\"logs\":{\"enabled\":true}}}");
		json_object_put(doc);
		return;
	}
	json_object_object_add(configuration, "image", json_object_new_string("app:v2"));
	must_send(object, doc, "{\"configuration\":{\"image\":\"registry.cloudflare.com/" ACCOUNT "/app:v2\"}}");
	json_object_put(doc);
	doc = shown(object, DOC_SETTABLE);
	json_object_object_add(doc, "max_instances", json_object_new_int(77));
	must_send(object, doc, "{\"max_instances\":77}");
	json_object_put(doc);
	doc = shown(object, DOC_DECLARED);
	json_object_object_add(get(doc, "configuration"), "entrypoint", json_tokener_parse("[\"/bin/x\"]"));
	must_send(object, doc, "{\"configuration\":{\"entrypoint\":[\"/bin/x\"]}}");
	json_object_put(doc);
}

static void with_one_change_it_sends_the_change_alone(void **state)
{
	(void)state;
	each_application(change_one);
}

/* cp web.json other.json. */
static void clone_it(struct json_object *object)
{
	const struct doc_context ctx = { .account_id = ACCOUNT, .validate = VALIDATE_STRICT, .known = object };
	struct json_object *doc = shown(object, DOC_SETTABLE), *body = NULL, *configuration;
	struct err err = ERR_INIT;
	int64_t version;

	/* Some of the test doubles lack what a create must say. */
	if (!get(doc, "max_instances") && !json_get_string(object, "scheduling_policy"))
		json_object_object_add(doc, "max_instances", json_object_new_int(1));
	if (doc_check((struct doc_file){ application(), doc, "other" }, true, &ctx, &version, &err) < 0 ||
	    doc_create_body((struct doc_file){ application(), doc, "other" }, &ctx, &body, &err) < 0)
		fail_msg("%s: %s", json_object_to_json_string(doc), err.text);
	configuration = get(body, "configuration");
	assert_string_equal(json_get_string(body, "name"), "other");
	assert_null(get(configuration, "runtime"));
	assert_null(get(body, "id"));
	json_object_put(body);
	json_object_put(doc);
}

static void a_copy_is_a_create(void **state)
{
	(void)state;
	each_application(clone_it);
}

/* view=spec shows what somebody may have declared. */
static void what_is_declared_has_nothing_unasked(void **state)
{
	struct json_object *object = load("application-get-first.json"), *doc = shown(object, DOC_DECLARED), *want;
	(void)state;

	want = json_tokener_parse(
		"{\"scheduling_policy\":\"default\",\"max_instances\":5,\"configuration\":{\"image\":\"registry.cloudflare.com/"
		"example-worker-sandbox@sha256:6666666666666666666666666666666666666666666666666666666666666666\","
		"\"instance_type\":\"basic\",\"observability\":{\"logs\":{\"enabled\":true}}},\"constraints\":{\"tiers\":[1,2]},"
		"\"durable_objects\":{\"namespace_id\":\"0f1e2d3c4b5a69788796a5b4c3d2e1f0\"},\"rollout_active_grace_period\":0}");
	if (!json_object_equal(doc, want))
		fail_msg("%s", json_object_to_json_string(doc));
	json_object_put(want);
	json_object_put(doc);
	json_object_put(object);
}

/* What other files hold, as the answer of its operation. */
static void the_others_are_answers(void **state)
{
	static const struct {
		const char *file, *method, *path;
		int r;
	} rows[] = {
		{ "application-get.json", "GET", "/applications/x", 0 },
		{ "double-instances-v2.json", "GET", "/applications/x/instances-v2", 0 },
		{ "double-dash-applications.json", "GET", "/dash/applications", 0 },
		{ "double-dash-instances.json", "GET", "/dash/applications/x/instances", 0 },
		{ "double-dash-instances-do.json", "GET", "/dash/applications/x/instances", 0 },
	};
	(void)state;

	for (size_t i = 0; i < array_len(rows); i++) {
		struct json_object *root = load(rows[i].file);
		const char *text = json_object_to_json_string(root);
		const struct envelope in = { .status = 200,
					     .content_type = "application/json",
					     .body = text,
					     .len = strlen(text),
					     .operation = operation_find(rows[i].method, rows[i].path) };
		struct envelope_facts facts;
		struct answer answer = { 0 };
		struct err err = ERR_INIT;

		assert_non_null(in.operation);
		if (envelope_take(&in, &answer, &err, &facts) != rows[i].r)
			fail_msg("%s: %s", rows[i].file, err.text);
		answer_clear(&answer);
		json_object_put(root);
	}
}

static void refusals(void **state)
{
	static const struct {
		const char *file, *code, *text;
		int r;
	} rows[] = {
		{ "error-validate-bare.json", "VALIDATE_INPUT", "the service refused the document", -EINVAL },
		{ "error-do-has-application.json", "DURABLE_OBJECT_ALREADY_HAS_APPLICATION", "example-app", -EEXIST },
	};
	(void)state;

	for (size_t i = 0; i < array_len(rows); i++) {
		struct json_object *root = load(rows[i].file);
		const char *text = json_object_to_json_string(root);
		const struct envelope in = { .status = 400,
					     .content_type = "application/json",
					     .body = text,
					     .len = strlen(text),
					     .writing = true,
					     .operation = operation_find("POST", "/applications") };
		struct envelope_facts facts;
		struct answer answer = { 0 };
		struct err err = ERR_INIT;

		assert_int_equal(envelope_take(&in, &answer, &err, &facts), rows[i].r);
		assert_string_equal(err.code, rows[i].code);
		assert_non_null(strstr(err.text, rows[i].text));
		json_object_put(root);
	}
}

/* What is no document: the same text each time, with nothing lost. */
static void the_rest_is_shown_whole(void **state)
{
	static const struct {
		const char *file, *kind;
		bool list;
		enum doc_view view;
	} rows[] = {
		{ "double-rollout-get.json", "rollout", false, DOC_WHOLE },
		{ "instances-row-inactive.json", "instance", false, DOC_WHOLE },
		{ "double-registries-list.json", "registry", true, DOC_SETTABLE },
	};
	const struct doc_context ctx = { .account_id = ACCOUNT };
	(void)state;

	for (size_t i = 0; i < array_len(rows); i++) {
		struct json_object *root = load(rows[i].file), *again;
		struct json_object *v = rows[i].list ? json_object_array_get_idx(root, 0) : root;
		cleanup_buf_ struct buf text = BUF_INIT, twice = BUF_INIT;

		assert_int_equal(doc_render(kind_find(rows[i].kind), rows[i].view, v, NULL, &ctx, &text), 0);
		again = json_tokener_parse(text.data);
		if (rows[i].view == DOC_WHOLE)
			assert_true(json_object_equal(again, v));
		assert_int_equal(doc_render(kind_find(rows[i].kind), rows[i].view, v, NULL, &ctx, &twice), 0);
		assert_string_equal(text.data, twice.data);
		json_object_put(again);
		json_object_put(root);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(written_back_it_sends_nothing),
		cmocka_unit_test(with_one_change_it_sends_the_change_alone),
		cmocka_unit_test(a_copy_is_a_create),
		cmocka_unit_test(what_is_declared_has_nothing_unasked),
		cmocka_unit_test(the_others_are_answers),
		cmocka_unit_test(refusals),
		cmocka_unit_test(the_rest_is_shown_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
