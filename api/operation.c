/* The table of operations, in the order of the contract. */
#include "api/operation.h"

/* Tables: a row to a line, and nothing moved about. */
/* clang-format off */

#define OFFICIAL    .source = SOURCE_OFFICIAL
#define WRANGLER    .source = SOURCE_WRANGLER
#define OLD_COMMAND .source = SOURCE_WRANGLER, .cloudchamber = true
#define UNCONFIRMED .source = SOURCE_UNCONFIRMED
#define ITEMS(must_)  .answers = ANSWER_ITEMS, .must = (must_)
#define OBJECT(must_) .answers = ANSWER_OBJECT, .must = (must_)
#define ITSELF(must_) OBJECT(must_), .itself = true
#define NOTHING       .answers = ANSWER_NONE
#define BY_APPLICATION .by_application = true
#define PAGED(size_)  .paging = PAGING_TOKEN, .page_size = (size_)

const struct operation operations[] = {
	{ "getMe", "GET", "/me", WRANGLER, OBJECT(NULL), .holds = "limits locations[] defaults" },
	{ "modifyMe", "PATCH", "/me", UNCONFIRMED, OBJECT(NULL), .holds = "defaults" },
	{ "getUsage", "GET", "/usage", OFFICIAL, OBJECT(NULL), .holds = "usage maximum" },

	{ "listApplications", "GET", "/applications", OFFICIAL, ITEMS("id"), PAGED(500) },
	{ "createApplication", "POST", "/applications", OFFICIAL, OBJECT("id") },
	{ "getApplication", "GET", "/applications/{}", OFFICIAL, ITSELF("id") },
	{ "modifyApplication", "PATCH", "/applications/{}", OFFICIAL, ITSELF("id") },
	{ "deleteApplication", "DELETE", "/applications/{}", OFFICIAL, NOTHING },
	{ "getApplicationStatus", "GET", "/applications/{}/status", UNCONFIRMED, OBJECT(NULL) },
	{ "listApplicationVersions", "GET", "/applications/{}/versions", OFFICIAL, ITEMS(NULL) },
	{ "listInstances", "GET", "/applications/{}/instances-v2", OFFICIAL, ITEMS("id"), PAGED(1000), BY_APPLICATION },
	{ "listInstancesV1", "GET", "/applications/{}/instances", OFFICIAL, ITEMS("id"), .list_key = "instances", PAGED(1000), BY_APPLICATION },
	{ "getInstance", "GET", "/applications/{}/instances/{}", OFFICIAL, OBJECT("id"), BY_APPLICATION },

	{ "listDeploymentsByApplication", "GET", "/applications/{}/deployments", UNCONFIRMED, ITEMS("id") },
	{ "getApplicationDeployment", "GET", "/applications/{}/deployments/{}", UNCONFIRMED, ITSELF("id") },
	{ "recreateApplicationDeployment", "POST", "/applications/{}/deployments/{}/recreate", UNCONFIRMED, OBJECT("id") },

	{ "createApplicationJob", "POST", "/applications/{}/jobs", UNCONFIRMED, OBJECT("id") },
	{ "listApplicationJobs", "GET", "/applications/{}/jobs", UNCONFIRMED, ITEMS("id") },
	{ "getApplicationJob", "GET", "/applications/{}/jobs/{}", UNCONFIRMED, ITSELF("id") },
	{ "modifyApplicationJob", "PATCH", "/applications/{}/jobs/{}", UNCONFIRMED, ITSELF("id") },
	{ "deleteApplicationJob", "DELETE", "/applications/{}/jobs/{}", UNCONFIRMED, NOTHING },

	{ "createApplicationRollout", "POST", "/applications/{}/rollouts", OFFICIAL, OBJECT("id") },
	{ "listApplicationRollouts", "GET", "/applications/{}/rollouts", UNCONFIRMED, ITEMS("id"), .paging = PAGING_LAST,
	  .page_size = 1000 },
	{ "getApplicationRollout", "GET", "/applications/{}/rollouts/{}", UNCONFIRMED, ITSELF("id") },
	{ "updateApplicationRollout", "POST", "/applications/{}/rollouts/{}", UNCONFIRMED, OBJECT(NULL) },
	{ "deleteApplicationRollout", "DELETE", "/applications/{}/rollouts/{}", UNCONFIRMED, NOTHING },

	{ "listDashApplications", "GET", "/dash/applications", WRANGLER, ITEMS("id"), PAGED(500) },
	{ "listDashApplicationInstances", "GET", "/dash/applications/{}/instances", WRANGLER, ITEMS("id"),
	  .list_key = "instances", PAGED(1000), BY_APPLICATION },

	{ "createDeploymentV2", "POST", "/deployments/v2", OLD_COMMAND, OBJECT("id") },
	{ "listDeploymentsV2", "GET", "/deployments/v2", OLD_COMMAND, ITEMS("id") },
	{ "getDeploymentV2", "GET", "/deployments/{}/v2", OLD_COMMAND, ITSELF("id") },
	{ "modifyDeploymentV2", "PATCH", "/deployments/{}/v2", OLD_COMMAND, ITSELF("id") },
	{ "deleteDeploymentV2", "DELETE", "/deployments/{}/v2", OLD_COMMAND, NOTHING },
	{ "recreateDeployment", "POST", "/deployments/{}/recreate", UNCONFIRMED, OBJECT("id") },
	{ "listPlacements", "GET", "/deployments/{}/placements", OLD_COMMAND, ITEMS("id") },
	{ "getPlacement", "GET", "/placements/{}", OLD_COMMAND, ITSELF("id") },
	{ "replaceDeployment", "POST", "/placements/{}", UNCONFIRMED, OBJECT("id") },

	{ "listSecrets", "GET", "/secrets", UNCONFIRMED, ITEMS("name") },
	{ "createSecret", "POST", "/secrets", UNCONFIRMED, OBJECT("name") },
	{ "getSecret", "GET", "/secrets/{}", UNCONFIRMED, ITSELF("name") },
	{ "modifySecret", "PATCH", "/secrets/{}", UNCONFIRMED, ITSELF("name") },
	{ "deleteSecret", "DELETE", "/secrets/{}", UNCONFIRMED, NOTHING },

	{ "listSshPublicKeys", "GET", "/ssh-public-keys", OLD_COMMAND, ITEMS("id") },
	{ "createSshPublicKey", "POST", "/ssh-public-keys", OLD_COMMAND, OBJECT("id") },
	{ "deleteSshPublicKey", "DELETE", "/ssh-public-keys/{}", UNCONFIRMED, NOTHING },

	{ "listImageRegistries", "GET", "/registries", OFFICIAL, ITEMS("domain") },
	{ "createImageRegistry", "POST", "/registries", OFFICIAL, OBJECT("domain") },
	/* Before the rows with a domain in this place: the first row that matches counts. */
	{ "listImageRegistryProtocols", "GET", "/registries/protos", UNCONFIRMED, ITEMS("proto") },
	{ "createImageRegistryProtocol", "POST", "/registries/protos", UNCONFIRMED, OBJECT("proto") },
	{ "modifyImageRegistryProtocol", "PUT", "/registries/protos", UNCONFIRMED, OBJECT("proto") },
	{ "deleteImageRegistryProto", "DELETE", "/registries/protos/{}", UNCONFIRMED, NOTHING },
	{ "deleteImageRegistry", "DELETE", "/registries/{}", OFFICIAL, NOTHING },
	{ "generateImageRegistryCredentials", "POST", "/registries/{}/credentials", OFFICIAL, OBJECT("password") },

	{ "listIPs", "GET", "/ips", UNCONFIRMED, ITEMS("ip"), .list_key = "ips" },
	{ "prepareImage", "POST", "/image-preparations", OFFICIAL, OBJECT(NULL) },
	{ .id = NULL },
};

