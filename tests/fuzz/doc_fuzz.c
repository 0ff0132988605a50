/*
 * Documents from any bytes: the scanner and the parser agree, however the bytes are cut; what is rendered parses, and
 * rendered again is the same; nothing differs from itself, and nothing once a patch is applied. The first byte chooses the kind and how the rest is cut.
 */
#include <json-c/json.h>

#include "api/doc.h"
#include "api/doc_json.h"
#include "fuzz.h"

static const char *key_name(void *arg, const char *id)
{
	(void)arg;
	return *id == 'k' ? id : NULL;
}

static const char *key_id(void *arg, const char *name)
{
	(void)arg;
	return *name == 'k' ? name : NULL;
}

static const struct doc_context context = { .account_id = "0123456789abcdef0123456789abcdef",
					    .default_vcpu = 0.0625,
					    .default_memory_mib = 256,
					    .key_name = key_name,
					    .key_id = key_id };

static enum doc_state scan(const char *text, size_t len, size_t chunk)
{
	struct doc_scan *s = doc_scan_new();
	enum doc_state state = DOC_EMPTY;
	struct err err = ERR_INIT;

	MUST(s);
	for (size_t i = 0; i < len; i += chunk)
		state = doc_scan_feed(s, text + i, len - i < chunk ? len - i : chunk);
	doc_scan_error(s, &err);
	doc_scan_free(s);
	return state;
}

static struct json_object *agree(const char *text, size_t len, size_t chunk)
{
	struct json_object *doc = NULL;
	struct err err = ERR_INIT;
	enum doc_state whole = scan(text, len, len + 1);
	int r = doc_parse(text, len, &doc, &err);

	MUST(scan(text, len, chunk) == whole && scan(text, len, 1) == whole);
	MUST((r == 0) == (whole == DOC_COMPLETE));
	MUST(r == 0 || *err.text);
	return doc;
}

static void render(const struct kind *kind, enum doc_view view, struct json_object *doc)
{
	struct buf first = BUF_INIT, second = BUF_INIT;
	struct json_object *again = NULL;

	MUST(doc_render(kind, view, doc, doc, &context, &first) == 0);
	if (first.len && !(kind->flags & (KIND_KEY_LINE | KIND_SECRET))) {
		MUST(doc_parse(first.data, first.len, &again, NULL) == 0);
		if (view == DOC_SETTABLE) {
			MUST(doc_render(kind, view, again, NULL, &context, &second) == 0);
			MUST(second.len <= first.len);
		}
	}
	json_object_put(again);
	buf_free(&first);
	buf_free(&second);
}

static void itself(const struct kind *kind, struct json_object *doc)
{
	struct json_object *patch = NULL, *body = NULL;

	if (kind->hooks && kind->hooks->from_api)
		return;
	if (doc_diff((struct doc_file){ kind, doc, NULL }, doc, &context, &patch, NULL) == 0)
		MUST(!patch && doc_same(kind, doc, doc, &context));
	if (doc_create_body((struct doc_file){ kind, doc, "web" }, &context, &body, NULL) == 0)
		json_object_put(body);
}

static void check(const struct kind *kind, struct json_object *doc)
{
	struct doc_context off = context;
	struct err err = ERR_INIT;
	int64_t version;

	off.validate = VALIDATE_OFF;
	if (doc_check((struct doc_file){ kind, doc, "web" }, true, &context, &version, &err) < 0)
		MUST(*err.text);
	doc_check((struct doc_file){ kind, doc, "web" }, false, &off, &version, &err);
	doc_has_secret(kind, doc);
}

static bool sound(const struct kind *kind, struct json_object *doc, struct json_object *known)
{
	struct doc_context ctx = context;
	struct json_object *copy = NULL;
	int64_t version;
	bool ok;

	ctx.known = known;
	MUST(doc_copy(doc, &copy) == 0);
	ok = doc_check((struct doc_file){ kind, copy, "web" }, false, &ctx, &version, NULL) == 0;
	json_object_put(copy);
	return ok;
}

/* Once the patch is applied, nothing differs any more. */
static void settles(const struct kind *kind, struct json_object *object, struct json_object *doc, struct json_object *patch)
{
	struct json_object *after = NULL;

	if (!(kind->verbs & KIND_UPDATE) || (kind->flags & KIND_UPDATE_PUT) || !sound(kind, object, NULL) ||
	    !sound(kind, doc, object))
		return;
	MUST(doc_copy(object, &after) == 0);
	MUST(doc_lay_over(kind, after, patch) == 0);
	MUST(doc_same(kind, after, doc, &context));
	MUST(doc_shows(kind, after, patch, &context, NULL));
	json_object_put(after);
}

/* The second half of the input as the account's object. */
static void against(const struct kind *kind, struct json_object *doc, const char *text, size_t len)
{
	struct json_object *object = NULL, *patch = NULL, *defaults;

	if (doc_parse(text, len, &object, NULL) < 0)
		return;
	if (doc_diff((struct doc_file){ kind, doc, "web" }, object, &context, &patch, NULL) == 0 && patch) {
		settles(kind, object, doc, patch);
		doc_needs_rollout(kind, object, patch, NULL);
		defaults = doc_service_defaults(kind, patch, object, &context);
		json_object_put(defaults);
	}
	json_object_put(patch);
	json_object_put(object);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data + 1, *second;
	const struct kind *kind = kinds[0];
	struct json_object *doc;
	size_t len, key;

	if (size < 1)
		return 0;
	for (size_t i = 0; i < data[0] % 16u && kinds[i]; i++)
		kind = kinds[i];
	len = size - 1;
	doc_key_line_check(text, len, &key, NULL);
	/* Two documents: cut at the first byte that no document holds. */
	second = memchr(text, 0xff, len);
	if (second)
		len = (size_t)(second - text);
	doc = agree(text, len, data[0] / 16u + 1);
	if (doc && kind->fields) {
		render(kind, DOC_SETTABLE, doc);
		render(kind, DOC_DECLARED, doc);
		render(kind, DOC_WHOLE, doc);
		itself(kind, doc);
		if (second)
			against(kind, doc, second + 1, size - 2 - len);
		check(kind, doc);
	}
	json_object_put(doc);
	return 0;
}
