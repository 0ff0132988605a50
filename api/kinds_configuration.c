/* What containers are made from: the objects that applications, deployments, jobs and rollouts share. */
#include "api/kinds_fields.h"

/* Tables: a row to a line, and nothing moved about. */
/* clang-format off */

const char *const words_instance_type[] = { "lite",       "dev",        "basic",      "standard",
					    "standard-1", "standard-2", "standard-3", "standard-4", NULL };
const char *const words_network_mode[] = { "public", "public-by-port", "private", NULL };
const char *const words_assign[] = { "none", "predefined", "account", NULL };
const char *const words_secret_type[] = { "env", NULL };

static const char *const words_check_type[] = { "http", "tcp", NULL };
static const char *const words_check_kind[] = { "health", "ready", NULL };
static const char *const words_method[] = { "GET", "POST", "PATCH", "PUT", "OPTIONS", "DELETE", "HEAD", NULL };
static const char *const words_provisioner[] = { "none", "cloudinit", NULL };

const struct field fields_wrangler_ssh[] = {
	F_BOOL("enabled", 0),
	{ .name = "port", .type = FIELD_INT, .min = 1, .max = PORT_MAX, .default_json = "22" },
	F_END,
};

const struct field fields_user_key[] = {
	F_STRING("name", 0),
	F_STRING("public_key", FIELD_REQUIRED | FIELD_NONEMPTY),
	F_END,
};

/* Environment variables and labels. */
const struct field fields_pair[] = {
	F_STRING("name", FIELD_REQUIRED | FIELD_NONEMPTY),
	F_STRING("value", FIELD_REQUIRED),
	F_END,
};

const struct field fields_secret_map[] = {
	F_WORD("type", FIELD_REQUIRED, words_secret_type),
	F_STRING("name", FIELD_REQUIRED | FIELD_NONEMPTY),
	F_STRING("secret", FIELD_REQUIRED | FIELD_NONEMPTY),
	F_END,
};

const struct field fields_disk[] = {
	F_OLD("size", FIELD_STRING, 0, "size_mb"),
	F_COUNT("size_mb", 0),
	F_END,
};

const struct field fields_dns[] = {
	F_STRINGS("servers", 0),
	F_STRINGS("searches", 0),
	F_END,
};

static const struct field fields_logs[] = {
	F_FALSE("enabled", 0),
	F_END,
};

const struct field fields_observability[] = {
	F_OBJECT("logs", 0, fields_logs),
	F_END,
};

/* At the top of an application: what part of its instances is observed, too. */
const struct field fields_observability_target[] = {
	F_OBJECT("logs", 0, fields_logs),
	{ .name = "target_instance_percentage", .type = FIELD_INT, .min = 1, .max = 99,
	  .exclusive_with = "target_instance_count" },
	{ .name = "target_instance_count", .type = FIELD_INT, .min = 1, .max = FIELD_UNBOUNDED },
	F_END,
};

static const struct field fields_http[] = {
	F_WORD("method", 0, words_method),
	F_STRING("body", 0),
	F_STRING("path", 0),
	F_OBJECT("headers", 0, NULL),
	F_END,
};

const struct field fields_check[] = {
	F_WORD("type", FIELD_REQUIRED, words_check_type),
	F_STRING("name", FIELD_ANSWERED),
	F_OBJECT("http", 0, fields_http),
	F_BOOL("tls", FIELD_ANSWERED),
	F_COUNT("attempts_before_failure", FIELD_ANSWERED),
	F_STRING("port", FIELD_REQUIRED | FIELD_NONEMPTY),
	F_STRING("interval", FIELD_REQUIRED | FIELD_NONEMPTY),
	F_STRING("timeout", FIELD_REQUIRED | FIELD_NONEMPTY),
	F_WORD("kind", FIELD_REQUIRED, words_check_kind),
	F_STRING("grace_period", 0),
	F_END,
};

