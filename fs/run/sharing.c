#include "fs/run/sharing.h"

#include <errno.h>
#include <sodium.h>

#include "api/base/log.h"
#include "api/base/rand.h"
#include "api/credentials_file.h"
#include "cache/fleet.h"
#include "fs/show/foreign.h"

#define SECRET_MAX 4096
/* What stands for the token, in hex. */
#define TOKEN_BYTES (2 * FINGERPRINT_KEY_BYTES + 1)

static int read_secret(const char *path, struct buf *ret, struct err *err)
{
	int r;

	ret->max = SECRET_MAX;
	r = credentials_read_file(path, 077, ret, err);
	if (r < 0) {
		err_prefix(err, "option share_secret_file: ");
		return -EACCES;
	}
	while (ret->len && strchr(" \t\r\n", ret->data[ret->len - 1]))
		buf_resize(ret, ret->len - 1);
	if (!ret->len || memchr(ret->data, '\0', ret->len))
		return err_set(err, EACCES, "option share_secret_file: %s holds no password", path);
	return 0;
}

/* What stands for the token: who has it does not have the token. */
static void mix_token(struct client *client, char ret[TOKEN_BYTES])
{
	uint8_t key[FINGERPRINT_KEY_BYTES] = { 0 };

	client_mix_token(client, key);
	sodium_bin2hex(ret, TOKEN_BYTES, key, sizeof(key));
	wipe(key, sizeof(key));
}

/* ---- the budget ---- */

static int pass(void *arg, const struct client_try *what, unsigned *ret_part, int64_t *ret_resume_ms)
{
	const struct mount *mount = arg;
	struct fleet_turn turn = { 0 };
	int r = fleet_take(mount->fleet, what->write, what->deadline_ms, what->waiter, &turn);

	*ret_part = turn.part;
	*ret_resume_ms = turn.resume_ms;
	return r;
}

static void stopped(void *arg, int64_t ms)
{
	const struct mount *mount = arg;

	fleet_block(mount->fleet, ms);
}

/* ---- another token, other members ---- */

/* The token may change again while this is done for the one before. */
static void renewed(void *arg)
{
	const struct mount *mount = arg;
	char token[TOKEN_BYTES], now[TOKEN_BYTES];
	int r;

	mix_token(mount->client, now);
	do {
		memcpy(token, now, sizeof(token));
		r = fleet_rekey(mount->fleet, token);
		mix_token(mount->client, now);
	} while (r == 0 && sodium_memcmp(token, now, sizeof(token)) != 0);
	if (r < 0)
		log_error("out of memory: this mount shares with those that have the token of before");
	wipe(token, sizeof(token));
	wipe(now, sizeof(now));
}

/* ---- life ---- */

int sharing_open(struct mount *mount, struct err *err)
{
	const struct options *o = mount->options;
	char token[TOKEN_BYTES];
	cleanup_buf_wipe_ struct buf secret = BUF_INIT;
	struct share_options share = { .url = o->share, .base_url = mount->base_url, .account = o->account_id, .token = token };
	struct client_gate gate = { .pass = pass, .stopped = stopped, .renewed = renewed };
	int r = 0;

	if (!o->share)
		return 0;
	if (o->share_secret_file)
		r = read_secret(o->share_secret_file, &secret, err);
	if (r < 0)
		return r;
	share.password = secret.data;
	share.cacert = o->cacert;
	mix_token(mount->client, token);
	r = fleet_open(&share, &mount->fleet, err);
	wipe(token, sizeof(token));
	if (r < 0)
		return r;
	fleet_set_budget(mount->fleet, o->rps, o->burst);
	gate.arg = mount;
	client_set_gate(mount->client, &gate);
	return 0;
}

int sharing_start(struct mount *mount, struct err *err)
{
	const struct state_ear ear = { .changed = foreign_row, .arg = mount };
	int r;

	if (!mount->fleet)
		return 0;
	state_listen(mount->state, mount->fleet, &ear);
	store_listen(mount->store);
	r = fleet_start(mount->fleet);
	if (r < 0)
		return err_set(err, -r, "no thread could be had for the share");
	/* What the others know is worth a moment; a server that is away is not. */
	fleet_wait_heard(mount->fleet, SHARE_WAIT_MS);
	return 0;
}

void sharing_stop(struct mount *mount)
{
	fleet_stop(mount->fleet);
}
