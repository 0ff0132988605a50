/* Resources that are JSON documents. */
#include "fs/send/commit.h"

#include <errno.h>
#include <json-c/json.h>

#include "api/base/clock.h"
#include "api/base/name.h"
#include "api/errors.h"
#include "fs/show/context.h"
#include "fs/send/deleted.h"
#include "fs/show/source.h"

struct writing {
	struct commit *c;
	struct context context;
	struct json_object *doc;    /* owned: as checked */
	struct json_object *object; /* owned: the account's, before */
	int64_t version;            /* precondition, or -1 */
};

static int parse(struct writing *w)
{
	const struct buf *content = w->c->content;
	const struct kind *kind = w->c->what.kind;
	const char *whole;
	char encoded[NAME_MAX_BYTES + 1];
	int result = doc_parse(content->data ? content->data : "", content->len, &w->doc, &w->c->r->err);

	if (result < 0 || w->c->name)
		return result;
	/* A cut file name: the document carries the whole one. */
	whole = kind->name_key ? json_get_string(w->doc, kind->name_key) : NULL;
	if (whole)
		name_encode(whole, kind->suffix, encoded);
	if (!whole || strcmp(encoded, w->c->file_name))
		return err_set(&w->c->r->err, EINVAL, "%s: must hold the whole name that the file's name was cut from",
			       kind->name_key ? kind->name_key : "name");
	w->c->name = strdup(whole);
	return w->c->name ? 0 : -ENOMEM;
}

static int gather(struct writing *w)
{
	struct commit *c = w->c;
	bool keys = strstr(c->content->data ? c->content->data : "", "ssh_public_key_ids") ||
		    (c->snapshot && c->snapshot->traits & TRAIT_KEY_IDS);
	int result = context_init(c->r, &w->context, keys, true, c->what.kind, c->what.id);

	if (result == 0 && c->snapshot)
		result = source_object(c->r, c->what.kind, c->what.parent_id, c->snapshot, &w->object);
	w->context.doc.known = w->object;
	return result;
}

static int check_version(struct writing *w)
{
	int64_t now = w->c->snapshot ? w->c->snapshot->version : -1;

	if (w->version < 0 || w->version == now)
		return 0;
	if (now < 0)
		return err_set(&w->c->r->err, ESTALE, "version: is %lld, but the account has no %s '%s'", (long long)w->version,
			       w->c->what.kind->name, w->c->name);
	return err_set(&w->c->r->err, ESTALE, "version: is %lld, but the account is at version %lld: read it again",
		       (long long)w->version, (long long)now);
}

/* ---- create ---- */

static void remember_name(struct writing *w, struct json_object *object)
{
	const struct kind *kind = w->c->what.kind;
	const char *id = kind_id(kind, object);

	if (id && (kind->flags & (KIND_LOCAL_NAME | KIND_LABEL_NAME)))
		state_set(w->c->r->mount->state, "names", w->c->what.parent_id ? w->c->what.parent_id : kind->dir, id, w->c->name,
			  strlen(w->c->name));
}

/* Notes what the service filled in where the document says nothing: it is no difference, now or at the next write. */
static void keep_defaults(struct commit *c, const struct context *context, const char *id, struct json_object *defaults)
{
	struct state *state = c->r->mount->state;
	const char *text;

	if (defaults && id) {
		text = json_object_to_json_string_ext(defaults, JSON_C_TO_STRING_PLAIN);
		state_set(state, "defaults", c->what.kind->dir, id, text, strlen(text));
	} else if (id && context->doc.service_defaults) {
		state_delete(state, "defaults", c->what.kind->dir, id);
	}
	json_object_put(defaults);
}

static void remember_defaults(struct writing *w, const char *id, struct json_object *patch, struct json_object *answer)
{
	keep_defaults(w->c, &w->context, id, doc_service_defaults(w->c->what.kind, patch, answer, &w->context.doc));
}

