/* The token bucket, the service's own limit, and the headers that tell of it. Time is made up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>

#include "api/budget.h"

static bool limited;

/* Sends as many calls as may go between from and to; returns their number and times. */
static unsigned drain(struct budget *b, bool write, int64_t from, int64_t to, int64_t *times, unsigned max)
{
	unsigned n = 0;

	for (int64_t now = from; now < to;) {
		int64_t wait = budget_wait_ms(b, write, now, &limited);

		if (wait == 0 && n < max) {
			budget_take(b, write, now);
			if (times)
				times[n] = now;
			n++;
		} else {
			now += wait ? wait : 1;
		}
	}
	return n;
}

static void any_window_is_within(void **state)
{
	static int64_t times[4000];
	const unsigned bursts[] = { 1, 4, 10, 200 };
	const double rates[] = { 0.5, 3, 7.3 };
	(void)state;

	for (size_t c = 0; c < array_len(bursts) * array_len(rates); c++) {
		unsigned burst = bursts[c % array_len(bursts)];
		double rps = rates[c / array_len(bursts)];
		struct budget b;
		unsigned n;

		budget_init(&b, rps, burst, 5000);
		n = drain(&b, true, 5000, 125000, times, array_len(times));
		assert_in_range(n, (unsigned)(burst + rps * 119), (unsigned)(burst + rps * 120) + 1);
		for (unsigned i = 0; i < n; i++) {
			for (unsigned j = i; j < n; j++)
				assert_true(j - i + 1 <= burst + rps * (double)(times[j] - times[i]) / 1000 + 1e-6);
		}
	}
}

static void reads_leave_a_fifth_to_writes(void **state)
{
	struct budget b;
	(void)state;

	budget_init(&b, 1, 10, 0);
	assert_int_equal(drain(&b, false, 0, 1, NULL, 1000), 8);
	assert_true(budget_wait_ms(&b, false, 0, &limited) > 0);
	assert_false(limited);
	assert_int_equal(drain(&b, true, 0, 1, NULL, 1000), 2);
	/* Even then reads go on at the rate once the share is full again. */
	assert_int_equal(drain(&b, false, 1, 10001, NULL, 1000), 8);
}

static void burst_of_one_lets_reads_through(void **state)
{
	struct budget b;
	(void)state;

	budget_init(&b, 2, 1, 0);
	assert_int_equal(drain(&b, false, 0, 2001, NULL, 1000), 5);
}

static struct rate_facts facts_of(const char *limit, const char *policy, const char *retry)
{
	struct rate_facts f = RATE_FACTS_INIT;

	if (limit)
		rate_facts_header(&f, "RateLimit", 9, limit);
	if (policy)
		rate_facts_header(&f, "ratelimit-POLICY", 16, policy);
	if (retry)
		rate_facts_header(&f, "Retry-After", 11, retry);
	return f;
}

static void headers_are_read(void **state)
{
	struct rate_facts f = facts_of(" \"default\";r=50;t=30", "\"burst\";q=100;w=60", "7");
	char date[64];
	struct tm tm;
	time_t then = time(NULL) + 20;
	(void)state;

	assert_int_equal(f.left, 50);
	assert_int_equal(f.reset_ms, 30000);
	assert_int_equal(f.policy_quota, 100);
	assert_true(fabs(f.policy_rate - 100.0 / 60) < 1e-9);
	assert_int_equal(f.retry_after_ms, 7000);

	/* Several items: the tightest counts; names with odd characters are skipped over. */
	f = facts_of("\"a;r=1;t=9,\";r=40;t=3 , \"b\";t=5;r=2", "\"x\";q=1200;w=300,\"y\";q=600;w=600", NULL);
	assert_int_equal(f.left, 2);
	assert_int_equal(f.reset_ms, 5000);
	assert_int_equal(f.policy_quota, 600);
	assert_true(fabs(f.policy_rate - 1) < 1e-9);

	gmtime_r(&then, &tm);
	strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", &tm);
	f = facts_of(NULL, NULL, date);
	assert_in_range(f.retry_after_ms, 18000, 20000);
	/* By the answer's own clock where it tells that, whatever ours says. */
	f = facts_of(NULL, NULL, "Thu, 01 Jan 2015 00:00:30 GMT");
	rate_facts_header(&f, "Date", 4, "Thu, 01 Jan 2015 00:00:00 GMT");
	assert_int_equal(f.retry_after_ms, 30000);
	f = (struct rate_facts)RATE_FACTS_INIT;
	rate_facts_header(&f, "date", 4, "Thu, 01 Jan 2015 00:00:00 GMT");
	rate_facts_header(&f, "retry-after", 11, "Thu, 01 Jan 2015 00:01:00 GMT");
	assert_int_equal(f.retry_after_ms, 60000);
}

