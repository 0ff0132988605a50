#include "emulator/out.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>

#include "api/base/clock.h"

void out_raw(struct out *o, const char *text, size_t len)
{
	if (o->error == 0)
		o->error = buf_add(&o->b, text, len);
}

void out_raws(struct out *o, const char *text)
{
	out_raw(o, text, strlen(text));
}

void out_rawf(struct out *o, const char *fmt, ...)
{
	char text[512];
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (n < 0 || (size_t)n >= sizeof(text)) {
		o->error = o->error ? o->error : -EFBIG;
		return;
	}
	out_raw(o, text, (size_t)n);
}

void out_comma(struct out *o)
{
	char last;

	if (o->b.len == 0)
		return;
	last = o->b.data[o->b.len - 1];
	if (last != '{' && last != '[' && last != ':' && last != ',')
		out_raw(o, ",", 1);
}

void out_open(struct out *o, char bracket)
{
	out_comma(o);
	out_raw(o, &bracket, 1);
}

void out_close(struct out *o, char bracket)
{
	out_raw(o, &bracket, 1);
}

/* A quoted string. Bytes from 0x80 up are passed on: what comes in was checked to be UTF-8. */
static void quoted(struct out *o, const char *s)
{
	const char *run = s;

	out_raw(o, "\"", 1);
	for (; *s; s++) {
		unsigned char ch = (unsigned char)*s;

		if (ch >= 0x20 && ch != '"' && ch != '\\')
			continue;
		out_raw(o, run, (size_t)(s - run));
		run = s + 1;
		if (ch == '"')
			out_raw(o, "\\\"", 2);
		else if (ch == '\\')
			out_raw(o, "\\\\", 2);
		else if (ch == '\n')
			out_raw(o, "\\n", 2);
		else if (ch == '\t')
			out_raw(o, "\\t", 2);
		else
			out_rawf(o, "\\u%04x", ch);
	}
	out_raw(o, run, (size_t)(s - run));
	out_raw(o, "\"", 1);
}

void out_key(struct out *o, const char *key)
{
	out_comma(o);
	quoted(o, key);
	out_raw(o, ":", 1);
}

void out_str(struct out *o, const char *s)
{
	out_comma(o);
	if (s)
		quoted(o, s);
	else
		out_raws(o, "null");
}

void out_int(struct out *o, int64_t v)
{
	out_comma(o);
	out_rawf(o, "%" PRId64, v);
}

void out_num(struct out *o, double v)
{
	char text[40];

	out_comma(o);
	if (!isfinite(v)) {
		out_raws(o, "0");
		return;
	}
	for (int digits = 6; digits <= 17; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, v);
		if (strtod(text, NULL) == v)
			break;
	}
	out_raws(o, text);
}

void out_bool(struct out *o, bool v)
{
	out_comma(o);
	out_raws(o, v ? "true" : "false");
}

static bool times_vary; /* set before any thread starts */

void out_times_vary(bool vary)
{
	times_vary = vary;
}

/* As the service writes them: a fraction without its last zeros, or with the noise of a binary one. */
static void vary(int64_t ms, char text[CLOCK_TEXT_SIZE])
{
	static const int noise[] = { 0, 128, -64 };
	int64_t ns = (ms % 1000) * 1000000 + noise[ms % 3];
	char *dot = strchr(text, '.');
	size_t room = CLOCK_TEXT_SIZE - (size_t)(dot - text);

	if (ms % 1000 == 0)
		snprintf(dot, room, "Z");
	else if (ms % 10 == 0)
		snprintf(dot, room, ".%02dZ", (int)(ms % 1000) / 10);
	else if (ms % 3 == 0)
		snprintf(dot, room, ".%03dZ", (int)(ms % 1000));
	else
		snprintf(dot, room, ".%09dZ", (int)ns);
}

void out_time(struct out *o, int64_t ms)
{
	char text[CLOCK_TEXT_SIZE];

	clock_format_rfc3339(ms * NSEC_PER_MSEC, text, sizeof(text));
	if (times_vary && strchr(text, '.'))
		vary(ms, text);
	out_str(o, text);
}

void out_kstr(struct out *o, const char *key, const char *s)
{
	out_key(o, key);
	out_str(o, s);
}

void out_kint(struct out *o, const char *key, int64_t v)
{
	out_key(o, key);
	out_int(o, v);
}

void out_knum(struct out *o, const char *key, double v)
{
	out_key(o, key);
	out_num(o, v);
}

void out_kbool(struct out *o, const char *key, bool v)
{
	out_key(o, key);
	out_bool(o, v);
}

void out_ktime(struct out *o, const char *key, int64_t ms)
{
	out_key(o, key);
	out_time(o, ms);
}

void out_kraw(struct out *o, const char *key, const char *json)
{
	if (!json || !*json)
		return;
	out_key(o, key);
	out_raws(o, json);
}
