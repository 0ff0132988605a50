/* Tokens, and what they may. */
#pragma once

#include "emulator/call.h"
#include "emulator/exchange.h"

/*
 * Whether the credentials of the exchange are good, and have the permissions. 0, or a failure in c. With what they may is
 * in c->permits.
 */
int auth_check(struct call *c, const struct exchange *ex, unsigned needed);
