#include "cache/store.h"

#include <errno.h>

#include "cache/store_private.h"

void store_value_clear(struct store_value *value)
{
	value->list = list_unref(value->list);
	value->snapshot = snapshot_unref(value->snapshot);
}

struct store *store_new(const struct store_options *options)
{
	struct store *store = calloc(1, sizeof(*store));

	if (!store)
		return NULL;
	store->options = *options;
	lock_init(&store->lock);
	return store;
}

void store_end_flights(struct store *store)
{
	if (!store)
		return;
	scope_lock(store, store);
	store->flights_end = true;
}

struct store *store_free(struct store *store)
{
	struct leftovers leftovers = { 0 };
	struct cell *cell, *next;
	bool last;

	if (!store)
		return NULL;
	store_lock(store);
	while (store->overlays)
		overlay_drop_locked(store, store->overlays, &leftovers);
	for (cell = store->lru; cell; cell = next) {
		next = cell->next;
		cell_unset_locked(store, cell, &leftovers);
		cell_free_locked(store, cell);
	}
	store_unlock(store);
	leftovers_free(&leftovers);
	/* Snapshots that an open file still holds come back to the lock; the last of them frees the store. */
	store_lock(store);
	store->closed = true;
	last = !store->stats.snapshots;
	store_unlock(store);
	if (last)
		memory_free(store);
	return NULL;
}

/* ---- reading ---- */

/* One call of store_get. */
struct asker {
	struct store *store;
	const struct store_get *get;
	int64_t came_ms;
	uint64_t came; /* tick of the call, where it wants a flight that began after it; 0: any */
	unsigned tries;
	bool launched; /* counted as a miss or a joiner already */
	/* What to return: */
	struct store_value *ret;
	struct store_info *ret_info;
	struct err *err;
};

/* Whether there is something to show at all: a document without its body is none. */
static bool has_value_locked(const struct cell *cell) REQUIRES(store_locked)
{
	return cell->held && (!cell->held->value.snapshot || cell->held->value.snapshot->body);
}

/*
 * Its age counts from the request: what changes meanwhile may not be in the answer. But where the API takes longer than the
 * time to live, an answer would be old on arrival, and who goes through a list would wait for another one with each name: so
 * it serves for half of the time to live in any case.
 */
static int64_t held_expiry(const struct held *held, int64_t ttl_ms)
{
	int64_t ms = add_ms(held->fetched_ms, ttl_ms), least = add_ms(held->landed_ms, ttl_ms / 2);

	return ms > least ? ms : least;
}

static int64_t expiry_locked(const struct cell *cell, int64_t ttl_ms) REQUIRES(store_locked)
{
	int64_t ms = held_expiry(cell->held, ttl_ms);

	if (cell->held->start < cell->expired_tick && cell->expired_ms < ms)
		ms = cell->expired_ms;
	return ms;
}

static bool is_fresh_locked(const struct asker *a, const struct cell *cell, int64_t now) REQUIRES(store_locked)
{
	store_assert_locked(a->store);
	if (!has_value_locked(cell))
		return false;
	/* Several that ask anew share a flight that began after all of them, also when it lands before they look. */
	if (a->get->refresh)
		return !cell->held->put && !cell->held->shared && cell->held->start > a->came &&
		       cell->held->start > cell->expired_tick;
	return now < expiry_locked(cell, a->get->ttl_ms);
}

static bool is_stale_servable_locked(const struct asker *a, const struct cell *cell, int64_t now) REQUIRES(store_locked)
{
	store_assert_locked(a->store);
	return !a->get->refresh && has_value_locked(cell) &&
	       now < add_ms(expiry_locked(cell, a->get->ttl_ms), a->store->options.stale_ttl_ms);
}

/* cell NULL: it went right after the flight landed, where a value alone is past the bound. */
static int give_locked(struct asker *a, const struct cell *cell, const struct held *held, bool stale) REQUIRES(store_locked)
{
	bool current = cell && held == cell->held;
	int64_t expires = current ? expiry_locked(cell, a->get->ttl_ms) : held_expiry(held, a->get->ttl_ms);

	store_assert_locked(a->store);
	*a->ret = (struct store_value){ .list = list_ref(held->value.list), .snapshot = snapshot_ref(held->value.snapshot) };
	if (a->ret_info)
		*a->ret_info = (struct store_info){ .fetched_ms = held->fetched_ms,
						    .expires_ms = expires,
						    .stale = stale,
						    .generation = cell ? cell->generation : held->start };
	return 0;
}

