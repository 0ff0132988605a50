/* A connection's abort file in the control file system of FUSE (Documentation/filesystems/fuse.rst). */
#pragma once

#include <sys/stat.h>

#include "api/base/cleanup.h"

struct fusectl {
	int fd; /* owned; -1: not open */
	ino_t ino;
};
#define FUSECTL_INIT ((struct fusectl){ .fd = -1 })

/* Opens the abort file of the mount with that device number: where fusectl is mounted (its files are the mounting user's), or
   else, for root, through a mount of its own that nobody sees. 0 or -errno. */
int fusectl_open(dev_t device, struct fusectl *ret);
bool fusectl_is_open(const struct fusectl *file);
/* Whether the connection of that device is still the one whose file is open: the kernel gives numbers out again. */
bool fusectl_is_same(dev_t device, const struct fusectl *file);
/* Ends the connection: whoever waits for an answer gets an error. Harmless where it ended already, or where none is open. */
void fusectl_abort(struct fusectl *file);
