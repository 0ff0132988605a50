/* The store: own writes over fetches, and everything at once. */
#include "tests/unit/cache_service.h"

/* ---- own writes of lists ---- */

static void test_write_at_once(void **state)
{
	(void)state;
	STORE(.stale_ttl_ms = FOREVER);
	assert_answer("a1 b1", .ttl_ms = FOREVER);
	upsert("c", 1, FOREVER);
	upsert("a", 2, FOREVER);
	hide("b", FOREVER);
	assert_answer("a2 c1", .ttl_ms = FOREVER, .cached_only = true);
	eventually(changes() == 3);
	assert_int_equal(calls(), 1);
	/* Over later fetches too, that do not show them. */
	assert_answer("a2 c1", .ttl_ms = FOREVER, .refresh = true);
	assert_int_equal(calls(), 2);
	eventually(changes() == 3);
}

static void test_write_before_fetch(void **state)
{
	(void)state;
	STORE(.stale_ttl_ms = FOREVER);
	upsert("c", 1, FOREVER);
	hide("a", FOREVER);
	hide("nothing", FOREVER);
	assert_answer("b1 c1", .ttl_ms = FOREVER);
}

/* A fetch that began before the write is behind it, however long ago the hold ended. */
static void test_write_during_fetch(void **state)
{
	struct ask a = { .ttl_ms = FOREVER };
	pthread_t thread;

	(void)state;
	STORE(.stale_ttl_ms = FOREVER);
	set_closed(true);
	thread = start(&a);
	wait_inside(1);
	upsert("a", 2, 0);
	upsert("c", 1, 0);
	hide("b", 0);
	nap(10);
	set_closed(false);
	pthread_join(thread, NULL);
	assert_string_equal(text_of(&a), "a2 c1");
	forget(&a);
	/* A fetch that began after, and no hold: the service is believed. */
	assert_answer("a1 b1", .ttl_ms = FOREVER, .refresh = true);
}

static void test_hold_ends(void **state)
{
	(void)state;
	STORE(.stale_ttl_ms = FOREVER);
	upsert("c", 1, 60);
	hide("b", 60);
	assert_answer("a1 c1", .ttl_ms = FOREVER);
	nap(80);
	assert_answer("a1 b1", .ttl_ms = FOREVER, .refresh = true);
}

/* Once a later fetch has shown it, the write is forgotten: another's change after it counts. */
static void test_write_confirmed(void **state)
{
	(void)state;
	STORE(.stale_ttl_ms = FOREVER);
	upsert("a", 2, FOREVER);
	hide("b", FOREVER);
	assert_answer("a2", .ttl_ms = FOREVER);
	put_thing("a", 3, "{\"a\":3}");
	take_thing("b");
	assert_answer("a3", .ttl_ms = FOREVER, .refresh = true);
	take_thing("a");
	put_thing("b", 1, "{\"b\":1}");
	assert_answer("b1", .ttl_ms = FOREVER, .refresh = true);
}

static void test_write_again(void **state)
{
	(void)state;
	STORE(.stale_ttl_ms = FOREVER);
	hide("a", FOREVER);
	upsert("a", 5, FOREVER);
	assert_answer("a5 b1", .ttl_ms = FOREVER);
	hide("a", FOREVER);
	assert_answer("b1", .ttl_ms = FOREVER);
	assert_answer("b1", .ttl_ms = FOREVER, .refresh = true);
	store_drop(service.store, "");
	assert_answer("b1", .ttl_ms = FOREVER);
}

/* The list is said not to exist, but something was just made in it. */
static void test_write_into_missing(void **state)
{
	(void)state;
	STORE(.negative_ttl_ms = FOREVER);
	set_fail(-ENOENT);
	assert_answer("ENOENT", .ttl_ms = FOREVER);
	upsert("c", 1, FOREVER);
	assert_answer("c1", .ttl_ms = FOREVER);
	hide("c", FOREVER);
	assert_answer("ENOENT", .ttl_ms = FOREVER, .refresh = true);
}

static void test_many_writes(void **state)
{
	enum { N = 5000 };
	struct ask a = { .ttl_ms = FOREVER };
	int64_t began;
	char id[20];

	(void)state;
	STORE(.max_bytes = 64 << 20);
	for (int i = 0; i < N; i++) {
		snprintf(id, sizeof(id), "n%05d", i);
		upsert(id, 1, FOREVER);
	}
	began = clock_now_ms();
	ask(&a);
	assert_true(clock_now_ms() - began < 30000);
	/* The oldest were forgotten, the newest are there. */
	assert_true(list_count(a.value.list) > N / 2 && list_count(a.value.list) < N);
	assert_non_null(list_by_id(a.value.list, "n04999"));
	assert_null(list_by_id(a.value.list, "n00000"));
	forget(&a);
}

/* Of several writes of one id the last one counts, whatever was written between them. */
static void test_many_rewrites(void **state)
{
	enum { N = 1500, ROUNDS = 3 };
	struct ask a = { .ttl_ms = FOREVER };
	char id[20];

	(void)state;
	STORE(.max_bytes = 64 << 20);
	for (int round = 1; round <= ROUNDS; round++) {
		for (int i = 0; i < N; i++) {
			snprintf(id, sizeof(id), "n%05d", round % 2 ? i : N - 1 - i);
			if (i % 3 == round % 3)
				hide(id, FOREVER);
			else
				upsert(id, round, FOREVER);
		}
	}
	ask(&a);
	/* In the last round i is the number again, and every third of them went; a and b are the service's. */
	assert_int_equal(list_count(a.value.list), N - N / 3 + 2);
	for (int i = 0; i < N; i++) {
		const struct list_item *item;

		snprintf(id, sizeof(id), "n%05d", i);
		item = list_by_id(a.value.list, id);
		if (i % 3 == ROUNDS % 3)
			assert_null(item);
		else
			assert_int_equal(item->snapshot->version, ROUNDS);
	}
	forget(&a);
}

