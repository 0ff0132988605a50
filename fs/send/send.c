#include "fs/send/send.h"

#include <errno.h>
#include <json-c/json.h>

#include "api/base/clock.h"
#include "api/errors.h"
#include "fs/core/tree.h"
#include "fs/send/deleted.h"
#include "fs/show/offers.h"
#include "fs/show/source.h"

void outcome_clear(struct outcome *outcome)
{
	for (size_t i = 0; i < CHANGE_STEPS_MAX; i++)
		answer_clear(&outcome->answers[i]);
	json_object_put(outcome->found);
	*outcome = (struct outcome){ 0 };
}

struct json_object *outcome_object(const struct outcome *outcome, size_t step)
{
	if (step >= outcome->made)
		return NULL;
	return outcome->found && step == outcome->made - 1 ? outcome->found : outcome->answers[step].result;
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
		.deadline_ms = line->deadline_ms,
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

static int send_step(const struct line *line, const struct change *change, size_t i, struct outcome *ret)
{
	const struct step *step = &change->steps[i];
	bool create = step->settle == SETTLE_NEW || step->settle == SETTLE_AGAIN;
	cleanup_(list_unrefp) struct list *before = NULL;
	struct store_info info;
	int64_t pause_ms = 0;
	unsigned tries = 0;
	int result;

	/* What is there before it is sent can not be what it made. */
	if (create && line->r)
		source_list(line->r, change->kind, change->parent_id, &before, &info);
	for (;;) {
		result = call(line, step, &ret->answers[i]);
		if (result < 0 && line->err->outcome_unknown) {
			result = find_lost(line, change, i, before, ++tries, ret);
			if (result > 0)
				continue;
		} else if (result < 0 && create && still_deleting(line, change, result, &pause_ms)) {
			continue;
		}
		break;
	}
	if (result == 0)
		ret->made = i + 1;
	else if (change->owes && i == change->steps_count - 1)
		err_prefix(line->err,
			   "the change was made, but its rollout failed (write the same again to send only the rollout): ");
	return result;
}

int send_change(const struct line *line, const struct change *change, struct outcome *ret)
{
	int result = 0;

	*ret = (struct outcome){ 0 };
	for (size_t i = 0; result == 0 && i < change->steps_count && !ret->again; i++)
		result = send_step(line, change, i, ret);
	return result;
}
