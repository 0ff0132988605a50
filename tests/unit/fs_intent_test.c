/* What an answer means for what was accepted: a table of cases for each rule of the specification's "Pending". */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fs/core/intent.h"

#define SECOND 1000000000LL
/* When the write was answered. */
#define W (1000 * SECOND)

#define NO_NEWS VERDICT_NO_NEWS
#define NEWS    VERDICT_NEWS
#define SETTLED VERDICT_SETTLED
#define FAILED  VERDICT_FAILED
#define LIST    OBSERVED_LIST
#define GET     OBSERVED_GET
#define ROLLOUT OBSERVED_ROLLOUT

struct row {
	const char *what;
	struct intent intent;
	struct observation seen;
	enum verdict parts[INTENT_PARTS], answer;
	int64_t over_ns;
};

/* An image by a rollout, based on version 4; the same after its rollout was seen to be over; max_instances; an image without one. */
#define IMAGE                  .holds = { true, false }, .version = 4, .rollout = "ours", .accepted_ns = W, .seen_version = -1
#define IMAGE_READ             IMAGE, .state = ROLLOUT_UNFINISHED
#define IMAGE_OVER(state_, s_) IMAGE, .state = (state_), .over_ns = W + (s_)*SECOND
#define IMAGE_BLIND            IMAGE, .state = ROLLOUT_BLIND
#define IMAGE_ALONE            .holds = { true, false }, .version = 4, .accepted_ns = W, .seen_version = -1
#define MAX                    .holds = { false, true }, .version = 4, .accepted_ns = W, .seen_version = -1
#define BOTH                   .holds = { true, true }, .version = 4, .rollout = "ours", .accepted_ns = W, .seen_version = -1
#define NOTHING                .version = -1, .seen_version = -1
/* A Durable Object application's keys: nothing has a version. */
#define KEYS .holds = { true, false }, .version = -1, .accepted_ns = W, .seen_version = -1

#define AT(s_)    .asked_ns = W + (s_)*SECOND
#define MINUTES   *60
#define SHOWS     .shows = { true, false }
#define SHOWS_MAX .shows = { false, true }

