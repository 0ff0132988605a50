#include "cache/pack.h"

#include <endian.h>
#include <errno.h>

/* In front of a text that is none. */
#define NO_TEXT UINT32_MAX

int pack_u8(struct buf *out, uint8_t value)
{
	return buf_add(out, &value, sizeof(value));
}

int pack_i64(struct buf *out, int64_t value)
{
	uint64_t little = htole64((uint64_t)value);

	return buf_add(out, &little, sizeof(little));
}

int pack_bytes(struct buf *out, const void *data, size_t len)
{
	uint32_t little = htole32((uint32_t)len);
	int r = len < NO_TEXT ? buf_add(out, &little, sizeof(little)) : -EFBIG;

	return r < 0 ? r : buf_add(out, data, len);
}

int pack_text(struct buf *out, const char *text)
{
	uint32_t none = htole32(NO_TEXT);

	/* With its NUL, so that it can be read where it stands. */
	return text ? pack_bytes(out, text, strlen(text) + 1) : buf_add(out, &none, sizeof(none));
}

static const char *take(struct unpack *in, size_t len)
{
	const char *at = in->at;

	if (in->bad || in->left < len) {
		in->bad = true;
		return NULL;
	}
	in->at += len;
	in->left -= len;
	return at;
}

uint8_t unpack_u8(struct unpack *in)
{
	const char *at = take(in, 1);

	return at ? (uint8_t)*at : 0;
}

int64_t unpack_i64(struct unpack *in)
{
	const char *at = take(in, sizeof(uint64_t));
	uint64_t little = 0;

	if (at)
		memcpy(&little, at, sizeof(little));
	return (int64_t)le64toh(little);
}

static uint32_t unpack_u32(struct unpack *in)
{
	const char *at = take(in, sizeof(uint32_t));
	uint32_t little = 0;

	if (at)
		memcpy(&little, at, sizeof(little));
	return le32toh(little);
}

const char *unpack_bytes(struct unpack *in, size_t *ret_len)
{
	uint32_t len = unpack_u32(in);
	const char *at = take(in, len);

	*ret_len = at ? len : 0;
	return at ? at : "";
}

const char *unpack_text(struct unpack *in)
{
	uint32_t len = unpack_u32(in);
	const char *at;

	if (in->bad || len == NO_TEXT)
		return NULL;
	at = take(in, len);
	if (!at || !len || memchr(at, '\0', len) != at + len - 1) {
		in->bad = true;
		return NULL;
	}
	return at;
}
