/*
 * What the server gives up before its first thread starts: capabilities, new privileges, and the system calls that serving
 * does not take. Mounting and unmounting are the keeper's (keeper.h), which is forked before.
 */
#pragma once

#include "api/base/err.h"

/* No core dumps, and no other process of the user may look into this one: tokens and secrets are in its memory. */
void harden_memory(void);
/* No capability, in no set; no program that is started may gain any. 0 or -errno. */
int harden_privileges(void);
/* A filter of system calls; what is not on the list fails with ENOSYS. 0 or -errno; -ENOSYS where the kernel has no filters.
   Does nothing in a sanitizer's build, whose runtime takes more. */
int harden_calls(void);
