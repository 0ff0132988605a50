#include "api/budget.h"

#include <ctype.h>
#include <strings.h>
#include <curl/curl.h>

#include "api/base/clock.h"

/* Numbers beyond this are no seconds and no quotas that anyone means. */
#define NUMBER_MAX 1000000000LL

static const char *skip_space(const char *s)
{
	while (*s == ' ' || *s == '\t')
		s++;
	return s;
}

/* A number of digits, cut at NUMBER_MAX; -1 where there is none. Decimals are dropped. */
static int64_t number(const char *s)
{
	int64_t n = 0;

	if (!isdigit((unsigned char)*s))
		return -1;
	for (; isdigit((unsigned char)*s); s++) {
		if (n < NUMBER_MAX)
			n = n * 10 + (*s - '0');
	}
	return n > NUMBER_MAX ? NUMBER_MAX : n;
}

/* The end of a member: the next "," or ";" outside quotes, or the end. */
static const char *member_end(const char *s, const char *stops)
{
	bool quoted = false;

	for (; *s; s++) {
		if (*s == '\\' && quoted && s[1])
			s++;
		else if (*s == '"')
			quoted = !quoted;
		else if (!quoted && strchr(stops, *s))
			break;
	}
	return s;
}

struct item {
	int64_t r, t, q, w; /* -1: not there */
};

/* Reads `"name";r=50;t=30` and moves past the comma behind it. False at the end. */
static bool next_item(const char **s, struct item *ret)
{
	const char *p = skip_space(*s);
	struct item item = { -1, -1, -1, -1 };

	if (!*p)
		return false;
	while (*p && *p != ',') {
		const char *end = member_end(p, ",;");
		int64_t *slot = NULL;

		p = skip_space(p);
		switch (*p | 0x20) {
		case 'r':
			slot = &item.r;
			break;
		case 't':
			slot = &item.t;
			break;
		case 'q':
			slot = &item.q;
			break;
		case 'w':
			slot = &item.w;
			break;
		}
		if (slot && p < end && *skip_space(p + 1) == '=')
			*slot = number(skip_space(skip_space(p + 1) + 1));
		p = *end == ';' ? end + 1 : end;
	}
	*s = *p == ',' ? p + 1 : p;
	*ret = item;
	return true;
}

static void take_limit(struct rate_facts *facts, const char *value)
{
	struct item item;

	while (next_item(&value, &item)) {
		if (item.r < 0 || item.t < 0 || item.t > BUDGET_STOP_MAX_MS / MSEC_PER_SEC)
			continue;
		if (facts->left < 0 || item.r < facts->left ||
		    (item.r == facts->left && item.t * MSEC_PER_SEC > facts->reset_ms)) {
			facts->left = item.r;
			facts->reset_ms = item.t * MSEC_PER_SEC;
		}
	}
}

static void take_policy(struct rate_facts *facts, const char *value)
{
	struct item item;

	while (next_item(&value, &item)) {
		if (item.q <= 0 || item.w <= 0 || (double)item.q / (double)item.w < BUDGET_RATE_MIN)
			continue;
		if (facts->policy_rate < 0 || (double)item.q / (double)item.w < facts->policy_rate)
			facts->policy_rate = (double)item.q / (double)item.w;
		if (facts->policy_quota < 0 || item.q < facts->policy_quota)
			facts->policy_quota = item.q;
	}
}

/* A date is read by the clock of the answer's own date, since ours or the service's may be wrong. */
static void settle_retry_at(struct rate_facts *facts)
{
	int64_t now = facts->date ? facts->date : clock_wall_ns() / NSEC_PER_SEC, seconds = facts->retry_at - now;

	if (facts->retry_at)
		facts->retry_after_ms =
			seconds >= 0 && seconds <= BUDGET_STOP_MAX_MS / MSEC_PER_SEC ? seconds * MSEC_PER_SEC : -1;
}

static void take_retry_after(struct rate_facts *facts, const char *value)
{
	int64_t seconds;
	time_t when;

	value = skip_space(value);
	seconds = number(value);
	if (seconds >= 0) {
		facts->retry_after_ms = seconds <= BUDGET_STOP_MAX_MS / MSEC_PER_SEC ? seconds * MSEC_PER_SEC : -1;
		return;
	}
	when = curl_getdate(value, NULL);
	if (when == (time_t)-1)
		return;
	facts->retry_at = (int64_t)when;
	settle_retry_at(facts);
}

static void take_date(struct rate_facts *facts, const char *value)
{
	time_t when = curl_getdate(skip_space(value), NULL);

	if (when == (time_t)-1)
		return;
	facts->date = (int64_t)when;
	settle_retry_at(facts);
}

void rate_facts_header(struct rate_facts *facts, const char *name, size_t name_len, const char *value)
{
	static const struct {
		const char *name;
		void (*take)(struct rate_facts *facts, const char *value);
	} rows[] = {
		{ "ratelimit", take_limit },
		{ "ratelimit-policy", take_policy },
		{ "retry-after", take_retry_after },
		{ "date", take_date },
	};

	for (size_t i = 0; i < array_len(rows); i++) {
		if (strlen(rows[i].name) == name_len && !strncasecmp(rows[i].name, name, name_len))
			rows[i].take(facts, value);
	}
}
