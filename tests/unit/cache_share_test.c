/* The share with a real server: values, messages, leases, the budget, rows, and what the server gets to see. */
#include "tests/unit/cache_redis.h"

#include <pthread.h>

/* ---- values ---- */

static int get(struct share *s, const char *name, struct buf *ret)
{
	/* A machine that is busy is late now and then: that is no answer. */
	for (int i = 0; i < 400; i++) {
		int r = share_get(s, name, ret, NULL, NULL);

		if (r != -EAGAIN)
			return r;
		usleep(20000);
	}
	return -EAGAIN;
}

static void assert_value(struct share *s, const char *name, const char *value)
{
	cleanup_buf_ struct buf got = BUF_INIT;
	int r = get(s, name, &got);

	assert_int_equal(r, value ? 0 : -ENOENT);
	if (value)
		assert_string_equal(got.data, value);
}

static void put(struct share *s, const char *name, const char *value)
{
	assert_int_equal(share_put(s, name, value, strlen(value), 60000), 0);
	/* Commands of one member keep their order. */
	assert_value(s, name, value);
}

static void test_values(void **state)
{
	struct share *a, *b, *stranger;
	cleanup_buf_ struct buf got = BUF_INIT;
	size_t len = (size_t)3 << 20;
	cleanup_free_ char *large = malloc(len);
	int64_t age_ms = -1;

	(void)state;
	start_server(NULL);
	a = join(NULL);
	b = join(NULL);
	stranger = join("another token");
	assert_value(a, "list", NULL);
	put(a, "list", "one");
	assert_value(b, "list", "one");
	put(b, "list", "two");
	assert_value(a, "list", "two");
	assert_value(stranger, "list", NULL);
	put(stranger, "list", "theirs");
	assert_value(a, "list", "two");
	usleep(60000);
	while (share_get(a, "list", &got, &age_ms, NULL) == -EAGAIN)
		usleep(1000);
	assert_true(age_ms >= 50 && age_ms < 60000);
	assert_int_equal(share_drop(a, "list"), 0);
	assert_value(a, "list", NULL);
	assert_value(b, "list", NULL);
	/* One that packs well, and one that does not. */
	for (int round = 0; round < 2; round++) {
		if (round)
			rand_bytes(large, len);
		else
			memset(large, 'x', len);
		assert_int_equal(share_put(a, "large", large, len, 60000), 0);
		eventually(get(b, "large", &got) == 0 && got.len == len && !memcmp(got.data, large, len));
	}
	assert_int_equal(share_put(a, "larger", large, SHARE_VALUE_MAX + 1, 60000), -EFBIG);
	assert_int_equal(share_put(a, "empty", NULL, 0, 60000), 0);
	assert_value(a, "empty", "");
	assert_value(b, "empty", "");
	assert_int_equal(share_put(a, "short", "x", 1, 30), 0);
	eventually(get(b, "short", &got) == -ENOENT);
	eventually(stats_of(a).members >= 2);
	assert_true(stats_of(stranger).members <= 1);
	share_close(a);
	share_close(b);
	share_close(stranger);
}

/* ---- what the server sees ---- */

static bool stands_in_dump(const char *needle)
{
	cleanup_close_ int fd = -1;
	static char bytes[1 << 20];
	char path[128];
	ssize_t n;

	snprintf(path, sizeof(path), "%s/dump.rdb", server_dir);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	n = read(fd, bytes, sizeof(bytes));
	assert_true(n > 0);
	return memmem(bytes, (size_t)n, needle, strlen(needle));
}

static void test_nothing_readable(void **state)
{
	static const char *const needles[] = {
		"applications", "hunter2", "the-token-of-all", ACCOUNT, "api.example", "job-seven"
	};
	struct share_bucket bucket = { .rate = 3, .burst = 10 };
	struct share *a;
	int64_t number;

	(void)state;
	start_server(NULL);
	a = join(NULL);
	put(a, "L:/applications", "{\"password\":\"hunter2\"}");
	assert_int_equal(share_row_set(a, "names", "applications", "job-seven", "hunter2", 7), 0);
	share_lease(a, "applications", 60000, &number, NULL);
	share_take(a, "applications", &bucket, &number, NULL);
	assert_int_equal(share_publish(a, "applications", "hunter2", 7), 0);
	assert_value(a, "L:/applications", "{\"password\":\"hunter2\"}");
	freeReplyObject(raw("SET plain operators-own"));
	freeReplyObject(raw("SAVE"));
	assert_true(stands_in_dump("operators-own"));
	for (size_t i = 0; i < array_len(needles); i++)
		assert_false(stands_in_dump(needles[i]));
	share_close(a);
}