/* ---- own writes of documents ---- */

static void test_put(void **state)
{
	struct ask a = { .ttl_ms = FOREVER };
	pthread_t thread;

	(void)state;
	service.document = true;
	STORE(.negative_ttl_ms = FOREVER, .stale_ttl_ms = FOREVER);
	assert_answer("a1", .ttl_ms = FOREVER);
	put("a", 2);
	assert_answer("a2", .ttl_ms = FOREVER, .cached_only = true);
	eventually(changes() == 1);
	/* A fetch that began before is dropped. */
	set_closed(true);
	a.refresh = true;
	thread = start(&a);
	wait_inside(1);
	put("a", 3);
	put_thing("a", 4, "{\"a\":4}");
	set_closed(false);
	pthread_join(thread, NULL);
	assert_string_equal(text_of(&a), "a4");
	forget(&a);
	assert_int_equal(calls(), 3);
	set_fail(-ENOENT);
	assert_answer("ENOENT", .ttl_ms = FOREVER, .refresh = true);
	put("a", 5);
	assert_answer("a5", .ttl_ms = FOREVER, .cached_only = true);
}

static void test_put_during_miss(void **state)
{
	struct ask a = { .ttl_ms = FOREVER };
	pthread_t thread;

	(void)state;
	service.document = true;
	STORE(.stale_ttl_ms = FOREVER);
	set_closed(true);
	thread = start(&a);
	wait_inside(1);
	put("a", 7);
	set_closed(false);
	pthread_join(thread, NULL);
	assert_string_equal(text_of(&a), "a7");
	forget(&a);
	assert_int_equal(calls(), 1);
}

/* ---- all at once ---- */

struct crowd {
	_Atomic bool stop;
	_Atomic unsigned answers;
};

static void *read_on(void *arg)
{
	struct crowd *crowd = arg;
	unsigned seed = (unsigned)(uintptr_t)&seed;

	while (!crowd->stop) {
		struct ask a = { .key = rand_r(&seed) % 2 ? "/k" : "/other",
				 .ttl_ms = rand_r(&seed) % 4,
				 .wait_ms = 1 + rand_r(&seed) % 50,
				 .refresh = rand_r(&seed) % 8 == 0 };

		if (ask(&a) == 0) {
			crowd->answers++;
			for (size_t i = 0; i < list_count(a.value.list); i++)
				body_unref(snapshot_body(list_at(a.value.list, i)->snapshot));
			forget(&a);
		}
	}
	return NULL;
}

static void *write_on(void *arg)
{
	struct crowd *crowd = arg;
	unsigned seed = (unsigned)(uintptr_t)&seed;

	while (!crowd->stop) {
		char id[20], body[40];

		snprintf(id, sizeof(id), "w%d", rand_r(&seed) % 20);
		snprintf(body, sizeof(body), "{\"x\":%d}", rand_r(&seed));
		switch (rand_r(&seed) % 6) {
		case 0:
			hide(id, rand_r(&seed) % 20);
			break;
		case 1:
			store_expire(service.store, "/k");
			break;
		case 2:
			store_drop(service.store, rand_r(&seed) % 2 ? "/" : "/k");
			break;
		case 3:
			put_thing("a", 1, body);
			break;
		case 4:
			set_fail(rand_r(&seed) % 3 ? 0 : -EIO);
			break;
		default:
			upsert(id, rand_r(&seed) % 5, rand_r(&seed) % 20);
		}
		if (rand_r(&seed) % 4 == 0)
			nap(1);
	}
	return NULL;
}

static void test_crowd(void **state)
{
	enum { READERS = 6, WRITERS = 2 };
	pthread_t threads[READERS + WRITERS];
	struct crowd crowd = { 0 };

	(void)state;
	STORE(.max_bytes = 6000, .stale_ttl_ms = 20, .stale_wait_ms = 2, .failure_ttl_ms = 5, .negative_ttl_ms = 1);
	for (int i = 0; i < READERS + WRITERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, i < READERS ? read_on : write_on, &crowd), 0);
	nap(1500);
	crowd.stop = true;
	for (int i = 0; i < READERS + WRITERS; i++)
		pthread_join(threads[i], NULL);
	assert_true(crowd.answers > 100);
	set_fail(0);
	/* Nothing is left behind by any of it. */
	service.pool = pool_free(service.pool);
	store_drop(service.store, "");
	print_message("%u answers, %zu bytes, %zu snapshots at the end\n", crowd.answers, stats_now().bytes,
		      stats_now().snapshots);
	assert_true(stats_now().snapshots <= 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(test_write_at_once),      test(test_write_before_fetch),
		test(test_write_during_fetch), test(test_hold_ends),
		test(test_write_confirmed),    test(test_write_again),
		test(test_write_into_missing), test(test_many_writes),
		test(test_many_rewrites),      test(test_put),
		test(test_put_during_miss),    test(test_crowd),
	};

	if (base_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
