/*
 * The inside of the store. One lock guards all that is in it; nothing is called under it that could take it again:
 * whatever may hold the last reference to a snapshot goes into a struct leftovers, and away after the lock. Words: a cell is
 * what is known of one key, held the value in it, a flight a fetch for it, an overlay an own write over it.
 */
#pragma once

#include <stdatomic.h>

#include <utlist.h>

#include "api/base/lock.h"
#include "cache/hash.h"
#include "cache/fleet.h"
#include "cache/list_private.h"
#include "cache/store.h"

/* How often one reader begins anew because what it waited for was dropped. */
#define STORE_TRIES_MAX 8
/* How long a reader with a stale value at hand waits for a flight while the last one failed. */
#define STORE_AWAY_WAIT_MS 250
/* The same while nothing at all is answered, and one without any value after a whole deadline of that: a walk over many files pays for
   the API's silence once, and not at each of them. The flights go on, and the first answer ends it. */
#define STORE_SILENT_WAIT_MS         10
#define STORE_SILENT_NOTHING_WAIT_MS 500
/* Own writes that are laid over fetches, of all keys; past it the oldest is forgotten. */
#define STORE_OVERLAYS_MAX 4096
/* Keys that are known, with a value or without; past it the least recently used go. */
#define STORE_KEYS_MAX 262144
/* This part of the memory is for all else, where the list that stays takes more than all of it. */
#define STORE_ROOM_SHARE 8
/* Snapshots that are taken in while the lock is held once. */
#define STORE_ADOPT_BATCH 256
/* What the allocator adds to a block, roughly. */
#define MALLOC_OVERHEAD 16

/* A value with what is known of its making. */
struct held {
	struct store_value value; /* owned references */
	int64_t fetched_ms;
	int64_t landed_ms; /* when the answer was there */
	uint64_t start;    /* the tick at which its fetch began, or at which it was put */
	bool put;          /* an own write, not a fetch */
	bool shared;       /* another member's fetch */
	struct held *next; /* in the leftovers */
};

/* An own write. */
struct overlay {
	UT_hash_handle hh; /* of the cell's, by id; in the order of writes */
	struct cell *cell;
	struct snapshot *snapshot; /* owned reference; NULL: a removal */
	const char *id;            /* the snapshot's, or text */
	uint64_t tick;             /* of the write */
	int64_t made_ms, until_ms; /* the write; the end of its hold */
	bool floor;                /* no write, but a GET: it stands in the place of lower versions alone */
	int64_t told_ms;           /* when another member of the fleet told of it; 0: it is this mount's own */
	bool listed;               /* a list has shown the id before: one that began later and lacks it shows a removal */
	struct overlay *next;      /* in the leftovers */
	struct overlay *all_prev, *all_next; /* of the store, oldest first */
	char text[];                         /* the suffix of an upsert, the id of a removal */
};

/* One reader that waits, on its stack. */
struct wait {
	struct waiter *waiter;
	struct wait *prev, *next;
};

struct flight {
	/* Fixed after flight_new: */
	struct store *store;
	const void *row;
	char *key;                                  /* owned */
	int64_t asked_ms;                           /* when it was wanted */
	unsigned refs GUARDED_BY(store_locked);     /* of the task, and of each reader */
	struct cell *cell GUARDED_BY(store_locked); /* NULL: landed or dropped */
	uint64_t start GUARDED_BY(store_locked);    /* tick at which its fetch began; 0: not yet */
	int64_t ttl_ms GUARDED_BY(store_locked);    /* of who wants the youngest, until it begins */
	bool anew GUARDED_BY(store_locked);         /* somebody wants what is asked for after it begins */
	bool shared GUARDED_BY(store_locked);       /* another member fetched it, at start_ms */
	int64_t start_ms GUARDED_BY(store_locked);
	bool done GUARDED_BY(store_locked);
	bool again GUARDED_BY(store_locked); /* dropped, or landed on a newer own write: ask anew */
	int result GUARDED_BY(store_locked); /* when done */
	/* The task's own until it is done, then fixed: */
	struct err err;
	struct held *held; /* owned; when done with 0 */
	struct wait *waits GUARDED_BY(store_locked);
};

