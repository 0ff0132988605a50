/* A create is held against every policy, and a refusal tells what each found. What is the document's own is told from the rest. */
#pragma once

#include "api/base/cleanup.h"

struct operation;

/* The policy of the document that a create of an application sent: "default" or "durable_object". NULL: it was none, or says
   another one. Static. */
const char *complaint_policy(const struct operation *operation, const char *body, size_t len);

/* Whether this complaint is not for the document's own policy. policy NULL: no. path: "configuration.image", or "". */
bool complaint_is_foreign(const char *policy, const char *path, const char *text);
