/*
 * What containers use, as the analytics tell it. Nothing is measured: each container's figures follow from its placement
 * and the minute, so that the same question has the same answer, and from the times and the size of the placement.
 */
#pragma once

#include "emulator/call.h"

enum {
	M_MEMORY, /* bytes */
	M_CPU,    /* a fraction */
	M_RX_BPS,
	M_TX_BPS,
	M_UPTIME, /* seconds */
	M_DISK,   /* bytes */
	M_DISK_SHARE,
	M_CPU_TIME,       /* seconds */
	M_ALLOCATED_MEM,  /* byte-seconds */
	M_ALLOCATED_DISK, /* byte-seconds */
	M_ALLOCATED_CPU,  /* seconds */
	M_RX,
	M_TX,
	METRICS
};

#define METRICS_STEP_MS 60000

/* One life of one container. */
struct life {
	char app[40], instance[68], placement[68], location[32];
	const char *region;
	int64_t start, stop; /* when it ran; stop 0: it still does */
	double vcpu;
	int64_t mem, disk;          /* bytes */
	struct json_object *labels; /* of its configuration, owned; NULL: none */
};

struct lives {
	struct life *list; /* owned */
	size_t count;
};
/* All containers of the account that ran at some time from from until to (virtual ms). 0 or -errno. */
int lives_load(struct call *c, int64_t from, int64_t to, struct lives *ret);
void lives_free(struct lives *l);
#define cleanup_lives_ cleanup_(lives_free)

/* What the life uses in the minute that begins at t. */
void life_sample(const struct life *l, int64_t t, double ret[METRICS]);
