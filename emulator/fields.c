/* The tables of the request bodies, field for field as in the contract. */
#include "emulator/schema.h"

/* Tables: a row to a line, and nothing moved about. */
/* clang-format off */

#define STR(name_) { .name = (name_), .type = FT_STRING }
#define STRS(name_) { .name = (name_), .type = FT_STRING, .flags = FF_ARRAY }
#define NEED_STR(name_) { .name = (name_), .type = FT_STRING, .flags = FF_REQUIRED | FF_NONEMPTY }
#define ENUM(name_, words_) { .name = (name_), .type = FT_STRING, .words = (words_) }
#define NEED_ENUM(name_, words_) { .name = (name_), .type = FT_STRING, .flags = FF_REQUIRED, .words = (words_) }
#define INT(name_) { .name = (name_), .type = FT_INT }
#define COUNT(name_, max_) { .name = (name_), .type = FT_INT, .min = 0, .max = (max_) }
#define NUM(name_) { .name = (name_), .type = FT_NUMBER }
#define BOOL(name_) { .name = (name_), .type = FT_BOOL }
#define OBJ(name_, sub_) { .name = (name_), .type = FT_OBJECT, .sub = (sub_) }
#define OBJS(name_, sub_) { .name = (name_), .type = FT_OBJECT, .flags = FF_ARRAY, .sub = (sub_) }
#define END { .name = NULL }

#define INSTANCES_MAX 100000
#define GRACE_MAX 604800
#define MILLION 1e6

static const char *const instance_types[] = { "lite",       "dev",        "basic",      "standard",
					      "standard-1", "standard-2", "standard-3", "standard-4", NULL };
static const char *const policies[] = { "default", "durable_object", "moon", "gpu", "regional", "fill_metals", NULL };
static const char *const jurisdictions[] = { "eu", "fedramp", "us", NULL };
static const char *const colocations[] = { "datacenter", NULL };
static const char *const generations[] = { "highest-overall-performance", NULL };
static const char *const secret_types[] = { "env", NULL };
static const char *const assigns[] = { "none", "predefined", "account", NULL };
static const char *const network_modes[] = { "public", "public-by-port", "private", NULL };
static const char *const check_types[] = { "http", "tcp", NULL };
static const char *const check_kinds[] = { "health", "ready", NULL };
static const char *const methods[] = { "GET", "POST", "PATCH", "PUT", "OPTIONS", "DELETE", "HEAD", NULL };
static const char *const provisioners[] = { "none", "cloudinit", NULL };
static const char *const strategies[] = { "rolling", "new_instances", NULL };
static const char *const rollout_kinds[] = { "full_auto", "full_manual", NULL };
static const char *const actions[] = { "next", "previous", "revert", NULL };
static const char *const registry_kinds[] = { "ECR", "DockerHub", "GAR", NULL };
static const char *const permissions[] = { "pull", "push", "library_push", "list", NULL };

static const struct field f_wrangler_ssh[] = {
	BOOL("enabled"),
	{ .name = "port", .type = FT_INT, .min = 1, .max = 65535 }, END };
static const struct field f_user_key[] = { STR("name"), NEED_STR("public_key"), END };
static const struct field f_disk[] = { STR("size"), COUNT("size_mb", MILLION), END };
static const struct field f_disk_live[] = { COUNT("size_mb", MILLION), STR("size"), END };
static const struct field f_pair[] = { NEED_STR("name"),
				       { .name = "value", .type = FT_STRING, .flags = FF_REQUIRED }, END };
static const struct field f_dns[] = { STRS("servers"), STRS("searches"), END };
static const struct field f_logs[] = { BOOL("enabled"), END };
static const struct field f_observability[] = { OBJ("logs", f_logs), END };
static const struct field f_app_observability[] = {
	OBJ("logs", f_logs), { .name = "target_instance_percentage", .type = FT_INT, .min = 1, .max = 99 },
	{ .name = "target_instance_count", .type = FT_INT, .min = 1, .max = INSTANCES_MAX }, END };
static const struct field f_secret_map[] = { NEED_ENUM("type", secret_types), NEED_STR("name"),
					     NEED_STR("secret"), END };
static const struct field f_network[] = { ENUM("assign_ipv4", assigns), ENUM("assign_ipv6", assigns),
					  ENUM("mode", network_modes), END };
static const struct field f_network_live[] = { ENUM("assign_ipv6", assigns), ENUM("assign_ipv4", assigns),
					       ENUM("mode", network_modes), END };
static const struct field f_range[] = {
	{ .name = "start", .type = FT_INT, .flags = FF_REQUIRED, .min = 1, .max = 65535 },
	{ .name = "end", .type = FT_INT, .flags = FF_REQUIRED, .min = 1, .max = 65535 }, END };
