/*
 * A flight where the mount shares with others: what another member fetched in time is taken; else one member asks the API, with
 * a lease, and the others wait for what it brings. Without the share's answer the flight goes on alone.
 */
#include <errno.h>

#include "cache/store_private.h"

/* Between two looks for what another member is fetching: doubled from the first to the second. */
#define LOOK_MIN_MS 2
#define LOOK_MAX_MS 50
/* The others are waited for so long at most, however long the one with the lease takes. */
#define WAIT_MAX_MS 30000
/* Others' values and marks are kept no longer than this. */
#define KEPT_MAX_MS (3600 * MSEC_PER_SEC)
/* How long another member's failure is this one's. */
#define FAILURE_MS MSEC_PER_SEC

struct errand {
	struct flight *flight;
	struct fleet *fleet;
	struct waiter *waiter;
	char *name;    /* owned */
	char group[3]; /* of the key */
	int64_t ttl_ms, since_ms;
	bool anew;
};

/* What its readers want, and what is too old for this mount whatever they want. */
static void read_wishes(struct errand *e)
{
	struct flight *flight = e->flight;
	struct store *store = flight->store;
	const struct cell *cell;

	scope_lock(store, store);
	cell = flight->cell;
	e->ttl_ms = flight->ttl_ms;
	e->anew = flight->anew;
	e->since_ms = store->dropped_ms;
	if (cell && cell->expired_tick && cell->expired_ms > e->since_ms)
		e->since_ms = cell->expired_ms;
}

static int64_t longest_age(const struct errand *e, int result)
{
	int64_t ms = e->ttl_ms;

	if (result == -ENOENT)
		ms = e->flight->store->options.negative_ttl_ms;
	else if (result < 0)
		ms = FAILURE_MS;
	return ms < e->ttl_ms ? ms : e->ttl_ms;
}

static void take_over(struct errand *e, struct packed_result *from, int64_t fetched_ms, struct store_value *ret)
{
	const struct store_options *o = &e->flight->store->options;
	struct flight *flight = e->flight;

	*ret = from->value;
	if (from->result < 0)
		flight->err = from->err;
	else if (o->arrived)
		o->arrived(o->share_arg, flight->row, flight->key, ret);
	scope_lock(store, flight->store);
	flight->shared = from->result == 0;
	if (flight->shared)
		flight->start_ms = fetched_ms;
}

/* 0 with the fetch's result; -ENOENT: there is nothing that could be used; -EAGAIN. */
static int look(struct errand *e, struct store_value *ret, int *ret_result)
{
	cleanup_buf_ struct buf text = BUF_INIT;
	struct packed_result found = { .err = ERR_INIT };
	int64_t age_ms = 0, fetched_ms;
	int r;

	r = share_get_unmarked(fleet_share(e->fleet), e->name, e->group, &text, &age_ms, e->waiter);
	if (r < 0)
		return r == -ENOENT ? r : -EAGAIN;
	fetched_ms = clock_now_ms() - age_ms;
	if (fetched_ms <= e->since_ms)
		return -ENOENT;
	r = value_unpack(&text, fetched_ms, &found);
	if (r == 0 && age_ms < longest_age(e, found.result)) {
		take_over(e, &found, fetched_ms, ret);
		*ret_result = found.result;
		return 0;
	}
	store_value_clear(&found.value);
	return r == -ENOMEM ? -EAGAIN : -ENOENT;
}

/* Neither of these says anything about the resource to others; the last three are for each member to find out. */
static bool is_of_use(int result)
{
	return result != -EINTR && result != -ENOMEM && result != -ECANCELED && result != -EOPNOTSUPP && result != -EACCES &&
	       result != -EPERM;
}

