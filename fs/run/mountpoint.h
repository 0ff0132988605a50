/* The directory that is mounted on, and what the kernel says is mounted there. */
#pragma once

#include <sys/types.h>

#include "api/base/err.h"

struct mounted {
	char type[64]; /* "fuse.cfcfs" */
	dev_t device;
	unsigned long flags; /* of the mount, as mount(2) takes them: MS_NOSUID and such */
	bool ro;             /* the filesystem, whatever a bind mount of it is */
};

/* Where the kernel tells of mounts; poll(2) says POLLPRI once something of it has changed (proc(5)). */
#define MOUNTPOINT_TABLE "/proc/self/mountinfo"

/* What is mounted right on the path (absolute, resolved): the topmost. 1 and *ret, 0 for nothing, -errno. Sends no request
   to that filesystem. */
int mountpoint_find(const char *path, struct mounted *ret);

/* The mount with this device: 1 and *ret, 0 for none, -errno. */
int mountpoint_of_device(dev_t device, struct mounted *ret);

/*
 * Resolves *path in place to an absolute one and refuses, with a sentence, what cannot be mounted on: nothing there, no
 * directory, a FUSE filesystem, a dead one (unless replace_dead, and it is ours: then it is taken off), a directory with
 * something in it. A mount of ours that is ending is waited for, as long as it said that it takes. 0 or -errno.
 */
int mountpoint_check(char **path, bool replace_dead, struct err *err);

/* Takes the mount of this device off the path, now or as soon as nobody uses it. A success where it is gone already. */
int mountpoint_detach(const char *path, dev_t device);
