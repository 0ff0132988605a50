#include "api/base/name.h"

#include <ctype.h>
#include <errno.h>
#include <sodium.h>

#include "api/base/buf.h"

#define CUT_HASH_BYTES 8
/* Longest suffix: with a hash and the tail of a duplicate, a name must still have room. */
#define SUFFIX_MAX_BYTES 64

bool name_has_suffix(const char *name, const char *suffix)
{
	size_t n = strlen(name), s = strlen(suffix);

	return n >= s && !strcmp(name + n - s, suffix);
}

static bool all_hex(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!isxdigit((unsigned char)s[i]))
			return false;
	}
	return true;
}

/* Whether the byte at i of an identity of n bytes must not stand in a file name as it is. */
static bool must_encode(const char *s, size_t n, size_t i)
{
	unsigned char c = (unsigned char)s[i];

	if (c < 0x20 || c == 0x7f || c == '/' || c == '%')
		return true;
	if (c == '.')
		return i == 0 || (n >= 5 && i == n - 5 && !memcmp(s + i, ".json", 5));
	if (c == '~')
		return n >= 9 && i == n - 9 && all_hex(s + i + 1, 8);
	return false;
}

static int encode(const char *identity, struct buf *out)
{
	size_t n = strlen(identity), plain = 0;
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++) {
		if (!must_encode(identity, n, i))
			continue;
		r = buf_add(out, identity + plain, i - plain);
		if (r == 0)
			r = buf_addf(out, "%%%02X", (unsigned char)identity[i]);
		plain = i + 1;
	}
	return r == 0 ? buf_add(out, identity + plain, n - plain) : r;
}

/* Cuts an encoded name to at most max bytes, not inside a UTF-8 character or a %XX. */
static size_t cut_length(const char *s, size_t len, size_t max)
{
	size_t n = len < max ? len : max;

	if (n == len)
		return n;
	while (n > 0 && ((unsigned char)s[n] & 0xc0) == 0x80)
		n--;
	if (n >= 1 && s[n - 1] == '%')
		n -= 1;
	else if (n >= 2 && s[n - 2] == '%')
		n -= 2;
	return n;
}

/* tail is what stands between the name and the suffix, or NULL. */
static void encode_with_tail(const char *identity, const char *tail, const char *suffix, char *ret_name)
{
	cleanup_buf_ struct buf out = BUF_INIT;
	unsigned char hash[16];
	char hash_text[2 * CUT_HASH_BYTES + 2] = "";
	const char *const ends[] = { hash_text, tail ? tail : "", suffix };
	size_t room;

	ret_name[0] = '\0';
	if (strlen(suffix) > SUFFIX_MAX_BYTES || encode(identity, &out) < 0)
		return;
	room = NAME_MAX_BYTES - strlen(suffix) - (tail ? strlen(tail) : 0);
	if (out.len > room) {
		crypto_generichash(hash, sizeof(hash), (const unsigned char *)identity, strlen(identity), NULL, 0);
		hash_text[0] = '~';
		sodium_bin2hex(hash_text + 1, sizeof(hash_text) - 1, hash, CUT_HASH_BYTES);
		out.len = cut_length(out.data, out.len, room - strlen(hash_text));
	}
	memcpy(ret_name, out.data, out.len);
	ret_name += out.len;
	for (size_t i = 0; i < array_len(ends); i++) {
		memcpy(ret_name, ends[i], strlen(ends[i]) + 1);
		ret_name += strlen(ends[i]);
	}
}

void name_encode(const char *identity, const char *suffix, char *ret_name)
{
	encode_with_tail(identity, NULL, suffix, ret_name);
}

/* An id, too, can hold what a file name cannot. */
void name_encode_duplicate(const char *identity, const char *id, const char *suffix, char *ret_name)
{
	cleanup_buf_ struct buf tail = BUF_INIT;
	char begin[NAME_ID_BYTES + 1];

	snprintf(begin, sizeof(begin), "%s", id);
	ret_name[0] = '\0';
	if (buf_addc(&tail, '~') == 0 && encode(begin, &tail) == 0)
		encode_with_tail(identity, tail.data, suffix, ret_name);
}

bool name_is_cut(const char *name, const char *suffix)
{
	size_t n = strlen(name), s = strlen(suffix), h = 2 * CUT_HASH_BYTES;

	if (!name_has_suffix(name, suffix) || n - s <= h)
		return false;
	return name[n - s - h - 1] == '~' && all_hex(name + n - s - h, h);
}

static int decode(const char *s, size_t n, struct buf *out)
{
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++) {
		char hex[3] = { 0 };

		if (s[i] != '%') {
			r = buf_addc(out, s[i]);
			continue;
		}
		if (i + 2 >= n || !all_hex(s + i + 1, 2))
			return -EINVAL;
		memcpy(hex, s + i + 1, 2);
		/* No identity of the API holds a NUL. */
		if (!strcmp(hex, "00"))
			return -EINVAL;
		r = buf_addc(out, (char)strtol(hex, NULL, 16));
		i += 2;
	}
	return r;
}

int name_decode(const char *name, const char *suffix, char **ret_identity)
{
	cleanup_buf_ struct buf out = BUF_INIT;
	char again[NAME_MAX_BYTES + 1];
	size_t n = strlen(name), s = strlen(suffix);
	int r;

	if (!name_has_suffix(name, suffix))
		return -EINVAL;
	r = decode(name, n - s, &out);
	if (r < 0)
		return r;
	/* Nothing stands in front of the suffix. */
	if (!out.data)
		return -EINVAL;
	/* One identity has one name: what encodes to another name is refused, or two names would mean one thing. */
	name_encode(out.data, suffix, again);
	if (strcmp(again, name))
		return -EINVAL;
	*ret_identity = buf_steal(&out);
	return *ret_identity ? 0 : -ENOMEM;
}

bool name_is_scratch(const char *name)
{
	size_t n = strlen(name);

	if (name[0] == '.' || name_has_suffix(name, "~") || name_has_suffix(name, ".swp") || name_has_suffix(name, ".swx") ||
	    name_has_suffix(name, ".tmp") || !strcmp(name, "4913"))
		return true;
	if (n >= 2 && name[0] == '#' && name[n - 1] == '#')
		return true;
	if (n == 9 && !strncmp(name, "sed", 3)) {
		for (size_t i = 3; i < n; i++) {
			if (!isalnum((unsigned char)name[i]))
				return false;
		}
		return true;
	}
	return false;
}
