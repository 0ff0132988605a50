/* What became of a step whose answer was lost. */
#include "fs/send/send.h"

#include <errno.h>
#include <json-c/json.h>

#include "api/base/clock.h"
#include "api/doc_json.h"
#include "fs/core/tree.h"
#include "fs/show/offers.h"
#include "fs/show/source.h"

/* How long a create that may have been made is looked for in the list. */
#define SETTLE_NEW_MS 10000

static int unknown(const struct line *line, const char *what)
{
	err_set(line->err, EIO, "outcome unknown: %s", what);
	line->err->outcome_unknown = true;
	return -EIO;
}

/* What was sent is found out whatever the process behind the request does meanwhile. */
static void pause_settling(const struct line *line, int64_t ms)
{
	line->r->settling = true;
	(void)request_pause(line->r, ms);
	line->r->settling = false;
}

/* The same, for what this request did not send: it can be interrupted. */
static int pause_looking(const struct line *line, bool sent, int64_t ms)
{
	int result = sent ? 0 : request_pause(line->r, ms);

	if (sent)
		pause_settling(line, ms);
	return result == -EINTR ? result : 0;
}

/* ---- creates ---- */

static bool appeared(const struct change *change, struct list *before, const struct snapshot *s)
{
	return !strcmp(s->name, change->name) && !(before && list_by_id(before, s->id)) &&
	       source_belongs(change->kind, change->parent_id, s);
}

/* sent: by this request. */
static int find_new(const struct line *line, const struct change *change, size_t step, struct list *before, bool sent,
		    struct outcome *ret)
{
	/* What is still to be sent needs the other half. */
	int64_t left = clock_left_ms(line->r->deadline_ms) / (sent ? 1 : 2), pause_ms = 250;
	int64_t until = clock_after_ms(left < SETTLE_NEW_MS ? left : SETTLE_NEW_MS);
	bool looked = false;

	while (clock_left_ms(until)) {
		cleanup_(list_unrefp) struct list *list = NULL;
		int result = source_list_again(line->r, change->kind, change->parent_id, sent, &list);

		looked = result == 0;
		for (size_t i = 0; result == 0 && i < list_count(list); i++) {
			struct snapshot *s = list_at(list, i)->snapshot;

			if (!appeared(change, before, s))
				continue;
			result = source_object(line->r, change->kind, change->parent_id, s, &ret->found[step]);
			return result < 0 ? result : 1;
		}
		result = pause_looking(line, sent, pause_ms);
		if (result < 0)
			return result;
		pause_ms = pause_ms < 2000 ? pause_ms * 2 : pause_ms;
	}
	/* Without a look at the end nobody knows: sent again, it might be there twice. */
	if (!looked) {
		cleanup_free_ char *text = NULL;

		if (text_format(&text,
				"the %s may have been made, and the account cannot be asked; look at the list before "
				"writing it again",
				change->kind->name) < 0)
			return -ENOMEM;
		return unknown(line, text);
	}
	return 0;
}

/* ---- updates ---- */

static int version_of(struct json_object *object, int64_t *ret)
{
	struct json_object *version = doc_member(object, "version");

	*ret = version ? json_object_get_int64(version) : -1;
	return version ? 0 : -ENOENT;
}

static bool is_renamed(const struct change *change, struct json_object *now)
{
	const char *name =
		change->kind->flags & KIND_LABEL_NAME ? doc_name_label(now) : json_get_string(now, change->kind->name_key);

	return name && !strcmp(name, change->new_name);
}

static int part_arrived(const struct change *change, struct json_object *now)
{
	cleanup_json_ struct json_object *left = NULL;

	if (doc_part_diff(change->part, now, change->after, &change->context.doc, &left, NULL) < 0)
		return -1;
	return left ? 0 : 1;
}

int settle_arrived(const struct change *change, size_t i, struct json_object *now)
{
	const struct step *step = &change->steps[i];
	cleanup_json_ struct json_object *sent = step->body.len ? json_tokener_parse(step->body.data) : NULL;
	int64_t version;

	if (change->verb == VERB_RENAME)
		return is_renamed(change, now);
	if (change->part)
		return part_arrived(change, now);
	if (sent && doc_shows(change->kind, now, sent, &change->context.doc, NULL))
		return 1;
	if (doc_same(change->kind, now, change->after, &change->context.doc))
		return 1;
	version_of(now, &version);
	/* One version further it is this change, or another that met it in the middle. */
	if (version == change->version + 1 && doc_arrived(change_file(change), now, change->patch, &change->context.doc))
		return 1;
	return version == change->version ? 0 : -1;
}

