/*
 * A snapshot: what the API said of one resource (or one document) at one moment. Immutable and reference-counted;
 * only its body can be dropped to save memory, and is then fetched again by who needs it.
 */
#pragma once

#include "api/base/lock.h"
#include "cache/body.h"

DECLARE_LOCK(store);

struct snapshot {
	_Atomic unsigned refs;
	unsigned traits;                /* enum kind_trait, as the one who made it says */
	char *id;                       /* owned; never NULL */
	char *name;                     /* owned; the identity shown, not encoded; may equal id */
	char *parent_id;                /* owned; NULL: belongs to the root kind */
	int64_t version;                /* -1: the API gives none */
	int64_t created_ns, updated_ns; /* since 1970; 0: the API gives none */
	int64_t seen_ns;                /* since 1970, when this content was first seen; who makes it from an older one of the
	                                   same content carries it over before anybody else has it */
	int64_t fetched_ms;             /* CLOCK_MONOTONIC, when the request of the answer was sent */
	uint64_t hash;                  /* hash64 of the body: equal means the same content */
	/* The store in whose list it stands; NULL: none yet. Until it is set, an adoption's lock guards the body. */
	struct store *_Atomic store;
	struct body *body GUARDED_BY(store_locked); /* owned; compact JSON as the API gave it, plain or not; NULL: dropped */
	struct snapshot *lru_prev GUARDED_BY(store_locked), *lru_next GUARDED_BY(store_locked); /* those with a body */
};

struct snapshot_fields {
	const char *id, *name, *parent_id;
	int64_t version, created_ns, updated_ns, fetched_ms;
	unsigned traits;
	const char *body;
	size_t body_len;
	struct body *like; /* what the body is probably like; plain; NULL: nothing known */
};

/* Copies everything. NULL without memory. */
struct snapshot *snapshot_new(const struct snapshot_fields *fields);
struct snapshot *snapshot_ref(struct snapshot *s);
/* NULL is fine. Returns NULL. Takes the store's lock when the last reference goes: hold neither it nor it. */
struct snapshot *snapshot_unref(struct snapshot *s);
DEFINE_CLEANUP(struct snapshot *, snapshot_unref)
/* Its body, plain, and a move to the recent end; NULL where it was dropped, or without memory. The caller's reference. */
struct body *snapshot_body(struct snapshot *s);
/* Whether there is a body, and a move to the recent end. */
bool snapshot_touch(struct snapshot *s);
