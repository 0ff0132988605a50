#include "emulator/ascii.h"

#include <errno.h>
#include <stdint.h>

#include "api/base/buf.h"

/* How many bytes the character at s has, and which it is; 0 where there is none: cut, overlong, a surrogate, too large. */
static size_t decode(const unsigned char *s, size_t len, uint32_t *ret_character)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t bytes = *s < 0x80 ? 1 : *s >= 0xf0 ? 4 : *s >= 0xe0 ? 3 : 2;
	uint32_t c = bytes == 1 ? *s : *s & (0x7fU >> bytes);

	if ((*s >= 0x80 && *s < 0xc2) || *s > 0xf4 || bytes > len)
		return 0;
	for (size_t i = 1; i < bytes; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3fU);
	}
	if (c < least[bytes] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return 0;
	*ret_character = c;
	return bytes;
}

int ascii_json(const char *text, size_t len, struct buf *out)
{
	const unsigned char *s = (const unsigned char *)text;
	int r = 0;

	for (size_t i = 0, bytes; i < len && r == 0; i += bytes) {
		uint32_t c;

		bytes = decode(s + i, len - i, &c);
		if (bytes == 0)
			return -EILSEQ;
		if (c < 0x80)
			r = buf_addc(out, (char)c);
		else if (c < 0x10000)
			r = buf_addf(out, "\\u%04x", c);
		else
			r = buf_addf(out, "\\u%04x\\u%04x", 0xd800 + ((c - 0x10000) >> 10), 0xdc00 + ((c - 0x10000) & 0x3ff));
	}
	return r;
}