static const struct field f_port[] = { NEED_STR("name"),
				       { .name = "port", .type = FT_INT, .min = 1, .max = 65535 },
				       OBJS("assign_port", f_range), END };
static const struct field f_http[] = { ENUM("method", methods), STR("body"), STR("path"), OBJ("headers", NULL), END };
static const struct field f_check[] = {
	NEED_ENUM("type", check_types), STR("name"), BOOL("tls"), NEED_STR("port"), OBJ("http", f_http),
	NEED_STR("interval"), NEED_STR("timeout"), COUNT("attempts_before_failure", 1000),
	NEED_ENUM("kind", check_kinds), STR("grace_period"), END };
static const struct field f_provisioner[] = { NEED_ENUM("type", provisioners), END };

/* As the service answers a check: another order, everything filled in. */
const struct field fields_check_answer[] = {
	ENUM("type", check_types), STR("name"), OBJ("http", f_http), BOOL("tls"), INT("attempts_before_failure"),
	STR("port"), STR("interval"), STR("timeout"), ENUM("kind", check_kinds), STR("grace_period"), END };

#define SIZE_FIELDS                                                                                           \
	ENUM("instance_type", instance_types), NUM("vcpu"), STR("memory"), COUNT("memory_mib", 16 * MILLION), \
		OBJ("disk", f_disk)

/* runtime is the service's own; where it comes back it is let pass. */
#define CONF_FIELDS(disk_, network_)                                                                          \
	{ .name = "image", .type = FT_STRING, .flags = FF_NONEMPTY },                                         \
	OBJ("wrangler_ssh", f_wrangler_ssh), OBJS("authorized_keys", f_user_key),                             \
	OBJS("trusted_user_ca_keys", f_user_key), STRS("ssh_public_key_ids"), OBJS("secrets", f_secret_map),  \
	ENUM("instance_type", instance_types), NUM("vcpu"), STR("memory"), COUNT("memory_mib", 16 * MILLION), \
	OBJ("disk", disk_), OBJS("environment_variables", f_pair), OBJS("labels", f_pair),                    \
	OBJ("network", network_), STRS("command"), STRS("entrypoint"), OBJ("dns", f_dns),                     \
	OBJS("ports", f_port), OBJS("checks", f_check), OBJ("provisioner", f_provisioner), STR("runtime"),    \
	OBJ("observability", f_observability), STRS("experimental_flags"), END
const struct field fields_conf[] = { CONF_FIELDS(f_disk, f_network) };
/* The same in the order in which the service answers it. */
const struct field fields_conf_live[] = { CONF_FIELDS(f_disk_live, f_network_live) };
const struct field fields_do_conf[] = { OBJ("wrangler_ssh", f_wrangler_ssh), OBJS("authorized_keys", f_user_key),
					STRS("experimental_flags"), END };

static const struct field f_constraints[] = {
	STR("region"), COUNT("tier", 1000), { .name = "tiers", .type = FT_NUMBER, .flags = FF_ARRAY },
	STRS("regions"), STRS("cities"), STRS("pops"), ENUM("jurisdiction", jurisdictions), END };
static const struct field f_affinities[] = { ENUM("colocation", colocations),
					     ENUM("hardware_generation", generations), END };
static const struct field f_priorities[] = { { .name = "default", .type = FT_INT, .flags = FF_REQUIRED }, END };
static const struct field f_durable[] = { STR("namespace_id"), STR("script_name"), STR("class_name"), END };

const struct field fields_app_create[] = {
	NEED_STR("name"), NEED_ENUM("scheduling_policy", policies), COUNT("instances", INSTANCES_MAX),
	COUNT("max_instances", INSTANCES_MAX), OBJ("constraints", f_constraints), OBJ("configuration", fields_conf),
	BOOL("jobs"), OBJ("durable_objects", f_durable), OBJ("affinities", f_affinities),
	OBJ("priorities", f_priorities), COUNT("rollout_active_grace_period", GRACE_MAX),
	OBJ("observability", f_app_observability), END };
/* Of the policy durable_object. */
const struct field fields_do_create[] = {
	NEED_STR("name"), NEED_ENUM("scheduling_policy", policies), OBJ("configuration", fields_do_conf),
	{ .name = "durable_objects", .type = FT_OBJECT, .flags = FF_REQUIRED, .sub = f_durable },
	OBJ("observability", f_observability), END };

const struct field fields_app_modify[] = {
	NEED_STR("name"), COUNT("instances", INSTANCES_MAX), COUNT("max_instances", INSTANCES_MAX),
	OBJ("affinities", f_affinities), OBJ("priorities", f_priorities),
	NEED_ENUM("scheduling_policy", policies), OBJ("constraints", f_constraints),
	COUNT("rollout_active_grace_period", GRACE_MAX), OBJ("configuration", fields_conf),
	OBJ("observability", f_app_observability), END };