/* clang-format off */
static const struct row rows[] = {
	/* (a) the rollout is unfinished */
	{ "an old GET is no news", { IMAGE }, { GET, AT(1), 4 }, { NO_NEWS, NEWS }, NEWS },
	{ "nor with another content", { IMAGE_READ }, { GET, AT(600), 4 }, { NO_NEWS, NEWS }, NEWS },
	{ "nor when it shows the new one for once", { IMAGE }, { GET, AT(1), 4, SHOWS }, { NO_NEWS, NEWS }, NEWS },
	{ "an older version", { IMAGE }, { GET, AT(1), 3 }, { NO_NEWS, NEWS }, NEWS },
	{ "an older version that shows it", { IMAGE }, { GET, AT(1), 3, SHOWS }, { NO_NEWS, NEWS }, NEWS },
	{ "an old list", { IMAGE }, { LIST, AT(5), 4 }, { NO_NEWS, NEWS }, NEWS },
	{ "an old list that shows it", { IMAGE }, { LIST, AT(5), 4, SHOWS }, { NO_NEWS, NEWS }, NEWS },
	{ "an old GET days later", { IMAGE_READ }, { GET, AT(3 * 24 * 60 MINUTES), 4 }, { NO_NEWS, NEWS }, NEWS },
	{ "a higher version that shows it", { IMAGE }, { GET, AT(90), 5, SHOWS }, { SETTLED, NEWS }, NEWS },
	{ "in a list too", { IMAGE }, { LIST, AT(90), 5, SHOWS }, { SETTLED, NEWS }, NEWS },
	{ "two versions higher", { IMAGE }, { GET, AT(90), 6, SHOWS }, { SETTLED, NEWS }, NEWS },
	{ "a higher version with another content", { IMAGE }, { GET, AT(90), 5 }, { NEWS, NEWS }, NEWS },
	{ "in a list too", { IMAGE_READ }, { LIST, AT(90), 5 }, { NEWS, NEWS }, NEWS },
	{ "asked before the write was answered", { IMAGE }, { GET, AT(-1), 4 }, { NO_NEWS, NO_NEWS }, NO_NEWS },
	{ "and of whatever version", { IMAGE }, { LIST, AT(-1), 9 }, { NO_NEWS, NO_NEWS }, NO_NEWS },

	/* (b) an active rollout's target */
	{ "our rollout goes on", { IMAGE }, { ROLLOUT, AT(1), -1, SHOWS, "ours", ROLLOUT_UNFINISHED }, { NO_NEWS, NO_NEWS }, NEWS },
	{ "a foreign one is news", { IMAGE }, { ROLLOUT, AT(1), -1, .rollout = "theirs", .state = ROLLOUT_UNFINISHED },
	  { NEWS, NO_NEWS }, NEWS },
	{ "one with what is meant is not", { IMAGE }, { ROLLOUT, AT(1), -1, SHOWS, "theirs", ROLLOUT_UNFINISHED },
	  { NO_NEWS, NO_NEWS }, NEWS },
	{ "a foreign one that is over", { IMAGE }, { ROLLOUT, AT(1), -1, .rollout = "theirs", .state = ROLLOUT_COMPLETED },
	  { NO_NEWS, NO_NEWS }, NO_NEWS },
	{ "a foreign one that is gone", { IMAGE }, { ROLLOUT, AT(1), -1, .rollout = "theirs", .state = ROLLOUT_GONE },
	  { NO_NEWS, NO_NEWS }, NO_NEWS },
	{ "without an intent the target counts", { NOTHING }, { ROLLOUT, AT(1), -1, SHOWS, "theirs", ROLLOUT_UNFINISHED },
	  { NEWS, NO_NEWS }, NEWS },
	{ "while its rollout is active alone", { NOTHING }, { ROLLOUT, AT(1), -1, SHOWS, "theirs", ROLLOUT_REPLACED },
	  { NO_NEWS, NO_NEWS }, NO_NEWS },
	{ "over an image without a rollout", { IMAGE_ALONE },
	  { ROLLOUT, AT(1), -1, .rollout = "theirs", .state = ROLLOUT_UNFINISHED }, { NEWS, NO_NEWS }, NEWS },

	/* (c) our rollout ends otherwise */
	{ "reverted", { IMAGE_READ }, { ROLLOUT, AT(9), -1, SHOWS, "ours", ROLLOUT_REVERTED }, { FAILED, NO_NEWS }, NO_NEWS },
	{ "failed", { IMAGE_READ }, { ROLLOUT, AT(9), -1, SHOWS, "ours", ROLLOUT_FAILED }, { FAILED, NO_NEWS }, NO_NEWS },
	{ "replaced", { IMAGE_READ }, { ROLLOUT, AT(9), -1, SHOWS, "ours", ROLLOUT_REPLACED }, { FAILED, NO_NEWS }, NO_NEWS },
	{ "reverted by us", { IMAGE_READ, .asked = true }, { ROLLOUT, AT(9), -1, SHOWS, "ours", ROLLOUT_REVERTED },
	  { NEWS, NO_NEWS }, NO_NEWS },
	{ "replaced by us", { IMAGE_READ, .asked = true }, { ROLLOUT, AT(9), -1, SHOWS, "ours", ROLLOUT_REPLACED },
	  { NEWS, NO_NEWS }, NO_NEWS },
	{ "a word that is not known", { IMAGE_READ }, { ROLLOUT, AT(9), -1, SHOWS, "ours", ROLLOUT_UNKNOWN }, { NO_NEWS, NO_NEWS },
	  NO_NEWS },
	{ "both parts: the other one stays", { BOTH }, { ROLLOUT, AT(9), -1, SHOWS, "ours", ROLLOUT_REVERTED },
	  { FAILED, NO_NEWS }, NO_NEWS },

	/* (d) completed, gone, or without a rollout */
	{ "completed", { IMAGE_READ }, { ROLLOUT, AT(90), -1, SHOWS, "ours", ROLLOUT_COMPLETED }, { NO_NEWS, NO_NEWS }, NO_NEWS,
	  W + 90 * SECOND },
	{ "completed, as before", { IMAGE_OVER(ROLLOUT_COMPLETED, 90) },
	  { ROLLOUT, AT(99), -1, SHOWS, "ours", ROLLOUT_COMPLETED }, { NO_NEWS, NO_NEWS }, NO_NEWS, W + 90 * SECOND },
	{ "gone", { IMAGE_READ }, { ROLLOUT, AT(90), -1, .rollout = "ours", .state = ROLLOUT_GONE }, { NO_NEWS, NO_NEWS },
	  NO_NEWS },
	{ "gone, and a GET that agrees", { IMAGE, .state = ROLLOUT_GONE }, { GET, AT(91), 4 }, { NO_NEWS, NEWS }, NEWS,
	  W + 91 * SECOND },
	{ "gone, and a GET that does not", { IMAGE, .state = ROLLOUT_GONE }, { GET, AT(91), 4, .rollout = "ours" },
	  { NO_NEWS, NEWS }, NEWS },
	{ "gone, and there again", { IMAGE_OVER(ROLLOUT_GONE, 90) }, { ROLLOUT, AT(99), -1, SHOWS, "ours", ROLLOUT_UNFINISHED },
	  { NO_NEWS, NO_NEWS }, NEWS, 0 },
	{ "an old GET after it", { IMAGE_OVER(ROLLOUT_COMPLETED, 90) }, { GET, AT(100), 4 }, { NO_NEWS, NEWS }, NEWS,
	  W + 90 * SECOND },
	{ "shown under the same version", { IMAGE_OVER(ROLLOUT_COMPLETED, 90) }, { GET, AT(100), 4, SHOWS }, { SETTLED, NEWS },
	  NEWS, W + 90 * SECOND },
	{ "by a list", { IMAGE_OVER(ROLLOUT_COMPLETED, 90) }, { LIST, AT(100), 4, SHOWS }, { SETTLED, NEWS }, NEWS,
	  W + 90 * SECOND },
	{ "that was asked after it alone", { IMAGE_OVER(ROLLOUT_COMPLETED, 90) }, { LIST, AT(80), 4, SHOWS }, { NO_NEWS, NEWS },
	  NEWS, W + 90 * SECOND },
	{ "an older version that shows it", { IMAGE_OVER(ROLLOUT_COMPLETED, 90) }, { GET, AT(100), 3, SHOWS }, { NO_NEWS, NEWS },
	  NEWS, W + 90 * SECOND },
	{ "its own version with another value", { IMAGE_OVER(ROLLOUT_COMPLETED, 90) }, { GET, AT(100), 5 }, { FAILED, NEWS }, NEWS,
	  W + 90 * SECOND },
	{ "a later version with another value", { IMAGE_OVER(ROLLOUT_COMPLETED, 90) }, { GET, AT(100), 6 }, { NEWS, NEWS }, NEWS,
	  W + 90 * SECOND },
	{ "of a rollout that is gone: somebody else's", { IMAGE_OVER(ROLLOUT_GONE, 90) }, { GET, AT(100), 5 }, { NEWS, NEWS }, NEWS,
	  W + 90 * SECOND },
	{ "14 minutes later", { IMAGE_OVER(ROLLOUT_COMPLETED, 90) }, { GET, AT(90 + 14 MINUTES), 4 }, { NO_NEWS, NEWS }, NEWS,
	  W + 90 * SECOND },
	{ "15 minutes later", { IMAGE_OVER(ROLLOUT_COMPLETED, 90) }, { GET, AT(90 + 15 MINUTES), 4 }, { FAILED, NEWS }, NEWS,
	  W + 90 * SECOND },
	{ "15 minutes after it went", { IMAGE_OVER(ROLLOUT_GONE, 90) }, { GET, AT(90 + 15 MINUTES), 4 }, { FAILED, NEWS }, NEWS,
	  W + 90 * SECOND },
	{ "a list proves nothing", { IMAGE_OVER(ROLLOUT_GONE, 90) }, { LIST, AT(90 + 99 MINUTES), 4 }, { NO_NEWS, NEWS }, NEWS,
	  W + 90 * SECOND },
	{ "an older version neither", { IMAGE_OVER(ROLLOUT_GONE, 90) }, { GET, AT(90 + 99 MINUTES), 3 }, { NO_NEWS, NEWS }, NEWS,
	  W + 90 * SECOND },
	{ "without a rollout: at first", { IMAGE_ALONE }, { GET, AT(1), 4 }, { NO_NEWS, NEWS }, NEWS },
	{ "without a rollout: shown", { IMAGE_ALONE }, { GET, AT(1), 4, SHOWS }, { SETTLED, NEWS }, NEWS },
	{ "without a rollout: a higher version", { IMAGE_ALONE }, { GET, AT(1), 5, SHOWS }, { SETTLED, NEWS }, NEWS },
	{ "without a rollout: somebody else's", { IMAGE_ALONE }, { GET, AT(1), 5 }, { NEWS, NEWS }, NEWS },
	{ "without a rollout: 14 minutes", { IMAGE_ALONE }, { GET, AT(14 MINUTES), 4 }, { NO_NEWS, NEWS }, NEWS },
	{ "without a rollout: 15 minutes", { IMAGE_ALONE }, { GET, AT(15 MINUTES), 4 }, { FAILED, NEWS }, NEWS },

	/* a rollout that cannot be read: the application tells */
	{ "blind", { IMAGE_READ }, { ROLLOUT, AT(2), -1, .rollout = "ours", .state = ROLLOUT_BLIND }, { NO_NEWS, NO_NEWS },
	  NO_NEWS },
	{ "blind: it is active", { IMAGE_BLIND }, { GET, AT(2), 4, .rollout = "ours" }, { NO_NEWS, NEWS }, NEWS },
	{ "blind: no longer", { IMAGE_BLIND }, { GET, AT(90), 4 }, { NO_NEWS, NEWS }, NEWS, W + 90 * SECOND },
	{ "blind: a list is not asked", { IMAGE_BLIND }, { LIST, AT(90), 4 }, { NO_NEWS, NEWS }, NEWS },
	{ "blind: the one before it, at first", { IMAGE_BLIND }, { GET, AT(2), 4, .rollout = "before" }, { NO_NEWS, NEWS }, NEWS },
	{ "blind: another one", { IMAGE_BLIND }, { GET, AT(61), 4, .rollout = "theirs" }, { FAILED, NEWS }, NEWS },
	{ "blind: another one, which we asked for", { IMAGE_BLIND, .asked = true }, { GET, AT(61), 4, .rollout = "theirs" },
	  { NEWS, NEWS }, NEWS },
	{ "blind: over, and active again", { IMAGE_BLIND, .over_ns = W + SECOND }, { GET, AT(3), 4, .rollout = "ours" },
	  { NO_NEWS, NEWS }, NEWS, 0 },
	{ "blind: shown", { IMAGE_BLIND }, { GET, AT(90), 5, SHOWS }, { SETTLED, NEWS }, NEWS },
	{ "blind: 15 minutes", { IMAGE_BLIND, .over_ns = W + SECOND }, { GET, AT(2 + 15 MINUTES), 4 }, { FAILED, NEWS }, NEWS,
	  W + SECOND },

	/* (e) every other member */
	{ "shown", { MAX }, { GET, AT(1), 4, SHOWS_MAX }, { NEWS, SETTLED }, NEWS },
	{ "shown by a list", { MAX }, { LIST, AT(1), 4, SHOWS_MAX }, { NEWS, SETTLED }, NEWS },
	{ "not yet", { MAX }, { GET, AT(1), 4 }, { NEWS, NO_NEWS }, NEWS },
	{ "not yet, in a list", { MAX }, { LIST, AT(59), 4 }, { NEWS, NO_NEWS }, NEWS },
	{ "a minute later a GET is news", { MAX }, { GET, AT(60), 4 }, { NEWS, NEWS }, NEWS },
	{ "a minute later a list is news", { MAX }, { LIST, AT(60), 4 }, { NEWS, NEWS }, NEWS },
	{ "a higher version is somebody else's", { MAX }, { GET, AT(1), 5 }, { NEWS, NEWS }, NEWS },
	{ "asked before the write", { MAX }, { GET, AT(-1), 4, SHOWS_MAX }, { NO_NEWS, NO_NEWS }, NO_NEWS },
	{ "one of two settles", { BOTH }, { GET, AT(1), 4, SHOWS_MAX }, { NO_NEWS, SETTLED }, NEWS },
	{ "the other of two settles", { BOTH }, { LIST, AT(1), 5, SHOWS }, { SETTLED, NEWS }, NEWS },
	{ "without versions: shown", { KEYS }, { GET, AT(1), -1, SHOWS }, { SETTLED, NEWS }, NEWS },
	{ "without versions: not yet", { KEYS }, { LIST, AT(59), -1 }, { NO_NEWS, NEWS }, NEWS },
	{ "without versions: a minute later", { KEYS }, { GET, AT(60), -1 }, { NEWS, NEWS }, NEWS },

	/* (f) lists and GETs */
	{ "a list below", { .seen_version = 5, .seen_ns = W }, { LIST, AT(9), 4 }, { NO_NEWS, NO_NEWS }, NO_NEWS },
	{ "days later", { .seen_version = 5, .seen_ns = W }, { LIST, AT(3 * 24 * 60 MINUTES), 4 }, { NO_NEWS, NO_NEWS }, NO_NEWS },
	{ "a list of that version", { .seen_version = 5, .seen_ns = W }, { LIST, AT(9), 5 }, { NEWS, NEWS }, NEWS },
	{ "asked before the GET", { .seen_version = 5, .seen_ns = W }, { LIST, AT(-1), 5 }, { NO_NEWS, NO_NEWS }, NO_NEWS },
	{ "a list above", { .seen_version = 5, .seen_ns = W }, { LIST, AT(-1), 6 }, { NEWS, NEWS }, NEWS },
	{ "a GET below", { .seen_version = 5, .seen_ns = W }, { GET, AT(9), 4 }, { NEWS, NEWS }, NEWS },
	{ "of that version, soon after a write", { .accepted_ns = W, .seen_version = 5, .seen_ns = W + SECOND }, { LIST, AT(9), 5 },
	  { NO_NEWS, NO_NEWS }, NO_NEWS },
	{ "of that version, a minute after it", { .accepted_ns = W, .seen_version = 5, .seen_ns = W + SECOND },
	  { LIST, AT(60), 5 }, { NEWS, NEWS }, NEWS },
	{ "where the GET was before the write", { .accepted_ns = W, .seen_version = 5, .seen_ns = W - SECOND }, { LIST, AT(9), 5 },
	  { NEWS, NEWS }, NEWS },
	{ "with an intent", { BOTH, .seen_ns = W + 3 * SECOND }, { LIST, AT(2), 4, SHOWS_MAX }, { NO_NEWS, SETTLED }, NEWS },
	{ "nothing is known", { NOTHING }, { LIST, AT(0), 1 }, { NEWS, NEWS }, NEWS },
	{ "nothing is known, and a GET", { NOTHING }, { GET, AT(0), -1 }, { NEWS, NEWS }, NEWS },
};
/* clang-format on */