/* clang-format on */

_Static_assert(array_len(operations) <= OPERATIONS_MAX, "every row has a number");

static bool matches(const char *pattern, const char *path)
{
	for (;;) {
		size_t n = strcspn(pattern, "/"), m = strcspn(path, "/?");

		/* A variable stands for something. */
		if (n == 2 && !strncmp(pattern, "{}", 2) ? !m : n != m || strncmp(pattern, path, n))
			return false;
		pattern += n;
		path += m;
		if (!*pattern || *path != '/')
			return !*pattern && *path != '/';
		pattern++;
		path++;
	}
}

const struct operation *operation_find(const char *method, const char *path)
{
	for (const struct operation *o = operations; o->id; o++) {
		if (!strcmp(o->method, method) && matches(o->path, path))
			return o;
	}
	return NULL;
}

const struct operation *operation_of(const struct kind *kind, enum kind_verb verb)
{
	if (!(kind->verbs & verb))
		return NULL;
	switch (verb) {
	case KIND_LIST:
		return operation_find("GET", kind->collection);
	case KIND_GET:
		return operation_find("GET", kind->item);
	case KIND_CREATE:
		return operation_find("POST", kind->create_path ? kind->create_path : kind->collection);
	case KIND_UPDATE:
	case KIND_RENAME:
		if (kind->flags & KIND_UPDATE_PUT)
			return operation_find("PUT", kind->collection);
		return operation_find("PATCH", kind->item);
	case KIND_DELETE:
		return operation_find("DELETE", kind->delete_item ? kind->delete_item : kind->item);
	}
	return NULL;
}

const char *operation_source_word(enum operation_source source)
{
	static const char *const words[] = {
		[SOURCE_OFFICIAL] = "official",
		[SOURCE_WRANGLER] = "wrangler",
		[SOURCE_UNCONFIRMED] = "unconfirmed",
	};
	_Static_assert(array_len(words) == SOURCE_UNCONFIRMED + 1, "each source has a word");

	return words[source];
}
