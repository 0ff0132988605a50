#include "api/envelope.h"

#include <ctype.h>
#include <errno.h>
#include <json-c/json.h>
#include <strings.h>

#include "api/complaint.h"
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
	const char *policy; /* of the document; complaints for another are left out; NULL: none is */
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
	if (!complaint_is_foreign(f->policy, path, json_object_get_string(value)))
		add_item(f, path, json_object_get_string(value));
}

/* Where there are only complaints for another policy, they are what there is to say. */
static void add_own_details(struct failure *f, struct json_object *details)
{
	unsigned before = f->shown;

	add_details(f, details, "", 0);
	if (f->shown > before || !f->policy)
		return;
	f->policy = NULL;
	add_details(f, details, "", 0);
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
	add_own_details(f, details);
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

static void report(struct failure *f, int status, int errnum, const char *sentence, struct err *err, struct envelope_facts *facts)
{

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

static int take_failure(const struct envelope *in, struct json_object *root, struct err *err, struct envelope_facts *facts)
{
	struct failure f = { .policy = in->policy };
	const char *sentence;
	int errnum;

	oneline_init(&f.line, f.text, sizeof(f.text));
	take_errors(&f, get(root, "errors"), 0);
	take_error_document(&f, root);
	if (!f.shown && get_text(root, "message"))
		take_message(&f, get_text(root, "message"));
	errnum = errors_lookup(in->status, f.code, f.number, f.text, in->writing, &sentence);
	report(&f, in->status, errnum, sentence, err, facts);
	return -errnum;
}

/* A 2xx that does not say "success": true, and may hold an error in its place. Nothing tells what was done. */
static int take_unclear(const struct envelope *in, struct json_object *root, struct err *err, struct envelope_facts *facts)
{
	struct failure f = { 0 };

	oneline_init(&f.line, f.text, sizeof(f.text));
	take_errors(&f, get(root, "errors"), 0);
	take_error_document(&f, root);
	if (!f.shown)
		add_item(&f, "", f.code);
	report(&f, in->status, EIO, in->bare ? "the answer is an error" : "the answer does not say \"success\": true", err,
	       facts);
	facts->lacking = true;
	return -EIO;
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

static int take_foreign(const struct envelope *in, struct err *err, struct envelope_facts *facts)
{
	const char *body = in->body ? in->body : "", *sentence;
	bool html = looks_like_html(in->content_type, body, in->len);
	const char *type = *in->content_type ? in->content_type : html ? "text/html" : "text";
	char quote[QUOTE_MAX];
	int errnum = EIO;

	if (status_speaks(in->status, html))
		errnum = errors_lookup(in->status, "", 0, "", in->writing, &sentence);
	else
		facts->foreign = true;
	facts->refused_credentials = in->status == 401 || in->status == 403;
	if (err)
		err->http_status = in->status;
	quote_text(body, in->len, quote, sizeof(quote));
	if (in->status >= 300 && in->status < 400)
		return err_set(err, errnum, "the address answered with a redirect (%d), which is not followed", in->status);
	if (!in->len)
		return err_set(err, errnum, "the answer was empty (%d)", in->status);
	if (in->status < 300 && (*body == '{' || *body == '['))
		return err_set(err, errnum, "the answer was cut off or is not JSON (%s, %d, %zu bytes)", type, in->status,
			       in->len);
	return err_set(err, errnum, "the answer was not JSON (%s, %d): %s", type, in->status, quote);
}

/* ---- answers ---- */

static int take_success(const struct envelope *in, struct json_object *root, struct answer *ret, struct err *err,
			struct envelope_facts *facts)
{
	bool enveloped = !in->bare || json_object_is_type(get(root, "success"), json_type_boolean);
	struct answer answer = {
		.status = in->status,
		.result = enveloped ? get(root, "result") : root,
		.result_info = enveloped ? get(root, "result_info") : NULL,
	};

	if (answer_check(in->operation, in->path, in->bare, &answer, err) < 0) {
		facts->lacking = true;
		if (err)
			err->http_status = in->status;
		return -EIO;
	}
	answer.result = json_object_get(answer.result);
	answer.result_info = json_object_get(answer.result_info);
	*ret = answer;
	return 0;
}

/* What a 2xx with a document says of itself. */
static bool says_success(const struct envelope *in, struct json_object *root)
{
	struct json_object *success = get(root, "success");

	if (json_object_is_type(success, json_type_boolean))
		return json_object_get_boolean(success);
	return in->bare && !get(root, "error") && !get(root, "errors");
}

static bool says_failure(struct json_object *root)
{
	struct json_object *success = get(root, "success");

	return json_object_is_type(success, json_type_boolean) && !json_object_get_boolean(success);
}

/* Nothing that could not be held, or not be shown, is parsed. */
static int bound(const struct envelope *in, struct err *err, struct envelope_facts *facts)
{
	size_t begin = 0, bytes;
	unsigned depth;
	bool plain;

	while (begin < in->len && isspace((unsigned char)in->body[begin]))
		begin++;
	if (begin == in->len || !memchr("{[/", in->body[begin], 3))
		return 0;
	plain = answer_measure(in->body + begin, in->len - begin, &bytes, &depth);
	if (plain && bytes <= ENVELOPE_PARSED_MAX && depth <= ENVELOPE_DEPTH)
		return 0;
	facts->lacking = in->status < 300;
	facts->foreign = !facts->lacking;
	if (err)
		err->http_status = in->status;
	if (depth > ENVELOPE_DEPTH)
		return err_set(err, EIO, "the answer is nested %u levels deep, and %d are allowed", depth, ENVELOPE_DEPTH);
	if (bytes > ENVELOPE_PARSED_MAX)
		return err_set(err, EIO, "the answer would take %zu MiB, and %zu are allowed", bytes >> 20,
			       ENVELOPE_PARSED_MAX >> 20);
	return err_set(err, EIO, "the answer is not JSON: it holds a comment, a single quote, NaN, Infinity or a comma too many");
}

/* Who may not look is told so with 200, too; by which word, nobody has published. */
static bool is_refusal(const char *text)
{
	return strcasestr(text, "not authorized") || strcasestr(text, "unauthorized") || strcasestr(text, "permission") ||
	       strcasestr(text, "does not have access");
}

static int take_graphql(const struct envelope *in, struct json_object *root, struct answer *ret, struct err *err)
{
	struct json_object *errors = get(root, "errors"), *data = get(root, "data"), *message = NULL;

	if (json_object_is_type(errors, json_type_array) && json_object_array_length(errors)) {
		const char *text;

		json_object_object_get_ex(json_object_array_get_idx(errors, 0), "message", &message);
		text = message ? json_object_get_string(message) : "no reason";
		return err_set(err, is_refusal(text) ? EACCES : EIO, "the query was refused: %.300s", text);
	}
	if (!json_object_is_type(data, json_type_object))
		return err_set(err, EIO, "the answer to the query has no data");
	*ret = (struct answer){ .status = in->status, .result = json_object_get(data) };
	return 0;
}

/* 202 and 204 come without a body; whether that will do, the operation says. */
static bool is_empty_success(const struct envelope *in)
{
	return in->status == 204 || in->status == 205 ||
	       (!in->len && (in->status == 202 || (in->bodiless && in->status >= 200 && in->status < 300)));
}

int envelope_take(const struct envelope *in, struct answer *ret, struct err *err, struct envelope_facts *facts)
{
	struct json_object *root = NULL;
	bool fine = in->status >= 200 && in->status < 300;
	int r;

	memset(facts, 0, sizeof(*facts));
	if (is_empty_success(in))
		return take_success(in, NULL, ret, err, facts);
	r = bound(in, err, facts);
	if (r < 0)
		return r;
	root = in->len ? parse_whole(in->body, in->len) : NULL;
	if (!json_object_is_type(root, json_type_object) && !(fine && json_object_is_type(root, json_type_array)))
		r = take_foreign(in, err, facts);
	else if (fine && in->graphql)
		r = take_graphql(in, root, ret, err);
	else if (fine && says_success(in, root))
		r = take_success(in, root, ret, err, facts);
	else if (fine && !says_failure(root))
		r = take_unclear(in, root, err, facts);
	else if (in->status >= 300 && in->status < 400)
		r = take_foreign(in, err, facts);
	else
		r = take_failure(in, root, err, facts);
	json_object_put(root);
	return r;
}

void answer_clear(struct answer *answer)
{
	json_object_put(answer->result);
	json_object_put(answer->result_info);
	memset(answer, 0, sizeof(*answer));
}