static void check(const struct row *row)
{
	struct judgement j = intent_judge(&row->intent, &row->seen);

	for (int i = 0; i < INTENT_PARTS; i++) {
		if (j.parts[i] != row->parts[i])
			fail_msg("%s: part %d: %d, not %d", row->what, i, (int)j.parts[i], (int)row->parts[i]);
	}
	if (j.answer != row->answer)
		fail_msg("%s: answer: %d, not %d", row->what, (int)j.answer, (int)row->answer);
	if (j.over_ns != row->over_ns)
		fail_msg("%s: over: %lld", row->what, (long long)j.over_ns);
	if (!j.why != (row->parts[INTENT_CONFIGURATION] != VERDICT_FAILED))
		fail_msg("%s: why: %s", row->what, j.why ? j.why : "(none)");
}

static void test_rules(void **state)
{
	(void)state;
	for (size_t i = 0; i < array_len(rows); i++)
		check(&rows[i]);
}

/* Whatever is seen: a part that ended by a failure says why, and what does not hold is never settled or failed. */
static void test_all_combinations(void **state)
{
	static const char *const rollouts[] = { NULL, "ours", "theirs" };
	size_t cases = 0;

	(void)state;
	for (unsigned n = 0; n < 3u * 9 * 3 * 3 * 8 * 4 * 3; n++) {
		unsigned x = n;
		struct observation seen = { .source = x % 3 };
		struct intent intent = { .version = 4, .accepted_ns = W };
		struct judgement j;

		x /= 3;
		seen.version = (int)(x % 9) - 1;
		x /= 9;
		seen.rollout = rollouts[x % 3];
		x /= 3;
		intent.rollout = rollouts[x % 3];
		x /= 3;
		seen.state = intent.state = x % 8;
		x /= 8;
		intent.holds[0] = x & 1;
		intent.holds[1] = x & 2;
		seen.shows[0] = seen.shows[1] = n & 1;
		x /= 4;
		seen.asked_ns = W + (int64_t)(x % 3) * 500 * SECOND;
		intent.seen_version = (int)(n % 7) - 1;
		j = intent_judge(&intent, &seen);
		assert_true(j.answer == VERDICT_NEWS || j.answer == VERDICT_NO_NEWS);
		assert_true((j.parts[0] == VERDICT_FAILED) == (j.why != NULL));
		assert_int_not_equal(j.parts[1], VERDICT_FAILED);
		for (int i = 0; i < INTENT_PARTS; i++)
			assert_true(intent.holds[i] || j.parts[i] == VERDICT_NEWS || j.parts[i] == VERDICT_NO_NEWS);
		cases++;
	}
	assert_true(cases > 20000);
}

