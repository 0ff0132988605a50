/* The account's facts that rendering and comparing need, gathered for one request: SSH keys, account defaults. */
#pragma once

#include "api/doc.h"
#include "fs/core/request.h"

struct context {
	struct doc_context doc;
	struct list *keys;            /* owned reference, or NULL */
	struct json_object *defaults; /* owned: doc.service_defaults */
	struct json_object *said;     /* owned: doc.written */
};

/*
 * What was said of the resource (id, or NULL) when this state last wrote it is always there. keys: the names of SSH keys are
 * needed. compare: the account's defaults and the remembered service's defaults of the resource too. May have to wait
 * (RUN_IN_WORKER in the first phase). context_clear in every case.
 */
int context_init(struct request *r, struct context *c, bool keys, bool compare, const struct kind *kind, const char *id);
void context_clear(struct context *c);
/* Remembers what the document says of the resource, for the next ones; doc NULL: nothing. */
void context_remember(struct mount *mount, const struct kind *kind, const char *id, struct json_object *doc);
/* A copy that holds references of its own. */
void context_copy(const struct context *from, struct context *ret);
#define cleanup_context_ cleanup_(context_clear)
/* Changes when the names of keys do; 0 without keys. */
uint64_t context_serial(const struct context *c);