const struct field fields_dep_create[] = {
	NEED_STR("location"), NEED_STR("image"), OBJ("wrangler_ssh", f_wrangler_ssh),
	OBJS("authorized_keys", f_user_key), OBJS("trusted_user_ca_keys", f_user_key), STRS("ssh_public_key_ids"),
	OBJS("secrets", f_secret_map), SIZE_FIELDS, OBJS("environment_variables", f_pair), OBJS("labels", f_pair),
	OBJ("network", f_network), STRS("command"), STRS("entrypoint"), OBJ("dns", f_dns), OBJS("ports", f_port),
	OBJS("checks", f_check), OBJ("provisioner", f_provisioner), OBJ("observability", f_observability),
	STRS("experimental_flags"), END };

const struct field fields_dep_modify[] = {
	NEED_STR("image"), NEED_STR("location"), STRS("ssh_public_key_ids"), OBJS("secrets", f_secret_map),
	SIZE_FIELDS, OBJS("environment_variables", f_pair), OBJS("labels", f_pair), STRS("command"),
	STRS("entrypoint"), OBJ("dns", f_dns), OBJS("checks", f_check), OBJ("observability", f_observability), END };

static const struct field f_job_secret[] = { NEED_ENUM("type", secret_types), NEED_STR("name"),
					     { .name = "value", .type = FT_STRING, .flags = FF_REQUIRED }, END };

const struct field fields_job_create[] = {
	{ .name = "entrypoint", .type = FT_STRING, .flags = FF_REQUIRED | FF_ARRAY },
	{ .name = "command", .type = FT_STRING, .flags = FF_REQUIRED | FF_ARRAY },
	{ .name = "image", .type = FT_STRING, .flags = FF_NONEMPTY }, COUNT("timeout", MILLION * 100),
	ENUM("instance_type", instance_types), NUM("vcpus"), NUM("vcpu"), STR("memory"),
	COUNT("memory_mib", 16 * MILLION), OBJS("environment_variables", f_pair), OBJS("secrets", f_job_secret), END };
const struct field fields_job_modify[] = { BOOL("terminate"), END };

static const struct field f_step_size[] = {
	{ .name = "percentage", .type = FT_INT, .flags = FF_REQUIRED, .min = 1, .max = 100 }, END };
static const struct field f_step[] = {
	{ .name = "step_size", .type = FT_OBJECT, .flags = FF_REQUIRED, .sub = f_step_size },
	{ .name = "description", .type = FT_STRING, .flags = FF_REQUIRED }, END };
const struct field fields_rollout_create[] = {
	{ .name = "target_configuration", .type = FT_OBJECT, .flags = FF_REQUIRED, .sub = fields_conf },
	NEED_ENUM("strategy", strategies), INT("step_percentage"), OBJS("steps", f_step),
	{ .name = "description", .type = FT_STRING, .flags = FF_REQUIRED }, ENUM("kind", rollout_kinds),
	COUNT("percentage", 100), END };
const struct field fields_rollout_action[] = { NEED_ENUM("action", actions), END };

const struct field fields_secret_create[] = { NEED_STR("name"),
					      { .name = "value", .type = FT_STRING, .flags = FF_REQUIRED }, END };
const struct field fields_secret_modify[] = { { .name = "value", .type = FT_STRING, .flags = FF_REQUIRED }, END };
const struct field fields_key_create[] = { NEED_STR("name"), NEED_STR("public_key"), END };

static const struct field f_auth[] = {
	NEED_STR("public_credential"),
	{ .name = "private_credential", .type = FT_ANY, .flags = FF_REQUIRED }, END };
const struct field fields_registry_create[] = { NEED_STR("domain"), BOOL("is_public"), OBJ("auth", f_auth),
						ENUM("kind", registry_kinds), END };
const struct field fields_credentials[] = {
	{ .name = "permissions", .type = FT_STRING, .flags = FF_ARRAY, .words = permissions },
	{ .name = "expiration_minutes", .type = FT_INT, .min = 1, .max = 525600 }, END };
static const struct field f_proto_domain[] = { NEED_STR("domain"),
					       { .name = "path", .type = FT_STRING, .flags = FF_REQUIRED }, END };
const struct field fields_proto[] = {
	NEED_STR("proto"),
	{ .name = "domains", .type = FT_OBJECT, .flags = FF_REQUIRED | FF_ARRAY, .sub = f_proto_domain }, END };

static const struct field f_defaults[] = { STR("memory"), COUNT("memory_mib", MILLION), NUM("vcpus"),
					   COUNT("disk_mb", MILLION), END };
const struct field fields_me_modify[] = { OBJ("defaults", f_defaults), END };
const struct field fields_replace[] = { { .name = "replace", .type = FT_BOOL, .flags = FF_REQUIRED }, END };
const struct field fields_image_prep[] = { NEED_STR("image"), END };
