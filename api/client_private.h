/* The client and a call on its way. Private to api/client*.c. */
#pragma once

#include <utlist.h>

#include "api/base/lock.h"
#include "api/client.h"
#include "api/headers.h"
#include "api/hosts.h"
#include "api/metrics.h"
#include "api/operation.h"
#include "api/retry.h"
#include "api/transport.h"

struct credentials;

/* The waiter of a read that is nobody's. */
struct unowned {
	struct waiter waiter;
	struct unowned *prev, *next;
};

DECLARE_LOCK(client);
struct client {
	struct lock lock;
	struct credentials *credentials GUARDED_BY(client_locked); /* owned */
	struct headers *headers GUARDED_BY(client_locked);         /* owned reference: of the present credentials */
	unsigned callers GUARDED_BY(client_locked);                /* threads inside client_call */
	pthread_cond_t left;                                       /* callers became 0 */
	bool ending GUARDED_BY(client_locked);
	bool ends_unowned GUARDED_BY(client_locked);       /* client_end_unowned */
	struct unowned *unowned GUARDED_BY(client_locked); /* each on the stack of its call */
	struct metrics metrics;
	/* Fixed: */
	struct transport *transport; /* owned */
	struct hosts *hosts;         /* owned: where calls go that have a budget of their own */
	char *base;                  /* owned: the base address */
	char *registry;              /* owned: the registry's, or NULL */
	char *account;               /* owned: the base address and the account */
	char *host;                  /* owned: for messages */
	unsigned retries;
	int64_t timeout_ms, connect_timeout_ms;
	struct client_gate gate; /* pass NULL: there is none */
	/* The API let a call's whole time go by, and has said nothing since. Atomic. */
	bool silent;
	/* By operation: how often the size of a page was refused. Atomic. */
	unsigned char refused_sizes[OPERATIONS_MAX];
};
DEFINE_LOCK(client, struct client, lock)

/* One client_call on its way. */
struct trip {
	struct client *client;
	const struct call *call;
	struct err *err;
	const struct operation *operation; /* NULL: the contract has none */
	struct transport *transport;       /* borrowed of the client */
	char *url;                         /* owned */
	struct waiter *waiter;             /* borrowed */
	int64_t deadline_ms;
	struct headers *headers; /* owned reference: those that were sent last */
	unsigned tries;
	bool denied;            /* the credentials were looked at once more */
	bool maybe_done;        /* something was sent that may have been carried out */
	bool quiet;             /* the last try ended because no byte came */
	bool unheard;           /* the last try went out, or tried to, and time was up */
	int64_t retry_after_ms; /* what the last answer asked for; -1: nothing */
};

/* What an exchange that ended came to; *ret_r as client_call returns it, with the text in trip->err. */
enum outcome judge_exchange(struct trip *trip, struct exchange *ex, struct answer *ret, int *ret_r);
/* It did not go out: the account's limit lasts until resume_ms. As client_call. */
int judge_limited(struct trip *trip, int64_t resume_ms);
/* The thread did not report, or the waiter was cancelled: *ret_r is what transport_run returned. */
enum outcome judge_interrupted(struct trip *trip, struct exchange *ex, int *ret_r);
