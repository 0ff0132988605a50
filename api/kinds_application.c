/* Applications, their jobs and rollouts: the fields. */
#include "api/kinds_fields.h"

/* Tables: a row to a line, and nothing moved about. */
/* clang-format off */

static const char *const words_policy[] = { "default", "durable_object", "moon",
					    "gpu",     "regional",       "fill_metals", NULL };
static const char *const words_region[] = { "ENAM", "WNAM", "EEUR", "WEUR", "APAC", "SAM", "ME", "OC", "AFR", NULL };
static const char *const words_jurisdiction[] = { "eu", "fedramp", "us", NULL };
static const char *const words_colocation[] = { "datacenter", NULL };
static const char *const words_generation[] = { "highest-overall-performance", NULL };
static const char *const words_strategy[] = { "rolling", "new_instances", NULL };
static const char *const words_rollout_kind[] = { "full_auto", "full_manual", NULL };
static const char *const words_step_percentage[] = { "5", "10", "20", "25", "50", "100", NULL };

/* Seconds: a week. */
#define GRACE_MAX 604800

/* ---- application ---- */

static const struct field fields_constraints[] = {
	F_STRING("region", 0),
	F_COUNT("tier", 0),
	{ .name = "tiers", .type = FIELD_ARRAY, .item = FIELD_NUMBER, .flags = FIELD_SET },
	{ .name = "regions", .type = FIELD_ARRAY, .item = FIELD_STRING, .flags = FIELD_SET, .words = words_region },
	F_STRINGS("cities", FIELD_SET),
	F_STRINGS("pops", FIELD_SET),
	F_WORD("jurisdiction", 0, words_jurisdiction),
	F_END,
};

static const struct field fields_affinities[] = {
	F_WORD("colocation", 0, words_colocation),
	F_WORD("hardware_generation", 0, words_generation),
	F_END,
};

static const struct field fields_priorities[] = {
	F_INT("default", FIELD_REQUIRED),
	F_END,
};

/* The service answers script_name and class_name as their namespace_id. */
static const struct field fields_durable_objects[] = {
	F_STRING("namespace_id", FIELD_FILLED | FIELD_NONEMPTY),
	F_STRING("script_name", FIELD_FILLED | FIELD_NONEMPTY),
	F_STRING("class_name", FIELD_FILLED | FIELD_NONEMPTY),
	F_END,
};

static const struct field fields_hint_side[] = {
	F_INT("instances", 0),
	F_OBJECT("configuration", 0, fields_configuration),
	F_INT("version", 0),
	F_END,
};

static const struct field fields_hint[] = {
	F_OBJECT("current", 0, fields_hint_side),
	F_OBJECT("target", 0, fields_hint_side),
	F_END,
};

/* What the service chose; beside the configuration's own network. */
static const struct field fields_application_network[] = {
	F_INT("bandwidth_limit_mbps", 0),
	F_END,
};

const struct field fields_application[] = {
	F_STRING("id", FIELD_STATUS),
	F_STRING("created_at", FIELD_STATUS),
	F_STRING("account_id", FIELD_STATUS),
	F_STRING("name", FIELD_IDENTITY),
	F_INT("version", FIELD_STATUS),
	{ .name = "scheduling_policy", .type = FIELD_STRING, .flags = FIELD_CREATE_ONLY, .words = words_policy,
	  .default_json = "\"default\"" },
	F_COUNT("instances", FIELD_UNSAID | FIELD_COMPUTED),
	F_COUNT("max_instances", 0),
	F_OBJECT("configuration", FIELD_MERGED, fields_configuration),
	F_OBJECT("constraints", 0, fields_constraints),
	F_FALSE("jobs", FIELD_CREATE_ONLY),
	F_OBJECT("affinities", 0, fields_affinities),
	F_OBJECT("priorities", 0, fields_priorities),
	F_OBJECT("durable_objects", FIELD_CREATE_ONLY, fields_durable_objects),
	F_OBJECT("scheduling_hint", FIELD_STATUS, fields_hint),
	F_STRING("active_rollout_id", FIELD_STATUS),
	{ .name = "rollout_active_grace_period", .type = FIELD_INT, .max = GRACE_MAX, .default_json = "0" },
	F_OBJECT("health", FIELD_STATUS, fields_health),
	F_STRING("updated_at", FIELD_STATUS),
	F_OBJECT("observability", 0, fields_observability_target),
	F_OBJECT("network", FIELD_STATUS, fields_application_network),
	F_END,
};

/* versions.json: an array of these. */
const struct field fields_application_versions[] = {
	F_INT("version", 0),
	F_INT("percentage", 0),
	F_OBJECT("configuration", 0, fields_configuration),
	F_END,
};

const struct field fields_application_queue[] = {
	F_OBJECT("scheduler", 0, NULL),
	F_OBJECT("jobs", 0, NULL),
	F_END,
};

/* ---- job ---- */

