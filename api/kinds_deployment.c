/* Deployments, placements and instances: the fields. */
#include "api/kinds_fields.h"

/* Tables: a row to a line, and nothing moved about. */
/* clang-format off */

static const struct field fields_location[] = {
	F_STRING("name", 0),
	F_BOOL("enabled", 0),
	F_STRING("region", 0),
	F_END,
};

static const struct field fields_network_settable[] = {
	{ .name = "assign_ipv4", .type = FIELD_STRING, .flags = FIELD_WRITE_ONLY | FIELD_CREATE_ONLY,
	  .words = words_assign, .default_json = "\"none\"" },
	F_WORD("assign_ipv6", FIELD_WRITE_ONLY | FIELD_CREATE_ONLY, words_assign),
	F_WORD("mode", FIELD_CREATE_ONLY | FIELD_FILLED, words_network_mode),
	F_STRING("ipv4", FIELD_STATUS),
	F_STRING("ipv6", FIELD_STATUS),
	F_END,
};

static const struct field fields_network_status[] = {
	F_STRING("mode", 0),
	F_STRING("ipv4", 0),
	F_STRING("ipv6", 0),
	F_END,
};

static const struct field fields_placement_status[] = {
	F_STRING("health", 0),
	F_BOOL("ready", 0),
	F_STRING("container_status", 0),
	F_STRING("durable_object", 0),
	F_END,
};

const struct field fields_placement[] = {
	F_STRING("id", FIELD_STATUS),
	F_STRING("created_at", FIELD_STATUS),
	F_STRING("deployment_id", FIELD_STATUS),
	F_INT("deployment_version", FIELD_STATUS),
	F_BOOL("terminate", FIELD_STATUS),
	F_OBJECT("status", FIELD_STATUS, fields_placement_status),
	F_OBJECTS("events", FIELD_HIDDEN, fields_event),
	F_STRING("last_update", FIELD_STATUS),
	F_STRING("durable_object_actor_id", FIELD_STATUS),
	F_END,
};

static const struct field fields_queued[] = {
	F_STRING("gpu", 0),
	F_STRING("cpu", 0),
	F_STRING("memory", 0),
	F_STRING("disk", 0),
	F_STRING("unknown", 0),
	F_END,
};

static const struct field fields_state[] = {
	F_STRING("current", 0),
	F_STRING("last_updated", 0),
	F_OBJECT("queued_details", 0, fields_queued),
	F_END,
};

/* The location is written as a string and answered as an object; the network's addresses are the service's. */
const struct field fields_deployment[] = {
	F_STRING("type", FIELD_STATUS),
	F_STRING("id", FIELD_STATUS),
	F_STRING("app_id", FIELD_STATUS),
	F_INT("app_version", FIELD_STATUS),
	F_STRING("created_at", FIELD_STATUS),
	F_STRING("account_id", FIELD_STATUS),
	F_INT("version", FIELD_STATUS),
	F_STRING("image", FIELD_REQUIRED | FIELD_IMAGE | FIELD_NONEMPTY),
	F_STRING("location", FIELD_REQUIRED | FIELD_NONEMPTY),
	F_OBJECT("location", FIELD_STATUS, fields_location),
	F_OBJECT("wrangler_ssh", FIELD_CREATE_ONLY, fields_wrangler_ssh),
	F_OBJECTS("authorized_keys", FIELD_CREATE_ONLY, fields_user_key),
	F_OBJECTS("trusted_user_ca_keys", FIELD_CREATE_ONLY | FIELD_WRITE_ONLY, fields_user_key),
	F_STRINGS("ssh_public_key_ids", FIELD_KEY_IDS | FIELD_SET),
	F_OBJECTS("secrets", FIELD_SET, fields_secret_map),
	F_OBJECTS("environment_variables", FIELD_SET, fields_pair),
	F_OBJECTS("labels", FIELD_SET, fields_pair),
	F_OBJECT("current_placement", FIELD_STATUS, fields_placement),
	F_STRING("placements_ref", FIELD_STATUS),
	F_INSTANCE_TYPE(0),
	F_NUMBER("vcpu", 0),
	F_OLD("memory", FIELD_STRING, 0, "memory_mib"),
	F_COUNT("memory_mib", 0),
	F_STRING("node_group", FIELD_STATUS),
	F_OBJECT("disk", 0, fields_disk),
	F_OBJECT("network", 0, fields_network_settable),
	F_OBJECT("network", FIELD_STATUS, fields_network_status),
	F_STRING("gpu_memory", FIELD_STATUS),
	F_INT("gpu_memory_mib", FIELD_STATUS),
	F_STRINGS("command", 0),
	F_STRINGS("entrypoint", 0),
	F_OBJECT("dns", 0, fields_dns),
	F_OBJECTS("ports", FIELD_CREATE_ONLY | FIELD_WRITE_ONLY, fields_port),
	F_OBJECTS("checks", 0, fields_check),
	F_OBJECT("provisioner", FIELD_CREATE_ONLY | FIELD_WRITE_ONLY, fields_provisioner),
	F_OBJECT("state", FIELD_STATUS, fields_state),
	F_OBJECT("observability", 0, fields_observability),
	F_STRINGS("experimental_flags", FIELD_CREATE_ONLY | FIELD_WRITE_ONLY),
	F_END,
};

static const struct field fields_instance_status[] = {
	F_STRING("state", 0),
	F_STRING("updated_at", 0),
	F_INT("exit_code", 0),
	F_END,
};

static const struct field fields_instance_configuration[] = {
	F_NUMBER("vcpu", 0),
	F_INT("memory", 0),
	F_INT("disk", 0),
	F_END,
};

static const struct field fields_instance_location[] = {
	F_STRING("name", 0),
	F_STRING("region", 0),
	F_END,
};

const struct field fields_instance[] = {
	F_STRING("id", FIELD_STATUS),
	F_STRING("application_id", FIELD_STATUS),
	F_STRING("image", FIELD_STATUS),
	F_STRING("name", FIELD_STATUS),
	F_OBJECT("status", FIELD_STATUS, fields_instance_status),
	F_OBJECT("configuration", FIELD_STATUS, fields_instance_configuration),
	F_OBJECT("location", FIELD_STATUS, fields_instance_location),
	F_STRING("started_at", FIELD_STATUS),
	F_END,
};
