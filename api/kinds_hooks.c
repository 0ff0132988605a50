/* What the tables cannot say of single kinds. */
#include "api/kinds_fields.h"

#include <errno.h>
#include <json-c/json.h>

#define MANAGED_REGISTRY "registry.cloudflare.com"

static struct json_object *member(struct json_object *object, const char *key)
{
	struct json_object *v = NULL;

	if (!json_object_is_type(object, json_type_object))
		return NULL;
	json_object_object_get_ex(object, key, &v);
	return v;
}

static bool has_items(struct json_object *object, const char *key)
{
	struct json_object *v = member(object, key);

	return json_object_is_type(v, json_type_array) && json_object_array_length(v) > 0;
}

static bool is_true(struct json_object *object, const char *key)
{
	struct json_object *v = member(object, key);

	return json_object_is_type(v, json_type_boolean) && json_object_get_boolean(v);
}

/* Adds and reports; json-c does not take the reference of what it could not add. */
static int put(struct json_object *object, const char *key, struct json_object *v)
{
	if (v && json_object_object_add(object, key, v) == 0)
		return 0;
	json_object_put(v);
	return -ENOMEM;
}

/* ---- application ---- */

static bool policy_is(struct json_object *object, const char *policy)
{
	const char *s = json_get_string(object, "scheduling_policy");

	return strcmp(s ? s : "default", policy) == 0;
}

static unsigned application_traits(struct json_object *object)
{
	unsigned traits = 0;

	if (is_true(object, "jobs"))
		traits |= TRAIT_JOBS;
	if (policy_is(object, "durable_object"))
		traits |= TRAIT_DURABLE;
	if (has_items(member(object, "configuration"), "ssh_public_key_ids"))
		traits |= TRAIT_KEY_IDS;
	if (json_get_string(object, "active_rollout_id"))
		traits |= TRAIT_ROLLOUT;
	return traits;
}

static int check_durable_objects(struct json_object *doc, struct err *err)
{
	struct json_object *d = member(doc, "durable_objects");

	if (!json_object_is_type(d, json_type_object) || json_object_object_length(d) == 0)
		return 0;
	if (!member(d, "namespace_id") && !(member(d, "script_name") && member(d, "class_name")))
		return err_set(err, EINVAL, "durable_objects: needs namespace_id, or both script_name and class_name");
	if (is_true(doc, "jobs"))
		return err_set(err, EINVAL, "jobs and durable_objects exclude each other: leave one of them out");
	return 0;
}

static bool is_empty(struct json_object *v)
{
	return !v || (json_object_is_type(v, json_type_array) && json_object_array_length(v) == 0) ||
	       (json_object_is_type(v, json_type_object) && json_object_object_length(v) == 0);
}

static bool is_one_of(const char *word, const char *const *words)
{
	while (*words && strcmp(*words, word) != 0)
		words++;
	return *words;
}

/* What does not go with policy durable_object: whatever is not named, unless it is empty. */
static int check_only(struct json_object *object, const char *inside, const char *const *allowed, struct err *err)
{
	if (!json_object_is_type(object, json_type_object))
		return 0;
	json_object_object_foreach(object, key, value) {
		if (!is_empty(value) && !is_one_of(key, allowed))
			return err_set(err, EINVAL, "%s%s: does not go with scheduling_policy \"durable_object\": leave it out",
				       inside, key);
	}
	return 0;
}

static int check_durable_policy(struct json_object *doc, bool creating, struct err *err)
{
	static const char *const top[] = {
		"name", "scheduling_policy", "durable_objects", "configuration", "observability", NULL
	};
	static const char *const configuration[] = { "authorized_keys", "wrangler_ssh", "experimental_flags", NULL };
	static const char *const observability[] = { "logs", NULL };
	int r = check_only(doc, "", top, err);

	if (r == 0)
		r = check_only(member(doc, "configuration"), "configuration.", configuration, err);
	if (r == 0)
		r = check_only(member(doc, "observability"), "observability.", observability, err);
	if (r == 0 && creating && !member(doc, "durable_objects"))
		r = err_set(err, EINVAL, "durable_objects: is required by scheduling_policy \"durable_object\"");
	return r;
}

/* ---- where it may run ---- */

static bool holds(struct json_object *array, const char *word)
{
	for (size_t i = 0; i < json_object_array_length(array); i++) {
		if (strcmp(json_object_get_string(json_object_array_get_idx(array, i)), word) == 0)
			return true;
	}
	return false;
}

