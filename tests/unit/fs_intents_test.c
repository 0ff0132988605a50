/* Intents as they are kept: accepted, carried on, judged, remembered by the state. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <json-c/json.h>

#include "api/base/clock.h"
#include "api/base/rand.h"
#include "fs/core/intents.h"

#define DIR_ "applications"
#define ID   "a1"

static struct state *state;
static struct intents *intents;

static int set_up(void **unused)
{
	(void)unused;
	base_init();
	state = state_open(NULL, "test");
	intents = intents_new(state);
	return state && intents ? 0 : -1;
}

static int tear_down(void **unused)
{
	(void)unused;
	intents = intents_free(intents);
	state = state_close(state);
	return 0;
}

static void accepts(const char *members, const char *rollout, int64_t version)
{
	struct json_object *o = json_tokener_parse(members);
	const struct accepted_members accepted = {
		.members = o, .rollout = rollout, .version = version, .now_ns = clock_wall_ns()
	};

	assert_non_null(o);
	assert_int_equal(intents_accept(intents, DIR_, ID, &accepted), 0);
	json_object_put(o);
}

static void is_text(const char *text, const char *expected)
{
	if (!expected)
		assert_null(text);
	else
		assert_string_equal(text ? text : "(none)", expected);
}

/* serial 0: is not looked at. Returns the serial. */
static uint64_t holds(const char *configuration, const char *others, const char *rollout, int64_t version)
{
	struct intent_record record = { 0 };
	uint64_t serial;

	intents_get(intents, DIR_, ID, &record);
	is_text(record.members[INTENT_CONFIGURATION], configuration);
	is_text(record.members[INTENT_OTHERS], others);
	assert_int_equal(record.intent.holds[INTENT_CONFIGURATION], configuration != NULL);
	assert_int_equal(record.intent.holds[INTENT_OTHERS], others != NULL);
	is_text(record.rollout, rollout);
	assert_ptr_equal(record.intent.rollout, record.rollout);
	assert_int_equal(record.intent.version, version);
	serial = record.serial;
	intent_record_clear(&record);
	return serial;
}

static void test_accept(void **unused)
{
	(void)unused;
	assert_int_equal(holds(NULL, NULL, NULL, -1), 0);
	accepts("{\"max_instances\":2,\"configuration\":{\"image\":\"a\"}}", "r1", 4);
	assert_int_not_equal(holds("{\"image\":\"a\"}", "{\"max_instances\":2}", "r1", 4), 0);
	/* Other members alone leave the rollout as it is. */
	accepts("{\"max_instances\":3}", NULL, 4);
	holds("{\"image\":\"a\"}", "{\"max_instances\":3}", "r1", 4);
	/* The next rollout replaces ours, and carries what it carried. */
	accepts("{\"configuration\":{\"command\":[\"x\"]}}", "r2", 4);
	holds("{\"image\":\"a\",\"command\":[\"x\"]}", "{\"max_instances\":3}", "r2", 4);
	accepts("{\"configuration\":{\"image\":\"b\",\"command\":null}}", "r3", 3);
	holds("{\"image\":\"b\",\"command\":null}", "{\"max_instances\":3}", "r3", 4);
}

static void test_carried(void **unused)
{
	cleanup_free_ char *none = intents_carried(intents, DIR_, ID), *some = NULL;

	(void)unused;
	assert_null(none);
	accepts("{\"configuration\":{\"image\":\"a\"}}", "r1", 4);
	some = intents_carried(intents, DIR_, ID);
	assert_string_equal(some, "{\"image\":\"a\"}");
}

static void test_asked(void **unused)
{
	(void)unused;
	accepts("{\"max_instances\":2,\"configuration\":{\"image\":\"a\"}}", "r1", 4);
	intents_asked(intents, DIR_, ID, "r0");
	holds("{\"image\":\"a\"}", "{\"max_instances\":2}", "r1", 4);
	intents_asked(intents, DIR_, ID, "r1");
	holds(NULL, "{\"max_instances\":2}", NULL, 4);
}

static void test_judged(void **unused)
{
	const bool none[INTENT_PARTS] = { false, false }, first[INTENT_PARTS] = { true, false };
	const struct judgement j = { .state = ROLLOUT_COMPLETED, .over_ns = 77 };
	struct intent_record record = { 0 };
	uint64_t serial, next;

	(void)unused;
	accepts("{\"max_instances\":2,\"configuration\":{\"image\":\"a\"}}", "r1", 4);
	serial = holds("{\"image\":\"a\"}", "{\"max_instances\":2}", "r1", 4);
	assert_true(intents_judged(intents, DIR_, ID, serial, &j, none));
	next = holds("{\"image\":\"a\"}", "{\"max_instances\":2}", "r1", 4);
	assert_int_not_equal(serial, next);
	intents_get(intents, DIR_, ID, &record);
	assert_int_equal(record.intent.state, ROLLOUT_COMPLETED);
	assert_int_equal(record.intent.over_ns, 77);
	intent_record_clear(&record);
	/* What was judged before it changed is told by nobody. */
	assert_false(intents_judged(intents, DIR_, ID, serial, &j, first));
	assert_true(intents_judged(intents, DIR_, ID, next, &j, first));
	assert_false(intents_judged(intents, DIR_, ID, next, &j, first));
	holds(NULL, "{\"max_instances\":2}", NULL, 4);
}