static void what_nobody_means_is_not_believed(void **state)
{
	struct rate_facts f;
	(void)state;

	/* A date long gone, by a clock that is wrong. */
	f = facts_of(NULL, NULL, "Thu, 01 Jan 2015 00:00:00 GMT");
	assert_int_equal(f.retry_after_ms, -1);
	f = facts_of(NULL, NULL, "Thu, 01 Jan 2099 00:00:00 GMT");
	assert_int_equal(f.retry_after_ms, -1);
	/* Waits longer than the window. */
	assert_int_equal(facts_of(NULL, NULL, "300").retry_after_ms, 300000);
	assert_int_equal(facts_of(NULL, NULL, "301").retry_after_ms, -1);
	assert_int_equal(facts_of(NULL, NULL, "99999999999").retry_after_ms, -1);
	assert_int_equal(facts_of("\"a\";r=0;t=86400", NULL, NULL).left, -1);
	/* Rates under a tenth of the documented one. */
	assert_true(facts_of(NULL, "\"a\";q=1;w=300", NULL).policy_rate < 0);
	assert_true(facts_of(NULL, "\"a\";q=119;w=300", NULL).policy_rate < 0);
	assert_true(facts_of(NULL, "\"a\";q=120;w=300", NULL).policy_rate > 0);
	assert_true(facts_of(NULL, "\"a\";q=1;w=86400,\"b\";q=100;w=60", NULL).policy_rate > 1);
}

static void what_was_said_can_be_forgotten(void **state)
{
	struct rate_facts f = facts_of("\"a\";r=0;t=200", "\"a\";q=120;w=300", "100");
	bool held;
	struct budget b;
	(void)state;

	budget_init(&b, 10, 10, 0);
	budget_answer(&b, &f, 429, 0, 0, 0);
	assert_true(budget_wait_ms(&b, true, 0, &held) >= 100000);
	budget_forget(&b);
	assert_int_equal(budget_wait_ms(&b, true, 0, &held), 0);
}

static void odd_headers_say_nothing(void **state)
{
	static const char *const odd[] = {
		"", ",", ";;;", "\"", "r=", "\"a\";r=x;t=1", "\"a\";r=5", "=;=,", "\"a\\", "r==5;t=3"
	};
	(void)state;

	for (size_t i = 0; i < array_len(odd); i++) {
		struct rate_facts f = facts_of(odd[i], odd[i], "soon");

		assert_int_equal(f.left, -1);
		assert_true(f.policy_rate < 0);
		assert_int_equal(f.retry_after_ms, -1);
	}
}

static void refusal_stops_everything_then_one_goes_first(void **state)
{
	struct rate_facts f = facts_of(NULL, NULL, "5"), none = RATE_FACTS_INIT;
	struct budget b;
	(void)state;

	budget_init(&b, 100, 100, 0);
	for (unsigned i = 0; i < 8; i++)
		budget_take(&b, false, 10);
	budget_answer(&b, &f, 429, 7, 10, 20);
	/* Those that were in flight at the time do not open it again. */
	budget_answer(&b, &none, 200, 6, 10, 25);
	assert_int_equal(budget_wait_ms(&b, true, 30, &limited), 4990);
	assert_true(limited);
	assert_int_equal(budget_stopped_until(&b, 30), 5020);
	assert_true(budget_left(&b, 30) < 1);
	assert_int_equal(budget_wait_ms(&b, true, 5020, &limited), 0);
	assert_int_equal(b.width, 1);
	budget_take(&b, true, 5020);
	budget_answer(&b, &none, 200, 0, 5020, 5030);
	assert_int_equal(b.width, 2);
	budget_answer(&b, &none, 404, 0, 5031, 5040);
	assert_int_equal(b.width, 4);
}

static void refusals_without_a_time_back_off(void **state)
{
	struct rate_facts none = RATE_FACTS_INIT;
	struct budget b;
	int64_t now = 0, last = 0;
	(void)state;

	budget_init(&b, 100, 100, 0);
	/* Eight that were in flight together are one strike. */
	for (unsigned i = 0; i < 8; i++)
		budget_answer(&b, &none, 429, 7 - i, 0, 1);
	assert_in_range(budget_stopped_until(&b, 1), 900, 1100);
	for (unsigned i = 0; i < 10; i++) {
		int64_t wait = budget_stopped_until(&b, now) - now;

		assert_true(wait >= last);
		assert_true(wait <= 60000);
		last = wait;
		now += wait;
		budget_answer(&b, &none, 429, 0, now, now);
	}
	assert_int_equal(last, 60000);
}

