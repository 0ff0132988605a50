/* The stage: rows, names, waves, what the state keeps of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>

#include "api/base/clock.h"
#include "api/base/rand.h"
#include "fs/core/stage.h"
#include "fs/core/stage_row.h"
#include "fs/send/staged_order.h"
#include "fs/send/staging.h"

static struct state *state;
static struct stage *stage;

static int set_up(void **unused)
{
	(void)unused;
	base_init();
	state = state_open(NULL, "test");
	stage = stage_new(state, "/mnt");
	return state && stage ? 0 : -1;
}

static int tear_down(void **unused)
{
	(void)unused;
	stage = stage_free(stage);
	state = state_close(state);
	return 0;
}

static struct staged *row_of(const char *kind, const char *id, const char *file_name, const char *text)
{
	struct staged *row = staged_new(kind_find(kind));

	row->id = id ? strdup(id) : NULL;
	row->file_name = strdup(file_name);
	row->dir = strdup(row->kind->dir);
	if (text)
		assert_int_equal(staged_set_text(row, text, strlen(text), false), 0);
	return row;
}

static void put(struct staged *row)
{
	struct err err = ERR_INIT;

	assert_int_equal(stage_put_soon(stage, row, &err), 0);
}

static void test_names(void **unused)
{
	const struct kind *kind = kind_find("application");
	struct staged *row;

	(void)unused;
	put(row_of("application", NULL, "new.json", "{}"));
	row = stage_named(stage, kind, NULL, "new.json");
	assert_non_null(row);
	assert_int_equal(staged_verb(row), STAGED_CREATE);
	staged_unref(row);
	assert_null(stage_named(stage, kind, NULL, "other.json"));

	row = row_of("application", "id-1", "old.json", NULL);
	row->new_name = strdup("renamed.json");
	put(row);
	row = stage_named(stage, kind, NULL, "renamed.json");
	assert_non_null(row);
	assert_int_equal(staged_verb(row), STAGED_RENAME);
	assert_string_equal(row->id, "id-1");
	staged_unref(row);
	assert_null(stage_named(stage, kind, NULL, "old.json"));

	row = stage_of(stage, kind, NULL, "id-1", NULL);
	assert_non_null(row);
	assert_true(stage_drop(stage, row->key, row->serial));
	assert_false(stage_drop(stage, row->key, row->serial));
	staged_unref(row);
	assert_null(stage_named(stage, kind, NULL, "renamed.json"));
	assert_int_equal(stage_count(stage), 1);
}

static void test_order_stays(void **unused)
{
	struct staged **rows;
	size_t count;

	(void)unused;
	put(row_of("application", NULL, "b.json", "{}"));
	put(row_of("application", NULL, "a.json", "{}"));
	put(row_of("application", NULL, "b.json", "{\"instances\":1}"));
	rows = stage_list(stage, &count);
	assert_int_equal(count, 2);
	assert_string_equal(rows[0]->file_name, "b.json");
	assert_int_equal(rows[0]->content->len, strlen("{\"instances\":1}"));
	stage_list_free(rows, count);
	stage = stage_free(stage);
	stage = stage_new(state, "/mnt");
	rows = stage_list(stage, &count);
	assert_int_equal(count, 2);
	assert_string_equal(rows[0]->file_name, "b.json");
	assert_string_equal(rows[1]->file_name, "a.json");
	stage_list_free(rows, count);
	put(row_of("application", NULL, "c.json", "{}"));
	rows = stage_list(stage, &count);
	assert_string_equal(rows[2]->file_name, "c.json");
	stage_list_free(rows, count);
}

static void test_another_mount_point_has_its_own(void **unused)
{
	struct stage *other;

	(void)unused;
	put(row_of("application", NULL, "a.json", "{}"));
	other = stage_new(state, "/elsewhere");
	assert_int_equal(stage_count(other), 0);
	stage_free(other);
}

static void test_a_secret_is_in_memory_alone(void **unused)
{
	struct staged *row = row_of("secret", NULL, "db", NULL), *again;
	struct buf text = BUF_INIT;
	const char *value;
	size_t len;

	(void)unused;
	assert_int_equal(staged_set_text(row, "NEEDLE", 6, true), 0);
	assert_int_equal(stage_row_write(row, &text), 0);
	assert_null(strstr(text.data, "NEEDLE"));
	again = stage_row_read(text.data, text.len);
	assert_non_null(again);
	assert_true(again->lost && again->secret);
	assert_int_equal(staged_verb(again), STAGED_CREATE);
	staged_unref(again);
	again = staged_copy(row);
	value = staged_text(again, &len);
	assert_int_equal(len, 6);
	assert_memory_equal(value, "NEEDLE", 6);
	staged_unref(again);
	staged_unref(row);
	buf_free(&text);
}

static void test_a_row_reads_back(void **unused)
{
	struct staged *row = row_of("application", "id", "a.json", "{\"instances\": 1}"), *again;
	struct buf text = BUF_INIT;

	(void)unused;
	row->new_name = strdup("b.json");
	row->base = body_new("{}", 2);
	row->errnum = ESTALE;
	row->reason = strdup("because \"of\" that");
	row->sent_ns = 5;
	assert_int_equal(stage_row_write(row, &text), 0);
	again = stage_row_read(text.data, text.len);
	assert_string_equal(again->new_name, "b.json");
	assert_string_equal(again->content->data, "{\"instances\": 1}");
	assert_string_equal(again->base->data, "{}");
	assert_string_equal(again->reason, "because \"of\" that");
	assert_int_equal(again->errnum, ESTALE);
	assert_int_equal(again->sent_ns, 5);
	staged_unref(again);
	staged_unref(row);
	buf_free(&text);
	assert_null(stage_row_read("{}", 2));
	assert_null(stage_row_read("[1", 2));
	assert_null(stage_row_read("{\"kind\":\"none\"}", 15));
	assert_null(stage_row_read("{\"kind\":\"secret\"}", 17));
}

static void test_full(void **unused)
{
	struct err err = ERR_INIT;
	char name[32];

	(void)unused;
	for (unsigned i = 0; i < STAGE_ROWS_MAX; i++) {
		snprintf(name, sizeof(name), "a-%u.json", i);
		put(row_of("application", NULL, name, "{}"));
	}
	assert_int_equal(stage_put_soon(stage, row_of("application", NULL, "more.json", "{}"), &err), -ENOSPC);
	put(row_of("application", NULL, "a-1.json", "{\"instances\":1}"));
	assert_int_equal(stage_count(stage), STAGE_ROWS_MAX);
}

static void test_adopting(void **unused)
{
	const struct kind *kind = kind_find("job");
	struct staged *row = row_of("job", NULL, "j.json", "{}");
	char parent[] = { STAGE_ID_MARK, 'w', '\0' };

	(void)unused;
	row->parent_id = strdup(parent);
	put(row);
	assert_int_equal(stage_adopt(stage, parent, "real", NULL), 0);
	assert_null(stage_named(stage, kind, parent, "j.json"));
	row = stage_named(stage, kind, "real", "j.json");
	assert_non_null(row);
	staged_unref(row);
	assert_int_equal(stage_count(stage), 1);
}

/* What others refer to is first; what is removed is last, in the reverse order. */
static void test_waves(void **unused)
{
	static const struct {
		const char *kind;
		bool remove, action;
		unsigned wave;
	} cases[] = {
		{ "secret", false, false, 0 },
		{ "ssh key", false, false, 0 },
		{ "registry", false, false, 0 },
		{ "account", false, false, 0 },
		{ "registry protocol", false, false, 0 },
		{ "application", false, false, 1 },
		{ "deployment", false, false, 1 },
		{ "job", false, false, 2 },
		{ "rollout", false, false, 2 },
		{ "deployment", false, true, 2 },
		{ "job", true, false, 3 },
		{ "rollout", true, false, 3 },
		{ "application", true, false, 4 },
		{ "deployment", true, false, 4 },
		{ "secret", true, false, 5 },
		{ "ssh key", true, false, 5 },
	};

	(void)unused;
	for (size_t i = 0; i < array_len(cases); i++) {
		struct staged *row = row_of(cases[i].kind, "id", "name", NULL);

		row->remove = cases[i].remove;
		row->leaf = cases[i].action ? row->kind->leaves : NULL;
		if (staged_wave(row) != cases[i].wave)
			fail_msg("%s: wave %u, must be %u", cases[i].kind, staged_wave(row), cases[i].wave);
		staged_unref(row);
	}
}