static void test_words(void **state)
{
	(void)state;
	assert_int_equal(rollout_state_of("pending"), ROLLOUT_UNFINISHED);
	assert_int_equal(rollout_state_of("progressing"), ROLLOUT_UNFINISHED);
	assert_int_equal(rollout_state_of("completed"), ROLLOUT_COMPLETED);
	assert_int_equal(rollout_state_of("reverted"), ROLLOUT_REVERTED);
	assert_int_equal(rollout_state_of("replaced"), ROLLOUT_REPLACED);
	assert_int_equal(rollout_state_of("failed"), ROLLOUT_FAILED);
	assert_int_equal(rollout_state_of("melting"), ROLLOUT_UNKNOWN);
	assert_int_equal(rollout_state_of(NULL), ROLLOUT_UNKNOWN);
}

static void test_wants_get(void **state)
{
	const struct intent read = { IMAGE_READ }, over = { IMAGE_OVER(ROLLOUT_COMPLETED, 1) }, alone = { IMAGE_ALONE },
			    blind = { IMAGE_BLIND }, max = { MAX }, gone = { IMAGE, .state = ROLLOUT_GONE };

	(void)state;
	assert_false(intent_wants_get(&read));
	assert_true(intent_wants_get(&over));
	assert_true(intent_wants_get(&alone));
	assert_true(intent_wants_get(&blind));
	assert_true(intent_wants_get(&gone));
	assert_false(intent_wants_get(&max));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_all_combinations),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_wants_get),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
