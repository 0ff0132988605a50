/*
 * What the server gets to see: names that are keyed hashes, and values that are sealed (XChaCha20-Poly1305) with the name
 * that they stand under, so that one cannot be put in the place of another.
 */
#include <endian.h>
#include <errno.h>
#include <lz4.h>

#include "api/base/rand.h"
#include "cache/share_private.h"

#define FORMAT 1
/* Shorter values are not worth packing. */
#define PACK_FROM 256

/* In front of the value, sealed with it. Little endian. */
struct header {
	uint8_t format, packed, reserved[2];
	uint32_t len; /* of the value, unpacked */
	int64_t made_ms;
};
_Static_assert(sizeof(struct header) == 16, "the header has no holes");

#define NONCE_BYTES crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define TAG_BYTES   crypto_aead_xchacha20poly1305_ietf_ABYTES

static const char *const words[] = {
	[SHARE_VALUE] = "value", [SHARE_LEASE] = "lease",     [SHARE_BUCKET] = "bucket",   [SHARE_ROWS] = "rows",
	[SHARE_FIELD] = "field", [SHARE_MEMBERS] = "members", [SHARE_CHANNEL] = "channel", [SHARE_MARK] = "mark",
};
_Static_assert(array_len(words) == SHARE_WHATS, "a word for each");

struct share_keys *share_keys_unref(struct share_keys *keys)
{
	if (keys && atomic_fetch_sub_explicit(&keys->refs, 1, memory_order_acq_rel) == 1) {
		wipe(keys, sizeof(*keys));
		free(keys);
	}
	return NULL;
}

struct share_keys *seal_derive(const struct share_who *who)
{
	struct share_keys *ret = calloc(1, sizeof(*ret));
	crypto_generichash_state state;
	uint8_t main_key[crypto_kdf_KEYBYTES];
	const char *parts[] = { "cfcfs share 1", who->base_url, who->account, who->token };
	static const char *const nothing[] = { NULL };

	if (!ret)
		return NULL;
	atomic_init(&ret->refs, 1);
	_Static_assert(sizeof(ret->seal) == 32 && sizeof(ret->name) == 32, "what is derived below");
	crypto_generichash_init(&state, NULL, 0, sizeof(main_key));
	/* With their NULs, so that no two rows of parts are one text. */
	for (size_t i = 0; i < array_len(parts); i++)
		crypto_generichash_update(&state, (const uint8_t *)parts[i], strlen(parts[i]) + 1);
	crypto_generichash_final(&state, main_key, sizeof(main_key));
	crypto_kdf_derive_from_key(ret->seal, sizeof(ret->seal), 1, "cfcfseal", main_key);
	crypto_kdf_derive_from_key(ret->name, sizeof(ret->name), 2, "cfcfname", main_key);
	crypto_kdf_derive_from_key(ret->common, sizeof(ret->common), 3, "cfcfcomm", main_key);
	sodium_memzero(main_key, sizeof(main_key));
	sodium_memzero(&state, sizeof(state));
	seal_name(ret, SHARE_CHANNEL, nothing, ret->channel);
	seal_name(ret, SHARE_MEMBERS, nothing, ret->members);
	return ret;
}

void seal_name(const struct share_keys *keys, enum share_what what, const char *const *parts, char ret[SHARE_KEY_BYTES])
{
	crypto_generichash_state state;
	uint8_t hash[16];

	crypto_generichash_init(&state, keys->name, sizeof(keys->name), sizeof(hash));
	crypto_generichash_update(&state, (const uint8_t *)words[what], strlen(words[what]) + 1);
	for (; *parts; parts++)
		crypto_generichash_update(&state, (const uint8_t *)*parts, strlen(*parts) + 1);
	crypto_generichash_final(&state, hash, sizeof(hash));
	memcpy(ret, "cf:", 3);
	sodium_bin2hex(ret + 3, SHARE_KEY_BYTES - 3, hash, sizeof(hash));
}

