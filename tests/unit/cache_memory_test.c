/* The store: the bound on memory, what goes first, and what a resource costs. */
#include "tests/unit/cache_service.h"

#include <malloc.h>

/* ---- memory ---- */

/* A fetch of many and large things. */
static struct {
	size_t count, size;
} bulk;

static int fetch_bulk(void *arg, const void *row, const char *key, struct store_value *ret, struct err *err)
{
	struct snapshot **all = calloc(bulk.count, sizeof(*all));
	char *body = malloc(bulk.size + 1);
	char id[48], name[48];

	(void)arg, (void)row, (void)key, (void)err;
	for (size_t i = 0; i < bulk.count; i++) {
		memset(body, 'a' + (int)(i % 26), bulk.size);
		snprintf(body, bulk.size, "%zu", i);
		snprintf(id, sizeof(id), "%08x-0000-4000-8000-%012zx", (unsigned)(i * 2654435761u), i);
		snprintf(name, sizeof(name), "application-%06zu", i);
		all[i] = make_sized(id, name, 1, body, bulk.size);
	}
	ret->list = list_new(all, bulk.count, ".json");
	for (size_t i = 0; i < bulk.count; i++)
		snapshot_unref(all[i]);
	free(all);
	free(body);
	return 0;
}

static void open_bulk(size_t count, size_t size, size_t max_bytes)
{
	struct store_options o = { .fetch = fetch_bulk, .max_bytes = max_bytes };

	bulk.count = count;
	bulk.size = size;
	service.pool = o.pool = pool_new("fetch", 4, 256 << 10);
	service.store = store_new(&o);
}

static size_t count_bodies(const struct list *list)
{
	size_t n = 0;

	for (size_t i = 0; i < list_count(list); i++) {
		struct body *body = snapshot_body(list_at(list, i)->snapshot);

		n += body != NULL;
		body_unref(body);
	}
	return n;
}

static void test_evict_bodies(void **state)
{
	struct ask a = { .key = "/1", .ttl_ms = FOREVER }, b = { .key = "/2", .ttl_ms = FOREVER };
	struct snapshot *used;
	struct store_stats stats;
	struct body *body, *kept;

	(void)state;
	open_bulk(100, 1000, 200000);
	ask(&a);
	assert_int_equal(count_bodies(a.value.list), 100);
	/* It would be the first to go. */
	used = list_at(a.value.list, 0)->snapshot;
	kept = snapshot_body(list_at(a.value.list, 5)->snapshot);
	body = snapshot_body(used);
	assert_non_null(body);
	body_unref(body);
	ask(&b);
	stats = stats_now();
	assert_true(stats.bytes <= 200000);
	assert_true(stats.evicted_bodies > 30);
	assert_int_equal(stats.evicted_values, 0);
	/* The least recently used went; names and what is used stay. */
	assert_int_equal(count_bodies(b.value.list), 100);
	body = snapshot_body(used);
	assert_non_null(body);
	body_unref(body);
	assert_true(count_bodies(a.value.list) < 70);
	assert_int_equal(list_count(a.value.list), 100);
	/* Who holds the bytes keeps them. */
	assert_int_equal(kept->len, 1000);
	body_unref(kept);
	forget(&a);
	forget(&b);
	assert_answer("EAGAIN", .key = "/3", .ttl_ms = FOREVER, .cached_only = true);
	a.cached_only = true;
	assert_int_equal(ask(&a), 0);
	/* A fetch brings the bodies again. */
	forget(&a);
	a = (struct ask){ .key = "/1", .ttl_ms = FOREVER, .refresh = true };
	ask(&a);
	assert_int_equal(count_bodies(a.value.list), 100);
	forget(&a);
}

static void test_evict_values(void **state)
{
	char key[20];

	(void)state;
	open_bulk(10, 10, 40000);
	for (int i = 0; i < 50; i++) {
		struct ask a = { .key = key, .ttl_ms = FOREVER };

		snprintf(key, sizeof(key), "/%d", i);
		assert_int_equal(ask(&a), 0);
		assert_int_equal(list_count(a.value.list), 10);
		forget(&a);
	}
	assert_true(stats_now().bytes <= 40000);
	assert_true(stats_now().evicted_values > 20);
	assert_true(stats_now().keys < 30);
	struct ask last = { .key = "/49", .ttl_ms = FOREVER, .cached_only = true };
	struct ask first = { .key = "/0", .ttl_ms = FOREVER, .cached_only = true };

	assert_int_equal(ask(&last), 0);
	assert_int_equal(ask(&first), -EAGAIN);
	forget(&last);
}

