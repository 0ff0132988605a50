/*
 * For the tests of the store: a service that can be held up, made to fail and changed, and readers that ask in threads.
 * Included once by each test.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdatomic.h>

#include "api/base/clock.h"
#include "api/base/rand.h"
#include "api/base/sanitized.h"
#include "cache/store.h"

#define FOREVER 1000000

/* ---- a service to fetch from ---- */

struct thing {
	char id[40], name[40], body[64];
	int64_t version;
};

static struct {
	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t cond;
	struct thing things[8];
	size_t count;
	bool document; /* answers with things[0] alone */
	bool closed;   /* a fetch waits inside, after it has looked, until it opens */
	unsigned inside, calls;
	unsigned stuck;   /* the number of a call that waits inside beyond that; 0: none */
	int fail;         /* -errno of every fetch */
	unsigned changes; /* calls of changed() */
	const void *changed_row;
	char changed_key[64];
	struct store *store;
	struct pool *pool;
} service = { .lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER };

static int row_a, row_b;

static inline struct snapshot *make_sized(const char *id, const char *name, int64_t version, const char *body, size_t len)
{
	struct snapshot_fields f = { .id = id, .name = name, .version = version, .body = body, .body_len = len };

	return snapshot_new(&f);
}

static inline struct snapshot *make(const char *id, int64_t version, const char *body)
{
	return make_sized(id, id, version, body, strlen(body));
}

static inline int fetch(void *arg, const void *row, const char *key, struct store_value *ret, struct err *err)
{
	struct snapshot *snapshots[8];
	unsigned number;
	size_t n;
	int fail;

	assert_ptr_equal(arg, &service);
	assert_true(row == &row_a || row == &row_b);
	assert_non_null(key);
	pthread_mutex_lock(&service.lock);
	number = ++service.calls;
	service.inside++;
	n = service.count;
	fail = service.fail;
	for (size_t i = 0; i < n; i++) {
		const struct thing *thing = &service.things[i];

		snapshots[i] = make_sized(thing->id, thing->name, thing->version, thing->body, strlen(thing->body));
	}
	pthread_cond_broadcast(&service.cond);
	while (service.closed || service.stuck == number)
		pthread_cond_wait(&service.cond, &service.lock);
	service.inside--;
	if (fail)
		err_set(err, -fail, "failure of call %u", service.calls);
	else if (service.document)
		ret->snapshot = snapshot_ref(snapshots[0]);
	else
		ret->list = list_new(snapshots, n, ".json");
	pthread_mutex_unlock(&service.lock);
	for (size_t i = 0; i < n; i++)
		snapshot_unref(snapshots[i]);
	return fail;
}

static inline void changed(void *arg, const void *row, const char *key)
{
	struct store_stats stats;

	assert_ptr_equal(arg, &service);
	/* The store's lock is not held: this would hang. */
	store_stats(service.store, &stats);
	pthread_mutex_lock(&service.lock);
	service.changes++;
	service.changed_row = row;
	snprintf(service.changed_key, sizeof(service.changed_key), "%s", key);
	pthread_mutex_unlock(&service.lock);
}

static inline void put_thing(const char *id, int64_t version, const char *body)
{
	size_t i = 0;

	pthread_mutex_lock(&service.lock);
	while (i < service.count && strcmp(service.things[i].id, id))
		i++;
	if (i == service.count)
		service.count++;
	snprintf(service.things[i].id, sizeof(service.things[i].id), "%s", id);
	snprintf(service.things[i].name, sizeof(service.things[i].name), "%s", id);
	snprintf(service.things[i].body, sizeof(service.things[i].body), "%s", body);
	service.things[i].version = version;
	pthread_mutex_unlock(&service.lock);
}

static inline void take_thing(const char *id)
{
	pthread_mutex_lock(&service.lock);
	for (size_t i = 0; i < service.count; i++) {
		if (!strcmp(service.things[i].id, id))
			service.things[i--] = service.things[--service.count];
	}
	pthread_mutex_unlock(&service.lock);
}

static inline void set_closed(bool closed)
{
	pthread_mutex_lock(&service.lock);
	service.closed = closed;
	pthread_cond_broadcast(&service.cond);
	pthread_mutex_unlock(&service.lock);
}

static inline void set_stuck(unsigned number)
{
	pthread_mutex_lock(&service.lock);
	service.stuck = number;
	pthread_cond_broadcast(&service.cond);
	pthread_mutex_unlock(&service.lock);
}

static inline void set_fail(int fail)
{
	pthread_mutex_lock(&service.lock);
	service.fail = fail;
	pthread_mutex_unlock(&service.lock);
}

/* Until so many fetches are inside. */
static inline void wait_inside(unsigned n)
{
	pthread_mutex_lock(&service.lock);
	while (service.inside != n)
		pthread_cond_wait(&service.cond, &service.lock);
	pthread_mutex_unlock(&service.lock);
}

static inline unsigned calls(void)
{
	scoped_lock(&service.lock);
	return service.calls;
}

