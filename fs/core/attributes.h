/*
 * Times, mode and owner that a tool set, or that something was made with: those that nobody set are ATTRIBUTE_NONE. They belong to a
 * content, and go with it: from a scratch file to what its rename sends, from a draft to what is kept of the resource.
 */
#pragma once

#include <fuse_lowlevel.h>

#include "api/base/cleanup.h"

struct mount;
struct entry;

/* Not -1: that is a moment of 1969. */
#define ATTRIBUTE_NONE INT64_MIN

struct attributes {
	int64_t mtime_ns, atime_ns;
	int64_t mode; /* permission bits, 07777 */
	int64_t uid, gid;
};

#define ATTRIBUTES_NONE                                                                                                          \
	((struct attributes){ .mtime_ns = ATTRIBUTE_NONE,                                                                        \
			      .atime_ns = ATTRIBUTE_NONE,                                                                        \
			      .mode = ATTRIBUTE_NONE,                                                                            \
			      .uid = ATTRIBUTE_NONE,                                                                             \
			      .gid = ATTRIBUTE_NONE })

bool attributes_is_none(const struct attributes *a);
/* Those that are set in over are set in to. */
void attributes_merge(struct attributes *to, const struct attributes *over);
/* Those that are set show. The time of access is that of change where only the latter is set. */
void attributes_apply(const struct attributes *a, struct stat *st);
/* What a SETATTR of the kernel sets: to_set has FUSE_SET_ATTR_ bits. */
struct attributes attributes_of(int to_set, const struct stat *st, int64_t now_ns);

/* Takes the tree's lock: moves what tools set on the entry to what is kept of the resource, for these bytes. */
void attributes_keep(struct mount *mount, struct entry *entry, const char *kept_key, const char *data, size_t len);
