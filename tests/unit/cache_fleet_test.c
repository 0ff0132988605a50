/* The fleet, with a real server: what is told, in which order, what is lost, leases that are kept, and values as they are passed on. */
#include "tests/unit/cache_redis.h"

#include "cache/fleet.h"
#include "cache/store_private.h"

/* ---- numbers and texts ---- */

static void test_packing(void **state)
{
	cleanup_buf_ struct buf b = BUF_INIT;
	struct unpack in;
	size_t len;

	(void)state;
	assert_int_equal(pack_u8(&b, 200), 0);
	assert_int_equal(pack_i64(&b, -5), 0);
	assert_int_equal(pack_text(&b, "text"), 0);
	assert_int_equal(pack_text(&b, NULL), 0);
	assert_int_equal(pack_bytes(&b, "by\0tes", 6), 0);
	for (size_t cut = 0; cut <= b.len; cut++) {
		in = (struct unpack){ .at = b.data, .left = cut };
		assert_int_equal(unpack_u8(&in), cut ? 200 : 0);
		unpack_i64(&in);
		unpack_text(&in);
		assert_null(unpack_text(&in));
		unpack_bytes(&in, &len);
		assert_int_equal(in.bad, cut < b.len);
	}
	in = (struct unpack){ .at = b.data, .left = b.len };
	unpack_u8(&in);
	assert_int_equal(unpack_i64(&in), -5);
	assert_string_equal(unpack_text(&in), "text");
	assert_null(unpack_text(&in));
	assert_memory_equal(unpack_bytes(&in, &len), "by\0tes", 6);
	assert_int_equal(len, 6);
	/* A text that holds a NUL, or no end, is none. */
	buf_clear(&b);
	pack_bytes(&b, "a\0b", 4);
	in = (struct unpack){ .at = b.data, .left = b.len };
	assert_null(unpack_text(&in));
	assert_true(in.bad);
}

static struct snapshot *make(const char *id, const char *name, int64_t version, const char *body)
{
	const struct snapshot_fields f = { .id = id,
					   .name = name,
					   .version = version,
					   .created_ns = 7,
					   .updated_ns = 8,
					   .traits = 3,
					   .body = body,
					   .body_len = strlen(body) };

	return snapshot_new(&f);
}

static void assert_like(struct snapshot *a, struct snapshot *b)
{
	cleanup_(body_unrefp) struct body *one = snapshot_body(a), *other = snapshot_body(b);

	assert_string_equal(a->id, b->id);
	assert_string_equal(a->name, b->name);
	assert_true(a->version == b->version && a->created_ns == b->created_ns && a->updated_ns == b->updated_ns);
	assert_true(a->seen_ns == b->seen_ns && a->traits == b->traits && a->hash == b->hash);
	assert_string_equal(one->data, other->data);
}

static void test_values(void **state)
{
	struct snapshot *items[] = { make("1", "one", 4, "{\"a\":1}"), make("2", "2", -1, "{\"a\":2}") };
	struct store_value value = { .list = list_new(items, 2, ".json") };
	cleanup_buf_ struct buf text = BUF_INIT;
	struct packed_result got = { .err = ERR_INIT };
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(value_pack(0, &value, &err, &text), 0);
	assert_int_equal(value_unpack(&text, 99, &got), 0);
	assert_int_equal(got.result, 0);
	assert_int_equal(list_count(got.value.list), 2);
	assert_string_equal(list_at(got.value.list, 1)->file_name, "one.json");
	assert_like(list_by_id(got.value.list, "1")->snapshot, items[0]);
	assert_like(list_by_id(got.value.list, "2")->snapshot, items[1]);
	assert_int_equal(list_by_id(got.value.list, "2")->snapshot->fetched_ms, 99);
	store_value_clear(&got.value);
	/* Whatever is cut off, it is none. */
	for (size_t len = text.len - 1; len > 0; len--) {
		struct buf cut = { .data = text.data, .len = len };

		assert_int_equal(value_unpack(&cut, 99, &got), -EBADMSG);
		assert_null(got.value.list);
	}
	store_value_clear(&value);
	buf_clear(&text);
	err_set(&err, ENOENT, "there is none");
	err.http_status = 404;
	assert_int_equal(value_pack(-ENOENT, &value, &err, &text), 0);
	assert_int_equal(value_unpack(&text, 99, &got), 0);
	assert_int_equal(got.result, -ENOENT);
	assert_string_equal(got.err.text, "there is none");
	assert_int_equal(got.err.http_status, 404);
	for (size_t i = 0; i < array_len(items); i++)
		snapshot_unref(items[i]);
}

