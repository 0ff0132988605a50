/* JSON Schemas (draft 2020-12) of the documents, made from the table of kinds. */
#pragma once

#include "api/base/buf.h"
#include "api/kind.h"

/*
 * Appends the schema of a new resource's document: what doc_check takes, as far as a schema can say it (the identity, which must
 * be the file's name, and values that must be equal, it cannot). The same kind is the same bytes. 0, -ENOMEM; -ENOENT for a kind
 * whose file is no JSON document that somebody writes.
 */
int schema_write(const struct kind *kind, struct buf *out);
/* The same for a part of the account that can be written. */
int schema_write_part(const struct part *part, struct buf *out);
/* By the schema's name, "registry-protocol" or "defaults". -ENOENT where there is none. */
int schema_write_named(const char *name, struct buf *out);
/* The schema's name, as in its $id and its file ("registry-protocol"), by the kind's name or the part's. 0 or -ENOMEM; freed by the
   caller. */
int schema_name(const char *described, char **ret);
