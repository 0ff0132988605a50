/* GraphQL, as far as the analytics need it: one query, with variables, aliases and arguments; no fragments. */
#pragma once

#include <json-c/json.h>

#include "api/base/cleanup.h"

/* A selected field with what is selected below it. */
struct gq_field {
	char *name, *alias;       /* owned; alias is the name where none was given */
	struct json_object *args; /* owned; an object, variables put in; names of enums are strings */
	struct gq_field *sub, *next;
};

/* The selections of the query. 0, or -EINVAL with a reason for a person in text. */
int graphql_parse(const char *query, struct json_object *variables, struct gq_field **ret, char *text, size_t size);
struct gq_field *graphql_free(struct gq_field *f);