struct cell {
	UT_hash_handle hh;
	struct cell *prev GUARDED_BY(store_locked), *next GUARDED_BY(store_locked); /* least recently used first */
	const void *row GUARDED_BY(store_locked);                                   /* borrowed, for the life of the store */
	struct held *held GUARDED_BY(store_locked);                                 /* owned; NULL: nothing known */
	struct flight *flight GUARDED_BY(store_locked);    /* the one that the next readers join; a reference is the task's */
	struct overlay *overlays GUARDED_BY(store_locked); /* owned; hash by id, oldest first */
	uint64_t generation GUARDED_BY(store_locked);      /* of the content */
	uint64_t content GUARDED_BY(store_locked);      /* digest of the content last known, also after it went; 0: never known */
	uint64_t put_tick GUARDED_BY(store_locked);     /* fetches that began before are too old for a document */
	uint64_t expired_tick GUARDED_BY(store_locked); /* values of fetches that began before are expired */
	int64_t expired_ms GUARDED_BY(store_locked);
	int failure GUARDED_BY(store_locked);           /* -errno of the last fetch; 0: it was fine */
	uint64_t failed_start GUARDED_BY(store_locked); /* tick at which that fetch began */
	int64_t failed_ms GUARDED_BY(store_locked);
	struct err *failure_err GUARDED_BY(store_locked); /* owned */
	char key[];
};

struct store {
	/* Fixed after store_new: */
	struct store_options options;
	struct lock lock;
	struct cell *cells GUARDED_BY(store_locked);       /* hash by key; owned */
	struct cell *lru GUARDED_BY(store_locked);         /* head: least recently used */
	struct cell *recent_list GUARDED_BY(store_locked); /* the cell with a list that was used last, which stays; or NULL */
	struct overlay *overlays GUARDED_BY(store_locked); /* of all cells, oldest first */
	size_t overlay_count GUARDED_BY(store_locked);
	bool flights_end GUARDED_BY(store_locked);
	uint64_t tick GUARDED_BY(store_locked);  /* counts writes, expiries and fetches, so that any two have an order */
	bool forgotten GUARDED_BY(store_locked); /* a cell went away, so that a first fetch may be none */
	/* When the first flight began of which, as of all that began after it, none has been answered; 0: none is under way so. */
	int64_t unanswered_ms GUARDED_BY(store_locked);
	/* The same, but that a failure which came at once (no connection, no TLS) ends it: it costs nobody a wait. */
	int64_t unheard_ms GUARDED_BY(store_locked);
	/* What other members fetched before is no answer: this mount has dropped something since, or was away. */
	int64_t dropped_ms GUARDED_BY(store_locked);
	bool closed GUARDED_BY(store_locked); /* only snapshots that others hold keep it in memory */
	struct snapshot *bodies_head GUARDED_BY(store_locked),
		*bodies_tail GUARDED_BY(store_locked); /* snapshots with a body, most recently used first */
	struct store_stats stats GUARDED_BY(store_locked);
};

DEFINE_LOCK(store, struct store, lock)

/* What goes away once the lock is given back. */
struct leftovers {
	struct held *held;
	struct overlay *overlays; /* by next */
	struct flight *flight;
};

static inline int64_t add_ms(int64_t a, int64_t b)
{
	return b > 0 && a > CLOCK_NEVER - b ? CLOCK_NEVER : a + b;
}

/* ---- store_memory.c ---- */

size_t memory_snapshot_bytes(const struct snapshot *s);
/* Takes snapshots in: from now on their bodies can be dropped. */
void memory_adopt_locked(struct store *store, struct snapshot *const *snapshots, size_t count) REQUIRES(store_locked);
/* The same for a list, batch by batch without the lock; what did not change since old is shared with it. old may be NULL. */
void memory_adopt_list(struct store *store, const struct list *list, const struct list *old);
struct body *memory_body(struct snapshot *s);
void memory_release(struct snapshot *s);
void memory_carry_over_locked(struct store *store, struct snapshot *s, struct snapshot *old) REQUIRES(store_locked);
/* Down to the bound: bodies first, then whole values. The list that was used last stays. */
void memory_evict_locked(struct store *store, struct leftovers *leftovers) REQUIRES(store_locked);
void memory_free(struct store *store);

struct held *held_new(struct store_value *value, int64_t fetched_ms, uint64_t start);
void held_free(struct held *held);
void leftovers_free(struct leftovers *leftovers) EXCLUDES(store_locked);
/* */
void leftovers_add_held(struct leftovers *leftovers, struct held *held);

/* The cell of a key; made where it is missing and row_or_null is given a place. NULL: none, or no memory. */
struct cell *cell_find_locked(struct store *store, const char *key) REQUIRES(store_locked);
struct cell *cell_make_locked(struct store *store, const char *key, const void *row) REQUIRES(store_locked);
void cell_touch_locked(struct store *store, struct cell *cell) REQUIRES(store_locked);
void cell_free_locked(struct store *store, struct cell *cell) REQUIRES(store_locked);
/* Takes over held (NULL: the value is gone). Whether the content differs from what was known. */
bool cell_set_locked(struct store *store, struct cell *cell, struct held *held, struct leftovers *leftovers)
	REQUIRES(store_locked);
