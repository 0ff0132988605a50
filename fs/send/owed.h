/*
 * Owed rollouts. In wrangler's way the account is changed first, and what runs follows by a rollout: who dies in between leaves
 * that owed. So it is noted before the change goes out, on the disk where there is one: the version that the account was at,
 * the mark of the rollout, by which a list shows whether it was sent after all, and the members of the change, by which an account
 * whose version does not rise shows that it arrived. A row of the state ("owed", by the kind's directory and the resource's id).
 */
#pragma once

#include "fs/send/gather.h"
#include "fs/send/send.h"

/* Before anything is sent. A worker's: it waits for the disk. */
void owed_begin(const struct line *line, const struct change *change);
/* After it; result is send_change's. The same. */
void owed_settle(struct mount *mount, const struct change *change, const struct outcome *outcome, int result);
/*
 * Fills g->owed, owed_noted and owed_from, by g's object, version and context. Where the note's rollout may have been sent, one
 * list of the rollouts tells; a failure of that is this one's, since a rollout is never sent again on a guess.
 */
int owed_gather(struct request *r, struct gathered *g);
