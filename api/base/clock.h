/* Time. Durations and deadlines are milliseconds of CLOCK_MONOTONIC; dates are nanoseconds since 1970. */
#pragma once

#include "api/base/cleanup.h"

#define MSEC_PER_SEC  1000
#define NSEC_PER_MSEC 1000000
#define NSEC_PER_SEC  1000000000LL
/* A deadline that never comes. */
#define CLOCK_NEVER INT64_MAX

int64_t clock_now_ms(void);
/* For measuring what takes less than a millisecond. */
int64_t clock_now_ns(void);
int64_t clock_wall_ns(void);
/* The same of a moment of clock_now_ms(). */
int64_t clock_wall_ns_at(int64_t ms);
/* now + ms, without overflow. */
int64_t clock_after_ms(int64_t ms);
/* What is left until deadline, never negative. */
int64_t clock_left_ms(int64_t deadline_ms);
struct timespec clock_timespec(int64_t ns_since_1970);
/* As pthread_cond_timedwait on a condition made by clock_cond_init; 0 or -ETIMEDOUT. CLOCK_NEVER waits forever. */
int clock_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex, int64_t deadline_ms);
int clock_cond_init(pthread_cond_t *cond);

/* RFC 3339 with Z or an offset and any number of decimals. 0, or -EINVAL. */
int clock_parse_rfc3339(const char *s, int64_t *ret_ns);
/* "2026-11-24T12:00:00.000Z" (milliseconds); size at least CLOCK_TEXT_SIZE. Returns text. */
char *clock_format_rfc3339(int64_t ns, char *text, size_t size);
#define CLOCK_TEXT_SIZE 40