/* What the service filled in into a new resource, and what was said of it. */
static void remember_new(struct writing *w, struct json_object *object)
{
	const struct kind *kind = w->c->what.kind;
	struct json_object *rest = NULL, *said = NULL;
	struct doc_context context = w->context.doc;

	context.exact = true;
	if (doc_has_answered(kind->fields, w->doc))
		context.service_defaults = said = doc_service_defaults(kind, w->doc, object, &context);
	if (doc_diff(kind, object, w->doc, w->c->name, &context, &rest, NULL) < 0)
		rest = NULL;
	keep_defaults(w->c, &w->context, kind_id(kind, object),
		      rest ? doc_service_defaults(kind, rest, object, &context) : json_object_get(said));
	json_object_put(rest);
	json_object_put(said);
}

static int created(struct writing *w, struct json_object *object, int64_t sent_ms)
{
	remember_name(w, object);
	deleted_settled(w->c->r->mount, &w->c->what, w->c->name, object);
	if (w->c->what.kind->verbs & KIND_UPDATE)
		remember_new(w, object);
	return commit_accept(w->c, object, sent_ms);
}

/* The answer was lost: it is found out before anything is sent again. */
static int find_lost(struct writing *w, struct list *before)
{
	struct json_object *object = NULL;
	struct err lost = w->c->r->err;
	int result;

	if (w->c->what.kind->flags & KIND_NEW_ONLY)
		return err_set(&w->c->r->err, EIO,
			       "outcome unknown: the %s may have been made; look at the list before writing it again",
			       w->c->what.kind->name);
	result = commit_settle_create(w->c, before, &object);
	if (result == 0)
		result = created(w, object, clock_now_ms());
	else if (result == -ENOENT)
		w->c->r->err = lost;
	json_object_put(object);
	return result;
}

/* The service may still be deleting what the create needs: it is asked until the deadline, ever more seldom. */
#define TAKEN_PAUSE_MS 500

static bool is_living(struct commit *c)
{
	cleanup_(list_unrefp) struct list *list = NULL;
	struct err refused = c->r->err;
	bool living;

	/* The list hides what this mount deleted: a name that it shows belongs to a living resource. */
	living = source_list_again(c->r, c->what.kind, c->what.parent_id, true, &list) < 0 || list_by_name(list, c->name);
	c->r->err = refused;
	return living;
}

/* Waits before the next try of a create that was refused; false: it is refused for good. *pause_ms is 0 at first. */
static bool still_deleting(struct writing *w, int result, int64_t *pause_ms)
{
	struct commit *c = w->c;
	int64_t left = clock_left_ms(c->r->deadline_ms);

	if (result != -EEXIST || c->what.kind->flags & KIND_NEW_ONLY || left < TAKEN_PAUSE_MS)
		return false;
	/* Asked once: after that only a deleted resource, or one that came just now, is in the way. */
	if (!*pause_ms && !errors_being_deleted(&c->r->err) &&
	    (!deleted_may_hold(c->r->mount, &c->what, c->name, w->doc) || is_living(c)))
		return false;
	*pause_ms = *pause_ms ? *pause_ms * 8 / 5 : TAKEN_PAUSE_MS;
	/* The last try is within the deadline. */
	if (*pause_ms > left - TAKEN_PAUSE_MS / 2)
		*pause_ms = left - TAKEN_PAUSE_MS / 2;
	usleep((useconds_t)*pause_ms * 1000);
	return true;
}

static int send_create(struct writing *w, struct json_object *body)
{
	cleanup_(list_unrefp) struct list *before = NULL;
	const struct kind *kind = w->c->what.kind;
	struct answer answer = { 0 };
	struct store_info info;
	char operation[48];
	int64_t pause_ms = 0;
	bool again = true;
	int result;

	snprintf(operation, sizeof(operation), "create %s", kind->name);
	source_list(w->c->r, kind, w->c->what.parent_id, &before, &info);
	for (;;) {
		result = commit_call(w->c, operation, "POST", kind->create_path ? kind->create_path : kind->collection, body,
				     &answer);
		if (result == 0)
			break;
		if (w->c->r->err.outcome_unknown) {
			int found = find_lost(w, before);

			if (found != -ENOENT)
				return found;
			if (!again)
				return err_set(&w->c->r->err, EIO, "outcome unknown: the answer to the create was lost twice");
			again = false;
			continue;
		}
		if (!still_deleting(w, result, &pause_ms))
			return result;
	}
	result = created(w, answer.result, answer.sent_ms);
	answer_clear(&answer);
	return result;
}

