/* /.cfcfs/: files of the mount itself. A row is a file. */
#pragma once

#include "api/base/buf.h"
#include "fs/core/request.h"

/* A file that only grows: all that was ever written to it is one text, of which the end is kept. An open of it begins at what is kept
   then, and reads on from there. */
struct control_log {
	uint64_t (*first)(struct mount *mount); /* offset of what is kept */
	uint64_t (*end)(struct mount *mount);
	/* Copies what lies at the offset, less at the end; something harmless for what is kept no longer. */
	size_t (*read)(struct mount *mount, uint64_t at, char *out, size_t size);
	/* Somebody opened it to be read, or closed it again: once each for each open. NULL: nothing to do. */
	void (*opened)(struct mount *mount);
	void (*closed)(struct mount *mount);
};

struct control {
	const char *name; /* "metrics" */
	unsigned mode;
	/* The whole content now; NULL: nothing to read. Never waits for the network. */
	int (*read)(struct mount *mount, struct buf *out);
	/* What one write (or all until the first flush) said. -EINVAL with text. NULL: read-only. */
	int (*write)(struct mount *mount, const char *text, size_t len, struct err *err);
	const struct control_log *log; /* NULL: none */
	/* In the place of read, for what is made of the account: may wait for the network, as a handler may (fs/core/request.h). */
	int (*make)(struct request *r, struct buf *out);
	/* Beside make: it is made for an open alone, and this is what stat has: the size of the last one. */
	size_t (*size)(struct mount *mount);
	/* An order, in the place of write: a worker's, which answers when it is done. */
	int (*order)(struct request *r, const char *text, size_t len);
};

/* Adds the rows of those who stand above, whose table ends with a NULL name. At the start, before anything else runs. */
void control_add(const struct control *rows);
/* Calls each() for every row of /.cfcfs itself; ends at its first non-zero result and returns it. */
int control_each(int (*each)(void *arg, const struct control *row), void *arg);

/* Ends with a NULL name. schemas/ and those of control_tree.h are directories and no rows. */
extern const struct control control_rows[];
const struct control *control_find(const char *name);
/* The files of schemas/: one for each kind of document that somebody writes. */
extern const struct control control_schemas[];
const struct control *control_find_schema(const char *name);
#define CONTROL_DIR     ".cfcfs"
#define CONTROL_SCHEMAS "schemas"
