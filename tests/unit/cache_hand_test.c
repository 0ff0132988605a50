/* The store: what a list brought of a document, versions that a GET has shown, a service that does not answer, keys by row. */
#include "tests/unit/cache_service.h"

/* ---- at hand ---- */

/* A snapshot as a list of this store brought it. */
static struct snapshot *listed(const char *id, int64_t version, int64_t age_ms)
{
	struct snapshot_fields f = { .id = id, .name = id, .version = version, .body = "{}", .body_len = 2 };
	struct snapshot *s;

	f.fetched_ms = clock_now_ms() - age_ms;
	s = snapshot_new(&f);
	assert_int_equal(store_upsert(service.store, &row_a, "/list", ".json", s, FOREVER), 0);
	return s;
}

static int get_doc(struct snapshot *hand, int64_t ttl_ms, bool refresh, struct ask *a)
{
	struct waiter waiter;
	struct store_get get = { .key = "/doc",
				 .row = &row_a,
				 .ttl_ms = ttl_ms,
				 .at_hand = hand,
				 .refresh = refresh,
				 .deadline_ms = clock_after_ms(20000),
				 .waiter = &waiter };
	int64_t start = clock_now_ms();

	waiter_init(&waiter);
	a->result = store_get(service.store, &get, &a->value, &a->info, &a->err);
	waiter_destroy(&waiter);
	a->took_ms = clock_now_ms() - start;
	return a->result;
}

/* A document of which a list is all that is known: fresh as long as the list is, then waited for no longer than stale_wait. */
static void test_at_hand(void **state)
{
	struct ask a = { 0 };
	struct snapshot *hand;

	(void)state;
	STORE(.stale_ttl_ms = FOREVER, .stale_wait_ms = 100);
	service.document = true;
	hand = listed("h", 7, 1000);
	assert_int_equal(get_doc(hand, FOREVER, false, &a), 0);
	assert_string_equal(text_of(&a), "h7");
	assert_false(a.info.stale);
	forget(&a);
	assert_int_equal(calls(), 0);
	/* Past its time: asked for, and served while the answer takes its time. */
	set_closed(true);
	assert_int_equal(get_doc(hand, 500, false, &a), 0);
	assert_string_equal(text_of(&a), "h7");
	assert_true(a.info.stale);
	assert_true(a.took_ms >= 90);
	forget(&a);
	assert_int_equal(calls(), 1);
	set_closed(false);
	eventually(({
		struct ask b = { 0 };
		bool fresh = get_doc(hand, 500, false, &b) == 0 && b.value.snapshot->version == 1 && !b.info.stale;

		forget(&b);
		fresh;
	}));
	snapshot_unref(hand);
}

/* Who asks anew gets no list's word for it, and a 404 that came later stands above the list. */
static void test_at_hand_is_no_answer(void **state)
{
	struct ask a = { 0 };
	struct snapshot *hand;

	(void)state;
	STORE(.stale_ttl_ms = FOREVER, .stale_wait_ms = 100, .negative_ttl_ms = FOREVER);
	service.document = true;
	hand = listed("h", 7, 1000);
	set_fail(-ENOENT);
	assert_int_equal(get_doc(hand, FOREVER, true, &a), -ENOENT);
	assert_int_equal(get_doc(hand, FOREVER, false, &a), -ENOENT);
	assert_int_equal(calls(), 1);
	snapshot_unref(hand);
}

/* ---- what a GET has shown ---- */

static void seen(const char *id, int64_t version, int64_t hold_ms)
{
	struct snapshot *s = make(id, version, "{\"seen\":true}");

	assert_int_equal(store_seen(service.store, &row_a, "/k", ".json", s, hold_ms), 0);
	snapshot_unref(s);
}

static void test_lower_list_is_no_news(void **state)
{
	(void)state;
	STORE(.stale_ttl_ms = FOREVER);
	put_thing("a", 4, "{\"a\":4}");
	assert_answer("a4 b1", .ttl_ms = FOREVER);
	/* At once, without a hold, and as often as the list lags. */
	seen("a", 5, 0);
	assert_answer("a5 b1", .ttl_ms = FOREVER, .cached_only = true);
	for (int i = 0; i < 3; i++)
		assert_answer("a5 b1", .ttl_ms = FOREVER, .refresh = true);
	put_thing("a", 5, "{\"a\":5}");
	assert_answer("a5 b1", .ttl_ms = FOREVER, .refresh = true);
	/* Another of the service's machines, which lags still. */
	put_thing("a", 3, "{\"a\":3}");
	assert_answer("a5 b1", .ttl_ms = FOREVER, .refresh = true);
	put_thing("a", 6, "{\"a\":6}");
	assert_answer("a6 b1", .ttl_ms = FOREVER, .refresh = true);
	/* Its deletion is news. */
	take_thing("a");
	assert_answer("b1", .ttl_ms = FOREVER, .refresh = true);
	put_thing("a", 1, "{\"a\":1}");
	assert_answer("a1 b1", .ttl_ms = FOREVER, .refresh = true);
}

