#include "fs/send/history.h"

#include <errno.h>

#include "api/base/clock.h"
#include "api/base/log.h"
#include "api/base/name.h"
#include "api/doc_json.h"
#include "cache/state.h"
#include "fs/core/tree.h"

/* ---- pieces of a line; each returns 0 or -errno ---- */

static int add_text(struct json_object *line, const char *key, const char *text)
{
	cleanup_buf_ struct buf valid = BUF_INIT;
	int r = text ? buf_adds_utf8(&valid, text) : 0;

	if (r < 0 || !text)
		return r;
	return doc_set(line, key, json_object_new_string_len(valid.data ? valid.data : "", (int)valid.len));
}

static int add_number(struct json_object *line, const char *key, int64_t n)
{
	return n < 0 ? 0 : doc_set(line, key, json_object_new_int64(n));
}

static int add_who(struct json_object *line, const struct who *who)
{
	int r = add_number(line, "uid", who->uid);

	if (r == 0)
		r = add_number(line, "pid", who->pid);
	return r < 0 ? r : add_text(line, "command", who->command);
}

/* A document's text as a value: an object where it is one, else a string (a key's line). */
static int add_document(struct json_object *line, const char *key, const struct kind *kind, const char *text, size_t len)
{
	struct json_object *doc = NULL;

	while (len && text[len - 1] == '\n')
		len--;
	if (kind->flags & KIND_KEY_LINE || doc_parse(text, len, &doc, NULL) < 0)
		return doc_set(line, key, json_object_new_string_len(text, (int)len));
	doc_drop_secrets(kind, doc);
	return doc_set(line, key, doc);
}

/* What the account meant, as the file shows it. */
static int add_before(struct json_object *line, const struct line *sent, const struct change *change)
{
	cleanup_(body_unrefp) struct body *doomed = sent->doomed ? body_plain(sent->doomed->document) : NULL;
	const struct doc_context *ctx = &change->context.doc;
	cleanup_buf_ struct buf text = BUF_INIT;
	struct json_object *part = NULL;
	int r = -ENOENT;

	if (doomed)
		return add_document(line, "before", change->kind, doomed->data, doomed->len);
	if (change->kind->flags & KIND_SECRET || !change->before || (change->verb != VERB_UPDATE && change->verb != VERB_DELETE))
		return 0;
	if (!change->part)
		r = doc_render(change->kind, DOC_SETTABLE, change->before, NULL, ctx, &text);
	else if ((part = doc_member(change->before, change->part->key)))
		r = doc_render_fields(change->part->fields, part, &text);
	/* A document that cannot be shown is no reason to keep no line. */
	return r < 0 ? 0 : add_document(line, "before", change->kind, text.data ? text.data : "", text.len);
}

static int add_key(struct json_object *line, const struct step *step)
{
	struct json_object *body = json_tokener_parse(step->body.data ? step->body.data : "");
	int r = add_text(line, "after", json_get_string(body, "public_key"));

	json_object_put(body);
	return r;
}

/* What was written. */
static int add_after(struct json_object *line, const struct change *change)
{
	struct json_object *doc = NULL;
	int r;

	if (change->kind->flags & KIND_SECRET || (change->verb != VERB_CREATE && change->verb != VERB_UPDATE))
		return 0;
	if (change->kind->flags & KIND_KEY_LINE)
		return add_key(line, &change->steps[0]);
	if (!change->after)
		return 0;
	r = doc_copy(change->after, &doc);
	if (r < 0)
		return r;
	if (!change->part)
		doc_drop_secrets(change->kind, doc);
	return doc_set(line, "after", doc);
}

static int add_call(struct json_object *calls, const struct step *step, const struct answer *answer, const struct err *failed)
{
	struct json_object *call = json_object_new_object();
	int status = answer->status ? answer->status : failed ? failed->http_status : 0;
	const char *id = answer->request_id[0] ? answer->request_id : failed ? failed->request_id : "";
	int r = call ? 0 : -ENOMEM;

	if (r == 0)
		r = add_text(call, "method", step->method);
	if (r == 0)
		r = add_text(call, "path", step->path);
	if (r == 0 && status)
		r = add_number(call, "status", status);
	if (r == 0 && *id)
		r = add_text(call, "request_id", id);
	if (r < 0) {
		json_object_put(call);
		return r;
	}
	return doc_append(calls, call);
}

/* The calls that were made: one that failed is the last of them. */
static int add_calls(struct json_object *line, const struct line *sent, const struct change *change,
		     const struct outcome *outcome)
{
	struct json_object *calls = json_object_new_array();
	int r = calls ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < change->steps_count; i++) {
		r = add_call(calls, &change->steps[i], &outcome->answers[i], outcome->made[i] ? NULL : sent->err);
		if (!outcome->made[i])
			break;
	}
	if (r < 0) {
		json_object_put(calls);
		return r;
	}
	return doc_set(line, "calls", calls);
}

static bool has_secret_step(const struct change *change)
{
	for (size_t i = 0; i < change->steps_count; i++) {
		if (change->steps[i].secret)
			return true;
	}
	return false;
}

static int add_outcome(struct json_object *line, const struct line *sent, const struct change *change,
		       const struct outcome *outcome, int result)
{
	int r = add_text(line, "outcome", result == 0 ? "done" : outcome->unknown ? "unknown" : "failed");

	if (r < 0 || result == 0)
		return r;
	r = add_text(line, "errno", errno_name(-result));
	/* What a service says of a secret may quote it. */
	return r < 0 || has_secret_step(change) ? r : add_text(line, "message", sent->err->text);
}

