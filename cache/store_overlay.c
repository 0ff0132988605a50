/* The mount's own writes: visible at once, and laid over what a fetch brings as long as it cannot show them. */
#include <errno.h>

#include "cache/store_private.h"

static void unlink_overlay(struct store *store, struct overlay *overlay)
{
	HASH_DEL(overlay->entry->overlays, overlay);
	DL_DELETE2(store->overlays, overlay, all_prev, all_next);
	store->overlay_count--;
	store->stats.bytes -= sizeof(*overlay) + strlen(overlay->text) + 1 + MALLOC_OVERHEAD;
}

void overlay_drop(struct store *store, struct overlay *overlay, struct trash *trash)
{
	unlink_overlay(store, overlay);
	overlay->next = trash->overlays;
	trash->overlays = overlay;
}

static struct overlay *overlay_new(struct snapshot *snapshot, const char *text, int64_t hold_ms)
{
	size_t n = strlen(text) + 1;
	struct overlay *overlay = calloc(1, sizeof(*overlay) + n);

	if (!overlay)
		return NULL;
	memcpy(overlay->text, text, n);
	overlay->snapshot = snapshot_ref(snapshot);
	overlay->id = snapshot ? snapshot->id : overlay->text;
	overlay->until_ms = clock_after_ms(hold_ms);
	return overlay;
}

/* -ENOMEM: nothing was done. */
static int add_overlay(struct store *store, struct entry *entry, struct overlay *overlay, struct trash *trash)
{
	size_t n = strlen(overlay->id);
	struct overlay *old;

	HASH_FIND(hh, entry->overlays, overlay->id, n, old);
	HASH_ADD_KEYPTR(hh, entry->overlays, overlay->id, n, overlay);
	if (!overlay->hh.tbl)
		return -ENOMEM;
	overlay->entry = entry;
	overlay->listed =
		overlay->snapshot && entry->held && entry->held->value.list && list_by_id(entry->held->value.list, overlay->id);
	if (old) {
		/* The list has it from that write, and from a service's answer only where it had it before. */
		overlay->listed = overlay->snapshot && old->listed;
		overlay_drop(store, old, trash);
	}
	overlay->tick = ++store->tick;
	DL_APPEND2(store->overlays, overlay, all_prev, all_next);
	store->overlay_count++;
	store->stats.bytes += sizeof(*overlay) + strlen(overlay->text) + 1 + MALLOC_OVERHEAD;
	while (store->overlay_count > STORE_OVERLAYS_MAX)
		overlay_drop(store, store->overlays, trash);
	return 0;
}

/* ---- over a fetch ---- */

/* Whether a fetch that began after the write shows it; without a list there is nothing to be shown. */
static bool is_shown(const struct overlay *overlay, const struct list *list)
{
	const struct list_item *item = list ? list_by_id(list, overlay->id) : NULL;

	if (!overlay->snapshot)
		return !item;
	if (!item)
		return list && overlay->listed;
	return item->snapshot->version < 0 || item->snapshot->version >= overlay->snapshot->version;
}

/* Forgets what has served its time. Returns how many are left. */
static size_t prune(struct store *store, struct entry *entry, const struct list *list, uint64_t start, struct trash *trash)
{
	int64_t now = clock_now_ms();
	struct overlay *overlay, *next;
	size_t left = 0;

	HASH_ITER(hh, entry->overlays, overlay, next) {
		if (overlay->tick < start && (overlay->until_ms <= now || is_shown(overlay, list)))
			overlay_drop(store, overlay, trash);
		else
			left++;
	}
	return left;
}

/* An empty list in the place of one that the API denies, where a write shows that there must be one. */
static struct list *list_for(const struct entry *entry)
{
	const struct overlay *overlay;

	for (overlay = entry->overlays; overlay; overlay = overlay->hh.next) {
		if (overlay->snapshot)
			return list_new(NULL, 0, overlay->text);
	}
	return NULL;
}

int overlay_apply(struct store *store, struct entry *entry, struct list *list, uint64_t start, struct list **ret,
		  struct trash *trash)
{
	size_t left = prune(store, entry, list, start, trash), n = 0;
	cleanup_free_ struct list_change *changes = NULL;
	cleanup_(list_unrefp) struct list *base = list ? list_ref(list) : left ? list_for(entry) : NULL;
	struct overlay *overlay;

