#include "api/complaint.h"

#include <fnmatch.h>
#include <json-c/json.h>

#include "api/kind.h"
#include "api/operation.h"

static const char policy_default[] = "default", policy_durable[] = "durable_object";

const char *complaint_policy(const struct operation *operation, const char *body, size_t len)
{
	const char *found = NULL, *policy;
	struct json_tokener *tokener;
	struct json_object *doc;

	if (!operation || strcmp(operation->id, "createApplication") || !body || len > INT32_MAX)
		return NULL;
	tokener = json_tokener_new();
	if (!tokener)
		return NULL;
	doc = json_tokener_parse_ex(tokener, body, (int)len);
	json_tokener_free(tokener);
	policy = json_get_string(doc, "scheduling_policy");
	if (!policy || !strcmp(policy, policy_default))
		found = policy_default;
	else if (!strcmp(policy, policy_durable))
		found = policy_durable;
	json_object_put(doc);
	return found;
}

/* Complaints that say no more than that a document of the one policy is none of the other. Patterns; upper and lower case are
   the same. */
static const struct {
	const char *policy; /* the document's own */
	const char *path, *text;
} foreign[] = {
	{ policy_default, "scheduling_policy", "*durable_object*" },
	{ policy_default, "durable_objects", "*undefined*" },
	{ policy_default, "durable_objects", "*required*" },
	{ policy_default, "configuration", "*unrecognized key*image*" },
	{ policy_default, "", "*unrecognized key*instances*" },
	{ policy_durable, "scheduling_policy", "*expected \"default\"*" },
	{ policy_durable, "scheduling_policy", "*expected 'default'*" },
	{ policy_durable, "instances", "*undefined*" },
	{ policy_durable, "instances", "*required*" },
	{ policy_durable, "max_instances", "*undefined*" },
	{ policy_durable, "max_instances", "*required*" },
	{ policy_durable, "configuration", "*undefined*" },
	{ policy_durable, "configuration", "*required*" },
	{ policy_durable, "configuration.image", "*undefined*" },
	{ policy_durable, "configuration.image", "*required*" },
};

bool complaint_is_foreign(const char *policy, const char *path, const char *text)
{
	for (size_t i = 0; policy && i < array_len(foreign); i++) {
		if (!strcmp(foreign[i].policy, policy) && !strcmp(foreign[i].path, path) &&
		    !fnmatch(foreign[i].text, text, FNM_CASEFOLD))
			return true;
	}
	return false;
}
