/* The directory that is mounted on, and what the kernel says is mounted there. */
#pragma once

#include <sys/types.h>

#include "api/base/err.h"

struct mounted {
	char type[64]; /* "fuse.cfcfs" */
	dev_t device;
};

/* What is mounted right on the path (absolute, resolved): the topmost. 1 and *ret, 0 for nothing, -errno. Sends no request
   to that filesystem. */
int mountpoint_find(const char *path, struct mounted *ret);

/*
 * Resolves *path in place to an absolute one and refuses, with a sentence, what cannot be mounted on: nothing there, no
 * directory, a FUSE filesystem, a dead one, a directory with something in it. 0 or -errno.
 */
int mountpoint_check(char **path, struct err *err);

/* Takes the mount of this device off the path, now or as soon as nobody uses it. A success where it is gone already. */
int mountpoint_detach(const char *path, dev_t device);