static const struct field fields_job_secret[] = {
	F_WORD("type", FIELD_REQUIRED, words_secret_type),
	F_STRING("name", FIELD_REQUIRED | FIELD_NONEMPTY),
	F_STRING("value", FIELD_REQUIRED | FIELD_SECRET | FIELD_WRITE_ONLY),
	F_END,
};

static const struct field fields_job_status[] = {
	F_STRING("health", 0),
	F_END,
};

/* What can be set is a size to ask for; what was allocated is shown in status.json, under the same names. */
const struct field fields_job[] = {
	F_STRING("id", FIELD_STATUS),
	F_STRING("app_id", FIELD_STATUS),
	F_STRING("created_at", FIELD_STATUS),
	F_STRINGS("entrypoint", FIELD_REQUIRED),
	F_STRINGS("command", FIELD_REQUIRED),
	F_OBJECT("status", FIELD_STATUS, fields_job_status),
	F_OBJECTS("events", FIELD_HIDDEN, fields_event),
	F_STRING("image", FIELD_IMAGE | FIELD_NONEMPTY),
	F_INSTANCE_TYPE(0),
	F_NUMBER("vcpu", 0),
	F_OLD("vcpus", FIELD_NUMBER, 0, "vcpu"),
	F_OLD("memory", FIELD_STRING, 0, "memory_mib"),
	F_COUNT("memory_mib", 0),
	F_NUMBER("vcpu", FIELD_STATUS),
	F_NUMBER("vcpus", FIELD_STATUS),
	F_INT("memory_mb", FIELD_STATUS),
	F_STRING("memory", FIELD_STATUS),
	F_INT("memory_mib", FIELD_STATUS),
	F_OBJECT("disk", FIELD_STATUS, fields_disk),
	F_OBJECT("disk_mb", FIELD_STATUS, fields_disk),
	F_OBJECTS("environment_variables", FIELD_SET, fields_pair),
	F_OBJECTS("secrets", FIELD_SET, fields_job_secret),
	F_COUNT("timeout", 0),
	F_BOOL("terminate", FIELD_STATUS),
	F_END,
};

/* ---- rollout ---- */

static const struct field fields_step_size[] = {
	{ .name = "percentage", .type = FIELD_INT, .flags = FIELD_REQUIRED, .min = 10, .max = 100 },
	F_END,
};

static const struct field fields_step[] = {
	F_INT("id", FIELD_STATUS),
	F_OBJECT("step_size", FIELD_REQUIRED, fields_step_size),
	F_STRING("description", FIELD_REQUIRED),
	F_STRING("status", FIELD_STATUS),
	F_STRING("reason", FIELD_STATUS),
	F_STRING("started_at", FIELD_STATUS),
	F_STRING("completed_at", FIELD_STATUS),
	F_END,
};

static const struct field fields_progress_distribution[] = {
	F_INT("current_version_instances", 0),
	F_INT("current_version_percentage", 0),
	F_INT("target_version_instances", 0),
	F_INT("target_version_percentage", 0),
	F_END,
};

static const struct field fields_progress[] = {
	F_INT("total_steps", 0),
	F_INT("current_step", 0),
	F_INT("updated_instances", 0),
	F_INT("total_instances", 0),
	F_OBJECT("version_distribution", 0, fields_progress_distribution),
	F_END,
};

static const struct field fields_distribution[] = {
	F_NUMBER("current_version_percentage", 0),
	F_NUMBER("target_version_percentage", 0),
	F_END,
};

const struct field fields_rollout[] = {
	F_STRING("description", FIELD_REQUIRED),
	F_STRING("id", FIELD_STATUS),
	F_STRING("created_at", FIELD_STATUS),
	F_STRING("last_updated_at", FIELD_STATUS),
	F_WORD("kind", 0, words_rollout_kind),
	F_WORD("strategy", FIELD_REQUIRED, words_strategy),
	F_INT("current_version", FIELD_STATUS),
	F_INT("target_version", FIELD_STATUS),
	F_OBJECT("current_configuration", FIELD_STATUS, fields_configuration),
	F_OBJECT("target_configuration", FIELD_REQUIRED, fields_configuration),
	F_STRING("status", FIELD_STATUS),
	F_OBJECT("health", FIELD_STATUS, fields_health),
	{ .name = "step_percentage", .type = FIELD_NUMBER, .flags = FIELD_WRITE_ONLY, .words = words_step_percentage,
	  .exclusive_with = "steps" },
	F_OBJECTS("steps", 0, fields_step),
	F_OBJECTS("steps", FIELD_STATUS, fields_step),
	F_OBJECT("progress", FIELD_STATUS, fields_progress),
	F_STRING("started_at", FIELD_STATUS),
	{ .name = "percentage", .type = FIELD_INT, .max = 100 },
	F_OBJECT("version_distribution", FIELD_STATUS, fields_distribution),
	F_END,
};
