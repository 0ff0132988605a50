/* The store: single flight, interrupts, stale serving, failures, dropping, telling of changes. */
#include "tests/unit/cache_service.h"

/* ---- fetching ---- */

static void test_ttl(void **state)
{
	struct ask a = { .ttl_ms = FOREVER };

	(void)state;
	STORE(.stale_ttl_ms = FOREVER);
	assert_answer("EAGAIN", .ttl_ms = FOREVER, .cached_only = true);
	assert_answer("a1 b1", .ttl_ms = FOREVER);
	put_thing("a", 2, "{\"a\":2}");
	assert_answer("a1 b1", .ttl_ms = FOREVER);
	assert_answer("a1 b1", .ttl_ms = FOREVER, .cached_only = true);
	assert_int_equal(calls(), 1);
	nap(30);
	/* One key, askers of different patience. */
	assert_answer("EAGAIN", .ttl_ms = 10, .cached_only = true);
	assert_answer("a1 b1", .ttl_ms = FOREVER, .cached_only = true);
	assert_answer("a2 b1", .ttl_ms = 10);
	assert_int_equal(calls(), 2);
	ask(&a);
	assert_false(a.info.stale);
	assert_true(a.info.fetched_ms <= clock_now_ms() && a.info.fetched_ms > clock_now_ms() - 1000);
	assert_int_equal(a.info.expires_ms, a.info.fetched_ms + FOREVER);
	assert_true(a.info.generation > 0);
	forget(&a);
	assert_answer("a2 b1", .ttl_ms = CLOCK_NEVER);
	assert_answer("a2 b1", .ttl_ms = CLOCK_NEVER / 4, .cached_only = true);
	assert_int_equal(calls(), 2);
	assert_answer("a2 b1", .ttl_ms = 0);
	assert_int_equal(calls(), 3);
}

static void test_single_flight(void **state)
{
	enum { THREADS = 100 };
	struct ask asks[THREADS] = { 0 };
	pthread_t threads[THREADS];
	struct store_stats stats;

	(void)state;
	STORE(.stale_ttl_ms = FOREVER);
	set_closed(true);
	for (int i = 0; i < THREADS; i++) {
		asks[i].ttl_ms = FOREVER;
		threads[i] = start(&asks[i]);
	}
	eventually((store_stats(service.store, &stats), stats.misses + stats.joined == THREADS));
	set_closed(false);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		assert_string_equal(text_of(&asks[i]), "a1 b1");
		assert_ptr_equal(asks[i].value.list, asks[0].value.list);
	}
	for (int i = 0; i < THREADS; i++)
		forget(&asks[i]);
	assert_int_equal(calls(), 1);
	stats = stats_now();
	assert_int_equal(stats.misses, 1);
	assert_int_equal(stats.joined, THREADS - 1);
	assert_int_equal(stats.fetches, 1);
}

static void test_interrupt(void **state)
{
	struct ask patient = { .ttl_ms = FOREVER }, late = { .ttl_ms = FOREVER, .wait_ms = 40 }, stopped = { .ttl_ms = FOREVER };
	struct waiter waiter;
	pthread_t threads[3];

	(void)state;
	STORE(.stale_ttl_ms = FOREVER);
	waiter_init(&waiter);
	stopped.waiter = &waiter;
	set_closed(true);
	/* The one that began the flight is the one that goes. */
	threads[0] = start(&stopped);
	wait_inside(1);
	threads[1] = start(&late);
	threads[2] = start(&patient);
	eventually(stats_now().joined == 2);
	waiter_cancel(&waiter);
	pthread_join(threads[0], NULL);
	assert_int_equal(stopped.result, -EINTR);
	pthread_join(threads[1], NULL);
	assert_int_equal(late.result, -ETIMEDOUT);
	assert_int_equal(late.err.errnum, ETIMEDOUT);
	assert_true(late.took_ms >= 40);
	set_closed(false);
	pthread_join(threads[2], NULL);
	assert_string_equal(text_of(&patient), "a1 b1");
	forget(&patient);
	/* What is known needs no wait, and so cannot be interrupted. */
	assert_answer("a1 b1", .ttl_ms = FOREVER, .waiter = &waiter);
	assert_int_equal(calls(), 1);
	waiter_destroy(&waiter);
}

/* Nobody waits any more: the flight lands all the same. */
static void test_flight_goes_on(void **state)
{
	(void)state;
	STORE(.stale_ttl_ms = FOREVER);
	set_closed(true);
	assert_answer("ETIMEDOUT", .ttl_ms = FOREVER, .wait_ms = 20);
	assert_answer("ETIMEDOUT", .ttl_ms = FOREVER, .wait_ms = 1);
	set_closed(false);
	eventually(stats_now().snapshots == 2);
	assert_answer("a1 b1", .ttl_ms = FOREVER, .cached_only = true);
	assert_int_equal(calls(), 1);
}

