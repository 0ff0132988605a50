/* Text to a tree. The scanner says whether it is JSON; what is left is to build, without a question. */
#include "api/doc.h"

#include <errno.h>

#include "api/base/utf8.h"
#include "api/doc_json.h"

/* Many small arrays fit in 1 MiB of text; json-c would take 32 places for each. */
#define ARRAY_START 4

struct parser {
	const char *p;   /* ends with a NUL behind the document's last brace at the latest */
	struct buf text; /* a string being decoded, a number */
};

static void skip_space(struct parser *s)
{
	while (*s->p == ' ' || *s->p == '\t' || *s->p == '\n' || *s->p == '\r')
		s->p++;
}

static unsigned hex4(const char *p)
{
	unsigned v = 0;

	for (int i = 0; i < 4; i++)
		v = v * 16 + (unsigned)(p[i] <= '9' ? p[i] - '0' : (p[i] | 0x20) - 'a' + 10);
	return v;
}

static int decode_unicode(struct parser *s)
{
	unsigned c = hex4(s->p);
	char bytes[4];

	s->p += 4;
	if (c >= 0xd800 && c <= 0xdbff) {
		c = 0x10000 + ((c - 0xd800) << 10) + (hex4(s->p + 2) - 0xdc00);
		s->p += 6;
	}
	return buf_add(&s->text, bytes, utf8_encode(c, bytes));
}

static int decode_escape(struct parser *s)
{
	static const char letters[] = "bfnrt", values[] = "\b\f\n\r\t";
	char c = *s->p++;
	const char *p;

	if (c == 'u')
		return decode_unicode(s);
	p = strchr(letters, c);
	return buf_addc(&s->text, p ? values[p - letters] : c);
}

/* Leaves the decoded string in text. */
static int decode_string(struct parser *s)
{
	int r = 0;

	buf_clear(&s->text);
	s->p++;
	while (r == 0 && *s->p != '"') {
		size_t n = strcspn(s->p, "\"\\");

		r = buf_add(&s->text, s->p, n);
		s->p += n;
		if (r == 0 && *s->p == '\\') {
			s->p++;
			r = decode_escape(s);
		}
	}
	s->p++;
	return r;
}

static struct json_object *parse_string(struct parser *s)
{
	if (decode_string(s) < 0)
		return NULL;
	return json_object_new_string_len(s->text.len ? s->text.data : "", (int)s->text.len);
}

static struct json_object *parse_number(struct parser *s)
{
	size_t n = strspn(s->p, "+-0123456789.eE");
	bool whole = strcspn(s->p, ".eE") >= n;
	long long v;

	buf_clear(&s->text);
	if (buf_add(&s->text, s->p, n) < 0)
		return NULL;
	s->p += n;
	errno = 0;
	v = strtoll(s->text.data, NULL, 10);
	if (whole && errno == 0)
		return json_object_new_int64(v);
	/* The text stays beside the double. */
	return json_object_new_double_s(strtod(s->text.data, NULL), s->text.data);
}

static int parse_value(struct parser *s, struct json_object **ret);

static int parse_member(struct parser *s, struct json_object *object)
{
	cleanup_free_ char *key = NULL;
	struct json_object *v = NULL;
	int r = decode_string(s);

	if (r < 0)
		return r;
	key = strdup(s->text.len ? s->text.data : "");
	if (!key)
		return -ENOMEM;
	skip_space(s);
	s->p++;
	r = parse_value(s, &v);
	if (r < 0)
		return r;
	return v ? doc_set(object, key, v) : doc_set_null(object, key);
}

static int parse_element(struct parser *s, struct json_object *array)
{
	struct json_object *v = NULL;
	int r = parse_value(s, &v);

	return r < 0 ? r : doc_append(array, v);
}

static int parse_container(struct parser *s, struct json_object **ret)
{
	bool array = *s->p == '[';
	cleanup_json_ struct json_object *v = array ? json_object_new_array_ext(ARRAY_START) : json_object_new_object();
	int r = v ? 0 : -ENOMEM;

	s->p++;
	skip_space(s);
	while (r == 0 && *s->p != ']' && *s->p != '}') {
		r = array ? parse_element(s, v) : parse_member(s, v);
		skip_space(s);
		if (r == 0 && *s->p == ',')
			s->p++;
		skip_space(s);
	}
	s->p++;
	if (r == 0)
		*ret = steal_ptr(v);
	return r;
}

static int parse_value(struct parser *s, struct json_object **ret)
{
	skip_space(s);
	switch (*s->p) {
	case '{':
	case '[':
		return parse_container(s, ret);
	case '"':
		*ret = parse_string(s);
		break;
	case 't':
		s->p += 4;
		*ret = json_object_new_boolean(1);
		break;
	case 'f':
		s->p += 5;
		*ret = json_object_new_boolean(0);
		break;
	case 'n':
		s->p += 4;
		*ret = NULL;
		return 0;
	default:
		*ret = parse_number(s);
		break;
	}
	return *ret ? 0 : -ENOMEM;
}

static int scan_whole(const char *text, size_t len, struct err *err)
{
	cleanup_(doc_scan_freep) struct doc_scan *scan = NULL;

	if (len > DOC_BYTES_MAX)
		return err_set(err, EFBIG, "the document is larger than %zu bytes", DOC_BYTES_MAX);
	scan = doc_scan_new();
	if (!scan)
		return err_set(err, ENOMEM, "out of memory");
	if (doc_scan_feed(scan, text, len) == DOC_COMPLETE)
		return 0;
	doc_scan_error(scan, err);
	return -EINVAL;
}

int doc_parse(const char *text, size_t len, struct json_object **ret, struct err *err)
{
	/* Whatever the document holds may be a secret: a NUL-terminated copy of it does not stay behind. */
	cleanup_buf_wipe_ struct buf copy = BUF_INIT;
	struct parser s = { .text = BUF_INIT };
	int r = scan_whole(text, len, err);

	if (r < 0)
		return r;
	r = buf_add(&copy, text, len);
	if (r == 0) {
		s.p = copy.data;
		r = parse_value(&s, ret);
	}
	buf_wipe(&s.text);
	return r < 0 ? err_set(err, -r, "out of memory for the document") : 0;
}
