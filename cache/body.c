#include "cache/body.h"

#include <lz4.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "cache/store_private.h"

static struct body *make(size_t len, size_t stored)
{
	struct body *body = len < LZ4_MAX_INPUT_SIZE ? malloc(sizeof(*body) + stored) : NULL;

	if (!body)
		return NULL;
	atomic_init(&body->refs, 1);
	body->holders = 0;
	body->len = (uint32_t)len;
	body->packed = 0;
	body->base = NULL;
	return body;
}

struct body *body_new(const char *data, size_t len)
{
	struct body *body = make(len, len + 1);

	if (!body)
		return NULL;
	if (len)
		memcpy(body->data, data, len);
	body->data[len] = '\0';
	return body;
}

struct body *body_new_like(const char *data, size_t len, struct body *base)
{
	size_t room = len - len / 4;
	cleanup_free_ char *packed = NULL;
	struct body *body;
	LZ4_stream_t stream;
	int n;

	(void)invariant(!base || !base->base);
	if (!base || !len || len >= LZ4_MAX_INPUT_SIZE || !(packed = malloc(room)))
		return body_new(data, len);
	LZ4_initStream(&stream, sizeof(stream));
	LZ4_loadDict(&stream, base->data, (int)base->len);
	n = LZ4_compress_fast_continue(&stream, data, packed, (int)len, (int)room, 1);
	if (n <= 0)
		return body_new(data, len);
	body = make(len, (size_t)n);
	if (!body)
		return NULL;
	memcpy(body->data, packed, (size_t)n);
	body->packed = (uint32_t)n;
	body->base = body_ref(base);
	return body;
}

struct body *body_plain(struct body *body)
{
	struct body *plain;

	if (!body || !body->base)
		return body_ref(body);
	plain = make(body->len, (size_t)body->len + 1);
	if (!plain)
		return NULL;
	if (LZ4_decompress_safe_usingDict(body->data, plain->data, (int)body->packed, (int)body->len, body->base->data,
					  (int)body->base->len) != (int)body->len)
		return body_unref(plain);
	plain->data[plain->len] = '\0';
	return plain;
}

size_t body_bytes(const struct body *body)
{
	return sizeof(*body) + (body->base ? body->packed : (size_t)body->len + 1) + MALLOC_OVERHEAD;
}

struct body *body_ref(struct body *body)
{
	if (body)
		(void)invariant(atomic_fetch_add_explicit(&body->refs, 1, memory_order_relaxed) > 0);
	return body;
}

struct body *body_unref(struct body *body)
{
	if (body && atomic_fetch_sub_explicit(&body->refs, 1, memory_order_acq_rel) == 1) {
		body_unref(body->base);
		free(body);
	}
	return NULL;
}
