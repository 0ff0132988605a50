/* The emulator as a whole: its options, its state, and the locks over them. */
#pragma once

#include "api/base/cleanup.h"
#include "api/base/lock.h"

struct store;
struct reqlog;
struct faults;
struct rate;

/* Which operations there are; each has those of the ones before it. */
enum { SURFACE_OFFICIAL, SURFACE_WRANGLER, SURFACE_FULL };
/* LIVE: as people saw the service. IDEAL: changes show at once and everywhere, and documents are taken kindly. */
enum { PROFILE_LIVE, PROFILE_IDEAL };
/* What a PATCH does to the configuration: its members are laid over the old ones, or stand for all of them. */
enum { PATCH_MERGE, PATCH_REPLACE };
/* What a null in a change does: the change is refused, the member goes, or the null is as if it were not there. */
enum { NULL_REFUSE, NULL_CLEAR, NULL_IGNORE };

/* What a token may. Writing includes reading. */
enum {
	PERMIT_READ = 1 << 0,
	PERMIT_WRITE = 1 << 1,
	PERMIT_CHAMBER = 1 << 2, /* what is under /cloudchamber */
	PERMIT_ANALYTICS = 1 << 3,
	PERMIT_LOGS = 1 << 4,
	PERMIT_ALL = (1 << 5) - 1,
};

#define TOKENS_MAX 16
struct token {
	const char *text;
	bool limited; /* to what it permits; else it may everything */
	unsigned permits;
};

struct options {
	char address[64]; /* numeric address to listen on */
	unsigned port;    /* 0: any free one */
	const char *db;   /* NULL: in memory */
	struct token token[TOKENS_MAX];
	unsigned tokens;
	char *seed; /* JSON text or "sample"; NULL: none; owned */
	int64_t latency_ms;
	double time_scale;
	int64_t rate_count; /* 0: no rate limit */
	int64_t rate_seconds;
	int surface, profile, patch, null; /* of the enums above */
	const char *tls_cert, *tls_key;
};

/*
 * Virtual time in milliseconds since 1970: the wall clock at the start, then running time_scale times as
 * fast as the real one, plus what POST clock has advanced it by. Never goes backwards.
 */
struct vclock {
	double scale;
	int64_t base; /* virtual, at mono */
	int64_t mono; /* CLOCK_MONOTONIC in ms */
};
void vclock_start(struct vclock *c, double scale, int64_t not_before);
int64_t vclock_now(const struct vclock *c);
void vclock_advance(struct vclock *c, int64_t ms);

DECLARE_LOCK(emulator);

struct emulator {
	struct options options; /* constant once it runs */
	struct store *store;    /* constant; used under the lock */
	struct vclock clock GUARDED_BY(emulator_locked);
	struct reqlog *log;       /* its own lock */
	struct faults *faults;    /* its own lock */
	struct rate *rate;        /* its own lock */
	struct rate *queries;     /* the same for GraphQL, which has a limit beside the other */
	struct lock lock;         /* over the state: store, clock; never held while waiting for a peer or a delay */
	unsigned port;            /* that it listens on; constant once it runs */
	unsigned char secret[32]; /* constant; what it signs with */
	_Atomic bool stopping;    /* waits for a peer or a delay end when it is set */
};
DEFINE_LOCK(emulator, struct emulator, lock)

static inline bool emulator_live(const struct emulator *em)
{
	return em->options.profile == PROFILE_LIVE;
}

int emulator_open(struct emulator *em, char *text, size_t size);
void emulator_close(struct emulator *em);

/* 0, 1: done already (--help, --version), or -EINVAL after a line on stderr. */
int emulator_options(struct options *o, int argc, char **argv);

#define EMULATOR_SAMPLE_ACCOUNT  "0123456789abcdef0123456789abcdef"
#define EMULATOR_PATH_MAX        8192
#define EMULATOR_BODY_MAX        ((size_t)4 << 20)
#define EMULATOR_CONNECTIONS_MAX 2048
