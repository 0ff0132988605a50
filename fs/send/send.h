/*
 * Sending: takes a change and nothing else, and is the only code that changes the account. A step whose answer was lost is found
 * out before anything is sent twice; a create that is refused because the service still deletes what is in the way is tried until the
 * deadline. Workers only; holds no lock.
 */
#pragma once

#include "fs/core/doomed.h"
#include "fs/send/change.h"

/* Who waits for it, and how long. */
struct line {
	struct mount *mount;
	struct request *r; /* NULL: nobody waits (a delete whose grace is over); then only steps that need no list are settled */
	int64_t deadline_ms; /* 0: the client's own */
	struct waiter *waiter;
	struct err *err;
	const char *path;            /* in the tree, for the history; NULL: it is made of the change */
	const struct doomed *doomed; /* of a delete: who wants it, and the document; NULL: the request tells */
};

/* What came of it. */
struct outcome {
	struct answer answers[CHANGE_STEPS_MAX];     /* owned; of the steps that were made, in order */
	struct json_object *found[CHANGE_STEPS_MAX]; /* owned: what stands for an answer that was lost, or NULL */
	bool made[CHANGE_STEPS_MAX];                 /* whether the account has made the step, as far as is known */
	bool again;                                  /* what a lost create made was found: decide anew */
	bool older_way; /* the service does not know the step's fields: decide anew, in the older way */
	bool unknown;   /* one step more may have been made */
};

/* 0: every step was made. -errno with text: one was not, or nobody knows. Clear *ret in every case. */
int send_change(const struct line *line, const struct change *change, struct outcome *ret);
void outcome_clear(struct outcome *outcome);
#define cleanup_outcome_ cleanup_(outcome_clear)
/* The object in the answer to a step that was made; borrowed; NULL where the answer holds none. */
struct json_object *outcome_object(const struct outcome *outcome, size_t step);

/* ---- settling, in a file of its own ---- */

/* What became of a step whose answer was lost. 1: it was made (ret->found may hold the object). 0: it was not, for sure.
   -errno: nobody knows, or it may not be asked. */
int settle_step(const struct line *line, const struct change *change, size_t step, struct list *before, struct outcome *ret);
/* What became of an earlier create of the same name, of which nobody heard (fs/send/making.h): as above; what is found is changed by a
   new decision. -EINTR too. */
int settle_earlier(const struct line *line, const struct change *change, size_t step, struct outcome *ret);

/* The rollout of a list of them that has this mark, which no other change's has: 1 with its object, owned by the caller; 0; -errno. */
int settle_find_mark(struct request *r, const struct kind *kind, const char *of, struct list *list, const char *mark,
		     struct json_object **ret);

/* ---- the pure parts ---- */

/* Whether the resource, as it is now, is what the step made of it. 1, 0, or -1 where that cannot be told. */
int settle_arrived(const struct change *change, size_t step, struct json_object *now);
/* Whether the answer to a step is what it must answer: 0, or -errno with text: another resource's, or a field that was to go. */
int step_check(const struct change *change, size_t step, struct json_object *answer, struct err *err);
/* Whether the removed members that a rollout does not carry are gone: for the first GET after the write. */
int step_check_removed(const struct change *change, struct json_object *now, struct err *err);
/* Whether there are such. */
bool step_wants_look(const struct change *change, size_t step);
