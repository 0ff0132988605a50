/* The names right below a directory, of a set of paths that is no tree: once each. */
#pragma once

#include "api/base/cleanup.h"

struct below {
	struct below_name *names; /* owned */
	size_t count, room;
};

/* Adds the name of the path that is right below dir ("" or "/applications"), where it is below it. 0 or -ENOMEM. */
int below_add(struct below *below, const char *path, const char *dir);
/* Calls each() with the names; ends at its first non-zero result and returns it. */
int below_each(const struct below *below, int (*each)(void *arg, const char *name, bool is_dir), void *arg);
void below_clear(struct below *below);
#define cleanup_below_ cleanup_(below_clear)