static int check_regions(struct json_object *doc, struct err *err)
{
	static const struct {
		const char *jurisdiction, *regions[3];
	} rows[] = {
		{ "eu", { "EEUR", "WEUR" } },
		{ "us", { "ENAM", "WNAM" } },
		{ "fedramp", { "ENAM", "WNAM" } },
	};
	struct json_object *constraints = member(doc, "constraints"), *regions = member(constraints, "regions");
	const char *jurisdiction = json_get_string(constraints, "jurisdiction");
	size_t n = json_object_is_type(regions, json_type_array) ? json_object_array_length(regions) : 0, small = 0;

	if (n == 0)
		return 0;
	small = (size_t)holds(regions, "ME") + (size_t)holds(regions, "OC") + (size_t)holds(regions, "AFR");
	if (small == n)
		return err_set(err, EINVAL,
			       "constraints.regions: ME, OC and AFR do not stand alone: add another region, such as \"WEUR\"");
	for (size_t i = 0; jurisdiction && i < array_len(rows); i++) {
		if (strcmp(rows[i].jurisdiction, jurisdiction) != 0)
			continue;
		for (size_t k = 0; k < n; k++) {
			const char *region = json_object_get_string(json_object_array_get_idx(regions, k));

			if (!is_one_of(region, rows[i].regions))
				return err_set(
					err, EINVAL,
					"constraints.regions: \"%.20s\" does not go with jurisdiction \"%s\": %s and %s do",
					region, jurisdiction, rows[i].regions[0], rows[i].regions[1]);
		}
	}
	return 0;
}

static int check_observability(struct json_object *doc, struct err *err)
{
	struct json_object *top = member(doc, "observability");
	bool target = member(top, "target_instance_percentage") || member(top, "target_instance_count");

	if (!is_empty(top) && !is_empty(member(member(doc, "configuration"), "observability")))
		return err_set(err, EINVAL,
			       "observability and configuration.observability exclude each other: leave one of them out");
	if (target && !is_true(member(top, "logs"), "enabled"))
		return err_set(err, EINVAL, "observability: a target needs \"logs\": {\"enabled\": true}, or must be left out");
	return 0;
}

static int application_check(const struct kind *kind, struct json_object *doc, const char *name, bool creating, struct err *err)
{
	int r = check_durable_objects(doc, err);

	(void)kind, (void)name;
	if (r == 0)
		r = check_observability(doc, err);
	if (r == 0)
		r = check_regions(doc, err);
	if (r < 0)
		return r;
	if (policy_is(doc, "durable_object"))
		return check_durable_policy(doc, creating, err);
	if (!policy_is(doc, "default"))
		return 0;
	if (!member(member(doc, "configuration"), "image"))
		return err_set(err, EINVAL,
			       "configuration.image: is required by scheduling_policy \"default\": an image, such as \"app:v1\"");
	if (creating && !member(doc, "max_instances"))
		return err_set(err, EINVAL, "max_instances: is required by scheduling_policy \"default\": an integer, such as 1");
	return 0;
}

/* What goes to the top of the document clears the old place by itself, and the two exclude each other. */
static void drop_old_observability(struct json_object *patch)
{
	struct json_object *configuration = member(patch, "configuration");

	if (!member(patch, "observability") || !json_object_is_type(configuration, json_type_object))
		return;
	json_object_object_del(configuration, "observability");
	if (json_object_object_length(configuration) == 0)
		json_object_object_del(patch, "configuration");
}

/* What a create must say where the tree knows a default. The service counts the instances by itself. */
static int application_to_api(struct json_object *doc, bool creating)
{
	int r = 0;

	if (!creating) {
		drop_old_observability(doc);
		return 0;
	}
	if (!member(doc, "scheduling_policy"))
		r = put(doc, "scheduling_policy", json_object_new_string("default"));
	if (r == 0 && policy_is(doc, "default") && !member(doc, "instances"))
		r = put(doc, "instances", json_object_new_int(0));
	return r;
}

