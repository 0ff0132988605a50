/*
 * What the mount remembers of a secret: a keyed fingerprint of the value that it wrote last, valid only for the version that this
 * write returned. Never the value.
 */
#pragma once

#include "api/base/rand.h"
#include "api/client.h"
#include "cache/state.h"

struct print {
	uint8_t bytes[FINGERPRINT_BYTES];
	/* By the key of the fleet, for all its members; where there is none: has_shared is false. */
	bool has_shared;
	uint8_t shared[FINGERPRINT_BYTES];
};

/* The value's, keyed by the state and the API's token: either alone tells nothing of it. False where the state has no key. */
bool print_make(struct state *state, struct client *client, const char *value, size_t len, struct print *ret);
/* Whether it is that of the value which was written last, and the secret is still at the version that came of it. */
bool print_is_known(struct state *state, const char *id, int64_t version, const struct print *print);
/* The secret is gone. */
void print_forget(struct state *state, const char *id);
void print_keep(struct state *state, const char *id, int64_t version, const struct print *print);
