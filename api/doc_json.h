/* JSON values: reading them safely, building them, numbers by their decimal value, writing them out. */
#pragma once

#include <json-c/json.h>

#include "api/base/buf.h"

static inline void json_putp(struct json_object **o)
{
	json_object_put(*o);
}
#define cleanup_json_ cleanup_(json_putp)

/* The member of an object, or NULL where object is none, lacks it, or has null there. */
struct json_object *doc_member(struct json_object *object, const char *key);
/* Whether the object has the key, with null too. */
bool doc_has(struct json_object *object, const char *key);
/* Adds v, whose reference is taken in any case. 0, or -ENOMEM (v NULL too). */
int doc_set(struct json_object *object, const char *key, struct json_object *v);
int doc_set_null(struct json_object *object, const char *key);
int doc_append(struct json_object *array, struct json_object *v);
int doc_copy(struct json_object *v, struct json_object **ret);
/* NULL, [] or {}. */
bool doc_is_empty(struct json_object *v);
bool doc_is_number(struct json_object *v);

#define NUMBER_TEXT_SIZE 48
/*
 * A number's decimal value as canonical text: integers as integers, doubles by the shortest text that reads back as
 * the same, "1" for 1.0, "0" for -0. What no double holds (more than 17 digits, 1e400) keeps its own text. Returns text,
 * or what lives in v.
 */
const char *doc_number_text(struct json_object *v, char text[NUMBER_TEXT_SIZE]);
/* Whether the number is whole and fits an int64_t. */
bool doc_whole(struct json_object *v, int64_t *ret);

/* Two spaces of indent per level; compact: one line. No newline at the end. 0, -ENOMEM, -EFBIG. */
int doc_write(struct json_object *v, bool compact, struct buf *out);
