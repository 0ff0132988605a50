/* The account's default sizes, read once for each content of the account's document. Thread-safe. */
#pragma once

#include "api/doc.h"
#include "cache/snapshot.h"

struct defaults;

struct defaults *defaults_new(void);
struct defaults *defaults_free(struct defaults *d);
/* Sets ret's defaults to those of the account's document. Left as they are where its body was dropped and never read, or
   without memory. Takes the store's lock: hold neither it nor the tree's. */
void defaults_read(struct defaults *d, struct snapshot *account, struct doc_context *ret);
