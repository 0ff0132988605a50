/* Rollouts as they are in the state. All need the emulator's lock. */
#pragma once

#include "emulator/world.h"

struct rollout {
	int64_t seq, app, from_version, to_version, from_conf, to_conf, step, percentage;
	char id[ID_SIZE], kind[24], status[16], strategy[16];
};

/* 0 or -ENOENT. */
int rollout_load_seq(struct store *s, int64_t seq, struct rollout *ret);
int rollout_load_id(struct store *s, const char *id, struct rollout *ret);
/* The one that the call's second argument names, of the application. 0, or 404. */
int rollout_load(struct call *c, const struct app *a, struct rollout *ret);
bool rollout_active(const struct rollout *r);
bool rollout_rolling(const struct rollout *r);
int64_t rollout_steps(struct store *s, const struct rollout *r);
/* What a step reaches, in percent; step 0: nothing. */
int64_t rollout_step_percentage(struct store *s, const struct rollout *r, int64_t step);

/* How many instances there are, how many have the target, and that in percent. */
struct share {
	int64_t all, updated, percentage;
};
struct share rollout_share(struct call *c, const struct app *a, const struct rollout *r);