static int create(struct writing *w)
{
	struct json_object *body = NULL;
	int result;

	if (!(w->c->what.kind->verbs & KIND_CREATE))
		return err_set(&w->c->r->err, EPERM, "a %s is made by the platform", w->c->what.kind->name);
	result = doc_create_body(w->c->what.kind, w->doc, w->c->name, &w->context.doc, &body, &w->c->r->err);
	if (result == 0)
		result = send_create(w, body);
	json_object_put(body);
	return result;
}

/* ---- update ---- */

/* A PATCH without an answer: the account itself says whether it arrived. 1: it did. 0: it did not. */
static int find_lost_patch(struct writing *w, struct json_object *patch, struct json_object **ret)
{
	struct commit *c = w->c;
	struct answer answer = { 0 };
	struct json_object *version;
	struct err lost = c->r->err;
	int64_t now = -1;
	int result;
	char operation[48];

	snprintf(operation, sizeof(operation), "get %s", c->what.kind->name);
	result = commit_call(c, operation, "GET", c->what.kind->item, NULL, &answer);
	if (result < 0) {
		c->r->err = lost;
		return err_set(&c->r->err, EIO,
			       "outcome unknown: the answer to the change was lost, and the account cannot be asked");
	}
	if (json_object_object_get_ex(answer.result, "version", &version))
		now = json_object_get_int64(version);
	/* One version further it is this change, or another that met it in the middle. */
	if (doc_same(c->what.kind, answer.result, w->doc, c->name, &w->context.doc) ||
	    (now == c->snapshot->version + 1 &&
	     doc_arrived(c->what.kind, answer.result, w->doc, c->name, patch, &w->context.doc))) {
		*ret = json_object_get(answer.result);
		result = 1;
	} else if (now == c->snapshot->version) {
		result = 0;
	} else {
		result = err_set(&c->r->err, EIO,
				 "outcome unknown: the answer to the change was lost, and the account changed meanwhile");
		c->r->err.outcome_unknown = true;
	}
	answer_clear(&answer);
	return result;
}

static int send_patch(struct writing *w, struct json_object *patch, struct json_object **ret, int64_t *ret_sent_ms)
{
	const struct kind *kind = w->c->what.kind;
	bool put = kind->flags & KIND_UPDATE_PUT;
	struct answer answer = { 0 };
	char operation[48];
	struct err lost = ERR_INIT;
	int result = -EIO, found;

	snprintf(operation, sizeof(operation), "modify %s", kind->name);
	for (int tries = 0; tries < 2; tries++) {
		result = commit_call(w->c, operation, put ? "PUT" : "PATCH", put ? kind->collection : kind->item, patch, &answer);
		*ret_sent_ms = result == 0 ? answer.sent_ms : clock_now_ms();
		if (result == 0) {
			*ret = json_object_get(answer.result);
			answer_clear(&answer);
			return 0;
		}
		if (!w->c->r->err.outcome_unknown || put)
			return result;
		lost = w->c->r->err;
		found = find_lost_patch(w, patch, ret);
		if (found != 0)
			return found < 0 ? found : 0;
	}
	/* The account was asked: the change did not arrive, so the failure is all there is to tell. */
	w->c->r->err = lost;
	w->c->r->err.outcome_unknown = false;
	return result;
}

static int send_change(struct writing *w, struct json_object *patch, bool rollout)
{
	cleanup_buf_ struct buf earlier = BUF_INIT;
	struct json_object *answer = NULL;
	int64_t sent_ms;
	int result;

	/* Owed from before the PATCH: whoever dies in between finds the rollout still owed. */
	if (rollout)
		commit_rollout_owe(w->c, &earlier);
	result = send_patch(w, patch, &answer, &sent_ms);
	/* A refused change owes nothing new, and nothing less than was owed before it. */
	if (result < 0 && rollout && !w->c->r->err.outcome_unknown)
		commit_rollout_restore(w->c, &earlier);
	if (result == 0 && answer) {
		remember_defaults(w, w->c->what.id, patch, answer);
		result = commit_accept(w->c, answer, sent_ms);
	}
	json_object_put(answer);
	return result;
}

