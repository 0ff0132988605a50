/*
 * Request bodies: what fields they have, and what may stand in them. Written from the contract's schemas,
 * in the contract's order, which is also the order in which documents are rendered.
 */
#pragma once

#include <json-c/json.h>

#include "emulator/out.h"

enum field_type { FT_STRING, FT_INT, FT_NUMBER, FT_BOOL, FT_OBJECT, FT_ANY };

enum {
	FF_REQUIRED = 1 << 0,
	FF_ARRAY = 1 << 1,    /* an array of what the type says */
	FF_NONEMPTY = 1 << 2, /* a string (or array) that may not be empty */
};

struct field {
	const char *name; /* NULL ends a table */
	enum field_type type;
	unsigned flags;
	const char *const *words; /* FT_STRING: the enum, NULL-terminated; or NULL */
	const struct field *sub;  /* FT_OBJECT: its fields; NULL: any */
	double min, max;          /* numbers, where max > min */
};

/* What is wrong with a body: {"field.path":"reason",…}. */
struct problems {
	struct out details;
	unsigned count; /* how many were found; the first PROBLEMS_MAX are kept */
};
#define PROBLEMS_INIT                                                                                                            \
	{                                                                                                                        \
		OUT_INIT, 0                                                                                                      \
	}
#define PROBLEMS_MAX 16

void problem_add(struct problems *p, const char *path, const char *fmt, ...) printf_like_(3, 4);
static inline void problems_free(struct problems *p)
{
	out_free(&p->details);
}
#define cleanup_problems_ cleanup_(problems_free)

enum {
	CHECK_PARTIAL = 1 << 0, /* a modification: nothing is required, null clears */
	CHECK_CLOSED = 1 << 1,  /* a field that the table does not name is a problem (at the top only) */
	CHECK_DEEP = 1 << 2,    /* closed inside of objects too */
};

/* Checks obj against the table and adds what it finds. path: "" at the top. */
void schema_check(const struct field *fields, struct json_object *obj, const char *path, unsigned how, struct problems *p);
/* Takes out every member that is null, at any depth of objects (arrays keep theirs). */
void schema_strip_null(struct json_object *obj);
/*
 * Lays a modification over a document, which is changed: a member replaces the old one, null takes it away.
 * merged: the member whose own members are laid over the old ones in the same way; NULL: none.
 */
void schema_patch(struct json_object *base, struct json_object *patch, const char *merged);
/* Adds each null, at any depth, as a problem. */
void schema_nulls(struct json_object *value, const char *path, struct problems *p);
/* Writes obj with the table's fields first, in their order, then the others as they come. */
void schema_render(struct out *o, const struct field *fields, struct json_object *obj);
/* One value, rendered by its field. */
void schema_render_value(struct out *o, const struct field *field, struct json_object *value);
const struct field *schema_field(const struct field *fields, const char *name);

/* Shorthands over json-c: NULL or the default where the member is missing, null, or of another type. */
struct json_object *json_member(struct json_object *obj, const char *key);
const char *json_str(struct json_object *obj, const char *key);
int64_t json_int(struct json_object *obj, const char *key, int64_t otherwise);
double json_num(struct json_object *obj, const char *key, double otherwise);
bool json_true(struct json_object *obj, const char *key);

DEFINE_CLEANUP(struct json_object *, json_object_put)
#define cleanup_json_ cleanup_(json_object_putp)

/* The bodies. */
extern const struct field fields_app_create[], fields_app_modify[], fields_do_create[];
extern const struct field fields_conf[], fields_conf_live[], fields_do_conf[];
extern const struct field fields_dep_create[], fields_dep_modify[];
extern const struct field fields_job_create[], fields_job_modify[];
extern const struct field fields_rollout_create[], fields_rollout_action[];
extern const struct field fields_secret_create[], fields_secret_modify[], fields_key_create[];
extern const struct field fields_registry_create[], fields_credentials[], fields_proto[];
extern const struct field fields_me_modify[], fields_replace[], fields_image_prep[];
extern const struct field fields_check_answer[];
