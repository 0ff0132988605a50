/* One object of the account's answer, an active rollout's target, and what was accepted. */
#include "fs/show/meaning_private.h"

#include <errno.h>
#include <json-c/json.h>

#include "api/doc.h"
#include "fs/show/listing.h"

#define MERGED "configuration"

static void json_putp(struct json_object **o)
{
	json_object_put(*o);
}
#define cleanup_json_ cleanup_(json_putp)

/* Takes the reference of v. */
static int set(struct json_object *object, const char *key, struct json_object *v)
{
	if (v && json_object_object_add(object, key, v) == 0)
		return 0;
	json_object_put(v);
	return -ENOMEM;
}

/* configuration alone, as a partial document. */
static int lay_configuration(const struct question *q, struct json_object *object, struct json_object *members)
{
	cleanup_json_ struct json_object *document = NULL;
	int r;

	if (!json_object_is_type(members, json_type_object))
		return 0;
	document = json_object_new_object();
	r = document ? set(document, MERGED, json_object_get(members)) : -ENOMEM;
	return r < 0 ? r : doc_lay_over(q->kind, object, document);
}

/* The configuration that the rollout leads to: its target, merged into what it leads from where it says so. */
static int lay_rollout(const struct question *q, const struct rollout *rollout, struct json_object *object)
{
	struct json_object *from = NULL, *target = NULL;
	int r;

	json_object_object_get_ex(rollout->object, "current_configuration", &from);
	json_object_object_get_ex(rollout->object, "target_configuration", &target);
	r = lay_configuration(q, object, from);
	return r < 0 ? r : lay_configuration(q, object, target);
}

static int lay_part(const struct question *q, enum intent_part part, struct json_object *object)
{
	cleanup_json_ struct json_object *members = json_tokener_parse(q->record.members[part]);

	if (!members)
		return -ENOMEM;
	return part == INTENT_CONFIGURATION ? lay_configuration(q, object, members) : doc_lay_over(q->kind, object, members);
}

/* An unfinished rollout whose target is what will be; NULL where there is none. */
static const struct rollout *leading(const struct question *q)
{
	if (q->own.object && q->own.state == ROLLOUT_UNFINISHED && q->record.intent.holds[INTENT_CONFIGURATION])
		return &q->own;
	return q->active.object && q->active.state == ROLLOUT_UNFINISHED ? &q->active : NULL;
}

static int lay_all(const struct question *q, struct json_object *object)
{
	const struct rollout *rollout = leading(q);
	int r = rollout ? lay_rollout(q, rollout, object) : 0;

	for (int i = 0; r == 0 && i < INTENT_PARTS; i++) {
		if (q->record.intent.holds[i])
			r = lay_part(q, (enum intent_part)i, object);
	}
	return r;
}

/* Whether the account runs what is meant. */
static bool runs(const struct question *q, struct json_object *object, struct json_object *meant)
{
	/* What an answer has and the target has not is gone when the rollout is over, though it might be the service's own. */
	const struct doc_context context = { .account_id = q->r->mount->options->account_id, .exact = true };
	cleanup_json_ struct json_object *document = json_object_new_object();
	struct json_object *configuration = NULL;

	if (!document || !json_object_object_get_ex(meant, MERGED, &configuration) ||
	    set(document, MERGED, json_object_get(configuration)) < 0)
		return true;
	return doc_shows(q->kind, object, document, &context, NULL);
}

static int add_running(const struct question *q, struct json_object *object, struct json_object *meant)
{
	struct json_object *running = json_object_new_object(), *configuration = NULL;
	int64_t version = q->base->snapshot->version;
	int r = running ? 0 : -ENOMEM;

	if (r == 0 && version >= 0)
		r = set(running, "version", json_object_new_int64(version));
	if (r == 0 && json_object_object_get_ex(object, MERGED, &configuration))
		r = set(running, MERGED, json_object_get(configuration));
	if (r < 0) {
		json_object_put(running);
		return r;
	}
	return set(meant, "running", running);
}

static char *pending_name(const struct question *q)
{
	const struct rollout *rollout = leading(q);

	if (rollout)
		return strdup(rollout->id);
	return strdup(q->record.rollout ? q->record.rollout : "none");
}

/* When it last changed: what was accepted, or is being rolled out, did so later than what the account answers. */
static int64_t changed_ns(const struct question *q)
{
	const struct rollout *rollout = leading(q);
	const struct intent *intent = &q->record.intent;
	int64_t ns = q->base->snapshot->updated_ns ? q->base->snapshot->updated_ns : q->base->snapshot->created_ns;

	if (rollout && rollout->created_ns > ns)
		ns = rollout->created_ns;
	if (!rollout && (intent->holds[INTENT_CONFIGURATION] || intent->holds[INTENT_OTHERS]) && intent->accepted_ns > ns)
		ns = intent->accepted_ns;
	return ns;
}

static int make(const struct question *q, struct json_object *meant, struct snapshot **ret)
{
	struct snapshot *snapshot = source_make(q->r->mount, q->kind, q->parent, meant, q->base->snapshot->fetched_ms);

	if (!snapshot)
		return -ENOMEM;
	snapshot->updated_ns = changed_ns(q);
	*ret = snapshot;
	return 0;
}

int meaning_compose(struct question *q, struct snapshot **ret, char **ret_pending)
{
	cleanup_json_ struct json_object *meant = NULL;
	struct json_object *object;
	bool differs;
	int r = 0;

	if (!leading(q) && !q->record.intent.holds[INTENT_CONFIGURATION] && !q->record.intent.holds[INTENT_OTHERS]) {
		*ret = snapshot_ref(q->base->snapshot);
		return 0;
	}
	r = meaning_object(q, q->base, &object);
	if (r == 0)
		r = json_object_deep_copy(object, &meant, NULL) < 0 ? -ENOMEM : 0;
	if (r == 0)
		r = lay_all(q, meant);
	if (r < 0)
		return r;
	differs = !runs(q, object, meant);
	/* As the account has it, in its own words. */
	if (!differs && !q->record.intent.holds[INTENT_OTHERS]) {
		*ret = snapshot_ref(q->base->snapshot);
		return 0;
	}
	if (differs)
		r = add_running(q, object, meant);
	if (r == 0 && differs) {
		*ret_pending = pending_name(q);
		r = *ret_pending ? 0 : -ENOMEM;
	}
	return r < 0 ? r : make(q, meant, ret);
}