static const struct field fields_port_range[] = {
	{ .name = "start", .type = FIELD_INT, .flags = FIELD_REQUIRED, .min = 1, .max = PORT_MAX },
	{ .name = "end", .type = FIELD_INT, .flags = FIELD_REQUIRED, .min = 1, .max = PORT_MAX },
	F_END,
};

const struct field fields_port[] = {
	F_STRING("name", FIELD_REQUIRED | FIELD_NONEMPTY),
	{ .name = "port", .type = FIELD_INT, .min = 1, .max = PORT_MAX },
	F_OBJECTS("assign_port", 0, fields_port_range),
	F_END,
};

const struct field fields_provisioner[] = {
	F_WORD("type", FIELD_REQUIRED, words_provisioner),
	F_END,
};

static const struct field fields_network[] = {
	{ .name = "assign_ipv4", .type = FIELD_STRING, .flags = FIELD_UNSAID, .words = words_assign,
	  .default_json = "\"none\"" },
	F_WORD("assign_ipv6", FIELD_UNSAID, words_assign),
	F_WORD("mode", FIELD_UNSAID, words_network_mode),
	F_END,
};

/* UserDeploymentConfiguration; ModifyUserDeploymentConfiguration has the same fields and requires none. */
const struct field fields_configuration[] = {
	F_STRING("image", FIELD_IMAGE | FIELD_NONEMPTY),
	F_OBJECT("wrangler_ssh", 0, fields_wrangler_ssh),
	F_OBJECTS("authorized_keys", 0, fields_user_key),
	F_OBJECTS("trusted_user_ca_keys", 0, fields_user_key),
	F_STRINGS("ssh_public_key_ids", FIELD_KEY_IDS | FIELD_SET),
	F_OBJECTS("secrets", FIELD_SET, fields_secret_map),
	F_INSTANCE_TYPE(0),
	F_NUMBER("vcpu", 0),
	F_OLD("memory", FIELD_STRING, 0, "memory_mib"),
	F_COUNT("memory_mib", 0),
	F_OBJECT("disk", 0, fields_disk),
	F_OBJECTS("environment_variables", FIELD_SET, fields_pair),
	F_OBJECTS("labels", FIELD_SET, fields_pair),
	F_OBJECT("network", FIELD_UNSAID, fields_network),
	F_STRINGS("command", 0),
	F_STRINGS("entrypoint", 0),
	F_OBJECT("dns", 0, fields_dns),
	F_OBJECTS("ports", 0, fields_port),
	F_OBJECTS("checks", 0, fields_check),
	F_OBJECT("provisioner", 0, fields_provisioner),
	F_OBJECT("observability", 0, fields_observability),
	F_STRINGS("experimental_flags", 0),
	F_STRING("runtime", FIELD_UNSAID | FIELD_NOT_CREATED),
	F_END,
};

const struct field fields_event[] = {
	F_STRING("type", 0),
	F_STRING("id", 0),
	F_STRING("time", 0),
	F_STRING("name", 0),
	F_STRING("message", 0),
	F_OBJECT("details", 0, NULL),
	F_OBJECT("statusChange", 0, NULL),
	F_END,
};

/* Those that the service answered; of policy durable_object active and starting alone. */
static const struct field fields_health_instances[] = {
	F_INT("active", 0),
	F_INT("assigned", 0),
	F_INT("healthy", 0),
	F_INT("stopped", 0),
	F_INT("failed", 0),
	F_INT("scheduling", 0),
	F_INT("starting", 0),
	F_END,
};

static const struct field fields_health_error[] = {
	F_STRING("instance_id", 0),
	F_OBJECT("event", 0, fields_event),
	F_END,
};

const struct field fields_health[] = {
	F_OBJECT("instances", 0, fields_health_instances),
	F_OBJECTS("errors", 0, fields_health_error),
	F_STRING("summary", 0),
	F_END,
};
