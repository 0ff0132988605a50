/* Lists: order, names of those who share one, sharing between lists, and speed at 100,000 items. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "api/base/name.h"
#include "api/base/rand.h"
#include "cache/list.h"

static struct snapshot *make(const char *id, const char *name, int64_t created_ns, const char *body)
{
	struct snapshot_fields f = {
		.id = id, .name = name, .created_ns = created_ns, .version = 1, .body = body, .body_len = strlen(body)
	};
	struct snapshot *s = snapshot_new(&f);

	assert_non_null(s);
	return s;
}

static const char *file_name_of(const struct list *list, const char *id)
{
	const struct list_item *item = list_by_id(list, id);

	return item ? item->file_name : "(none)";
}

/* Every promise of the header that holds for any list. */
static void check(const struct list *list)
{
	for (size_t i = 0; i < list_count(list); i++) {
		const struct list_item *item = list_at(list, i);
		const struct list_item *first = list_by_name(list, item->snapshot->name);

		if (i)
			assert_true(strcmp(list_at(list, i - 1)->file_name, item->file_name) < 0);
		assert_ptr_equal(list_by_file_name(list, item->file_name), item);
		assert_ptr_equal(list_by_id(list, item->snapshot->id), item);
		assert_non_null(first);
		assert_true(first->snapshot->created_ns <= item->snapshot->created_ns);
	}
}

static void assert_same(const struct list *a, const struct list *b)
{
	assert_int_equal(list_count(a), list_count(b));
	for (size_t i = 0; i < list_count(a); i++) {
		assert_string_equal(list_at(a, i)->file_name, list_at(b, i)->file_name);
		assert_ptr_equal(list_at(a, i)->snapshot, list_at(b, i)->snapshot);
	}
}

static void test_snapshot(void **state)
{
	struct snapshot_fields f = {
		.id = "id", .name = "id", .parent_id = "parent", .version = -1, .body = "{}", .body_len = 2
	};
	struct snapshot *s = snapshot_new(&f), *other;
	struct body *body;

	(void)state;
	assert_string_equal(s->id, "id");
	assert_string_equal(s->name, "id");
	assert_string_equal(s->parent_id, "parent");
	f.name = "other";
	f.parent_id = NULL;
	other = snapshot_new(&f);
	assert_string_equal(other->name, "other");
	assert_null(other->parent_id);
	assert_int_equal(other->hash, s->hash);
	body = snapshot_body(s);
	snapshot_unref(s);
	assert_int_equal(body->len, 2);
	assert_string_equal(body->data, "{}");
	body_unref(body);
	snapshot_unref(other);
	assert_null(snapshot_unref(NULL));
}

static void test_empty(void **state)
{
	struct list *list = list_new(NULL, 0, ".json"), *more, *less;
	struct snapshot *s = make("1", "a", 0, "{}");

	(void)state;
	assert_int_equal(list_count(list), 0);
	assert_null(list_by_id(list, "1"));
	assert_null(list_by_name(list, "a"));
	assert_null(list_by_file_name(list, "a.json"));
	less = list_without(list, "1");
	assert_int_equal(list_count(less), 0);
	more = list_with(list, s);
	assert_string_equal(file_name_of(more, "1"), "a.json");
	list_unref(less);
	less = list_without(more, "1");
	assert_int_equal(list_count(less), 0);
	assert_int_equal(list_count(more), 1);
	assert_true(list_serial(less) != list_serial(more) && list_serial(more) != list_serial(list));
	list_unref(list);
	list_unref(more);
	list_unref(less);
	snapshot_unref(s);
}

