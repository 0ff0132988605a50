/*
 * Own writes, told to the other members of the fleet, and theirs, done here: by the same rules, and in the order of the server
 * where no version says which is the later one.
 */
#include <errno.h>

#include "cache/store_private.h"

/* A mark outlives every value that was put before it. */
#define MARK_MS ((3600 + 60) * MSEC_PER_SEC)

/* DEED_LATE_REMOVE: it was removed a while ago, and nobody heard. */
enum deed { DEED_UPSERT = 1, DEED_REMOVE, DEED_DROP, DEED_EXPIRE, DEED_LATE_REMOVE };

/* Names of a resource's messages: the key, and the id after this. */
#define ID_SEPARATOR '\n'

/* ---- telling ---- */

/* Marks what others fetched before, and tells them. */
static void tell(struct store *store, const char *key, const char *id, const struct buf *payload)
{
	struct fleet *fleet = store->options.fleet;
	cleanup_free_ char *name = NULL;

	share_mark(fleet_share(fleet), key, MARK_MS);
	if (text_format(&name, "%s%c%s", key, ID_SEPARATOR, id) < 0)
		name = NULL;
	if (name)
		fleet_tell(fleet, FLEET_STORE, name, payload);
}

void told_upsert(struct store *store, const char *key, const char *suffix, struct snapshot *snapshot, int64_t hold_ms)
{
	cleanup_buf_ struct buf payload = BUF_INIT;
	int r;

	if (!store->options.fleet)
		return;
	r = pack_u8(&payload, DEED_UPSERT);
	if (r == 0)
		r = pack_text(&payload, suffix);
	if (r == 0)
		r = pack_i64(&payload, hold_ms);
	if (r == 0)
		r = snapshot_pack(&payload, snapshot);
	/* Its body went already: then the others ask. */
	if (r < 0) {
		buf_clear(&payload);
		pack_u8(&payload, DEED_EXPIRE);
	}
	tell(store, key, snapshot->id, &payload);
}

void told_remove(struct store *store, const char *key, const char *id, int64_t hold_ms)
{
	cleanup_buf_ struct buf payload = BUF_INIT;

	if (!store->options.fleet)
		return;
	if (pack_u8(&payload, DEED_REMOVE) == 0 && pack_i64(&payload, hold_ms) == 0)
		tell(store, key, id, &payload);
}

static void tell_deed(struct store *store, const char *key, const char *id, enum deed deed)
{
	cleanup_buf_ struct buf payload = BUF_INIT;

	if (store->options.fleet && pack_u8(&payload, (uint8_t)deed) == 0)
		tell(store, key, id, &payload);
}

void store_drop_everywhere(struct store *store, const char *prefix)
{
	drop_told(store, prefix);
	tell_deed(store, prefix, "", DEED_DROP);
}

void store_expire_everywhere(struct store *store, const char *prefix)
{
	store_expire(store, prefix);
	tell_deed(store, prefix, "", DEED_EXPIRE);
}

/* ---- hearing ---- */

static int64_t known_version_locked(const struct cell *cell, const char *id, const struct overlay *overlay) REQUIRES(store_locked)
{
	const struct list_item *item;

	if (overlay)
		return overlay->snapshot ? overlay->snapshot->version : -1;
	item = cell->held && cell->held->value.list ? list_by_id(cell->held->value.list, id) : NULL;
	return item ? item->snapshot->version : -1;
}

/* cell may be NULL. */
static const struct overlay *overlay_of_locked(struct store *store, const struct cell *cell, const char *id)
	REQUIRES(store_locked)
{
	const struct overlay *overlay = NULL;

	store_assert_locked(store);
	if (cell)
		HASH_FIND(hh, cell->overlays, id, strlen(id), overlay);
	return overlay;
}

/* -1: what is known is an older version; 1: a newer one; 0: the versions do not say. *ret_told_ms: as the overlay's. */
static int compare_known(struct store *store, const char *key, const struct snapshot *snapshot, int64_t *ret_told_ms)
{
	const struct overlay *overlay;
	const struct cell *cell;
	int64_t known;

	scope_lock(store, store);
	cell = cell_find_locked(store, key);
	if (!cell)
		return 0;
	overlay = overlay_of_locked(store, cell, snapshot->id);
	*ret_told_ms = overlay ? overlay->told_ms : 0;
	known = known_version_locked(cell, snapshot->id, overlay);
	if (known < 0 || snapshot->version < 0)
		return 0;
	return (known > snapshot->version) - (known < snapshot->version);
}

struct contest told_contest(struct store *store, const char *key, const struct snapshot *snapshot)
{
	struct contest contest = { 0 };
	int64_t told_ms = 0;
	int known;

	if (!store->options.fleet)
		return contest;
	known = compare_known(store, key, snapshot, &told_ms);
	/* Told before this write was sent: then the API had it before. */
	contest.is = told_ms && told_ms >= snapshot->fetched_ms;
	contest.lost = contest.is && known > 0;
	return contest;
}

static struct list *list_of(struct store *store, const char *key, const void **ret_row)
{
	const struct cell *cell;

	scope_lock(store, store);
	cell = cell_find_locked(store, key);
	if (!cell)
		return NULL;
	*ret_row = cell->row;
	return cell->held ? list_ref(cell->held->value.list) : NULL;
}

static void pass_on(struct store *store, const struct store_foreign *foreign)
{
	if (store->options.foreign)
		store->options.foreign(store->options.share_arg, foreign);
}

void told_settle(struct store *store, const char *key)
{
	struct store_foreign foreign = { .key = key };

	store_expire_everywhere(store, key);
	list_unref(list_of(store, key, &foreign.row));
	pass_on(store, &foreign);
}