/* The name of the key that holds the member's one value. */
static void only_string_key(char name[64])
{
	redisReply *keys = raw("KEYS cf:*");

	name[0] = '\0';
	for (size_t i = 0; i < keys->elements; i++) {
		redisReply *type = raw("TYPE %s", keys->element[i]->str);

		if (!strcmp(type->str, "string") && !name[0])
			snprintf(name, 64, "%s", keys->element[i]->str);
		freeReplyObject(type);
	}
	freeReplyObject(keys);
	assert_true(name[0]);
}

/* A value that was changed, or that stands in another's place, is a miss; so is one of another type. */
static void test_tampered(void **state)
{
	char first[64], second[64];
	redisReply *sealed;
	struct share *a;

	(void)state;
	start_server(NULL);
	a = join(NULL);
	put(a, "one", "1");
	only_string_key(first);
	sealed = raw("GET %s", first);
	freeReplyObject(raw("DEL %s", first));
	put(a, "two", "2");
	only_string_key(second);
	assert_string_not_equal(first, second);
	freeReplyObject(raw("SET %s %b", second, sealed->str, (size_t)sealed->len));
	assert_value(a, "two", NULL);
	assert_int_equal(stats_of(a).tampered, 1);
	freeReplyObject(raw("SET %s %b", first, sealed->str, (size_t)sealed->len));
	assert_value(a, "one", "1");
	for (size_t i = 0; i < (size_t)sealed->len; i += 7) {
		sealed->str[i] ^= 1;
		freeReplyObject(raw("SET %s %b", first, sealed->str, (size_t)sealed->len));
		sealed->str[i] ^= 1;
		assert_value(a, "one", NULL);
	}
	freeReplyObject(raw("SET %s short", first));
	assert_value(a, "one", NULL);
	assert_true(stats_of(a).tampered > 5);
	/* Of another type: the server says an error, and that is no answer. */
	freeReplyObject(raw("DEL %s", first));
	freeReplyObject(raw("LPUSH %s x", first));
	{
		cleanup_buf_ struct buf got = BUF_INIT;

		assert_int_equal(share_get(a, "one", &got, NULL, NULL), -EAGAIN);
	}
	put(a, "one", "back");
	freeReplyObject(sealed);
	share_close(a);
}

/* ---- messages ---- */

struct heard {
	pthread_mutex_t lock;
	char texts[2000][24];
	size_t count, own, missed;
};

static void hear(void *arg, const struct share_message *m)
{
	struct heard *h = arg;

	pthread_mutex_lock(&h->lock);
	if (!m->topic) {
		h->missed++;
	} else if (h->count < array_len(h->texts)) {
		snprintf(h->texts[h->count++], sizeof(h->texts[0]), "%s %.*s", m->topic, (int)m->len, (const char *)m->data);
		h->own += m->own;
	}
	pthread_mutex_unlock(&h->lock);
}

static size_t heard_count(struct heard *h)
{
	scoped_lock(&h->lock);
	return h->count;
}

struct speaker {
	struct share *share;
	const char *topic;
};

static void *speak(void *arg)
{
	const struct speaker *speaker = arg;

	for (int i = 0; i < 500; i++) {
		char text[16];

		snprintf(text, sizeof(text), "%d", i);
		/* More than wait to be sent at once: the next one in a moment. */
		while (share_publish(speaker->share, speaker->topic, text, strlen(text)) == -EAGAIN)
			usleep(1000);
	}
	return NULL;
}

