/*
 * What is kept for a resource's file beyond what the account says: the bytes that were written, and times, mode and owner
 * that tools set; both for as long as the content stays what it was. In memory, bounded, least recently used out first.
 * Keyed by a string that names the resource and file. Thread-safe; takes its own lock only.
 */
#pragma once

#include "cache/snapshot.h"
#include "fs/core/attributes.h"

struct kept;

/* Records, and bytes of documents. */
#define KEPT_MAX 200000

struct kept_value {
	uint64_t serial;        /* of the bytes; 0: none kept */
	struct body *bytes;     /* owned reference; NULL: none */
	uint64_t snapshot_hash; /* of the last snapshot that was found to mean the same as bytes */
	uint64_t content;       /* hash64 of the content that the attributes hold for; 0: none are set */
	struct attributes attributes;
};

struct kept *kept_new(size_t max_bytes);
struct kept *kept_free(struct kept *kept);

/* Fills *ret (bytes NULL, serial 0, no attributes where there is none); kept_value_clear it. */
void kept_get(struct kept *kept, const char *key, struct kept_value *ret);
void kept_value_clear(struct kept_value *value);
/* New bytes, which mean what the snapshot of that hash means. Attributes stay. */
int kept_set_bytes(struct kept *kept, const char *key, const char *data, size_t len, uint64_t snapshot_hash);
/* The bytes of that serial were found to mean the same as the snapshot, or no longer do: then they go. */
void kept_confirm(struct kept *kept, const char *key, uint64_t serial, uint64_t snapshot_hash, bool same);
/* Merges the attributes into what is kept for the content. What was set for another content goes first. */
int kept_set_attributes(struct kept *kept, const char *key, uint64_t content, const struct attributes *attributes);
void kept_drop(struct kept *kept, const char *key);
/* What was kept under one key is kept under the other. */
void kept_move(struct kept *kept, const char *from, const char *to);