static inline unsigned changes(void)
{
	scoped_lock(&service.lock);
	return service.changes;
}

static inline void nap(int ms)
{
	usleep((useconds_t)ms * 1000);
}

static inline struct store_stats stats_now(void)
{
	struct store_stats stats;

	store_stats(service.store, &stats);
	return stats;
}

/* Until condition holds, 5 s at most. */
#define eventually(condition)                                                                                                    \
	do {                                                                                                                     \
		for (int i_ = 0; i_ < 1000 && !(condition); i_++)                                                                \
			nap(5);                                                                                                  \
		assert_true(condition);                                                                                          \
	} while (0)

static inline void open_store(const struct store_options *more)
{
	struct store_options o = *more;

	o.fetch = fetch;
	o.fetch_arg = &service;
	o.changed = changed;
	o.changed_arg = &service;
	if (!o.stale_wait_ms)
		o.stale_wait_ms = FOREVER;
	if (!o.max_bytes)
		o.max_bytes = 64 << 20;
	service.pool = o.pool = pool_new("fetch", 4, 256 << 10);
	service.store = store_new(&o);
	assert_non_null(service.store);
}

static inline int set_up(void **state)
{
	(void)state;
	service.count = 0;
	service.document = service.closed = false;
	service.calls = service.changes = service.stuck = 0;
	service.fail = 0;
	service.store = NULL;
	service.pool = NULL;
	put_thing("a", 1, "{\"a\":1}");
	put_thing("b", 1, "{\"b\":1}");
	return 0;
}

static inline int tear_down(void **state)
{
	struct store_stats stats;

	(void)state;
	set_closed(false);
	set_stuck(0);
	pool_free(service.pool);
	store_stats(service.store, &stats);
	store_free(service.store);
	return 0;
}

#define STORE(...) open_store(&(struct store_options){ __VA_ARGS__ })

/* ---- asking ---- */

struct ask {
	const char *key;
	int64_t ttl_ms;
	int64_t wait_ms; /* 0: FOREVER */
	bool cached_only, refresh;
	struct waiter *waiter; /* NULL: one of its own */
	/* The answer: */
	int result;
	struct store_value value;
	struct store_info info;
	struct err err;
	int64_t took_ms;
};

static inline int ask(struct ask *a)
{
	struct waiter own;
	int64_t start = clock_now_ms();
	struct store_get get = { .key = a->key ? a->key : "/k",
				 .row = &row_a,
				 .ttl_ms = a->ttl_ms,
				 .cached_only = a->cached_only,
				 .refresh = a->refresh,
				 .deadline_ms = clock_after_ms(a->wait_ms ? a->wait_ms : FOREVER) };

	waiter_init(&own);
	get.waiter = a->cached_only ? NULL : a->waiter ? a->waiter : &own;
	a->result = store_get(service.store, &get, &a->value, &a->info, &a->err);
	waiter_destroy(&own);
	a->took_ms = clock_now_ms() - start;
	if (a->result == 0)
		assert_true(!a->value.list != !a->value.snapshot);
	return a->result;
}

static inline void *ask_thread(void *arg)
{
	ask(arg);
	return NULL;
}

static inline pthread_t start(struct ask *a)
{
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, ask_thread, a), 0);
	return thread;
}

static inline void forget(struct ask *a)
{
	store_value_clear(&a->value);
}

/* "a1 b1": ids with their versions. */
static inline const char *text_of(const struct ask *a)
{
	static char text[256];
	size_t n = 0;

	text[0] = '\0';
	if (a->result < 0)
		return errno_name(-a->result);
	if (a->value.snapshot)
		snprintf(text, sizeof(text), "%s%d", a->value.snapshot->id, (int)a->value.snapshot->version);
	for (size_t i = 0; a->value.list && i < list_count(a->value.list); i++) {
		const struct snapshot *s = list_at(a->value.list, i)->snapshot;

		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s%d", i ? " " : "", s->id, (int)s->version);
	}
	return text;
}

#define assert_answer(text, ...)                                                                                                 \
	do {                                                                                                                     \
		struct ask a_ = { __VA_ARGS__ };                                                                                 \
		ask(&a_);                                                                                                        \
		assert_string_equal(text_of(&a_), text);                                                                         \
		forget(&a_);                                                                                                     \
	} while (0)

/* ---- own writes ---- */

static inline void upsert(const char *id, int64_t version, int64_t hold_ms)
{
	struct snapshot *s = make(id, version, "{\"own\":true}");

	assert_int_equal(store_upsert(service.store, &row_a, "/k", ".json", s, hold_ms), 0);
	snapshot_unref(s);
}

static inline void hide(const char *id, int64_t hold_ms)
{
	assert_int_equal(store_remove(service.store, "/k", id, hold_ms), 0);
}

static inline void put(const char *id, int64_t version)
{
	struct snapshot *s = make(id, version, "{\"own\":true}");

	assert_int_equal(store_put(service.store, &row_a, "/k", s), 0);
	snapshot_unref(s);
}

#define test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