static int give_stale_locked(struct asker *a, const struct cell *cell) REQUIRES(store_locked)
{
	store_assert_locked(a->store);
	a->store->stats.stale_served++;
	return give_locked(a, cell, cell->held, true);
}

static int give_failure(struct asker *a, int result, const struct err *err)
{
	if (a->err && err)
		*a->err = *err;
	if (a->err && (!err || !err->errnum))
		err_set(a->err, -result, result == -ENOENT ? "there is no such resource" : "%s", strerrordesc_np(-result));
	return result;
}

/* Whether a flight will answer this asker: what it brings must be newer than what the asker knows to be old. */
static bool is_joinable_locked(const struct asker *a, const struct cell *cell, const struct flight *flight) REQUIRES(store_locked)
{
	store_assert_locked(a->store);
	return !flight->start ||
	       (flight->start > a->came && flight->start > cell->expired_tick && flight->start > cell->put_tick);
}

static bool is_failure_remembered_locked(const struct asker *a, const struct cell *cell, int64_t now) REQUIRES(store_locked)
{
	const struct store_options *o = &a->store->options;
	int64_t ttl = o->failure_ttl_ms < a->get->ttl_ms ? o->failure_ttl_ms : a->get->ttl_ms;

	store_assert_locked(a->store);
	if (!cell->failure)
		return false;
	if (a->get->refresh)
		return cell->failed_start > a->came;
	return now < add_ms(cell->failed_ms, cell->failure == -ENOENT ? o->negative_ttl_ms : ttl);
}

/* Whether nothing has been heard since then for so long, of whatever was asked. */
static bool is_silent_since(int64_t since, int64_t ms)
{
	return since && clock_now_ms() >= add_ms(since, ms);
}

static int64_t at_most(int64_t ms, int64_t limit_ms)
{
	return ms < limit_ms ? ms : limit_ms;
}

/* With a stale value at hand, how long after its beginning a flight is waited for. While the last one failed, or nothing has been
   answered for as long as one reader waits, the API is away: who reads meanwhile should not pay for each attempt to reach it. */
static int64_t stale_wait_locked(const struct asker *a, const struct cell *cell) REQUIRES(store_locked)
{
	int64_t ms = a->store->options.stale_wait_ms;

	store_assert_locked(a->store);
	if (is_silent_since(a->store->unheard_ms, ms))
		return at_most(ms, STORE_SILENT_WAIT_MS);
	return cell->failure || is_silent_since(a->store->unanswered_ms, ms) ? at_most(ms, STORE_AWAY_WAIT_MS) : ms;
}

/* 1: a flight is needed. */
static int answer_from_memory_locked(struct asker *a, struct cell *cell) REQUIRES(store_locked)
{
	int64_t now = clock_now_ms();

	store_assert_locked(a->store);
	if (is_fresh_locked(a, cell, now)) {
		a->store->stats.hits++;
		return give_locked(a, cell, cell->held, false);
	}
	if (is_failure_remembered_locked(a, cell, now)) {
		if (is_stale_servable_locked(a, cell, now))
			return give_stale_locked(a, cell);
		a->store->stats.hits++;
		return give_failure(a, cell->failure, cell->failure_err);
	}
	/* Others have waited for this flight as long as one reader should. */
	if (cell->flight && is_joinable_locked(a, cell, cell->flight) && is_stale_servable_locked(a, cell, now) &&
	    now >= add_ms(cell->flight->asked_ms, stale_wait_locked(a, cell)))
		return give_stale_locked(a, cell);
	return 1;
}

/* When to stop waiting for the flight. */
static int64_t patience_locked(const struct asker *a, const struct cell *cell) REQUIRES(store_locked)
{
	int64_t from = is_joinable_locked(a, cell, cell->flight) ? cell->flight->asked_ms : a->came_ms, until;

	store_assert_locked(a->store);
	if (is_stale_servable_locked(a, cell, clock_now_ms()))
		until = add_ms(from, stale_wait_locked(a, cell));
	/* Who asks anew is about to change something, and has all its time. */
	else if (!a->get->refresh && is_silent_since(a->store->unheard_ms, a->get->deadline_ms - a->came_ms))
		until = add_ms(a->came_ms, STORE_SILENT_NOTHING_WAIT_MS);
	else
		return a->get->deadline_ms;
	return at_most(until, a->get->deadline_ms);
}

