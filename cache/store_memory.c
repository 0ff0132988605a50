/* What the store holds in memory, and what goes when there is too much of it. */
#include <errno.h>

#include "cache/store_private.h"

/* Between the making of a snapshot and its adoption: a body is read under this. Taken after the store's lock. */
static pthread_mutex_t adopt_lock = PTHREAD_MUTEX_INITIALIZER;

static struct store *store_of(const struct snapshot *s)
{
	return __atomic_load_n(&s->store, __ATOMIC_ACQUIRE);
}

/* ---- bodies and snapshots ---- */

size_t memory_snapshot_bytes(const struct snapshot *s)
{
	return sizeof(*s) + strlen(s->id) + 1 + (s->name != s->id ? strlen(s->name) + 1 : 0) +
	       (s->parent_id ? strlen(s->parent_id) + 1 : 0) + MALLOC_OVERHEAD;
}

static void lru_unlink(struct store *store, struct snapshot *s)
{
	*(s->lru_prev ? &s->lru_prev->lru_next : &store->bodies_head) = s->lru_next;
	*(s->lru_next ? &s->lru_next->lru_prev : &store->bodies_tail) = s->lru_prev;
	s->lru_prev = s->lru_next = NULL;
}

static void lru_push(struct store *store, struct snapshot *s)
{
	s->lru_next = store->bodies_head;
	*(s->lru_next ? &s->lru_next->lru_prev : &store->bodies_tail) = s;
	store->bodies_head = s;
}

static void hold_body(struct store *store, struct snapshot *s)
{
	if (s->body->holders++ == 0)
		store->stats.bytes += body_bytes(s->body);
	lru_push(store, s);
}

static void drop_body(struct store *store, struct snapshot *s)
{
	lru_unlink(store, s);
	if (--s->body->holders == 0)
		store->stats.bytes -= body_bytes(s->body);
	s->body = body_unref(s->body);
}

void memory_adopt(struct store *store, struct snapshot *const *snapshots, size_t count)
{
	scoped_lock(&adopt_lock);
	for (size_t i = 0; i < count; i++) {
		struct snapshot *s = snapshots[i];

		if (store_of(s))
			continue;
		if (s->body)
			hold_body(store, s);
		store->stats.bytes += memory_snapshot_bytes(s);
		store->stats.snapshots++;
		__atomic_store_n(&s->store, store, __ATOMIC_RELEASE);
	}
}

/* Both are of this store. Equal content is held once: open files and nodes may keep the old snapshot for long. */
void memory_carry_over(struct store *store, struct snapshot *s, struct snapshot *old)
{
	if (s == old || s->hash != old->hash || store_of(s) != store || store_of(old) != store)
		return;
	if (s->body && old->body && s->body != old->body && s->body->len == old->body->len) {
		struct body *shared = body_ref(old->body);

		drop_body(store, s);
		s->body = shared;
		hold_body(store, s);
	}
}

void memory_adopt_list(struct store *store, const struct list *list, const struct list *old)
{
	struct list_place place = { 0 }, old_place = { 0 };
	const struct item *item = list_get(list, BY_ID, place), *was = old ? list_get(old, BY_ID, old_place) : NULL;

	while (item) {
		struct snapshot *batch[STORE_ADOPT_BATCH], *olds[STORE_ADOPT_BATCH];
		struct trash trash = { 0 };
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
		pthread_mutex_lock(&store->lock);
		memory_adopt(store, batch, n);
		for (size_t i = 0; i < n; i++) {
			if (olds[i])
				memory_carry_over(store, batch[i], olds[i]);
		}
		memory_evict(store, &trash);
		pthread_mutex_unlock(&store->lock);
		trash_empty(&trash);
	}
}

struct body *memory_body(struct snapshot *s)
{
	struct store *store = store_of(s);

	if (!store) {
		scoped_lock(&adopt_lock);
		store = store_of(s);
		if (!store)
			return body_ref(s->body);
	}
	scoped_lock(&store->lock);
	if (!s->body)
		return NULL;
	lru_unlink(store, s);
	lru_push(store, s);
	return body_ref(s->body);
}

void memory_release(struct snapshot *s)
{
	struct store *store = store_of(s);
	bool last;

	if (!store) {
		s->body = body_unref(s->body);
		return;
	}
	pthread_mutex_lock(&store->lock);
	if (s->body)
		drop_body(store, s);
	store->stats.bytes -= memory_snapshot_bytes(s);
	store->stats.snapshots--;
	last = store->closed && !store->stats.snapshots;
	pthread_mutex_unlock(&store->lock);
	if (last)
		memory_free(store);
}

