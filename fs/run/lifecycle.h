/* What main does with a mount, in this order; see mount.c. */
#pragma once

#include "fs/core/mount.h"

/* Opens the state file, makes the store, the pools, the tree. After the last fork. 0 or -errno with text. client is taken over. */
int mount_new(const struct options *options, struct client *client, const char *base_url, struct mount **ret, struct err *err);
/* The session is mounted: starts the notifier and the timers. */
int mount_start(struct mount *mount, struct fuse_session *session);
/* Sends what is pending (deletes in their grace) and waits for the answers, until the deadline. What could not be sent is named path
   by path in the log; then -errno. The session still exists. */
int mount_drain(struct mount *mount, int64_t deadline_ms);
/* SIGHUP: reads the token again, drops the cache and tells the kernel. Called from a thread, not a signal handler. */
void mount_reload(struct mount *mount);
struct mount *mount_free(struct mount *mount);
