/* Leases: those that a member keeps, and what it claims with one. */
#include <errno.h>

#include <utlist.h>

#include "cache/fleet_private.h"

/* Between two looks whether another member's is over: doubled from the first to the second. */
#define LOOK_MIN_MS 2
#define LOOK_MAX_MS 50

void fleet_renew_locked(struct fleet *fleet)
{
	const struct lease *lease;

	fleet_assert_locked(fleet);
	DL_FOREACH(fleet->leases, lease)
		share_renew(fleet->share, lease->name, FLEET_LEASE_MS);
	fleet->renew_ms = clock_after_ms(FLEET_LEASE_MS / 3);
}

void fleet_keep(struct fleet *fleet, const char *name)
{
	size_t n = strlen(name) + 1;
	struct lease *lease = calloc(1, sizeof(*lease) + n);

	/* Not renewed, it ends by itself. */
	if (!lease)
		return;
	memcpy(lease->name, name, n);
	scope_lock(fleet, fleet);
	if (!fleet->leases)
		fleet->renew_ms = clock_after_ms(FLEET_LEASE_MS / 3);
	DL_APPEND(fleet->leases, lease);
	pthread_cond_signal(&fleet->more);
}

void fleet_release(struct fleet *fleet, const char *name)
{
	struct lease *lease;

	fleet_lock(fleet);
	DL_FOREACH(fleet->leases, lease) {
		if (!strcmp(lease->name, name))
			break;
	}
	if (lease)
		DL_DELETE(fleet->leases, lease);
	fleet_unlock(fleet);
	free(lease);
	share_unlease(fleet->share, name);
}

/* ---- claims ---- */

static int take_lease(struct fleet *fleet, const char *name, int64_t deadline_ms, struct waiter *waiter)
{
	int64_t until = clock_after_ms(FLEET_CLAIM_MS), pause_ms = LOOK_MIN_MS, left_ms;
	int r;

	while ((r = share_lease(fleet->share, name, FLEET_LEASE_MS, &left_ms, waiter)) == -EBUSY) {
		if (!clock_left_ms(deadline_ms))
			return -ETIMEDOUT;
		if (!clock_left_ms(until))
			return -EAGAIN;
		r = waiter_pause(waiter, clock_after_ms(pause_ms), false);
		if (r < 0)
			return r;
		pause_ms = pause_ms * 2 < LOOK_MAX_MS ? pause_ms * 2 : LOOK_MAX_MS;
	}
	return r;
}

int fleet_claim(struct fleet *fleet, const char *name, int64_t deadline_ms, struct waiter *waiter)
{
	int r = take_lease(fleet, name, deadline_ms, waiter);

	if (r < 0)
		return r == -EINTR || r == -ETIMEDOUT ? r : -EAGAIN;
	fleet_keep(fleet, name);
	/* Not heard in time: the account's own answer must do. */
	fleet_hear_all(fleet, name);
	return 0;
}
