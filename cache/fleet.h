/*
 * One mount's place among those that share (cache/share.h): it hears what the others did, in the order of the server, which is
 * the same for all; tells them what it did; takes calls from the budget of all; and keeps the leases that it has. The store and
 * the state stand on it. What is told may get lost with a session: whoever comes back is told so, and asks anew.
 *
 * One thread of its own hands over what was heard, and may wait for the share; nothing here waits longer than that does
 * (SHARE_WAIT_MS). Thread-safe; no lock is held while an ear is told.
 */
#pragma once

#include "cache/pack.h"
#include "cache/share.h"

/* A member that died with a lease is waited for so long at most. */
#define FLEET_LEASE_MS 3000

struct fleet;

/* FLEET_CLAIMS is the fleet's own (fleet_claim): it has no ear. */
enum fleet_topic { FLEET_STORE, FLEET_STATE, FLEET_CLAIMS, FLEET_TOPICS };

/* Who is told; in the fleet's thread. */
struct fleet_ear {
	/* What another member did to something of that name. later: this member did something to it, too, and that comes after it in
	   the order of the server. */
	void (*told)(void *arg, const char *name, struct unpack *in, bool later);
	/* What this member did to it may not have been heard by the others. */
	void (*lost)(void *arg, const char *name);
	/* What others did may not have been heard. Also when the share is there for the first time. */
	void (*back)(void *arg);
	/* The server was emptied; nothing was missed. */
	void (*emptied)(void *arg);
	void *arg;
};

/* As share_open; told and told_arg are the fleet's. The thread starts with fleet_start; what comes before waits. */
int fleet_open(const struct share_options *options, struct fleet **ret, struct err *err);
/* Before fleet_start. */
void fleet_listen(struct fleet *fleet, enum fleet_topic topic, const struct fleet_ear *ear);
/* -EAGAIN without a thread. */
int fleet_start(struct fleet *fleet);
/* From now on no ear is told. */
void fleet_stop(struct fleet *fleet);
/* Nobody uses it any more. NULL is fine. Returns NULL. */
struct fleet *fleet_free(struct fleet *fleet);

/* As share_rekey. The ears are told that it is there, and of what this member told those whom it leaves. */
int fleet_rekey(struct fleet *fleet, const char *token);

/* Borrowed; never NULL. */
struct share *fleet_share(struct fleet *fleet);
/* Whether the server answers. */
bool fleet_is_ready(struct fleet *fleet);
/* Waits until the ears have been told that it is there, for ms at most; whether they were. */
bool fleet_wait_heard(struct fleet *fleet, int64_t ms);

/* For an ear that must try again: waits for ms, or until the fleet stops; whether it goes on. */
bool fleet_pause(struct fleet *fleet, int64_t ms);

/* Tells the others what was done to something of that name; waits for nothing. */
void fleet_tell(struct fleet *fleet, enum fleet_topic topic, const char *name, const struct buf *payload);
/* The same, with a row that is set in one step with it. */
void fleet_tell_row(struct fleet *fleet, const char *name, const struct buf *payload, const struct share_row *row);

/* A lease that this member has, from here to fleet_release, however long that takes. */
void fleet_keep(struct fleet *fleet, const char *lease);
/* Gives it back. */
void fleet_release(struct fleet *fleet, const char *lease);

/* So long at most one member waits for what another has claimed, however long that one takes. */
#define FLEET_CLAIM_MS 30000
/* For what one member alone should do at a time: waits for a lease, which is kept until fleet_release, and until the ears have been
   told what the others did before. 0; -EAGAIN: without it, as the share is away or too slow, or another has it still; -ETIMEDOUT,
   -EINTR. */
int fleet_claim(struct fleet *fleet, const char *name, int64_t deadline_ms, struct waiter *waiter);

/* ---- the budget of all ---- */

struct fleet_turn {
	unsigned part;     /* with 0: among how many this mount alone divides what all may do; 1: the share let it through */
	int64_t resume_ms; /* with -ETIMEDOUT: CLOCK_MONOTONIC when calls go on */
};

/* How much all members may send together. Before fleet_start. */
void fleet_set_budget(struct fleet *fleet, double rate, unsigned burst);
/* Waits for a call's turn. 0; -ETIMEDOUT: none before the deadline; -EINTR (waiter; NULL: no signal ends it). */
int fleet_take(struct fleet *fleet, bool write, int64_t deadline_ms, struct waiter *waiter, struct fleet_turn *ret);
/* Nobody's turn comes for so long. */
void fleet_block(struct fleet *fleet, int64_t ms);

struct fleet_stats {
	struct share_stats share;
	uint64_t told, heard;  /* messages to and from others */
	bool caught_up;        /* what the others knew is known here */
	uint64_t waits, alone; /* turns of the budget that were waited for; that were taken without the share */
};
void fleet_stats(struct fleet *fleet, struct fleet_stats *ret);
