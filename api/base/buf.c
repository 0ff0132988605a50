#include "api/base/buf.h"

#include <errno.h>
#include <stdarg.h>
#include <sodium.h>

#include "api/base/utf8.h"

int buf_reserve(struct buf *b, size_t more)
{
	size_t max = b->max ? b->max : BUF_MAX;
	size_t cap;
	char *p;

	if (more > max || b->len > max - more)
		return -EFBIG;
	if (b->len + more + 1 <= b->cap)
		return 0;
	cap = b->cap ? b->cap * 2 : 64;
	if (cap < b->len + more + 1)
		cap = b->len + more + 1;
	if (cap > max + 1)
		cap = max + 1;
	/* Not realloc: a buffer that is wiped at its end must not leave a copy behind when it grows. */
	p = malloc(cap);
	if (!p)
		return -ENOMEM;
	if (b->data) {
		memcpy(p, b->data, b->len);
		sodium_memzero(b->data, b->len);
		free(b->data);
	}
	p[b->len] = '\0';
	b->data = p;
	b->cap = cap;
	return 0;
}

int buf_add(struct buf *b, const void *data, size_t len)
{
	int r = buf_reserve(b, len);

	if (r < 0)
		return r;
	if (len)
		memcpy(b->data + b->len, data, len);
	b->len += len;
	b->data[b->len] = '\0';
	return 0;
}

int buf_adds(struct buf *b, const char *s)
{
	return buf_add(b, s, strlen(s));
}

int buf_addc(struct buf *b, char c)
{
	return buf_add(b, &c, 1);
}

int buf_adds_utf8(struct buf *b, const char *s)
{
	int r = 0;

	while (*s && r == 0) {
		size_t n = utf8_length(s, strlen(s));

		r = n ? buf_add(b, s, n) : buf_adds(b, "\xef\xbf\xbd");
		s += n ? n : 1;
	}
	return r;
}

int buf_addf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	int n, r;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		return -EINVAL;
	r = buf_reserve(b, (size_t)n);
	if (r < 0)
		return r;
	va_start(ap, fmt);
	vsnprintf(b->data + b->len, (size_t)n + 1, fmt, ap);
	va_end(ap);
	b->len += (size_t)n;
	return 0;
}

int buf_resize(struct buf *b, size_t len)
{
	int r;

	if (len > b->len) {
		r = buf_reserve(b, len - b->len);
		if (r < 0)
			return r;
		memset(b->data + b->len, 0, len - b->len);
	}
	b->len = len;
	if (b->data)
		b->data[len] = '\0';
	return 0;
}

void buf_clear(struct buf *b)
{
	b->len = 0;
	if (b->data)
		b->data[0] = '\0';
}

void buf_free(struct buf *b)
{
	free(b->data);
	b->data = NULL;
	b->len = b->cap = 0;
}

void buf_wipe(struct buf *b)
{
	if (b->data)
		sodium_memzero(b->data, b->cap);
	buf_free(b);
}

char *buf_steal(struct buf *b)
{
	char *p = b->data ? b->data : strdup("");

	b->data = NULL;
	b->len = b->cap = 0;
	return p;
}