/* clang-format off */
#define SAID "{\"not\":{\"enum\":[null,[],{}]}}"
static const char application_schema[] = "["
	/* By policy. */
	"{\"if\":{\"properties\":{\"scheduling_policy\":{\"enum\":[null,\"default\"]}}},"
	 "\"then\":{\"required\":[\"max_instances\",\"configuration\"],\"properties\":{"
	  "\"max_instances\":{\"type\":\"integer\"},"
	  "\"configuration\":{\"type\":\"object\",\"required\":[\"image\"],\"properties\":{\"image\":{\"type\":\"string\"}}}}}},"
	"{\"if\":{\"required\":[\"scheduling_policy\"],\"properties\":{\"scheduling_policy\":{\"const\":\"durable_object\"}}},"
	 "\"then\":{\"required\":[\"durable_objects\"],\"properties\":{"
	  "\"durable_objects\":" SAID ",\"instances\":{\"type\":\"null\"},\"max_instances\":{\"type\":\"null\"},"
	  "\"jobs\":{\"type\":\"null\"},\"constraints\":{\"enum\":[null,{}]},\"affinities\":{\"enum\":[null,{}]},"
	  "\"priorities\":{\"enum\":[null,{}]},\"rollout_active_grace_period\":{\"type\":\"null\"},"
	  "\"configuration\":{\"propertyNames\":{\"enum\":[\"authorized_keys\",\"wrangler_ssh\",\"experimental_flags\"]}},"
	  "\"observability\":{\"propertyNames\":{\"enum\":[\"logs\"]}}}}},"
	/* Durable Objects. */
	"{\"properties\":{\"durable_objects\":{\"anyOf\":[{\"enum\":[null,{}]},"
	  "{\"required\":[\"namespace_id\"],\"properties\":{\"namespace_id\":{\"type\":\"string\"}}},"
	  "{\"required\":[\"script_name\",\"class_name\"],"
	   "\"properties\":{\"script_name\":{\"type\":\"string\"},\"class_name\":{\"type\":\"string\"}}}]}}},"
	"{\"not\":{\"required\":[\"jobs\",\"durable_objects\"],"
	  "\"properties\":{\"jobs\":{\"const\":true},\"durable_objects\":" SAID "}}},"
	/* Observability stands in one place, and a target needs logs. */
	"{\"not\":{\"required\":[\"observability\",\"configuration\"],\"properties\":{\"observability\":" SAID ","
	  "\"configuration\":{\"type\":\"object\",\"required\":[\"observability\"],\"properties\":{\"observability\":" SAID "}}}}},"
	"{\"properties\":{\"observability\":{\"if\":{\"type\":\"object\",\"anyOf\":["
	   "{\"required\":[\"target_instance_percentage\"],\"properties\":{\"target_instance_percentage\":" SAID "}},"
	   "{\"required\":[\"target_instance_count\"],\"properties\":{\"target_instance_count\":" SAID "}}]},"
	  "\"then\":{\"required\":[\"logs\"],\"properties\":{\"logs\":{\"type\":\"object\",\"required\":[\"enabled\"],"
	   "\"properties\":{\"enabled\":{\"const\":true}}}}}}}},"
	/* Regions. */
	"{\"properties\":{\"constraints\":{\"properties\":{\"regions\":{\"anyOf\":[{\"enum\":[null,[]]},"
	  "{\"contains\":{\"not\":{\"enum\":[\"ME\",\"OC\",\"AFR\"]}}}]}}}}},"
	"{\"properties\":{\"constraints\":{\"if\":{\"type\":\"object\",\"required\":[\"jurisdiction\"],"
	  "\"properties\":{\"jurisdiction\":{\"const\":\"eu\"}}},"
	  "\"then\":{\"properties\":{\"regions\":{\"items\":{\"enum\":[\"EEUR\",\"WEUR\"]}}}}}}},"
	"{\"properties\":{\"constraints\":{\"if\":{\"type\":\"object\",\"required\":[\"jurisdiction\"],"
	  "\"properties\":{\"jurisdiction\":{\"enum\":[\"us\",\"fedramp\"]}}},"
	  "\"then\":{\"properties\":{\"regions\":{\"items\":{\"enum\":[\"ENAM\",\"WNAM\"]}}}}}}}"
	"]";
/* clang-format on */

const struct kind_hooks hooks_application = {
	.schema = application_schema,
	.traits = application_traits,
	.check = application_check,
	.to_api = application_to_api,
};

/* ---- deployment ---- */

static unsigned deployment_traits(struct json_object *object)
{
	const char *owner = json_get_string(object, "app_id");
	unsigned traits = 0;

	if (has_items(object, "ssh_public_key_ids"))
		traits |= TRAIT_KEY_IDS;
	if (owner && *owner)
		traits |= TRAIT_OWNED;
	return traits;
}

/* The location is answered as an object, and written by its name. */
static int deployment_from_api(struct json_object *object)
{
	const char *name = json_get_string(member(object, "location"), "name");

	return name ? put(object, "location", json_object_new_string(name)) : 0;
}

const struct kind_hooks hooks_deployment = {
	.traits = deployment_traits,
	.from_api = deployment_from_api,
};

/* ---- job ---- */

/* The sizes come under several names; where one lacks, its twin tells. */
static int job_from_api(struct json_object *object)
{
	static const char *const twins[][2] = { { "vcpu", "vcpus" }, { "memory_mib", "memory_mb" } };

	for (size_t i = 0; i < array_len(twins); i++) {
		struct json_object *twin = member(object, twins[i][1]);

		if (!member(object, twins[i][0]) && twin && put(object, twins[i][0], json_object_get(twin)) < 0)
			return -ENOMEM;
	}
	return 0;
}

const struct kind_hooks hooks_job = {
	.from_api = job_from_api,
};

/* ---- rollout ---- */

