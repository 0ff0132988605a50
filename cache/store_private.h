/*
 * The inside of the store. One lock guards all that is in it; nothing is called under it that could take it again:
 * whatever may hold the last reference to a snapshot goes into a struct trash, and away after the lock.
 */
#pragma once

#include <stdatomic.h>

#include <utlist.h>

#include "api/base/clock.h"
#include "cache/hash.h"
#include "cache/list_private.h"
#include "cache/store.h"

/* How often one reader begins anew because what it waited for was dropped. */
#define STORE_TRIES_MAX 8
/* How long a reader with a stale value at hand waits for a flight while the last one failed. */
#define STORE_AWAY_WAIT_MS 250
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
	struct held *next; /* in a trash */
};

/* An own write. */
struct overlay {
	UT_hash_handle hh; /* of the entry's, by id; in the order of writes */
	struct entry *entry;
	struct snapshot *snapshot; /* owned reference; NULL: a removal */
	const char *id;            /* the snapshot's, or text */
	uint64_t tick;             /* of the write */
	int64_t until_ms;          /* end of its hold */
	bool listed;               /* a list has shown the id before: one that began later and lacks it shows a removal */
	struct overlay *next;      /* in a trash */
	struct overlay *all_prev, *all_next; /* of the store, oldest first */
	char text[];                         /* the suffix of an upsert, the id of a removal */
};

/* One reader that waits, on its stack. */
struct wait {
	struct waiter *waiter;
	struct wait *prev, *next;
};

struct flight {
	unsigned refs; /* of the task, and of each reader */
	struct store *store;
	struct entry *entry; /* NULL: landed or dropped */
	const void *row;
	char *key;        /* owned */
	int64_t asked_ms; /* when it was wanted */
	uint64_t start;   /* tick at which its fetch began; 0: not yet */
	int64_t start_ms;
	bool done;
	bool again; /* dropped, or landed on a newer own write: ask anew */
	int result; /* when done */
	struct err err;
	struct held *held; /* owned; when done with 0 */
	struct wait *waits;
};

struct entry {
	UT_hash_handle hh;
	struct entry *prev, *next; /* least recently used first */
	const void *row;           /* borrowed, for the life of the store */
	struct held *held;         /* owned; NULL: nothing known */
	struct flight *flight;     /* the one that the next readers join; a reference is the task's */
	struct overlay *overlays;  /* owned; hash by id, oldest first */
	uint64_t generation;       /* of the content */
	uint64_t content;          /* digest of the content last known, also after it went; 0: never known */
	uint64_t put_tick;         /* fetches that began before are too old for a document */
	uint64_t expired_tick;     /* values of fetches that began before are expired */
	int64_t expired_ms;
	int failure;           /* -errno of the last fetch; 0: it was fine */
	uint64_t failed_start; /* tick at which that fetch began */
	int64_t failed_ms;
	struct err *failure_err; /* owned */
	char key[];
};

struct store {
	/* Fixed after store_new: */
	struct store_options options;
	pthread_mutex_t lock;      /* guards all below, and in every struct of this file */
	struct entry *entries;     /* hash by key; owned */
	struct entry *lru;         /* head: least recently used */
	struct entry *recent_list; /* the entry with a list that was used last, which stays; or NULL */
	struct overlay *overlays;  /* of all entries, oldest first */
	size_t overlay_count;
	uint64_t tick;                              /* counts writes, expiries and fetches, so that any two have an order */
	bool forgotten;                             /* an entry went away, so that a first fetch may be none */
	bool closed;                                /* only snapshots that others hold keep it in memory */
	struct snapshot *bodies_head, *bodies_tail; /* snapshots with a body, most recently used first */
	struct store_stats stats;
};

/* What goes away once the lock is given back. */
struct trash {
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
/* Takes snapshots in: from now on their bodies can be dropped. The lock is held. */
void memory_adopt(struct store *store, struct snapshot *const *snapshots, size_t count);
/* The same for a list, batch by batch without the lock; what did not change since old is shared with it. old may be NULL. */
void memory_adopt_list(struct store *store, const struct list *list, const struct list *old);
struct body *memory_body(struct snapshot *s);
void memory_release(struct snapshot *s);
void memory_carry_over(struct store *store, struct snapshot *s, struct snapshot *old);
/* Down to the bound: bodies first, then whole values. The list that was used last stays. Lock held. */
void memory_evict(struct store *store, struct trash *trash);
void memory_free(struct store *store);

struct held *held_new(struct store_value *value, int64_t fetched_ms, uint64_t start);
void held_free(struct held *held);
void trash_empty(struct trash *trash);
/* The lock is held. */
void trash_held(struct trash *trash, struct held *held);

/* The entry of a key; made where it is missing and row_or_null is given a place. NULL: none, or no memory. Lock held. */
struct entry *entry_find(struct store *store, const char *key);
struct entry *entry_make(struct store *store, const char *key, const void *row);
void entry_touch(struct store *store, struct entry *entry);
void entry_free(struct store *store, struct entry *entry);
/* Takes over held (NULL: the value is gone). Whether the content differs from what was known. Lock held. */
bool entry_set(struct store *store, struct entry *entry, struct held *held, struct trash *trash);
/* Takes the value away, and keeps in mind what it was. Lock held. */
void entry_unset(struct store *store, struct entry *entry, struct trash *trash);
void entry_forgive(struct entry *entry);
void entry_fail(struct entry *entry, int result, uint64_t start, const struct err *err);

/* ---- store_overlay.c ---- */

/*
 * The list with the own writes that a fetch begun at start cannot know of, or does not show yet, laid over; forgets those
 * that it shows. list NULL: the API says that there is none. 0 with a reference (or NULL: none), -ENOMEM. Lock held.
 */
int overlay_apply(struct store *store, struct entry *entry, struct list *list, uint64_t start, struct list **ret,
		  struct trash *trash);
void overlay_drop(struct store *store, struct overlay *overlay, struct trash *trash);

/* ---- store_flight.c ---- */

/* A new flight for an entry that has none, not under way yet; NULL without memory. Lock held. */
struct flight *flight_new(struct store *store, struct entry *entry);
/* Sends it off; it has landed with a failure where no thread can be had. Lock not held. */
void flight_launch(struct flight *flight);
/* Takes it from its entry and wakes who waits. Lock held. */
void flight_drop(struct flight *flight);
/* Lock held; the last one out puts it into the trash. */
void flight_leave(struct flight *flight, struct trash *trash);
void flight_free(struct flight *flight);