static int send_rollout(struct writing *w)
{
	struct json_object *body = NULL;
	int result = doc_create_body(w->c->what.kind, w->doc, w->c->name, &w->context.doc, &body, &w->c->r->err);

	if (result == 0)
		result = commit_rollout_send(w->c, body);
	json_object_put(body);
	return result;
}

static int update_once(struct writing *w)
{
	const struct kind *kind = w->c->what.kind;

	if (w->c->again)
		return 0;
	if (kind->flags & KIND_NEW_ONLY)
		return err_set(&w->c->r->err, EEXIST, "a %s is written once: give the new one another name", kind->name);
	if (doc_same(kind, w->object, w->doc, w->c->name, &w->context.doc))
		return 0;
	return err_set(&w->c->r->err, EPERM, "a %s cannot be changed: remove it first, then write the new one", kind->name);
}

/* A precondition is about the account, not about what is cached of it. */
static int look_again(struct writing *w)
{
	struct commit *c = w->c;
	struct snapshot *now = NULL;
	struct answer answer = { 0 };
	char operation[48];
	int result;

	snprintf(operation, sizeof(operation), "get %s", c->what.kind->name);
	result = commit_call(c, operation, "GET", c->what.kind->item, NULL, &answer);
	if (result == -ENOENT)
		result = err_set(&c->r->err, ESTALE, "the %s was removed meanwhile", c->what.kind->name);
	if (result == 0)
		result = source_changed(c->r->mount, c->what.kind, c->what.parent_id, answer.result, answer.sent_ms, &now);
	if (result == 0) {
		snapshot_unref(c->snapshot);
		c->snapshot = now;
		c->snapshot_hash = now->hash;
		json_object_put(w->object);
		w->object = json_object_get(answer.result);
		w->context.doc.known = w->object;
	}
	answer_clear(&answer);
	return result;
}

/* What would be sent: a patch, a rollout, both or nothing. */
static int differ(struct writing *w, struct json_object **ret_patch, bool *ret_rollout)
{
	struct commit *c = w->c;
	int result = doc_diff(c->what.kind, w->object, w->doc, c->name, &w->context.doc, ret_patch, &c->r->err);

	if (result == 0)
		*ret_rollout = (*ret_patch && commit_rollout_wanted(c, w->object, *ret_patch, w->context.doc.service_defaults)) ||
			       commit_rollout_owed(c);
	return result;
}

static int update(struct writing *w)
{
	const struct kind *kind = w->c->what.kind;
	struct json_object *patch = NULL;
	bool rollout = false;
	int result;

	w->c->snapshot_hash = w->c->snapshot->hash;
	if (kind->flags & (KIND_NEW_ONLY | KIND_WRITE_ONCE))
		return update_once(w);
	if (!(kind->verbs & KIND_UPDATE))
		return err_set(&w->c->r->err, EPERM, "a %s cannot be changed", kind->name);
	result = differ(w, &patch, &rollout);
	if (result == 0 && (patch || rollout) && w->version >= 0 && (kind->verbs & KIND_GET)) {
		json_object_put(steal_ptr(patch));
		result = look_again(w);
		if (result == 0)
			result = differ(w, &patch, &rollout);
	}
	if (result == 0 && (patch || rollout))
		result = check_version(w);
	if (result == 0 && patch && (kind->flags & KIND_UPDATE_PUT)) {
		json_object_put(patch);
		patch = NULL;
		result = doc_create_body(kind, w->doc, w->c->name, &w->context.doc, &patch, &w->c->r->err);
	}
	if (result == 0 && patch)
		result = send_change(w, patch, rollout);
	if (result == 0 && rollout)
		result = send_rollout(w);
	json_object_put(patch);
	return result;
}

/* Whether the document names what the account's does not: fields that are never shown are no difference elsewhere. */
static bool names_more(struct json_object *doc, struct json_object *object)
{
	json_object_object_foreach(doc, key, value) {
		if (value && !json_object_object_get_ex(object, key, NULL))
			return true;
	}
	return false;
}

