/* Flights: one fetch of one key, in a thread of the pool, for all who want it. */
#include <errno.h>

#include "cache/store_private.h"

struct flight *flight_new_locked(struct store *store, struct cell *cell, int64_t ttl_ms)
{
	struct flight *flight = calloc(1, sizeof(*flight));

	store_assert_locked(store);
	(void)invariant(!cell->flight);
	if (flight)
		flight->key = strdup(cell->key);
	if (!flight || !flight->key) {
		free(flight);
		return NULL;
	}
	flight->refs = 1;
	flight->store = store;
	flight->row = cell->row;
	flight->asked_ms = clock_now_ms();
	if (!store->unanswered_ms)
		store->unanswered_ms = flight->asked_ms;
	if (!store->unheard_ms)
		store->unheard_ms = flight->asked_ms;
	flight->ttl_ms = ttl_ms;
	flight->cell = cell;
	cell->flight = flight;
	return flight;
}

void flight_free(struct flight *flight)
{
	held_free(flight->held);
	free(flight->key);
	free(flight);
}

void flight_leave_locked(struct flight *flight, struct leftovers *leftovers)
{
	store_assert_locked(flight->store);
	/* Leftovers are emptied after each of these, so there is never more than one in it. */
	(void)invariant(flight->refs > 0);
	if (--flight->refs > 0)
		return;
	(void)invariant(!leftovers->flight && !flight->cell && !flight->waits);
	leftovers->flight = flight;
}

static void wake_all_locked(struct flight *flight) REQUIRES(store_locked)
{
	struct wait *wait;

	store_assert_locked(flight->store);
	DL_FOREACH(flight->waits, wait)
		waiter_wake(wait->waiter);
}

void flight_drop_locked(struct flight *flight)
{
	store_assert_locked(flight->store);
	(void)invariant(flight->cell && flight->cell->flight == flight);
	flight->cell->flight = NULL;
	flight->cell = NULL;
	flight->again = true;
	wake_all_locked(flight);
}

/* Neither of these says anything about the resource. */
static bool is_remembered(int result)
{
	return result != -EINTR && result != -ENOMEM && result != -ECANCELED;
}

/* ---- landing ---- */

/* What another member fetched is as old as that, and no younger because it came late. */
static void note_shared_locked(struct flight *flight, struct held *held) REQUIRES(store_locked)
{
	store_assert_locked(flight->store);
	if (!flight->shared)
		return;
	held->shared = flight->held->shared = true;
	held->landed_ms = flight->held->landed_ms = flight->start_ms;
}

static int land_list_locked(struct flight *flight, struct list *list, struct leftovers *leftovers, bool *ret_changed)
	REQUIRES(store_locked)
{
	struct cell *cell = flight->cell;
	struct store_value value = { 0 }, copy = { 0 };
	struct held *held = NULL;
	int r = overlay_apply_locked(flight->store, cell, list, flight->start, &value.list, leftovers);

	store_assert_locked(flight->store);
	if (r < 0)
		return r;
	if (!value.list) {
		*ret_changed = cell_set_locked(flight->store, cell, NULL, leftovers);
		return -ENOENT;
	}
	copy.list = list_ref(value.list);
	flight->held = held_new(&copy, flight->start_ms, flight->start);
	if (flight->held)
		held = held_new(&value, flight->start_ms, flight->start);
	if (!held) {
		/* The caller's list and the overlays hold all that is in it. */
		store_value_clear(&copy);
		store_value_clear(&value);
		leftovers_add_held(leftovers, steal_ptr(flight->held));
		return -ENOMEM;
	}
	note_shared_locked(flight, held);
	*ret_changed = cell_set_locked(flight->store, cell, held, leftovers);
	return 0;
}

static int land_document_locked(struct flight *flight, struct snapshot *snapshot, struct leftovers *leftovers, bool *ret_changed)
	REQUIRES(store_locked)
{
	struct cell *cell = flight->cell;
	struct store_value value = { .snapshot = snapshot_ref(snapshot) }, copy = { .snapshot = snapshot_ref(snapshot) };
	struct held *held = held_new(&value, flight->start_ms, flight->start);

	store_assert_locked(flight->store);
	flight->held = held_new(&copy, flight->start_ms, flight->start);
	if (!held || !flight->held) {
		/* The caller has a reference too, so these are not the last. */
		store_value_clear(&value);
		store_value_clear(&copy);
		leftovers_add_held(leftovers, held);
		leftovers_add_held(leftovers, steal_ptr(flight->held));
		return -ENOMEM;
	}
	memory_adopt_locked(flight->store, &snapshot, 1);
	if (cell->held && cell->held->value.snapshot)
		memory_carry_over_locked(flight->store, snapshot, cell->held->value.snapshot);
	note_shared_locked(flight, held);
	*ret_changed = cell_set_locked(flight->store, cell, held, leftovers);
	return 0;
}