/* ---- members ---- */

struct ear {
	struct lock lock;
	char heard[512]; /* "name=text+" with + where an own one is later */
	unsigned lost, back;
};

static void on_told(void *arg, const char *name, struct unpack *in, bool later)
{
	struct ear *ear = arg;
	size_t n;

	lock_acquire(&ear->lock);
	n = strlen(ear->heard);
	snprintf(ear->heard + n, sizeof(ear->heard) - n, "%s=%s%s ", name, unpack_text(in), later ? "+" : "");
	lock_release(&ear->lock);
}

static void on_lost(void *arg, const char *name)
{
	struct ear *ear = arg;

	lock_acquire(&ear->lock);
	ear->lost += !strcmp(name, "unheard");
	lock_release(&ear->lock);
}

static void on_back(void *arg)
{
	struct ear *ear = arg;

	lock_acquire(&ear->lock);
	ear->back++;
	lock_release(&ear->lock);
}

static struct fleet *join_fleet(struct ear *ear)
{
	const struct share_options o = {
		.url = server_url, .base_url = "https://api.example/client/v4", .account = ACCOUNT, .token = "t"
	};
	const struct fleet_ear heard = { .told = on_told, .lost = on_lost, .back = on_back, .arg = ear };
	struct fleet *fleet = NULL;
	struct err err = ERR_INIT;

	lock_init(&ear->lock);
	assert_int_equal(fleet_open(&o, &fleet, &err), 0);
	fleet_listen(fleet, FLEET_STORE, &heard);
	fleet_set_budget(fleet, 10, 10);
	assert_int_equal(fleet_start(fleet), 0);
	eventually(fleet_wait_heard(fleet, 100));
	return fleet;
}

static void say(struct fleet *fleet, const char *name, const char *text)
{
	cleanup_buf_ struct buf b = BUF_INIT;

	assert_int_equal(pack_text(&b, text), 0);
	fleet_tell(fleet, FLEET_STORE, name, &b);
}

static bool has_heard(struct ear *ear, const char *text)
{
	bool same;

	lock_acquire(&ear->lock);
	same = !strcmp(ear->heard, text);
	lock_release(&ear->lock);
	return same;
}

static void test_telling(void **state)
{
	struct ear ears[3] = { 0 };
	struct fleet *fleets[3];

	(void)state;
	start_server(NULL);
	for (size_t i = 0; i < 3; i++)
		fleets[i] = join_fleet(&ears[i]);
	say(fleets[0], "a", "1");
	/* The second one too: else its own would be the later of two that are under way. */
	eventually(has_heard(&ears[1], "a=1 ") && has_heard(&ears[2], "a=1 "));
	say(fleets[1], "a", "2");
	eventually(has_heard(&ears[2], "a=1 a=2 "));
	/* Nobody is told of what it did itself. */
	eventually(has_heard(&ears[0], "a=2 "));
	assert_true(has_heard(&ears[1], "a=1 "));
	for (size_t i = 0; i < 3; i++)
		fleet_free(fleets[i]);
}

static void test_own_later(void **state)
{
	struct ear ears[2] = { 0 };
	struct fleet *one, *other;

	(void)state;
	start_server(NULL);
	one = join_fleet(&ears[0]);
	other = join_fleet(&ears[1]);
	/* While the server stands still, both say something: one of them is first for both. */
	kill(server_pid, SIGSTOP);
	say(one, "a", "1");
	say(other, "a", "2");
	kill(server_pid, SIGCONT);
	eventually(!has_heard(&ears[0], "") && !has_heard(&ears[1], ""));
	/* Who was first hears the other's as the later one, and the other knows that its own is. */
	assert_true((has_heard(&ears[0], "a=2 ") && has_heard(&ears[1], "a=1+ ")) ||
		    (has_heard(&ears[0], "a=2+ ") && has_heard(&ears[1], "a=1 ")));
	fleet_free(one);
	fleet_free(other);
}

static bool is_back(struct ear *ear, unsigned lost, unsigned back)
{
	bool is;

	lock_acquire(&ear->lock);
	is = ear->lost >= lost && ear->back >= back;
	lock_release(&ear->lock);
	return is;
}

static void test_lost(void **state)
{
	struct ear ear = { 0 };
	struct fleet *fleet;

	(void)state;
	start_server(NULL);
	fleet = join_fleet(&ear);
	assert_true(is_back(&ear, 0, 1));
	stop_server();
	eventually(!fleet_is_ready(fleet));
	say(fleet, "unheard", "1");
	start_server(NULL);
	eventually(is_back(&ear, 1, 2));
	fleet_free(fleet);
}