/* Of a chain each is a turn later; of a ring one is parked, and comes last. */
#define CHAIN 5000
static void test_turns(void **unused)
{
	struct staged **rows = calloc(CHAIN + 5, sizeof(*rows));
	struct staged_place *places;
	char name[32];

	(void)unused;
	for (size_t i = 0; i < CHAIN; i++) {
		snprintf(name, sizeof(name), "id-%zu", i);
		rows[i] = row_of("application", name, "", NULL);
		free(rows[i]->file_name);
		assert_true(text_format(&rows[i]->file_name, "n%05zu.json", i) > 0);
		assert_true(text_format(&rows[i]->new_name, "n%05zu.json", i + 1) > 0);
	}
	/* What the last one wants is removed. */
	snprintf(name, sizeof(name), "n%05d.json", CHAIN);
	rows[CHAIN] = row_of("application", "gone", name, NULL);
	rows[CHAIN]->remove = true;
	rows[CHAIN + 1] = row_of("application", "a", "a.json", NULL);
	rows[CHAIN + 1]->new_name = strdup("b.json");
	rows[CHAIN + 2] = row_of("application", "b", "b.json", "{}");
	rows[CHAIN + 2]->new_name = strdup("c.json");
	rows[CHAIN + 3] = row_of("application", "c", "c.json", NULL);
	rows[CHAIN + 3]->new_name = strdup("a.json");
	/* A new one takes the first name of the chain. */
	rows[CHAIN + 4] = row_of("application", NULL, "n00000.json", "{}");
	places = staged_sort(rows, CHAIN + 5);
	assert_non_null(places);
	for (size_t i = 0, parked = 0; i < CHAIN + 5; i++) {
		assert_int_equal(places[i].wave, 1);
		assert_true(!i || !staged_is_later(&places[i], &places[i - 1]) || places[i].turn > places[i - 1].turn);
		parked += places[i].parks;
		assert_true(parked <= 1);
		if (rows[i]->id && !strcmp(rows[i]->id, "gone"))
			assert_int_equal(places[i].turn, 0);
		if (!rows[i]->id)
			assert_int_equal(places[i].turn, CHAIN + 1);
		if (rows[i]->id && !strncmp(rows[i]->id, "id-", 3))
			assert_int_equal(places[i].turn, CHAIN - strtol(rows[i]->id + 3, NULL, 10));
		if (places[i].parks)
			assert_int_equal(places[i].turn, 3);
	}
	for (size_t i = 0; i < CHAIN + 5; i++)
		staged_unref(rows[i]);
	free(rows);
	free(places);
}

