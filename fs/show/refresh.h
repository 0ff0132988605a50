/* Dropping what is cached, and telling the kernel so. Never waits for the network. */
#pragma once

#include "fs/core/mount.h"

void refresh_all(struct mount *mount);
/* What stands under a path of the tree ("/", "/applications", "/applications/web/status.json": checked, without a slash at its
   end). */
void refresh_path(struct mount *mount, const char *path);