/* The header and the value, packed where that helps. */
static int make_plain(int64_t made_ms, const void *value, size_t len, struct buf *ret)
{
	struct header header = { .format = FORMAT,
				 .len = htole32((uint32_t)len),
				 .made_ms = (int64_t)htole64((uint64_t)made_ms) };
	int room = (int)len - (int)len / 8, n = 0, r;

	ret->max = SHARE_VALUE_MAX + sizeof(header);
	r = buf_reserve(ret, sizeof(header) + len);
	if (r < 0)
		return r;
	ret->len = sizeof(header);
	if (len >= PACK_FROM)
		n = LZ4_compress_default(value, ret->data + ret->len, (int)len, room);
	if (n > 0)
		ret->len += (size_t)n;
	else
		buf_add(ret, value, len);
	header.packed = n > 0;
	memcpy(ret->data, &header, sizeof(header));
	return 0;
}

int seal_close(const struct share_keys *keys, const char *key, int64_t made_ms, const void *value, size_t len, struct buf *ret)
{
	cleanup_buf_wipe_ struct buf plain = BUF_INIT;
	uint8_t nonce[NONCE_BYTES];
	int r;

	if (len > SHARE_VALUE_MAX)
		return -EFBIG;
	r = make_plain(made_ms, value, len, &plain);
	if (r == 0)
		r = buf_reserve(ret, sizeof(nonce) + plain.len + TAG_BYTES);
	if (r < 0)
		return r;
	randombytes_buf(nonce, sizeof(nonce));
	buf_add(ret, nonce, sizeof(nonce));
	crypto_aead_xchacha20poly1305_ietf_encrypt((uint8_t *)ret->data + ret->len, NULL, (const uint8_t *)plain.data, plain.len,
						   (const uint8_t *)key, strlen(key), NULL, nonce, keys->seal);
	ret->len += plain.len + TAG_BYTES;
	return 0;
}

static int take_plain(const struct buf *plain, struct buf *ret, int64_t *ret_made_ms)
{
	struct header header;
	const char *data = plain->data + sizeof(header);
	size_t left = plain->len - sizeof(header), len;
	int r;

	memcpy(&header, plain->data, sizeof(header));
	len = le32toh(header.len);
	if (header.format != FORMAT || len > SHARE_VALUE_MAX || (!header.packed && len != left))
		return -EBADMSG;
	buf_clear(ret);
	r = header.packed ? buf_reserve(ret, len) : buf_add(ret, data, left);
	if (r < 0)
		return r;
	if (header.packed) {
		if (LZ4_decompress_safe(data, ret->data, (int)left, (int)len) != (int)len)
			return -EBADMSG;
		ret->len = len;
		ret->data[len] = '\0';
	}
	*ret_made_ms = (int64_t)le64toh((uint64_t)header.made_ms);
	return 0;
}

int seal_open(const struct share_keys *keys, const char *key, const void *sealed, size_t len, struct buf *ret,
	      int64_t *ret_made_ms)
{
	cleanup_buf_wipe_ struct buf plain = BUF_INIT;
	const uint8_t *nonce = sealed;
	int r;

	if (len < NONCE_BYTES + TAG_BYTES + sizeof(struct header) ||
	    len > NONCE_BYTES + TAG_BYTES + sizeof(struct header) + SHARE_VALUE_MAX)
		return -EBADMSG;
	plain.max = len;
	r = buf_reserve(&plain, len);
	if (r < 0)
		return r;
	if (crypto_aead_xchacha20poly1305_ietf_decrypt((uint8_t *)plain.data, NULL, NULL, nonce + NONCE_BYTES, len - NONCE_BYTES,
						       (const uint8_t *)key, strlen(key), nonce, keys->seal) < 0)
		return -EBADMSG;
	plain.len = len - NONCE_BYTES - TAG_BYTES;
	return take_plain(&plain, ret, ret_made_ms);
}
