/* Flights: one fetch of one key, in a thread of the pool, for all who want it. */
#include <errno.h>

#include "cache/store_private.h"

struct flight *flight_new(struct store *store, struct entry *entry)
{
	struct flight *flight = calloc(1, sizeof(*flight));

	if (flight)
		flight->key = strdup(entry->key);
	if (!flight || !flight->key) {
		free(flight);
		return NULL;
	}
	flight->refs = 1;
	flight->store = store;
	flight->row = entry->row;
	flight->asked_ms = clock_now_ms();
	flight->entry = entry;
	entry->flight = flight;
	return flight;
}

void flight_free(struct flight *flight)
{
	held_free(flight->held);
	free(flight->key);
	free(flight);
}

void flight_leave(struct flight *flight, struct trash *trash)
{
	/* A trash is emptied after each of these, so there is never more than one in it. */
	if (--flight->refs == 0)
		trash->flight = flight;
}

static void wake_all(struct flight *flight)
{
	struct wait *wait;

	DL_FOREACH(flight->waits, wait)
		waiter_wake(wait->waiter);
}

void flight_drop(struct flight *flight)
{
	flight->entry->flight = NULL;
	flight->entry = NULL;
	flight->again = true;
	wake_all(flight);
}

/* Neither of these says anything about the resource. */
static bool is_remembered(int result)
{
	return result != -EINTR && result != -ENOMEM && result != -ECANCELED;
}

/* ---- landing ---- */

static int land_list(struct flight *flight, struct list *list, struct trash *trash, bool *ret_changed)
{
	struct entry *entry = flight->entry;
	struct store_value value = { 0 }, copy = { 0 };
	struct held *held = NULL;
	int r = overlay_apply(flight->store, entry, list, flight->start, &value.list, trash);

	if (r < 0)
		return r;
	if (!value.list) {
		*ret_changed = entry_set(flight->store, entry, NULL, trash);
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
		trash_held(trash, steal_ptr(flight->held));
		return -ENOMEM;
	}
	*ret_changed = entry_set(flight->store, entry, held, trash);
	return 0;
}

static int land_document(struct flight *flight, struct snapshot *snapshot, struct trash *trash, bool *ret_changed)
{
	struct entry *entry = flight->entry;
	struct store_value value = { .snapshot = snapshot_ref(snapshot) }, copy = { .snapshot = snapshot_ref(snapshot) };
	struct held *held = held_new(&value, flight->start_ms, flight->start);

	flight->held = held_new(&copy, flight->start_ms, flight->start);
	if (!held || !flight->held) {
		/* The caller has a reference too, so these are not the last. */
		store_value_clear(&value);
		store_value_clear(&copy);
		trash_held(trash, held);
		trash_held(trash, steal_ptr(flight->held));
		return -ENOMEM;
	}
	memory_adopt(flight->store, &snapshot, 1);
	if (entry->held && entry->held->value.snapshot)
		memory_carry_over(flight->store, snapshot, entry->held->value.snapshot);
	*ret_changed = entry_set(flight->store, entry, held, trash);
	return 0;
}

/* The answer, set against what happened to the entry since the flight began. Lock held; the value stays the caller's. */
static int land(struct flight *flight, int result, const struct store_value *value, struct trash *trash, bool *ret_changed)
{
	struct entry *entry = flight->entry;

	/* Own writes of documents are newer than this; lists have theirs laid over. */
	if (entry->put_tick > flight->start) {
		flight->again = true;
		return 0;
	}
	if (result == 0 && value->snapshot)
		result = land_document(flight, value->snapshot, trash, ret_changed);
	else if (result == 0 || result == -ENOENT)
		result = land_list(flight, result == 0 ? value->list : NULL, trash, ret_changed);
	if (result == 0)
		entry_forgive(entry);
	else if (is_remembered(result))
		entry_fail(entry, result, flight->start, &flight->err);
	return result;
}

static void settle(struct flight *flight, int result, const struct store_value *value)
{
	struct store *store = flight->store;
	struct trash trash = { 0 };
	bool changed = false;

	pthread_mutex_lock(&store->lock);
	if (flight->start && result < 0 && result != -ENOENT)
		store->stats.failures++;
	if (flight->entry) {
		result = land(flight, result, value, &trash, &changed);
		entry_touch(store, flight->entry);
		flight->entry->flight = NULL;
		flight->entry = NULL;
	}
	flight->result = result;
	flight->done = true;
	wake_all(flight);
	memory_evict(store, &trash);
	pthread_mutex_unlock(&store->lock);
	trash_empty(&trash);
	/* The task's own reference keeps the key. */
	if (changed && store->options.changed)
		store->options.changed(store->options.changed_arg, flight->row, flight->key);
	pthread_mutex_lock(&store->lock);
	flight_leave(flight, &trash);
	pthread_mutex_unlock(&store->lock);
	trash_empty(&trash);
}

/* ---- under way ---- */

static bool begin(struct flight *flight)
{
	struct store *store = flight->store;

	scoped_lock(&store->lock);
	if (!flight->entry)
		return false;
	flight->start = ++store->tick;
	flight->start_ms = clock_now_ms();
	store->stats.fetches++;
	return true;
}

static struct list *known_list(struct flight *flight)
{
	scoped_lock(&flight->store->lock);
	if (!flight->entry || !flight->entry->held)
		return NULL;
	return list_ref(flight->entry->held->value.list);
}

static int check_answer(int result, const struct store_value *value, struct err *err)
{
	if (result > 0 || (result == 0 && !value->list == !value->snapshot))
		return err_set(err, EIO, "the answer could not be used");
	return result;
}

static void fly(void *arg)
{
	struct flight *flight = arg;
	struct store *store = flight->store;
	struct store_value value = { 0 };
	int result = -ECANCELED;

	if (begin(flight))
		result = check_answer(
			store->options.fetch(store->options.fetch_arg, flight->row, flight->key, &value, &flight->err), &value,
			&flight->err);
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
