/* What was accepted is an intent from now on: the service may be slow to show it. */
#include "fs/send/accept.h"

#include "api/base/clock.h"
#include "api/doc_json.h"
#include "fs/core/intents.h"
#include "fs/show/source.h"

static int64_t version_of(struct json_object *object, const char *key)
{
	struct json_object *version = doc_member(object, key);

	return json_object_is_type(version, json_type_int) ? json_object_get_int64(version) : -1;
}

/* The highest that the account is known to have, of what the change rested on and of the cached list. */
static int64_t known_version(struct mount *mount, const struct change *change, const struct kind *kind, const char *id)
{
	cleanup_(snapshot_unrefp) struct snapshot *known = source_known(mount, kind, NULL, id);
	int64_t version = change->kind == kind ? change->version : -1;

	return known && known->version > version ? known->version : version;
}

static bool note(struct mount *mount, const struct kind *kind, const char *id, struct json_object *members, const char *rollout,
		 int64_t version)
{
	const struct accepted_members accepted = {
		.members = members, .rollout = rollout, .version = version, .now_ns = clock_wall_ns()
	};

	if (intents_accept(mount->intents, kind->dir, id, &accepted) == 0)
		return true;
	log_warning("what was sent cannot be remembered: until the account shows it, the file may show what was before");
	return false;
}

/* A rollout: what it leads to. It is based on the version that its answer names, which an earlier rollout may have made after
   the account was looked at. */
static bool note_target(struct mount *mount, const struct change *change, const struct kind *kind, const char *id,
			struct json_object *body, struct json_object *answer)
{
	struct json_object *target = doc_member(body, "target_configuration");
	int64_t known = known_version(mount, change, kind, id), from = version_of(answer, "current_version");
	cleanup_json_ struct json_object *members = json_object_new_object();

	return target && doc_set(members, "configuration", json_object_get(target)) == 0 &&
	       note(mount, kind, id, members, json_get_string(answer, "id"), from > known ? from : known);
}

/* Without the identity, which is the file's name, and without what the service computes: it never answers what was sent. */
static bool note_update(struct mount *mount, const struct change *change, struct json_object *body, struct json_object *answer)
{
	int64_t before = known_version(mount, change, change->kind, change->id), after = version_of(answer, "version");

	/* Another mount's change came on top before this one's answer was here: what is meant is that one's. */
	if (mount->fleet && after >= 0 && before > after)
		return false;
	if (change->kind->name_key)
		json_object_object_del(body, change->kind->name_key);
	json_object_object_del(body, "instances");
	return note(mount, change->kind, change->id, body, NULL, after > before ? after : before);
}

bool accept_meant(struct mount *mount, const struct change *change, const struct step *step, struct json_object *answer)
{
	const struct kind *row = step->answers;
	cleanup_json_ struct json_object *body = step->body.len ? json_tokener_parse(step->body.data) : NULL;

	if (!row || !json_object_is_type(body, json_type_object))
		return false;
	if (row->parent && row->parent->flags & KIND_ROLLOUT_FOLLOWS && !strcmp(row->dir, "rollouts") && step->of)
		return note_target(mount, change, row->parent, step->of, body, answer);
	return row->flags & KIND_ROLLOUT_FOLLOWS && change->verb == VERB_UPDATE && note_update(mount, change, body, answer);
}

void accept_said(struct mount *mount, const struct change *change, const char *id)
{
	if (id && change->after && (change->verb == VERB_CREATE || change->verb == VERB_UPDATE) && !change->part)
		context_remember(mount, change->kind, id, change->after);
}

void accept_found(struct mount *mount, const struct change *change, const char *id)
{
	if (id && change->verb == VERB_NONE && change->after && !change->part && !change->leaf && !change->context.doc.written)
		context_remember(mount, change->kind, id, change->after);
}

void accept_ended(struct mount *mount, const struct change *change)
{
	const struct kind *parent = change->kind->parent;
	cleanup_free_ char *key = NULL;

	if (change->verb == VERB_DELETE && change->kind->flags & KIND_ROLLOUT_FOLLOWS)
		intents_forget(mount->intents, change->kind->dir, change->id);
	if (change->verb == VERB_DELETE)
		context_remember(mount, change->kind, change->id, NULL);
	if (change->verb != VERB_ACTION || !parent || !(parent->flags & KIND_ROLLOUT_FOLLOWS))
		return;
	/* We asked for it: what the rollout carries is meant no longer. */
	if (!strcmp(change->action->word, "revert") || !strcmp(change->action->word, "previous"))
		intents_asked(mount->intents, parent->dir, change->parent_id, change->id);
	/* What was read of it is old. */
	if (source_item_key(change->kind, change->parent_id, change->id, &key) == 0)
		store_drop_everywhere(mount->store, key);
}
