#include "fs/send/fingerprint.h"

#include <string.h>

#include "api/base/clock.h"

/* What a write of a secret waits for the disk, at most. */
#define DURABLE_MS 50

/* A row of the state: it says nothing of another version. */
struct row {
	int64_t version;
	uint8_t bytes[FINGERPRINT_BYTES];
};
_Static_assert(sizeof(struct row) == sizeof(int64_t) + FINGERPRINT_BYTES, "as it is in files, without holes");

/* Of this state alone, and of all members of the fleet. */
#define OWN    "fingerprints"
#define SHARED "prints"

bool print_make(struct state *state, struct client *client, const char *value, size_t len, struct print *ret)
{
	uint8_t key[FINGERPRINT_KEY_BYTES];
	bool ok = state_key(state, key) == 0;

	if (ok) {
		client_mix_token(client, key);
		fingerprint(key, value, len, ret->bytes);
	}
	ret->has_shared = ok && state_fleet_key(state, key) == 0;
	if (ret->has_shared)
		fingerprint(key, value, len, ret->shared);
	wipe(key, sizeof(key));
	return ok;
}

static struct row row_of(int64_t version, const uint8_t bytes[FINGERPRINT_BYTES])
{
	struct row row = { .version = version };

	memcpy(row.bytes, bytes, sizeof(row.bytes));
	return row;
}

static bool has_row(struct state *state, const char *table, const char *id, const struct row *row)
{
	cleanup_buf_ struct buf known = BUF_INIT;

	return state_get(state, table, "", id, &known) == 0 && known.len == sizeof(*row) &&
	       !memcmp(known.data, row, sizeof(*row));
}

bool print_is_known(struct state *state, const char *id, int64_t version, const struct print *print)
{
	struct row own = row_of(version, print->bytes), shared = row_of(version, print->shared);

	if (version < 0)
		return false;
	return has_row(state, OWN, id, &own) || (print->has_shared && has_row(state, SHARED, id, &shared));
}

void print_keep(struct state *state, const char *id, int64_t version, const struct print *print)
{
	struct row own = row_of(version, print->bytes), shared = row_of(version, print->shared);
	const struct state_row row = { .table = OWN, .parent = "", .id = id, .value = &own, .len = sizeof(own) };

	if (print->has_shared)
		state_set(state, SHARED, "", id, &shared, sizeof(shared));
	/* On the disk before the write returns, where that is soon: who dies before it is sends an unchanged secret once more. */
	state_set_durable(state, &row, NULL, clock_after_ms(DURABLE_MS));
}

void print_forget(struct state *state, const char *id)
{
	state_delete(state, OWN, "", id);
	state_delete(state, SHARED, "", id);
}