/* ---- the path ---- */

/* Where a change came without one: by what it is. Freed by the caller; NULL without memory. */
static char *path_of(const struct change *change)
{
	char encoded[NAME_MAX_BYTES + 1];
	const struct kind *kind = change->kind;
	const char *name = change->name ? change->name : change->id ? change->id : "?";

	if (change->part)
		return text_new("/%s/%s", kind->dir, change->part->name);
	name_encode(name, kind->suffix, encoded);
	return text_new("/%s/%s%s", kind->dir, encoded, change->leaf ? "/" : "");
}

/* The path after a rename: that of before with another last name. */
static int add_new_path(struct json_object *line, const char *path, const struct change *change)
{
	char encoded[NAME_MAX_BYTES + 1];
	cleanup_buf_ struct buf to = BUF_INIT;
	const char *slash = strrchr(path, '/');
	int r;

	if (change->verb != VERB_RENAME || !change->new_name || !slash)
		return 0;
	name_encode(change->new_name, change->kind->suffix, encoded);
	r = buf_add(&to, path, (size_t)(slash - path) + 1);
	if (r == 0)
		r = buf_adds(&to, encoded);
	return r < 0 ? r : add_text(line, "new_path", to.data);
}

/* ---- lines ---- */

static int begin_line(struct json_object *line, const char *path, const char *verb, const struct who *who)
{
	char when[CLOCK_TEXT_SIZE];
	int r = add_text(line, "time", clock_format_rfc3339(clock_wall_ns(), when, sizeof(when)));

	if (r == 0)
		r = add_text(line, "path", path);
	if (r == 0)
		r = add_text(line, "verb", verb);
	return r < 0 ? r : add_who(line, who);
}

static int64_t version_after(const struct change *change, const struct outcome *outcome)
{
	int64_t version = -1;

	if (change->verb == VERB_DELETE || change->part)
		return -1;
	for (size_t i = 0; i < change->steps_count; i++) {
		struct json_object *object = change->steps[i].answers == change->kind ? outcome_object(outcome, i) : NULL;
		struct json_object *v = doc_member(object, "version");

		if (v)
			version = json_object_get_int64(v);
	}
	return version;
}

static int add_versions(struct json_object *line, const struct change *change, const struct outcome *outcome)
{
	int r = add_number(line, "version_before", change->verb == VERB_CREATE ? -1 : change->version);

	return r < 0 ? r : add_number(line, "version_after", version_after(change, outcome));
}

static void tell(const char *path, const char *verb, const struct who *who, const char *outcome)
{
	log_info("%s: %s by uid %u, pid %d (%s): %s", path, verb, (unsigned)who->uid, (int)who->pid,
		 who->command[0] ? who->command : "?", outcome);
}

/* Takes line over. */
static void keep(struct mount *mount, struct json_object *line, int r)
{
	cleanup_buf_ struct buf text = BUF_INIT;

	if (r == 0)
		r = doc_write(line, true, &text);
	if (r == 0)
		r = buf_addc(&text, '\n');
	if (r == 0)
		r = state_history_add(mount->state, text.data, text.len);
	if (r < 0)
		log_warning("a change is missing in the history: %s", errno_name(-r));
	json_object_put(line);
}

static const char *word_of(const struct change *change)
{
	return change->verb == VERB_ACTION ? change->action->word : verb_name(change->verb);
}

void history_note(const struct line *sent, const struct change *change, const struct outcome *outcome, int result,
		  const struct accepted *accepted)
{
	cleanup_free_ char *made = sent->path ? NULL : path_of(change);
	const char *path = sent->path ? sent->path : made ? made : "?";
	struct json_object *line = json_object_new_object();
	struct who who = { 0 };
	int r = line ? 0 : -ENOMEM;

	/* A request for credentials changes nothing; what only found out how to ask is told by what was asked then. */
	if (change->verb == VERB_ASK || !change->steps_count || (outcome->older_way && !outcome->made[0])) {
		json_object_put(line);
		return;
	}
	if (sent->doomed)
		who = sent->doomed->who;
	else if (sent->r)
		who_of(sent->r, &who);
	tell(path, word_of(change), &who, result == 0 ? "done" : has_secret_step(change) ? errno_name(-result) : sent->err->text);
	if (r == 0)
		r = begin_line(line, path, word_of(change), &who);
	if (r == 0)
		r = add_new_path(line, path, change);
	if (r == 0)
		r = add_text(line, "id", accepted->id ? accepted->id : change->id);
	if (r == 0)
		r = add_versions(line, change, outcome);
	if (r == 0)
		r = add_before(line, sent, change);
	if (r == 0)
		r = add_after(line, change);
	if (r == 0)
		r = add_calls(line, sent, change, outcome);
	if (r == 0)
		r = add_outcome(line, sent, change, outcome, result);
	keep(sent->mount, line, r);
}

void history_note_unsent(struct mount *mount, const char *path, const struct identity *what, const struct who *who)
{
	struct json_object *line = json_object_new_object();
	int r = line ? begin_line(line, path, verb_name(VERB_DELETE), who) : -ENOMEM;

	tell(path, verb_name(VERB_DELETE), who, "not answered");
	if (r == 0)
		r = add_text(line, "id", what->id);
	if (r == 0)
		r = add_text(line, "outcome", "not answered");
	keep(mount, line, r);
}
