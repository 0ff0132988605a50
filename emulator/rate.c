#include "emulator/rate.h"

#include <inttypes.h>
/* uthash's default hash falls through its cases without a mark that clang knows. */
#define HASH_FUNCTION(key, len, hash) HASH_FNV(key, len, hash)
#include <uthash.h>

#include "api/base/lock.h"

#define RATE_ACCOUNTS_MAX 10000

struct window {
	char account[33]; /* key */
	int64_t start;    /* monotonic ms */
	int64_t used;
	UT_hash_handle hh;
};

DECLARE_LOCK(rate);

struct rate {
	int64_t count, seconds; /* constant */
	bool vague;             /* constant */
	struct lock lock;
	struct window *windows GUARDED_BY(rate_locked); /* owned */
};
DEFINE_LOCK(rate, struct rate, lock)

struct rate *rate_new(int64_t count, int64_t seconds, bool vague)
{
	struct rate *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->count = count;
	r->seconds = seconds;
	r->vague = vague;
	lock_init(&r->lock);
	return r;
}

static void clear_locked(struct rate *r) REQUIRES(rate_locked)
{
	struct window *w, *tmp;

	rate_assert_locked(r);
	HASH_ITER(hh, r->windows, w, tmp) {
		HASH_DEL(r->windows, w);
		free(w);
	}
}

void rate_clear(struct rate *r)
{
	scope_lock(rate, r);
	clear_locked(r);
}

struct rate *rate_free(struct rate *r)
{
	if (!r)
		return NULL;
	rate_clear(r);
	lock_destroy(&r->lock);
	free(r);
	return NULL;
}

static struct window *window_of_locked(struct rate *r, const char *account, int64_t now) REQUIRES(rate_locked)
{
	struct window *w;

	rate_assert_locked(r);
	HASH_FIND_STR(r->windows, account, w);
	if (w)
		return w;
	if (HASH_COUNT(r->windows) >= RATE_ACCOUNTS_MAX)
		clear_locked(r);
	w = calloc(1, sizeof(*w));
	if (!w)
		return NULL;
	snprintf(w->account, sizeof(w->account), "%s", account);
	w->start = now;
	HASH_ADD_STR(r->windows, account, w);
	return w;
}

void rate_read(struct rate *r, const char *account, int64_t *ret_left, int64_t *ret_reset)
{
	int64_t gone;
	struct window *w;

	scope_lock(rate, r);
	HASH_FIND_STR(r->windows, account, w);
	gone = w ? (clock_now_ms() - w->start) / MSEC_PER_SEC : r->seconds;
	*ret_left = w && gone < r->seconds ? r->count - w->used : r->count;
	*ret_reset = gone < r->seconds ? r->seconds - gone : 0;
}

bool rate_take(struct rate *r, const char *account, struct exchange *ex)
{
	int64_t now = clock_now_ms(), left, reset;
	struct window *w;
	bool over;

	if (r->count == 0)
		return false;
	scope_lock(rate, r);
	w = window_of_locked(r, account, now);
	if (!w)
		return false;
	if (now - w->start >= r->seconds * MSEC_PER_SEC) {
		w->start = now;
		w->used = 0;
	}
	over = w->used >= r->count;
	if (!over)
		w->used++;
	left = over ? 0 : r->vague ? r->count - 1 : r->count - w->used;
	reset = (w->start + r->seconds * MSEC_PER_SEC - now + MSEC_PER_SEC - 1) / MSEC_PER_SEC;
	snprintf(ex->ratelimit, sizeof(ex->ratelimit), "\"default\";r=%" PRId64 ";t=%" PRId64, left, reset);
	snprintf(ex->ratelimit_policy, sizeof(ex->ratelimit_policy), "\"default\";q=%" PRId64 ";w=%" PRId64, r->count,
		 r->seconds);
	if (over)
		ex->retry_after = reset;
	return over;
}
