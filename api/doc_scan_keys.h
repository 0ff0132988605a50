/* The keys of the objects that are open while a document is scanned, to find one that stands there twice. */
#pragma once

#include "api/base/buf.h"

struct scan_key {
	uint64_t hash;
	size_t at, len; /* bytes in text */
	uint32_t level; /* depth of its object */
	uint32_t slot;
};

/*
 * Keys leave in the reverse order of their coming, so a slot that is emptied never breaks the probing for one that
 * stays: every key that was placed later has gone before.
 */
struct scan_keys {
	struct buf text;       /* the bytes of all keys, one behind the other, and of the one being read */
	struct scan_key *keys; /* owned */
	size_t count, cap;
	uint32_t *slots;   /* owned; 1 + index of a key, 0: free */
	size_t slot_count; /* a power of two, or 0 */
	size_t begin;      /* where the key being read begins */
};

void scan_keys_begin(struct scan_keys *k);
int scan_keys_byte(struct scan_keys *k, char c);
/* Ends the key being read, of the object at this depth. 0, -EEXIST (it stands there already), -ENOMEM. */
int scan_keys_end(struct scan_keys *k, uint32_t level);
/* Takes out the keys of the object at this depth. */
void scan_keys_close(struct scan_keys *k, uint32_t level);
void scan_keys_reset(struct scan_keys *k);
void scan_keys_free(struct scan_keys *k);