static void offer(struct errand *e, int result, const struct store_value *value)
{
	struct flight *flight = e->flight;
	cleanup_buf_ struct buf text = BUF_INIT;
	int64_t age_ms, ttl_ms = flight->store->options.share_ttl_ms;

	if (!is_of_use(result))
		return;
	ttl_ms = result < 0 || ttl_ms < FAILURE_MS ? FAILURE_MS : ttl_ms;
	ttl_ms = ttl_ms < KEPT_MAX_MS ? ttl_ms : KEPT_MAX_MS;
	store_lock(flight->store);
	age_ms = clock_now_ms() - flight->start_ms;
	store_unlock(flight->store);
	/* It goes when it is of no use any more: nobody should have it carried over for its age. */
	ttl_ms = ttl_ms > age_ms ? ttl_ms - age_ms : 1;
	/* What does not fit is each member's own to fetch. */
	if (value_pack(result, value, &flight->err, &text) == 0)
		share_put_aged(fleet_share(e->fleet), e->name, text.data, text.len, age_ms, ttl_ms);
}

static int ask_and_offer(struct errand *e, struct store_value *ret)
{
	struct flight *flight = e->flight;
	int result;

	store_lock(flight->store);
	/* Not when the look began: what others wrote meanwhile is in the answer. */
	flight->start_ms = clock_now_ms();
	store_unlock(flight->store);
	result = flight_ask(flight, ret);
	offer(e, result, ret);
	return result;
}

/* With the lease. Whoever had it before may have brought what is wanted since the last look. */
static int ask_for_all(struct errand *e, struct store_value *ret)
{
	int result = 0, r;

	fleet_keep(e->fleet, e->name);
	r = look(e, ret, &result);
	if (r < 0)
		result = ask_and_offer(e, ret);
	fleet_release(e->fleet, e->name);
	return result;
}

static bool is_over(struct errand *e)
{
	struct store *store = e->flight->store;

	scope_lock(store, store);
	return store->flights_end;
}

static int fetch_among_others(struct errand *e, struct store_value *ret)
{
	int64_t until = clock_after_ms(WAIT_MAX_MS), pause_ms = LOOK_MIN_MS, left_ms;
	int result = 0, r;

	if (e->anew || e->ttl_ms <= 0)
		return ask_and_offer(e, ret);
	r = look(e, ret, &result);
	while (r == -ENOENT && clock_left_ms(until) && !is_over(e)) {
		r = share_lease(fleet_share(e->fleet), e->name, FLEET_LEASE_MS, &left_ms, e->waiter);
		if (r == 0)
			return ask_for_all(e, ret);
		if (r != -EBUSY)
			break;
		/* Nobody wakes it. */
		waiter_pause(e->waiter, clock_after_ms(pause_ms), true);
		pause_ms = pause_ms * 2 < LOOK_MAX_MS ? pause_ms * 2 : LOOK_MAX_MS;
		r = look(e, ret, &result);
	}
	return r == 0 ? result : ask_and_offer(e, ret);
}

static int make_name(struct errand *e)
{
	const struct store_options *o = &e->flight->store->options;
	const struct flight *flight = e->flight;
	const char *variant = o->variant ? o->variant(o->share_arg, flight->row, flight->key) : NULL;

	snprintf(e->group, sizeof(e->group), "%s", flight->key);
	return text_format(&e->name, "%s%s%s", flight->key, variant ? "\n" : "", variant ? variant : "") < 0 ? -ENOMEM : 0;
}

int flight_share(struct flight *flight, struct store_value *ret)
{
	struct errand e = { .flight = flight, .fleet = flight->store->options.fleet };
	struct waiter waiter;
	int result;

	if (!fleet_is_ready(e.fleet) || make_name(&e) < 0)
		return flight_ask(flight, ret);
	if (waiter_init(&waiter) < 0) {
		free(e.name);
		return flight_ask(flight, ret);
	}
	e.waiter = &waiter;
	read_wishes(&e);
	result = fetch_among_others(&e, ret);
	waiter_destroy(&waiter);
	free(e.name);
	return result;
}
