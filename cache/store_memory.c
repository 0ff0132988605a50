/* What the store holds in memory, and what goes when there is too much of it. */
#include <errno.h>

#include "cache/store_private.h"

/* Between the making of a snapshot and its adoption: a body is read under this. Taken after the store's lock. */
static struct adoption {
	struct lock lock;
} adoption = { .lock = LOCK_INIT };
DEFINE_LOCK(adoption, struct adoption, lock)

static struct store *store_of(const struct snapshot *s)
{
	return atomic_load_explicit(&s->store, memory_order_acquire);
}

/* ---- bodies and snapshots ---- */

size_t memory_snapshot_bytes(const struct snapshot *s)
{
	return sizeof(*s) + strlen(s->id) + 1 + (s->name != s->id ? strlen(s->name) + 1 : 0) +
	       (s->parent_id ? strlen(s->parent_id) + 1 : 0) + MALLOC_OVERHEAD;
}

static void lru_unlink_locked(struct store *store, struct snapshot *s) REQUIRES(store_locked)
{
	store_assert_locked(store);
	*(s->lru_prev ? &s->lru_prev->lru_next : &store->bodies_head) = s->lru_next;
	*(s->lru_next ? &s->lru_next->lru_prev : &store->bodies_tail) = s->lru_prev;
	s->lru_prev = s->lru_next = NULL;
}

static void lru_push_locked(struct store *store, struct snapshot *s) REQUIRES(store_locked)
{
	store_assert_locked(store);
	s->lru_next = store->bodies_head;
	*(s->lru_next ? &s->lru_next->lru_prev : &store->bodies_tail) = s;
	store->bodies_head = s;
}

static void hold_body_locked(struct store *store, struct snapshot *s) REQUIRES(store_locked)
{
	store_assert_locked(store);
	if (s->body->holders++ == 0)
		store->stats.bytes += body_bytes(s->body);
	lru_push_locked(store, s);
}

static void drop_body_locked(struct store *store, struct snapshot *s) REQUIRES(store_locked)
{
	store_assert_locked(store);
	lru_unlink_locked(store, s);
	(void)invariant(s->body->holders > 0);
	if (--s->body->holders == 0)
		store->stats.bytes -= body_bytes(s->body);
	s->body = body_unref(s->body);
}

void memory_adopt_locked(struct store *store, struct snapshot *const *snapshots, size_t count)
{
	store_assert_locked(store);
	scope_lock(adoption, &adoption);
	for (size_t i = 0; i < count; i++) {
		struct snapshot *s = snapshots[i];

		if (store_of(s))
			continue;
		if (s->body)
			hold_body_locked(store, s);
		store->stats.bytes += memory_snapshot_bytes(s);
		store->stats.snapshots++;
		atomic_store_explicit(&s->store, store, memory_order_release);
	}
}

/* Both are of this store. Equal content is held once: open files and nodes may keep the old snapshot for long. */
void memory_carry_over_locked(struct store *store, struct snapshot *s, struct snapshot *old)
{
	store_assert_locked(store);
	if (s == old || s->hash != old->hash || store_of(s) != store || store_of(old) != store)
		return;
	if (s->body && old->body && s->body != old->body && s->body->len == old->body->len) {
		struct body *shared = body_ref(old->body);

		drop_body_locked(store, s);
		s->body = shared;
		hold_body_locked(store, s);
	}
}

void memory_adopt_list(struct store *store, const struct list *list, const struct list *old)
{
	struct list_place place = { 0 }, old_place = { 0 };
	const struct item *item = list_get(list, BY_ID, place), *was = old ? list_get(old, BY_ID, old_place) : NULL;

	while (item) {
		struct snapshot *batch[STORE_ADOPT_BATCH], *olds[STORE_ADOPT_BATCH];
		struct leftovers leftovers = { 0 };
		size_t n = 0;

		for (; item && n < STORE_ADOPT_BATCH; n++) {
			batch[n] = item->pub.snapshot;
			olds[n] = NULL;
			while (was && strcmp(was->pub.snapshot->id, batch[n]->id) < 0) {
				old_place = list_next(old, BY_ID, old_place);
				was = list_get(old, BY_ID, old_place);
			}
			if (was && !strcmp(was->pub.snapshot->id, batch[n]->id))
				olds[n] = was->pub.snapshot;
			place = list_next(list, BY_ID, place);
			item = list_get(list, BY_ID, place);
		}
		store_lock(store);
		memory_adopt_locked(store, batch, n);
		for (size_t i = 0; i < n; i++) {
			if (olds[i])
				memory_carry_over_locked(store, batch[i], olds[i]);
		}
		memory_evict_locked(store, &leftovers);
		store_unlock(store);
		leftovers_free(&leftovers);
	}
}