static void test_refresh(void **state)
{
	struct ask old = { .ttl_ms = FOREVER }, fresh[3] = { 0 };
	pthread_t thread, threads[3];

	(void)state;
	STORE(.stale_ttl_ms = FOREVER);
	set_closed(true);
	thread = start(&old);
	wait_inside(1);
	/* This flight has already looked; it does not answer who asks anew. */
	put_thing("a", 2, "{\"a\":2}");
	for (int i = 0; i < 3; i++) {
		fresh[i] = (struct ask){ .ttl_ms = FOREVER, .refresh = true };
		threads[i] = start(&fresh[i]);
	}
	eventually(stats_now().joined == 3);
	set_closed(false);
	pthread_join(thread, NULL);
	/* It may find that the next flight has landed too. */
	assert_true(!strcmp(text_of(&old), "a1 b1") || !strcmp(text_of(&old), "a2 b1"));
	forget(&old);
	for (int i = 0; i < 3; i++) {
		pthread_join(threads[i], NULL);
		assert_string_equal(text_of(&fresh[i]), "a2 b1");
		forget(&fresh[i]);
	}
	assert_int_equal(calls(), 2);
	set_fail(-EIO);
	assert_answer("EIO", .ttl_ms = FOREVER, .refresh = true);
	assert_answer("a2 b1", .ttl_ms = FOREVER);
}

static void test_bad_fetch(void **state)
{
	(void)state;
	STORE(.failure_ttl_ms = 0);
	set_fail(7);
	assert_answer("EIO", .ttl_ms = FOREVER);
	set_fail(0);
	assert_answer("a1 b1", .ttl_ms = FOREVER);
}

/* ---- failures and stale values ---- */

static void test_failure(void **state)
{
	struct ask a = { .ttl_ms = FOREVER }, b = { .ttl_ms = FOREVER };

	(void)state;
	STORE(.failure_ttl_ms = 80, .negative_ttl_ms = 10, .stale_ttl_ms = FOREVER);
	set_fail(-EHOSTUNREACH);
	ask(&a);
	assert_int_equal(a.result, -EHOSTUNREACH);
	assert_string_equal(a.err.text, "failure of call 1");
	ask(&b);
	assert_int_equal(b.result, -EHOSTUNREACH);
	assert_string_equal(b.err.text, "failure of call 1");
	assert_answer("EHOSTUNREACH", .ttl_ms = FOREVER, .cached_only = true);
	assert_int_equal(calls(), 1);
	/* No longer than what the asker finds fresh. */
	nap(10);
	assert_answer("EHOSTUNREACH", .ttl_ms = 5);
	assert_int_equal(calls(), 2);
	set_fail(0);
	nap(100);
	assert_answer("a1 b1", .ttl_ms = FOREVER);
	assert_int_equal(calls(), 3);
	assert_int_equal(stats_now().failures, 2);
}

static void test_negative(void **state)
{
	(void)state;
	STORE(.failure_ttl_ms = FOREVER, .negative_ttl_ms = 60, .stale_ttl_ms = FOREVER);
	assert_answer("a1 b1", .ttl_ms = 10);
	nap(20);
	set_fail(-ENOENT);
	/* Not a failure: the value is gone, whatever the stale time. */
	assert_answer("ENOENT", .ttl_ms = 10);
	eventually(changes() == 1);
	set_fail(0);
	assert_answer("ENOENT", .ttl_ms = FOREVER);
	assert_answer("ENOENT", .ttl_ms = FOREVER, .cached_only = true);
	assert_int_equal(calls(), 2);
	nap(70);
	assert_answer("EAGAIN", .ttl_ms = FOREVER, .cached_only = true);
	assert_answer("a1 b1", .ttl_ms = FOREVER);
	assert_int_equal(calls(), 3);
	assert_int_equal(stats_now().failures, 0);
}

static void test_stale_on_failure(void **state)
{
	struct ask a = { .ttl_ms = 200 };

	(void)state;
	STORE(.failure_ttl_ms = FOREVER, .stale_ttl_ms = 400);
	assert_answer("a1 b1", .ttl_ms = 200);
	nap(250);
	set_fail(-EIO);
	ask(&a);
	assert_string_equal(text_of(&a), "a1 b1");
	assert_true(a.info.stale);
	assert_true(a.info.expires_ms < clock_now_ms());
	forget(&a);
	assert_int_equal(calls(), 2);
	/* Without a call: the asker's time to live bounds the memory of the failure. */
	assert_answer("a1 b1", .ttl_ms = 200, .cached_only = true);
	nap(500);
	assert_answer("EIO", .ttl_ms = 200);
	assert_int_equal(calls(), 3);
	assert_true(stats_now().stale_served >= 2);
}

