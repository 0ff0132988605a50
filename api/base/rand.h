/* Randomness and keyed hashes, from libsodium. base_init must have been called once. */
#pragma once

#include "api/base/cleanup.h"

/* 0, or -EIO where the system has no randomness. Call once at start, and again in a forked child: it is harmless. */
int base_init(void);
/* 0 <= result < bound. */
uint32_t rand_below(uint32_t bound);
void rand_bytes(void *data, size_t len);

/* 64 bits that stand for the bytes: for change detection and stable ids, not for secrets. */
uint64_t hash64(const void *data, size_t len);

#define FINGERPRINT_KEY_BYTES 32
#define FINGERPRINT_BYTES     32
/* A keyed hash (BLAKE2b) by which a value can be recognised but not found out without the key. */
void fingerprint(const uint8_t key[FINGERPRINT_KEY_BYTES], const void *data, size_t len, uint8_t ret[FINGERPRINT_BYTES]);
/* Overwrites memory in a way that the compiler keeps. */
void wipe(void *data, size_t len);
/* Overwrites and frees a string; NULL is fine. Returns NULL. */
void *wipe_str(char *s);
DEFINE_CLEANUP(char *, wipe_str)
