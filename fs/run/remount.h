/* mount -o remount: the kernel is told by one process, and the one that serves sees it in the table of mounts. */
#pragma once

#include <sys/types.h>

#include "api/base/err.h"

struct mount;
struct remounts;

/* Makes the mount of ours on the path read-only, or not; nothing else can be changed. 0, or -errno with a sentence. */
int remount(const char *path, bool ro, struct err *err);

/* A thread that keeps mount->read_only what the kernel has for this device. 0 or -errno. Both are borrowed until it is freed. */
int remounts_start(struct mount *mount, dev_t device, struct remounts **ret);
/* NULL is fine. */
struct remounts *remounts_free(struct remounts *w);
