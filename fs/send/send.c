#include "fs/send/send.h"

#include <errno.h>
#include <json-c/json.h>

#include "api/base/clock.h"
#include "api/errors.h"
#include "fs/core/tree.h"
#include "fs/send/deleted.h"
#include "fs/send/making.h"
#include "fs/show/offers.h"
#include "fs/show/source.h"

void outcome_clear(struct outcome *outcome)
{
	for (size_t i = 0; i < CHANGE_STEPS_MAX; i++) {
		answer_clear(&outcome->answers[i]);
		json_object_put(outcome->found[i]);
	}
	*outcome = (struct outcome){ 0 };
}

struct json_object *outcome_object(const struct outcome *outcome, size_t step)
{
	if (step >= CHANGE_STEPS_MAX || !outcome->made[step])
		return NULL;
	return outcome->found[step] ? outcome->found[step] : outcome->answers[step].result;
}

/* Of the time that is left, this much is kept for the question what became of a step whose answer does not come. */
#define SETTLE_SHARE  4
#define SETTLE_MAX_MS 15000

static int64_t step_deadline(const struct line *line, const struct step *step)
{
	int64_t left, share;

	if (!line->deadline_ms || step->settle == SETTLE_NOT || step->settle == SETTLE_REPEAT)
		return line->deadline_ms;
	left = clock_left_ms(line->deadline_ms);
	share = left / SETTLE_SHARE;
	return line->deadline_ms - (share < SETTLE_MAX_MS ? share : SETTLE_MAX_MS);
}

static int call(const struct line *line, const struct step *step, struct answer *ret)
{
	struct call call = {
		.operation = step->operation,
		.method = step->method,
		.path = step->path,
		.body = step->body.len ? step->body.data : NULL,
		.body_len = step->body.len,
		.flags = CALL_WRITE | (step->settle == SETTLE_REPEAT ? CALL_REPEATABLE : 0),
		.deadline_ms = step_deadline(line, step),
		.waiter = line->waiter,
	};
	int result;

	err_clear(line->err);
	result = offers_call(line->mount, &call, ret, line->err);
	if (result == -ENOENT && step->gone_is_done) {
		err_clear(line->err);
		result = 0;
	}
	return step->plain ? errors_busy(result, line->err) : result;
}

/* ---- what is still being deleted ---- */

/* The service may still be deleting what the create needs: it is asked until the deadline, ever more seldom. */
#define TAKEN_PAUSE_MS 500

static bool is_living(const struct line *line, const struct change *change)
{
	cleanup_(list_unrefp) struct list *list = NULL;
	struct err refused = *line->err;
	bool living;

	/* The list hides what this mount deleted: a name that it shows belongs to a living resource. */
	living = !line->r || source_list_again(line->r, change->kind, change->parent_id, true, &list) < 0 ||
		 list_by_name(list, change->name);
	*line->err = refused;
	return living;
}

static bool may_be_in_the_way(const struct line *line, const struct change *change)
{
	struct identity what = { .kind = change->kind, .parent_id = change->parent_id };

	return change->after && deleted_may_hold(line->mount, &what, change->name, change->after);
}

/* Waits before the next try of a create that was refused; false: it is refused for good. *pause_ms is 0 at first. */
static bool still_deleting(const struct line *line, const struct change *change, int result, int64_t *pause_ms)
{
	int64_t left = clock_left_ms(line->deadline_ms);

	if (result != -EEXIST || change->verb != VERB_CREATE || change->kind->flags & KIND_NEW_ONLY || left < TAKEN_PAUSE_MS)
		return false;
	/* Asked once: after that only a deleted resource, or one that came just now, is in the way. */
	if (!*pause_ms && !errors_being_deleted(line->err) && (!may_be_in_the_way(line, change) || is_living(line, change)))
		return false;
	*pause_ms = *pause_ms ? *pause_ms * 8 / 5 : TAKEN_PAUSE_MS;
	/* The last try is within the deadline. */
	if (*pause_ms > left - TAKEN_PAUSE_MS / 2)
		*pause_ms = left - TAKEN_PAUSE_MS / 2;
	return request_pause(line->r, *pause_ms) == 0;
}

/* ---- a step ---- */

/* The step's answer was lost. 1: send it again. 0: it was made. -errno: it is told. */
static int find_lost(const struct line *line, const struct change *change, size_t i, struct list *before, unsigned tries,
		     struct outcome *ret)
{
	struct err lost = *line->err;
	int found;

	if (change->steps[i].settle == SETTLE_REPEAT)
		return -lost.errnum;
	found = settle_step(line, change, i, before, ret);

	if (found > 0)
		return 0;
	if (found < 0) {
		ret->unknown = true;
		return found;
	}
	if (tries < 2)
		return 1;
	/* The account was asked: the change did not arrive, so the failure is all there is to tell. */
	*line->err = lost;
	line->err->outcome_unknown = false;
	return -lost.errnum;
}

