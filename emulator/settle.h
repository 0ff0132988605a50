/*
 * What time does by itself. Placements and jobs are functions of their times and need no help; deletions
 * that become final and rollouts that take their next step are applied here, each at the time when it was
 * due, whenever the state is looked at.
 */
#pragma once

#include "emulator/emulator.h"

/* Applies all that is due at now. Takes a transaction of its own; must not run inside one. Needs the lock. */
void settle(struct emulator *em, int64_t now) REQUIRES(emulator_locked);
/* The next settle has to look again: something was given a due time. Needs the lock. */
void settle_soon(int64_t due);
