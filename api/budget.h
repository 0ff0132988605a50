/*
 * How many calls may go out. A token bucket of rps and burst, one fifth of which reads leave to writes, made
 * narrower by what the service says of its own limit. Time is passed in; not thread-safe: the owner locks.
 */
#pragma once

#include "api/base/cleanup.h"

/* What an answer's headers say of the rate limit; -1: nothing. The tightest of several items. */
struct rate_facts {
	int64_t left;           /* Ratelimit: calls left … */
	int64_t reset_ms;       /* … until this much later */
	double policy_rate;     /* Ratelimit-Policy: calls a second */
	int64_t policy_quota;   /* calls in one window */
	int64_t retry_after_ms; /* Retry-After; what is beyond belief is left out */
	/* Dates of the answer, in seconds; 0: none. Retry-After may be one, by the service's clock. */
	int64_t retry_at, date;
};
#define RATE_FACTS_INIT                                                                                                          \
	{                                                                                                                        \
		-1, -1, -1, -1, -1, 0, 0                                                                                         \
	}

/* Takes one header field in, if it is one of them; value needs no end of line but must end with NUL. */
void rate_facts_header(struct rate_facts *facts, const char *name, size_t name_len, const char *value);

struct budget {
	/* Fixed: */
	double rps;
	double burst;
	double kept;   /* of the burst, for writes */
	unsigned part; /* rps and burst are shared by so many */
	/* The bucket: */
	double tokens;
	int64_t filled_ms; /* when tokens was right */
	/* What the service allows: */
	double policy_rate; /* infinite while nothing is known */
	double policy_quota;
	double left; /* calls until reset_ms; infinite while nothing is known */
	int64_t reset_ms;
	int64_t read_ms; /* when the last read went out */
	/* After a 429: */
	int64_t stopped_ms; /* nothing goes out before */
	unsigned strikes;   /* 429s in a row without a time to wait for */
	unsigned width;     /* calls in flight at once: 1 after a stop, doubled by each answer */
};

#define BUDGET_WIDTH_MAX 1024
/* What is not believed of a service: more waiting than its longest window, and less than a tenth of the documented rate (1,200
   calls in 300 s). */
#define BUDGET_STOP_MAX_MS (300 * 1000)
#define BUDGET_RATE_MIN    (1200.0 / 300 / 10)

void budget_init(struct budget *b, double rps, unsigned burst, int64_t now_ms);
/* From now on rps and burst are shared by so many budgets; 1: this one has them alone. */
void budget_divide(struct budget *b, unsigned part, int64_t now_ms);
/* Forgets what the service said of its limits, a stop included; calls that were made still count. */
void budget_forget(struct budget *b);
/* Milliseconds until such a call may go out; 0: now. *ret_limited: it is the service's limit that holds it. */
int64_t budget_wait_ms(struct budget *b, bool write, int64_t now_ms, bool *ret_limited);
/* When the service's limit lets calls out again; 0 where it does not stop all of them. */
int64_t budget_stopped_until(const struct budget *b, int64_t now_ms);
void budget_take(struct budget *b, bool write, int64_t now_ms);
/* An answer came to a call that went out at sent_ms, while others in flight are not yet answered. */
void budget_answer(struct budget *b, const struct rate_facts *facts, int status, unsigned others, int64_t sent_ms,
		   int64_t now_ms);
/* Calls that could go out at once. */
double budget_left(struct budget *b, int64_t now_ms);
