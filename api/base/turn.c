#include "api/base/turn.h"

#include <errno.h>
#include <utlist.h>

struct turn_place {
	struct turn_place *prev, *next;
	struct waiter *waiter; /* borrowed */
	bool given;            /* out of the queue, and the turn is its owner's */
};

void turn_init(struct turn *turn) NO_THREAD_SAFETY_ANALYSIS /* nobody else knows it yet */
{
	*turn = (struct turn){ 0 };
	lock_init(&turn->lock);
}

void turn_destroy(struct turn *turn) NO_THREAD_SAFETY_ANALYSIS /* nobody else knows it any more */
{
	(void)invariant(!turn->taken && !turn->queue);
	lock_destroy(&turn->lock);
}

bool turn_try(struct turn *turn)
{
	scope_lock(turn, turn);
	if (turn->taken)
		return false;
	turn->taken = true;
	return true;
}

/* False: the turn is the caller's already. */
static bool join(struct turn *turn, struct turn_place *place)
{
	scope_lock(turn, turn);
	if (!turn->taken) {
		turn->taken = true;
		return false;
	}
	DL_APPEND(turn->queue, place);
	return true;
}

/* Whether the turn came; else the place is left when leave says so. */
static bool came(struct turn *turn, struct turn_place *place, bool leave)
{
	scope_lock(turn, turn);
	if (!place->given && leave)
		DL_DELETE(turn->queue, place);
	return place->given;
}

int turn_take(struct turn *turn, struct waiter *waiter, int64_t deadline_ms)
{
	struct turn_place place = { .waiter = waiter };
	struct waiter own;
	int r = 0;

	if (turn_try(turn))
		return 0;
	if (!waiter) {
		r = waiter_init(&own);
		if (r < 0)
			return r;
		place.waiter = &own;
	}
	if (join(turn, &place)) {
		while (r == 0 && !came(turn, &place, false))
			r = waiter_wait(place.waiter, deadline_ms, false);
		/* Also where it came at the last moment; the wake that came with it must not end the waiter's next wait. */
		if (came(turn, &place, true)) {
			r = 0;
			(void)waiter_wait(place.waiter, 0, true);
		}
	}
	if (!waiter)
		waiter_destroy(&own);
	return r;
}

void turn_give(struct turn *turn)
{
	struct turn_place *first;

	scope_lock(turn, turn);
	(void)invariant(turn->taken);
	first = turn->queue;
	turn->taken = first;
	if (!first)
		return;
	DL_DELETE(turn->queue, first);
	first->given = true;
	waiter_wake(first->waiter);
}
