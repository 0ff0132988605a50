/* The values that have several spellings: images, sizes, references to SSH keys. Private to api/doc_*.c. */
#pragma once

#include "api/doc.h"
#include "api/doc_json.h"

/* ---- fields ---- */

/* Whether a user can set it: neither read-only, nor the identity, nor hidden. */
bool field_settable(const struct field *f);
/* The settable row of that name; NULL: none. */
const struct field *field_find_settable(const struct field *fields, const char *name);
/* The row for what the service says: a read-only one where there are two. */
const struct field *field_find(const struct field *fields, const char *name);

/* The document against a table; status_file: messages may point at status.json. -EINVAL with the path. */
int doc_check_fields(const struct field *fields, struct json_object *doc, const struct doc_context *ctx, bool creating,
		     bool status_file, struct err *err);

/* Takes "$schema" out of the document. -EINVAL where it is no string. */
int doc_take_schema(struct json_object *doc, struct err *err);

/* The API's object in the shape of the file: from_api applied, the name's label taken out. To read alone: it is the object
   itself where its kind needs neither. */
int doc_shape(const struct kind *kind, struct json_object *object, struct json_object **ret);

/* ---- images ---- */

/* The long form of an image reference, freed by the caller; NULL without memory. */
char *doc_image_long(const char *account_id, const char *image);
/* What the file shows: the account's own namespace without the account's id. */
char *doc_image_shown(const char *account_id, const char *image);

/* ---- sizes ---- */

/* Text such as "256MiB" or "1.5 GB" in MiB, and in MB; 0 or -EINVAL. */
int doc_size_parse_mib(const char *text, int64_t *ret_mib);
int doc_size_parse_mb(const char *text, int64_t *ret_mb);
/* The number that a deprecated field stands for, as the value of its modern one; NULL where it is none, or without memory. */
struct json_object *doc_size_modern(const struct field *old, struct json_object *v);
/* In place: deprecated twins give way to the modern ones, here and not below. */
int doc_modernise(const struct field *fields, struct json_object *object);

enum size_dimension { SIZE_VCPU, SIZE_MEMORY, SIZE_DISK, SIZE_DIMENSIONS };

struct doc_size {
	bool known[SIZE_DIMENSIONS];
	double value[SIZE_DIMENSIONS];
};

/* Whether the table is one of those whose size an instance type can stand for. */
bool doc_size_table(const struct field *fields);
/* Whether the field is part of a size: the type or one of the numbers, deprecated ones too. */
bool doc_size_field(const char *name);
/* The dimension's field, "vcpu". */
const char *doc_size_key(enum size_dimension d);
/* 0, or -ENOENT for a type that is not known. */
int doc_size_of_type(const char *type, struct doc_size *ret);
/* What the service takes where nothing is said and the account has no defaults of its own. */
#define SIZE_TYPE_DEFAULT "lite"
/* The type whose numbers these are; NULL: none. Static. */
const char *doc_size_type_name(const struct doc_size *size);
/* Whether two names mean one type ("dev" and "lite"). */
bool doc_size_same_type(const char *a, const char *b);
/* The numbers that stand in a (modernised) object itself. */
struct doc_size doc_size_explicit(struct json_object *object);
struct doc_size doc_size_defaults(const struct doc_context *ctx);

/* ---- references ---- */

#define KEY_REFERENCE_DIR "ssh-keys/"

/* The document with ids for the names of SSH keys, everywhere in it. -EINVAL with the path for an unknown one. To read alone: it
   is the document itself where it has no references. */
int doc_resolved(const struct field *fields, struct json_object *doc, const struct doc_context *ctx, struct json_object **ret,
		 struct err *err);
/* What the file shows for an array of ids; a new array, or NULL without memory. */
struct json_object *doc_key_references(struct json_object *ids, const struct doc_context *ctx);
