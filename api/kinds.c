/* The table of kinds: the rows. */
#include "api/kinds_fields.h"

#include <errno.h>

/* Tables: a row to a line, and nothing moved about. */
/* clang-format off */

#define JSON_MODES .suffix = ".json", .mode = 0644
#define READ_ONLY .suffix = ".json", .mode = 0444
#define STATUS_LEAF { .name = "status.json", .mode = 0444, .source = LEAF_STATUS }
#define ACTION_LEAF(actions_) { .name = "action", .mode = 0644, .source = LEAF_ACTION, .actions = (actions_) }
#define EVENTS_LEAF(source_, path_) { .name = "events.jsonl", .mode = 0444, .source = (source_), .path = (path_) }
#define LEAF_END { .name = NULL }
#define ACTION_END { .word = NULL }

/* ---- applications ---- */

static const struct leaf application_leaves[] = {
	STATUS_LEAF,
	{ .name = "queue.json", .mode = 0444, .source = LEAF_FETCH, .path = "/applications/{id}/status",
	  .needs = TRAIT_JOBS, .fields = fields_application_queue },
	{ .name = "versions.json", .mode = 0444, .source = LEAF_FETCH, .path = "/applications/{id}/versions",
	  .fields = fields_application_versions },
	{ .name = "metrics.json", .mode = 0444, .source = LEAF_METRICS, .unlisted = true },
	{ .name = "logs.jsonl", .mode = 0444, .source = LEAF_LOGS, .unlisted = true },
	LEAF_END,
};

static const struct kind application = {
	.name = "application",
	.refers = "secret,ssh key,registry,registry protocol,account",
	.dir = "applications",
	.collection = "/applications",
	.item = "/applications/{id}",
	.id_key = "id",
	.name_key = "name",
	JSON_MODES,
	.verbs = KIND_LIST | KIND_GET | KIND_CREATE | KIND_UPDATE | KIND_DELETE | KIND_RENAME,
	.flags = KIND_DECLARED | KIND_ROLLOUT_FOLLOWS | KIND_LINGERS,
	.fields = fields_application,
	.leaves = application_leaves,
	.hooks = &hooks_application,
};

static const struct kind instance = {
	.name = "instance",
	.dir = "instances",
	.parent = &application,
	.collection = "/applications/{parent}/instances-v2",
	.item = "/applications/{parent}/instances/{id}",
	.id_key = "id",
	READ_ONLY,
	.verbs = KIND_LIST | KIND_GET,
	.flags = KIND_WHOLE | KIND_STATUS_TTL,
	.list_active = "state=active",
	.fields = fields_instance,
};

static const struct action application_deployment_actions[] = {
	{ .word = "recreate", .method = "POST", .path = "/applications/{parent}/deployments/{id}/recreate", .body = "{}",
	  .deletes = true },
	{ .word = "replace", .method = "POST", .path = "/placements/{placement}", .body = "{\"replace\":true}" },
	{ .word = "delete", .method = "DELETE", .path = "/deployments/{id}/v2", .deletes = true },
	ACTION_END,
};

static const struct leaf application_deployment_leaves[] = {
	STATUS_LEAF,
	EVENTS_LEAF(LEAF_EVENTS_OF_PLACEMENTS, "/deployments/{id}/placements"),
	ACTION_LEAF(application_deployment_actions),
	LEAF_END,
};

static const struct kind application_deployment = {
	.name = "application deployment",
	.dir = "deployments",
	.parent = &application,
	.collection = "/deployments/v2",
	.item = "/deployments/{id}/v2",
	.parent_key = "app_id",
	.id_key = "id",
	READ_ONLY,
	.verbs = KIND_LIST | KIND_GET,
	.fields = fields_deployment,
	.leaves = application_deployment_leaves,
	.hooks = &hooks_deployment,
};

static const struct leaf placement_leaves[] = {
	EVENTS_LEAF(LEAF_EVENTS, "/placements/{id}"),
	LEAF_END,
};

