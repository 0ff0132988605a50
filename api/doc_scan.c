/* A pushdown recogniser of one JSON object, fed as the bytes come. */
#include "api/doc.h"

#include <errno.h>
#include <stdarg.h>

#include "api/base/utf8.h"
#include "api/doc_scan_keys.h"

enum step {
	STEP_START,     /* white space before the object */
	STEP_FIRST_KEY, /* behind {: a key, or } */
	STEP_KEY,       /* behind a comma in an object */
	STEP_COLON,
	STEP_VALUE,       /* behind a colon, or a comma in an array */
	STEP_FIRST_VALUE, /* behind [: a value, or ] */
	STEP_AFTER,       /* behind a value: a comma, or the end */
	STEP_STRING,
	STEP_ESCAPE, /* behind a backslash */
	STEP_HEX,    /* in \uXXXX */
	STEP_LOW,    /* behind a high surrogate: the backslash of the low one */
	STEP_LOW_U,  /* and its u */
	STEP_MINUS,
	STEP_ZERO,
	STEP_DIGITS,
	STEP_POINT,
	STEP_FRACTION,
	STEP_E,
	STEP_E_SIGN,
	STEP_E_DIGITS,
	STEP_WORD, /* in true, false, null */
	STEP_END,  /* behind the object */
};

struct open {
	bool array;
	uint32_t line, column;
};

struct doc_scan {
	enum step step;
	enum doc_state state;
	uint32_t depth;
	struct open open[DOC_DEPTH_MAX];
	struct scan_keys keys;
	bool key; /* the string being read is a key */
	struct utf8 utf8;
	unsigned hex, hex_left, high;
	const char *word; /* what must still come of a literal */
	uint32_t line, column;
	uint32_t string_line, string_column;
	char what[200];
};

struct doc_scan *doc_scan_new(void)
{
	struct doc_scan *s = calloc(1, sizeof(*s));

	if (s)
		doc_scan_reset(s);
	return s;
}

struct doc_scan *doc_scan_free(struct doc_scan *s)
{
	if (s) {
		scan_keys_free(&s->keys);
		free(s);
	}
	return NULL;
}

void doc_scan_reset(struct doc_scan *s)
{
	struct scan_keys keys = s->keys;

	scan_keys_reset(&keys);
	*s = (struct doc_scan){ .step = STEP_START, .state = DOC_EMPTY, .keys = keys, .line = 1, .column = 1 };
}

static void fail(struct doc_scan *s, const char *fmt, ...) printf_like_(2, 3);
static void fail(struct doc_scan *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(s->what, sizeof(s->what), fmt, ap);
	va_end(ap);
	s->state = DOC_MALFORMED;
}

static const char *name_of(unsigned char c, char text[16])
{
	if (c > 0x20 && c < 0x7f)
		snprintf(text, 16, "'%c'", c);
	else if (c == ' ')
		snprintf(text, 16, "a space");
	else
		snprintf(text, 16, "byte 0x%02x", c);
	return text;
}

/* What those write who come from JavaScript, Python or YAML; in strings a character has no such meaning. */
static const char *hint(const struct doc_scan *s, unsigned char c)
{
	bool array = s->depth && s->open[s->depth - 1].array;

	if (s->step == STEP_ESCAPE || s->step == STEP_HEX)
		return "";
	if ((s->step == STEP_KEY && c == '}') || (s->step == STEP_VALUE && array && c == ']'))
		return " (the comma before it is one too many)";
	return c == '/' || c == '#' ? " (JSON has no comments)" : c == '\'' ? " (quotes are \" in JSON)" : "";
}

static void unexpected(struct doc_scan *s, unsigned char c, const char *wanted)
{
	char text[16];

	fail(s, "found %s where %s must stand%s", name_of(c, text), wanted, hint(s, c));
}

