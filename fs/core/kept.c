#include "fs/core/kept.h"

#include <errno.h>

#include "api/base/lock.h"
#include "fs/core/hash.h"

struct record {
	UT_hash_handle hh; /* in the order of use: the first is the least recent */
	struct kept_value value;
	char key[];
};

DECLARE_LOCK(kept);
struct kept {
	struct lock lock;
	size_t max_bytes;                               /* fixed */
	struct record *records GUARDED_BY(kept_locked); /* owned */
	size_t bytes GUARDED_BY(kept_locked);
	uint64_t next_serial GUARDED_BY(kept_locked);
};
DEFINE_LOCK(kept, struct kept, lock)

struct kept *kept_new(size_t max_bytes)
{
	struct kept *kept = calloc(1, sizeof(*kept));

	if (!kept)
		return NULL;
	lock_init(&kept->lock);
	kept->max_bytes = max_bytes;
	return kept;
}

static size_t record_bytes(const struct record *record)
{
	return sizeof(*record) + strlen(record->key) + (record->value.bytes ? record->value.bytes->len : 0);
}

/* It stands in the table no more. */
static void record_free_locked(struct kept *kept, struct record *record) REQUIRES(kept_locked)
{
	kept_assert_locked(kept);
	kept->bytes -= record_bytes(record);
	body_unref(record->value.bytes);
	free(record);
}

static void remove_record_locked(struct kept *kept, struct record *record) REQUIRES(kept_locked)
{
	HASH_DEL(kept->records, record);
	record_free_locked(kept, record);
}

struct kept *kept_free(struct kept *kept)
{
	struct record *record, *next;

	if (!kept)
		return NULL;
	kept_lock(kept);
	HASH_ITER(hh, kept->records, record, next)
		remove_record_locked(kept, record);
	kept_unlock(kept);
	lock_destroy(&kept->lock);
	free(kept);
	return NULL;
}

static struct record *find_locked(struct kept *kept, const char *key) REQUIRES(kept_locked)
{
	struct record *record;

	HASH_FIND_STR(kept->records, key, record);
	if (!record || !record->hh.next)
		return record;
	/* To the recent end: uthash keeps the order of adding. Where it has no memory to add it again, it is gone. */
	HASH_DEL(kept->records, record);
	HASH_ADD_STR(kept->records, key, record);
	if (record->hh.tbl)
		return record;
	record_free_locked(kept, record);
	return NULL;
}

static struct record *obtain_locked(struct kept *kept, const char *key) REQUIRES(kept_locked)
{
	struct record *record = find_locked(kept, key);
	size_t n = strlen(key) + 1;

	if (record)
		return record;
	record = calloc(1, sizeof(*record) + n);
	if (!record)
		return NULL;
	memcpy(record->key, key, n);
	record->value.attributes = ATTRIBUTES_NONE;
	HASH_ADD_STR(kept->records, key, record);
	if (!record->hh.tbl) {
		free(record);
		return NULL;
	}
	kept->bytes += record_bytes(record);
	return record;
}

static void shrink_locked(struct kept *kept, const struct record *but) REQUIRES(kept_locked)
{
	while (kept->records && kept->records != but && (kept->bytes > kept->max_bytes || HASH_COUNT(kept->records) > KEPT_MAX))
		remove_record_locked(kept, kept->records);
}

void kept_get(struct kept *kept, const char *key, struct kept_value *ret)
{
	struct record *record;

	*ret = (struct kept_value){ .attributes = ATTRIBUTES_NONE };
	scope_lock(kept, kept);
	record = find_locked(kept, key);
	if (!record)
		return;
	*ret = record->value;
	if (ret->bytes)
		body_ref(ret->bytes);
}

void kept_value_clear(struct kept_value *value)
{
	value->bytes = body_unref(value->bytes);
}

int kept_set_bytes(struct kept *kept, const char *key, const char *data, size_t len, uint64_t snapshot_hash)
{
	struct body *body = body_new(data, len), *old;
	struct record *record;

	if (!body)
		return -ENOMEM;
	scope_lock(kept, kept);
	record = obtain_locked(kept, key);
	if (!record) {
		body_unref(body);
		return -ENOMEM;
	}
	kept->bytes -= record_bytes(record);
	old = record->value.bytes;
	record->value.bytes = body;
	record->value.serial = ++kept->next_serial;
	record->value.snapshot_hash = snapshot_hash;
	kept->bytes += record_bytes(record);
	shrink_locked(kept, record);
	body_unref(old);
	return 0;
}

void kept_confirm(struct kept *kept, const char *key, uint64_t serial, uint64_t snapshot_hash, bool same)
{
	struct record *record;

	scope_lock(kept, kept);
	record = find_locked(kept, key);
	if (!record || record->value.serial != serial)
		return;
	if (same)
		record->value.snapshot_hash = snapshot_hash;
	else
		remove_record_locked(kept, record);
}

int kept_set_attributes(struct kept *kept, const char *key, uint64_t content, const struct attributes *attributes)
{
	struct record *record;

	scope_lock(kept, kept);
	record = obtain_locked(kept, key);
	if (!record)
		return -ENOMEM;
	if (record->value.content != content)
		record->value.attributes = ATTRIBUTES_NONE;
	record->value.content = content;
	attributes_merge(&record->value.attributes, attributes);
	shrink_locked(kept, record);
	return 0;
}

void kept_drop(struct kept *kept, const char *key)
{
	struct record *record;

	scope_lock(kept, kept);
	record = find_locked(kept, key);
	if (record)
		remove_record_locked(kept, record);
}

void kept_move(struct kept *kept, const char *from, const char *to)
{
	struct record *old, *new;

	scope_lock(kept, kept);
	old = find_locked(kept, from);
	if (!old || !strcmp(from, to))
		return;
	new = obtain_locked(kept, to);
	if (new) {
		kept->bytes -= record_bytes(new);
		body_unref(new->value.bytes);
		new->value = old->value;
		kept->bytes += record_bytes(new);
		kept->bytes -= record_bytes(old);
		old->value.bytes = NULL;
		kept->bytes += record_bytes(old);
	}
	remove_record_locked(kept, old);
}
