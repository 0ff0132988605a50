/*
 * Own writes, told to the other members of the fleet, and theirs, done here: by the same rules, and in the order of the server
 * where no version says which is the later one.
 */
#include <errno.h>

#include "cache/store_private.h"

/* A mark outlives every value that was put before it. */
#define MARK_MS ((3600 + 60) * MSEC_PER_SEC)

enum deed { DEED_UPSERT = 1, DEED_REMOVE, DEED_DROP, DEED_EXPIRE };

/* Names of a resource's messages: the key, and the id after this. */
#define ID_SEPARATOR '\n'

/* ---- telling ---- */

/* Marks what others fetched before, and tells them. */
static void tell(struct store *store, const char *key, const char *id, const struct buf *payload)
{
	struct fleet *fleet = store->options.fleet;
	cleanup_free_ char *name = NULL;

	share_mark(fleet_share(fleet), key, MARK_MS);
	if (asprintf(&name, "%s%c%s", key, ID_SEPARATOR, id) < 0)
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

static void tell_of_prefix(struct store *store, const char *prefix, enum deed deed)
{
	cleanup_buf_ struct buf payload = BUF_INIT;

	if (store->options.fleet && pack_u8(&payload, (uint8_t)deed) == 0)
		tell(store, prefix, "", &payload);
}

void store_drop_everywhere(struct store *store, const char *prefix)
{
	drop_told(store, prefix);
	tell_of_prefix(store, prefix, DEED_DROP);
}

void store_expire_everywhere(struct store *store, const char *prefix)
{
	store_expire(store, prefix);
	tell_of_prefix(store, prefix, DEED_EXPIRE);
}

/* ---- hearing ---- */

static int64_t known_version_locked(const struct cell *cell, const char *id) REQUIRES(store_locked)
{
	const struct list_item *item;
	struct overlay *overlay;

	HASH_FIND(hh, cell->overlays, id, strlen(id), overlay);
	if (overlay)
		return overlay->snapshot ? overlay->snapshot->version : -1;
	item = cell->held && cell->held->value.list ? list_by_id(cell->held->value.list, id) : NULL;
	return item ? item->snapshot->version : -1;
}

/* Whether what is known here is later than what was told. later: so says the order of the server. */
static bool is_outdone(struct store *store, const char *key, const struct snapshot *snapshot, bool later)
{
	const struct cell *cell;
	int64_t known = -1;

	scope_lock(store, store);
	cell = cell_find_locked(store, key);
	if (cell)
		known = known_version_locked(cell, snapshot->id);
	if (known < 0 || snapshot->version < 0 || known == snapshot->version)
		return later;
	return snapshot->version < known;
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
	struct list_write write = { .key = key, .text = unpack_text(in), .hold_ms = unpack_i64(in) };
	cleanup_(snapshot_unrefp) struct snapshot *snapshot = write.text ? snapshot_unpack(in, clock_now_ms(), NULL) : NULL;

	write.snapshot = snapshot;
	if (snapshot && !is_outdone(store, key, snapshot, later))
		do_write(store, &write, snapshot->id);
}

static void hear_remove(struct store *store, const char *key, const char *id, struct unpack *in, bool later)
{
	const struct list_write write = { .key = key, .text = id, .hold_ms = unpack_i64(in) };

	/* This member has made it anew since. */
	if (!in->bad && !later)
		do_write(store, &write, id);
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
	default:
		store_expire(store, key);
		break;
	}
	list_unref(list_of(store, key, &foreign.row));
	pass_on(store, &foreign);
}

/* The others may not have heard of it: they ask. */
static void lost(void *arg, const char *name)
{
	struct store *store = arg;
	const char *end = strrchr(name, ID_SEPARATOR);
	cleanup_free_ char *key = end ? strndup(name, (size_t)(end - name)) : NULL;

	if (key)
		tell_of_prefix(store, key, DEED_EXPIRE);
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
