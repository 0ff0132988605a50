/* What a step must answer. */
#include "fs/send/send.h"

#include <errno.h>

#include "api/doc_json.h"

#define CONFIGURATION "configuration"

/* A create that the service takes for one that was made already answers that one. */
static int check_created(const struct change *change, struct json_object *answer, struct err *err)
{
	const struct kind *kind = change->kind;
	const char *name = kind->name_key && !(kind->flags & (KIND_LABEL_NAME | KIND_LOCAL_NAME)) ?
				   json_get_string(answer, kind->name_key) :
				   NULL;
	unsigned traits = kind->hooks && kind->hooks->traits && answer ? kind->hooks->traits(answer) : 0;
	cleanup_json_ struct json_object *left = NULL;

	if (name && change->name && strcmp(name, change->name) != 0)
		return err_set(err, EEXIST, "the service answered the %s '%.100s', which is there already", kind->name, name);
	if (!(traits & TRAIT_DURABLE) || !change->after)
		return 0;
	if (doc_diff(change_file(change), answer, &change->context.doc, &left, NULL) == 0 && !left)
		return 0;
	return err_set(err, EEXIST, "the %s is there already, with other settings", kind->name);
}

/* Each removed member by itself, so that the text names the one that stays. */
static int check_gone(const struct change *change, struct json_object *now, struct json_object *removed, bool inside,
		      struct err *err)
{
	json_object_object_foreach(removed, key, value) {
		cleanup_json_ struct json_object *one = json_object_new_object(), *members = json_object_new_object();
		char path[DOC_PATH_SIZE];
		int r;

		if (!inside && strcmp(key, CONFIGURATION) == 0)
			continue;
		if (!one || !members)
			return -ENOMEM;
		r = value ? doc_set(one, key, json_object_get(value)) : doc_set_null(one, key);
		if (r == 0 && inside)
			r = doc_set(members, CONFIGURATION, json_object_get(one));
		if (r < 0)
			return r;
		if (!doc_shows(change->kind, now, inside ? members : one, &change->context.doc, path))
			return err_set(err, EINVAL, "%s: the service keeps it: it was not removed", path);
	}
	return 0;
}

static int check_target(const struct change *change, struct json_object *rollout, struct err *err)
{
	struct json_object *removed = doc_member(change->removed, CONFIGURATION), *target;
	cleanup_json_ struct json_object *now = json_object_new_object();

	target = doc_member(rollout, "target_configuration");
	if (!removed || !target)
		return 0;
	if (!now || doc_set(now, CONFIGURATION, json_object_get(target)) < 0)
		return -ENOMEM;
	return check_gone(change, now, removed, true, err);
}

int step_check(const struct change *change, size_t i, struct json_object *answer, struct err *err)
{
	const struct step *step = &change->steps[i];

	if (change->verb == VERB_CREATE)
		return check_created(change, answer, err);
	if (step->settle == SETTLE_MARK)
		return check_target(change, answer, err);
	return 0;
}

bool step_wants_look(const struct change *change, size_t i)
{
	size_t n = 0;

	if (change->steps[i].settle != SETTLE_LOOK || change->part || !change->removed)
		return false;
	n = (size_t)json_object_object_length(change->removed);
	return n > (doc_has(change->removed, CONFIGURATION) ? 1U : 0U);
}

int step_check_removed(const struct change *change, struct json_object *now, struct err *err)
{
	return check_gone(change, now, change->removed, false, err);
}