/* It adds nothing to a list, nor does it undo an own write; an older GET says nothing. */
static void test_seen_is_no_write(void **state)
{
	(void)state;
	STORE(.stale_ttl_ms = FOREVER);
	seen("a", 3, FOREVER);
	seen("x", 3, FOREVER);
	assert_answer("a3 b1", .ttl_ms = FOREVER);
	seen("a", 2, FOREVER);
	assert_answer("a3 b1", .ttl_ms = FOREVER, .refresh = true);
	hide("a", FOREVER);
	seen("a", 9, FOREVER);
	assert_answer("b1", .ttl_ms = FOREVER, .refresh = true);
	upsert("b", 4, FOREVER);
	seen("b", 4, FOREVER);
	assert_answer("b4", .ttl_ms = FOREVER, .refresh = true);
	seen("b", 5, FOREVER);
	assert_answer("b5", .ttl_ms = FOREVER, .refresh = true);
	seen("b", -1, FOREVER);
	assert_answer("b5", .ttl_ms = FOREVER, .refresh = true);
	/* A list that denies itself. */
	set_fail(-ENOENT);
	assert_answer("ENOENT", .ttl_ms = FOREVER, .refresh = true, .key = "/other");
}

/* ---- not understood is never empty ---- */

/* A list is denied while an own write in it is young: what was known of it stays. */
static void test_denied_list_keeps_what_was_known(void **state)
{
	(void)state;
	STORE(.stale_ttl_ms = FOREVER);
	assert_answer("a1 b1", .ttl_ms = FOREVER);
	upsert("c", 1, FOREVER);
	set_fail(-ENOENT);
	assert_answer("a1 b1 c1", .ttl_ms = FOREVER, .refresh = true);
	set_fail(0);
	assert_answer("a1 b1 c1", .ttl_ms = FOREVER, .refresh = true);
}

static int fetch_nothing(void *arg, const void *row, const char *key, struct store_value *ret, struct err *err)
{
	(void)row, (void)key, (void)ret, (void)err;
	++*(unsigned *)arg;
	return 0;
}

static void test_nothing_is_a_failure(void **state)
{
	unsigned fetched = 0;
	struct store_options o = {
		.fetch = fetch_nothing, .fetch_arg = &fetched, .max_bytes = 1 << 20, .stale_wait_ms = FOREVER
	};

	(void)state;
	service.pool = o.pool = pool_new("fetch", 4, 256 << 10);
	service.store = store_new(&o);
	assert_answer("EIO", .ttl_ms = FOREVER);
	assert_int_equal(fetched, 1);
}

/* ---- a service that does not answer ---- */

/* One reader has waited in vain: with something at hand the next ones, of whatever, do not wait as long. */
static void test_silence_is_remembered(void **state)
{
	struct ask a = { .ttl_ms = 0, .key = "/one" }, b = { .ttl_ms = 0, .key = "/two" };

	(void)state;
	STORE(.stale_ttl_ms = FOREVER, .stale_wait_ms = 3000);
	assert_answer("a1 b1", .ttl_ms = FOREVER, .key = "/one");
	assert_answer("a1 b1", .ttl_ms = FOREVER, .key = "/two");
	nap(2);
	set_closed(true);
	ask(&a);
	assert_true(a.info.stale && a.took_ms >= 2900);
	ask(&b);
	assert_true(b.info.stale && b.took_ms < 2900);
	forget(&a);
	forget(&b);
	/* It answers again: they wait as before. */
	set_closed(false);
	eventually(({
		struct ask c = { .ttl_ms = 0, .key = "/two" };
		bool fresh = ask(&c) == 0 && !c.info.stale;

		forget(&c);
		fresh;
	}));
}

/* ---- keys by row ---- */

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(test_at_hand),
		test(test_at_hand_is_no_answer),
		test(test_lower_list_is_no_news),
		test(test_seen_is_no_write),
		test(test_denied_list_keeps_what_was_known),
		test(test_nothing_is_a_failure),
		test(test_silence_is_remembered),
	};

	if (base_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