static void test_names(void **state)
{
	struct snapshot *s[] = {
		make("cccccccc-1", "web", 30, "{}"), make("aaaaaaaa-1", "web", 20, "{}"),  make("bbbbbbbb-1", "web", 20, "{}"),
		make("dddddddd-1", "a/b", 0, "{}"),  make("eeeeeeee-1", "web-x", 0, "{}"), make("ffffffff-1", "", 0, "{}"),
	};
	struct list *list = list_new(s, 5, ".json"), *changed;

	(void)state;
	check(list);
	assert_string_equal(file_name_of(list, "aaaaaaaa-1"), "web.json");
	assert_string_equal(file_name_of(list, "bbbbbbbb-1"), "web~bbbbbbbb.json");
	assert_string_equal(file_name_of(list, "cccccccc-1"), "web~cccccccc.json");
	assert_string_equal(file_name_of(list, "dddddddd-1"), "a%2Fb.json");
	assert_string_equal(list_by_name(list, "web")->snapshot->id, "aaaaaaaa-1");
	/* The oldest goes: the next one has the name. */
	changed = list_without(list, "aaaaaaaa-1");
	check(changed);
	assert_string_equal(file_name_of(changed, "bbbbbbbb-1"), "web.json");
	assert_string_equal(file_name_of(changed, "cccccccc-1"), "web~cccccccc.json");
	assert_string_equal(file_name_of(list, "bbbbbbbb-1"), "web~bbbbbbbb.json");
	list_unref(changed);
	/* An older one comes. */
	snapshot_unref(s[3]);
	s[3] = make("99999999-1", "web", 1, "{}");
	changed = list_with(list, s[3]);
	check(changed);
	assert_string_equal(file_name_of(changed, "99999999-1"), "web.json");
	assert_string_equal(file_name_of(changed, "aaaaaaaa-1"), "web~aaaaaaaa.json");
	list_unref(changed);
	/* One is renamed away. */
	snapshot_unref(s[3]);
	s[3] = make("aaaaaaaa-1", "web-x", 20, "{}");
	changed = list_with(list, s[3]);
	check(changed);
	assert_string_equal(file_name_of(changed, "aaaaaaaa-1"), "web-x~aaaaaaaa.json");
	assert_string_equal(file_name_of(changed, "bbbbbbbb-1"), "web.json");
	list_unref(changed);
	list_unref(list);
	for (size_t i = 0; i < array_len(s); i++)
		snapshot_unref(s[i]);
}

static void test_repeated_id(void **state)
{
	struct snapshot *s[] = { make("1", "a", 0, "{}"), make("2", "b", 0, "{}"), make("1", "c", 0, "{}") };
	struct list *list = list_new(s, 3, "");

	(void)state;
	check(list);
	assert_int_equal(list_count(list), 2);
	assert_ptr_equal(list_by_id(list, "1")->snapshot, s[2]);
	assert_null(list_by_file_name(list, "a"));
	list_unref(list);
	for (size_t i = 0; i < array_len(s); i++)
		snapshot_unref(s[i]);
}

/* Ids that begin alike, as a simple service makes them: still one file name each. */
static void test_alike_ids(void **state)
{
	struct snapshot *s[20];
	struct list *list, *by_one = list_new(NULL, 0, ".json");
	char id[40];

	(void)state;
	for (size_t i = 0; i < array_len(s); i++) {
		snprintf(id, sizeof(id), "00000000-0000-%04zu", i);
		s[i] = make(id, i % 2 ? "odd" : "even", (int64_t)(i / 2), "{}");
	}
	list = list_new(s, array_len(s), ".json");
	assert_int_equal(list_count(list), array_len(s));
	check(list);
	for (size_t i = array_len(s); i-- > 0;) {
		struct list *next = list_with(by_one, s[i]);

		check(next);
		list_unref(by_one);
		by_one = next;
	}
	assert_same(list, by_one);
	list_unref(list);
	list_unref(by_one);
	for (size_t i = 0; i < array_len(s); i++)
		snapshot_unref(s[i]);
}

static void test_long_names(void **state)
{
	char a[400], b[400];
	struct snapshot *s[2];
	struct list *list;

	(void)state;
	memset(a, 'x', sizeof(a));
	memset(b, 'x', sizeof(b));
	a[399] = b[399] = '\0';
	b[398] = 'y';
	s[0] = make("1", a, 0, "{}");
	s[1] = make("2", b, 0, "{}");
	list = list_new(s, 2, ".json");
	check(list);
	assert_int_equal(strlen(file_name_of(list, "1")), NAME_MAX_BYTES);
	assert_ptr_equal(list_by_name(list, b)->snapshot, s[1]);
	list_unref(list);
	snapshot_unref(s[0]);
	snapshot_unref(s[1]);
}

