/*
 * The share: what the mounts of one account know together, through a Valkey or Redis server that none of them trusts.
 * Members are the mounts with the same base address, account and token: keys are named and values sealed with keys
 * derived from those, so that the server's operator, and a mount with another token, see sizes and times alone.
 *
 * It is a help, never a need: a call waits for SHARE_WAIT_MS at most, and where the server is away, slow or full it says -EAGAIN
 * at once and goes on alone; the thread of the share comes back by itself. What was tampered with is a miss and a log line.
 * Names and values are opaque here. Thread-safe; no lock of its own is held across the network or a callback.
 */
#pragma once

#include "api/base/buf.h"
#include "api/base/err.h"
#include "api/base/waiter.h"

/* Longest wait of any call, but for one. */
#define SHARE_WAIT_MS 100
/* That of share_row_each. */
#define SHARE_PATIENCE_MS 1000
/* Longest value, message and row. */
#define SHARE_VALUE_MAX ((size_t)16 << 20)
/* A member that was not heard of for so long is none. */
#define SHARE_MEMBER_MS 15000
/* Rows go when nobody set one of their parent for so long. */
#define SHARE_ROWS_MS (30LL * 86400 * 1000)

struct share;

struct share_message {
	const char *topic; /* NULL: messages may have been missed; what depends on them must be asked anew */
	const void *data;
	size_t len;
	bool own;    /* published by this member; it comes in its place among the others' */
	bool forgot; /* topic NULL: no message was missed, but the server may have lost all that it kept */
};

struct share_options {
	const char *url;                        /* "redis://HOST[:PORT][/DB]", "rediss://" with TLS, "unix:PATH" */
	const char *password;                   /* NULL: none */
	const char *cacert;                     /* of rediss://: a file that adds an authority, or NULL */
	const char *base_url, *account, *token; /* who is a member */
	/* Told of each message in the order of the server, the same for all members; in the share's thread, so it must not wait.
	   Also told (topic NULL) each time the share has come back, or was emptied. May be NULL. */
	void (*told)(void *arg, const struct share_message *message);
	void *told_arg;
};

/* Whether the address can be used: 0, or -EINVAL (-EOPNOTSUPP for rediss:// where this build has no TLS) with a sentence. */
int share_check_url(const char *url, struct err *err);
/* Starts the thread; the server need not be there. As share_check_url, or -ENOMEM, -EAGAIN without a thread. The options are
   copied; the token is not kept. */
int share_open(const struct share_options *options, struct share **ret, struct err *err);
/* From now on this member is one of those with that token: waits for nothing, and is heard of (told, with topic NULL) when it is
   among them. Until then calls are -EAGAIN. -ENOMEM: it stays where it was. */
int share_rekey(struct share *share, const char *token);
struct share *share_close(struct share *share);
DEFINE_CLEANUP(struct share *, share_close)

/* ---- values ---- */

/* 0 with the value in *ret and, by the server's clock, how long ago it was put; -ENOENT; -EAGAIN (away, or not in time);
   -EINTR (waiter, which may be NULL). */
int share_get(struct share *share, const char *name, struct buf *ret, int64_t *ret_age_ms, struct waiter *waiter);
/* Sent without waiting for the outcome; gone after ttl_ms. 0, -EAGAIN (not sent), -EFBIG, -ENOMEM. */
int share_put(struct share *share, const char *name, const void *value, size_t len, int64_t ttl_ms);
/* As share_put, of a value that is age_ms old. */
int share_put_aged(struct share *share, const char *name, const void *value, size_t len, int64_t age_ms, int64_t ttl_ms);
int share_drop(struct share *share, const char *name);
/* From now on, for ttl_ms, what was put under that name and made before is none to share_get_unmarked. As share_put. */
int share_mark(struct share *share, const char *name, int64_t ttl_ms);
/* As share_get, but -ENOENT also where it was made before the mark of this name, or that of the group (a name that others share;
   its marks count for all of them), or so soon after it that two clocks may disagree. */
int share_get_unmarked(struct share *share, const char *name, const char *group, struct buf *ret, int64_t *ret_age_ms,
		       struct waiter *waiter);

/* Tells all members, this one too. As share_put. */
int share_publish(struct share *share, const char *topic, const void *data, size_t len);

/* ---- leases: who does what one member should do ---- */

/* 0: this member has it, for ttl_ms. -EBUSY: another has it, for *ret_left_ms more at most. -EAGAIN, -EINTR as above. */
int share_lease(struct share *share, const char *name, int64_t ttl_ms, int64_t *ret_left_ms, struct waiter *waiter);
/* Has it for ttl_ms from now on, where it is still this member's; does not wait. */
int share_renew(struct share *share, const char *name, int64_t ttl_ms);
/* Gives it back where it is still this member's; does not wait. */
int share_unlease(struct share *share, const char *name);

/* ---- the budget ---- */

struct share_bucket {
	double rate;    /* tokens a second, over 0 */
	double burst;   /* at most */
	double reserve; /* left for others: a write takes 0, a read the part that is kept for writes */
};

/* Takes one token of all members', by the server's clock. 0; -EBUSY: none is free for *ret_wait_ms; -EAGAIN, -EINTR. */
int share_take(struct share *share, const char *name, const struct share_bucket *bucket, int64_t *ret_wait_ms,
	       struct waiter *waiter);
/* Nobody gets one for so long (a 429 that one member saw). */
int share_block(struct share *share, const char *name, const struct share_bucket *bucket, int64_t ms);

/* ---- rows, as those of the state ---- */

int share_row_set(struct share *share, const char *table, const char *parent, const char *id, const void *value, size_t len);
/* The same in one step with a message to all members, so that the order of the rows is that of the messages. */
struct share_row {
	const char *table, *parent, *id; /* borrowed; parent may be NULL */
	const void *value;               /* borrowed */
	size_t len;
};
int share_row_publish(struct share *share, const struct share_row *row, const char *topic, const void *data, size_t len);
int share_row_delete(struct share *share, const char *table, const char *parent, const char *id);
/* As share_get, without an age. */
int share_row_get(struct share *share, const char *table, const char *parent, const char *id, struct buf *ret,
		  struct waiter *waiter);
/* All of a parent, in no order; ends at each()'s first non-zero result and returns it. Waits for a slow server, too, for
   SHARE_PATIENCE_MS: for a thread that nobody waits for. */
int share_row_each(struct share *share, const char *table, const char *parent,
		   int (*each)(void *arg, const char *id, const void *value, size_t len), void *arg, struct waiter *waiter);

/* ---- how it goes ---- */

#define SHARE_KEY_LEN 32
/* A key that all members have, and nobody else: for fingerprints that they compare. */
void share_key(struct share *share, uint8_t ret[SHARE_KEY_LEN]);

struct share_stats {
	bool ready;       /* the server answers */
	unsigned members; /* those last seen, this one too; 0: never */
	uint64_t hits, misses, late, refused, tampered,
		lost; /* late: not in time; refused: the server said an error; lost: sessions */
};
void share_stats(struct share *share, struct share_stats *ret);
