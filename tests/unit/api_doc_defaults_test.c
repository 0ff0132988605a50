/* What the service fills in by itself: told from what somebody wrote, remembered, and no difference from then on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <json-c/json.h>

#include "api/doc.h"

#define LABELS        "'labels':[{'name':'cfcfs.name','value':'web'}]"
#define CHECK         "'type':'tcp','port':'80','interval':'5s','timeout':'1s','kind':'ready'"
#define FILLED        "'name':'tcp-80','tls':false,'attempts_before_failure':3"
#define BASIC_NUMBERS "'vcpu':0.25,'memory':'1GiB','memory_mib':1024,'disk':{'size':'4GB','size_mb':4000}"
#define LITE_NUMBERS  "'vcpu':0.0625,'memory':'256MiB','memory_mib':256,'disk':{'size':'2GB','size_mb':2000}"
#define BASIC_ROW     "'vcpu':0.25,'memory_mib':1024,'disk':{'size_mb':4000}"

/* JSON with ' for "; NULL for NULL. */
static struct json_object *parse(const char *text)
{
	char *copy = text ? strdup(text) : NULL;
	struct json_object *o = NULL;
	struct err err = ERR_INIT;

	for (char *p = copy; p && *p; p++)
		*p = (char)(*p == '\'' ? '"' : *p);
	if (copy && doc_parse(copy, strlen(copy), &o, &err) < 0)
		fail_msg("%s: %s", text, err.text);
	free(copy);
	return o;
}

/* What is sent for doc where the account has object and remembered is known of it. */
static struct json_object *patch_of(const struct kind *kind, const char *object, const char *doc, const char *remembered,
				    bool sizes)
{
	struct json_object *o = parse(object), *d = parse(doc), *row = parse(remembered), *patch = NULL;
	struct doc_context ctx = { .account_id = "a", .service_defaults = row };

	if (sizes) {
		ctx.default_vcpu = 0.0625;
		ctx.default_memory_mib = 256;
		ctx.default_disk_mb = 2000;
	}
	assert_int_equal(doc_diff((struct doc_file){ kind, d, "web" }, o, &ctx, &patch, NULL), 0);
	if (doc_same(kind, o, d, &ctx) != !patch)
		fail_msg("%s and %s: doc_same and doc_diff disagree", object, doc);
	json_object_put(o);
	json_object_put(d);
	json_object_put(row);
	return patch;
}

static void must_be(struct json_object *got, const char *wanted, const char *what)
{
	struct json_object *want = parse(wanted);

	if (!want != !got || (want && !json_object_equal(want, got)))
		fail_msg("%s:\ngot  %s\nwant %s", what,
			 got ? json_object_to_json_string_ext(got, JSON_C_TO_STRING_NOSLASHESCAPE) : "nothing",
			 wanted ? wanted : "nothing");
	json_object_put(want);
	json_object_put(got);
}

static void sends(const char *kind, const char *object, const char *doc, const char *remembered, const char *wanted)
{
	must_be(patch_of(kind_find(kind), object, doc, remembered, true), wanted, doc);
}

/* What is remembered after patch was answered with answer, beside what old says. */
static void remembers(const char *kind, const char *patch, const char *answer, const char *old, const char *wanted)
{
	struct json_object *p = parse(patch), *a = parse(answer), *row = parse(old);
	struct doc_context ctx = { .account_id = "a", .service_defaults = row };

	must_be(doc_service_defaults(kind_find(kind), p, a, &ctx), wanted, patch);
	json_object_put(p);
	json_object_put(a);
	json_object_put(row);
}

static const char *const check_fields[] = { "'name':'n'", "'tls':false", "'tls':true", "'attempts_before_failure':5",
					    "'grace_period':'10s'" };

/* What was written of a check and what it was filled with is known: nothing is left out of the comparison, on either side. */
static void a_field_of_a_check_counts(void **state)
{
	char with[300], without[300], object[400], bare[400], patch[400];
	(void)state;

	for (size_t i = 0; i < array_len(check_fields); i++) {
		snprintf(with, sizeof(with), "'checks':[{" CHECK ",%s}]", check_fields[i]);
		snprintf(without, sizeof(without), "'checks':[{" CHECK "}]");
		snprintf(object, sizeof(object), "{'id':'d'," LABELS ",%s}", with);
		snprintf(bare, sizeof(bare), "{'id':'d'," LABELS ",%s}", without);
		snprintf(patch, sizeof(patch), "{%s}", with);
		sends("deployment", object, patch, NULL, NULL);
		sends("deployment", bare, patch, NULL, patch);
		snprintf(patch, sizeof(patch), "{%s}", without);
		sends("deployment", object, patch, "{'checks':[{}]}", patch);
		snprintf(object, sizeof(object), "{'configuration':{%s}}", with);
		snprintf(bare, sizeof(bare), "{'configuration':{%s}}", without);
		sends("application", object, object, NULL, NULL);
		sends("application", bare, object, NULL, object);
		sends("application", object, bare, "{'configuration':{'checks':[{}]}}", bare);
	}
}

