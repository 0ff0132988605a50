/* Numbers and texts in a row of bytes, for what members of a share tell each other. Little endian. */
#pragma once

#include <stdint.h>

#include "api/base/buf.h"

/* 0, or as buf_add. NULL of a text is another thing than "". */
int pack_u8(struct buf *out, uint8_t value);
int pack_i64(struct buf *out, int64_t value);
int pack_bytes(struct buf *out, const void *data, size_t len);
int pack_text(struct buf *out, const char *text);

/* What is left to be read. Past the end, or where something else stands, bad is set, and all that is read from then on is 0, NULL
   or empty. */
struct unpack {
	const char *at;
	size_t left;
	bool bad;
};

uint8_t unpack_u8(struct unpack *in);
int64_t unpack_i64(struct unpack *in);
/* In place. */
const char *unpack_bytes(struct unpack *in, size_t *ret_len);
/* In place; followed by its NUL. */
const char *unpack_text(struct unpack *in);