static void test_stale_wait(void **state)
{
	struct ask a = { .ttl_ms = 10 }, b = { .ttl_ms = 10 }, quick = { .ttl_ms = 10 };
	pthread_t thread;

	(void)state;
	STORE(.stale_ttl_ms = FOREVER, .stale_wait_ms = 1500);
	assert_answer("a1 b1", .ttl_ms = 10);
	nap(20);
	put_thing("a", 2, "{\"a\":2}");
	/* An answer in time is waited for. */
	set_closed(true);
	thread = start(&quick);
	wait_inside(1);
	nap(30);
	set_closed(false);
	pthread_join(thread, NULL);
	assert_string_equal(text_of(&quick), "a2 b1");
	assert_false(quick.info.stale);
	forget(&quick);
	nap(20);
	put_thing("a", 3, "{\"a\":3}");
	set_closed(true);
	ask(&a);
	assert_string_equal(text_of(&a), "a2 b1");
	assert_true(a.info.stale);
	assert_true(a.took_ms >= 1400);
	forget(&a);
	/* The next one does not wait again for the same flight. */
	ask(&b);
	assert_true(b.info.stale);
	assert_true(b.took_ms < 1400);
	forget(&b);
	assert_answer("a2 b1", .ttl_ms = 10, .cached_only = true);
	assert_int_equal(calls(), 3);
	set_closed(false);
	eventually(changes() == 2);
	assert_answer("a3 b1", .ttl_ms = FOREVER, .cached_only = true);
}

/* What one reader has waited for in vain, the readers of other keys do not wait for at length. */
static void test_silence_is_shared(void **state)
{
	struct ask a = { .ttl_ms = 10 }, other = { .key = "other", .ttl_ms = 10 };

	(void)state;
	STORE(.stale_ttl_ms = FOREVER, .stale_wait_ms = 1500);
	assert_answer("a1 b1", .ttl_ms = 10);
	assert_answer("a1 b1", .key = "other", .ttl_ms = 10);
	nap(20);
	set_closed(true);
	ask(&a);
	assert_true(a.info.stale);
	assert_true(a.took_ms >= 1400);
	ask(&other);
	assert_true(other.info.stale);
	assert_true(other.took_ms < 1400);
	forget(&a);
	forget(&other);
	set_closed(false);
	eventually(calls() == 4);
}

/* Nor, once a whole deadline of it went by, the readers of what nothing is known of; the first answer ends that. */
static void test_silence_is_one_deadline(void **state)
{
	struct ask first = { .key = "first", .ttl_ms = 10, .wait_ms = 3000 }, others[5];
	int64_t began;

	(void)state;
	STORE(.stale_ttl_ms = FOREVER, .stale_wait_ms = 1500);
	set_closed(true);
	ask(&first);
	assert_string_equal(text_of(&first), "ETIMEDOUT");
	assert_true(first.took_ms >= 2900);
	began = clock_now_ms();
	for (size_t i = 0; i < array_len(others); i++) {
		static const char *const keys[] = { "k0", "k1", "k2", "k3", "k4" };

		others[i] = (struct ask){ .key = keys[i], .ttl_ms = 10, .wait_ms = 3000 };
		ask(&others[i]);
		assert_string_equal(text_of(&others[i]), "ETIMEDOUT");
	}
	/* Each for itself would have been 15 s. */
	assert_true(clock_now_ms() - began < 9000);
	set_closed(false);
	eventually(calls() == 6);
	assert_answer("a1 b1", .key = "last", .ttl_ms = 10, .wait_ms = 3000);
}

/* The deadline is shorter than the time that a stale value is waited for. */
static void test_stale_at_deadline(void **state)
{
	(void)state;
	STORE(.stale_ttl_ms = FOREVER);
	assert_answer("a1 b1", .ttl_ms = 5);
	nap(10);
	set_closed(true);
	assert_answer("a1 b1", .ttl_ms = 5, .wait_ms = 30);
}

/* ---- dropping ---- */

