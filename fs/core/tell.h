/* The kernel is told which of its names may lead elsewhere now. */
#pragma once

#include "fs/core/mount.h"
#include "fs/core/tree.h"

/* With the tree's lock: the directory of this resource's file comes, or went. */
void tell_dir_locked(struct mount *mount, const struct entry *file) REQUIRES(tree_locked);
/* With the tree's lock: this resource's directory, and so its file, is another's now. */
void tell_file_locked(struct mount *mount, const struct entry *dir) REQUIRES(tree_locked);
/* Takes the tree's lock: every name that the kernel may still believe. */
void tell_all(struct mount *mount);
