/*
 * Texts with a reference count. A list's documents are much alike, so one can be kept as its difference to another
 * (LZ4 with a dictionary): ten thousand applications take a third of what they would. Immutable; any thread.
 */
#pragma once

#include <stdint.h>

#include "api/base/cleanup.h"

struct body {
	_Atomic unsigned refs;
	unsigned holders;  /* snapshots of a store that share it; guarded by the store's lock */
	uint32_t len;      /* bytes of the text; where it is plain, a NUL follows that len does not count */
	uint32_t packed;   /* bytes of data, compressed; 0: data is the text */
	struct body *base; /* owned reference: what a compressed one is the difference to; NULL: plain */
	char data[];
};

/* A plain copy of len bytes; NULL without memory. */
struct body *body_new(const char *data, size_t len);
/* The same as its difference to base, where that saves a quarter, or plain; base (borrowed, plain) may be NULL. */
struct body *body_new_like(const char *data, size_t len, struct body *base);
/* A plain body with that text: a reference to this one, or a new one. NULL without memory; NULL of NULL. */
struct body *body_plain(struct body *body);
/* What it takes in memory, without its base. */
size_t body_bytes(const struct body *body);
struct body *body_ref(struct body *body);
/* NULL is fine. Returns NULL. */
struct body *body_unref(struct body *body);
DEFINE_CLEANUP(struct body *, body_unref)