static int look(const struct line *line, const struct change *change, size_t step, struct outcome *ret)
{
	struct call call = { .method = "GET", .flags = CALL_WRITE, .deadline_ms = line->deadline_ms, .waiter = line->waiter };
	cleanup_free_ char *path = NULL;
	struct answer answer = { 0 };
	struct err lost = *line->err;
	char operation[48];
	int result =
		kind_path(change->part ? change->part->path : change->kind->item, change->parent_id, change->id, NULL, &path);

	if (result < 0)
		return result;
	snprintf(operation, sizeof(operation), "get %s", change->kind->name);
	call.operation = operation;
	call.path = path;
	err_clear(line->err);
	result = offers_call(line->mount, &call, &answer, line->err);
	if (result < 0) {
		*line->err = lost;
		return unknown(line, "the answer to the change was lost, and the account cannot be asked");
	}
	result = settle_arrived(change, step, answer.result);
	if (result > 0)
		ret->found[step] = json_object_get(answer.result);
	answer_clear(&answer);
	if (result < 0)
		return unknown(line, "the answer to the change was lost, and the account changed meanwhile");
	return result;
}

/* ---- rollouts ---- */

/* How often the list of rollouts is asked for one that may have begun, and the pause between. */
#define MARK_TRIES    3
#define MARK_PAUSE_MS 1000

int settle_find_mark(struct request *r, const struct kind *kind, const char *of, struct list *list, const char *mark,
		     struct json_object **ret)
{
	for (size_t k = 0; k < list_count(list); k++) {
		struct snapshot *s = list_at(list, k)->snapshot;
		cleanup_json_ struct json_object *object = NULL;
		const char *description;
		int result = source_object(r, kind, of, s, &object);

		if (result < 0)
			return result;
		description = json_get_string(object, "description");
		if (description && strcmp(description, mark) == 0) {
			*ret = steal_ptr(object);
			return 1;
		}
	}
	return 0;
}

/* Only a list that can be read, and does not show it, says that it did not begin. */
static int find_marked(const struct line *line, const struct step *step, size_t i, struct outcome *ret)
{
	struct err lost = *line->err;
	int result = 0;

	for (int tries = 0; tries < MARK_TRIES && result == 0; tries++) {
		cleanup_(list_unrefp) struct list *list = NULL;

		if (tries)
			pause_settling(line, MARK_PAUSE_MS);
		result = source_list_again(line->r, step->answers, step->of, true, &list);
		if (result == 0)
			result = settle_find_mark(line->r, step->answers, step->of, list, step->mark, &ret->found[i]);
	}
	if (result >= 0)
		return result;
	*line->err = lost;
	return unknown(line,
		       "the answer to the rollout was lost, and the account cannot be asked; status.json names the one that "
		       "is active: look there before writing it again");
}

/* ---- each by its way ---- */

static int tell_unknown(const struct line *line, const struct change *change, const struct step *step)
{
	const struct kind *kind = step->answers ? step->answers : change->kind;
	cleanup_free_ char *text = NULL;
	int n;

	if (change->verb == VERB_ACTION)
		n = text_format(&text, "the answer to '%s' was lost", change->action->word);
	else
		n = text_format(&text, "the %s may have been made; look at the list before writing it again", kind->name);
	return n < 0 ? -ENOMEM : unknown(line, text);
}

int settle_earlier(const struct line *line, const struct change *change, size_t i, struct outcome *ret)
{
	int found = find_new(line, change, i, NULL, false, ret);

	ret->unknown = found < 0;
	ret->again = found > 0;
	return found;
}

int settle_step(const struct line *line, const struct change *change, size_t i, struct list *before, struct outcome *ret)
{
	int result;

	switch (change->steps[i].settle) {
	case SETTLE_NEW:
	case SETTLE_AGAIN:
		if (!line->r)
			return tell_unknown(line, change, &change->steps[i]);
		result = find_new(line, change, i, before, true, ret);
		ret->again = result > 0 && change->steps[i].settle == SETTLE_AGAIN;
		return result;
	case SETTLE_LOOK:
		return look(line, change, i, ret);
	case SETTLE_MARK:
		if (!line->r)
			break;
		return find_marked(line, &change->steps[i], i, ret);
	case SETTLE_NOT:
	case SETTLE_REPEAT:
		break;
	}
	return tell_unknown(line, change, &change->steps[i]);
}
