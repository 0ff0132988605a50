#include "api/budget.h"

#include <math.h>

#include "api/base/clock.h"

/* A 429 that names no time: this long, doubled each time, up to the second. */
#define STRIKE_MS     1000
#define STRIKE_MAX_MS 60000
/* "Retry-After: 0" still means that the last call was one too many. */
#define STOP_MIN_MS 100

void budget_init(struct budget *b, double rps, unsigned burst, int64_t now_ms)
{
	memset(b, 0, sizeof(*b));
	b->rps = rps > 0.001 ? rps : 0.001;
	b->burst = burst ? burst : 1;
	/* A whole number below the burst, so that a burst of 1 still lets reads through. */
	b->kept = burst / 5;
	b->part = 1;
	b->tokens = b->burst;
	b->filled_ms = now_ms;
	budget_forget(b);
}

void budget_forget(struct budget *b)
{
	b->policy_rate = b->policy_quota = b->left = INFINITY;
	b->reset_ms = b->stopped_ms = 0;
	b->strikes = 0;
	b->width = BUDGET_WIDTH_MAX;
}

static double rate(const struct budget *b)
{
	return fmin(b->rps, b->policy_rate) / b->part;
}

static double capacity(const struct budget *b)
{
	return fmax(1, floor(fmin(b->burst, b->policy_quota) / b->part));
}

static double kept(const struct budget *b)
{
	return b->burst <= b->policy_quota && b->part == 1 ? b->kept : floor(capacity(b) / 5);
}

static void fill(struct budget *b, int64_t now_ms)
{
	if (now_ms > b->filled_ms) {
		b->tokens += rate(b) * (double)(now_ms - b->filled_ms) / MSEC_PER_SEC;
		b->filled_ms = now_ms;
	}
	b->tokens = fmin(b->tokens, capacity(b));
	if (now_ms >= b->reset_ms)
		b->left = INFINITY;
}

void budget_divide(struct budget *b, unsigned part, int64_t now_ms)
{
	if (part == b->part || !part)
		return;
	fill(b, now_ms);
	b->part = part;
	b->tokens = fmin(b->tokens, capacity(b));
}

int64_t budget_stopped_until(const struct budget *b, int64_t now_ms)
{
	int64_t until = b->stopped_ms;

	if (b->left < 1 && b->reset_ms > until)
		until = b->reset_ms;
	return until > now_ms ? until : 0;
}

/* With little left, reads are spread over the time to the reset instead of spending it at once. */
static int64_t paced_wait_ms(const struct budget *b, int64_t now_ms)
{
	double interval;
	int64_t next;

	if (b->left > kept(b))
		return 0;
	interval = (double)(b->reset_ms - now_ms) / fmax(1, b->left);
	next = b->read_ms + (int64_t)interval;
	return next > now_ms ? next - now_ms : 0;
}

int64_t budget_wait_ms(struct budget *b, bool write, int64_t now_ms, bool *ret_limited)
{
	double need = 1 + (write ? 0 : kept(b));
	int64_t stop, own = 0, wait = 0;

	fill(b, now_ms);
	stop = budget_stopped_until(b, now_ms);
	if (stop)
		wait = stop - now_ms;
	else if (!write)
		wait = paced_wait_ms(b, now_ms);
	if (b->tokens < need)
		own = (int64_t)ceil((need - b->tokens) / rate(b) * MSEC_PER_SEC);
	*ret_limited = wait > 0 && wait >= own;
	return wait > own ? wait : own;
}

void budget_take(struct budget *b, bool write, int64_t now_ms)
{
	fill(b, now_ms);
	b->tokens -= 1;
	b->left -= 1;
	if (!write)
		b->read_ms = now_ms;
}

static void stop(struct budget *b, const struct rate_facts *facts, bool first, int64_t now_ms)
{
	int64_t wait = facts->retry_after_ms;

	if (wait < 0 && facts->left == 0)
		wait = facts->reset_ms;
	if (wait < 0) {
		/* Calls that were in flight together are one strike, not many. */
		if (first && b->strikes < 16)
			b->strikes++;
		wait = STRIKE_MS << (b->strikes ? b->strikes - 1 : 0);
		wait = wait > STRIKE_MAX_MS ? STRIKE_MAX_MS : wait;
	}
	if (wait < STOP_MIN_MS)
		wait = STOP_MIN_MS;
	if (wait > BUDGET_STOP_MAX_MS)
		wait = BUDGET_STOP_MAX_MS;
	if (now_ms + wait > b->stopped_ms)
		b->stopped_ms = now_ms + wait;
	b->width = 1;
}

void budget_answer(struct budget *b, const struct rate_facts *facts, int status, unsigned others, int64_t sent_ms, int64_t now_ms)
{
	bool after_stop = sent_ms >= b->stopped_ms;

	fill(b, now_ms);
	if (facts->policy_rate > 0) {
		b->policy_rate = facts->policy_rate;
		b->policy_quota = facts->policy_quota > 0 ? (double)facts->policy_quota : INFINITY;
	}
	if (facts->left >= 0 && facts->reset_ms > 0) {
		int64_t reset = facts->reset_ms > BUDGET_STOP_MAX_MS ? BUDGET_STOP_MAX_MS : facts->reset_ms;

		/* The service may not have counted those that are still on their way. */
		b->left = fmax(0, (double)facts->left - (facts->left ? others : 0));
		b->reset_ms = now_ms + reset;
	}
	if (status == 429) {
		stop(b, facts, after_stop, now_ms);
	} else if (status && after_stop) {
		b->strikes = 0;
		if (b->width < BUDGET_WIDTH_MAX)
			b->width *= 2;
	}
}

double budget_left(struct budget *b, int64_t now_ms)
{
	fill(b, now_ms);
	if (budget_stopped_until(b, now_ms))
		return 0;
	return fmax(0, floor(fmin(b->tokens, b->left)));
}
