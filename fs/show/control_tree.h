/* Directories of /.cfcfs/ that hold documents under the paths that they were written for. A row is such a directory. */
#pragma once

#include "api/base/buf.h"
#include "fs/core/mount.h"

struct control_tree {
	const char *name; /* "rejected" */
	/* path: "/applications/web.json". -ENOENT. ret_time_ns: wall clock. Never wait for the network. */
	int (*get)(struct mount *mount, const char *path, struct buf *ret, int64_t *ret_time_ns);
	/* The names right below dir ("" or "/applications"), once each; ends at the first non-zero result. */
	int (*each)(struct mount *mount, const char *dir, int (*each)(void *arg, const char *name, bool is_dir), void *arg);
};

/* rejected, deleted; ends with a NULL name. */
extern const struct control_tree control_trees[];
/* at: the tree's name, and behind it the path ("rejected/applications/web.json"). NULL: of no tree. */
const struct control_tree *control_tree_of(const char *at);
/* -ENOENT where there is none. ret_time_ns may be NULL. */
int control_tree_get(struct mount *mount, const char *at, struct buf *ret, int64_t *ret_time_ns);
int control_tree_each(struct mount *mount, const char *at, int (*each)(void *arg, const char *name, bool is_dir), void *arg);