static unsigned rollout_traits(struct json_object *object)
{
	return has_items(member(object, "target_configuration"), "ssh_public_key_ids") ? TRAIT_KEY_IDS : 0;
}

static int rollout_check(const struct kind *kind, struct json_object *doc, const char *name, bool creating, struct err *err)
{
	struct json_object *steps = member(doc, "steps");
	size_t n = json_object_is_type(steps, json_type_array) ? json_object_array_length(steps) : 0;
	int64_t before = 0;

	(void)kind, (void)name, (void)creating;
	for (size_t i = 0; i < n; i++) {
		struct json_object *step = json_object_array_get_idx(steps, i);
		int64_t percentage = json_object_get_int64(member(member(step, "step_size"), "percentage"));

		if (percentage <= before)
			return err_set(
				err, EINVAL,
				"steps[%zu].step_size.percentage: is %lld, must be more than that of the step before (%lld)", i,
				(long long)percentage, (long long)before);
		before = percentage;
	}
	if (n && before != 100)
		return err_set(err, EINVAL, "steps[%zu].step_size.percentage: is %lld, and the last step must be 100", n - 1,
			       (long long)before);
	return 0;
}

const struct kind_hooks hooks_rollout = {
	.traits = rollout_traits,
	.check = rollout_check,
};

/* ---- registry ---- */

static unsigned registry_traits(struct json_object *object)
{
	const char *domain = json_get_string(object, "domain"), *kind = json_get_string(object, "kind");

	if ((domain && strcmp(domain, MANAGED_REGISTRY) == 0) || (kind && strcmp(kind, "default") == 0))
		return TRAIT_MANAGED;
	return 0;
}

static bool ends_in(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);

	return n > m && !strcmp(s + n - m, end);
}

/* NULL: one that the service takes no credentials for. */
static const char *kind_of_domain(const char *domain)
{
	if (!strcmp(domain, "docker.io"))
		return "DockerHub";
	if (ends_in(domain, ".amazonaws.com"))
		return "ECR";
	return ends_in(domain, "-docker.pkg.dev") ? "GAR" : NULL;
}

static int check_registry_kind(struct json_object *doc, const char *domain, struct err *err)
{
	const char *kind = json_get_string(doc, "kind"), *fits = domain ? kind_of_domain(domain) : NULL;

	if (!kind || !domain || !strchr(domain, '.') || (fits && !strcmp(kind, fits)))
		return 0;
	if (fits)
		return err_set(err, EINVAL, "kind: is \"%s\", but %s is one of kind \"%s\"", kind, domain, fits);
	return err_set(
		err, EINVAL,
		"kind: is \"%s\", which %s is not: DockerHub is docker.io, ECR are AWS's (*.amazonaws.com), GAR are Google's "
		"(*-docker.pkg.dev)",
		kind, domain);
}

static int registry_check(const struct kind *kind, struct json_object *doc, const char *name, bool creating, struct err *err)
{
	bool public = is_true(doc, "is_public"), auth = member(doc, "auth") != NULL;

	(void)kind;
	if (public && auth)
		return err_set(err, EINVAL, "is_public and auth exclude each other: a public registry needs no credentials");
	if (creating && !public && !auth)
		return err_set(err, EINVAL, "auth: is required, unless is_public is true");
	return creating ? check_registry_kind(doc, name, err) : 0;
}

static int registry_from_api(struct json_object *object)
{
	struct json_object *public_key = member(object, "public_key");
	struct json_object *credential = member(object, "private_credential");
	struct json_object *auth;
	int r;

	/* One that was not made public was made with credentials. */
	if (!public_key && !credential)
		return registry_traits(object) & TRAIT_MANAGED ? 0 : put(object, "is_public", json_object_new_boolean(true));
	auth = json_object_new_object();
	if (!auth)
		return -ENOMEM;
	r = public_key ? put(auth, "public_credential", json_object_get(public_key)) : 0;
	if (r == 0 && credential)
		r = put(auth, "private_credential", json_object_get(credential));
	if (r < 0) {
		json_object_put(auth);
		return r;
	}
	json_object_object_del(object, "public_key");
	json_object_object_del(object, "private_credential");
	return put(object, "auth", auth);
}

static const char registry_schema[] = "[{\"if\":{\"required\":[\"is_public\"],\"properties\":{\"is_public\":{\"const\":true}}},"
				      "\"then\":{\"properties\":{\"auth\":{\"enum\":[null]}}},"
				      "\"else\":{\"required\":[\"auth\"],\"properties\":{\"auth\":{\"type\":\"object\"}}}}]";

const struct kind_hooks hooks_registry = {
	.schema = registry_schema,
	.traits = registry_traits,
	.check = registry_check,
	.from_api = registry_from_api,
};
