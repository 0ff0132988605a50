/*
 * HTTP exchanges over one thread that owns the curl multi handle, the connections and the budget. An exchange is one
 * request and what came back; deciding whether to send another is the caller's part (api/retry.h).
 */
#pragma once

#include <curl/curl.h>
#include <sys/queue.h>

#include "api/base/buf.h"
#include "api/base/err.h"
#include "api/base/lock.h"
#include "api/base/waiter.h"
#include "api/budget.h"

struct transport;
struct headers;

/* An answer's body beyond this is dropped, and the exchange fails; what it takes parsed is bounded by the envelope. */
#define ANSWER_MAX ((size_t)128 << 20)
/* The same for all its headers together, those of interim answers and the trailers among them. */
#define HEADERS_MAX ((size_t)256 << 10)

/* How an exchange ended. */
enum exchange_end {
	END_ANSWER,  /* see code and status */
	END_TIMEOUT, /* the deadline came before it was sent */
	END_LIMITED, /* the service's rate limit lasts beyond the deadline; see resume_ms; not sent */
	END_CLOSED,  /* the transport ends; not sent */
};

enum exchange_state { EXCHANGE_NEW, EXCHANGE_QUEUED, EXCHANGE_FLYING, EXCHANGE_DONE };

DECLARE_LOCK(transport);
struct exchange {
	/* Fixed before it is run: */
	char method[8];
	char *url;               /* owned */
	struct buf body;         /* owned, wiped; empty: none, data NULL */
	struct headers *headers; /* owned reference */
	bool write;
	uint64_t endpoint; /* calls of one number may be slow together */
	int64_t deadline_ms;
	int64_t quiet_ms; /* ends as timed out once no byte came for so long; 0: only the deadline ends it */
	bool fresh;       /* over a connection of its own */
	unsigned refs GUARDED_BY(transport_locked); /* the caller's and the transport's */
	enum exchange_state state GUARDED_BY(transport_locked);
	struct waiter *waiter GUARDED_BY(transport_locked); /* borrowed; NULL once the caller left */
	bool abandoned GUARDED_BY(transport_locked);        /* the caller left: drop it */
	bool sent GUARDED_BY(transport_locked);             /* bytes of the request may have gone out */
	TAILQ_ENTRY(exchange) link;                         /* with the lock, too */
	/* Written by the transport's thread, the caller's once state is DONE: */
	enum exchange_end end;
	CURLcode code;
	long os_errno;
	int status; /* 0: no answer */
	struct buf answer;
	int64_t length; /* of the body, by the answer's header; -1: unknown */
	size_t headers_len;
	struct rate_facts rate;
	char content_type[64], ray[80];
	char next[512], digest[80];  /* of Link, the target with rel="next"; Docker-Content-Digest; "" */
	char error[CURL_ERROR_SIZE]; /* curl's words */
	int64_t sent_ms, resume_ms;
	double seconds; /* from going out to the end */
	bool too_large, encoded;
	bool next_cut; /* there is a next page, at an address that is too long to be kept */
	bool resent;   /* curl wanted to send it a second time */
	/* The transport thread's: */
	CURL *easy; /* owned while flying */
	struct timespec started;
};

/* Copies method, url and body; takes its own reference of headers. NULL without memory. */
struct exchange *exchange_new(const char *method, const char *url, const char *body, size_t body_len, struct headers *headers);

struct transport_options {
	const char *base_url;
	const char *cacert;
	const char *user_agent;
	int64_t connect_timeout_ms;
	unsigned max_conns;
	double rps;
	unsigned burst;
};

int transport_new(const struct transport_options *options, struct transport **ret, struct err *err);
/* Drops reads and what waits; what is being written goes on. Later runs end with -ESHUTDOWN. */
void transport_stop(struct transport *t);
/* Stops, waits for what is being written, ends the thread. No caller may be inside any more. NULL is fine. */
struct transport *transport_free(struct transport *t);
DEFINE_CLEANUP(struct transport *, transport_free)

/*
 * Runs an exchange: 0 once its end is known. -EINTR: the waiter was cancelled and the exchange dropped; never for a write
 * of which something was sent, nor with ignore_cancel. -ETIMEDOUT: the thread did not report in time. -ESHUTDOWN: the
 * transport ends.
 */
int transport_run(struct transport *t, struct exchange *ex, struct waiter *waiter, bool ignore_cancel);
/* Whether something of it may have reached the server. */
bool transport_sent(struct transport *t, struct exchange *ex);
void transport_release(struct transport *t, struct exchange *ex);
double transport_budget_left(struct transport *t);
/* The budget is one of so many that share what all may do (1: it is the whole). */
void transport_divide(struct transport *t, unsigned part);
/* Forgets what the service said of its limits. */
void transport_forget_limits(struct transport *t);
