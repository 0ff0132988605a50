/* The files of a mount's /.cfcfs. */
#pragma once

#include <json-c/json.h>

#include "api/base/buf.h"
#include "api/base/err.h"

/* A whole file: 0 or -errno with text. */
int control_read(const char *mount, const char *name, struct buf *ret, struct err *err);
/* plan.json as a value; the caller puts it. NULL with text. */
struct json_object *control_plan(const char *mount, struct err *err);
/* How many changes it has, and each of them, borrowed. plan may be NULL: none. */
size_t control_changes(struct json_object *plan);
struct json_object *control_change(struct json_object *plan, size_t i);
/* Writes an order to apply: 0 or -errno. */
int control_order(const char *mount, const char *order);
/* The sentence of the last failure on the path ("applications/web.json"), in place; how errno says it where there is none. */
void control_reason(const char *mount, const char *path, int errnum, char *ret, size_t size);
/* The string member, or "". Borrowed. */
const char *control_string(struct json_object *object, const char *key);
int64_t control_number(struct json_object *object, const char *key);