/* Takes the value away, and keeps in mind what it was. */
void cell_unset_locked(struct store *store, struct cell *cell, struct leftovers *leftovers) REQUIRES(store_locked);
void cell_forgive_locked(struct store *store, struct cell *cell) REQUIRES(store_locked);
void cell_fail_locked(struct store *store, struct cell *cell, int result, uint64_t start, const struct err *err)
	REQUIRES(store_locked);

/* ---- store_overlay.c ---- */

/*
 * The list with the own writes that a fetch begun at start cannot know of, or does not show yet, laid over; forgets those
 * that it shows. list NULL: the API says that there is none. 0 with a reference (or NULL: none), -ENOMEM.
 */
int overlay_apply_locked(struct store *store, struct cell *cell, struct list *list, uint64_t start, struct list **ret,
			 struct leftovers *leftovers) REQUIRES(store_locked);
void overlay_drop_locked(struct store *store, struct overlay *overlay, struct leftovers *leftovers) REQUIRES(store_locked);

/* ---- store_flight.c ---- */

/* A new flight for a cell that has none, not under way yet, wanted by who takes what is younger than ttl_ms; NULL without
   memory. */
struct flight *flight_new_locked(struct store *store, struct cell *cell, int64_t ttl_ms) REQUIRES(store_locked);
/* Sends it off; it has landed with a failure where no thread can be had. */
void flight_launch(struct flight *flight) EXCLUDES(store_locked);
/* Takes it from its cell and wakes who waits. */
void flight_drop_locked(struct flight *flight) REQUIRES(store_locked);
/* The last one out puts it into the leftovers. */
void flight_leave_locked(struct flight *flight, struct leftovers *leftovers) REQUIRES(store_locked);
void flight_free(struct flight *flight);
/* Asks for it, in the flight's own thread; as the store's fetch. */
int flight_ask(struct flight *flight, struct store_value *ret) EXCLUDES(store_locked);

/* ---- store_pack.c ---- */

/* What a fetch brought, as other members read it: a value, or why there is none. */
int value_pack(int result, const struct store_value *value, const struct err *err, struct buf *out);
/* 0 with *ret_result as the fetch's, and what it brought, fetched at fetched_ms; -EBADMSG, -ENOMEM. */
struct packed_result {
	int result;
	struct store_value value; /* owned */
	struct err err;
};
int value_unpack(const struct buf *text, int64_t fetched_ms, struct packed_result *ret);
int snapshot_pack(struct buf *out, struct snapshot *snapshot);
/* NULL: it is none, or without memory. */
struct snapshot *snapshot_unpack(struct unpack *in, int64_t fetched_ms, struct body *like);

/* ---- store_share.c ---- */

/* flight_ask, where there is a fleet. */
int flight_share(struct flight *flight, struct store_value *ret) EXCLUDES(store_locked);

/* ---- store_told.c ---- */

/* What another member wrote to the same item while this mount's own write was on its way. */
struct contest {
	bool is;   /* there was such a write: nobody here knows what the API made of both */
	bool lost; /* its version is the higher one */
};
/* Before an own write is laid over the list. */
struct contest told_contest(struct store *store, const char *key, const struct snapshot *snapshot) EXCLUDES(store_locked);
/* All ask the API what became of it. */
void told_settle(struct store *store, const char *key) EXCLUDES(store_locked);
/* Tells the others of an own write; nothing where there is no fleet. */
void told_upsert(struct store *store, const char *key, const char *suffix, struct snapshot *snapshot, int64_t hold_ms)
	EXCLUDES(store_locked);
void told_remove(struct store *store, const char *key, const char *id, int64_t hold_ms) EXCLUDES(store_locked);

/* ---- store.c ---- */

/* As store_drop; what other members fetched before may be an answer, unless a mark says that it is none. */
void drop_told(struct store *store, const char *prefix) EXCLUDES(store_locked);

/* ---- store_overlay.c ---- */

/* store_upsert and store_remove, without telling others. */
struct list_write {
	const void *row; /* NULL: not known */
	const char *key;
	struct snapshot *snapshot; /* NULL: a removal */
	const char *text;          /* the suffix, or the id */
	int64_t hold_ms;
	bool told; /* by another member of the fleet */
};
int write_list(struct store *store, const struct list_write *write) EXCLUDES(store_locked);
