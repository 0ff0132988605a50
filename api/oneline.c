#include "api/oneline.h"

#include <ctype.h>
#include <json-c/json.h>

#include "api/base/rand.h"
#include "api/base/scrub.h"
#include "api/base/utf8.h"

#define SCRUB_DEPTH 32

void oneline_init(struct oneline *line, char *text, size_t size)
{
	*line = (struct oneline){ .text = text, .size = size };
	text[0] = '\0';
}

static void put(struct oneline *line, const char *s, size_t n)
{
	if (line->cut || line->len + n + 1 > line->size) {
		line->cut = true;
		return;
	}
	memcpy(line->text + line->len, s, n);
	line->len += n;
	line->text[line->len] = '\0';
}

void oneline_add(struct oneline *line, const char *s, size_t len)
{
	size_t n;

	for (size_t i = 0; i < len && !line->cut; i += n) {
		unsigned char c = (unsigned char)s[i];

		n = utf8_length(s + i, len - i);
		if (!n) {
			n = 1;
			put(line, "?", 1);
		} else if (c <= ' ' || c == 0x7f || (c == 0xc2 && (unsigned char)s[i + 1] < 0xa0)) {
			if (line->len && line->text[line->len - 1] != ' ')
				put(line, " ", 1);
		} else {
			put(line, s + i, n);
		}
	}
}

void oneline_adds(struct oneline *line, const char *s)
{
	oneline_add(line, s, strlen(s));
}

/* A text of a failure is cut where it is long. */
#define LONG_TEXT 300

static unsigned cut_flag(const char *text)
{
	return strlen(text) >= LONG_TEXT ? SCRUB_CUT : 0;
}

void scrub_token(char *text, const char *token)
{
	if (token)
		scrub(text, token, strlen(token), SCRUB_FRAGMENTS | cut_flag(text));
}

static bool names_secret(const char *key)
{
	/* "secret" is none of them: in the API it holds a secret's name. */
	static const char *const keys[] = { "value", "private_credential", "password", "token" };

	for (size_t i = 0; i < array_len(keys); i++) {
		if (!strcmp(key, keys[i]))
			return true;
	}
	return false;
}

/* What all who may read the document see: a container's environment, and labels. People have put passwords there. */
static bool is_open(const char *key)
{
	return !strcmp(key, "environment_variables") || !strcmp(key, "labels");
}

/* The shortest of them that could be one. */
#define OPEN_SECRET_MIN 4

/* "2" and "true" stand in messages of their own accord: taken out, they would hide nothing and spoil the message. */
static bool may_be_secret(const char *value)
{
	static const char *const words[] = { "true", "false", "null" };

	for (size_t i = 0; i < array_len(words); i++) {
		if (!strcmp(value, words[i]))
			return false;
	}
	return strlen(value) >= OPEN_SECRET_MIN;
}

/* Of what is open only the whole value. */
static void scrub_string(char *text, struct json_object *string, bool open)
{
	const char *value = json_object_get_string(string);

	if (!open || may_be_secret(value))
		scrub(text, value, (size_t)json_object_get_string_len(string), (open ? 0 : SCRUB_FRAGMENTS) | cut_flag(text));
}

static void scrub_object(char *text, struct json_object *object, bool secret, bool open, unsigned depth)
{
	if (!object || depth > SCRUB_DEPTH)
		return;
	switch (json_object_get_type(object)) {
	case json_type_string:
		if (secret)
			scrub_string(text, object, open);
		break;
	case json_type_array:
		for (size_t i = 0; i < json_object_array_length(object); i++)
			scrub_object(text, json_object_array_get_idx(object, i), secret, open, depth + 1);
		break;
	case json_type_object: {
		json_object_object_foreach(object, key, value)
			scrub_object(text, value, secret || names_secret(key), open || is_open(key), depth + 1);
		break;
	}
	default:
		break;
	}
}

void scrub_body(char *text, const char *body, size_t len)
{
	struct json_tokener *tokener;
	struct json_object *object;

	if (!body || !len || !text[0] || len > INT32_MAX)
		return;
	tokener = json_tokener_new_ex(SCRUB_DEPTH);
	if (!tokener) {
		text[0] = '\0';
		return;
	}
	object = json_tokener_parse_ex(tokener, body, (int)len);
	scrub_object(text, object, false, false, 0);
	json_object_put(object);
	json_tokener_free(tokener);
}