/* What the platform set up is shown with words that no user may write, so whether it is the same is all that is checked. */
static int leave_managed(struct writing *w)
{
	struct commit *c = w->c;

	c->snapshot_hash = c->snapshot->hash;
	if (!names_more(w->doc, w->object) && doc_same(c->what.kind, w->object, w->doc, c->name, &w->context.doc))
		return 0;
	return err_set(&c->r->err, EPERM, "the managed %s comes from the platform and cannot be changed", c->what.kind->name);
}

static int check_and_send(struct writing *w)
{
	struct commit *c = w->c;
	int result;

	if (c->snapshot && c->snapshot->traits & TRAIT_MANAGED)
		return leave_managed(w);
	result = doc_check(c->what.kind, w->doc, c->name, !c->snapshot, &w->context.doc, &w->version, &c->r->err);
	if (result == 0 && !c->snapshot)
		result = check_version(w);
	if (result == 0)
		result = c->snapshot ? update(w) : create(w);
	return result;
}

int commit_json(struct commit *c)
{
	struct writing w = { .c = c };
	int result = commit_find(c);

	if (result == 0)
		result = parse(&w);
	if (result == 0)
		result = gather(&w);
	if (result == 0)
		result = check_and_send(&w);
	if (result == 0)
		c->keep = !doc_has_secret(c->what.kind, w.doc);
	context_clear(&w.context);
	json_object_put(w.doc);
	json_object_put(w.object);
	return result;
}

static int send_part(struct commit *c, struct json_object *doc, struct json_object *patch, const struct doc_context *context,
		     struct answer *ret)
{
	struct json_object *left = NULL;
	struct err lost;
	int result = commit_call(c, "modify account", "PATCH", c->what.part->update, patch, ret);

	if (result == 0 || !c->r->err.outcome_unknown)
		return result;
	/* The answer was lost: the account itself says what of it has not arrived. */
	answer_clear(ret);
	lost = c->r->err;
	result = commit_call(c, "get account", "GET", c->what.part->path, NULL, ret);
	if (result < 0) {
		c->r->err = lost;
		return err_set(&c->r->err, EIO,
			       "outcome unknown: the answer to the change was lost, and the account cannot be asked");
	}
	result = doc_part_diff(c->what.part, ret->result, doc, context, &left, &c->r->err);
	if (result == 0 && left) {
		answer_clear(ret);
		result = commit_call(c, "modify account", "PATCH", c->what.part->update, left, ret);
	}
	json_object_put(left);
	return result;
}

int commit_part(struct commit *c)
{
	cleanup_context_ struct context context = { 0 };
	cleanup_(snapshot_unrefp) struct snapshot *snapshot = NULL;
	cleanup_(body_unrefp) struct body *body = NULL;
	struct json_object *doc = NULL, *object = NULL, *patch = NULL;
	struct answer answer = { 0 };
	struct store_info info;
	int result = source_part(c->r, c->what.part, -1, &snapshot, &info);

	/* As for lists: an old answer is no ground to send nothing. */
	if (result == 0 && info.stale)
		result = commit_call(c, "get account", "GET", c->what.part->path, NULL, &answer);
	object = json_object_get(answer.result);
	answer_clear(&answer);
	if (result == 0)
		result = context_init(c->r, &context, false, true, c->what.kind, c->what.part->name);
	if (result == 0)
		result = doc_parse(c->content->data ? c->content->data : "", c->content->len, &doc, &c->r->err);
	if (result == 0)
		result = doc_part_check(c->what.part, doc, &context.doc, &c->r->err);
	if (result == 0) {
		body = snapshot_body(snapshot);
		if (!object)
			object = body ? json_tokener_parse(body->data) : NULL;
		result = doc_part_diff(c->what.part, object, doc, &context.doc, &patch, &c->r->err);
		c->snapshot_hash = snapshot->hash;
	}
	if (result == 0 && patch) {
		result = send_part(c, doc, patch, &context.doc, &answer);
		if (result == 0)
			keep_defaults(c, &context, c->what.part->name,
				      doc_part_service_defaults(c->what.part, patch, answer.result, &context.doc));
		answer_clear(&answer);
		source_drop_parts(c->r->mount);
		/* Not known yet: whoever reads next compares the bytes with what the account says then. */
		c->snapshot_hash = 0;
	}
	json_object_put(patch);
	json_object_put(object);
	json_object_put(doc);
	return result;
}
