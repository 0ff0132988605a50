/* What is wrong with the document of an application. */
#include <errno.h>
#include <inttypes.h>
#include <sodium.h>

#include "emulator/world.h"

bool doc_durable(struct json_object *doc)
{
	const char *policy = json_str(doc, "scheduling_policy");

	return policy && strcmp(policy, "durable_object") == 0;
}

/* Ideal: what the emulator took before the reference was known. */
static void check_policy_kindly(struct json_object *doc, bool create, struct problems *p)
{
	struct json_object *conf = json_member(doc, "configuration");

	if (doc_durable(doc)) {
		if (json_member(doc, "instances"))
			problem_add(p, "instances", "does not apply to the policy durable_object");
		if (json_member(conf, "image"))
			problem_add(p, "configuration.image", "does not apply to the policy durable_object");
		if (create && !json_member(doc, "durable_objects"))
			problem_add(p, "durable_objects", "is required by the policy durable_object");
	} else if (strcmp(json_str(doc, "scheduling_policy"), "default") == 0) {
		if (create && !json_member(doc, "instances"))
			problem_add(p, "instances", "is required by the policy default");
		if (!json_member(conf, "image"))
			problem_add(p, "configuration.image", "is required by the policy default");
	}
}

static bool all_among(struct json_object *list, const char *const *words)
{
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		bool found = false;

		for (const char *const *w = words; *w && !found; w++)
			found = strcmp(json_object_get_string(json_object_array_get_idx(list, i)), *w) == 0;
		if (!found)
			return false;
	}
	return true;
}

static void check_regions(struct json_object *doc, struct problems *p)
{
	static const char *const known[] = { "AFR", "APAC", "EEUR", "ENAM", "ME", "OC", "SAM", "WEUR", "WNAM", NULL };
	static const char *const never_alone[] = { "ME", "OC", "AFR", NULL };
	static const char *const europe[] = { "EEUR", "WEUR", NULL }, *const america[] = { "ENAM", "WNAM", NULL };
	struct json_object *constraints = json_member(doc, "constraints"), *list = json_member(constraints, "regions");
	const char *jurisdiction = json_str(constraints, "jurisdiction");

	if (!list || json_object_array_length(list) == 0)
		return;
	if (!all_among(list, known))
		problem_add(p, "constraints.regions", "must be of: AFR, APAC, EEUR, ENAM, ME, OC, SAM, WEUR, WNAM");
	else if (all_among(list, never_alone))
		problem_add(p, "constraints.regions", "ME, OC and AFR need another region beside them");
	else if (jurisdiction && !all_among(list, strcmp(jurisdiction, "eu") == 0 ? europe : america))
		problem_add(p, "constraints.regions", "do not lie in the jurisdiction %s", jurisdiction);
}

static void check_observability(struct json_object *doc, struct problems *p)
{
	struct json_object *o = json_member(doc, "observability");
	bool share = json_member(o, "target_instance_percentage"), number = json_member(o, "target_instance_count");

	if (o && json_member(json_member(doc, "configuration"), "observability"))
		problem_add(p, "observability", "excludes configuration.observability");
	if (share && number)
		problem_add(p, "observability.target_instance_count", "excludes target_instance_percentage");
	if ((share || number) && !json_true(json_member(o, "logs"), "enabled"))
		problem_add(p, "observability.logs", "must be enabled for a target");
}

static void need(struct json_object *doc, const char *key, const char *type, struct problems *p)
{
	if (!json_member(doc, key))
		problem_add(p, key, "Invalid input: expected %s, received undefined", type);
}

static void check_policy(struct json_object *doc, bool create, struct problems *p)
{
	struct json_object *conf = json_member(doc, "configuration");

	if (doc_durable(doc))
		return;
	if (create) {
		need(doc, "instances", "number", p);
		need(doc, "max_instances", "number", p);
		need(doc, "configuration", "object", p);
	}
	if (conf && !json_member(conf, "image"))
		problem_add(p, "configuration.image", "Invalid input: expected string, received undefined");
}

/* The keys of obj that the table does not have, as the service's validator complains of them. */
static void unrecognized(struct json_object *obj, const struct field *fields, const char *path, struct problems *p)
{
	cleanup_out_ struct out list = OUT_INIT;
	unsigned n = 0;

	if (!obj || !json_object_is_type(obj, json_type_object))
		return;
	json_object_object_foreach(obj, key, unused) {
		(void)unused;
		if (!schema_field(fields, key))
			out_rawf(&list, "%s\"%.60s\"", n++ ? ", " : "", key);
	}
	if (n)
		problem_add(p, path, "Unrecognized key%s: %.200s", n > 1 ? "s" : "", out_text(&list));
}

/* The service holds a document against each policy, and tells all that it found. */
static void complain_for_other(struct json_object *doc, struct problems *p)
{
	problem_add(p, "scheduling_policy", "Invalid input: expected \"%s\"", doc_durable(doc) ? "default" : "durable_object");
	if (doc_durable(doc)) {
		need(doc, "instances", "number", p);
		need(doc, "max_instances", "number", p);
		if (!json_member(doc, "configuration"))
			need(doc, "configuration", "object", p);
		else
			problem_add(p, "configuration.image", "Invalid input: expected string, received undefined");
		return;
	}
	need(doc, "durable_objects", "object", p);
	unrecognized(json_member(doc, "configuration"), fields_do_conf, "configuration", p);
}

