/*
 * Calls to the API. One transport thread owns the curl multi handle, the connections, the budget and the retries;
 * callers wait on it. All functions are thread-safe unless they say otherwise.
 */
#pragma once

#include "api/base/rand.h"
#include "api/base/buf.h"
#include "api/base/err.h"
#include "api/base/waiter.h"

struct json_object;
struct credentials;

struct client_options {
	const char *base_url;   /* checked by url_check; without a trailing slash */
	const char *account_id; /* 32 hex digits */
	const char *cacert;     /* a file that adds an authority, or NULL */
	const char *registry;   /* of images, as base_url; NULL: none is known, and no call may go there */
	const char *user_agent;
	double rps;     /* calls a second */
	unsigned burst; /* calls at once; one fifth is kept for writes */
	unsigned max_conns;
	unsigned retries;
	int64_t connect_timeout_ms;
	int64_t timeout_ms; /* for a whole operation, waiting for the budget included */
};

struct client;

struct client_try {
	bool write;
	int64_t deadline_ms;   /* CLOCK_MONOTONIC */
	struct waiter *waiter; /* of the calling thread, or NULL */
};

/* Starts the transport thread; takes over credentials. Call after the last fork. 0 or -errno with text. */
int client_new(const struct client_options *options, struct credentials *credentials, struct client **ret, struct err *err);
/* Ends what is being sent (waits for it, up to its deadline) and the thread. NULL is fine. */
struct client *client_free(struct client *client);
DEFINE_CLEANUP(struct client *, client_free)
/* Mixes the token into a key, so that what is made with it is worthless to who has the key alone; another token, another key. */
void client_mix_token(struct client *client, uint8_t key[FINGERPRINT_KEY_BYTES]);
/*
 * Who else has a say in when a call goes out: the others that use the same account. Each try passes it before the client's own
 * budget. All may be called by many threads at once.
 */
struct client_gate {
	/* Waits for the turn of one try. 0, with *ret_part: among how many the client's own rps and burst are divided from now on
	   (1: not at all). -ETIMEDOUT: there is none before the deadline, with *ret_resume_ms, when calls go on (CLOCK_MONOTONIC).
	   -EINTR: waiter (NULL: no signal ends it). */
	int (*pass)(void *arg, const struct client_try *what, unsigned *ret_part, int64_t *ret_resume_ms);
	/* The service lets no call through for so long. */
	void (*stopped)(void *arg, int64_t ms);
	/* The credentials were read again and are others: client_mix_token mixes another token from now on. */
	void (*renewed)(void *arg);
	void *arg;
};
/* Before the first call. */
void client_set_gate(struct client *client, const struct client_gate *gate);
/* Reads the credentials again (SIGHUP). */
int client_reload_credentials(struct client *client, struct err *err);
/* Forgets what the service said of its limits: rates, waits, sizes of pages (SIGHUP). */
void client_forget_limits(struct client *client);

enum call_flag {
	CALL_WRITE = 1 << 0,      /* a change: takes from the kept share of the budget; once sent, never abandoned */
	CALL_REPEATABLE = 1 << 1, /* may be sent again after a lost answer (GET, PUT, DELETE are by themselves) */
	/* Goes to /cloudchamber, where wrangler's older commands call the same operations and bodies are bare. */
	CALL_CLOUDCHAMBER = 1 << 2,
	CALL_ASKS = 1 << 3,    /* a POST that changes nothing: as good as a GET */
	CALL_ACCOUNT = 1 << 4, /* the path follows /accounts/ID: another part of the API, with permissions of its own */
	/* The path follows the base address, the body is GraphQL's, and so is the answer: result is its "data". A limit of its own
	   holds: api/hosts.h. */
	CALL_GRAPHQL = 1 << 5,
	/* The path follows the address of the registry of images, which has credentials and a budget of its own; a body is bare, or
	   there is none. */
	CALL_REGISTRY = 1 << 6,
	/* The caller says whose credentials were refused: the failure's text is what the service said. */
	CALL_PROBE = 1 << 7,
};

struct call {
	const char *operation; /* operationId, for metrics and the log: "modifyApplication" */
	const char *method;    /* "GET" */
	const char *path;      /* after /accounts/ID/containers: "/applications/…", query included */
	const char *body;      /* JSON text or NULL; overwritten nowhere: the caller wipes it */
	size_t body_len;
	const char *authorization; /* the header's whole line, in place of the client's own; NULL: those. Borrowed for the call */
	unsigned flags;
	int64_t deadline_ms;   /* 0: now + timeout */
	struct waiter *waiter; /* of the calling thread; NULL: cannot be interrupted */
};

struct answer {
	int status;
	struct json_object *result;      /* owned; NULL where the answer has none */
	struct json_object *result_info; /* owned; NULL */
	char request_id[80];
	int64_t sent_ms; /* when the (last) request went out */
	/* Of the registry; "" where the answer has none: the path of the next page, and the digest of a manifest. */
	char next[512], digest[80];
	bool next_cut; /* there is a next page, at an address that is longer than that */
};

/*
 * Sends one call and waits for its answer, through budget, retries (429 with Retry-After, 5xx, lost connections where the
 * call can be repeated) and one re-reading of the credentials at 401 or 403. 0 with *ret filled (answer_clear it), or
 * -errno with text, HTTP status, code and request id in err. -EINTR only while nothing of a change was sent.
 * err->outcome_unknown: a change was sent, its answer was lost and it may not be repeated blindly; the caller finds out
 * what became of it.
 */
int client_call(struct client *client, const struct call *call, struct answer *ret, struct err *err);
void answer_clear(struct answer *answer);
/* Reads without a waiter, for which nobody waits once the mount ends, end with -EINTR from now on, also those under way. NULL is
   fine. */
void client_end_unowned(struct client *client);
/* The address of the registry of images; NULL: none is known. As long as the client. */
const char *client_registry(const struct client *client);

/* A list to be fetched; its row of the table of operations (api/operation.h) says how it is paged. All texts are borrowed for
   the call. */
struct list_call {
	const char *operation, *path;
	unsigned flags;      /* CALL_CLOUDCHAMBER, or 0 */
	int64_t deadline_ms; /* CLOCK_MONOTONIC; 0: the client's own */
	/* Gets the items of each page, borrowed; 0, or -errno, which ends the list. */
	int (*page)(void *arg, struct json_object *items);
	/* Called after that page was freed, to keep what was taken from it; NULL: nothing to do. */
	int (*settle)(void *arg);
	void *arg;
};

/*
 * Fetches all pages, one after the other. Bounded by CLIENT_PAGES_MAX; a mark or a page that was there before, or page after page without
 * anything, ends it with -EIO.
 * A service that refuses the size of a page is asked for half of it, and where it refuses that too, for pages of its own
 * choice; the client remembers that.
 */
int client_list(struct client *client, const struct list_call *list, struct err *err);
#define CLIENT_PAGES_MAX 2000
/* A list of more takes several pages. */
#define CLIENT_PAGE_SIZE 500

/* ---- metrics ---- */

struct client_metric {
	char operation[48];
	int status; /* 0: no answer */
	uint64_t calls;
	double seconds; /* in all */
};
struct client_stats {
	uint64_t retries, throttled;
	double budget_left; /* calls that could be sent at once now */
	struct client_metric metrics[128];
	size_t metrics_count;
};
void client_stats(struct client *client, struct client_stats *ret);
