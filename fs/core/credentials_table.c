#include "fs/core/credentials_table.h"

#include <errno.h>

#include "api/base/clock.h"
#include "api/base/lock.h"
#include "api/base/rand.h"
#include "fs/core/hash.h"

struct record {
	UT_hash_handle hh;
	int64_t expires_ms;
	size_t len;
	char *text; /* owned, wiped */
	char domain[];
};

DECLARE_LOCK(credentials_table);
struct credentials_table {
	struct lock lock;
	struct record *records GUARDED_BY(credentials_table_locked); /* owned */
};
DEFINE_LOCK(credentials_table, struct credentials_table, lock)

struct credentials_table *credentials_table_new(void)
{
	struct credentials_table *t = calloc(1, sizeof(*t));

	if (t)
		lock_init(&t->lock);
	return t;
}

static void record_free(struct record *record)
{
	wipe(record->text, record->len);
	free(record->text);
	free(record);
}

static void drop_locked(struct credentials_table *t, struct record *record) REQUIRES(credentials_table_locked)
{
	credentials_table_assert_locked(t);
	HASH_DEL(t->records, record);
	record_free(record);
}

void credentials_table_clear(struct credentials_table *t)
{
	scope_lock(credentials_table, t);
	while (t->records)
		drop_locked(t, t->records);
}

struct credentials_table *credentials_table_free(struct credentials_table *t)
{
	if (!t)
		return NULL;
	credentials_table_clear(t);
	lock_destroy(&t->lock);
	free(t);
	return NULL;
}

static void drop_expired_locked(struct credentials_table *t) REQUIRES(credentials_table_locked)
{
	int64_t now = clock_now_ms();
	struct record *record, *next;

	HASH_ITER(hh, t->records, record, next) {
		if (record->expires_ms <= now)
			drop_locked(t, record);
	}
}

int credentials_table_get(struct credentials_table *t, const char *domain, struct body **ret)
{
	struct record *record;

	scope_lock(credentials_table, t);
	drop_expired_locked(t);
	HASH_FIND_STR(t->records, domain, record);
	*ret = record ? body_new(record->text, record->len) : body_new("", 0);
	return *ret ? 0 : -ENOMEM;
}

int credentials_table_set(struct credentials_table *t, const char *domain, const char *text, size_t len, int64_t expires_ms)
{
	size_t n = strlen(domain) + 1;
	struct record *record = calloc(1, sizeof(*record) + n), *old;

	if (record)
		record->text = malloc(len + 1);
	if (!record || !record->text) {
		free(record);
		return -ENOMEM;
	}
	memcpy(record->text, text, len);
	record->len = len;
	record->expires_ms = expires_ms;
	memcpy(record->domain, domain, n);
	scope_lock(credentials_table, t);
	drop_expired_locked(t);
	HASH_FIND_STR(t->records, domain, old);
	if (old)
		drop_locked(t, old);
	while (HASH_COUNT(t->records) >= CREDENTIALS_MAX)
		drop_locked(t, t->records);
	HASH_ADD_STR(t->records, domain, record);
	if (record->hh.tbl)
		return 0;
	record_free(record);
	return -ENOMEM;
}
