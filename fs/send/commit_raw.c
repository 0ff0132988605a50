/* What is no JSON resource: secrets, SSH keys, credentials, actions. */
#include "fs/send/commit.h"

#include <errno.h>
#include <json-c/json.h>

#include "api/base/clock.h"
#include "api/base/rand.h"
#include "api/errors.h"
#include "fs/show/context.h"
#include "fs/core/credentials_table.h"
#include "fs/show/source.h"

/* ---- secrets ---- */

struct print {
	int64_t version; /* that the write returned: it says nothing of another */
	uint8_t bytes[FINGERPRINT_BYTES];
};

static bool make_print(struct commit *c, const char *value, size_t len, int64_t version, struct print *ret)
{
	uint8_t key[FINGERPRINT_KEY_BYTES];
	bool ok = state_key(c->r->mount->state, key) == 0;

	memset(ret, 0, sizeof(*ret));
	ret->version = version;
	if (ok)
		fingerprint(key, value, len, ret->bytes);
	wipe(key, sizeof(key));
	return ok;
}

static bool is_unchanged(struct commit *c, const char *value, size_t len)
{
	cleanup_buf_ struct buf known = BUF_INIT;
	struct print now;

	if (!c->snapshot || c->snapshot->version < 0 || !make_print(c, value, len, c->snapshot->version, &now))
		return false;
	if (state_get(c->r->mount->state, "fingerprints", "", c->snapshot->id, &known) < 0 || known.len != sizeof(now))
		return false;
	return !memcmp(known.data, &now, sizeof(now));
}

static void remember_print(struct commit *c, const char *value, size_t len, struct json_object *answer)
{
	struct json_object *version;
	struct print print;
	const char *id = kind_id(c->what.kind, answer);

	if (id && json_object_object_get_ex(answer, "version", &version) &&
	    make_print(c, value, len, json_object_get_int64(version), &print))
		state_set(c->r->mount->state, "fingerprints", "", id, &print, sizeof(print));
}