/* The body of one that no store has, with a reference; *ret_store is set where one has it meanwhile. The adoption's lock is what
   guards it here, which the field's annotation cannot say. */
static struct body *unadopted_body(struct snapshot *s, struct store **ret_store) NO_THREAD_SAFETY_ANALYSIS
{
	scope_lock(adoption, &adoption);
	*ret_store = store_of(s);
	return *ret_store ? NULL : body_ref(s->body);
}

struct body *memory_body(struct snapshot *s)
{
	struct store *store = store_of(s);

	if (!store) {
		struct body *body = unadopted_body(s, &store);

		if (!store)
			return body;
	}
	scope_lock(store, store);
	if (!s->body)
		return NULL;
	lru_unlink_locked(store, s);
	lru_push_locked(store, s);
	return body_ref(s->body);
}

/* The last reference to one that no store has. */
static void release_unadopted(struct snapshot *s) NO_THREAD_SAFETY_ANALYSIS
{
	s->body = body_unref(s->body);
}

void memory_release(struct snapshot *s)
{
	struct store *store = store_of(s);
	bool last;

	if (!store) {
		release_unadopted(s);
		return;
	}
	store_lock(store);
	if (s->body)
		drop_body_locked(store, s);
	store->stats.bytes -= memory_snapshot_bytes(s);
	store->stats.snapshots--;
	last = store->closed && !store->stats.snapshots;
	store_unlock(store);
	if (last)
		memory_free(store);
}

/* Nobody else knows it any more. */
void memory_free(struct store *store) NO_THREAD_SAFETY_ANALYSIS
{
	(void)invariant(store->closed && !store->stats.bytes && !store->stats.keys && !store->bodies_head);
	lock_destroy(&store->lock);
	free(store);
}

/* ---- values ---- */

struct held *held_new(struct store_value *value, int64_t fetched_ms, uint64_t start)
{
	struct held *held = malloc(sizeof(*held));

	if (!held)
		return NULL;
	*held = (struct held){ .value = *value, .fetched_ms = fetched_ms, .landed_ms = clock_now_ms(), .start = start };
	*value = (struct store_value){ 0 };
	return held;
}

void held_free(struct held *held)
{
	if (held)
		store_value_clear(&held->value);
	free(held);
}

void leftovers_add_held(struct leftovers *leftovers, struct held *held)
{
	if (!held)
		return;
	held->next = leftovers->held;
	leftovers->held = held;
}

void leftovers_free(struct leftovers *leftovers)
{
	while (leftovers->held) {
		struct held *held = leftovers->held;

		leftovers->held = held->next;
		held_free(held);
	}
	while (leftovers->overlays) {
		struct overlay *overlay = leftovers->overlays;

		leftovers->overlays = overlay->next;
		snapshot_unref(overlay->snapshot);
		free(overlay);
	}
	if (leftovers->flight)
		flight_free(leftovers->flight);
	*leftovers = (struct leftovers){ 0 };
}

/* What the value takes beyond its snapshots, which are counted as long as anyone holds them. */
static size_t held_bytes(const struct held *held)
{
	return sizeof(*held) + MALLOC_OVERHEAD + (held->value.list ? held->value.list->bytes : 0);
}

static uint64_t content_of(const struct held *held)
{
	uint64_t content = 1;

	if (held && held->value.list)
		content = held->value.list->digest ^ held->value.list->count << 48;
	else if (held)
		content = held->value.snapshot->hash ^ held->value.snapshot->traits;
	/* 0 is for what was never known, 1 for what there is not. */
	return held && content < 2 ? content + 2 : content;
}

void cell_unset_locked(struct store *store, struct cell *cell, struct leftovers *leftovers)
{
	store_assert_locked(store);
	if (!cell->held)
		return;
	store->stats.bytes -= held_bytes(cell->held);
	leftovers_add_held(leftovers, steal_ptr(cell->held));
}

bool cell_set_locked(struct store *store, struct cell *cell, struct held *held, struct leftovers *leftovers)
{
	uint64_t content = content_of(held);
	bool differs = content != cell->content;
	bool tell = differs && (cell->content || store->forgotten);

	store_assert_locked(store);
	cell_unset_locked(store, cell, leftovers);
	cell->held = held;
	if (held)
		store->stats.bytes += held_bytes(held);
	cell->content = content;
	if (differs)
		cell->generation = ++store->tick;
	return tell;
}

