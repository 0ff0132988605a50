/*
 * A snapshot: what the API said of one resource (or one document) at one moment. Immutable and reference-counted;
 * only its body can be dropped to save memory, and is then fetched again by who needs it.
 */
#pragma once

#include "api/base/cleanup.h"

/* Bytes with a reference count. */
struct body {
	_Atomic unsigned refs;
	uint32_t len; /* bytes; a NUL follows that len does not count */
	unsigned holders; /* snapshots of a store that share it; guarded by the store's lock */
	char data[];
};

/* A copy of len bytes; NULL without memory. */
struct body *body_new(const char *data, size_t len);
struct body *body_ref(struct body *body);
/* NULL is fine. Returns NULL. */
struct body *body_unref(struct body *body);
DEFINE_CLEANUP(struct body *, body_unref)

struct snapshot {
	_Atomic unsigned refs;
	unsigned traits;       /* enum kind_trait, as the one who made it says */
	char *id;              /* owned; never NULL */
	char *name;            /* owned; the identity shown, not encoded; may equal id */
	char *parent_id;       /* owned; NULL: belongs to the root kind */
	int64_t version;       /* -1: the API gives none */
	int64_t created_ns, updated_ns; /* since 1970; 0: the API gives none */
	int64_t fetched_ms;    /* CLOCK_MONOTONIC, when the request of the answer was sent */
	uint64_t hash;         /* hash64 of the body: equal means the same content */
	/* Guarded by the store's lock: */
	struct body *body;     /* owned; compact JSON as the API gave it; NULL: dropped */
	struct snapshot *lru_prev, *lru_next; /* list of snapshots with a body */
	struct store *store;   /* the store in whose list it stands; NULL: none yet */
};

struct snapshot_fields {
	const char *id, *name, *parent_id;
	int64_t version, created_ns, updated_ns, fetched_ms;
	unsigned traits;
	const char *body;
	size_t body_len;
};

/* Copies everything. NULL without memory. */
struct snapshot *snapshot_new(const struct snapshot_fields *fields);
struct snapshot *snapshot_ref(struct snapshot *s);
/* NULL is fine. Returns NULL. Takes the store's lock when the last reference goes: hold neither it nor it. */
struct snapshot *snapshot_unref(struct snapshot *s);
DEFINE_CLEANUP(struct snapshot *, snapshot_unref)
/* A reference to its body and a move to the recent end, or NULL where it was dropped. */
struct body *snapshot_body(struct snapshot *s);
