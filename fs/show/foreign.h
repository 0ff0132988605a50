/* What other members of the fleet did: the kernel is told which of its names and pages are old. In the fleet's thread. */
#pragma once

#include "fs/core/mount.h"

/* As struct store_options has them; arg is the mount. */
void foreign_change(void *arg, const struct store_foreign *foreign);
void foreign_arrival(void *arg, const void *row, const char *key, const struct store_value *value);
const char *foreign_variant(void *arg, const void *row, const char *key);
/* As struct state_ear has it; arg is the mount. */
void foreign_row(void *arg, const struct state_row *row);
