/*
 * A text that only grows, of which the last lines are kept: by number and by bytes, the oldest go. Offsets count all that was ever
 * written, so that who reads on stays where he was. Long lines are packed (LZ4). Not thread-safe: under its owner's lock.
 */
#pragma once

#include "api/base/buf.h"

struct textlog_line {
	uint64_t at; /* offset of its first byte */
	size_t len;
	size_t packed; /* bytes of data; len where it is not packed */
	char *data;    /* owned */
};

struct textlog {
	struct textlog_line *ring; /* owned; of room places, of which count are used, from first on */
	size_t room, first, count;
	uint64_t end;
	size_t count_max, bytes_max;
};

/* Without memory of its own until the first line. count_max 0: nothing is kept. */
void textlog_init(struct textlog *lines, size_t count_max, size_t bytes_max);
void textlog_clear(struct textlog *lines);
/* From now on. */
void textlog_limit(struct textlog *lines, size_t count_max);

/* text ends with a newline; one that is longer than all that is kept is left out. 0 or -ENOMEM. */
int textlog_add(struct textlog *lines, const char *text, size_t len);

/* Whether lines had to go, or the next one makes one go. */
bool textlog_is_full(const struct textlog *lines);
/* Offset of the oldest line that is kept, and of the end. */
uint64_t textlog_first(const struct textlog *lines);
uint64_t textlog_end(const struct textlog *lines);
/* Copies what lies at the offset: less at the end; newlines in place of what is kept no longer. */
size_t textlog_read(const struct textlog *lines, uint64_t at, char *out, size_t size);
/* Appends all lines, oldest first. */
int textlog_all(const struct textlog *lines, struct buf *out);
/* Calls each() with every line, oldest first; ends at its first non-zero result and returns it. */
int textlog_each(const struct textlog *lines, int (*each)(void *arg, const char *text, size_t len), void *arg);
