#include "api/base/scrub.h"

#include <ctype.h>
#include <sodium.h>

/* Shorter ones are found as words alone. */
#define SHORT_SECRET 4

/* A text without its spelling: no white space, no escapes, small letters. */
struct plain {
	char *bytes;    /* owned, wiped */
	size_t *places; /* owned: where each byte's spelling begins; one more: where the last one ends */
	size_t len;
};

static void plain_clear(struct plain *p)
{
	if (p->bytes)
		sodium_memzero(p->bytes, p->len);
	free(p->bytes);
	free(p->places);
}
#define cleanup_plain_ cleanup_(plain_clear)

static int hex_digit(char c)
{
	return isdigit((unsigned char)c) ? c - '0' : isxdigit((unsigned char)c) ? (c | 0x20) - 'a' + 10 : -1;
}

/* A number of so many hex digits, or -1. */
static long hex_number(const char *s, size_t left, size_t digits)
{
	long n = 0;

	if (left < digits)
		return -1;
	for (size_t i = 0; i < digits; i++) {
		if (hex_digit(s[i]) < 0)
			return -1;
		n = n * 16 + hex_digit(s[i]);
	}
	return n;
}

static void add(struct plain *p, size_t place, unsigned char c)
{
	if (isspace(c) || c < ' ')
		return;
	p->bytes[p->len] = (char)tolower(c);
	p->places[p->len++] = place;
}

/* A code point as UTF-8; no longer than "\u" and its digits. */
static void add_code(struct plain *p, size_t place, long code)
{
	if (code < 0x80) {
		add(p, place, (unsigned char)code);
	} else if (code < 0x800) {
		add(p, place, (unsigned char)(0xc0 | code >> 6));
		add(p, place, (unsigned char)(0x80 | (code & 0x3f)));
	} else if (code < 0x10000) {
		add(p, place, (unsigned char)(0xe0 | code >> 12));
		add(p, place, (unsigned char)(0x80 | (code >> 6 & 0x3f)));
		add(p, place, (unsigned char)(0x80 | (code & 0x3f)));
	} else {
		add(p, place, (unsigned char)(0xf0 | code >> 18));
		add(p, place, (unsigned char)(0x80 | (code >> 12 & 0x3f)));
		add(p, place, (unsigned char)(0x80 | (code >> 6 & 0x3f)));
		add(p, place, (unsigned char)(0x80 | (code & 0x3f)));
	}
}

/* One or more backslashes and what they escape. Returns how many bytes that is. */
static size_t add_escape(struct plain *p, const char *s, size_t left, size_t place)
{
	size_t n = 0;
	long code, low;

	while (n < left && s[n] == '\\')
		n++;
	if (n == left)
		return n;
	if (strchr("nrtbf", s[n]))
		return n + 1;
	code = s[n] == 'u' ? hex_number(s + n + 1, left - n - 1, 4) : -1;
	if (code < 0)
		return n;
	n += 5;
	low = code >= 0xd800 && code < 0xdc00 && left - n >= 2 && s[n] == '\\' && s[n + 1] == 'u' ?
		      hex_number(s + n + 2, left - n - 2, 4) :
		      -1;
	if (low >= 0xdc00 && low < 0xe000) {
		code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
		n += 6;
	}
	add_code(p, place, code);
	return n;
}

static size_t add_entity(struct plain *p, const char *s, size_t left, size_t place)
{
	static const struct {
		const char *name;
		char c;
	} rows[] = {
		{ "&quot;", '"' }, { "&amp;", '&' }, { "&lt;", '<' }, { "&gt;", '>' }, { "&#39;", '\'' }, { "&#x27;", '\'' }
	};

	for (size_t i = 0; i < array_len(rows); i++) {
		size_t n = strlen(rows[i].name);

		if (n <= left && !strncasecmp(s, rows[i].name, n)) {
			add(p, place, (unsigned char)rows[i].c);
			return n;
		}
	}
	add(p, place, '&');
	return 1;
}