	if (!base || !left) {
		*ret = steal_ptr(base);
		return 0;
	}
	changes = calloc(left, sizeof(*changes));
	if (!changes)
		return -ENOMEM;
	for (overlay = entry->overlays; overlay; overlay = overlay->hh.next)
		changes[n++] = (struct list_change){ .snapshot = overlay->snapshot, .id = overlay->id };
	*ret = list_apply(base, changes, n);
	return *ret ? 0 : -ENOMEM;
}

/* ---- writes ---- */

static void tell(struct store *store, const void *row, const char *key)
{
	if (store->options.changed)
		store->options.changed(store->options.changed_arg, row, key);
}

/* The change in the value that is there. Without memory for it the value goes: the next fetch brings it, the overlay on it. */
static bool change_value(struct store *store, struct entry *entry, const struct overlay *overlay, struct trash *trash)
{
	struct list_change change = { .snapshot = overlay->snapshot, .id = overlay->id };
	struct store_value value = { 0 };
	struct held *held = NULL;

	if (!entry->held || !entry->held->value.list)
		return false;
	value.list = list_apply(entry->held->value.list, &change, 1);
	if (value.list)
		held = held_new(&value, entry->held->fetched_ms, entry->held->start);
	if (held) {
		held->landed_ms = entry->held->landed_ms;
		return entry_set(store, entry, held, trash);
	}
	/* All in it is held by the old list and the overlay, so no last reference goes here. */
	list_unref(value.list);
	entry_unset(store, entry, trash);
	return true;
}

static int write_list(struct store *store, const void *row, const char *key, struct snapshot *snapshot, const char *text,
		      int64_t hold_ms)
{
	struct overlay *overlay = overlay_new(snapshot, text, hold_ms);
	struct trash trash = { 0 };
	struct entry *entry;
	bool changed = false;

	if (!overlay)
		return -ENOMEM;
	pthread_mutex_lock(&store->lock);
	entry = entry_make(store, key, row);
	if (!entry || add_overlay(store, entry, overlay, &trash) < 0) {
		pthread_mutex_unlock(&store->lock);
		snapshot_unref(overlay->snapshot);
		free(overlay);
		return -ENOMEM;
	}
	if (snapshot) {
		memory_adopt(store, &snapshot, 1);
		if (entry->failure == -ENOENT)
			entry_forgive(entry);
	}
	row = entry->row;
	changed = change_value(store, entry, overlay, &trash);
	entry_touch(store, entry);
	memory_evict(store, &trash);
	pthread_mutex_unlock(&store->lock);
	trash_empty(&trash);
	if (changed)
		tell(store, row, key);
	return 0;
}

int store_upsert(struct store *store, const void *row, const char *key, const char *suffix, struct snapshot *snapshot,
		 int64_t hold_ms)
{
	return write_list(store, row, key, snapshot, suffix, hold_ms);
}

int store_remove(struct store *store, const char *key, const char *id, int64_t hold_ms)
{
	return write_list(store, NULL, key, NULL, id, hold_ms);
}

static int64_t sent_ms(const struct snapshot *snapshot)
{
	int64_t now = clock_now_ms();

	return snapshot->fetched_ms > 0 && snapshot->fetched_ms <= now ? snapshot->fetched_ms : now;
}

int store_put(struct store *store, const void *row, const char *key, struct snapshot *snapshot)
{
	struct store_value value = { .snapshot = snapshot_ref(snapshot) };
	struct held *held = held_new(&value, sent_ms(snapshot), 0);
	struct trash trash = { 0 };
	struct entry *entry;
	bool changed = false, made;

	if (!held) {
		store_value_clear(&value);
		return -ENOMEM;
	}
	pthread_mutex_lock(&store->lock);
	entry = entry_make(store, key, row);
	made = entry;
	if (made) {
		memory_adopt(store, &snapshot, 1);
		if (entry->held && entry->held->value.snapshot)
			memory_carry_over(store, snapshot, entry->held->value.snapshot);
		held->put = true;
		held->start = entry->put_tick = ++store->tick;
		entry_forgive(entry);
		changed = entry_set(store, entry, held, &trash);
		row = entry->row;
		entry_touch(store, entry);
		memory_evict(store, &trash);
	}
	pthread_mutex_unlock(&store->lock);
	trash_empty(&trash);
	if (!made) {
		held_free(held);
		return -ENOMEM;
	}
	if (changed)
		tell(store, row, key);
	return 0;
}