static void test_drop_during_flight(void **state)
{
	struct ask before = { .ttl_ms = FOREVER }, after = { .ttl_ms = FOREVER };
	pthread_t threads[2];

	(void)state;
	STORE(.stale_ttl_ms = FOREVER);
	set_closed(true);
	threads[0] = start(&before);
	wait_inside(1);
	put_thing("a", 2, "{\"a\":2}");
	store_drop(service.store, "/k");
	threads[1] = start(&after);
	/* A second flight, beside the first, which both wait for. */
	wait_inside(2);
	set_closed(false);
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	assert_string_equal(text_of(&before), "a2 b1");
	assert_string_equal(text_of(&after), "a2 b1");
	forget(&before);
	forget(&after);
	assert_int_equal(calls(), 2);
	eventually(stats_now().snapshots == 2);
	assert_answer("a2 b1", .ttl_ms = FOREVER, .cached_only = true);
}

/* The old flight hangs: who waited on it is answered by the new one, and what it brings at last is not used. */
static void test_drop_hanging_flight(void **state)
{
	struct ask before = { .ttl_ms = FOREVER };
	pthread_t thread;

	(void)state;
	STORE(.stale_ttl_ms = FOREVER);
	set_stuck(1);
	thread = start(&before);
	wait_inside(1);
	put_thing("a", 2, "{\"a\":2}");
	store_drop(service.store, "/k");
	pthread_join(thread, NULL);
	assert_string_equal(text_of(&before), "a2 b1");
	forget(&before);
	set_stuck(0);
	service.pool = pool_free(service.pool);
	assert_answer("a2 b1", .ttl_ms = FOREVER, .cached_only = true);
	assert_int_equal(calls(), 2);
	assert_int_equal(changes(), 0);
}

static void test_drop_prefix(void **state)
{
	(void)state;
	STORE(.stale_ttl_ms = FOREVER, .failure_ttl_ms = FOREVER);
	assert_answer("a1 b1", .key = "/a", .ttl_ms = FOREVER);
	assert_answer("a1 b1", .key = "/a/1", .ttl_ms = FOREVER);
	assert_answer("a1 b1", .key = "/b", .ttl_ms = FOREVER);
	store_drop(service.store, "/a");
	assert_answer("EAGAIN", .key = "/a", .ttl_ms = FOREVER, .cached_only = true);
	assert_answer("EAGAIN", .key = "/a/1", .ttl_ms = FOREVER, .cached_only = true);
	assert_answer("a1 b1", .key = "/b", .ttl_ms = FOREVER, .cached_only = true);
	/* The same as before: nobody need be told. */
	assert_answer("a1 b1", .key = "/a", .ttl_ms = FOREVER);
	assert_int_equal(changes(), 0);
	store_drop(service.store, "/a");
	put_thing("a", 2, "{\"a\":2}");
	assert_answer("a2 b1", .key = "/a", .ttl_ms = FOREVER);
	eventually(changes() == 1);
	assert_string_equal(service.changed_key, "/a");
	assert_ptr_equal(service.changed_row, &row_a);
	/* A dropped value is not served, not even stale. */
	store_drop(service.store, "");
	set_fail(-EIO);
	assert_answer("EIO", .key = "/b", .ttl_ms = FOREVER);
	store_drop(service.store, "/b");
	set_fail(0);
	assert_answer("a2 b1", .key = "/b", .ttl_ms = FOREVER);
}

static void test_expire(void **state)
{
	struct ask a = { .ttl_ms = FOREVER }, b = { .ttl_ms = FOREVER };
	pthread_t threads[2];

	(void)state;
	STORE(.stale_ttl_ms = FOREVER);
	assert_answer("a1 b1", .ttl_ms = FOREVER);
	store_expire(service.store, "/k");
	assert_answer("EAGAIN", .ttl_ms = FOREVER, .cached_only = true);
	set_fail(-EIO);
	ask(&a);
	assert_string_equal(text_of(&a), "a1 b1");
	assert_true(a.info.stale);
	forget(&a);
	set_fail(0);
	put_thing("a", 2, "{\"a\":2}");
	assert_answer("a2 b1", .ttl_ms = FOREVER);
	assert_answer("a2 b1", .ttl_ms = FOREVER, .cached_only = true);
	/* A flight from before does not answer who asks after. */
	store_expire(service.store, "/k");
	set_closed(true);
	threads[0] = start(&a);
	wait_inside(1);
	put_thing("a", 3, "{\"a\":3}");
	store_expire(service.store, "/k");
	threads[1] = start(&b);
	nap(20);
	set_closed(false);
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	assert_string_equal(text_of(&b), "a3 b1");
	assert_false(b.info.stale);
	forget(&a);
	forget(&b);
}

/* ---- change ---- */