static void test_seen(void **unused)
{
	const bool both[INTENT_PARTS] = { true, true };
	const struct judgement j = { 0 };
	struct intent_record record = { 0 };
	int64_t now = clock_wall_ns();

	(void)unused;
	intents_saw(intents, DIR_, ID, 5, now);
	intents_saw(intents, DIR_, ID, 4, now + 1);
	assert_true(intents_get(intents, DIR_, ID, &record));
	assert_int_equal(record.intent.seen_version, 5);
	assert_int_equal(record.intent.seen_ns, now);
	intent_record_clear(&record);
	/* By the state too, once there was an intent: after a remount a list that lags is still known as one. */
	accepts("{\"configuration\":{\"image\":\"a\"}}", "r1", 4);
	intents_get(intents, DIR_, ID, &record);
	assert_true(intents_judged(intents, DIR_, ID, record.serial, &j, both));
	intent_record_clear(&record);
	intents_free(intents);
	intents = intents_new(state);
	assert_true(intents_get(intents, DIR_, ID, &record));
	assert_int_equal(record.intent.seen_version, 5);
	assert_false(record.intent.holds[INTENT_CONFIGURATION]);
	intent_record_clear(&record);
	intents_forget(intents, DIR_, ID);
	assert_false(intents_get(intents, DIR_, ID, &record));
	intent_record_clear(&record);
}

static void test_remount(void **unused)
{
	(void)unused;
	accepts("{\"max_instances\":2,\"configuration\":{\"image\":\"a\\\"b/c\"}}", "r1", 4);
	intents_free(intents);
	intents = intents_new(state);
	holds("{\"image\":\"a\\\"b/c\"}", "{\"max_instances\":2}", "r1", 4);
}

/* A row of a later version, of another program, or of a clock that was ahead. */
static void test_foreign_rows(void **unused)
{
	static const char ahead[] = "{\"version\":4,\"accepted\":9000000000000000000,\"state\":\"melting\",\"more\":[1],"
				    "\"configuration\":{\"image\":\"a\"},\"others\":7}";
	static const char *const broken[] = { "", "7", "[", "null" };
	struct intent_record record = { 0 };

	(void)unused;
	for (size_t i = 0; i < array_len(broken); i++) {
		state_set(state, "intents", DIR_, ID, broken[i], strlen(broken[i]));
		assert_false(intents_get(intents, DIR_, ID, &record));
	}
	state_set(state, "intents", DIR_, ID, ahead, strlen(ahead));
	holds("{\"image\":\"a\"}", NULL, NULL, 4);
	intents_get(intents, DIR_, ID, &record);
	assert_true(record.intent.accepted_ns <= clock_wall_ns());
	assert_int_equal(record.intent.state, ROLLOUT_UNKNOWN);
	intent_record_clear(&record);
}

static struct snapshot *make_snapshot(void)
{
	const struct snapshot_fields f = { .id = ID, .version = 1, .body = "{}", .body_len = 2 };

	return snapshot_new(&f);
}

static void test_memo(void **unused)
{
	cleanup_(snapshot_unrefp) struct snapshot *snapshot = make_snapshot();
	char pending[] = "r1";
	const struct intent_memo memo = { .made_of = 9, .snapshot = snapshot, .pending = pending };
	struct intent_memo got;

	(void)unused;
	intents_recall(intents, DIR_, ID, &got);
	assert_int_equal(got.made_of, 0);
	intents_remember(intents, DIR_, ID, &memo);
	intents_remember(intents, DIR_, ID, &memo);
	intents_recall(intents, DIR_, ID, &got);
	assert_int_equal(got.made_of, 9);
	assert_ptr_equal(got.snapshot, snapshot);
	assert_string_equal(got.pending, "r1");
	intent_memo_clear(&got);
	intents_forget(intents, DIR_, ID);
	intents_recall(intents, DIR_, ID, &got);
	assert_int_equal(got.made_of, 0);
}

static void test_bound(void **unused)
{
	char id[32];
	struct intent_record record = { 0 };

	(void)unused;
	for (int i = 0; i < INTENTS_MAX + 10; i++) {
		snprintf(id, sizeof(id), "app-%d", i);
		intents_saw(intents, DIR_, id, 3, 1);
		if (i == INTENTS_MAX / 2) /* used again: it stays */
			intents_get(intents, DIR_, "app-0", &record);
	}
	assert_true(intents_get(intents, DIR_, "app-0", &record));
	assert_false(intents_get(intents, DIR_, "app-1", &record));
	assert_true(intents_get(intents, DIR_, id, &record));
}

/* What the state has no room for is not remembered, and whoever sent it hears so. */
static void test_full(void **unused)
{
	const size_t len = (size_t)1 << 20;
	struct json_object *o = json_tokener_parse("{'configuration':{'image':'v2'}}");
	const struct accepted_members accepted = { .members = o, .version = 1, .now_ns = clock_wall_ns() };
	char *large = calloc(1, len), id[40];

	(void)unused;
	/* With large ones, and then with small ones. */
	for (size_t size = len; size >= 64; size /= 128) {
		for (int i = 0, r = 0; r == 0; i++) {
			snprintf(id, sizeof(id), "%zu-%d", size, i);
			r = state_set(state, "names", NULL, id, large, size);
		}
	}
	assert_int_equal(intents_accept(intents, DIR_, ID, &accepted), -ENOSPC);
	free(large);
	json_object_put(o);
}

int main(void)
{
#define TEST(name_) cmocka_unit_test_setup_teardown(name_, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_accept),  TEST(test_carried),      TEST(test_asked), TEST(test_judged), TEST(test_seen),
		TEST(test_remount), TEST(test_foreign_rows), TEST(test_memo),  TEST(test_bound),  TEST(test_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
