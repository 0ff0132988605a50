/* The inside of the share: queries on their way, the thread with the connections, seals. */
#pragma once

#include <hiredis/hiredis.h>
#include <sodium.h>
#include <stdatomic.h>

#include "api/base/lock.h"
#include "cache/share.h"

/* Queries that wait to be sent or answered; past it they are refused. */
#define SHARE_QUERIES_MAX 4096
#define SHARE_QUEUE_BYTES ((size_t)64 << 20)
/* After a call that was not answered in time, the others do not wait, for so long. */
#define SHARE_SLOW_MS 1000
/* A session in which a query is not answered for so long is given up. */
#define SHARE_SILENT_MS    2000
#define SHARE_HEARTBEAT_MS 5000
/* Between attempts to connect, doubled up to the second. */
#define SHARE_RETRY_MS     200
#define SHARE_RETRY_MAX_MS 5000

/* How much later than a mark a value must have been made, beside what is known of the clocks' errors. */
#define SHARE_MARK_SLACK_MS 25
/* What two clocks may part by between two heartbeats. */
#define SHARE_CLOCK_DRIFT_MS 1

/* Words of one command. */
#define WORDS_MAX 10
/* "cf:" and 16 bytes in hex, with the NUL. */
#define SHARE_KEY_BYTES    36
#define SHARE_MEMBER_BYTES 16

enum share_what {
	SHARE_VALUE,
	SHARE_LEASE,
	SHARE_BUCKET,
	SHARE_ROWS,
	SHARE_FIELD,
	SHARE_MEMBERS,
	SHARE_CHANNEL,
	SHARE_MARK,
	SHARE_WHATS
};

/* What comes of who is a member: never changed once it is there, and wiped with the last reference. A call takes one and does all of
   its work with it, for the share may have others when it ends (share_rekey). */
struct share_keys {
	atomic_uint refs;
	char channel[SHARE_KEY_BYTES], members[SHARE_KEY_BYTES];
	uint8_t seal[crypto_aead_xchacha20poly1305_ietf_KEYBYTES];
	uint8_t name[crypto_generichash_KEYBYTES];
	uint8_t common[SHARE_KEY_LEN]; /* for whoever asks with share_key */
};

/* ---- share_seal.c ---- */

struct share_who {
	const char *base_url, *account, *token;
};
/* A reference; NULL: no memory. */
struct share_keys *seal_derive(const struct share_who *who);
/* NULL is fine, and is what it returns. */
struct share_keys *share_keys_unref(struct share_keys *keys);
DEFINE_CLEANUP(struct share_keys *, share_keys_unref)
/* The server's name of something; parts of a name end at a NULL. */
void seal_name(const struct share_keys *keys, enum share_what what, const char *const *parts, char ret[SHARE_KEY_BYTES]);
/* Seals value as what stands under key at the time made_ms. 0, -EFBIG, -ENOMEM. */
int seal_close(const struct share_keys *keys, const char *key, int64_t made_ms, const void *value, size_t len, struct buf *ret);
/* -EBADMSG: it is not what a member sealed under this key. */
int seal_open(const struct share_keys *keys, const char *key, const void *sealed, size_t len, struct buf *ret,
	      int64_t *ret_made_ms);

/* ---- share_url.c ---- */

struct share_address {
	char *path; /* owned; a socket's; NULL: TCP */
	char *host; /* owned */
	int port, db;
	bool tls;
};
int share_address_parse(const char *url, struct share_address *ret, struct err *err);
void share_address_clear(struct share_address *address);

/* ---- share_tls.c ---- */

struct ssl_ctx_st;

/* -EOPNOTSUPP where this build has no TLS. */
int share_tls_new(const char *cacert, struct ssl_ctx_st **ret, struct err *err);
/* NULL is fine. */
void share_tls_free(struct ssl_ctx_st *tls);
/* Connected, or with err set; NULL: no memory. Waits for the server. */
redisContext *share_tls_connect(struct ssl_ctx_st *tls, const struct share_address *address);

/* ---- the share ---- */

struct session;

DECLARE_LOCK(share);

