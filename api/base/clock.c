#include "api/base/clock.h"

#include <ctype.h>
#include <errno.h>

int64_t clock_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * MSEC_PER_SEC + ts.tv_nsec / NSEC_PER_MSEC;
}

int64_t clock_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

int64_t clock_wall_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

int64_t clock_wall_ns_at(int64_t ms)
{
	return clock_wall_ns() - (clock_now_ms() - ms) * NSEC_PER_MSEC;
}

int64_t clock_after_ms(int64_t ms)
{
	int64_t now = clock_now_ms();

	return ms >= CLOCK_NEVER - now ? CLOCK_NEVER : now + ms;
}

int64_t clock_left_ms(int64_t deadline_ms)
{
	int64_t now;

	if (deadline_ms == CLOCK_NEVER)
		return CLOCK_NEVER;
	now = clock_now_ms();
	return deadline_ms > now ? deadline_ms - now : 0;
}

struct timespec clock_timespec(int64_t ns)
{
	struct timespec ts = { .tv_sec = ns / NSEC_PER_SEC, .tv_nsec = ns % NSEC_PER_SEC };

	if (ts.tv_nsec < 0) {
		ts.tv_nsec += NSEC_PER_SEC;
		ts.tv_sec--;
	}
	return ts;
}

int clock_cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t attr;
	int r;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	r = pthread_cond_init(cond, &attr);
	pthread_condattr_destroy(&attr);
	return -r;
}

int clock_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex, int64_t deadline_ms)
{
	struct timespec ts;

	if (deadline_ms == CLOCK_NEVER) {
		pthread_cond_wait(cond, mutex);
		return 0;
	}
	ts.tv_sec = deadline_ms / MSEC_PER_SEC;
	ts.tv_nsec = (deadline_ms % MSEC_PER_SEC) * NSEC_PER_MSEC;
	return pthread_cond_timedwait(cond, mutex, &ts) == ETIMEDOUT ? -ETIMEDOUT : 0;
}

/* n digits, and nothing that sscanf would take as well: no sign, no space. Moves *s past them. */
static int parse_digits(const char **s, size_t n, int *ret)
{
	int v = 0;

	for (size_t i = 0; i < n; i++) {
		if (!isdigit((unsigned char)(*s)[i]))
			return -EINVAL;
		v = v * 10 + ((*s)[i] - '0');
	}
	*s += n;
	*ret = v;
	return 0;
}

static int parse_char(const char **s, const char *set)
{
	if (!**s || !strchr(set, **s))
		return -EINVAL;
	(*s)++;
	return 0;
}

static int days_in(int year, int month)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return days[month - 1] + (month == 2 && leap);
}

static int parse_fields(const char **s, struct tm *tm)
{
	if (parse_digits(s, 4, &tm->tm_year) < 0 || parse_char(s, "-") < 0 || parse_digits(s, 2, &tm->tm_mon) < 0 ||
	    parse_char(s, "-") < 0 || parse_digits(s, 2, &tm->tm_mday) < 0 || parse_char(s, "Tt ") < 0 ||
	    parse_digits(s, 2, &tm->tm_hour) < 0 || parse_char(s, ":") < 0 || parse_digits(s, 2, &tm->tm_min) < 0 ||
	    parse_char(s, ":") < 0 || parse_digits(s, 2, &tm->tm_sec) < 0)
		return -EINVAL;
	if (tm->tm_mon < 1 || tm->tm_mon > 12 || tm->tm_mday < 1 || tm->tm_mday > days_in(tm->tm_year, tm->tm_mon) ||
	    tm->tm_hour > 23 || tm->tm_min > 59 || tm->tm_sec > 60)
		return -EINVAL;
	tm->tm_year -= 1900;
	tm->tm_mon -= 1;
	return 0;
}

static int parse_offset(const char *s, int64_t *ret_seconds)
{
	int hours, minutes, sign = *s == '-' ? -60 : 60;

	*ret_seconds = 0;
	if ((*s == 'Z' || *s == 'z') && !s[1])
		return 0;
	if (parse_char(&s, "+-") < 0 || parse_digits(&s, 2, &hours) < 0 || parse_char(&s, ":") < 0 ||
	    parse_digits(&s, 2, &minutes) < 0 || *s || hours > 23 || minutes > 59)
		return -EINVAL;
	*ret_seconds = (hours * 60 + minutes) * sign;
	return 0;
}

int clock_parse_rfc3339(const char *s, int64_t *ret_ns)
{
	struct tm tm = { 0 };
	int64_t ns = 0, scale = NSEC_PER_SEC / 10, offset, seconds;

	if (parse_fields(&s, &tm) < 0)
		return -EINVAL;
	if (*s == '.') {
		if (!isdigit((unsigned char)s[1]))
			return -EINVAL;
		for (s++; isdigit((unsigned char)*s); s++, scale /= 10)
			ns += (*s - '0') * scale;
	}
	if (parse_offset(s, &offset) < 0)
		return -EINVAL;
	seconds = (int64_t)timegm(&tm) - offset;
	/* Nanoseconds end in 2262. */
	if (seconds > INT64_MAX / NSEC_PER_SEC - 1 || seconds < INT64_MIN / NSEC_PER_SEC + 1)
		return -EINVAL;
	*ret_ns = seconds * NSEC_PER_SEC + ns;
	return 0;
}

char *clock_format_rfc3339(int64_t ns, char *text, size_t size)
{
	struct timespec ts = clock_timespec(ns);
	struct tm tm;
	size_t n;

	gmtime_r(&ts.tv_sec, &tm);
	n = strftime(text, size, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text + n, size - n, ".%03ldZ", ts.tv_nsec / NSEC_PER_MSEC);
	return text;
}
