/*
 * A growing byte buffer with an upper bound. The bytes are always followed by a NUL that len does not
 * count, so data can be passed as a string when it holds no NUL itself.
 */
#pragma once

#include "api/base/cleanup.h"

struct buf {
	char *data; /* owned; NULL while empty */
	size_t len; /* bytes */
	size_t cap; /* bytes allocated, the NUL included */
	size_t max; /* len never passes this; 0: BUF_MAX */
};

/* The bound of a buffer that names none: 64 MiB. */
#define BUF_MAX ((size_t)64 << 20)

#define BUF_INIT                                                                                                                 \
	{                                                                                                                        \
		NULL, 0, 0, 0                                                                                                    \
	}

/* All return 0, -ENOMEM, or -EFBIG past max; on failure the content is unchanged. */
int buf_reserve(struct buf *b, size_t more);
int buf_add(struct buf *b, const void *data, size_t len);
int buf_adds(struct buf *b, const char *s);
int buf_addc(struct buf *b, char c);
/* Bytes that are no UTF-8 become U+FFFD, one by one: for what must be text and may come from anywhere. */
int buf_adds_utf8(struct buf *b, const char *s);
int buf_addf(struct buf *b, const char *fmt, ...) printf_like_(2, 3);
/* Grows with NUL bytes, or cuts. */
int buf_resize(struct buf *b, size_t len);

/* Empties and keeps the memory. */
void buf_clear(struct buf *b);
void buf_free(struct buf *b);
/* As buf_free, but the memory is overwritten first. */
void buf_wipe(struct buf *b);
/* The content as a string that the caller frees ("" when empty), NULL without memory; the buffer is left empty. */
char *buf_steal(struct buf *b);

#define cleanup_buf_      cleanup_(buf_free)
#define cleanup_buf_wipe_ cleanup_(buf_wipe)
