#include "api/envelope.h"

#include <ctype.h>
#include <errno.h>
#include <json-c/json.h>
#include <strings.h>

#include "api/errors.h"
#include "api/oneline.h"

/* How many of several errors, and how much of a text that is no JSON, a message shows. */
#define ERRORS_SHOWN  4
#define QUOTE_MAX     120
#define DETAILS_DEPTH 8

/* What was found out about a failure. */
struct failure {
	char code[64];
	int number;
	char request_id[80];
	char text[sizeof(((struct err *)0)->text)];
	struct oneline line; /* of text */
	unsigned shown;
};

static struct json_object *get(struct json_object *object, const char *key)
{
	struct json_object *value;

	if (!json_object_is_type(object, json_type_object) || !json_object_object_get_ex(object, key, &value))
		return NULL;
	return value;
}

static const char *get_text(struct json_object *object, const char *key)
{
	struct json_object *value = get(object, key);

	return json_object_is_type(value, json_type_string) ? json_object_get_string(value) : NULL;
}

/* The whole of the text as one JSON value. NULL where it is none. */
static struct json_object *parse_whole(const char *body, size_t len)
{
	struct json_tokener *tokener;
	struct json_object *object = NULL;
	size_t end;

	while (len && isspace((unsigned char)body[len - 1]))
		len--;
	if (!len || len > INT32_MAX)
		return NULL;
	tokener = json_tokener_new_ex(ENVELOPE_DEPTH);
	if (!tokener)
		return NULL;
	object = json_tokener_parse_ex(tokener, body, (int)len);
	end = json_tokener_get_parse_end(tokener);
	if (json_tokener_get_error(tokener) != json_tokener_success || end != len) {
		json_object_put(object);
		object = NULL;
	}
	json_tokener_free(tokener);
	return object;
}

/* ---- failures ---- */

/* The API's words are in capitals: "VALIDATE_INPUT", perhaps with a text behind. */
static bool take_word(struct failure *f, const char *s)
{
	size_t n = s ? strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") : 0;

	if (n < 3 || n >= sizeof(f->code) || !isupper((unsigned char)*s) || (s[n] && s[n] != ':' && s[n] != ' ') ||
	    !memchr(s, '_', n))
		return false;
	if (!f->code[0])
		snprintf(f->code, sizeof(f->code), "%.*s", (int)n, s);
	return !s[n];
}

static void take_request_id(struct failure *f, struct json_object *object)
{
	const char *id = get_text(object, "request_id");
	struct oneline line;

	if (!id || f->request_id[0])
		return;
	oneline_init(&line, f->request_id, sizeof(f->request_id));
	oneline_adds(&line, id);
}

/* Adds "path: text", or the text alone. The same thing said twice is shown once. */
static void add_item(struct failure *f, const char *path, const char *text)
{
	char item[sizeof(f->text)];
	struct oneline line;

	oneline_init(&line, item, sizeof(item));
	if (*path && strcmp(path, "message")) {
		oneline_adds(&line, path);
		oneline_adds(&line, ": ");
	}
	oneline_adds(&line, text);
	if (!line.len || strstr(f->text, item))
		return;
	if (f->shown++)
		oneline_adds(&f->line, "; ");
	oneline_adds(&f->line, item);
}

/* details: {field: reason}, perhaps nested; shows "field.path: reason". */
static void add_details(struct failure *f, struct json_object *value, const char *path, unsigned depth)
{
	char deeper[160];

	if (!value || depth > DETAILS_DEPTH || f->line.cut)
		return;
	if (json_object_is_type(value, json_type_object)) {
		json_object_object_foreach(value, key, child) {
			snprintf(deeper, sizeof(deeper), "%s%s%s", path, *path ? "." : "", key);
			add_details(f, child, deeper, depth + 1);
		}
		return;
	}
	if (json_object_is_type(value, json_type_array)) {
		for (size_t i = 0; i < json_object_array_length(value); i++)
			add_details(f, json_object_array_get_idx(value, i), path, depth + 1);
		return;
	}
	add_item(f, path, json_object_get_string(value));
}

/* {"error": …, "details": …, "request_id": …}, wherever it stands. Whether it was one. */
static bool take_error_document(struct failure *f, struct json_object *object)
{
	const char *word = get_text(object, "error");
	struct json_object *details = get(object, "details");
	unsigned before = f->shown;

	if (!word && !details)
		return false;
	take_request_id(f, object);
	add_details(f, details, "", 0);
	if (word && !take_word(f, word) && f->shown == before)
		add_item(f, "", word);
	return true;
}

static void take_message(struct failure *f, const char *message)
{
	struct json_object *inner;

	while (isspace((unsigned char)*message))
		message++;
	inner = *message == '{' ? parse_whole(message, strlen(message)) : NULL;
	if (!take_error_document(f, inner) && !take_word(f, message) && *message)
		add_item(f, "", message);
	json_object_put(inner);
}

static void take_errors(struct failure *f, struct json_object *errors, unsigned depth)
{
	size_t n = json_object_is_type(errors, json_type_array) ? json_object_array_length(errors) : 0;

	for (size_t i = 0; i < n && i < ERRORS_SHOWN; i++) {
		struct json_object *item = json_object_array_get_idx(errors, i), *code = get(item, "code");
		const char *message =
			json_object_is_type(item, json_type_string) ? json_object_get_string(item) : get_text(item, "message");

		if (json_object_is_type(code, json_type_string))
			take_word(f, json_object_get_string(code));
		else if (!f->number && code)
			f->number = json_object_get_int(code);
		take_request_id(f, item);
		if (message)
			take_message(f, message);
		if (depth == 0)
			take_errors(f, get(item, "error_chain"), 1);
	}
}

