/* The mount's own writes: visible at once, and laid over what a fetch brings as long as it cannot show them. */
#include <errno.h>

#include "cache/store_private.h"

static void unlink_overlay_locked(struct store *store, struct overlay *overlay) REQUIRES(store_locked)
{
	store_assert_locked(store);
	HASH_DEL(overlay->cell->overlays, overlay);
	DL_DELETE2(store->overlays, overlay, all_prev, all_next);
	store->overlay_count--;
	store->stats.bytes -= sizeof(*overlay) + strlen(overlay->text) + 1 + MALLOC_OVERHEAD;
}

void overlay_drop_locked(struct store *store, struct overlay *overlay, struct leftovers *leftovers)
{
	store_assert_locked(store);
	unlink_overlay_locked(store, overlay);
	overlay->next = leftovers->overlays;
	leftovers->overlays = overlay;
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
	overlay->made_ms = clock_now_ms();
	overlay->until_ms = clock_after_ms(hold_ms);
	return overlay;
}

/* -ENOMEM: nothing was done. */
static int add_overlay_locked(struct store *store, struct cell *cell, struct overlay *overlay, struct leftovers *leftovers)
	REQUIRES(store_locked)
{
	size_t n = strlen(overlay->id);
	struct overlay *old;

	store_assert_locked(store);
	HASH_FIND(hh, cell->overlays, overlay->id, n, old);
	HASH_ADD_KEYPTR(hh, cell->overlays, overlay->id, n, overlay);
	if (!overlay->hh.tbl)
		return -ENOMEM;
	overlay->cell = cell;
	overlay->listed =
		overlay->snapshot && cell->held && cell->held->value.list && list_by_id(cell->held->value.list, overlay->id);
	if (old) {
		/* The list has it from that write, and from a service's answer only where it had it before. */
		overlay->listed = overlay->snapshot && old->listed;
		overlay_drop_locked(store, old, leftovers);
	}
	overlay->tick = ++store->tick;
	DL_APPEND2(store->overlays, overlay, all_prev, all_next);
	store->overlay_count++;
	store->stats.bytes += sizeof(*overlay) + strlen(overlay->text) + 1 + MALLOC_OVERHEAD;
	while (store->overlay_count > STORE_OVERLAYS_MAX)
		overlay_drop_locked(store, store->overlays, leftovers);
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

/* What a GET has shown counts as long as the list has the id: a list may lag behind what an earlier one showed, too. */
static bool is_floor_over(struct overlay *overlay, const struct list *list, int64_t now)
{
	if (!list || !list_by_id(list, overlay->id))
		return (list && overlay->listed) || overlay->until_ms <= now;
	overlay->listed = true;
	return false;
}

/* Whether it stands above what the list shows. */
static bool applies(const struct overlay *overlay, const struct list *list)
{
	const struct list_item *item = overlay->floor ? list_by_id(list, overlay->id) : NULL;

	if (!overlay->floor)
		return true;
	return item && item->snapshot->version >= 0 && item->snapshot->version < overlay->snapshot->version;
}

/* Forgets what has served its time. Returns how many are left. */
static size_t prune_locked(struct store *store, struct cell *cell, const struct list *list, uint64_t start,
			   struct leftovers *leftovers) REQUIRES(store_locked)
{
	int64_t now = clock_now_ms();
	struct overlay *overlay, *next;
	size_t left = 0;

	store_assert_locked(store);
	HASH_ITER(hh, cell->overlays, overlay, next) {
		bool over =
			overlay->floor ? is_floor_over(overlay, list, now) : overlay->until_ms <= now || is_shown(overlay, list);

		if (over && overlay->tick < start)
			overlay_drop_locked(store, overlay, leftovers);
		else
			left++;
	}
	return left;
}

/* What stands in the place of a list that the API denies, where a write shows that there must be one: what was known of it. */
static struct list *list_for_locked(const struct cell *cell) REQUIRES(store_locked)
{
	const struct overlay *overlay;

	for (overlay = cell->overlays; overlay; overlay = overlay->hh.next) {
		if (!overlay->snapshot || overlay->floor)
			continue;
		if (cell->held && cell->held->value.list)
			return list_ref(cell->held->value.list);
		return list_new(NULL, 0, overlay->text);
	}
	return NULL;
}

int overlay_apply_locked(struct store *store, struct cell *cell, struct list *list, uint64_t start, struct list **ret,
			 struct leftovers *leftovers)
{
	size_t left = prune_locked(store, cell, list, start, leftovers), n = 0;
	cleanup_free_ struct list_change *changes = NULL;
	cleanup_(list_unrefp) struct list *base = list ? list_ref(list) : left ? list_for_locked(cell) : NULL;
	struct overlay *overlay;

	store_assert_locked(store);
	if (!base || !left) {
		*ret = steal_ptr(base);
		return 0;
	}
	changes = calloc(left, sizeof(*changes));
	if (!changes)
		return -ENOMEM;
	for (overlay = cell->overlays; overlay; overlay = overlay->hh.next) {
		if (applies(overlay, base))
			changes[n++] = (struct list_change){ .snapshot = overlay->snapshot, .id = overlay->id };
	}
	(void)invariant(n <= left);
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
static bool change_value_locked(struct store *store, struct cell *cell, const struct overlay *overlay,
				struct leftovers *leftovers) REQUIRES(store_locked)
{
	struct list_change change = { .snapshot = overlay->snapshot, .id = overlay->id };
	struct store_value value = { 0 };
	struct held *held = NULL;

	store_assert_locked(store);
	if (!cell->held || !cell->held->value.list)
		return false;
	value.list = list_apply(cell->held->value.list, &change, 1);
	if (value.list)
		held = held_new(&value, cell->held->fetched_ms, cell->held->start);
	if (held) {
		held->landed_ms = cell->held->landed_ms;
		return cell_set_locked(store, cell, held, leftovers);
	}
	/* All in it is held by the old list and the overlay, so no last reference goes here. */
	list_unref(value.list);
	cell_unset_locked(store, cell, leftovers);
	return true;
}

int write_list(struct store *store, const struct list_write *w)
{
	struct overlay *overlay = overlay_new(w->snapshot, w->text, w->hold_ms);
	struct snapshot *snapshot = w->snapshot;
	struct leftovers leftovers = { 0 };
	const void *row = w->row;
	struct cell *cell;
	bool changed = false;

	if (!overlay)
		return -ENOMEM;
	overlay->told_ms = w->told ? clock_now_ms() : 0;
	store_lock(store);
	cell = cell_make_locked(store, w->key, row);
	if (!cell || add_overlay_locked(store, cell, overlay, &leftovers) < 0) {
		store_unlock(store);
		snapshot_unref(overlay->snapshot);
		free(overlay);
		return -ENOMEM;
	}
	if (snapshot) {
		memory_adopt_locked(store, &snapshot, 1);
		if (cell->failure == -ENOENT)
			cell_forgive_locked(store, cell);
	}
	row = cell->row;
	changed = change_value_locked(store, cell, overlay, &leftovers);
	cell_touch_locked(store, cell);
	memory_evict_locked(store, &leftovers);
	store_unlock(store);
	leftovers_free(&leftovers);
	if (changed)
		tell(store, row, w->key);
	return 0;
}

int store_upsert(struct store *store, const void *row, const char *key, const char *suffix, struct snapshot *snapshot,
		 int64_t hold_ms)
{
	const struct list_write write = { row, key, snapshot, suffix, hold_ms, false };
	struct contest contest = told_contest(store, key, snapshot);
	int r = contest.lost ? 0 : write_list(store, &write);

	told_upsert(store, key, suffix, snapshot, hold_ms);
	if (contest.is)
		told_settle(store, key);
	return r;
}

int store_remove(struct store *store, const char *key, const char *id, int64_t hold_ms)
{
	const struct list_write write = { NULL, key, NULL, id, hold_ms, false };
	int r = write_list(store, &write);

	told_remove(store, key, id, hold_ms);
	return r;
}

/* Whether what a GET has shown says more than what is known. */
static bool is_news_locked(const struct cell *cell, const struct snapshot *snapshot) REQUIRES(store_locked)
{
	const struct overlay *known;
	size_t n = strlen(snapshot->id);

	HASH_FIND(hh, cell->overlays, snapshot->id, n, known);
	if (!known)
		return true;
	if (!known->snapshot)
		return false;
	return known->floor ? known->snapshot->version <= snapshot->version : known->snapshot->version < snapshot->version;
}

/* The overlay goes over. -ENOMEM: nothing was done, and it is the caller's. */
static int see_locked(struct store *store, struct cell *cell, struct overlay *overlay, struct leftovers *leftovers,
		      bool *ret_changed) REQUIRES(store_locked)
{
	store_assert_locked(store);
	if (add_overlay_locked(store, cell, overlay, leftovers) < 0)
		return -ENOMEM;
	memory_adopt_locked(store, &overlay->snapshot, 1);
	if (cell->held && cell->held->value.list && applies(overlay, cell->held->value.list))
		*ret_changed = change_value_locked(store, cell, overlay, leftovers);
	cell_touch_locked(store, cell);
	memory_evict_locked(store, leftovers);
	return 0;
}

int store_seen(struct store *store, const void *row, const char *key, const char *suffix, struct snapshot *snapshot,
	       int64_t hold_ms)
{
	struct overlay *overlay = snapshot->version >= 0 ? overlay_new(snapshot, suffix, hold_ms) : NULL;
	struct leftovers leftovers = { 0 };
	bool changed = false, kept = false;
	struct cell *cell;
	int r = 0;

	if (!overlay)
		return snapshot->version >= 0 ? -ENOMEM : 0;
	overlay->floor = true;
	store_lock(store);
	cell = cell_make_locked(store, key, row);
	if (cell && is_news_locked(cell, snapshot)) {
		r = see_locked(store, cell, overlay, &leftovers, &changed);
		kept = r == 0;
	} else if (!cell) {
		r = -ENOMEM;
	}
	store_unlock(store);
	if (!kept) {
		/* The caller has a reference too. */
		snapshot_unref(overlay->snapshot);
		free(overlay);
	}
	leftovers_free(&leftovers);
	if (changed)
		tell(store, row, key);
	return r;
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
	struct leftovers leftovers = { 0 };
	struct cell *cell;
	bool changed = false, made;

	if (!held) {
		store_value_clear(&value);
		return -ENOMEM;
	}
	store_lock(store);
	cell = cell_make_locked(store, key, row);
	made = cell;
	if (made) {
		memory_adopt_locked(store, &snapshot, 1);
		if (cell->held && cell->held->value.snapshot)
			memory_carry_over_locked(store, snapshot, cell->held->value.snapshot);
		held->put = true;
		held->start = cell->put_tick = ++store->tick;
		cell_forgive_locked(store, cell);
		changed = cell_set_locked(store, cell, held, &leftovers);
		row = cell->row;
		cell_touch_locked(store, cell);
		memory_evict_locked(store, &leftovers);
	}
	store_unlock(store);
	leftovers_free(&leftovers);
	if (!made) {
		held_free(held);
		return -ENOMEM;
	}
	if (changed)
		tell(store, row, key);
	return 0;
}