static void test_wishes(void **unused)
{
	struct staged *row = row_of("application", "id", "a.json", "{}");
	struct staged_wishes wishes;

	(void)unused;
	row->new_name = strdup("b.json");
	assert_int_equal(staged_wishes_init(row, false, false, &wishes), 0);
	assert_int_equal(wishes.count, 2);
	assert_int_equal(wishes.wishes[0].verb, WISH_RENAME);
	assert_string_equal(wishes.wishes[0].new_name, "b");
	assert_int_equal(wishes.wishes[1].verb, WISH_WRITE);
	staged_wishes_clear(&wishes);
	staged_unref(row);
}

static void test_what_the_state_refuses_is_not_staged(void **unused)
{
	const struct kind *kind = kind_find("application");
	size_t len = (size_t)700 << 10;
	char *large = malloc(len + 1);
	struct err err = ERR_INIT;
	struct staged *row;

	(void)unused;
	memset(large, 'x', len);
	large[len] = '\0';
	put(row_of("application", NULL, "small.json", "{}"));
	for (int i = 0; i < 2; i++) {
		row = row_of("application", NULL, i ? "small.json" : "large.json", large);
		row->base = body_new(large, len);
		assert_int_equal(stage_put_soon(stage, row, &err), -EFBIG);
		assert_non_null(strstr(err.text, "too large to be staged"));
	}
	assert_int_equal(stage_count(stage), 1);
	row = stage_named(stage, kind, NULL, "small.json");
	assert_non_null(row);
	assert_int_equal(row->content->len, 2);
	staged_unref(row);
	free(large);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_names, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_order_stays, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_another_mount_point_has_its_own, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_secret_is_in_memory_alone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_row_reads_back, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_full, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_adopting, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_waves, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_turns, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_wishes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_what_the_state_refuses_is_not_staged, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
