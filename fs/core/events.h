/*
 * Published events: what events.jsonl showed only ever grows, even where the API's answers come in another order. Bounded,
 * least recently used out first. Thread-safe; takes its own lock only.
 */
#pragma once

#include "api/base/buf.h"
#include "cache/snapshot.h"

struct events_table;

#define EVENTS_FILES_MAX 512
#define EVENTS_BYTES_MAX ((size_t)4 << 20) /* of one file */

struct events_table *events_new(void);
struct events_table *events_free(struct events_table *t);
/* Forgets what was published under key: the next begins anew. */
void events_forget(struct events_table *t, const char *key);
/* Appends to what is published under key the lines that are new; *ret is the whole. -ENOMEM. */
int events_publish(struct events_table *t, const char *key, const struct buf *lines, struct body **ret);
