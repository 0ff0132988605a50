/* The field tables of the kinds, and how their rows are written. Private to api/kinds*.c. */
#pragma once

#include "api/kind.h"

/* Tables: a row to a line, and nothing moved about. */
/* clang-format off */

#define PORT_MAX 65535

#define F_STRING(name_, flags_) { .name = (name_), .type = FIELD_STRING, .flags = (flags_) }
#define F_WORD(name_, flags_, words_) { .name = (name_), .type = FIELD_STRING, .flags = (flags_), .words = (words_) }
#define F_INT(name_, flags_) { .name = (name_), .type = FIELD_INT, .flags = (flags_) }
/* A number that is not negative. */
#define F_COUNT(name_, flags_) { .name = (name_), .type = FIELD_INT, .flags = (flags_), .max = FIELD_UNBOUNDED }
#define F_NUMBER(name_, flags_) { .name = (name_), .type = FIELD_NUMBER, .flags = (flags_), .max = FIELD_UNBOUNDED }
#define F_BOOL(name_, flags_) { .name = (name_), .type = FIELD_BOOL, .flags = (flags_) }
#define F_FALSE(name_, flags_) { .name = (name_), .type = FIELD_BOOL, .flags = (flags_), .default_json = "false" }
#define F_OBJECT(name_, flags_, fields_) \
	{ .name = (name_), .type = FIELD_OBJECT, .flags = (flags_), .fields = (fields_) }
#define F_STRINGS(name_, flags_) \
	{ .name = (name_), .type = FIELD_ARRAY, .item = FIELD_STRING, .flags = (flags_) }
#define F_OBJECTS(name_, flags_, fields_) \
	{ .name = (name_), .type = FIELD_ARRAY, .item = FIELD_OBJECT, .flags = (flags_), .fields = (fields_) }
#define F_OLD(name_, type_, flags_, modern_) \
	{ .name = (name_), .type = (type_), .flags = FIELD_DEPRECATED | (flags_), .modern = (modern_) }
#define F_END { .name = NULL }

/* An instance type stands for the numbers; so it excludes them. */
#define F_INSTANCE_TYPE(flags_)                                                                               \
	{ .name = "instance_type", .type = FIELD_STRING, .flags = (flags_), .words = words_instance_type,    \
	  .exclusive_with = "vcpu vcpus memory memory_mib disk" }

extern const char *const words_instance_type[];

extern const struct field fields_configuration[], fields_observability[], fields_observability_target[];
extern const struct field fields_wrangler_ssh[], fields_user_key[];
extern const struct field fields_pair[], fields_secret_map[], fields_disk[], fields_dns[], fields_check[];
extern const struct field fields_port[], fields_provisioner[], fields_event[], fields_health[];
extern const char *const words_network_mode[], *const words_assign[], *const words_secret_type[];

extern const struct field fields_application[], fields_application_versions[], fields_application_queue[];
extern const struct field fields_job[], fields_rollout[];
extern const struct field fields_deployment[], fields_placement[], fields_instance[];
extern const struct field fields_secret[], fields_ssh_key[], fields_registry[], fields_registry_protocol[];
extern const struct field fields_registry_token[], fields_ip[];
extern const struct field fields_limits[], fields_locations[], fields_usage[], fields_defaults[];

extern const struct kind_hooks hooks_application, hooks_deployment, hooks_job, hooks_rollout, hooks_registry;
