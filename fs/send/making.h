/*
 * Creates whose outcome nobody heard: the mount died, or the account could not be asked. A second one would be made twice where lists
 * lag, so rows of the state ("making") remember them until it is known what they did. What is staged has marks of
 * its own.
 */
#pragma once

#include "fs/send/send.h"

/* Notes that the create is about to be sent. true: an earlier one of this name may have been made, and should be looked for first. */
bool making_begin(const struct line *line, const struct change *change);
/* It is known what became of it, or the resource of this name was changed or removed. */
void making_end(const struct line *line, const struct change *change);