/* ---- cells ---- */

static size_t cell_bytes(const struct cell *cell)
{
	return sizeof(*cell) + cell->hh.keylen + 1 + 2 * MALLOC_OVERHEAD;
}

struct cell *cell_find_locked(struct store *store, const char *key)
{
	struct cell *cell;

	store_assert_locked(store);
	HASH_FIND_STR(store->cells, key, cell);
	return cell;
}

struct cell *cell_make_locked(struct store *store, const char *key, const void *row)
{
	struct cell *cell = cell_find_locked(store, key);
	size_t n = strlen(key);

	store_assert_locked(store);
	if (cell) {
		if (!cell->row)
			cell->row = row;
		return cell;
	}
	cell = calloc(1, sizeof(*cell) + n + 1);
	if (!cell)
		return NULL;
	memcpy(cell->key, key, n + 1);
	cell->row = row;
	HASH_ADD_KEYPTR(hh, store->cells, cell->key, n, cell);
	if (!cell->hh.tbl) {
		free(cell);
		return NULL;
	}
	DL_APPEND(store->lru, cell);
	store->stats.bytes += cell_bytes(cell);
	store->stats.keys++;
	return cell;
}

static bool holds_list_locked(const struct cell *cell) REQUIRES(store_locked)
{
	return cell->held && cell->held->value.list;
}

void cell_touch_locked(struct store *store, struct cell *cell)
{
	store_assert_locked(store);
	DL_DELETE(store->lru, cell);
	DL_APPEND(store->lru, cell);
	if (holds_list_locked(cell))
		store->recent_list = cell;
}

/* It has no value, no flight and no overlay. */
void cell_free_locked(struct store *store, struct cell *cell)
{
	store_assert_locked(store);
	(void)invariant(!cell->held && !cell->flight && !cell->overlays);
	if (store->recent_list == cell)
		store->recent_list = NULL;
	HASH_DEL(store->cells, cell);
	DL_DELETE(store->lru, cell);
	store->stats.bytes -= cell_bytes(cell);
	store->stats.keys--;
	free(cell->failure_err);
	free(cell);
}

void cell_forgive_locked(struct store *store, struct cell *cell)
{
	store_assert_locked(store);
	cell->failure = 0;
	free(cell->failure_err);
	cell->failure_err = NULL;
}

void cell_fail_locked(struct store *store, struct cell *cell, int result, uint64_t start, const struct err *err)
{
	cell_forgive_locked(store, cell);
	cell->failure = result;
	cell->failed_start = start;
	cell->failed_ms = clock_now_ms();
	cell->failure_err = malloc(sizeof(*err));
	if (cell->failure_err)
		*cell->failure_err = *err;
}

/* Beside the list that stays there is room for what was just fetched: it must still reach its reader. */
static size_t bound_locked(const struct store *store) REQUIRES(store_locked)
{
	const struct cell *cell = store->recent_list;
	size_t max = store->options.max_bytes, least = max / STORE_ROOM_SHARE;

	store_assert_locked(store);
	if (cell && holds_list_locked(cell))
		least += held_bytes(cell->held) + cell->held->value.list->snapshot_bytes;
	return least > max ? least : max;
}

void memory_evict_locked(struct store *store, struct leftovers *leftovers)
{
	size_t max = bound_locked(store), leaving = 0;
	struct cell *cell, *next;

	store_assert_locked(store);
	/* The newest one stays, however long. */
	while (store->stats.bytes > max && store->bodies_tail != store->bodies_head) {
		drop_body_locked(store, store->bodies_tail);
		store->stats.evicted_bodies++;
	}
	/* Snapshots leave with the leftovers, so what is still counted of them is set against the bound. */
	for (cell = store->lru; cell; cell = next) {
		bool crowded = store->stats.bytes > max && store->stats.bytes - max > leaving;

		next = cell->next;
		if (!crowded && store->stats.keys <= STORE_KEYS_MAX)
			break;
		/* Who goes through a list asks for it again with each name: it must not be fetched each time. */
		if (cell == store->recent_list && holds_list_locked(cell))
			continue;
		if (cell->held) {
			if (cell->held->value.list)
				leaving += cell->held->value.list->snapshot_bytes;
			else
				leaving += memory_snapshot_bytes(cell->held->value.snapshot);
			cell_unset_locked(store, cell, leftovers);
			store->stats.evicted_values++;
		}
		if (!cell->flight && !cell->overlays) {
			cell_free_locked(store, cell);
			store->forgotten = true;
		}
	}
}
