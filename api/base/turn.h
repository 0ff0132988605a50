/*
 * A turn: what one at a time may have while it waits for something slow, such as sending what was written into one file. It
 * takes a mutex's place wherever the one that has it may be on the network: a mutex is waited for without end and deaf to
 * signals, a turn has a queue, first come first served, and each wait in it ends by a deadline or a cancel.
 */
#pragma once

#include "api/base/waiter.h"

struct turn_place;

DECLARE_LOCK(turn);
struct turn {
	struct lock lock; /* for moments; it may be taken with any other lock held, and nothing is called under it */
	bool taken GUARDED_BY(turn_locked);
	struct turn_place *queue GUARDED_BY(turn_locked); /* each lives on the stack of the one that waits */
};
DEFINE_LOCK(turn, struct turn, lock)

void turn_init(struct turn *turn);
/* Nobody has it or waits for it. */
void turn_destroy(struct turn *turn);

/* Waits for it: 0, -EINTR (waiter_cancel), -ETIMEDOUT. A turn that is free is had at once, deadline and cancel or not. The waiter
   belongs to the calling thread; NULL: nothing but the deadline ends the wait. */
int turn_take(struct turn *turn, struct waiter *waiter, int64_t deadline_ms) must_check_;
/* Takes it where it is free. */
bool turn_try(struct turn *turn) must_check_;
/* Gives it to the one that waits longest. */
void turn_give(struct turn *turn);
