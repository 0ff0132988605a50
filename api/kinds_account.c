/* What the account has beside its containers: secrets, keys, registries, addresses, limits: the fields. */
#include "api/kinds_fields.h"

/* Tables: a row to a line, and nothing moved about. */
/* clang-format off */

static const char *const words_registry_kind[] = { "ECR", "DockerHub", "GAR", NULL };

const struct field fields_secret[] = {
	F_STRING("name", FIELD_IDENTITY),
	F_STRING("value", FIELD_REQUIRED | FIELD_SECRET | FIELD_WRITE_ONLY),
	F_INT("version", FIELD_STATUS),
	F_STRING("created_at", FIELD_STATUS),
	F_STRING("updated_at", FIELD_STATUS),
	F_END,
};

const struct field fields_ssh_key[] = {
	F_STRING("id", FIELD_STATUS),
	F_STRING("name", FIELD_IDENTITY),
	F_STRING("public_key", FIELD_REQUIRED | FIELD_NONEMPTY),
	F_END,
};

/* A string is kept by the service in a store of its own; what it answers is always a reference. */
static const struct field fields_store_ref[] = {
	F_STRING("store_id", FIELD_REQUIRED | FIELD_NONEMPTY),
	F_STRING("secret_name", FIELD_REQUIRED | FIELD_NONEMPTY),
	F_END,
};

static const struct field fields_auth[] = {
	F_STRING("public_credential", FIELD_REQUIRED | FIELD_NONEMPTY | FIELD_FILLED),
	{ .name = "private_credential", .type = FIELD_ANY, .flags = FIELD_REQUIRED | FIELD_SECRET | FIELD_FILLED,
	  .fields = fields_store_ref },
	F_END,
};

const struct field fields_registry[] = {
	F_STRING("public_key", FIELD_HIDDEN),
	F_OBJECT("private_credential", FIELD_HIDDEN, fields_store_ref),
	F_STRING("domain", FIELD_IDENTITY),
	F_FALSE("is_public", FIELD_WRITE_ONLY),
	F_OBJECT("auth", FIELD_FILLED, fields_auth),
	F_WORD("kind", FIELD_FILLED, words_registry_kind),
	F_STRING("created_at", FIELD_STATUS),
	F_END,
};

const struct field fields_registry_token[] = {
	F_STRING("account_id", 0),
	F_STRING("registry_host", 0),
	F_STRING("username", 0),
	F_STRING("password", FIELD_SECRET),
	F_END,
};

static const struct field fields_proto_domain[] = {
	F_STRING("domain", FIELD_REQUIRED | FIELD_NONEMPTY),
	F_STRING("path", FIELD_REQUIRED),
	F_END,
};

const struct field fields_registry_protocol[] = {
	F_STRING("proto", FIELD_IDENTITY),
	F_OBJECTS("domains", FIELD_REQUIRED, fields_proto_domain),
	F_END,
};

static const struct field fields_ip_configuration[] = {
	F_STRING("deploymentId", 0),
	F_STRING("accountId", 0),
	F_END,
};

static const struct field fields_assignment[] = {
	F_STRING("placementID", 0),
	F_INT("expiration", 0),
	F_STRING("deploymentID", 0),
	F_END,
};

static const struct field fields_ip_ports[] = {
	F_INT("start", 0),
	F_INT("end", 0),
	F_OBJECT("allocation", 0, fields_assignment),
	F_END,
};

const struct field fields_ip[] = {
	F_OBJECT("configuration", FIELD_STATUS, fields_ip_configuration),
	F_OBJECT("allocation", FIELD_STATUS, fields_assignment),
	F_INT("subnetMask", FIELD_STATUS),
	F_STRING("ip", FIELD_STATUS),
	F_STRING("ipType", FIELD_STATUS),
	F_OBJECTS("portRanges", FIELD_STATUS, fields_ip_ports),
	F_END,
};

/* ---- the account ---- */

const struct field fields_limits[] = {
	F_STRING("account_id", 0),
	F_NUMBER("vcpu_per_deployment", 0),
	F_STRING("memory_per_deployment", 0),
	F_INT("memory_mib_per_deployment", 0),
	F_STRING("disk_per_deployment", 0),
	F_INT("disk_mb_per_deployment", 0),
	F_NUMBER("total_vcpu", 0),
	F_STRING("total_memory", 0),
	F_INT("total_memory_mib", 0),
	F_INT("total_disk_mb", 0),
	F_STRING("node_group", 0),
	F_STRINGS("network_modes", 0),
	F_INT("ipv4s", 0),
	F_INT("durable_object_offset_instances", 0),
	F_STRING("network_bandwidth_limit_mbps", 0),
	F_END,
};

static const struct field fields_location_limits[] = {
	F_NUMBER("vcpu_per_deployment", 0),
	F_STRING("memory_per_deployment", 0),
	F_INT("memory_mib_per_deployment", 0),
	F_NUMBER("total_vcpu", 0),
	F_STRING("total_memory", 0),
	F_INT("total_memory_mib", 0),
	F_END,
};

/* locations.json: an array of these. */
const struct field fields_locations[] = {
	F_STRING("name", 0),
	F_STRING("region", 0),
	F_STRING("location", 0),
	F_OBJECT("limits", 0, fields_location_limits),
	F_END,
};

static const struct field fields_used[] = {
	F_NUMBER("vcpus", 0),
	F_INT("memory_mib", 0),
	F_INT("disk_mb", 0),
	F_INT("instances", 0),
	F_END,
};

const struct field fields_usage[] = {
	F_OBJECT("usage", 0, fields_used),
	F_OBJECT("maximum", 0, fields_used),
	F_OBJECT("utilization", 0, NULL),
	F_END,
};

const struct field fields_defaults[] = {
	F_NUMBER("vcpus", 0),
	F_COUNT("memory_mib", 0),
	F_COUNT("disk_mb", 0),
	F_OLD("memory", FIELD_STRING, 0, "memory_mib"),
	F_END,
};
