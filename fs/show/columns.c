#include "fs/show/columns.h"

#include "api/base/utf8.h"

/* One character of a text. */
struct letter {
	size_t bytes;
	int columns;
	bool shown; /* false: "?" stands in its place */
};

static unsigned decode(const char *s, size_t n)
{
	static const unsigned char firsts[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
	unsigned c = (unsigned char)s[0] & firsts[n];

	for (size_t i = 1; i < n; i++)
		c = c << 6 | ((unsigned char)s[i] & 0x3f);
	return c;
}

static bool is_in(unsigned c, const unsigned (*ranges)[2], size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (c >= ranges[i][0] && c <= ranges[i][1])
			return true;
	}
	return false;
}

static struct letter letter_at(const char *s)
{
	/* What takes two columns, and what takes none: it stands on the letter before. */
	static const unsigned wide[][2] = {
		{ 0x1100, 0x115f },   { 0x2e80, 0x303e },   { 0x3041, 0xa4cf },   { 0xac00, 0xd7a3 },
		{ 0xf900, 0xfaff },   { 0xfe30, 0xfe6f },   { 0xff00, 0xff60 },   { 0xffe0, 0xffe6 },
		{ 0x1f300, 0x1f64f }, { 0x1f680, 0x1f6ff }, { 0x1f900, 0x1f9ff }, { 0x20000, 0x3fffd }
	};
	static const unsigned none[][2] = { { 0x300, 0x36f }, { 0x1ab0, 0x1aff }, { 0x20d0, 0x20ff }, { 0xfe00, 0xfe0f } };
	/* Control characters, and those that change the direction of what follows. */
	static const unsigned unfit[][2] = { { 0, 0x1f },        { 0x7f, 0x9f },     { 0xad, 0xad },    { 0x200b, 0x200f },
					     { 0x2028, 0x202e }, { 0x2060, 0x206f }, { 0xfeff, 0xfeff } };
	size_t n = utf8_length(s, strlen(s));
	unsigned c = n ? decode(s, n) : 0;

	if (!n || is_in(c, unfit, array_len(unfit)))
		return (struct letter){ n ? n : 1, 1, false };
	return (struct letter){ n, is_in(c, none, array_len(none)) ? 0 : is_in(c, wide, array_len(wide)) ? 2 : 1, true };
}

int columns_of(const char *text)
{
	int columns = 0;

	for (struct letter l; *text; text += l.bytes) {
		l = letter_at(text);
		columns += l.columns;
	}
	return columns;
}

int columns_add(struct buf *out, const char *text, int width, bool pad)
{
	bool cut = columns_of(text) > width;
	int used = 0, r = 0;

	for (struct letter l; *text && r == 0; text += l.bytes) {
		l = letter_at(text);
		if (used + l.columns > width - cut)
			break;
		r = l.shown ? buf_add(out, text, l.bytes) : buf_addc(out, '?');
		used += l.columns;
	}
	if (r == 0 && cut && width > 0) {
		r = buf_adds(out, "…");
		used++;
	}
	for (; r == 0 && pad && used < width; used++)
		r = buf_addc(out, ' ');
	return r;
}