/* 1: it brought nothing that answers; look again. */
static int take_landed_locked(struct asker *a, const struct cell *cell, const struct flight *flight, bool joinable)
	REQUIRES(store_locked)
{
	store_assert_locked(a->store);
	if (!flight->done || flight->again || !joinable)
		return 1;
	/* Another member fetched it, for somebody who is content with less. */
	if (flight->result == 0 && flight->shared &&
	    (a->get->refresh || clock_now_ms() >= held_expiry(flight->held, a->get->ttl_ms)))
		return 1;
	if (flight->result == 0) {
		/* Own writes may have come on top since it landed. */
		if (cell && has_value_locked(cell) && cell->held->start >= flight->start)
			return give_locked(a, cell, cell->held, false);
		return give_locked(a, cell, flight->held, false);
	}
	if (flight->result != -ENOENT && cell && is_stale_servable_locked(a, cell, clock_now_ms()))
		return give_stale_locked(a, cell);
	return give_failure(a, flight->result, &flight->err);
}

static int give_up_locked(struct asker *a, const struct cell *cell, int waited) REQUIRES(store_locked)
{
	store_assert_locked(a->store);
	if (waited == -EINTR)
		return err_set(a->err, EINTR, "interrupted while waiting for the API");
	if (cell && is_stale_servable_locked(a, cell, clock_now_ms()))
		return give_stale_locked(a, cell);
	if (waited == -ETIMEDOUT)
		return err_set(a->err, ETIMEDOUT, "the API did not answer in time");
	return err_set(a->err, EBUSY, "it changed again and again while it was being read");
}

/* Waits for the flight of the cell, with the lock given back meanwhile. 1: look again. */
static int wait_for_flight_locked(struct asker *a, struct cell *cell, bool launch) REQUIRES(store_locked)
{
	struct store *store = a->store;
	struct flight *flight = cell->flight;
	struct wait wait = { .waiter = a->get->waiter };
	bool joinable = is_joinable_locked(a, cell, flight);
	int64_t until = patience_locked(a, cell);
	struct leftovers leftovers = { 0 };
	int waited = 0, r;

	store_assert_locked(a->store);
	flight->refs++;
	DL_APPEND(flight->waits, &wait);
	store_unlock(store);
	if (launch)
		flight_launch(flight);
	store_lock(store);
	while (!flight->done && flight->cell && waited == 0) {
		store_unlock(store);
		waited = waiter_wait(wait.waiter, until, false);
		store_lock(store);
	}
	DL_DELETE(flight->waits, &wait);
	cell = cell_find_locked(store, a->get->key);
	if (flight->done || !flight->cell)
		r = take_landed_locked(a, cell, flight, joinable);
	else
		r = give_up_locked(a, cell, waited);
	flight_leave_locked(flight, &leftovers);
	store_unlock(store);
	/* A wake that came too late must not end this thread's next wait. */
	waiter_wait(wait.waiter, 0, true);
	leftovers_free(&leftovers);
	store_lock(store);
	return r;
}

/* What is not under way yet is asked for as its most demanding reader wants it. */
static void want_locked(const struct asker *a, struct flight *flight) REQUIRES(store_locked)
{
	store_assert_locked(a->store);
	if (flight->start)
		return;
	flight->anew |= a->get->refresh;
	if (a->get->ttl_ms < flight->ttl_ms)
		flight->ttl_ms = a->get->ttl_ms;
}

static int ask_locked(struct asker *a, struct cell *cell) REQUIRES(store_locked)
{
	struct store *store = a->store;
	bool launch = !cell->flight;

	store_assert_locked(a->store);
	if (a->tries++ >= STORE_TRIES_MAX)
		return give_up_locked(a, cell, 0);
	if (launch && !flight_new_locked(store, cell, a->get->ttl_ms))
		return err_set(a->err, ENOMEM, "out of memory");
	want_locked(a, cell->flight);
	if (!a->launched) {
		*(launch ? &store->stats.misses : &store->stats.joined) += 1;
		a->launched = true;
	}
	return wait_for_flight_locked(a, cell, launch);
}

