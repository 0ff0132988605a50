#include "fs/send/accept.h"

#include <errno.h>

#include "api/base/clock.h"
#include "api/base/parse.h"
#include "api/doc_json.h"
#include "fs/core/credentials_table.h"
#include "fs/core/lately.h"
#include "fs/core/tree.h"
#include "fs/send/deleted.h"
#include "fs/send/owed.h"
#include "fs/show/source.h"

void accepted_clear(struct accepted *accepted)
{
	free(accepted->id);
	*accepted = (struct accepted){ 0 };
}

static const char *names_group(const struct change *change)
{
	return change->parent_id ? change->parent_id : change->kind->dir;
}

/* ---- what the service filled in ---- */

/* Notes what the service filled in where the document says nothing: it is no difference, now or at the next write. */
static void keep_defaults(struct mount *mount, const struct change *change, const char *id, struct json_object *defaults)
{
	const char *text;

	if (defaults && id) {
		text = json_object_to_json_string_ext(defaults, JSON_C_TO_STRING_PLAIN);
		state_set(mount->state, "defaults", change->kind->dir, id, text, strlen(text));
	} else if (id && change->context.doc.service_defaults) {
		state_delete(mount->state, "defaults", change->kind->dir, id);
	}
	json_object_put(defaults);
}

/* What the service filled in into a new resource, and what was said of it. */
static void remember_new(struct mount *mount, const struct change *change, struct json_object *object)
{
	const struct kind *kind = change->kind;
	cleanup_json_ struct json_object *rest = NULL, *said = NULL;
	struct doc_context context = change->context.doc;

	context.exact = true;
	if (doc_has_answered(kind->fields, change->after))
		context.service_defaults = said = doc_service_defaults(kind, change->after, object, &context);
	if (doc_diff(change_file(change), object, &context, &rest, NULL) < 0)
		rest = NULL;
	keep_defaults(mount, change, kind_id(kind, object),
		      rest ? doc_service_defaults(kind, rest, object, &context) : json_object_get(said));
}

/* ---- the resource ---- */

static void observe(struct mount *mount, const struct change *change, struct json_object *object, int64_t sent_ms,
		    struct accepted *ret)
{
	cleanup_(snapshot_unrefp) struct snapshot *snapshot = NULL;

	/* It is done at the API: an answer without an identity only means that the list must tell. */
	if (source_changed(mount, change->kind, change->parent_id, object, sent_ms, &snapshot) < 0)
		return;
	ret->hash = snapshot->hash;
	free(ret->id);
	ret->id = strdup(snapshot->id);
}

/* What nothing but the state knows is on the disk before the call returns; a label is in the account, too. */
static void remember_name(struct mount *mount, const struct change *change, const char *id)
{
	const struct state_row row = {
		.table = "names", .parent = names_group(change), .id = id, .value = change->name, .len = strlen(change->name)
	};

	if (change->kind->flags & KIND_LOCAL_NAME)
		state_set_durable(mount->state, &row, NULL, clock_after_ms(STATE_BUSY_MS));
	else
		state_set(mount->state, row.table, row.parent, row.id, row.value, row.len);
}

static void created(struct mount *mount, const struct change *change, struct json_object *object, int64_t sent_ms,
		    struct accepted *ret)
{
	const struct kind *kind = change->kind;
	struct identity what = { .kind = kind, .parent_id = change->parent_id };
	const char *id = kind_id(kind, object);

	if (id && kind->flags & KIND_LINGERS)
		lately_note(mount->lately, &(struct lately_one){ .kind = kind, .how = LATELY_MADE, .id = strdup(id) });
	if (id && (kind->flags & (KIND_LOCAL_NAME | KIND_LABEL_NAME)))
		remember_name(mount, change, id);
	if (change->after) {
		deleted_settled(mount, &what, change->name, object);
		if (kind->verbs & KIND_UPDATE)
			remember_new(mount, change, object);
	}
	observe(mount, change, object, sent_ms, ret);
}

static void updated(struct mount *mount, const struct change *change, struct json_object *object, int64_t sent_ms,
		    struct accepted *ret)
{
	const struct doc_context *doc = &change->context.doc;

	if (change->part) {
		keep_defaults(mount, change, change->part->name,
			      doc_part_service_defaults(change->part, change->patch, object, doc));
		source_drop_parts(mount);
		/* Not known yet: whoever reads next compares the bytes with what the account says then. */
		ret->hash = 0;
		return;
	}
	if (change->patch && !(change->kind->flags & KIND_SECRET))
		keep_defaults(mount, change, change->id, doc_service_defaults(change->kind, change->patch, object, doc));
	observe(mount, change, object, sent_ms, ret);
}

static void renamed(struct mount *mount, const struct change *change, struct json_object *object, int64_t sent_ms,
		    struct accepted *ret)
{
	if (change->kind->flags & KIND_LABEL_NAME)
		state_set(mount->state, "names", change->kind->dir, change->id, change->new_name, strlen(change->new_name));
	observe(mount, change, object, sent_ms, ret);
}

/* ---- verbs ---- */