static void do_write(struct store *store, const struct list_write *write, const char *id)
{
	struct store_foreign foreign = { .key = write->key, .id = id };

	foreign.before = list_of(store, write->key, &foreign.row);
	if (write_list(store, write) < 0)
		store_expire(store, write->key);
	foreign.after = list_of(store, write->key, &foreign.row);
	pass_on(store, &foreign);
	list_unref(foreign.before);
	list_unref(foreign.after);
}

static void hear_upsert(struct store *store, const char *key, struct unpack *in, bool later)
{
	struct list_write write = { .key = key, .text = unpack_text(in), .hold_ms = unpack_i64(in), .told = true };
	cleanup_(snapshot_unrefp) struct snapshot *snapshot = write.text ? snapshot_unpack(in, clock_now_ms(), NULL) : NULL;
	int64_t told_ms;
	int known;

	if (!snapshot)
		return;
	known = compare_known(store, key, snapshot, &told_ms);
	write.snapshot = snapshot;
	if (known < 0 || (known == 0 && !later))
		do_write(store, &write, snapshot->id);
	/* Both were under way: what is meant is judged by what is asked from now on. */
	if (later)
		told_settle(store, key);
}

static void hear_remove(struct store *store, const char *key, const char *id, struct unpack *in, bool later)
{
	const struct list_write write = { .key = key, .text = id, .hold_ms = unpack_i64(in), .told = true };

	/* This member has made it anew since. */
	if (!in->bad && !later)
		do_write(store, &write, id);
}

/* Whether this member knows of one that was written after that time. */
static bool is_written_since(struct store *store, const char *key, const char *id, int64_t ms)
{
	const struct overlay *overlay;

	scope_lock(store, store);
	overlay = overlay_of_locked(store, cell_find_locked(store, key), id);
	return overlay && overlay->snapshot && !overlay->floor && overlay->made_ms >= ms;
}

static void hear_late_remove(struct store *store, const char *key, const char *id, struct unpack *in, bool later)
{
	struct unpack rest = *in;
	int64_t age_ms;

	unpack_i64(&rest);
	age_ms = unpack_i64(&rest);
	/* Some are made anew with the id that they had. */
	if (is_written_since(store, key, id, clock_now_ms() - age_ms))
		told_settle(store, key);
	else
		hear_remove(store, key, id, in, later);
}

static void told(void *arg, const char *name, struct unpack *in, bool later)
{
	struct store *store = arg;
	const char *end = strrchr(name, ID_SEPARATOR);
	cleanup_free_ char *key = end ? strndup(name, (size_t)(end - name)) : NULL;
	struct store_foreign foreign = { .key = key };

	if (!key)
		return;
	switch (unpack_u8(in)) {
	case DEED_UPSERT:
		hear_upsert(store, key, in, later);
		return;
	case DEED_REMOVE:
		hear_remove(store, key, end + 1, in, later);
		return;
	case DEED_DROP:
		drop_told(store, key);
		break;
	case DEED_LATE_REMOVE:
		hear_late_remove(store, key, end + 1, in, later);
		return;
	default:
		store_expire(store, key);
		break;
	}
	list_unref(list_of(store, key, &foreign.row));
	pass_on(store, &foreign);
}

/* Whether it is gone as far as this member knows, how long ago, and how long lists may still have it. */
static bool is_gone(struct store *store, const char *key, const char *id, int64_t *ret_left_ms, int64_t *ret_age_ms)
{
	const struct overlay *overlay;
	const struct cell *cell;

	scope_lock(store, store);
	cell = cell_find_locked(store, key);
	overlay = overlay_of_locked(store, cell, id);
	if (overlay && !overlay->snapshot) {
		*ret_left_ms = clock_left_ms(overlay->until_ms);
		*ret_age_ms = clock_now_ms() - overlay->made_ms;
		return true;
	}
	if (overlay || !cell || !cell->held || !cell->held->value.list || list_by_id(cell->held->value.list, id))
		return false;
	*ret_left_ms = 0;
	*ret_age_ms = clock_now_ms() - cell->held->fetched_ms;
	return true;
}

/* The others may not have heard of it: they ask. What they wrote to it themselves they take for news to the list, for a while: that it is
   gone they are told again. */
static void lost(void *arg, const char *name)
{
	cleanup_buf_ struct buf payload = BUF_INIT;
	int64_t left_ms, age_ms;
	struct store *store = arg;
	const char *end = strrchr(name, ID_SEPARATOR);
	cleanup_free_ char *key = end ? strndup(name, (size_t)(end - name)) : NULL;

	if (key && end[1] && is_gone(store, key, end + 1, &left_ms, &age_ms) && pack_u8(&payload, DEED_LATE_REMOVE) == 0 &&
	    pack_i64(&payload, left_ms) == 0 && pack_i64(&payload, age_ms) == 0)
		tell(store, key, end + 1, &payload);
	else if (key)
		tell_deed(store, key, "", DEED_EXPIRE);
}

/* Others may have written unheard. */
static void back(void *arg)
{
	const struct store_foreign foreign = { 0 };
	struct store *store = arg;

	store_lock(store);
	store->dropped_ms = clock_now_ms();
	store_unlock(store);
	store_expire(store, "");
	pass_on(store, &foreign);
}

void store_listen(struct store *store)
{
	const struct fleet_ear ear = { .told = told, .lost = lost, .back = back, .arg = store };

	fleet_listen(store->options.fleet, FLEET_STORE, &ear);
}
