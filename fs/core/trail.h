/*
 * Lines that only ever grow: all that was ever added is one text, of which the end is kept (a textlog with a lock). Offsets are of
 * that whole text, and stay what they were. Thread-safe; takes its own lock only.
 */
#pragma once

#include "api/base/buf.h"

struct trail;

/* Keeps so many lines (0: as many as fit) and bytes at most: past that the oldest go. NULL without memory. */
struct trail *trail_new(size_t lines_max, size_t bytes_max);
struct trail *trail_free(struct trail *trail);

/* Whole lines, which go together and count as one. 0; -ENOMEM, or -EFBIG for more than max: then nothing is added. */
int trail_add(struct trail *trail, const char *text, size_t len);
/* The offset of the oldest line that is kept, and the end. */
uint64_t trail_first(struct trail *trail);
uint64_t trail_end(struct trail *trail);
/* Copies what lies at the offset, less at the end; newlines in place of what is kept no longer. */
size_t trail_read(struct trail *trail, uint64_t at, char *out, size_t size);
/* Appends all that is kept. 0 or -ENOMEM. */
int trail_all(struct trail *trail, struct buf *out);