/* The first GET after a write that removed something. What is kept all the same is no success. */
static int look_for_removed(const struct line *line, const struct change *change, size_t i, struct outcome *ret)
{
	struct call call = { .method = "GET", .flags = CALL_WRITE, .deadline_ms = line->deadline_ms };
	cleanup_free_ char *path = NULL;
	struct answer answer = { 0 };
	char operation[48];
	int result;

	if (!step_wants_look(change, i) || !(change->kind->verbs & KIND_GET))
		return 0;
	result = kind_path(change->kind->item, change->parent_id, change->id, NULL, &path);
	if (result < 0)
		return result;
	snprintf(operation, sizeof(operation), "get %s", change->kind->name);
	call.operation = operation;
	call.path = path;
	/* What cannot be asked is told by whoever looks next. */
	if (offers_call(line->mount, &call, &answer, NULL) < 0)
		return 0;
	result = step_check_removed(change, answer.result, line->err);
	json_object_put(ret->found[i]);
	ret->found[i] = json_object_get(answer.result);
	answer_clear(&answer);
	return result;
}

/* Whether the service says that it does not know, or misses, fields of the body: then it is no word on the document. */
static bool is_about_fields(const struct err *err)
{
	static const char *const words[] = { "unrecognized", "undefined", "required", "missing", "unknown", "unexpected" };
	bool about = false;

	for (size_t i = 0; i < array_len(words); i++)
		about = about || strcasestr(err->text, words[i]);
	return about && err->http_status == 400;
}

/* What was there before, under another name, is not what a create made: the answer is another request's. */
static bool is_of_another(const struct change *change, struct list *before, struct json_object *answer)
{
	const struct kind *kind = change->kind;
	const char *id = answer ? kind_id(kind, answer) : NULL;
	const struct list_item *known = id && before ? list_by_id(before, id) : NULL;
	unsigned traits = known && kind->hooks && kind->hooks->traits ? kind->hooks->traits(answer) : 0;

	/* A namespace's application has the namespace's id, whatever its name. */
	return known && change->name && strcmp(known->snapshot->name, change->name) != 0 && !(traits & TRAIT_DURABLE);
}

static int call_create(const struct line *line, const struct change *change, size_t i, struct list *before, struct outcome *ret)
{
	int result = call(line, &change->steps[i], &ret->answers[i]);

	if (result < 0 || !is_of_another(change, before, ret->answers[i].result))
		return result;
	answer_clear(&ret->answers[i]);
	result = err_set(line->err, EIO, "the answer to the create is about what was there before");
	line->err->outcome_unknown = true;
	return result;
}

static int send_step(const struct line *line, const struct change *change, size_t i, struct outcome *ret)
{
	const struct step *step = &change->steps[i];
	bool create = step->settle == SETTLE_NEW || step->settle == SETTLE_AGAIN;
	cleanup_(list_unrefp) struct list *before = NULL;
	struct store_info info;
	int64_t pause_ms = 0;
	unsigned tries = 0;
	bool earlier;
	int result;

	/* What is there before it is sent can not be what it made. */
	if (create && line->r)
		source_list(line->r, change->kind, change->parent_id, &before, &info);
	earlier = create && line->r && making_begin(line, change);
	for (;;) {
		if (earlier) {
			earlier = false;
			result = settle_earlier(line, change, i, ret);
			if (result != 0) {
				result = result < 0 ? result : 0;
				break;
			}
		}
		result = create ? call_create(line, change, i, before, ret) : call(line, step, &ret->answers[i]);
		if (result < 0 && line->err->outcome_unknown) {
			result = find_lost(line, change, i, before, ++tries, ret);
			if (result > 0)
				continue;
		} else if (result < 0 && create && still_deleting(line, change, result, &pause_ms)) {
			continue;
		}
		break;
	}
	if (result == 0 || (create && !ret->unknown))
		making_end(line, change);
	ret->made[i] = result == 0;
	ret->older_way = result == -EINVAL && step->older_way && is_about_fields(line->err);
	if (result == 0 && !ret->again)
		result = step_check(change, i, outcome_object(ret, i), line->err);
	/* Another resource's answer tells nothing of what was sent. */
	if (result < 0 && change->verb == VERB_CREATE)
		ret->made[i] = false;
	if (result == 0 && !ret->again)
		result = look_for_removed(line, change, i, ret);
	return result;
}

/* A refusal that speaks of something that the document refers to: it has to be there first, and how it comes there. */
static void hint_missing(const struct change *change, struct err *err)
{
	struct json_object *refers = err->http_status == 400 ? change_refers(change) : NULL;

	for (size_t i = 0; refers && i < json_object_array_length(refers); i++) {
		const char *path = json_object_get_string(json_object_array_get_idx(refers, i)), *name = strchr(path, '/') + 1;
		struct err said = *err;

		if (!memmem(err->text, strlen(err->text), name, strcspn(name, ".")))
			continue;
		err_set(err, said.errnum, "%.400s (%s must be there before what refers to it: cp FILE %s)", said.text, path,
			path);
		break;
	}
	json_object_put(refers);
}

int send_change(const struct line *line, const struct change *change, struct outcome *ret)
{
	size_t i = 0;
	int result = 0;

	*ret = (struct outcome){ 0 };
	while (result == 0 && i < change->steps_count && !ret->again)
		result = send_step(line, change, i++, ret);
	if (result < 0)
		hint_missing(change, line->err);
	if (result < 0 && i > 1 && !ret->made[i - 1] && !ret->older_way)
		err_prefix(line->err, "%s (write the same again to send only the rollout): ",
			   change->owes ? "the change was made, but its rollout failed" :
					  "all but the configuration was changed, but its rollout failed");
	return result;
}