static int try_lease(struct fleet *fleet)
{
	int64_t left;
	int r;

	do
		r = share_lease(fleet_share(fleet), "lease", FLEET_LEASE_MS, &left, NULL);
	while (r == -EAGAIN);
	return r;
}

static void test_leases(void **state)
{
	struct ear ears[2] = { 0 };
	struct fleet *one, *other;

	(void)state;
	start_server(NULL);
	one = join_fleet(&ears[0]);
	other = join_fleet(&ears[1]);
	assert_int_equal(try_lease(one), 0);
	fleet_keep(one, "lease");
	/* Longer than it lasts without being renewed; on a machine that stands still meanwhile nothing can be told. */
	for (int64_t until = clock_after_ms(FLEET_LEASE_MS * 3 / 2), last = clock_now_ms(); clock_left_ms(until); usleep(50000)) {
		int r = try_lease(other);

		if (clock_now_ms() - last > 500 || stats_of(fleet_share(one)).lost)
			break;
		assert_int_equal(r, -EBUSY);
		last = clock_now_ms();
	}
	fleet_release(one, "lease");
	eventually(try_lease(other) == 0);
	fleet_free(one);
	fleet_free(other);
}

struct claimant {
	struct fleet *fleet;
	struct ear *ear;
	_Atomic int result;
	bool knows;
};

static void *claim_it(void *arg)
{
	struct claimant *c = arg;
	struct waiter waiter;

	waiter_init(&waiter);
	c->result = fleet_claim(c->fleet, "name", clock_after_ms(20000), &waiter);
	c->knows = has_heard(c->ear, "a=1 ");
	fleet_release(c->fleet, "name");
	waiter_destroy(&waiter);
	return NULL;
}

/* Who claims what another has waits for it, and knows then what that one told. */
static void test_claims(void **state)
{
	struct ear ears[2] = { 0 };
	struct claimant other = { .ear = &ears[1], .result = 1 };
	struct waiter waiter;
	struct fleet *one;
	pthread_t thread;

	(void)state;
	start_server(NULL);
	one = join_fleet(&ears[0]);
	other.fleet = join_fleet(&ears[1]);
	waiter_init(&waiter);
	eventually(fleet_claim(one, "name", CLOCK_NEVER, &waiter) == 0);
	assert_int_equal(fleet_claim(other.fleet, "name", clock_after_ms(50), &waiter), -ETIMEDOUT);
	pthread_create(&thread, NULL, claim_it, &other);
	usleep(200000);
	assert_int_equal(other.result, 1);
	say(one, "a", "1");
	fleet_release(one, "name");
	pthread_join(thread, NULL);
	assert_int_equal(other.result, 0);
	assert_true(other.knows);
	stop_server();
	eventually(!fleet_is_ready(one));
	assert_int_equal(fleet_claim(one, "name", CLOCK_NEVER, &waiter), -EAGAIN);
	waiter_destroy(&waiter);
	fleet_free(one);
	fleet_free(other.fleet);
}

static void test_budget(void **state)
{
	struct fleet_turn turn = { 0 };
	struct ear ears[2] = { 0 };
	struct fleet *one, *other;
	unsigned reads = 0;

	(void)state;
	start_server(NULL);
	one = join_fleet(&ears[0]);
	other = join_fleet(&ears[1]);
	/* Ten at once, two of which reads leave to writes. */
	fleet_block(one, 200);
	while (reads < 20) {
		assert_int_equal(fleet_take(reads % 2 ? one : other, false, CLOCK_NEVER, NULL, &turn), 0);
		reads++;
	}
	eventually(fleet_take(other, false, clock_now_ms(), NULL, &turn) == -ETIMEDOUT);
	assert_true(turn.resume_ms > 0);
	assert_int_equal(fleet_take(other, true, CLOCK_NEVER, NULL, &turn), 0);
	stop_server();
	eventually(!fleet_is_ready(one));
	assert_int_equal(fleet_take(one, false, CLOCK_NEVER, NULL, &turn), 0);
	assert_true(turn.part >= 1);
	fleet_free(one);
	fleet_free(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_packing),
		cmocka_unit_test(test_values),
		test(test_telling),
		test(test_own_later),
		test(test_lost),
		test(test_leases),
		test(test_claims),
		test(test_budget),
	};

	if (base_init() < 0)
		return 1;
	if (!find_server()) {
		print_message("neither valkey-server nor redis-server is here\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