/* The one that was is gone; where the answer is another in its place, the name that the mount remembers is that one's. */
static void replaced(struct mount *mount, const struct change *change, struct json_object *object, struct accepted *ret)
{
	const char *id = kind_id(change->kind, object), *group = names_group(change);
	cleanup_buf_ struct buf name = BUF_INIT;

	ret->replaced = true;
	source_removed(mount, change->kind, change->parent_id, change->id);
	if (!id || !strcmp(id, change->id))
		return;
	if (state_get(mount->state, "names", group, change->id, &name) == 0)
		state_set(mount->state, "names", group, id, name.data, name.len);
	state_delete(mount->state, "names", group, change->id);
}

/* A verb, and one whose answer was lost too, may have changed everything below: the account is asked again. */
static void drop_below(struct mount *mount, const struct change *change)
{
	const struct kind *row = source_list_kind(change->kind), *placements = kind_by_dir(change->kind, "placements");
	cleanup_free_ char *key = NULL;

	if (source_list_key(row, row->parent ? change->parent_id : NULL, &key) == 0)
		store_drop_everywhere(mount->store, key);
	free(steal_ptr(key));
	if (placements && source_list_key(placements, change->id, &key) == 0)
		store_drop_everywhere(mount->store, key);
}

/* ---- deletes ---- */

static void removed(struct mount *mount, const struct change *change)
{
	struct identity what = { .kind = change->kind, .parent_id = change->parent_id, .id = change->id };

	deleted_note(mount, &what);
	source_removed(mount, change->kind, change->parent_id, change->id);
	state_delete(mount->state, "names", names_group(change), change->id);
	state_delete(mount->state, "defaults", change->kind->dir, change->id);
	state_delete(mount->state, "written", change->kind->dir, change->id);
	state_delete(mount->state, "owed", change->kind->dir, change->id);
	print_forget(mount->state, change->id);
	/* What belonged to it goes with it; an application's deployments stand in a list of their own. */
	for (const struct kind *const *k = kinds; *k; k++) {
		cleanup_free_ char *list = NULL;

		if ((*k)->parent == change->kind && (*k)->parent_key && source_list_key(source_list_kind(*k), NULL, &list) == 0)
			store_expire_everywhere(mount->store, list);
	}
}

/* ---- credentials ---- */

#define CREDENTIALS_DEFAULT_MINUTES 15

static void keep_credentials(struct mount *mount, const struct change *change, struct json_object *answer)
{
	struct json_object *minutes = doc_member(change->after, "expiration_minutes");
	int64_t lifetime = minutes ? json_object_get_int64(minutes) : CREDENTIALS_DEFAULT_MINUTES;
	const char *text = json_object_to_json_string_ext(answer, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
									  JSON_C_TO_STRING_NOSLASHESCAPE);
	cleanup_buf_wipe_ struct buf out = BUF_INIT;

	if (buf_addf(&out, "%s\n", text) == 0)
		credentials_table_set(mount->credentials, change->id, out.data, out.len,
				      clock_after_ms(lifetime * 60 * MSEC_PER_SEC));
}

/* ---- a step ---- */

static void accept_step(struct mount *mount, const struct change *change, const struct outcome *outcome, size_t i,
			struct accepted *ret)
{
	const struct step *step = &change->steps[i];
	struct json_object *object = outcome_object(outcome, i);
	int64_t sent_ms = outcome->answers[i].sent_ms ? outcome->answers[i].sent_ms : clock_now_ms();

	ret->meant = accept_meant(mount, change, step, object) || ret->meant;
	/* Of another kind than the change: the rollout that follows it. */
	if (step->answers && step->answers != change->kind) {
		source_changed(mount, step->answers, step->of, object, sent_ms, NULL);
		return;
	}
	switch (change->verb) {
	case VERB_CREATE:
		created(mount, change, object, sent_ms, ret);
		break;
	case VERB_UPDATE:
		updated(mount, change, object, sent_ms, ret);
		break;
	case VERB_RENAME:
		renamed(mount, change, object, sent_ms, ret);
		break;
	case VERB_DELETE:
		removed(mount, change);
		break;
	case VERB_ACTION:
		if (change->action->deletes)
			replaced(mount, change, object, ret);
		break;
	case VERB_ASK:
		keep_credentials(mount, change, object);
		break;
	case VERB_NONE:
		break;
	}
	if (change->has_print && ret->id)
		print_keep(mount->state, ret->id, json_object_get_int64(doc_member(object, "version")), &change->print);
}

void accept_change(struct mount *mount, const struct change *change, const struct outcome *outcome, int result,
		   struct accepted *ret)
{
	/* What it was by itself before is no answer any more, made or lost. */
	if (change->id && !change->part && change->verb != VERB_ASK)
		source_drop_item(mount, change->kind, change->parent_id, change->id);
	for (size_t i = 0; i < change->steps_count && !outcome->again; i++) {
		if (outcome->made[i])
			accept_step(mount, change, outcome, i, ret);
	}
	/* What the file shows is not the answer alone: whoever reads next compares the bytes with all that is meant. */
	if (change->verb == VERB_UPDATE && change->kind->flags & KIND_ROLLOUT_FOLLOWS)
		ret->hash = 0;
	if (result == 0)
		accept_said(mount, change, ret->id ? ret->id : change->id);
	if (result == 0)
		accept_ended(mount, change);
	owed_settle(mount, change, outcome, result);
	if (change->verb == VERB_ACTION && (result == 0 || outcome->unknown))
		drop_below(mount, change);
	/* Whoever comes after a kill -9 would take the account's old answer for all that is meant. */
	if (ret->meant)
		state_flush(mount->state, NULL, clock_after_ms(STATE_BUSY_MS));
}
