/*
 * Names that this mount alone gives away within its fleet, while it does: of two members that make something of one name at once, or
 * rename to it, the second one decides when it knows what the first one did.
 */
#pragma once

#include "fs/send/send.h"

struct fleet;
struct claim {
	struct fleet *fleet; /* of the lease; NULL: it has none */
	char *lease;         /* owned; NULL: no name was claimed yet */
};

/* For a change that gives a name away; waits for another member that does. 1: from now on it has the name, and what the change rests
   on may be old; 0: nothing to wait for, or it has it; -errno with text in r->err. */
int claim_name(struct request *r, const struct change *change, struct claim *claim);
void claim_clear(struct claim *claim);
#define cleanup_claim_ cleanup_(claim_clear)