/* What a list brought of a document of which nothing is known. */
static void take_at_hand_locked(struct asker *a, struct cell *cell) REQUIRES(store_locked)
{
	struct snapshot *s = a->get->at_hand;
	struct store_value value = { 0 };
	struct leftovers none = { 0 };
	struct held *held;

	store_assert_locked(a->store);
	if (!s || cell->held || !s->body || s->store != a->store || cell->put_tick)
		return;
	/* A GET that said later that it is gone. */
	if (cell->failure == -ENOENT && cell->failed_ms >= s->fetched_ms)
		return;
	value.snapshot = snapshot_ref(s);
	held = held_new(&value, s->fetched_ms, 0);
	if (!held) {
		/* The caller has one too, so this is not the last. */
		snapshot_unref(s);
		return;
	}
	held->landed_ms = s->fetched_ms;
	cell_set_locked(a->store, cell, held, &none);
	(void)invariant(!none.held);
}

int store_get(struct store *store, const struct store_get *get, struct store_value *ret, struct store_info *ret_info,
	      struct err *err)
{
	struct asker a = { .store = store, .get = get, .came_ms = clock_now_ms(), .ret = ret, .ret_info = ret_info, .err = err };
	int r = 1;

	assert_return(get->cached_only || get->waiter, err_set(err, EIO, "internal error"));
	scope_lock(store, store);
	if (get->refresh)
		a.came = ++store->tick;
	while (r == 1) {
		struct cell *cell =
			get->cached_only ? cell_find_locked(store, get->key) : cell_make_locked(store, get->key, get->row);

		if (!cell)
			return get->cached_only ? -EAGAIN : err_set(err, ENOMEM, "out of memory");
		cell_touch_locked(store, cell);
		take_at_hand_locked(&a, cell);
		r = answer_from_memory_locked(&a, cell);
		if (r == 1)
			r = get->cached_only ? -EAGAIN : ask_locked(&a, cell);
	}
	return r;
}

void store_prefetch(struct store *store, const void *row, const char *key, int64_t ttl_ms)
{
	const struct store_get get = { .key = key, .row = row, .ttl_ms = ttl_ms };
	const struct asker a = { .store = store, .get = &get };
	struct flight *flight = NULL;
	int64_t now = clock_now_ms();
	struct cell *cell;

	store_lock(store);
	cell = cell_make_locked(store, key, row);
	if (cell && !cell->flight && !is_fresh_locked(&a, cell, now) && !is_failure_remembered_locked(&a, cell, now)) {
		cell_touch_locked(store, cell);
		flight = flight_new_locked(store, cell, ttl_ms);
		store->stats.misses += flight != NULL;
	}
	store_unlock(store);
	if (flight)
		flight_launch(flight);
}

/* ---- dropping ---- */

static bool is_meant_locked(const struct cell *cell, const char *prefix) REQUIRES(store_locked)
{
	return !strncmp(cell->key, prefix, strlen(prefix));
}

void drop_told(struct store *store, const char *prefix)
{
	struct leftovers leftovers = { 0 };
	struct cell *cell, *next;

	store_lock(store);
	for (cell = store->lru; cell; cell = next) {
		next = cell->next;
		if (!is_meant_locked(cell, prefix))
			continue;
		if (cell->flight)
			flight_drop_locked(cell->flight);
		cell_unset_locked(store, cell, &leftovers);
		cell_forgive_locked(store, cell);
	}
	store_unlock(store);
	leftovers_free(&leftovers);
}

void store_expire(struct store *store, const char *prefix)
{
	struct cell *cell;
	int64_t now = clock_now_ms();
	uint64_t tick;

	scope_lock(store, store);
	tick = ++store->tick;
	for (cell = store->lru; cell; cell = cell->next) {
		if (!is_meant_locked(cell, prefix))
			continue;
		/* Where it is expired already, the time of stale serving runs on. */
		if (!cell->held || cell->held->start > cell->expired_tick)
			cell->expired_ms = now;
		cell->expired_tick = tick;
		cell_forgive_locked(store, cell);
	}
}

void store_drop(struct store *store, const char *prefix)
{
	/* Who drops what is cached asks the API itself. */
	store_lock(store);
	store->dropped_ms = clock_now_ms();
	store_unlock(store);
	drop_told(store, prefix);
}

bool store_failure(struct store *store, const char *key, struct err *ret)
{
	const struct cell *cell;
	scope_lock(store, store);

	cell = cell_find_locked(store, key);
	if (!cell || !cell->failure || !cell->failure_err)
		return false;
	*ret = *cell->failure_err;
	return true;
}

void store_stats(struct store *store, struct store_stats *ret)
{
	scope_lock(store, store);
	*ret = store->stats;
}