static void check_fields(struct call *c, struct json_object *doc, bool create, struct problems *p)
{
	bool live = emulator_live(c->em);
	const struct field *fields = live && doc_durable(doc) ? fields_do_create : fields_app_create;

	schema_check(fields, doc, "", live ? CHECK_CLOSED | CHECK_DEEP : 0, p);
	/* The reference does not have it. */
	if (c->em->options.surface == SURFACE_OFFICIAL && !c->own && json_member(doc, "jobs"))
		problem_add(p, "jobs", "is not a field of this request");
	if (p->count == 0 && !live)
		check_policy_kindly(doc, create, p);
	if (live && json_str(doc, "scheduling_policy"))
		check_policy(doc, create, p);
	if (p->count == 0)
		check_observability(doc, p);
	if (p->count == 0 && live)
		check_regions(doc, p);
	if (live && create && p->count && json_str(doc, "scheduling_policy"))
		complain_for_other(doc, p);
}

int app_check(struct call *c, struct json_object *doc, bool create, int64_t more)
{
	cleanup_problems_ struct problems p = PROBLEMS_INIT;
	struct json_object *conf = json_member(doc, "configuration");
	struct account a;
	struct size size;
	int r;

	check_fields(c, doc, create, &p);
	if (p.count)
		return call_invalid(c, &p);
	if (!conf)
		return 0;
	r = conf_check(c, conf, "configuration.", &p);
	if (r < 0)
		return r;
	account_load(c->store, c->account, &a);
	size = conf_size(conf, &a.defaults);
	return limits_check(c, &size, NULL, more);
}

static int already(struct call *c, sqlite3_stmt *q)
{
	int r = call_fail(c, 400, "DURABLE_OBJECT_ALREADY_HAS_APPLICATION", "The Durable Object namespace has an application");

	c->fail.code = 1608;
	c->fail.inside = true;
	out_kstr(&c->fail.details, "name", col_text(q, 1));
	out_kstr(&c->fail.details, "id", col_text(q, 0));
	return r;
}

/* Whether the namespace is free, or has the very application that is to be made: then *ret_same is its id. */
static int check_free(struct call *c, struct json_object *doc, const char *namespace, char ret_same[ID_SIZE])
{
	cleanup_query_ sqlite3_stmt *q =
		store_query(c->store,
			    "SELECT id, name, policy, gone FROM application WHERE account = ?1 AND namespace = ?2"
			    " AND namespace <> '' AND (gone = 0 OR gone > ?3)",
			    "ssi", c->account, namespace, c->now);

	if (!store_row(c->store, q))
		return 0;
	if (!doc_durable(doc) || strcmp(col_text(q, 2), "durable_object") != 0 || col_int(q, 3) ||
	    strcmp(col_text(q, 1), json_str(doc, "name")) != 0)
		return already(c, q);
	snprintf(ret_same, ID_SIZE, "%s", col_text(q, 0));
	return 0;
}

/* Script and class are answered as their namespace. */
static void find_namespace(struct call *c, struct json_object *d, char namespace[65])
{
	const char *id = json_str(d, "namespace_id");
	unsigned char hash[16];
	char name[300];

	if (id) {
		snprintf(namespace, 65, "%s", id);
		return;
	}
	snprintf(name, sizeof(name), "%s %.120s %.120s", c->account, json_str(d, "script_name"), json_str(d, "class_name"));
	crypto_generichash(hash, sizeof(hash), (const unsigned char *)name, strlen(name), NULL, 0);
	sodium_bin2hex(namespace, 65, hash, sizeof(hash));
}

int app_check_durable(struct call *c, struct json_object *doc, char ret_namespace[65], char ret_same[ID_SIZE])
{
	struct json_object *d = json_member(doc, "durable_objects");
	const char *id = json_str(d, "namespace_id"), *script = json_str(d, "script_name");
	const char *class = json_str(d, "class_name");
	int r;

	ret_namespace[0] = ret_same[0] = '\0';
	if (!d)
		return 0;
	if (!id && !(script && class))
		return call_invalid_field(c, "durable_objects", "needs namespace_id, or script_name and class_name");
	if (id && (script || class) && emulator_live(c->em))
		return call_invalid_field(c, "durable_objects", "needs either namespace_id, or script_name and class_name");
	if (id && doc_durable(doc) && (strlen(id) != 32 || strspn(id, "0123456789abcdef") != 32))
		return call_invalid_field(c, "durable_objects.namespace_id", "must be 32 hex digits");
	find_namespace(c, d, ret_namespace);
	if (strstr(script ? script : ret_namespace, "missing"))
		return call_fail(c, 400, "DURABLE_OBJECT_NOT_FOUND", "There is no such Durable Object namespace");
	if (class && strstr(class, "NoContainer"))
		return call_fail(c, 400, "DURABLE_OBJECT_NOT_CONTAINER_ENABLED", "The class %.100s is not made for containers",
				 class);
	r = check_free(c, doc, ret_namespace, ret_same);
	json_object_object_del(d, "script_name");
	json_object_object_del(d, "class_name");
	json_object_object_add(d, "namespace_id", json_object_new_string(ret_namespace));
	return r;
}
