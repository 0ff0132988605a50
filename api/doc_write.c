/* JSON values as text. */
#include "api/doc_json.h"

#include <errno.h>

#include "api/base/utf8.h"

struct writer {
	struct buf *out;
	bool compact;
	unsigned level;
	int error;
};

static void add(struct writer *w, const char *text, size_t len)
{
	if (w->error == 0)
		w->error = buf_add(w->out, text, len);
}

static void adds(struct writer *w, const char *text)
{
	add(w, text, strlen(text));
}

static void line(struct writer *w)
{
	if (w->compact)
		return;
	adds(w, "\n");
	for (unsigned i = 0; i < w->level; i++)
		adds(w, "  ");
}

static void write_escape(struct writer *w, unsigned char c)
{
	static const char plain[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
	const char *p = c ? strchr(plain, c) : NULL;
	char text[8];

	if (p)
		snprintf(text, sizeof(text), "\\%c", letters[p - plain]);
	else
		snprintf(text, sizeof(text), "\\u%04x", c);
	adds(w, text);
}

/* What the service sends is shown even where it is no UTF-8. */
#define REPLACEMENT "\xef\xbf\xbd"

static void write_string(struct writer *w, const char *s, size_t len)
{
	const unsigned char *p = (const unsigned char *)s;
	size_t done = 0, i = 0;

	adds(w, "\"");
	while (i < len) {
		size_t n;

		if (p[i] >= 0x20 && p[i] < 0x7f && p[i] != '"' && p[i] != '\\') {
			i++;
			continue;
		}
		n = utf8_length(s + i, len - i);
		if (n && p[i] >= 0x20 && p[i] != '"' && p[i] != '\\') {
			i += n;
			continue;
		}
		add(w, s + done, i - done);
		if (n)
			write_escape(w, p[i]);
		else
			adds(w, REPLACEMENT);
		done = ++i;
	}
	add(w, s + done, i - done);
	adds(w, "\"");
}

static void write_value(struct writer *w, struct json_object *v);

static void write_object(struct writer *w, struct json_object *v)
{
	bool first = true;

	adds(w, "{");
	w->level++;
	json_object_object_foreach(v, key, value) {
		if (!first)
			adds(w, ",");
		first = false;
		line(w);
		write_string(w, key, strlen(key));
		adds(w, w->compact ? ":" : ": ");
		write_value(w, value);
	}
	w->level--;
	if (!first)
		line(w);
	adds(w, "}");
}

static void write_array(struct writer *w, struct json_object *v)
{
	size_t n = json_object_array_length(v);

	adds(w, "[");
	w->level++;
	for (size_t i = 0; i < n; i++) {
		if (i)
			adds(w, ",");
		line(w);
		write_value(w, json_object_array_get_idx(v, i));
	}
	w->level--;
	if (n)
		line(w);
	adds(w, "]");
}

static void write_value(struct writer *w, struct json_object *v)
{
	char text[NUMBER_TEXT_SIZE];

	switch (json_object_get_type(v)) {
	case json_type_null:
		adds(w, "null");
		break;
	case json_type_boolean:
		adds(w, json_object_get_boolean(v) ? "true" : "false");
		break;
	case json_type_int:
	case json_type_double:
		adds(w, doc_number_text(v, text));
		break;
	case json_type_string:
		write_string(w, json_object_get_string(v), (size_t)json_object_get_string_len(v));
		break;
	case json_type_object:
		write_object(w, v);
		break;
	case json_type_array:
		write_array(w, v);
		break;
	}
}

int doc_write(struct json_object *v, bool compact, struct buf *out)
{
	struct writer w = { .out = out, .compact = compact };
	size_t len = out->len;

	write_value(&w, v);
	if (w.error < 0)
		buf_resize(out, len);
	return w.error;
}