/* All members hear all messages in one order. */
static void test_messages(void **state)
{
	static struct heard heard[3];
	struct share *members[3];
	struct speaker speakers[2];
	pthread_t threads[2];

	(void)state;
	start_server(NULL);
	for (size_t i = 0; i < 3; i++) {
		memset(&heard[i], 0, sizeof(heard[i]));
		pthread_mutex_init(&heard[i].lock, NULL);
		members[i] = join_with(&(struct share_options){ .told = hear, .told_arg = &heard[i] });
	}
	for (size_t i = 0; i < 3; i++)
		eventually(is_ready(members[i]));
	for (size_t i = 0; i < 2; i++) {
		speakers[i] = (struct speaker){ members[i], i ? "b" : "a" };
		pthread_create(&threads[i], NULL, speak, &speakers[i]);
	}
	for (size_t i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	for (size_t i = 0; i < 3; i++)
		eventually(heard_count(&heard[i]) == 1000);
	for (size_t k = 0; k < 1000; k++) {
		assert_string_equal(heard[0].texts[k], heard[1].texts[k]);
		assert_string_equal(heard[0].texts[k], heard[2].texts[k]);
	}
	assert_int_equal(heard[0].own, 500);
	assert_int_equal(heard[2].own, 0);
	assert_int_equal(heard[2].missed, 1);
	for (size_t i = 0; i < 3; i++)
		share_close(members[i]);
}

/* ---- another token ---- */

static void test_rekey(void **state)
{
	static struct heard heard;
	uint8_t before[SHARE_KEY_LEN], now[SHARE_KEY_LEN];
	struct share *a, *b, *moves;

	(void)state;
	start_server(NULL);
	memset(&heard, 0, sizeof(heard));
	pthread_mutex_init(&heard.lock, NULL);
	a = join(NULL);
	b = join("the next token");
	moves = join_with(&(struct share_options){ .told = hear, .told_arg = &heard });
	eventually(is_ready(moves));
	put(a, "list", "of the old ones");
	put(b, "list", "of the new ones");
	assert_value(moves, "list", "of the old ones");
	share_key(moves, before);
	/* The same one: nothing ends. */
	assert_int_equal(share_rekey(moves, "the-token-of-all"), 0);
	assert_true(is_ready(moves));
	assert_int_equal(share_rekey(moves, "the next token"), 0);
	share_key(moves, now);
	assert_memory_not_equal(before, now, sizeof(now));
	share_key(b, before);
	assert_memory_equal(before, now, sizeof(now));
	assert_value(moves, "list", "of the new ones");
	put(moves, "mine", "too");
	assert_value(b, "mine", "too");
	assert_value(a, "mine", NULL);
	eventually(stats_of(moves).members == 2);
	assert_int_equal(share_publish(a, "old", "", 0), 0);
	assert_int_equal(share_publish(b, "new", "", 0), 0);
	eventually(heard_count(&heard) == 1);
	assert_string_equal(heard.texts[0], "new ");
	/* That it is there, twice: what it then asks anew is what it may have missed. */
	assert_int_equal(heard.missed, 2);
	assert_int_equal(stats_of(moves).lost, 0);
	assert_int_equal(stats_of(moves).tampered, 0);
	share_close(a);
	share_close(b);
	share_close(moves);
}

static void *use(void *arg)
{
	cleanup_buf_ struct buf got = BUF_INIT;
	struct share *share = arg;
	int64_t number;

	for (int i = 0; i < 3000; i++) {
		share_put(share, "value", "one", 3, 60000);
		share_get(share, "value", &got, &number, NULL);
		share_row_set(share, "names", "p", "a", "1", 1);
		share_row_get(share, "names", "p", "a", &got, NULL);
		share_publish(share, "topic", "text", 4);
		share_lease(share, "lease", 1000, &number, NULL);
	}
	return NULL;
}

/* Each call does all of its work with the keys of one token, whatever it meets. */
static void test_rekey_in_use(void **state)
{
	struct share *share, *other;
	pthread_t threads[2];

	(void)state;
	start_server(NULL);
	share = join(NULL);
	other = join("the next token");
	for (size_t i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, use, share);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(share_rekey(share, i % 2 ? "the-token-of-all" : "the next token"), 0);
		if (i % 10 == 0)
			eventually(is_ready(share));
	}
	for (size_t i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	eventually(is_ready(share));
	put(share, "list", "one");
	assert_int_equal(stats_of(share).tampered, 0);
	assert_int_equal(stats_of(other).tampered, 0);
	share_close(share);
	share_close(other);
}

/* ---- leases ---- */

static int lease(struct share *s, const char *name, int64_t ttl_ms, int64_t *ret_left)
{
	for (int i = 0; i < 400; i++) {
		int r = share_lease(s, name, ttl_ms, ret_left, NULL);

		if (r != -EAGAIN)
			return r;
		usleep(5000);
	}
	return -EAGAIN;
}

static void test_leases(void **state)
{
	struct share *a, *b;
	int64_t left = -1;

	(void)state;
	start_server(NULL);
	a = join(NULL);
	b = join(NULL);
	assert_int_equal(lease(a, "list", 60000, &left), 0);
	assert_int_equal(lease(b, "list", 60000, &left), -EBUSY);
	assert_true(left > 0 && left <= 60000);
	assert_int_equal(lease(b, "other", 60000, &left), 0);
	/* Only the holder gives it back. */
	assert_int_equal(share_unlease(b, "list"), 0);
	assert_int_equal(lease(b, "list", 60000, &left), -EBUSY);
	assert_int_equal(share_unlease(a, "list"), 0);
	eventually(lease(b, "list", 60000, &left) == 0);
	/* A member that died with one costs its time. */
	assert_int_equal(lease(a, "short", 80, &left), 0);
	share_close(a);
	eventually(lease(b, "short", 60000, &left) == 0);
	share_close(b);
}

/* ---- the budget ---- */

struct taker {
	struct share *share;
	double reserve;
	int64_t until_ms;
	unsigned got;
};

static void *take(void *arg)
{
	struct taker *t = arg;
	const struct share_bucket bucket = { .rate = 50, .burst = 20, .reserve = t->reserve };

	while (clock_left_ms(t->until_ms)) {
		int64_t wait_ms = 1;
		int r = share_take(t->share, "budget", &bucket, &wait_ms, NULL);

		t->got += r == 0;
		if (r)
			usleep(2000);
	}
	return NULL;
}

/* Together they take no more than one bucket gives, and what is kept for writes is there for a write. */
static void test_budget(void **state)
{
	const struct share_bucket write = { .rate = 50, .burst = 20 };
	struct taker takers[4];
	pthread_t threads[4];
	int64_t start, took, wait_ms = 0;
	unsigned got = 0;
	int r;

	(void)state;
	start_server(NULL);
	for (size_t i = 0; i < 4; i++)
		takers[i] = (struct taker){ .share = join(NULL), .reserve = 5 };
	start = clock_now_ms();
	for (size_t i = 0; i < 4; i++) {
		takers[i].until_ms = start + 1000;
		pthread_create(&threads[i], NULL, take, &takers[i]);
	}
	for (size_t i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
		got += takers[i].got;
	}
	took = clock_now_ms() - start;
	/* The burst less what is kept, and what came meanwhile. */
	assert_true(got >= 15);
	assert_true(got <= 15 + (unsigned)(took * 50 / 1000) + 2);
	/* A write finds some, as often as are kept. */
	for (unsigned i = 0; i < 3; i++) {
		do
			r = share_take(takers[0].share, "budget", &write, &wait_ms, NULL);
		while (r == -EAGAIN);
		assert_int_equal(r, 0);
	}
	/* What one was told is obeyed by all. */
	assert_int_equal(share_block(takers[1].share, "budget", &write, 5000), 0);
	assert_value(takers[1].share, "no such value", NULL);
	do
		r = share_take(takers[2].share, "budget", &write, &wait_ms, NULL);
	while (r == -EAGAIN);
	assert_int_equal(r, -EBUSY);
	assert_true(wait_ms > 1000 && wait_ms <= 5000);
	for (size_t i = 0; i < 4; i++)
		share_close(takers[i].share);
}

/* ---- rows ---- */

static int collect(void *arg, const char *id, const void *value, size_t len)
{
	unsigned *sum = arg;

	*sum += (unsigned)(id[0] - 'a' + 1) * 100 + (len ? (unsigned)*(const char *)value - '0' : 0);
	return 0;
}

static void test_rows(void **state)
{
	cleanup_buf_ struct buf got = BUF_INIT;
	struct share *a, *b;
	unsigned sum = 0;

	(void)state;
	start_server(NULL);
	a = join(NULL);
	b = join(NULL);
	assert_int_equal(share_row_set(a, "names", "p", "a", "1", 1), 0);
	assert_int_equal(share_row_set(a, "names", "p", "b", "2", 1), 0);
	assert_int_equal(share_row_set(a, "names", NULL, "c", "3", 1), 0);
	eventually(share_row_get(b, "names", NULL, "c", &got, NULL) == 0);
	assert_string_equal(got.data, "3");
	eventually(share_row_get(b, "owed", "p", "a", &got, NULL) == -ENOENT);
	eventually((sum = 0, share_row_each(b, "names", "p", collect, &sum, NULL) == 0 && sum == 303));
	assert_int_equal(share_row_set(b, "names", "p", "a", "9", 1), 0);
	assert_int_equal(share_row_delete(b, "names", "p", "b"), 0);
	eventually((sum = 0, share_row_each(a, "names", "p", collect, &sum, NULL) == 0 && sum == 109));
	share_close(a);
	share_close(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(test_values),       test(test_nothing_readable), test(test_tampered), test(test_messages),
		test(test_leases),       test(test_budget),           test(test_rows),     test(test_rekey),
		test(test_rekey_in_use),
	};

	if (!find_server()) {
		print_message("skipped: there is neither valkey-server nor redis-server\n");
		return 77;
	}
	if (base_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