/* One list alone past the bound: it stays for who goes through it, until another list is used. */
static void test_too_large(void **state)
{
	struct ask a = { .key = "/1", .ttl_ms = FOREVER }, b = { .key = "/2", .ttl_ms = FOREVER };

	(void)state;
	open_bulk(100, 1000, 2000);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(ask(&a), 0);
		assert_int_equal(list_count(a.value.list), 100);
		forget(&a);
	}
	assert_int_equal(stats_now().fetches, 1);
	assert_int_equal(ask(&b), 0);
	forget(&b);
	eventually(stats_now().snapshots == 100);
	assert_int_equal(ask(&a), 0);
	forget(&a);
	assert_int_equal(stats_now().fetches, 3);
}

/* A document whose body was dropped is asked for again. */
static void test_document_body(void **state)
{
	struct ask a = { .key = "/d", .ttl_ms = FOREVER };

	(void)state;
	service.document = true;
	STORE(.max_bytes = 4000);
	assert_int_equal(ask(&a), 0);
	put("a", 2);
	for (int i = 0; i < 20; i++) {
		struct snapshot *s = make_sized("x", "x", 1, (char[1000]){ 0 }, 1000);
		char key[20];

		snprintf(key, sizeof(key), "/x%d", i);
		assert_int_equal(store_put(service.store, &row_a, key, s), 0);
		snapshot_unref(s);
	}
	assert_null(snapshot_body(a.value.snapshot));
	forget(&a);
	assert_answer("EAGAIN", .key = "/d", .ttl_ms = FOREVER, .cached_only = true);
	assert_answer("a1", .key = "/d", .ttl_ms = FOREVER);
}

/* A snapshot outlives its store. */
static void test_outlive(void **state)
{
	struct ask a = { .ttl_ms = FOREVER };
	struct snapshot *s;
	struct body *body;

	(void)state;
	STORE(.max_bytes = 1 << 20);
	ask(&a);
	s = snapshot_ref(list_at(a.value.list, 0)->snapshot);
	forget(&a);
	service.pool = pool_free(service.pool);
	service.store = store_free(service.store);
	body = snapshot_body(s);
	assert_string_equal(body->data, "{\"a\":1}");
	body_unref(body);
	snapshot_unref(s);
	STORE(.max_bytes = 1 << 20);
}

/* The same content again, while open files hold the old: bodies are there once. */
static void test_shared_bodies(void **state)
{
	struct ask a = { .ttl_ms = FOREVER }, b = { .ttl_ms = FOREVER, .refresh = true };
	size_t before;

	(void)state;
	open_bulk(1000, 1000, 64 << 20);
	ask(&a);
	before = stats_now().bytes;
	ask(&b);
	assert_true(stats_now().bytes < before * 14 / 10);
	assert_int_equal(count_bodies(a.value.list), 1000);
	assert_int_equal(count_bodies(b.value.list), 1000);
	forget(&a);
	eventually(stats_now().snapshots == 1000);
	assert_true(stats_now().bytes <= before + 100);
	forget(&b);
}

static void known_bytes(size_t count, size_t limit)
{
	struct ask a = { .ttl_ms = FOREVER };
	struct mallinfo2 before = mallinfo2(), after;
	size_t used;

	open_bulk(count, 1024, 256 << 20);
	assert_int_equal(ask(&a), 0);
	forget(&a);
	malloc_trim(0);
	after = mallinfo2();
	used = after.uordblks + after.hblkhd - before.uordblks - before.hblkhd;
	print_message("%zu resources: %zu KiB by the allocator, %zu KiB by our count\n", count, used >> 10,
		      stats_now().bytes >> 10);
	assert_int_equal(stats_now().evicted_bodies, 0);
	assert_true(stats_now().bytes < limit);
#if !SANITIZED
	assert_true(used < limit);
	/* The count is honest: within a fifth of the truth. */
	assert_true(stats_now().bytes > used / 10 * 8 && stats_now().bytes < used / 10 * 12);
#endif
}

static void test_memory_10000(void **state)
{
	(void)state;
	known_bytes(10000, 18 << 20);
}

static void test_memory_100000(void **state)
{
	(void)state;
	known_bytes(100000, 180 << 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(test_evict_bodies), test(test_evict_values),  test(test_too_large),    test(test_document_body),
		test(test_outlive),      test(test_shared_bodies), test(test_memory_10000), test(test_memory_100000),
	};

	if (base_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
