#include "cache/store.h"

#include <errno.h>

#include "api/base/clock.h"
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
	pthread_mutex_init(&store->lock, NULL);
	return store;
}

struct store *store_free(struct store *store)
{
	struct trash trash = { 0 };
	struct entry *entry, *next;
	bool last;

	if (!store)
		return NULL;
	pthread_mutex_lock(&store->lock);
	while (store->overlays)
		overlay_drop(store, store->overlays, &trash);
	for (entry = store->lru; entry; entry = next) {
		next = entry->next;
		entry_unset(store, entry, &trash);
		entry_free(store, entry);
	}
	pthread_mutex_unlock(&store->lock);
	trash_empty(&trash);
	/* Snapshots that an open file still holds come back to the lock; the last of them frees the store. */
	pthread_mutex_lock(&store->lock);
	store->closed = true;
	last = !store->stats.snapshots;
	pthread_mutex_unlock(&store->lock);
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
static bool has_value(const struct entry *entry)
{
	return entry->held && (!entry->held->value.snapshot || entry->held->value.snapshot->body);
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

static int64_t expiry(const struct entry *entry, int64_t ttl_ms)
{
	int64_t ms = held_expiry(entry->held, ttl_ms);

	if (entry->held->start < entry->expired_tick && entry->expired_ms < ms)
		ms = entry->expired_ms;
	return ms;
}

static bool is_fresh(const struct asker *a, const struct entry *entry, int64_t now)
{
	if (!has_value(entry))
		return false;
	/* Several that ask anew share a flight that began after all of them, also when it lands before they look. */
	if (a->get->refresh)
		return !entry->held->put && entry->held->start > a->came && entry->held->start > entry->expired_tick;
	return now < expiry(entry, a->get->ttl_ms);
}

static bool is_stale_servable(const struct asker *a, const struct entry *entry, int64_t now)
{
	return !a->get->refresh && has_value(entry) &&
	       now < add_ms(expiry(entry, a->get->ttl_ms), a->store->options.stale_ttl_ms);
}

/* entry NULL: it went right after the flight landed, where a value alone is past the bound. */
static int give(struct asker *a, const struct entry *entry, const struct held *held, bool stale)
{
	bool current = entry && held == entry->held;
	int64_t expires = current ? expiry(entry, a->get->ttl_ms) : held_expiry(held, a->get->ttl_ms);

	*a->ret = (struct store_value){ .list = list_ref(held->value.list), .snapshot = snapshot_ref(held->value.snapshot) };
	if (a->ret_info)
		*a->ret_info = (struct store_info){ .fetched_ms = held->fetched_ms,
						    .expires_ms = expires,
						    .stale = stale,
						    .generation = entry ? entry->generation : held->start };
	return 0;
}

static int give_stale(struct asker *a, const struct entry *entry)
{
	a->store->stats.stale_served++;
	return give(a, entry, entry->held, true);
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
static bool is_joinable(const struct asker *a, const struct entry *entry, const struct flight *flight)
{
	return !flight->start ||
	       (flight->start > a->came && flight->start > entry->expired_tick && flight->start > entry->put_tick);
}

static bool is_failure_remembered(const struct asker *a, const struct entry *entry, int64_t now)
{
	const struct store_options *o = &a->store->options;
	int64_t ttl = o->failure_ttl_ms < a->get->ttl_ms ? o->failure_ttl_ms : a->get->ttl_ms;

	if (!entry->failure)
		return false;
	if (a->get->refresh)
		return entry->failed_start > a->came;
	return now < add_ms(entry->failed_ms, entry->failure == -ENOENT ? o->negative_ttl_ms : ttl);
}

/* With a stale value at hand, how long after its beginning a flight is waited for. While the last one failed, the API is
   away: who reads meanwhile should not pay for each attempt to reach it. */
static int64_t stale_wait(const struct asker *a, const struct entry *entry)
{
	int64_t ms = a->store->options.stale_wait_ms;

	return entry->failure && ms > STORE_AWAY_WAIT_MS ? STORE_AWAY_WAIT_MS : ms;
}

/* 1: a flight is needed. */
static int answer_from_memory(struct asker *a, struct entry *entry)
{
	int64_t now = clock_now_ms();

	if (is_fresh(a, entry, now)) {
		a->store->stats.hits++;
		return give(a, entry, entry->held, false);
	}
	if (is_failure_remembered(a, entry, now)) {
		if (is_stale_servable(a, entry, now))
			return give_stale(a, entry);
		a->store->stats.hits++;
		return give_failure(a, entry->failure, entry->failure_err);
	}
	/* Others have waited for this flight as long as one reader should. */
	if (entry->flight && is_joinable(a, entry, entry->flight) && is_stale_servable(a, entry, now) &&
	    now >= add_ms(entry->flight->asked_ms, stale_wait(a, entry)))
		return give_stale(a, entry);
	return 1;
}

/* When to stop waiting for the flight. */
static int64_t patience(const struct asker *a, const struct entry *entry)
{
	int64_t from = is_joinable(a, entry, entry->flight) ? entry->flight->asked_ms : a->came_ms, until;

	if (!is_stale_servable(a, entry, clock_now_ms()))
		return a->get->deadline_ms;
	until = add_ms(from, stale_wait(a, entry));
	return until < a->get->deadline_ms ? until : a->get->deadline_ms;
}

/* 1: it brought nothing that answers; look again. */
static int take_landed(struct asker *a, const struct entry *entry, const struct flight *flight, bool joinable)
{
	if (!flight->done || flight->again || !joinable)
		return 1;
	if (flight->result == 0) {
		/* Own writes may have come on top since it landed. */
		if (entry && has_value(entry) && entry->held->start >= flight->start)
			return give(a, entry, entry->held, false);
		return give(a, entry, flight->held, false);
	}
	if (flight->result != -ENOENT && entry && is_stale_servable(a, entry, clock_now_ms()))
		return give_stale(a, entry);
	return give_failure(a, flight->result, &flight->err);
}

static int give_up(struct asker *a, const struct entry *entry, int waited)
{
	if (waited == -EINTR)
		return err_set(a->err, EINTR, "interrupted while waiting for the API");
	if (entry && is_stale_servable(a, entry, clock_now_ms()))
		return give_stale(a, entry);
	if (waited == -ETIMEDOUT)
		return err_set(a->err, ETIMEDOUT, "the API did not answer in time");
	return err_set(a->err, EBUSY, "it changed again and again while it was being read");
}

/* Waits for the flight of the entry, with the lock given back meanwhile. 1: look again. */
static int wait_for_flight(struct asker *a, struct entry *entry, bool launch)
{
	struct store *store = a->store;
	struct flight *flight = entry->flight;
	struct wait wait = { .waiter = a->get->waiter };
	bool joinable = is_joinable(a, entry, flight);
	int64_t until = patience(a, entry);
	struct trash trash = { 0 };
	int waited = 0, r;

	flight->refs++;
	DL_APPEND(flight->waits, &wait);
	pthread_mutex_unlock(&store->lock);
	if (launch)
		flight_launch(flight);
	pthread_mutex_lock(&store->lock);
	while (!flight->done && flight->entry && waited == 0) {
		pthread_mutex_unlock(&store->lock);
		waited = waiter_wait(wait.waiter, until, false);
		pthread_mutex_lock(&store->lock);
	}
	DL_DELETE(flight->waits, &wait);
	entry = entry_find(store, a->get->key);
	if (flight->done || !flight->entry)
		r = take_landed(a, entry, flight, joinable);
	else
		r = give_up(a, entry, waited);
	flight_leave(flight, &trash);
	pthread_mutex_unlock(&store->lock);
	/* A wake that came too late must not end this thread's next wait. */
	waiter_wait(wait.waiter, 0, true);
	trash_empty(&trash);
	pthread_mutex_lock(&store->lock);
	return r;
}

static int ask(struct asker *a, struct entry *entry)
{
	struct store *store = a->store;
	bool launch = !entry->flight;

	if (a->tries++ >= STORE_TRIES_MAX)
		return give_up(a, entry, 0);
	if (launch && !flight_new(store, entry))
		return err_set(a->err, ENOMEM, "out of memory");
	if (!a->launched) {
		*(launch ? &store->stats.misses : &store->stats.joined) += 1;
		a->launched = true;
	}
	return wait_for_flight(a, entry, launch);
}

int store_get(struct store *store, const struct store_get *get, struct store_value *ret, struct store_info *ret_info,
	      struct err *err)
{
	struct asker a = { .store = store, .get = get, .came_ms = clock_now_ms(), .ret = ret, .ret_info = ret_info, .err = err };
	int r = 1;

	scoped_lock(&store->lock);
	if (get->refresh)
		a.came = ++store->tick;
	while (r == 1) {
		struct entry *entry = get->cached_only ? entry_find(store, get->key) : entry_make(store, get->key, get->row);

		if (!entry)
			return get->cached_only ? -EAGAIN : err_set(err, ENOMEM, "out of memory");
		entry_touch(store, entry);
		r = answer_from_memory(&a, entry);
		if (r == 1)
			r = get->cached_only ? -EAGAIN : ask(&a, entry);
	}
	return r;
}

void store_prefetch(struct store *store, const void *row, const char *key, int64_t ttl_ms)
{
	const struct store_get get = { .key = key, .row = row, .ttl_ms = ttl_ms };
	const struct asker a = { .store = store, .get = &get };
	struct flight *flight = NULL;
	int64_t now = clock_now_ms();
	struct entry *entry;

	pthread_mutex_lock(&store->lock);
	entry = entry_make(store, key, row);
	if (entry && !entry->flight && !is_fresh(&a, entry, now) && !is_failure_remembered(&a, entry, now)) {
		entry_touch(store, entry);
		flight = flight_new(store, entry);
		store->stats.misses += flight != NULL;
	}
	pthread_mutex_unlock(&store->lock);
	if (flight)
		flight_launch(flight);
}

/* ---- dropping ---- */

static bool begins_with(const struct entry *entry, const char *prefix)
{
	return !strncmp(entry->key, prefix, strlen(prefix));
}

void store_drop(struct store *store, const char *prefix)
{
	struct trash trash = { 0 };
	struct entry *entry, *next;

	pthread_mutex_lock(&store->lock);
	for (entry = store->lru; entry; entry = next) {
		next = entry->next;
		if (!begins_with(entry, prefix))
			continue;
		if (entry->flight)
			flight_drop(entry->flight);
		entry_unset(store, entry, &trash);
		entry_forgive(entry);
	}
	pthread_mutex_unlock(&store->lock);
	trash_empty(&trash);
}

void store_expire(struct store *store, const char *prefix)
{
	struct entry *entry;
	int64_t now = clock_now_ms();
	uint64_t tick;

	scoped_lock(&store->lock);
	tick = ++store->tick;
	for (entry = store->lru; entry; entry = entry->next) {
		if (!begins_with(entry, prefix))
			continue;
		/* Where it is expired already, the time of stale serving runs on. */
		if (!entry->held || entry->held->start > entry->expired_tick)
			entry->expired_ms = now;
		entry->expired_tick = tick;
		entry_forgive(entry);
	}
}

void store_stats(struct store *store, struct store_stats *ret)
{
	scoped_lock(&store->lock);
	*ret = store->stats;
}