/* The answer, set against what happened to the cell since the flight began. Lock held; the value stays the caller's. */
static int land_locked(struct flight *flight, int result, const struct store_value *value, struct leftovers *leftovers,
		       bool *ret_changed) REQUIRES(store_locked)
{
	struct cell *cell = flight->cell;

	store_assert_locked(flight->store);
	/* Own writes of documents are newer than this; lists have theirs laid over. */
	if (cell->put_tick > flight->start) {
		flight->again = true;
		return 0;
	}
	if (result == 0 && value->snapshot)
		result = land_document_locked(flight, value->snapshot, leftovers, ret_changed);
	else if (result == 0 || result == -ENOENT)
		result = land_list_locked(flight, result == 0 ? value->list : NULL, leftovers, ret_changed);
	if (result == 0)
		cell_forgive_locked(flight->store, cell);
	else if (is_remembered(result))
		cell_fail_locked(flight->store, cell, result, flight->start, &flight->err);
	return result;
}

/* Whether the other side said something: a refusal is an answer too. */
static bool is_answer(int result)
{
	return result != -ETIMEDOUT && result != -ECONNREFUSED && result != -EHOSTUNREACH && result != -EPROTO &&
	       result != -EINTR && result != -ENOMEM;
}

static void settle(struct flight *flight, int result, const struct store_value *value)
{
	struct store *store = flight->store;
	struct leftovers leftovers = { 0 };
	bool changed = false;

	store_lock(store);
	if (is_answer(result))
		store->unanswered_ms = 0;
	if (result != -ETIMEDOUT && result != -EINTR && result != -ENOMEM)
		store->unheard_ms = 0;
	if (flight->start && result < 0 && result != -ENOENT)
		store->stats.failures++;
	if (flight->cell) {
		result = land_locked(flight, result, value, &leftovers, &changed);
		cell_touch_locked(store, flight->cell);
		flight->cell->flight = NULL;
		flight->cell = NULL;
	}
	flight->result = result;
	flight->done = true;
	wake_all_locked(flight);
	memory_evict_locked(store, &leftovers);
	store_unlock(store);
	leftovers_free(&leftovers);
	/* The task's own reference keeps the key. */
	if (changed && store->options.changed)
		store->options.changed(store->options.changed_arg, flight->row, flight->key);
	store_lock(store);
	flight_leave_locked(flight, &leftovers);
	store_unlock(store);
	leftovers_free(&leftovers);
}

/* ---- under way ---- */

static bool begin(struct flight *flight)
{
	struct store *store = flight->store;

	scope_lock(store, store);
	if (!flight->cell)
		return false;
	flight->start = ++store->tick;
	flight->start_ms = clock_now_ms();
	store->stats.fetches++;
	return true;
}

static struct list *known_list(struct flight *flight)
{
	scope_lock(store, flight->store);
	if (!flight->cell || !flight->cell->held)
		return NULL;
	return list_ref(flight->cell->held->value.list);
}

static int check_answer(int result, const struct store_value *value, struct err *err)
{
	if (result > 0 || (result == 0 && !value->list == !value->snapshot))
		return err_set(err, EIO, "the answer could not be used");
	return result;
}

int flight_ask(struct flight *flight, struct store_value *ret)
{
	const struct store_options *o = &flight->store->options;

	return check_answer(o->fetch(o->fetch_arg, flight->row, flight->key, ret, &flight->err), ret, &flight->err);
}

static void fly(void *arg)
{
	struct flight *flight = arg;
	struct store *store = flight->store;
	struct store_value value = { 0 };
	int result = -ECANCELED;

	if (begin(flight))
		result = store->options.fleet ? flight_share(flight, &value) : flight_ask(flight, &value);
	if (result == 0 && value.list) {
		cleanup_(list_unrefp) struct list *old = known_list(flight);

		memory_adopt_list(store, value.list, old);
	}
	settle(flight, result, &value);
	store_value_clear(&value);
}

void flight_launch(struct flight *flight)
{
	struct store_value none = { 0 };

	if (pool_run(flight->store->options.pool, fly, flight) == 0)
		return;
	err_set(&flight->err, ENOMEM, "no thread could be had to ask the API");
	settle(flight, -ENOMEM, &none);
}
