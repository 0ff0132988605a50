#include "api/doc_scan_keys.h"

#include <errno.h>

#include "api/base/rand.h"

#define SLOTS_MIN 64

void scan_keys_begin(struct scan_keys *k)
{
	k->begin = k->text.len;
}

int scan_keys_byte(struct scan_keys *k, char c)
{
	return buf_addc(&k->text, c);
}

static uint64_t key_hash(const char *key, size_t len, uint32_t level)
{
	return hash64(len ? key : "", len) + level * 0x9e3779b97f4a7c15ULL;
}

/* The slot where the key is, or the free one where it belongs. */
static size_t find(const struct scan_keys *k, uint64_t hash, size_t at, size_t len, uint32_t level)
{
	size_t i = hash & (k->slot_count - 1);

	for (; k->slots[i]; i = (i + 1) & (k->slot_count - 1)) {
		const struct scan_key *other = &k->keys[k->slots[i] - 1];

		if (other->hash == hash && other->level == level && other->len == len &&
		    (len == 0 || memcmp(k->text.data + other->at, k->text.data + at, len) == 0))
			break;
	}
	return i;
}

static int grow_slots(struct scan_keys *k)
{
	size_t count = k->slot_count ? k->slot_count * 2 : SLOTS_MIN;
	uint32_t *slots = calloc(count, sizeof(*slots));

	if (!slots)
		return -ENOMEM;
	free(k->slots);
	k->slots = slots;
	k->slot_count = count;
	for (size_t i = 0; i < k->count; i++) {
		struct scan_key *key = &k->keys[i];
		size_t slot = find(k, key->hash, key->at, key->len, key->level);

		k->slots[slot] = (uint32_t)i + 1;
		key->slot = (uint32_t)slot;
	}
	return 0;
}

static int grow(struct scan_keys *k)
{
	if (k->count == k->cap) {
		size_t cap = k->cap ? k->cap * 2 : 16;
		struct scan_key *keys = reallocarray(k->keys, cap, sizeof(*keys));

		if (!keys)
			return -ENOMEM;
		k->keys = keys;
		k->cap = cap;
	}
	return (k->count + 1) * 2 > k->slot_count ? grow_slots(k) : 0;
}

int scan_keys_end(struct scan_keys *k, uint32_t level)
{
	size_t at = k->begin, len = k->text.len - at, slot;
	uint64_t hash = key_hash(k->text.data ? k->text.data + at : NULL, len, level);
	int r = grow(k);

	if (r < 0)
		return r;
	slot = find(k, hash, at, len, level);
	if (k->slots[slot])
		return -EEXIST;
	k->keys[k->count] = (struct scan_key){ hash, at, len, level, (uint32_t)slot };
	k->slots[slot] = (uint32_t)++k->count;
	return 0;
}

void scan_keys_close(struct scan_keys *k, uint32_t level)
{
	while (k->count && k->keys[k->count - 1].level == level) {
		const struct scan_key *key = &k->keys[--k->count];

		k->slots[key->slot] = 0;
		buf_resize(&k->text, key->at);
	}
}

void scan_keys_reset(struct scan_keys *k)
{
	k->count = 0;
	if (k->slots)
		memset(k->slots, 0, k->slot_count * sizeof(*k->slots));
	buf_clear(&k->text);
}

void scan_keys_free(struct scan_keys *k)
{
	free(k->keys);
	free(k->slots);
	buf_wipe(&k->text);
	*k = (struct scan_keys){ 0 };
}
