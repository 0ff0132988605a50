#include "api/base/rand.h"

#include <errno.h>
#include <sodium.h>

int base_init(void)
{
	return sodium_init() < 0 ? -EIO : 0;
}

uint32_t rand_below(uint32_t bound)
{
	return randombytes_uniform(bound);
}

void rand_bytes(void *data, size_t len)
{
	randombytes_buf(data, len);
}

uint64_t hash64(const void *data, size_t len)
{
	/* A fixed key: the same bytes give the same number in every process, which inode numbers rely on. */
	static const unsigned char key[crypto_shorthash_KEYBYTES] = "cfcfs-hash64-key";
	unsigned char out[crypto_shorthash_BYTES];
	uint64_t v;

	crypto_shorthash(out, data, len, key);
	memcpy(&v, out, sizeof(v));
	return v;
}

void fingerprint(const uint8_t key[FINGERPRINT_KEY_BYTES], const void *data, size_t len, uint8_t ret[FINGERPRINT_BYTES])
{
	crypto_generichash(ret, FINGERPRINT_BYTES, data, len, key, FINGERPRINT_KEY_BYTES);
}

void wipe(void *data, size_t len)
{
	sodium_memzero(data, len);
}

void *wipe_str(char *s)
{
	if (s) {
		sodium_memzero(s, strlen(s));
		free(s);
	}
	return NULL;
}