/* It is not known: what the service answers anyway is none of the document's, but what it says counts. */
static void what_is_always_answered_is_forgiven_without_memory(void **state)
{
	static const char filled[] = "{'id':'d'," LABELS ",'checks':[{" CHECK "," FILLED "}]}";
	static const char more[] = "{'id':'d'," LABELS ",'checks':[{" CHECK "," FILLED ",'grace_period':'1s'}]}";
	static const char doc[] = "{'checks':[{" CHECK "}]}";

	(void)state;
	sends("deployment", filled, doc, NULL, NULL);
	sends("deployment", more, doc, NULL, doc);
	sends("deployment", filled, "{'checks':[{" CHECK ",'attempts_before_failure':4}]}", NULL,
	      "{'checks':[{" CHECK ",'attempts_before_failure':4}]}");
	sends("deployment", filled, "{'checks':[{" CHECK ",'tls':true}]}", NULL, "{'checks':[{" CHECK ",'tls':true}]}");
	/* That it was written is remembered, whether something was filled in or not. */
	remembers("deployment", "{'checks':[{" CHECK "," FILLED "}]}", filled, NULL, "{'checks':[{}]}");
}

static void what_was_filled_into_a_check_is_remembered(void **state)
{
	static const char filled[] =
		"{'id':'d'," LABELS ",'checks':[{" CHECK "," FILLED "},{" CHECK "," FILLED ",'grace_period':'1s'}]}";
	static const char doc[] = "{'checks':[{" CHECK "},{" CHECK ",'tls':false,'grace_period':'1s'}]}";
	static const char row[] = "{'checks':[{" FILLED "},{'name':'tcp-80','attempts_before_failure':3}]}";
	(void)state;

	remembers("deployment", doc, filled, NULL, row);
	sends("deployment", filled, doc, row, NULL);
	/* Another change leaves it remembered; what was written once, filled in or not, counts. */
	remembers("deployment", "{'command':null}", filled, row, row);
	sends("deployment", filled, "{'checks':[{" CHECK "},{" CHECK ",'tls':false}]}", row,
	      "{'checks':[{" CHECK "},{" CHECK ",'tls':false}]}");
	sends("deployment", "{'id':'d'," LABELS ",'checks':[{" CHECK ",'name':'x'}]}", "{'checks':[{" CHECK "}]}",
	      "{'checks':[{'name':'y'}]}", "{'checks':[{" CHECK "}]}");
	remembers("deployment", "{'checks':[{" CHECK "}]}", "{'checks':[{" CHECK "," FILLED "},{" CHECK "}]}", row, NULL);
	remembers("deployment", "{'command':null}", "{'checks':[{" CHECK "," FILLED "}]}", row, NULL);
	remembers("deployment", "{'command':null}", "{'checks':[{" CHECK "," FILLED "},{" CHECK ",'name':'z'}]}", row, NULL);
	remembers("application", "{'configuration':{'checks':[{" CHECK ",'http':{'path':'/'}}]}}",
		  "{'configuration':{'checks':[{" CHECK ",'http':{'path':'/','method':'GET'}}]}}", NULL,
		  "{'configuration':{'checks':[{'http':{'method':'GET'}}]}}");
	sends("application", "{'configuration':{'checks':[{" CHECK ",'http':{'path':'/','method':'GET'}}]}}",
	      "{'configuration':{'checks':[{" CHECK ",'http':{'path':'/'}}]}}",
	      "{'configuration':{'checks':[{'http':{'method':'GET'}}]}}", NULL);
}

/* The numbers of a type that somebody chose are no default, and neither are those that an earlier row took for one. */
static void the_numbers_of_a_type_are_not_remembered(void **state)
{
	static const char typed[] = "{'id':'d'," LABELS ",'instance_type':'basic'," BASIC_NUMBERS "}";
	static const char patch[] = "{'instance_type':'basic','vcpu':null,'memory_mib':null,'disk':null}";
	static const char row[] = "{" BASIC_ROW "}";
	(void)state;

	remembers("deployment", patch, typed, NULL, NULL);
	remembers("deployment", patch, "{" BASIC_NUMBERS "}", NULL, NULL);
	remembers("deployment", "{'command':null}", typed, row, NULL);
	remembers("application", "{'configuration':{'instance_type':'basic','vcpu':null}}",
		  "{'configuration':{'instance_type':'basic'," BASIC_NUMBERS "}}", "{'configuration':{'vcpu':0.25}}", NULL);
	/* Without a type they may be. */
	remembers("deployment", "{'vcpu':null,'memory_mib':null,'disk':null}", "{" BASIC_NUMBERS "}", NULL, row);
	remembers("deployment", "{'instance_type':null}", typed, NULL, "{'instance_type':'basic'}");

	sends("deployment", typed, "{}", NULL, "{'instance_type':'lite'}");
	sends("deployment", typed, "{}", row, "{'instance_type':'lite'}");
	sends("deployment", typed, "{'vcpu':0.25}", row, "{'vcpu':0.25}");
	sends("deployment", typed, "{'memory_mib':1024}", row, "{'memory_mib':1024}");
	sends("deployment", typed, "{'disk':{'size':'4GB'}}", row, "{'disk':{'size_mb':4000}}");
	sends("application", "{'configuration':{'instance_type':'basic'," BASIC_NUMBERS "}}", "{}",
	      "{'configuration':{" BASIC_ROW "}}", "{'configuration':{'instance_type':'lite'}}");
	sends("application", "{'configuration':{'image':'x','instance_type':'basic'," BASIC_NUMBERS "}}",
	      "{'configuration':{'image':'x'}}", "{'configuration':{" BASIC_ROW "}}",
	      "{'configuration':{'instance_type':'lite'}}");
	sends("deployment", "{'id':'d'," LABELS "," BASIC_NUMBERS "}", "{}", row, NULL);
	sends("deployment", typed, "{}", "{'instance_type':'basic'}", NULL);
}

