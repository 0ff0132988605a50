/*
 * Names that several resources of a list have. A deleted resource may still be listed for some seconds, and answered for a few, while
 * another one of its name is made: then the living one must have the name, and nobody may delete or change it under the name of a
 * twin. So of resources of one name the youngest has it, once a GET has shown that it is there, and the others are left out, for
 * as long as they may be such remains (CONTESTED_YOUNG_MS from the youngest one's creation). What is listed then is there:
 * the oldest has the name, and where this mount made one of them somebody was faster, or as fast: that is on record once.
 * What this mount made and removed it knows (fs/core/lately.h).
 */
#pragma once

#include "fs/show/listing.h"

#define CONTESTED_YOUNG_MS 30000
/* Whether it was made within that time. Where the clocks of the two ends are too far apart, an age says nothing: false. */
bool contested_is_young(const struct snapshot *s);
/* Of one list. */
#define CONTESTED_ASKS_MAX 32

/*
 * Takes out of the listing what may be gone, where its kind is one that lingers (KIND_LINGERS). Asks by GETs, at most
 * CONTESTED_ASKS_MAX, and none about names that were contested for long. Until deadline_ms; what cannot be asked counts as living. 0 or
 * -ENOMEM. Holds no lock while it asks.
 */
int contested_resolve(struct listing *l, int64_t deadline_ms);
