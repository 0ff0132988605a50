/*
 * The keeper: a second process that outlives the one that serves, so that its death leaves nothing stuck.
 *
 * A server that is killed while a thread of it is inside the kernel (telling it of a name whose directory somebody is
 * changing) does not end: the thread waits for a lock whose holder waits for the server's answer, and as long as it does, the
 * device stays open and the connection alive. Only the connection's abort file in fusectl ends that
 * (Documentation/filesystems/fuse.rst, "Aborting a filesystem connection"), and only a process that does not hold the device
 * is sure to live to write it. So the keeper is forked by the first thread before any other is started and before privileges
 * are given up; it mounts, hands the device over and forgets it; it is woken by the death of that thread (PR_SET_PDEATHSIG)
 * and then aborts the connection and unmounts. While the server lives, it unmounts for it.
 */
#pragma once

#include <sys/types.h>

#include "api/base/err.h"
#include "fs/core/options.h"

struct keeper;

/* Forks it. Before any thread is started; options are borrowed by both processes; argv is what ps shows, which the keeper
   overwrites in its own memory. 0 or -errno. */
int keeper_start(const struct options *options, int argc, char **argv, struct keeper **ret);

struct keeper_mount {
	int fd;         /* owned by the caller: the device */
	dev_t device;   /* the mount's, or 0 where it was not found */
	bool can_abort; /* the connection's abort file is open: death leaves nothing stuck */
};
/* Mounts, as the options say. 0, or -errno with text. */
int keeper_mount(struct keeper *keeper, struct keeper_mount *ret, struct err *err);
/* Takes the mount off its directory (lazily), once: whatever stands there afterwards is another's. 0 or -errno. Thread-safe. */
int keeper_detach(struct keeper *keeper);
/* The kernel said that the mount is gone: it is not looked for any more. Thread-safe. */
void keeper_gone(struct keeper *keeper);
/* Lets it end, and waits for that. NULL is fine. */
struct keeper *keeper_free(struct keeper *keeper);

/* How long an order may take: fusermount3 is started for some. */
#define KEEPER_ORDER_MS 10000
