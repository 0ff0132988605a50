/*
 * JSON text, written straight into a buffer. A failure (no memory, too long) is remembered and reported
 * once, by out_end; the calls in between can be made without a look at each.
 */
#pragma once

#include "api/base/buf.h"

/* The longest answer: the unpaged list of an account with some hundred thousand deployments. */
#define OUT_MAX ((size_t)1 << 30)

struct out {
	struct buf b;
	int error; /* 0, or the first failure as -errno */
};

#define OUT_INIT                                                                                                                 \
	{                                                                                                                        \
		{ NULL, 0, 0, OUT_MAX }, 0                                                                                       \
	}

void out_raw(struct out *o, const char *text, size_t len);
void out_raws(struct out *o, const char *text);
void out_rawf(struct out *o, const char *fmt, ...) printf_like_(2, 3);
/* '{' or '[', with the comma that may have to stand before it; and the closing one. */
void out_open(struct out *o, char bracket);
void out_close(struct out *o, char bracket);
/* A comma, unless the text stands at a start. For elements that are written with out_raw. */
void out_comma(struct out *o);
void out_key(struct out *o, const char *key);
/* Values; each is preceded by a comma where one is needed. NULL is written as null. */
void out_str(struct out *o, const char *s);
void out_int(struct out *o, int64_t v);
/* The shortest decimal that reads back as the same number. */
void out_num(struct out *o, double v);
void out_bool(struct out *o, bool v);
/* Milliseconds since 1970 as "2026-11-24T12:00:00.000Z". */
void out_time(struct out *o, int64_t ms);
/* From now on with as many digits as it takes the service's fancy; the same time is always the same text. */
void out_times_vary(bool vary);
/* key and value */
void out_kstr(struct out *o, const char *key, const char *s);
void out_kint(struct out *o, const char *key, int64_t v);
void out_knum(struct out *o, const char *key, double v);
void out_kbool(struct out *o, const char *key, bool v);
void out_ktime(struct out *o, const char *key, int64_t ms);
/* key and JSON text that is ready; nothing at all when json is NULL or "". */
void out_kraw(struct out *o, const char *key, const char *json);

static inline void out_free(struct out *o)
{
	buf_free(&o->b);
}
static inline const char *out_text(const struct out *o)
{
	return o->b.data ? o->b.data : "";
}
#define cleanup_out_ cleanup_(out_free)