/* The body of a request with a secret in it, outside json-c, whose memory nobody wipes. */
static int secret_body(struct commit *c, const char *value, size_t len, struct buf *out)
{
	struct json_object *name = json_object_new_string(c->name);
	int r = name ? 0 : -ENOMEM;

	if (r == 0)
		r = c->snapshot ? buf_adds(out, "{\"value\":\"") :
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

static bool is_utf8(const unsigned char *s, size_t n)
{
	for (size_t i = 0; i < n;) {
		size_t more = s[i] < 0x80                           ? 0 :
			      (s[i] & 0xe0) == 0xc0 && s[i] >= 0xc2 ? 1 :
			      (s[i] & 0xf0) == 0xe0                 ? 2 :
			      (s[i] & 0xf8) == 0xf0 && s[i] <= 0xf4 ? 3 :
								      4;

		if (more == 4 || i + more >= n)
			return false;
		for (size_t k = 1; k <= more; k++) {
			if ((s[i + k] & 0xc0) != 0x80)
				return false;
		}
		if ((s[i] == 0xe0 && s[i + 1] < 0xa0) || (s[i] == 0xed && s[i + 1] > 0x9f) || (s[i] == 0xf0 && s[i + 1] < 0x90) ||
		    (s[i] == 0xf4 && s[i + 1] > 0x8f))
			return false;
		i += more + 1;
	}
	return true;
}

static int send_secret(struct commit *c, struct buf *body, struct answer *ret)
{
	const struct kind *kind = c->what.kind;
	cleanup_free_ char *path = NULL;
	struct call call = {
		.operation = c->snapshot ? "modifySecret" : "createSecret",
		.method = c->snapshot ? "PATCH" : "POST",
		.body = body->data,
		.body_len = body->len,
		/* The same value twice is the same secret: a lost answer costs a version, never a value. */
		.flags = CALL_WRITE | (c->snapshot ? CALL_REPEATABLE : 0),
	};
	int result = kind_path(c->snapshot       ? kind->item :
			       kind->create_path ? kind->create_path :
						   kind->collection,
			       c->what.parent_id, c->what.id, NULL, &path);

	if (result < 0)
		return result;
	call.path = path;
	request_call(c->r, &call);
	return client_call(c->r->mount->client, &call, ret, &c->r->err);
}

/* The answer to the create was lost: if the name is there now, the value is sent as an update, which settles it. */
static int settle_secret(struct commit *c, const char *value, size_t len, struct answer *ret)
{
	cleanup_(buf_wipe) struct buf body = BUF_INIT;
	struct json_object *object = NULL;
	int result = commit_settle_create(c, NULL, &object);

	json_object_put(object);
	if (result == 0)
		result = commit_find(c);
	if (result < 0 && result != -ENOENT)
		return result;
	result = secret_body(c, value, len, &body);
	return result < 0 ? result : send_secret(c, &body, ret);
}

int commit_secret(struct commit *c)
{
	cleanup_(buf_wipe) struct buf body = BUF_INIT;
	const char *value = c->content->data ? c->content->data : "";
	size_t len = c->content->len;
	struct answer answer = { 0 };
	int result;

	c->keep = false;
	if (!c->r->mount->options->secret_newline_keep && len && value[len - 1] == '\n')
		len--;
	if (memchr(value, '\0', len) || !is_utf8((const unsigned char *)value, len))
		return err_set(&c->r->err, EINVAL,
			       "a secret's value must be UTF-8 text without NUL bytes; encode it, for example in base64");
	result = commit_find(c);
	if (result < 0 || is_unchanged(c, value, len))
		return result;
	if (!c->name)
		return err_set(&c->r->err, EINVAL, "the name is too long for a new secret");
	result = secret_body(c, value, len, &body);
	if (result == 0)
		result = send_secret(c, &body, &answer);
	if (result < 0 && c->r->err.outcome_unknown)
		result = settle_secret(c, value, len, &answer);
	if (result < 0)
		return result;
	remember_print(c, value, len, answer.result);
	result = commit_accept(c, answer.result, answer.sent_ms);
	answer_clear(&answer);
	return result;
}

/* ---- SSH public keys ---- */

static int same_key(struct commit *c, const char *line, size_t len)
{
	struct json_object *object = NULL;
	const char *known;
	int result = source_object(c->r, c->what.kind, c->what.parent_id, c->snapshot, &object);

	if (result < 0)
		return result;
	known = json_get_string(object, "public_key");
	result = known && strcspn(known, "\n") == len && !strncmp(known, line, len) ?
			 0 :
			 err_set(&c->r->err, EPERM,
				 "an SSH public key cannot be changed: remove it first, then write the new one");
	json_object_put(object);
	c->snapshot_hash = c->snapshot->hash;
	return result;
}

static int create_key(struct commit *c, const char *line, size_t len)
{
	struct json_object *body = json_object_new_object(), *object = NULL;
	struct answer answer = { 0 };
	int result;

	json_object_object_add(body, "name", json_object_new_string(c->name));
	json_object_object_add(body, "public_key", json_object_new_string_len(line, (int)len));
	result = commit_call(c, "createSshPublicKey", "POST", c->what.kind->collection, body, &answer);
	if (result < 0 && c->r->err.outcome_unknown) {
		struct err lost = c->r->err;

		result = commit_settle_create(c, NULL, &object);
		if (result == -ENOENT) {
			c->r->err = lost;
			result = commit_call(c, "createSshPublicKey", "POST", c->what.kind->collection, body, &answer);
		}
	}
	if (result == 0)
		result = commit_accept(c, object ? object : answer.result, object ? clock_now_ms() : answer.sent_ms);
	json_object_put(object);
	json_object_put(body);
	answer_clear(&answer);
	return result;
}

int commit_key_line(struct commit *c)
{
	const char *text = c->content->data ? c->content->data : "";
	size_t len;
	int result = doc_key_line_check(text, c->content->len, &len, &c->r->err);

	if (result == 0)
		result = commit_find(c);
	if (result < 0)
		return result;
	if (c->snapshot)
		return same_key(c, text, len);
	return c->name ? create_key(c, text, len) : err_set(&c->r->err, EINVAL, "the name is too long for a new SSH public key");
}

/* ---- registry credentials ---- */

#define CREDENTIALS_DEFAULT_MINUTES 15

static int64_t lifetime_ms(struct json_object *request)
{
	struct json_object *minutes;

	if (!json_object_object_get_ex(request, "expiration_minutes", &minutes))
		return (int64_t)CREDENTIALS_DEFAULT_MINUTES * 60 * MSEC_PER_SEC;
	return json_object_get_int64(minutes) * 60 * MSEC_PER_SEC;
}

int commit_credentials(struct commit *c)
{
	cleanup_(snapshot_unrefp) struct snapshot *snapshot = NULL;
	struct json_object *doc = NULL;
	struct answer answer = { 0 };
	struct store_info info;
	const char *text;
	int result = source_snapshot(c->r, c->what.kind, c->what.parent_id, c->what.id, false, &snapshot, &info);

	c->keep = false;
	if (result == 0)
		result = doc_parse(c->content->data ? c->content->data : "", c->content->len, &doc, &c->r->err);
	if (result == 0)
		result = doc_credentials_check(doc, snapshot->traits & TRAIT_MANAGED, &c->r->err);
	if (result == 0)
		result = commit_call(c, "generateImageRegistryCredentials", "POST", c->what.leaf->path, doc, &answer);
	if (result == 0) {
		text = json_object_to_json_string_ext(answer.result, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
									     JSON_C_TO_STRING_NOSLASHESCAPE);
		cleanup_(buf_wipe) struct buf out = BUF_INIT;

		result = buf_addf(&out, "%s\n", text);
		if (result == 0)
			result = credentials_table_set(c->r->mount->credentials, c->what.id, out.data, out.len,
						       clock_after_ms(lifetime_ms(doc)));
	}
	json_object_put(doc);
	answer_clear(&answer);
	return result;
}

/* ---- actions ---- */

static const struct action *find_action(struct commit *c)
{
	cleanup_buf_ struct buf words = BUF_INIT;
	const char *text = c->content->data ? c->content->data : "";
	size_t skip = strspn(text, " \t\n"), n = strcspn(text + skip, " \t\n");

	for (const struct action *a = c->what.leaf->actions; a->word; a++) {
		if (strlen(a->word) == n && !strncmp(a->word, text + skip, n) &&
		    !text[skip + n + strspn(text + skip + n, " \t\n")])
			return a;
		buf_addf(&words, "%s%s", words.len ? ", " : "", a->word);
	}
	err_set(&c->r->err, EINVAL, "'%.*s' is no action of a %s: must be one of %s", (int)(n < 40 ? n : 40), text + skip,
		c->what.kind->name, words.data ? words.data : "");
	return NULL;
}

static int placement_of(struct commit *c, struct snapshot *snapshot, char **ret)
{
	struct json_object *object = NULL, *placement;
	int result = source_object(c->r, c->what.kind, c->what.parent_id, snapshot, &object);

	if (result == 0 && json_object_object_get_ex(object, "current_placement", &placement)) {
		const char *id = json_get_string(placement, "id");

		*ret = id ? strdup(id) : NULL;
	}
	json_object_put(object);
	return result;
}

/* What the resource is, as a create would send it. */
static int own_document(struct commit *c, struct snapshot *snapshot, struct json_object **ret)
{
	const char *name = strcmp(snapshot->name, snapshot->id) ? snapshot->name : NULL;
	cleanup_context_ struct context context = { 0 };
	cleanup_buf_ struct buf text = BUF_INIT;
	struct json_object *object = NULL, *doc = NULL;
	int result = context_init(c->r, &context, snapshot->traits & TRAIT_KEY_IDS, false, c->what.kind, c->what.id);

	if (result == 0)
		result = source_object(c->r, c->what.kind, c->what.parent_id, snapshot, &object);
	if (result == 0)
		result = doc_render(c->what.kind, DOC_SETTABLE, object, NULL, &context.doc, &text);
	if (result == 0)
		result = doc_parse(text.data, text.len, &doc, &c->r->err);
	if (result == 0)
		result = doc_create_body(c->what.kind, doc, name, &context.doc, ret, &c->r->err);
	json_object_put(doc);
	json_object_put(object);
	return result;
}

static int send_action(struct commit *c, const struct action *a, struct answer *ret)
{
	cleanup_(snapshot_unrefp) struct snapshot *snapshot = NULL;
	struct json_object *document = NULL;
	cleanup_free_ char *placement = NULL, *path = NULL;
	struct call call = { .operation = a->word, .method = a->method, .body = a->body, .flags = CALL_WRITE };
	struct store_info info;
	int result = source_snapshot(c->r, c->what.kind, c->what.parent_id, c->what.id, true, &snapshot, &info);

	if (result == 0 && strstr(a->path, "{placement}"))
		result = placement_of(c, snapshot, &placement);
	if (result < 0)
		return result;
	if (strstr(a->path, "{placement}") && !placement)
		return err_set(&c->r->err, EBUSY, "the %s has no placement yet", c->what.kind->name);
	result = kind_path(a->path, c->what.parent_id, c->what.id, placement, &path);
	if (result == 0 && a->document)
		result = own_document(c, snapshot, &document);
	if (result < 0)
		return result;
	call.path = path;
	call.body_len = a->body ? strlen(a->body) : 0;
	if (document)
		call.body = json_object_to_json_string_length(document, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE,
							      &call.body_len);
	request_call(c->r, &call);
	result = client_call(c->r->mount->client, &call, ret, &c->r->err);
	json_object_put(document);
	return result;
}

/* The one that was is gone; where the answer is another in its place, the name that the mount remembers is that one's. */
static void replace(struct commit *c, struct json_object *object)
{
	struct mount *mount = c->r->mount;
	const char *id = kind_id(c->what.kind, object), *group = c->what.parent_id ? c->what.parent_id : c->what.kind->dir;
	cleanup_buf_ struct buf name = BUF_INIT;

	c->replaced = true;
	source_removed(mount, c->what.kind, c->what.parent_id, c->what.id);
	if (!id || !strcmp(id, c->what.id))
		return;
	if (state_get(mount->state, "names", group, c->what.id, &name) == 0)
		state_set(mount->state, "names", group, id, name.data, name.len);
	state_delete(mount->state, "names", group, c->what.id);
}

int commit_action(struct commit *c)
{
	const struct action *a = find_action(c);
	const struct kind *row = source_list_kind(c->what.kind);
	cleanup_free_ char *key = NULL;
	struct answer answer = { 0 };
	int result;

	c->keep = false;
	if (!a)
		return -EINVAL;
	result = send_action(c, a, &answer);
	if (result == 0 && a->deletes)
		replace(c, answer.result);
	result = errors_busy(result, &c->r->err);
	answer_clear(&answer);
	/* A lost answer too may have changed everything below: the account is asked again. */
	if (result == 0 || c->r->err.outcome_unknown) {
		if (source_list_key(row, row->parent ? c->what.parent_id : NULL, &key) == 0)
			store_drop(c->r->mount->store, key);
		if (kind_by_dir(c->what.kind, "placements")) {
			free(steal_ptr(key));
			if (source_list_key(kind_by_dir(c->what.kind, "placements"), c->what.id, &key) == 0)
				store_drop(c->r->mount->store, key);
		}
	}
	if (result < 0 && c->r->err.outcome_unknown)
		err_set(&c->r->err, EIO, "outcome unknown: the answer to '%s' was lost", a->word);
	return result;
}
