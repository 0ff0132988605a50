/* What an answer must hold, and what it would take. */
#include "api/envelope.h"

#include <ctype.h>
#include <errno.h>
#include <json-c/json.h>
#include <strings.h>

#include "api/operation.h"

static bool has_text(struct json_object *object, const char *key)
{
	const char *text = json_get_string(object, key);

	return text && *text;
}

static int check_items(const struct operation *operation, bool bare, const struct answer *answer, struct err *err)
{
	struct json_object *items = answer->result;

	if (operation->list_key && json_object_is_type(items, json_type_object) &&
	    !json_object_object_get_ex(items, operation->list_key, &items))
		items = NULL;
	if (!json_object_is_type(items, json_type_array))
		return err_set(err, EIO, "the answer to %s holds no list", operation->id);
	for (size_t i = 0; i < json_object_array_length(items); i++) {
		struct json_object *item = json_object_array_get_idx(items, i);

		if (!json_object_is_type(item, json_type_object))
			return err_set(err, EIO, "item %zu of the answer to %s is no object", i, operation->id);
		if (operation->must && !has_text(item, operation->must))
			return err_set(err, EIO, "item %zu of the answer to %s has no \"%s\"", i, operation->id, operation->must);
	}
	if (operation->paging == PAGING_TOKEN && !bare && !json_object_is_type(answer->result_info, json_type_object))
		return err_set(err, EIO, "the answer to %s has no result_info: nothing says whether it is all", operation->id);
	return 0;
}

static int check_holds(const struct operation *operation, struct json_object *object, struct err *err)
{
	const char *word = operation->holds ? operation->holds : "";

	for (size_t n; *word; word += n + strspn(word + n, "[] ")) {
		char key[64];
		struct json_object *member;
		bool array;

		n = strcspn(word, "[ ");
		array = word[n] == '[';
		snprintf(key, sizeof(key), "%.*s", (int)n, word);
		if (!json_object_object_get_ex(object, key, &member) ||
		    !json_object_is_type(member, array ? json_type_array : json_type_object))
			return err_set(err, EIO, "the answer to %s has no \"%s\"", operation->id, key);
	}
	return 0;
}

/* Whether the last {} of the operation's path stands for this identity. In other cases of its letters a UUID is the same. */
static bool is_named(const struct operation *operation, const char *path, const char *identity)
{
	const char *last = NULL;
	cleanup_free_ char *text = NULL;
	size_t n;

	for (const char *at = operation->path; (at = strstr(at, "{}")); at++)
		last = at;
	for (const char *at = operation->path; at < last; at += *at == '/') {
		at += strcspn(at, "/");
		path += strcspn(path, "/");
		path += *path == '/';
	}
	n = strcspn(path, "/?");
	return kind_path("{id}", NULL, identity, NULL, &text) == 0 && strlen(text) == n && !strncasecmp(text, path, n);
}

int answer_check(const struct operation *operation, const char *path, bool bare, const struct answer *answer, struct err *err)
{
	if (!operation)
		return 0;
	switch (operation->answers) {
	case ANSWER_ITEMS:
		return check_items(operation, bare, answer, err);
	case ANSWER_OBJECT:
		if (!json_object_is_type(answer->result, json_type_object))
			return err_set(err, EIO, "the answer to %s holds no result", operation->id);
		if (operation->must && !has_text(answer->result, operation->must))
			return err_set(err, EIO, "the answer to %s has no \"%s\"", operation->id, operation->must);
		if (operation->itself && path && !is_named(operation, path, json_get_string(answer->result, operation->must)))
			return err_set(err, EIO, "the answer to %s is about another one: its \"%s\" is %.100s", operation->id,
				       operation->must, json_get_string(answer->result, operation->must));
		return check_holds(operation, answer->result, err);
	case ANSWER_NONE:
		break;
	}
	return 0;
}

/* json-c's memory, with malloc's own: an object has its table from the start, a key and a text are copies. */
enum { BYTES_OBJECT = 800, BYTES_ARRAY = 160, BYTES_TEXT = 64, BYTES_VALUE = 72 };

static const char *skip_text(const char *p, const char *end)
{
	while (p < end && *p != '"')
		p += *p == '\\' && p + 1 < end ? 2 : 1;
	return p;
}

bool answer_measure(const char *text, size_t len, size_t *ret_bytes, unsigned *ret_depth)
{
	bool plain = true;
	unsigned depth = 0, deepest = 0;
	const char *end = text + len;
	size_t bytes = 0;
	char before = '\0'; /* the last one that is no blank */

	for (const char *p = text; p < end; p++) {
		const char *begin = p;

		switch (*p) {
		case '{':
		case '[':
			bytes += *p == '{' ? BYTES_OBJECT : BYTES_ARRAY;
			deepest = ++depth > deepest ? depth : deepest;
			break;
		case '}':
		case ']':
			plain &= before != ',';
			depth -= depth > 0;
			break;
		case ',':
			bytes += BYTES_VALUE;
			break;
		/* NaN, Infinity, comments, texts in single quotes. */
		case 'N':
		case 'I':
		case '/':
		case '\'':
			plain = false;
			break;
		case '"':
			p = skip_text(p + 1, end);
			bytes += BYTES_TEXT + (size_t)(p - begin);
			break;
		}
		before = isspace((unsigned char)*begin) ? before : *begin;
	}
	*ret_bytes = bytes;
	*ret_depth = deepest;
	return plain;
}