static void report(struct failure *f, int status, bool writing, struct err *err, struct envelope_facts *facts)
{
	const char *sentence;
	int errnum = errors_lookup(status, f->code, f->number, f->text, writing, &sentence);

	facts->refused_credentials = errnum == EACCES || status == 403;
	if (!err)
		return;
	err->http_status = status;
	err->api_code = f->number;
	memcpy(err->code, f->code, sizeof(err->code));
	if (f->request_id[0])
		memcpy(err->request_id, f->request_id, sizeof(err->request_id));
	if (f->text[0] && sentence && !strcasestr(f->text, sentence))
		err_set(err, errnum, "%s: %.400s", sentence, f->text);
	else if (f->text[0])
		err_set(err, errnum, "%.500s", f->text);
	else if (sentence)
		err_set(err, errnum, "%s", sentence);
	else if (f->code[0])
		err_set(err, errnum, "the service answered %s (%d)", f->code, status);
	else
		err_set(err, errnum, "the service answered with an error (%d)", status);
	err->errnum = errnum;
}

static int take_failure(int status, struct json_object *root, bool writing, struct err *err, struct envelope_facts *facts)
{
	struct failure f = { 0 };
	const char *ignored;

	oneline_init(&f.line, f.text, sizeof(f.text));
	take_errors(&f, get(root, "errors"), 0);
	take_error_document(&f, root);
	if (!f.shown && get_text(root, "message"))
		take_message(&f, get_text(root, "message"));
	report(&f, status, writing, err, facts);
	return -errors_lookup(status, f.code, f.number, f.text, writing, &ignored);
}

/* ---- what is no answer of the API ---- */

static bool looks_like_html(const char *content_type, const char *body, size_t len)
{
	while (len && isspace((unsigned char)*body)) {
		body++;
		len--;
	}
	return !strncasecmp(content_type, "text/html", 9) || (len && *body == '<');
}

/* Markup is dropped: what a page says, not how it looks. */
static void quote_text(const char *body, size_t len, char *text, size_t size)
{
	struct oneline line;
	bool tag = false;

	oneline_init(&line, text, size);
	for (size_t i = 0; i < len && !line.cut; i++) {
		size_t begin = i;

		if (body[i] == '<' || body[i] == '>') {
			tag = body[i] == '<';
			oneline_adds(&line, " ");
			continue;
		}
		while (i + 1 < len && body[i + 1] != '<' && body[i + 1] != '>')
			i++;
		if (!tag)
			oneline_add(&line, body + begin, i + 1 - begin > size ? size : i + 1 - begin);
	}
}

/* Statuses that say enough by themselves: a server without the API's manners still means them. */
static bool status_speaks(int status, bool html)
{
	return status == 401 || status == 403 || status == 429 ||
	       (!html && (status == 404 || status == 405 || status == 409 || status == 412));
}

static int take_foreign(int status, const char *content_type, const char *body, size_t len, bool writing, struct err *err,
			struct envelope_facts *facts)
{
	bool html = looks_like_html(content_type, body, len);
	const char *type = *content_type ? content_type : html ? "text/html" : "text", *sentence;
	char quote[QUOTE_MAX];
	int errnum = EIO;

	if (status_speaks(status, html))
		errnum = errors_lookup(status, "", 0, "", writing, &sentence);
	else
		facts->foreign = true;
	facts->refused_credentials = status == 401 || status == 403;
	if (err)
		err->http_status = status;
	quote_text(body, len, quote, sizeof(quote));
	if (status >= 300 && status < 400)
		return err_set(err, errnum, "the address answered with a redirect (%d), which is not followed", status);
	if (!len)
		return err_set(err, errnum, "the answer was empty (%d)", status);
	if (status < 300 && (*body == '{' || *body == '['))
		return err_set(err, errnum, "the answer was cut off or is not JSON (%s, %d, %zu bytes)", type, status, len);
	return err_set(err, errnum, "the answer was not JSON (%s, %d): %s", type, status, quote);
}

/* ---- answers ---- */

static int take_success(int status, struct json_object *root, struct answer *ret)
{
	bool enveloped = json_object_is_type(get(root, "success"), json_type_boolean);

	ret->status = status;
	ret->result = json_object_get(enveloped ? get(root, "result") : root);
	ret->result_info = enveloped ? json_object_get(get(root, "result_info")) : NULL;
	return 0;
}

int envelope_take(int status, const char *content_type, const char *body, size_t len, bool writing, struct answer *ret,
		  struct err *err, struct envelope_facts *facts)
{
	struct json_object *root = NULL, *success;
	bool fine = status >= 200 && status < 300;
	int r;

	memset(facts, 0, sizeof(*facts));
	if (status == 204 || status == 205)
		return take_success(status, NULL, ret);
	root = len ? parse_whole(body, len) : NULL;
	success = get(root, "success");
	if (!json_object_is_type(root, json_type_object) && !(fine && json_object_is_type(root, json_type_array)))
		r = take_foreign(status, content_type, body ? body : "", len, writing, err, facts);
	else if (fine && !(json_object_is_type(success, json_type_boolean) && !json_object_get_boolean(success)))
		r = take_success(status, root, ret);
	else if (status >= 300 && status < 400)
		r = take_foreign(status, content_type, body, len, writing, err, facts);
	else
		r = take_failure(status, root, writing, err, facts);
	json_object_put(root);
	return r;
}

int envelope_parse(int status, const char *body, size_t len, bool writing, struct answer *ret, struct err *err)
{
	struct envelope_facts facts;

	return envelope_take(status, "", body, len, writing, ret, err, &facts);
}

void answer_clear(struct answer *answer)
{
	json_object_put(answer->result);
	json_object_put(answer->result_info);
	memset(answer, 0, sizeof(*answer));
}
