/* What is no JSON resource: secrets, SSH keys, credentials, actions. */
#include "fs/send/decide.h"

#include <errno.h>

#include "api/doc_json.h"
#include "api/base/utf8.h"
#include "fs/core/tree.h"

/* ---- secrets ---- */

/* The body of a request with a secret in it, outside json-c, whose memory nobody wipes. */
static int secret_body(const struct gathered *g, const char *value, size_t len, struct buf *out)
{
	struct json_object *name = json_object_new_string(g->name ? g->name : "");
	int r = name ? 0 : -ENOMEM;

	if (r == 0)
		r = g->exists ? buf_adds(out, "{\"value\":\"") :
				buf_addf(out, "{\"name\":%s,\"value\":\"",
					 json_object_to_json_string_ext(name, JSON_C_TO_STRING_PLAIN));
	for (size_t i = 0; i < len && r == 0; i++) {
		unsigned char ch = (unsigned char)value[i];

		if (ch == '"' || ch == '\\')
			r = buf_addf(out, "\\%c", ch);
		else if (ch < 0x20 || ch == 0x7f)
			r = buf_addf(out, "\\u%04x", ch);
		else
			r = buf_addc(out, (char)ch);
	}
	if (r == 0)
		r = buf_adds(out, "\"}");
	json_object_put(name);
	return r;
}

int decide_secret(const struct gathered *g, struct change *c)
{
	const struct kind *kind = c->kind;
	const char *value = g->wish.content->data ? g->wish.content->data : "";
	size_t len = secret_value_len(g->wish.content, g->secret_newline_keep);
	struct step *step = NULL;
	int r;

	if (memchr(value, '\0', len) || !utf8_valid(value, len))
		return change_refuse(c, EINVAL,
				     "a secret's value must be UTF-8 text without NUL bytes; encode it, for example in base64");
	if (g->same_secret)
		return 0;
	if (!g->name)
		return change_refuse(c, EINVAL, "the name is too long for a new secret");
	if (g->exists)
		r = decide_step(c, "modify", "PATCH", kind->item, NULL, &step);
	else
		r = decide_step(c, "create", "POST", kind->create_path ? kind->create_path : kind->collection, NULL, &step);
	if (r < 0)
		return r;
	c->verb = g->exists ? VERB_UPDATE : VERB_CREATE;
	step->secret = true;
	/* The same value twice is the same secret: a lost answer costs a version, never a value. */
	step->settle = g->exists ? SETTLE_REPEAT : SETTLE_AGAIN;
	return secret_body(g, value, len, &step->body);
}

/* ---- SSH public keys ---- */

static int same_key(const struct gathered *g, struct change *c, const char *line, size_t len)
{
	const char *known = json_get_string(g->object, "public_key");

	if (known && strcspn(known, "\n") == len && !strncmp(known, line, len))
		return 0;
	return change_refuse(c, EPERM, "an SSH public key cannot be changed: remove it first, then write the new one");
}

int decide_key(const struct gathered *g, struct change *c)
{
	const char *text = g->wish.content->data ? g->wish.content->data : "";
	struct json_object *body;
	struct step *step = NULL;
	size_t len;
	int r = doc_key_line_check(text, g->wish.content->len, &len, &c->refusal);

	if (r < 0)
		return r;
	c->keep = true;
	if (g->exists)
		return same_key(g, c, text, len);
	if (!g->name)
		return change_refuse(c, EINVAL, "the name is too long for a new SSH public key");
	body = json_object_new_object();
	r = body ? doc_set(body, "name", json_object_new_string(g->name)) : -ENOMEM;
	if (r == 0)
		r = doc_set(body, "public_key", json_object_new_string_len(text, (int)len));
	if (r < 0) {
		json_object_put(body);
		return r;
	}
	r = decide_step(c, "create", "POST", c->kind->collection, body, &step);
	if (r < 0)
		return r;
	c->verb = VERB_CREATE;
	step->settle = SETTLE_NEW;
	return 0;
}

/* ---- registry credentials ---- */

int decide_credentials(const struct gathered *g, struct change *c)
{
	struct step *step = NULL;
	int r = decide_parse(g, c);

	if (r == 0)
		r = doc_credentials_check(c->after, g->traits & TRAIT_MANAGED, &c->refusal);
	if (r == 0)
		r = decide_step(c, "credentials of", "POST", c->leaf->path, json_object_get(c->after), &step);
	if (r != 0)
		return r;
	c->verb = VERB_ASK;
	step->answers = NULL;
	/* One more credential is no harm. */
	step->settle = SETTLE_NOT;
	return 0;
}

/* ---- actions ---- */

static const struct action *find_action(const struct gathered *g, struct change *c)
{
	cleanup_buf_ struct buf words = BUF_INIT;
	const char *text = g->wish.content->data ? g->wish.content->data : "";
	size_t skip = strspn(text, " \t\n"), n = strcspn(text + skip, " \t\n");

	for (const struct action *a = c->leaf->actions; a->word; a++) {
		if (strlen(a->word) == n && !strncmp(a->word, text + skip, n) &&
		    !text[skip + n + strspn(text + skip + n, " \t\n")])
			return a;
		buf_addf(&words, "%s%s", words.len ? ", " : "", a->word);
	}
	change_refuse(c, EINVAL, "'%.*s' is no action of %s %s: must be one of %s", (int)(n < 40 ? n : 40), text + skip,
		      kind_article(c->kind), c->kind->name, words.data ? words.data : "");
	return NULL;
}

/* What the resource is, as a create would send it. */
static int own_document(const struct gathered *g, struct change *c, struct json_object **ret)
{
	const char *name = strcmp(g->name, g->id) != 0 ? g->name : NULL;
	cleanup_json_ struct json_object *doc = NULL;
	cleanup_buf_ struct buf text = BUF_INIT;
	int r = doc_render(c->kind, DOC_SETTABLE, g->object, NULL, &g->context.doc, &text);

	if (r == 0)
		r = doc_parse(text.data, text.len, &doc, &c->refusal);
	return r < 0 ? r : doc_create_body((struct doc_file){ c->kind, doc, name }, &g->context.doc, ret, &c->refusal);
}

int decide_action(const struct gathered *g, struct change *c)
{
	const struct action *a = find_action(g, c);
	cleanup_json_ struct json_object *document = NULL;
	const char *placement = json_get_string(doc_member(g->object, "current_placement"), "id");
	struct step *step;
	int r = 0;

	if (!a)
		return -EINVAL;
	if (strstr(a->path, "{placement}") && !placement)
		return change_refuse(c, EBUSY, "the %s has no placement yet", c->kind->name);
	if (a->document)
		r = own_document(g, c, &document);
	if (r < 0)
		return r;
	step = change_step(c, a->word, a->method, a->path, placement);
	if (!step)
		return -ENOMEM;
	c->verb = VERB_ACTION;
	c->action = a;
	step->plain = true;
	step->settle = SETTLE_NOT;
	if (document)
		return step_body(step, document);
	return a->body ? buf_adds(&step->body, a->body) : 0;
}