/* One command and its answer. Of the one who asks and of the thread. */
struct query {
	struct query *next;
	char *command; /* owned, by redisFormatCommandArgv; NULL once sent */
	size_t len;
	int64_t sent_ms;
	/* In the thread, for the session's own; takes nothing over. NULL: an answer for whoever waits. */
	void (*answered)(struct session *session, const struct query *query, const redisReply *reply);
	unsigned refs GUARDED_BY(share_locked);
	bool done GUARDED_BY(share_locked);
	struct waiter *waiter GUARDED_BY(share_locked); /* of the one who asks; NULL: nobody waits any more */
	redisReply *reply;                              /* owned; once done; NULL: the session ended */
};

struct share {
	/* Fixed after share_open: */
	char *base_url, *account; /* owned */
	struct share_address address;
	struct ssl_ctx_st *tls; /* owned; NULL: none */
	char *password;         /* owned; NULL: none */
	char member[SHARE_MEMBER_BYTES * 2 + 1];
	void (*told)(void *arg, const struct share_message *message);
	void *told_arg;
	int kick_fd; /* owned */
	bool has_thread;
	pthread_t thread;

	struct lock lock;
	pthread_cond_t thread_over;
	struct share_keys *keys GUARDED_BY(share_locked); /* a reference */
	struct query *queue GUARDED_BY(share_locked);     /* not handed to the thread yet */
	struct query **queue_tail GUARDED_BY(share_locked);
	size_t queries GUARDED_BY(share_locked); /* queued or sent */
	size_t bytes GUARDED_BY(share_locked);   /* of their commands */
	int64_t slow_until_ms GUARDED_BY(share_locked);
	int64_t clock_offset_ms GUARDED_BY(share_locked); /* the server's clock less ours */
	int64_t clock_error_ms GUARDED_BY(share_locked);  /* how wrong that may be */
	bool ending GUARDED_BY(share_locked);
	bool over GUARDED_BY(share_locked);
	struct share_stats stats GUARDED_BY(share_locked);
};
DEFINE_LOCK(share, struct share, lock)

/* ---- share_query.c ---- */

/* The words of one command. */
struct command {
	const char *words[WORDS_MAX];
	size_t lens[WORDS_MAX];
	size_t count;
};
void command_add_bytes(struct command *command, const void *data, size_t len);
void command_add(struct command *command, const char *word);
void command_add_script(struct command *command, const char *script, const char *key);

/* A reference to the keys as they are now. */
struct share_keys *share_keys_now(struct share *share);
/* The server's name of something with one name. */
void share_name(const struct share_keys *keys, enum share_what what, const char *name, char ret[SHARE_KEY_BYTES]);
/* Sends it and waits for nothing. */
int share_tell(struct share *share, const struct command *command);
/* Sends it and waits for the answer, which is no error; the caller drops *ret. waiter may be NULL. */
int share_ask(struct share *share, const struct command *command, struct waiter *waiter, struct query **ret);
/* The same, for SHARE_PATIENCE_MS, and though the server was too slow for others; where it is, that says nothing to them. */
int share_ask_patiently(struct share *share, const struct command *command, struct waiter *waiter, struct query **ret);
/* An answer that is a number, not below 0. */
int share_ask_number(struct share *share, const struct command *command, struct waiter *waiter, int64_t *ret);
/* What stands in an answer, opened; key: what it was sealed under. -ENOENT also where it is not ours. */
int share_open_answer(struct share *share, const struct share_keys *keys, const redisReply *reply, const char *key,
		      struct buf *ret, int64_t *ret_made_ms);
int64_t share_server_ms(struct share *share);
/* By so much it may be earlier or later. */
int64_t share_clock_error_ms(struct share *share);
/* A message as it goes over the channel. */
int share_seal_message(struct share *share, const struct share_keys *keys, const char *topic, const void *data, size_t len,
		       struct buf *ret);
void share_note_tampered(struct share *share);
void query_drop(struct share *share, struct query *query);
void query_unref_locked(struct share *share, struct query *query) REQUIRES(share_locked);

/* ---- share_thread.c ---- */

int share_thread_start(struct share *share);
void share_thread_kick(struct share *share);
/* -ETIMEDOUT: it hangs (in a name's resolution), and still uses the share. */
int share_thread_end(struct share *share, int64_t deadline_ms);
/* Puts a formatted command together; NULL without memory. */
struct query *query_new(const char *const *words, const size_t *lens, size_t count);
