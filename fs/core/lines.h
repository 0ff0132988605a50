/*
 * A text that only grows, line by line, of which the end is kept: what is behind a control file such as apply.jsonl. Offsets are
 * those in all that was ever written. Thread-safe; takes its own lock only.
 */
#pragma once

#include "api/base/buf.h"

struct lines;

/* Bytes that are kept at least, where there were as many: twice as many at most. */
#define LINES_BYTES ((size_t)1 << 20)

struct lines *lines_new(void);
struct lines *lines_free(struct lines *lines);
/* Appends whole lines. 0, -ENOMEM. */
int lines_add(struct lines *lines, const char *text, size_t len);
uint64_t lines_first(struct lines *lines);
uint64_t lines_end(struct lines *lines);
/* Copies what lies at the offset, less at the end; newlines in place of what is kept no longer. */
size_t lines_read(struct lines *lines, uint64_t at, char *out, size_t size);
/* Appends all that is kept. */
int lines_copy(struct lines *lines, struct buf *out);