static void nothing_left_waits_for_the_reset(void **state)
{
	struct rate_facts f = facts_of("\"default\";r=0;t=12", NULL, NULL);
	struct budget b;
	(void)state;

	budget_init(&b, 3, 200, 0);
	budget_answer(&b, &f, 200, 3, 0, 1000);
	assert_int_equal(budget_wait_ms(&b, true, 1000, &limited), 12000);
	assert_true(limited);
	assert_int_equal(budget_wait_ms(&b, true, 13000, &limited), 0);
}

static void little_left_spreads_reads_but_not_writes(void **state)
{
	struct rate_facts f = facts_of("\"default\";r=10;t=100", NULL, NULL);
	struct budget b;
	(void)state;

	budget_init(&b, 3, 200, 0);
	budget_take(&b, false, 0);
	budget_answer(&b, &f, 200, 0, 0, 0);
	assert_int_equal(budget_wait_ms(&b, false, 0, &limited), 10000);
	assert_int_equal(budget_wait_ms(&b, true, 0, &limited), 0);
	assert_in_range(drain(&b, false, 0, 99000, NULL, 1000), 8, 10);
	/* And what is promised as left is never exceeded. */
	budget_init(&b, 3, 200, 0);
	budget_answer(&b, &f, 200, 0, 0, 0);
	assert_int_equal(drain(&b, true, 0, 99000, NULL, 1000), 10);
}

static void plenty_left_changes_nothing(void **state)
{
	struct rate_facts f = facts_of("\"default\";r=1150;t=280", "\"default\";q=1200;w=300", NULL);
	struct budget b;
	(void)state;

	budget_init(&b, 3, 200, 0);
	budget_answer(&b, &f, 200, 0, 0, 0);
	assert_int_equal(drain(&b, false, 0, 1, NULL, 1000), 160);
}

static void policy_is_an_upper_rate(void **state)
{
	struct rate_facts f = facts_of(NULL, "\"burst\";q=60;w=60", NULL);
	struct budget b;
	(void)state;

	budget_init(&b, 3, 200, 0);
	budget_answer(&b, &f, 200, 0, 0, 0);
	assert_int_equal(drain(&b, true, 0, 1, NULL, 1000), 60);
	assert_int_equal(drain(&b, true, 1, 10001, NULL, 1000), 10);
}

static void one_of_many_has_its_part(void **state)
{
	struct budget b;
	(void)state;

	budget_init(&b, 20, 40, 0);
	budget_divide(&b, 4, 0);
	/* A quarter of the burst, a fifth of which reads leave, and a quarter of the rate. */
	assert_int_equal(drain(&b, false, 0, 1, NULL, 1000), 8);
	assert_int_equal(drain(&b, true, 1, 2, NULL, 1000), 2);
	assert_int_equal(drain(&b, true, 2, 10002, NULL, 1000), 50);
	/* What was saved alone is not lost, and not more than the whole. */
	budget_divide(&b, 1, 10002);
	assert_int_equal(drain(&b, true, 10002, 10003, NULL, 1000), 0);
	assert_int_equal(drain(&b, true, 20002, 20003, NULL, 1000), 40);
	/* More members than calls: each has one. */
	budget_divide(&b, 1000, 20003);
	assert_int_equal(drain(&b, true, 100000, 100001, NULL, 1000), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_window_is_within),
		cmocka_unit_test(reads_leave_a_fifth_to_writes),
		cmocka_unit_test(burst_of_one_lets_reads_through),
		cmocka_unit_test(headers_are_read),
		cmocka_unit_test(what_nobody_means_is_not_believed),
		cmocka_unit_test(what_was_said_can_be_forgotten),
		cmocka_unit_test(odd_headers_say_nothing),
		cmocka_unit_test(refusal_stops_everything_then_one_goes_first),
		cmocka_unit_test(refusals_without_a_time_back_off),
		cmocka_unit_test(nothing_left_waits_for_the_reset),
		cmocka_unit_test(little_left_spreads_reads_but_not_writes),
		cmocka_unit_test(plenty_left_changes_nothing),
		cmocka_unit_test(policy_is_an_upper_rate),
		cmocka_unit_test(one_of_many_has_its_part),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
