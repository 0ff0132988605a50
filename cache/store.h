/*
 * The TTL store: what the API said, by key, with single-flight fetches, generations, stale serving and a bound on
 * memory. It knows nothing of the API: a fetch callback brings the values. Keys are strings that the owner makes
 * ("/applications", "/applications/ID/versions"); a key's value is either a list or a single snapshot (a document).
 * Thread-safe. Its lock is never held across a callback.
 */
#pragma once

#include "api/base/err.h"
#include "api/base/pool.h"
#include "api/base/waiter.h"
#include "cache/list.h"

struct store;
struct fleet;

/* What most owners take for stale_wait_ms. */
#define STORE_STALE_WAIT_MS 2000

/* What a fetch brings; exactly one of the two is set by a fetch that returns 0. References are handed over. */
struct store_value {
	struct list *list;
	struct snapshot *snapshot;
};
void store_value_clear(struct store_value *value);

/*
 * Runs in a thread of the pool, with no lock held, for as long as it takes (it has a deadline of its own). row is what the
 * first asker gave; the pointer must stay valid for the life of the store. 0 or -errno with text.
 */
typedef int (*store_fetch_fn)(void *arg, const void *row, const char *key, struct store_value *ret, struct err *err);

/* What another member of the fleet did, after it was done here, too. Borrowed. */
struct store_foreign {
	const char *key;             /* NULL: anything may have changed */
	const void *row;             /* NULL: nobody has asked for the key yet */
	const char *id;              /* NULL: anything under the key */
	struct list *before, *after; /* NULL: not known */
};

struct store_options {
	store_fetch_fn fetch;
	void *fetch_arg;
	struct pool *pool;       /* borrowed; runs the fetches. Not the pool whose threads call store_get: those that wait
	                             could take all threads that the fetches need */
	size_t max_bytes;        /* bodies, names and lists together; the list that was used last may be past it alone */
	int64_t stale_ttl_ms;    /* how long past its time to live a value may be served when a fetch fails */
	int64_t negative_ttl_ms; /* how long an ENOENT is remembered */
	int64_t failure_ttl_ms;  /* how long any other failure is remembered: until then stale values are served, or the
	                             failure repeated, without a call; at most the time to live asked for */
	int64_t stale_wait_ms;   /* with a stale value at hand, how long a reader waits for the fresh one */
	/* Told after a value was replaced or fetched with another content, with no lock held. May be NULL. */
	void (*changed)(void *arg, const void *row, const char *key);
	void *changed_arg;
	/* Where the mount shares with others; may be NULL. What others fetched and did counts as what this one did. */
	struct fleet *fleet;  /* borrowed; outlives the store's flights and writes; store_listen lets it tell the store */
	int64_t share_ttl_ms; /* how long a value is of use to others, at most */
	/* What a key means beside its path (an option that changes what is asked for), or NULL. May be NULL itself. */
	const char *(*variant)(void *arg, const void *row, const char *key);
	/* A value that another member fetched is about to be used; no lock is held. May be NULL. */
	void (*arrived)(void *arg, const void *row, const char *key, const struct store_value *value);
	/* With no lock held, in the fleet's thread. May be NULL. */
	void (*foreign)(void *arg, const struct store_foreign *foreign);
	void *share_arg; /* of these three */
};

struct store *store_new(const struct store_options *options);
/* No fetch waits for what another member is fetching any more; those that ask the API end with the client's calls. NULL is
   fine. */
void store_end_flights(struct store *store);
/* No fetch may be under way (free the pool first). NULL is fine. */
struct store *store_free(struct store *store);
DEFINE_CLEANUP(struct store *, store_free)

struct store_get {
	const char *key;
	const void *row;
	int64_t ttl_ms; /* a value younger than this is an answer */
	/* Of a document: what a list brought of it (borrowed, in this store); NULL: nothing. Where nothing else is known it is
	   the value, as old as the list; a 404 that came later stands above it. */
	struct snapshot *at_hand;
	bool cached_only;      /* never wait: -EAGAIN where a fetch would be needed */
	bool refresh;          /* ask anew even within the time to live (a flight begun after this call counts); where
	                             that fails, so does this: no stale value is served */
	int64_t deadline_ms;   /* how long to wait; the flight itself goes on */
	struct waiter *waiter; /* of the calling thread; needed unless cached_only */
};

struct store_info {
	int64_t fetched_ms; /* CLOCK_MONOTONIC of the request that brought it */
	int64_t expires_ms; /* when its time to live ends; in the past: it is stale */
	bool stale;
	uint64_t generation; /* of the key; rises with every change of the value */
};

/*
 * The value for a key: from memory, or by joining the flight under way, or by starting one. 0 with a reference in *ret;
 * -EAGAIN (cached_only); -EINTR, -ETIMEDOUT (the wait ended; the flight goes on); or the fetch's failure with its text.
 */
int store_get(struct store *store, const struct store_get *get, struct store_value *ret, struct store_info *ret_info,
	      struct err *err);

/* Why the last fetch of the key failed. false, with *ret as it was: it did not, or is not known. */
bool store_failure(struct store *store, const char *key, struct err *ret);

/* Starts a fetch where the value is not fresh (ttl_ms) and none is under way; waits for nothing. What fails is remembered as
   for store_get. */
void store_prefetch(struct store *store, const void *row, const char *key, int64_t ttl_ms);

/*
 * The mount's own change to a list's item, visible at once: adds the snapshot or puts it in the place of its id. It is
 * laid over every fetch that began before this call, and over later ones for hold_ms as long as they do not show the id, or
 * show a lower version than this one's (a service that lists late). An id that a list had shown before this call is gone
 * where a later list lacks it. Where the list was never fetched, the change is kept
 * and applied when it is.
 */
int store_upsert(struct store *store, const void *row, const char *key, const char *suffix, struct snapshot *snapshot,
		 int64_t hold_ms);
/*
 * A GET has shown this item of the list: from now on a list that shows a lower version of the id is no news, and shows this
 * in its place. The item is neither added to a list that lacks it, nor does it stand above an own write of its version or a
 * removal. While no list shows the id, it is remembered for hold_ms. Without a version (-1) nothing is done.
 */
int store_seen(struct store *store, const void *row, const char *key, const char *suffix, struct snapshot *snapshot,
	       int64_t hold_ms);
/* As store_upsert, for a removal: the id is hidden from fetches for hold_ms while they still show it. */
int store_remove(struct store *store, const char *key, const char *id, int64_t hold_ms);
/* Replaces a document's value; fetches that began before are dropped. */
int store_put(struct store *store, const void *row, const char *key, struct snapshot *snapshot);

/* Drops the value of every key that begins with prefix; a flight under way is not used for later questions, and readers
   that wait on it get a new one. */
void store_drop(struct store *store, const char *prefix);
/* Marks as expired, so that the next reader asks (a flight under way does not answer it), but keeps the value for stale
   serving. */
void store_expire(struct store *store, const char *prefix);

/* The same because of a change that this mount made: the others do so, too. The prefix is a whole key, or two bytes of one. */
void store_drop_everywhere(struct store *store, const char *prefix);
void store_expire_everywhere(struct store *store, const char *prefix);
/* From now on the fleet tells the store. Before fleet_start. */
void store_listen(struct store *store);

struct store_stats {
	uint64_t hits, misses, joined, stale_served, fetches, failures, evicted_bodies, evicted_values;
	size_t bytes, keys, snapshots;
};
void store_stats(struct store *store, struct store_stats *ret);