static void test_changed(void **state)
{
	struct ask a = { .ttl_ms = FOREVER };
	uint64_t generation;

	(void)state;
	STORE(.negative_ttl_ms = 0);
	ask(&a);
	generation = a.info.generation;
	forget(&a);
	assert_int_equal(changes(), 0);
	a.refresh = true;
	ask(&a);
	assert_int_equal(a.info.generation, generation);
	forget(&a);
	assert_int_equal(changes(), 0);
	put_thing("b", 2, "{\"b\":2}");
	ask(&a);
	assert_true(a.info.generation > generation);
	forget(&a);
	eventually(changes() == 1);
	/* The same ids and contents, the other way round. */
	put_thing("a", 1, "{\"b\":2}");
	put_thing("b", 2, "{\"a\":1}");
	assert_answer("a1 b2", .ttl_ms = FOREVER, .refresh = true);
	eventually(changes() == 2);
	take_thing("b");
	assert_answer("a1", .ttl_ms = FOREVER, .refresh = true);
	eventually(changes() == 3);
	set_fail(-ENOENT);
	assert_answer("ENOENT", .ttl_ms = FOREVER, .refresh = true);
	eventually(changes() == 4);
	assert_answer("ENOENT", .ttl_ms = FOREVER, .refresh = true);
	eventually(changes() == 4);
	set_fail(0);
	assert_answer("a1", .ttl_ms = FOREVER, .refresh = true);
	eventually(changes() == 5);
}

/* The service takes longer than the time to live: its answer serves all the same, for a while. */
static void test_slow_answer(void **state)
{
	struct ask a = { .ttl_ms = 400 };
	pthread_t thread;

	(void)state;
	STORE(.stale_ttl_ms = FOREVER);
	set_closed(true);
	thread = start(&a);
	wait_inside(1);
	nap(500);
	set_closed(false);
	pthread_join(thread, NULL);
	forget(&a);
	for (int i = 0; i < 20; i++)
		assert_answer("a1 b1", .ttl_ms = 400);
	assert_int_equal(calls(), 1);
	nap(210);
	assert_answer("a1 b1", .ttl_ms = 400);
	assert_int_equal(calls(), 2);
	/* One that was quick is old by its request. */
	nap(410);
	assert_answer("EAGAIN", .ttl_ms = 400, .cached_only = true);
}

static void test_prefetch(void **state)
{
	struct ask a = { .ttl_ms = FOREVER };
	pthread_t thread;
	unsigned before;

	(void)state;
	STORE(.stale_ttl_ms = FOREVER, .failure_ttl_ms = FOREVER);
	set_closed(true);
	store_prefetch(service.store, &row_a, "/k", FOREVER);
	wait_inside(1);
	/* It is under way: neither a reader nor another prefetch begins one more. */
	store_prefetch(service.store, &row_a, "/k", FOREVER);
	thread = start(&a);
	eventually(stats_now().joined == 1);
	set_closed(false);
	pthread_join(thread, NULL);
	assert_string_equal(text_of(&a), "a1 b1");
	forget(&a);
	/* Known: nothing to do, until it is too old. */
	store_prefetch(service.store, &row_a, "/k", FOREVER);
	assert_answer("a1 b1", .ttl_ms = FOREVER, .cached_only = true);
	assert_int_equal(calls(), 1);
	put_thing("a", 2, "{\"a\":2}");
	nap(20);
	before = changes();
	store_prefetch(service.store, &row_a, "/k", 10);
	eventually(changes() == before + 1);
	assert_answer("a2 b1", .ttl_ms = FOREVER, .cached_only = true);
	/* A failure that is remembered is not asked for again. */
	set_fail(-EIO);
	store_drop(service.store, "/k");
	assert_answer("EIO", .ttl_ms = FOREVER);
	assert_int_equal(calls(), 3);
	store_prefetch(service.store, &row_a, "/k", FOREVER);
	assert_answer("EIO", .ttl_ms = FOREVER);
	assert_int_equal(calls(), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(test_ttl),
		test(test_single_flight),
		test(test_interrupt),
		test(test_flight_goes_on),
		test(test_refresh),
		test(test_bad_fetch),
		test(test_failure),
		test(test_negative),
		test(test_stale_on_failure),
		test(test_stale_wait),
		test(test_silence_is_shared),
		test(test_silence_is_one_deadline),
		test(test_stale_at_deadline),
		test(test_drop_during_flight),
		test(test_drop_hanging_flight),
		test(test_drop_prefix),
		test(test_expire),
		test(test_changed),
		test(test_slow_answer),
		test(test_prefetch),
	};

	if (base_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