void memory_free(struct store *store)
{
	pthread_mutex_destroy(&store->lock);
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

void trash_held(struct trash *trash, struct held *held)
{
	if (!held)
		return;
	held->next = trash->held;
	trash->held = held;
}

void trash_empty(struct trash *trash)
{
	while (trash->held) {
		struct held *held = trash->held;

		trash->held = held->next;
		held_free(held);
	}
	while (trash->overlays) {
		struct overlay *overlay = trash->overlays;

		trash->overlays = overlay->next;
		snapshot_unref(overlay->snapshot);
		free(overlay);
	}
	if (trash->flight)
		flight_free(trash->flight);
	*trash = (struct trash){ 0 };
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

void entry_unset(struct store *store, struct entry *entry, struct trash *trash)
{
	if (!entry->held)
		return;
	store->stats.bytes -= held_bytes(entry->held);
	trash_held(trash, steal_ptr(entry->held));
}

bool entry_set(struct store *store, struct entry *entry, struct held *held, struct trash *trash)
{
	uint64_t content = content_of(held);
	bool differs = content != entry->content;
	bool tell = differs && (entry->content || store->forgotten);

	entry_unset(store, entry, trash);
	entry->held = held;
	if (held)
		store->stats.bytes += held_bytes(held);
	entry->content = content;
	if (differs)
		entry->generation = ++store->tick;
	return tell;
}

/* ---- entries ---- */

static size_t entry_bytes(const struct entry *entry)
{
	return sizeof(*entry) + entry->hh.keylen + 1 + 2 * MALLOC_OVERHEAD;
}

struct entry *entry_find(struct store *store, const char *key)
{
	struct entry *entry;

	HASH_FIND_STR(store->entries, key, entry);
	return entry;
}

struct entry *entry_make(struct store *store, const char *key, const void *row)
{
	struct entry *entry = entry_find(store, key);
	size_t n = strlen(key);

	if (entry) {
		if (!entry->row)
			entry->row = row;
		return entry;
	}
	entry = calloc(1, sizeof(*entry) + n + 1);
	if (!entry)
		return NULL;
	memcpy(entry->key, key, n + 1);
	entry->row = row;
	HASH_ADD_KEYPTR(hh, store->entries, entry->key, n, entry);
	if (!entry->hh.tbl) {
		free(entry);
		return NULL;
	}
	DL_APPEND(store->lru, entry);
	store->stats.bytes += entry_bytes(entry);
	store->stats.keys++;
	return entry;
}

static bool holds_list(const struct entry *entry)
{
	return entry->held && entry->held->value.list;
}

void entry_touch(struct store *store, struct entry *entry)
{
	DL_DELETE(store->lru, entry);
	DL_APPEND(store->lru, entry);
	if (holds_list(entry))
		store->recent_list = entry;
}

/* It has no value, no flight and no overlay. */
void entry_free(struct store *store, struct entry *entry)
{
	if (store->recent_list == entry)
		store->recent_list = NULL;
	HASH_DEL(store->entries, entry);
	DL_DELETE(store->lru, entry);
	store->stats.bytes -= entry_bytes(entry);
	store->stats.keys--;
	free(entry->failure_err);
	free(entry);
}

void entry_forgive(struct entry *entry)
{
	entry->failure = 0;
	free(entry->failure_err);
	entry->failure_err = NULL;
}

void entry_fail(struct entry *entry, int result, uint64_t start, const struct err *err)
{
	entry_forgive(entry);
	entry->failure = result;
	entry->failed_start = start;
	entry->failed_ms = clock_now_ms();
	entry->failure_err = malloc(sizeof(*err));
	if (entry->failure_err)
		*entry->failure_err = *err;
}

/* Beside the list that stays there is room for what was just fetched: it must still reach its reader. */
static size_t bound(const struct store *store)
{
	const struct entry *entry = store->recent_list;
	size_t max = store->options.max_bytes, least = max / STORE_ROOM_SHARE;

	if (entry && holds_list(entry))
		least += held_bytes(entry->held) + entry->held->value.list->snapshot_bytes;
	return least > max ? least : max;
}

void memory_evict(struct store *store, struct trash *trash)
{
	size_t max = bound(store), leaving = 0;
	struct entry *entry, *next;

	/* The newest one stays, however long. */
	while (store->stats.bytes > max && store->bodies_tail != store->bodies_head) {
		drop_body(store, store->bodies_tail);
		store->stats.evicted_bodies++;
	}
	/* Snapshots leave with the trash, so what is still counted of them is set against the bound. */
	for (entry = store->lru; entry; entry = next) {
		bool crowded = store->stats.bytes > max && store->stats.bytes - max > leaving;

		next = entry->next;
		if (!crowded && store->stats.keys <= STORE_KEYS_MAX)
			break;
		/* Who goes through a list asks for it again with each name: it must not be fetched each time. */
		if (entry == store->recent_list && holds_list(entry))
			continue;
		if (entry->held) {
			if (entry->held->value.list)
				leaving += entry->held->value.list->snapshot_bytes;
			else
				leaving += memory_snapshot_bytes(entry->held->value.snapshot);
			entry_unset(store, entry, trash);
			store->stats.evicted_values++;
		}
		if (!entry->flight && !entry->overlays) {
			entry_free(store, entry);
			store->forgotten = true;
		}
	}
}
