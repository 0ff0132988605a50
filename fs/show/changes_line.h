/* One line of changes.jsonl: what makes two answers different. Pure. */
#pragma once

#include "api/base/buf.h"

struct json_object;

/* What the line is about; texts are borrowed. */
struct changed_thing {
	const char *kind, *path, *id;
};

/*
 * Appends the line, with its newline; nothing where only times of change differ. before NULL: it appeared; after NULL: it vanished;
 * both NULL: it changed, and nobody knows how. 0 or -errno.
 */
int changes_line(const struct changed_thing *thing, struct json_object *before, struct json_object *after, struct buf *out);
