/* UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing past U+10FFFF. */
#pragma once

#include "api/base/cleanup.h"

struct utf8 {
	unsigned char left;      /* continuation bytes that must come */
	unsigned char low, high; /* bounds of the next one */
};

static inline bool utf8_pending(const struct utf8 *u)
{
	return u->left;
}

/* Takes one byte; false where it cannot stand there. */
static inline bool utf8_next(struct utf8 *u, unsigned char c)
{
	if (u->left) {
		if (c < u->low || c > u->high)
			return false;
		u->left--;
		u->low = 0x80;
		u->high = 0xbf;
		return true;
	}
	if (c < 0x80)
		return true;
	if (c < 0xc2 || c > 0xf4)
		return false;
	u->left = c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
	u->low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
	u->high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
	return true;
}

/* Bytes of the whole character at s, of which left bytes are there; 0: there is none. */
static inline size_t utf8_length(const char *s, size_t left)
{
	struct utf8 u = { 0 };
	size_t n = 0;

	do {
		if (n == left || !utf8_next(&u, (unsigned char)s[n]))
			return 0;
		n++;
	} while (utf8_pending(&u));
	return n;
}

/* Whether it is characters from end to end. */
static inline bool utf8_valid(const char *s, size_t len)
{
	struct utf8 u = { 0 };

	for (size_t i = 0; i < len; i++) {
		if (!utf8_next(&u, (unsigned char)s[i]))
			return false;
	}
	return !utf8_pending(&u);
}

/* The bytes of a character; returns how many. */
static inline size_t utf8_encode(unsigned c, char bytes[4])
{
	if (c < 0x80) {
		bytes[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		bytes[0] = (char)(0xc0 | c >> 6);
		bytes[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		bytes[0] = (char)(0xe0 | c >> 12);
		bytes[1] = (char)(0x80 | (c >> 6 & 0x3f));
		bytes[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	bytes[0] = (char)(0xf0 | c >> 18);
	bytes[1] = (char)(0x80 | (c >> 12 & 0x3f));
	bytes[2] = (char)(0x80 | (c >> 6 & 0x3f));
	bytes[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}
