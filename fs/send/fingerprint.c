#include "fs/send/fingerprint.h"

#include <string.h>

#include "api/base/clock.h"

/* What a write of a secret waits for the disk, at most. */
#define DURABLE_MS 50

/* A row of the state: it says nothing of another version. */
struct row {
	int64_t version;
	struct print print;
};

bool print_make(struct state *state, struct client *client, const char *value, size_t len, struct print *ret)
{
	uint8_t key[FINGERPRINT_KEY_BYTES];
	bool ok = state_key(state, key) == 0;

	if (ok) {
		client_mix_token(client, key);
		fingerprint(key, value, len, ret->bytes);
	}
	wipe(key, sizeof(key));
	return ok;
}

bool print_is_known(struct state *state, const char *id, int64_t version, const struct print *print)
{
	cleanup_buf_ struct buf known = BUF_INIT;
	struct row now = { .version = version, .print = *print };

	if (version < 0 || state_get(state, "fingerprints", "", id, &known) < 0 || known.len != sizeof(now))
		return false;
	return !memcmp(known.data, &now, sizeof(now));
}

void print_keep(struct state *state, const char *id, int64_t version, const struct print *print)
{
	struct row value = { .version = version, .print = *print };
	const struct state_row row = { .table = "fingerprints", .parent = "", .id = id, .value = &value, .len = sizeof(value) };

	/* On the disk before the write returns, where that is soon: who dies before it is sends an unchanged secret once more. */
	state_set_durable(state, &row, NULL, clock_after_ms(DURABLE_MS));
}
