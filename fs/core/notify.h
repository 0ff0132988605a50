/*
 * Telling the kernel what changed. One thread with an empty hand: it holds no lock while it calls into libfuse, which may
 * block for as long as a change in the directory lasts; nobody ever waits for it. The queue is bounded and folds equal
 * notices; past NOTIFY_MAX the oldest go (the kernel's timeouts then bound how long it believes the old).
 */
#pragma once

#include <fuse_lowlevel.h>

#include "api/base/cleanup.h"

#define NOTIFY_MAX 65536

struct notifier;

/* A directory whose lock the kernel holds: a notice of a name in it would wait there, and every other one behind it. */
struct notify_hold {
	struct notify_hold *prev, *next; /* of the notifier */
	fuse_ino_t dir;                  /* 0: not held */
};

/* Not started yet: notices are queued. */
struct notifier *notifier_new(void);
/* Before it starts: names are told of by epochs, in which the kernel never waits, where it has them. They make it ask for all
   names again, so they are for mounts whose connection nobody could abort. */
void notifier_use_epochs(struct notifier *n);
int notifier_start(struct notifier *n, struct fuse_session *session);
/* Drops what is queued and ends the thread. Call before the session is destroyed. */
void notifier_stop(struct notifier *n);
struct notifier *notifier_free(struct notifier *n);

/* Until notify_release, notices of names in the directory wait in the queue. The hold is the caller's memory. */
void notify_hold(struct notifier *n, struct notify_hold *hold, fuse_ino_t dir);
/* Nothing where it is not held. */
void notify_release(struct notifier *n, struct notify_hold *hold);
/* Whether what is told of names in the directory waits now. */
bool notify_is_held(struct notifier *n, fuse_ino_t dir);

/* The name in the directory may lead elsewhere now. */
void notify_entry(struct notifier *n, fuse_ino_t dir, const char *name);
/* Attributes of the node changed; with pages, its cached pages (of a directory: its cached listing) too. */
void notify_inode(struct notifier *n, fuse_ino_t node, bool pages);
