/* Times, mode and owner that tools set. */
#pragma once

#include "fs/core/mount.h"

/* Takes the tree's lock: moves what tools set on the entry to what is kept of the resource, for these bytes. */
void attributes_keep(struct mount *mount, struct entry *entry, const char *kept_key, const char *data, size_t len);