/* Applied to both, the secret's own backslashes and percent signs read the same on either side. */
static bool plain_init(struct plain *p, const char *s, size_t len)
{
	long code;

	*p = (struct plain){ malloc(len + 1), calloc(len + 1, sizeof(*p->places)), 0 };
	if (!p->bytes || !p->places)
		return false;
	for (size_t i = 0; i < len;) {
		if (s[i] == '\\') {
			i += add_escape(p, s + i, len - i, i);
		} else if (s[i] == '%' && (code = hex_number(s + i + 1, len - i - 1, 2)) >= 0) {
			add(p, i, (unsigned char)code);
			i += 3;
		} else if (s[i] == '&') {
			i += add_entity(p, s + i, len - i, i);
		} else {
			add(p, i, (unsigned char)s[i]);
			i++;
		}
	}
	p->places[p->len] = len;
	return true;
}

static bool is_word(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

/* Bytes of the secret that stand at this place; 0: none. */
static size_t match_at(const struct plain *text, size_t at, const struct plain *secret, unsigned flags)
{
	size_t least = flags & SCRUB_FRAGMENTS && secret->len > SCRUB_FRAGMENT ? SCRUB_FRAGMENT : secret->len;
	size_t left = text->len - at, n = least;
	const char *found;

	if (left < least)
		return 0;
	found = memmem(secret->bytes, secret->len, text->bytes + at, least);
	if (!found)
		return 0;
	while (n < left && found + n < secret->bytes + secret->len && found[n] == text->bytes[at + n])
		n++;
	return n;
}

static bool stands_alone(const char *text, size_t begin, size_t end)
{
	return (begin == 0 || !is_word(text[begin - 1])) && !is_word(text[end]);
}

/* "name[2]": where something stands in an array, and nothing of what stands there. */
static bool is_index(const char *text, size_t begin, size_t end)
{
	if (begin < 2 || text[begin - 1] != '[' || text[end] != ']' || (!is_word(text[begin - 2]) && text[begin - 2] != ']'))
		return false;
	while (begin < end && isdigit((unsigned char)text[begin]))
		begin++;
	return begin == end;
}

/* A secret's beginning at the very end. */
static size_t match_end(const struct plain *text, size_t at, const struct plain *secret)
{
	size_t left = text->len - at;

	return left < secret->len && !memcmp(text->bytes + at, secret->bytes, left) ? left : 0;
}

static void blank(char *text, const struct plain *plain, const struct plain *secret, unsigned flags)
{
	size_t to = 0, from = 0, len = plain->places[plain->len];

	for (size_t i = 0; i < plain->len;) {
		size_t n = match_at(plain, i, secret, flags), begin = plain->places[i], end, stars;

		if (!n && flags & SCRUB_CUT)
			n = match_end(plain, i, secret);
		end = n ? plain->places[i + n] : 0;
		/* White space behind it is none of it. */
		while (end > begin && n && isspace((unsigned char)text[end - 1]))
			end--;
		if (!n || (secret->len < SHORT_SECRET && (!stands_alone(text, begin, end) || is_index(text, begin, end)))) {
			i++;
			continue;
		}
		memmove(text + to, text + from, begin - from);
		to += begin - from;
		stars = end - begin < 3 ? end - begin : 3;
		memset(text + to, '*', stars);
		to += stars;
		from = end;
		i += n;
	}
	memmove(text + to, text + from, len - from + 1);
}

static bool has_control(const char *secret, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (iscntrl((unsigned char)secret[i]) && !isspace((unsigned char)secret[i]))
			return true;
	}
	return false;
}

/* A secret of control characters, without whose spelling little or nothing is left, goes as it stands; so does every other. */
static void blank_exact(char *text, const char *secret, size_t len)
{
	for (char *at = text; (at = memmem(at, strlen(at), secret, len));) {
		size_t stars = len < 3 ? len : 3;

		memset(at, '*', stars);
		memmove(at + stars, at + len, strlen(at + len) + 1);
		at += stars;
	}
}

void scrub(char *text, const char *secret, size_t len, unsigned flags)
{
	cleanup_plain_ struct plain plain = { 0 }, what = { 0 };

	if (!secret || !len || !*text)
		return;
	if (!plain_init(&plain, text, strlen(text)) || !plain_init(&what, secret, len)) {
		/* Rather nothing than a secret. */
		*text = '\0';
		return;
	}
	if (what.len)
		blank(text, &plain, &what, flags);
	/* As it stands, whatever its beginning spells together with what stands before it. */
	if (has_control(secret, len) || (what.len && len >= SHORT_SECRET))
		blank_exact(text, secret, len);
}
