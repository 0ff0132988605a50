/*
 * Who goes through the tree. A process that listed a directory goes on with the names that it got, or that it has from another tree (a
 * sync); which of them the service does not offer may come to light only then, and its walk must not fail of it: to this process such
 * a directory is empty, to all others it is not there. So it is remembered who listed what. Thread-safe.
 */
#pragma once

#include "api/base/cleanup.h"

struct walkers;

/* Listings that are remembered; the oldest are forgotten. */
#define WALKERS_MAX 128

struct walkers *walkers_new(void);
struct walkers *walkers_free(struct walkers *walkers);

/* The thread (0: not known) listed the directory; names is a set of its kinds (bits), those that are not known to be offered. What the same
   listing said before is forgotten. dir: what tells it from others. */
void walkers_listed(struct walkers *walkers, pid_t thread, const char *dir, uint64_t names);
/* Whether it got the name there. */
bool walkers_has(struct walkers *walkers, pid_t thread, const char *dir, unsigned name);
