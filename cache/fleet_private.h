/* The inside of the fleet: what its thread, its leases and its budget have in common. */
#pragma once

#include <pthread.h>

#include "api/base/lock.h"
#include "cache/fleet.h"
#include "cache/hash.h"

struct heard;

/* A name of which messages of this member have not come back from the server. */
struct underway {
	UT_hash_handle hh; /* in the order of their first message */
	unsigned count;
	enum fleet_topic topic; /* with the name: the key */
	char name[];
};

/* One that this member has. */
struct lease {
	struct lease *prev, *next;
	char name[];
};

DECLARE_LOCK(fleet);

struct fleet {
	/* Fixed after fleet_start: */
	struct share *share; /* owned */
	struct fleet_ear ears[FLEET_TOPICS];
	struct share_bucket reads, writes;
	bool has_thread;
	pthread_t thread;

	struct lock lock;
	pthread_cond_t more, told;
	struct heard *queue GUARDED_BY(fleet_locked), **queue_tail GUARDED_BY(fleet_locked); /* owned */
	size_t queue_count GUARDED_BY(fleet_locked), queue_bytes GUARDED_BY(fleet_locked);
	struct underway *underway GUARDED_BY(fleet_locked); /* owned */
	struct lease *leases GUARDED_BY(fleet_locked);      /* owned */
	int64_t renew_ms GUARDED_BY(fleet_locked);          /* when they are renewed next */
	bool stopping GUARDED_BY(fleet_locked);
	bool caught_up GUARDED_BY(fleet_locked); /* the ears were told that it is there */
	struct fleet_stats stats GUARDED_BY(fleet_locked);
};
DEFINE_LOCK(fleet, struct fleet, lock)

/* ---- fleet.c ---- */

/* Waits until the ears have been told all that the others told before, for SHARE_WAIT_MS at most: messages come to all in one order,
   so that is so when an own one, of that name, has come back. */
void fleet_hear_all(struct fleet *fleet, const char *name);

/* ---- fleet_lease.c ---- */

/* All that this member has; the share waits for nothing in this. */
void fleet_renew_locked(struct fleet *fleet) REQUIRES(fleet_locked);