#define PLACEMENT                                                                                             \
	.dir = "placements", .collection = "/deployments/{parent}/placements", .item = "/placements/{id}",    \
	.id_key = "id", READ_ONLY, .verbs = KIND_LIST | KIND_GET, .flags = KIND_WHOLE | KIND_STATUS_TTL,      \
	.fields = fields_placement, .leaves = placement_leaves

static const struct kind application_placement = {
	.name = "application placement",
	.parent = &application_deployment,
	PLACEMENT,
};

static const struct action job_actions[] = {
	{ .word = "terminate", .method = "PATCH", .path = "/applications/{parent}/jobs/{id}", .body = "{\"terminate\":true}" },
	ACTION_END,
};

static const struct leaf job_leaves[] = {
	STATUS_LEAF,
	EVENTS_LEAF(LEAF_EVENTS, NULL),
	ACTION_LEAF(job_actions),
	LEAF_END,
};

static const struct kind job = {
	.name = "job",
	.refers = "secret,ssh key,registry,registry protocol,account",
	.dir = "jobs",
	.parent = &application,
	.collection = "/applications/{parent}/jobs",
	.item = "/applications/{parent}/jobs/{id}",
	.id_key = "id",
	JSON_MODES,
	.verbs = KIND_LIST | KIND_GET | KIND_CREATE | KIND_DELETE,
	.flags = KIND_NEW_ONLY | KIND_LOCAL_NAME | KIND_LIST_UNCONFIRMED,
	.list_needs = TRAIT_JOBS,
	.fields = fields_job,
	.leaves = job_leaves,
	.hooks = &hooks_job,
};

#define ROLLOUT_ACTION(word_)                                                                                 \
	{ .word = (word_), .method = "POST", .path = "/applications/{parent}/rollouts/{id}",                  \
	  .body = "{\"action\":\"" word_ "\"}" }

static const struct action rollout_actions[] = {
	ROLLOUT_ACTION("next"),
	ROLLOUT_ACTION("previous"),
	ROLLOUT_ACTION("revert"),
	ACTION_END,
};

static const struct leaf rollout_leaves[] = {
	STATUS_LEAF,
	ACTION_LEAF(rollout_actions),
	LEAF_END,
};

static const struct kind rollout = {
	.name = "rollout",
	.refers = "secret,ssh key,registry,registry protocol,account",
	.dir = "rollouts",
	.parent = &application,
	.collection = "/applications/{parent}/rollouts",
	.item = "/applications/{parent}/rollouts/{id}",
	.id_key = "id",
	JSON_MODES,
	.verbs = KIND_LIST | KIND_GET | KIND_CREATE | KIND_DELETE,
	.flags = KIND_NEW_ONLY | KIND_LOCAL_NAME | KIND_LIST_UNCONFIRMED,
	.active_key = "active_rollout_id",
	.fields = fields_rollout,
	.leaves = rollout_leaves,
	.hooks = &hooks_rollout,
};

/* ---- deployments that no application owns ---- */

static const struct action deployment_actions[] = {
	{ .word = "recreate", .method = "POST", .path = "/deployments/{id}/recreate", .document = true, .deletes = true },
	{ .word = "replace", .method = "POST", .path = "/placements/{placement}", .body = "{\"replace\":true}" },
	ACTION_END,
};

static const struct leaf deployment_leaves[] = {
	STATUS_LEAF,
	EVENTS_LEAF(LEAF_EVENTS_OF_PLACEMENTS, "/deployments/{id}/placements"),
	ACTION_LEAF(deployment_actions),
	LEAF_END,
};

static const struct kind deployment = {
	.name = "deployment",
	.refers = "secret,ssh key,registry,registry protocol,account",
	.dir = "deployments",
	.collection = "/deployments/v2",
	.item = "/deployments/{id}/v2",
	.parent_key = "app_id",
	.id_key = "id",
	JSON_MODES,
	.verbs = KIND_LIST | KIND_GET | KIND_CREATE | KIND_UPDATE | KIND_DELETE | KIND_RENAME,
	.flags = KIND_DECLARED | KIND_LABEL_NAME,
	.fields = fields_deployment,
	.leaves = deployment_leaves,
	.hooks = &hooks_deployment,
};

