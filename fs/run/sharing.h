/* The mount among those that share with it (option share). */
#pragma once

#include "fs/core/mount.h"

/* Where it is wanted: opens the share, and lets calls pass it. 0; -EACCES (share_secret_file) or -errno with text. */
int sharing_open(struct mount *mount, struct err *err);
/* Once the state and the store are there. Waits a moment for the server; it need not be there. */
int sharing_start(struct mount *mount, struct err *err);
/* Nothing that comes from others is heard any more. */
void sharing_stop(struct mount *mount);