static bool is_space(unsigned char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void open_container(struct doc_scan *s, bool array)
{
	if (s->depth == DOC_DEPTH_MAX) {
		fail(s, "nested deeper than %d levels", DOC_DEPTH_MAX);
		return;
	}
	s->open[s->depth++] = (struct open){ array, s->line, s->column };
	s->step = array ? STEP_FIRST_VALUE : STEP_FIRST_KEY;
}

static void close_container(struct doc_scan *s)
{
	if (!s->open[s->depth - 1].array)
		scan_keys_close(&s->keys, s->depth);
	s->depth--;
	s->step = s->depth ? STEP_AFTER : STEP_END;
	if (!s->depth)
		s->state = DOC_COMPLETE;
}

static void begin_string(struct doc_scan *s, bool key)
{
	s->key = key;
	s->step = STEP_STRING;
	s->high = 0;
	s->string_line = s->line;
	s->string_column = s->column;
	if (key)
		scan_keys_begin(&s->keys);
}

static void end_key(struct doc_scan *s)
{
	size_t at = s->keys.begin, len = s->keys.text.len - at;
	int r = scan_keys_end(&s->keys, s->depth);

	s->step = STEP_COLON;
	if (r == 0)
		return;
	if (r == -EEXIST) {
		s->line = s->string_line;
		s->column = s->string_column;
		fail(s, "duplicate key \"%.*s\"", (int)(len < 80 ? len : 80), len ? s->keys.text.data + at : "");
	} else {
		fail(s, "out of memory");
	}
}

/* A decoded character of the string being read. */
static void add_char(struct doc_scan *s, unsigned c)
{
	char bytes[4];
	size_t n = utf8_encode(c, bytes);

	/* Keys are handed on as C strings. */
	if (s->key && c == 0)
		fail(s, "a key holds the character NUL");
	for (size_t i = 0; s->key && i < n; i++) {
		if (scan_keys_byte(&s->keys, bytes[i]) < 0)
			fail(s, "out of memory");
	}
}

static void in_string(struct doc_scan *s, unsigned char c)
{
	if (utf8_pending(&s->utf8)) {
		if (!utf8_next(&s->utf8, c))
			fail(s, "not UTF-8");
		else if (s->key && scan_keys_byte(&s->keys, (char)c) < 0)
			fail(s, "out of memory");
		return;
	}
	if (c == '"') {
		if (s->key)
			end_key(s);
		else
			s->step = STEP_AFTER;
	} else if (c == '\\') {
		s->step = STEP_ESCAPE;
	} else if (c < 0x20) {
		fail(s, c == '\n' ? "a string is not closed on its line (a line break in it is written \\n)" :
				    "a control character stands in a string (a tab is written \\t)");
	} else if (c >= 0x80 && !utf8_next(&s->utf8, c)) {
		fail(s, "not UTF-8");
	} else if (s->key && scan_keys_byte(&s->keys, (char)c) < 0) {
		fail(s, "out of memory");
	}
}

static void in_escape(struct doc_scan *s, unsigned char c)
{
	static const char letters[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
	const char *p = c ? strchr(letters, c) : NULL;

	if (c == 'u') {
		s->hex = 0;
		s->hex_left = 4;
		s->step = STEP_HEX;
	} else if (p) {
		s->step = STEP_STRING;
		add_char(s, (unsigned char)values[p - letters]);
	} else {
		unexpected(s, c, "one of \" \\ / b f n r t u behind a backslash");
	}
}

static void end_hex(struct doc_scan *s)
{
	bool low = s->hex >= 0xdc00 && s->hex <= 0xdfff;

	s->step = STEP_STRING;
	if (s->high && low) {
		add_char(s, 0x10000 + ((s->high - 0xd800) << 10) + (s->hex - 0xdc00));
		s->high = 0;
	} else if (s->high || low) {
		fail(s, "half of a surrogate pair stands alone (\\ud800 to \\udfff come in pairs)");
	} else if (s->hex >= 0xd800 && s->hex <= 0xdbff) {
		s->high = s->hex;
		s->step = STEP_LOW;
	} else {
		add_char(s, s->hex);
	}
}

static void in_hex(struct doc_scan *s, unsigned char c)
{
	unsigned v;

	if (c >= '0' && c <= '9')
		v = c - '0';
	else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
		v = (c | 0x20) - 'a' + 10u;
	else {
		unexpected(s, c, "a hexadecimal digit of \\uXXXX");
		return;
	}
	s->hex = s->hex * 16 + v;
	if (--s->hex_left == 0)
		end_hex(s);
}

static void begin_word(struct doc_scan *s, const char *rest)
{
	s->word = rest;
	s->step = STEP_WORD;
}

static void begin_value(struct doc_scan *s, unsigned char c)
{
	if (c == '{' || c == '[')
		open_container(s, c == '[');
	else if (c == '"')
		begin_string(s, false);
	else if (c == '-')
		s->step = STEP_MINUS;
	else if (c == '0')
		s->step = STEP_ZERO;
	else if (c >= '1' && c <= '9')
		s->step = STEP_DIGITS;
	else if (c == 't')
		begin_word(s, "rue");
	else if (c == 'f')
		begin_word(s, "alse");
	else if (c == 'n')
		begin_word(s, "ull");
	else
		unexpected(s, c, "a value");
}

static void after_value(struct doc_scan *s, unsigned char c)
{
	bool array = s->open[s->depth - 1].array;

	if (c == ',')
		s->step = array ? STEP_VALUE : STEP_KEY;
	else if (c == (array ? ']' : '}'))
		close_container(s);
	else
		unexpected(s, c, array ? "',' or ']'" : "',' or '}'");
}

/* A number has no end of its own: true where c belongs to it, false where it ended before c. */
static bool in_number(struct doc_scan *s, unsigned char c)
{
	bool digit = c >= '0' && c <= '9', e = c == 'e' || c == 'E';

	switch (s->step) {
	case STEP_MINUS:
		s->step = c == '0' ? STEP_ZERO : STEP_DIGITS;
		break;
	case STEP_ZERO:
	case STEP_DIGITS:
		if (digit && s->step == STEP_ZERO) {
			fail(s, "a number begins with 0");
			return true;
		}
		if (digit)
			return true;
		if (c != '.' && !e)
			return false;
		s->step = e ? STEP_E : STEP_POINT;
		return true;
	case STEP_POINT:
		s->step = STEP_FRACTION;
		break;
	case STEP_FRACTION:
		if (!digit && !e)
			return false;
		s->step = e ? STEP_E : STEP_FRACTION;
		return true;
	case STEP_E:
		s->step = c == '+' || c == '-' ? STEP_E_SIGN : STEP_E_DIGITS;
		if (s->step == STEP_E_SIGN)
			return true;
		break;
	case STEP_E_SIGN:
		s->step = STEP_E_DIGITS;
		break;
	default:
		return digit;
	}
	if (!digit)
		unexpected(s, c, "a digit");
	return true;
}

static void in_object(struct doc_scan *s, unsigned char c)
{
	if (c == '"')
		begin_string(s, true);
	else if (c == '}' && s->step == STEP_FIRST_KEY)
		close_container(s);
	else
		unexpected(s, c, s->step == STEP_FIRST_KEY ? "a key in quotes, or '}'" : "a key in quotes");
}

static void at_start(struct doc_scan *s, unsigned char c)
{
	if (c == '{') {
		s->state = DOC_INCOMPLETE;
		open_container(s, false);
	} else if (c == 0xef) {
		fail(s, "begins with a byte order mark: write it as UTF-8 without one");
	} else if (c == 0xfe || c == 0xff) {
		fail(s, "is UTF-16: write it as UTF-8");
	} else {
		unexpected(s, c, "'{', the start of a JSON object,");
	}
}

static void structure(struct doc_scan *s, unsigned char c)
{
	switch (s->step) {
	case STEP_START:
		at_start(s, c);
		break;
	case STEP_FIRST_KEY:
	case STEP_KEY:
		in_object(s, c);
		break;
	case STEP_COLON:
		if (c == ':')
			s->step = STEP_VALUE;
		else
			unexpected(s, c, "':'");
		break;
	case STEP_FIRST_VALUE:
		if (c == ']')
			close_container(s);
		else
			begin_value(s, c);
		break;
	case STEP_VALUE:
		begin_value(s, c);
		break;
	case STEP_AFTER:
		after_value(s, c);
		break;
	default:
		fail(s, "something stands behind the end of the document");
		break;
	}
}

static void in_word(struct doc_scan *s, unsigned char c)
{
	if (c != (unsigned char)*s->word)
		fail(s, "not a value (only true, false and null are written without quotes)");
	else if (!*++s->word)
		s->step = STEP_AFTER;
}

static void feed_byte(struct doc_scan *s, unsigned char c)
{
	if (s->step >= STEP_MINUS && s->step <= STEP_E_DIGITS) {
		if (in_number(s, c))
			return;
		s->step = STEP_AFTER;
	}
	switch (s->step) {
	case STEP_STRING:
		in_string(s, c);
		break;
	case STEP_ESCAPE:
		in_escape(s, c);
		break;
	case STEP_HEX:
		in_hex(s, c);
		break;
	case STEP_LOW:
	case STEP_LOW_U:
		if (c != (s->step == STEP_LOW ? '\\' : 'u'))
			fail(s, "half of a surrogate pair stands alone (\\ud800 to \\udfff come in pairs)");
		s->step = s->step == STEP_LOW ? STEP_LOW_U : STEP_HEX;
		s->hex = 0;
		s->hex_left = 4;
		break;
	case STEP_WORD:
		in_word(s, c);
		break;
	default:
		if (!is_space(c))
			structure(s, c);
		break;
	}
}

enum doc_state doc_scan_feed(struct doc_scan *s, const char *data, size_t len)
{
	for (size_t i = 0; i < len && s->state != DOC_MALFORMED; i++) {
		unsigned char c = (unsigned char)data[i];

		feed_byte(s, c);
		if (s->state == DOC_MALFORMED)
			break;
		if (c == '\n') {
			s->line++;
			s->column = 1;
		} else if ((c & 0xc0) != 0x80) {
			s->column++;
		}
	}
	return s->state;
}

void doc_scan_error(const struct doc_scan *s, struct err *err)
{
	const struct open *o = s->depth ? &s->open[s->depth - 1] : NULL;

	if (s->state == DOC_MALFORMED)
		err_set(err, EINVAL, "line %u, column %u: %s", s->line, s->column, s->what);
	else if (s->state == DOC_EMPTY)
		err_set(err, EINVAL, "the document is empty: it must be a JSON object");
	else if (o)
		err_set(err, EINVAL, "line %u, column %u: the document stops early: the %s of line %u, column %u is not closed",
			s->line, s->column, o->array ? "array" : "object", o->line, o->column);
}