static const struct kind placement = {
	.name = "placement",
	.parent = &deployment,
	PLACEMENT,
};

/* ---- the rest of the account ---- */

static const struct kind secret = {
	.name = "secret",
	.dir = "secrets",
	.collection = "/secrets",
	.item = "/secrets/{id}",
	.id_key = "name",
	.name_key = "name",
	.suffix = "",
	.mode = 0200,
	.verbs = KIND_LIST | KIND_GET | KIND_CREATE | KIND_UPDATE | KIND_DELETE,
	.flags = KIND_DECLARED | KIND_SECRET,
	.fields = fields_secret,
};

static const struct kind ssh_key = {
	.name = "ssh key",
	.dir = "ssh-keys",
	.collection = "/ssh-public-keys",
	.delete_item = "/ssh-public-keys/{id}",
	.delete_key = "name",
	.id_key = "id",
	.name_key = "name",
	.suffix = ".pub",
	.mode = 0644,
	.verbs = KIND_LIST | KIND_CREATE | KIND_DELETE,
	.flags = KIND_DECLARED | KIND_WRITE_ONCE | KIND_KEY_LINE,
	.fields = fields_ssh_key,
};

static const struct leaf registry_leaves[] = {
	{ .name = "credentials.json", .mode = 0600, .source = LEAF_CREDENTIALS, .path = "/registries/{id}/credentials",
	  .fields = fields_registry_token },
	LEAF_END,
};

static const struct kind registry = {
	.name = "registry",
	.dir = "registries",
	.collection = "/registries",
	.delete_item = "/registries/{id}",
	.id_key = "domain",
	.name_key = "domain",
	JSON_MODES,
	.verbs = KIND_LIST | KIND_CREATE | KIND_DELETE,
	.flags = KIND_DECLARED | KIND_WRITE_ONCE,
	.fields = fields_registry,
	.leaves = registry_leaves,
	.hooks = &hooks_registry,
};

static const struct kind registry_protocol = {
	.name = "registry protocol",
	.dir = "registry-protocols",
	.collection = "/registries/protos",
	.delete_item = "/registries/protos/{id}",
	.id_key = "proto",
	.name_key = "proto",
	JSON_MODES,
	.verbs = KIND_LIST | KIND_CREATE | KIND_UPDATE | KIND_DELETE,
	.flags = KIND_DECLARED | KIND_UPDATE_PUT,
	.fields = fields_registry_protocol,
};

static const struct kind ip = {
	.name = "ip",
	.dir = "ips",
	.collection = "/ips",
	.id_key = "ip",
	.name_key = "ip",
	READ_ONLY,
	.verbs = KIND_LIST,
	.flags = KIND_WHOLE,
	.fields = fields_ip,
};

static const struct part account_parts[] = {
	{ .name = "limits.json", .path = "/me", .key = "limits", .mode = 0444, .fields = fields_limits },
	{ .name = "locations.json", .path = "/me", .key = "locations", .mode = 0444, .fields = fields_locations },
	{ .name = "usage.json", .path = "/usage", .mode = 0444, .fields = fields_usage },
	{ .name = "defaults.json", .path = "/me", .key = "defaults", .mode = 0644, .flags = KIND_DECLARED, .update = "/me",
	  .fields = fields_defaults },
	{ .name = NULL },
};

static const struct kind account = {
	.name = "account",
	.dir = "account",
	.item = "/me",
	.suffix = ".json",
	.mode = 0444,
	.verbs = KIND_GET | KIND_UPDATE,
	.flags = KIND_DECLARED | KIND_SINGLETON,
	.parts = account_parts,
};

const struct kind *const kinds[] = {
	&application,
	&instance,
	&application_deployment,
	&application_placement,
	&job,
	&rollout,
	&deployment,
	&placement,
	&secret,
	&ssh_key,
	&registry,
	&registry_protocol,
	&ip,
	&account,
	NULL,
};

_Static_assert(array_len(kinds) <= KINDS_MAX, "a set of kinds fits into a word");
