/* /.cfcfs/: files of the mount itself. A row is a file. */
#pragma once

#include "api/base/buf.h"
#include "fs/core/mount.h"

struct control {
	const char *name; /* "metrics" */
	unsigned mode;
	/* The whole content now; NULL: nothing to read. Never waits for the network. */
	int (*read)(struct mount *mount, struct buf *out);
	/* What one write (or all until the first flush) said. -EINVAL with text. NULL: read-only. */
	int (*write)(struct mount *mount, const char *text, size_t len, struct err *err);
};

/* version, errors.jsonl, metrics, offers.json, refresh; ends with a NULL name. rejected/ is a directory and no row. */
extern const struct control control_rows[];
const struct control *control_find(const char *name);
#define CONTROL_DIR      ".cfcfs"
#define CONTROL_REJECTED "rejected"
