/* What to do after an exchange: pure decisions, no waiting. */
#pragma once

#include "api/client.h"
#include "api/transport.h"

/* What one exchange came to. */
enum outcome {
	OUTCOME_DONE,    /* a success */
	OUTCOME_REFUSED, /* a failure that a second try would not change; nothing was done */
	OUTCOME_UNSENT,  /* it is certain that the service did nothing; a second try may succeed */
	OUTCOME_AWAY,    /* there was no connection: nothing reached the service; a second try may succeed */
	OUTCOME_LIMITED, /* 429: nothing was done, the budget holds the next try */
	OUTCOME_DENIED,  /* 401 or 403: worth one look at the credentials */
	OUTCOME_LOST,    /* it may have been done; no usable answer */
	OUTCOME_UNCLEAR, /* a change was answered, but not by what says that it was done; a second answer would be the same */
	OUTCOME_ENDED,   /* never went out: the deadline, the limit, the end of the client */
};

enum verdict {
	VERDICT_END,     /* report it */
	VERDICT_AGAIN,   /* send it again, after retry_delay_ms */
	VERDICT_UNKNOWN, /* report it with outcome_unknown */
};

bool retry_is_repeatable(const struct call *call);
bool retry_is_write(const struct call *call);
/* tries: exchanges so far, this one included. maybe_done: this or an earlier one may have been carried out. */
enum verdict retry_verdict(const struct call *call, enum outcome outcome, bool maybe_done, unsigned tries, unsigned retries);
/* The pause before the next try: jittered, doubled each time, at least what the service asked for (-1: nothing). */
int64_t retry_delay_ms(enum outcome outcome, unsigned tries, int64_t retry_after_ms);

/* The outcome of an exchange without an answer, with err filled; host names the API in the text. */
enum outcome retry_lost_connection(const struct exchange *ex, bool sent, const char *host, int *ret_r, struct err *err);