static void a_type_is_no_default_where_none_is_known(void **state)
{
	static const char typed[] = "{'id':'d'," LABELS ",'instance_type':'lite'," LITE_NUMBERS "}";
	const struct kind *kind = kind_find("deployment");
	(void)state;

	must_be(patch_of(kind, typed, "{}", NULL, false), "{'instance_type':'lite'}", "no defaults");
	must_be(patch_of(kind, typed, "{}", "{'instance_type':'lite'}", false), NULL, "remembered");
	must_be(patch_of(kind, "{'id':'d'," LABELS "," LITE_NUMBERS "}", "{}", NULL, false), NULL, "numbers alone");
}

/* A lost answer: what the service filled in is no other's change, what was not removed is. */
static void what_arrived_is_told(void **state)
{
	static const struct {
		const char *object, *doc, *patch;
		bool arrived;
	} cases[] = {
		{ "{" LABELS ",'checks':[{" CHECK "," FILLED "}]}", "{'checks':[{" CHECK "}]}", "{'checks':[{" CHECK "}]}",
		  true },
		{ "{" LABELS ",'checks':[{" CHECK "," FILLED "}]}", "{'checks':[{" CHECK ",'tls':true}]}",
		  "{'checks':[{" CHECK ",'tls':true}]}", false },
		{ "{" LABELS ",'checks':[{" CHECK "," FILLED "}],'command':['a']}", "{'checks':[{" CHECK "}]}",
		  "{'checks':[{" CHECK "}],'command':null}", false },
		{ "{" LABELS ",'checks':[{" CHECK "," FILLED "}]}", "{'command':['a']}", "{'command':['a'],'checks':null}",
		  false },
	};
	struct doc_context ctx = { .account_id = "a" };
	(void)state;

	for (size_t i = 0; i < array_len(cases); i++) {
		struct json_object *o = parse(cases[i].object), *d = parse(cases[i].doc), *patch = parse(cases[i].patch);

		if (doc_arrived((struct doc_file){ kind_find("deployment"), d, "web" }, o, patch, &ctx) != cases[i].arrived)
			fail_msg("%s: must%s have arrived", cases[i].doc, cases[i].arrived ? "" : " not");
		json_object_put(o);
		json_object_put(d);
		json_object_put(patch);
	}
}

static void of_the_account(void **state)
{
	const struct part *part = kind_find("account")->parts;
	struct json_object *patch = parse("{'defaults':{'memory_mib':null}}"), *again = NULL, *row;
	struct json_object *answer =
		parse("{'limits':{},'defaults':{'vcpus':0.0625,'memory_mib':256,'disk_mb':2000,'memory':'256MiB'}}");
	struct json_object *doc = parse("{'vcpus':0.0625,'disk_mb':2000}");
	struct doc_context ctx = { .account_id = "a" };
	(void)state;

	while (!part->update)
		part++;
	row = doc_part_service_defaults(part, patch, answer, &ctx);
	ctx.service_defaults = row;
	assert_int_equal(doc_part_diff(part, answer, doc, &ctx, &again, NULL), 0);
	must_be(again, NULL, "what is remembered");
	must_be(row, "{'memory_mib':256}", "the row");
	json_object_put(patch);
	json_object_put(answer);
	json_object_put(doc);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_field_of_a_check_counts),
		cmocka_unit_test(what_is_always_answered_is_forgiven_without_memory),
		cmocka_unit_test(what_was_filled_into_a_check_is_remembered),
		cmocka_unit_test(the_numbers_of_a_type_are_not_remembered),
		cmocka_unit_test(a_type_is_no_default_where_none_is_known),
		cmocka_unit_test(what_arrived_is_told),
		cmocka_unit_test(of_the_account),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