/* Many random edits one by one give what building at once gives, and leave the lists before them as they were. */
static void test_random_edits(void **state)
{
	enum { IDS = 700, STEPS = 6000 };
	struct snapshot *now[IDS] = { 0 };
	struct list *list = list_new(NULL, 0, ".json");
	unsigned seed = 7;

	(void)state;
	for (int step = 0; step < STEPS; step++) {
		size_t i = (size_t)rand_r(&seed) % IDS;
		size_t before = list_count(list);
		struct list *next;
		char id[48], name[48];

		snprintf(id, sizeof(id), "%08x-%zu", (unsigned)(i * 2654435761u), i);
		if (rand_r(&seed) % 3) {
			snprintf(name, sizeof(name), "n%d", rand_r(&seed) % 300);
			snapshot_unref(now[i]);
			now[i] = make(id, name, rand_r(&seed) % 5, "{}");
			next = list_with(list, now[i]);
		} else {
			now[i] = snapshot_unref(now[i]);
			next = list_without(list, id);
		}
		assert_non_null(next);
		assert_int_equal(list_count(list), before);
		if (step % 200 == 199) {
			struct snapshot *all[IDS];
			struct list *fresh;
			size_t n = 0;

			for (size_t k = 0; k < IDS; k++) {
				if (now[k])
					all[n++] = now[k];
			}
			fresh = list_new(all, n, ".json");
			check(next);
			assert_same(next, fresh);
			list_unref(fresh);
		}
		list_unref(list);
		list = next;
	}
	list_unref(list);
	for (size_t i = 0; i < IDS; i++)
		snapshot_unref(now[i]);
}

/* How long it takes is measured by tools/bench. */
static void test_many(void **state)
{
	enum { N = 100000 };
	struct snapshot **s = calloc(N, sizeof(*s)), *one;
	struct list *list, *with, *without;
	char id[48], name[48];

	(void)state;
	for (size_t i = 0; i < N; i++) {
		snprintf(id, sizeof(id), "%08x-0000-4000-8000-%012zx", (unsigned)(i * 2654435761u), i);
		snprintf(name, sizeof(name), "application-%06zu", i * 7919 % N);
		s[i] = make(id, name, (int64_t)i, "{}");
	}
	list = list_new(s, N, ".json");
	one = make("new", "application-050000x", 0, "{}");
	with = list_with(list, one);
	without = list_without(with, "new");
	assert_int_equal(list_count(with), N + 1);
	assert_int_equal(list_count(without), N);
	check(list);
	list_unref(with);
	list_unref(without);
	list_unref(list);
	for (size_t i = 0; i < N; i++)
		snapshot_unref(s[i]);
	snapshot_unref(one);
	free(s);
}

/* Nobody else knows the snapshot, so there is no lock to hold. */
static struct body *base_of(const struct snapshot *s) NO_THREAD_SAFETY_ANALYSIS
{
	return s->body->base;
}

static void a_body_like_another_reads_back(void **state)
{
	char base_text[3000], text[3000];
	struct body *base, *packed, *plain, *other, *none;
	struct snapshot_fields f = { .id = "id", .body = text, .body_len = sizeof(text) };
	struct snapshot *s;
	uint64_t seed = 1;
	(void)state;

	for (size_t i = 0; i < sizeof(text); i++) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		base_text[i] = text[i] = (char)(seed >> 56);
	}
	base = body_new(base_text, sizeof(base_text));
	text[7] ^= 1;
	text[2999] ^= 1;
	packed = body_new_like(text, sizeof(text), base);
	assert_ptr_equal(packed->base, base);
	assert_true(body_bytes(packed) < 300);
	assert_int_equal(packed->len, sizeof(text));
	plain = body_plain(packed);
	assert_int_equal(plain->len, sizeof(text));
	assert_memory_equal(plain->data, text, sizeof(text));
	assert_int_equal(plain->data[plain->len], 0);
	/* What saves nothing is kept as it is, and a plain one is its own. */
	for (size_t i = 0; i < sizeof(text); i++) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		base_text[i] = (char)(seed >> 56);
	}
	other = body_new_like(base_text, sizeof(base_text), base);
	assert_null(other->base);
	assert_memory_equal(other->data, base_text, sizeof(base_text));
	none = body_new_like("", 0, base);
	assert_null(none->base);
	assert_int_equal(none->len, 0);
	body_unref(body_plain(none));
	/* The base lives as long as what needs it. */
	f.like = base;
	s = snapshot_new(&f);
	base = body_unref(base);
	packed = body_unref(packed);
	plain = body_unref(plain);
	assert_non_null(base_of(s));
	assert_true(snapshot_touch(s));
	plain = snapshot_body(s);
	assert_memory_equal(plain->data, text, sizeof(text));
	snapshot_unref(s);
	body_unref(plain);
	body_unref(other);
	body_unref(none);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_body_like_another_reads_back),
		cmocka_unit_test(test_snapshot),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_repeated_id),
		cmocka_unit_test(test_alike_ids),
		cmocka_unit_test(test_long_names),
		cmocka_unit_test(test_random_edits),
		cmocka_unit_test(test_many),
	};

	if (base_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
