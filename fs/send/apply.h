/*
 * Applying what is staged: the same line as that of a write, for many, in waves. What others refer to goes first; within a wave
 * changes go side by side, as far as max_conns and the budget allow. What succeeded is staged no longer, what failed stays with its
 * reason, and what depends on a failure is not tried. Workers only.
 *
 * Before what cannot be told apart from its second time is sent (a create, a verb) the row says so on the disk: who comes after a
 * kill -9 looks before it sends again. Everything else is what it is: a second look finds nothing to do.
 */
#pragma once

#include "api/base/lock.h"
#include "fs/core/trail.h"
#include "fs/core/request.h"
#include "fs/core/stage.h"
#include "fs/send/staged_order.h"

struct applies;

/* Of apply.jsonl that are kept. */
#define APPLY_BYTES_MAX ((size_t)2 << 20)

/* What is shared by all orders of a mount: that one is under way, and apply.jsonl. NULL without memory. */
struct applies *applies_new(void);
struct applies *applies_free(struct applies *applies);
struct trail *applies_lines(struct applies *applies);

/*
 * An order, as it is written: "apply", "apply!", "discard", each with a PATH behind it or alone. 0, or -errno of the first failure
 * (in the plan's order) with its text: -EBUSY at once where another is under way, -EINTR after a signal, -EINVAL for another
 * word, -ENOENT where nothing is staged at the path, -EPERM for more deletes than a full view takes.
 */
int apply_order(struct request *r, const char *text, size_t len);
/* "apply apply! discard" */
#define APPLY_WORDS "apply apply! discard\n"

/* How long after it was about to be sent a create is looked for before it is sent again. */
#define APPLY_LOOK_MS 10000

/* ---- pieces, in files of their own ---- */

/* What one run knows. Workers of the wave share it. */
DECLARE_LOCK(apply_run);
struct apply_run {
	struct lock lock;
	struct mount *mount;
	struct request *r; /* who ordered it */
	bool force;
	struct staged **rows; /* owned references, in the plan's order; each is its worker's while that works, as the next two */
	const struct staged_place *places; /* of the rows; borrowed */
	struct err *errs;                  /* of the rows: errnum 0: done */
	bool *done;                        /* sent, or found to be there */
	bool *begun;                       /* it was its turn */
	bool *marked;                      /* by this run, before that: apply_mark_ahead */
	size_t count;
	unsigned wave;                            /* counted from 1 */
	size_t next GUARDED_BY(apply_run_locked); /* of the wave, which ends before end */
	size_t end GUARDED_BY(apply_run_locked);
	size_t ready GUARDED_BY(apply_run_locked);     /* rows before it may be taken: they are marked where they must be */
	bool marking GUARDED_BY(apply_run_locked);     /* by one of the workers; the others wait for that */
	pthread_cond_t marked_more;                    /* ready is another */
	unsigned working GUARDED_BY(apply_run_locked); /* threads */
	bool stop GUARDED_BY(apply_run_locked);        /* a signal came: nothing more is begun */
	struct json_object *failed GUARDED_BY(apply_run_locked); /* owned; by path: what depends on it is not tried */
};
DEFINE_LOCK(apply_run, struct apply_run, lock)

/* Sends the rows, wave by wave, until a signal comes or the mount ends. 0 or -errno of what kept it from beginning. */
int apply_waves(struct apply_run *run);
bool apply_is_stopped(struct apply_run *run);
/* One row of it, told in apply.jsonl and on record. r: a request of this worker's own. 0 or -errno. */
int apply_run_row(struct apply_run *run, struct request *r, size_t i);
/* The same of its other name for the meantime, where that is needed; what fails is not tried any more. */
void apply_park_row(struct apply_run *run, struct request *r, size_t i);
/* Sends one row, and notes what came of it. r is the worker's own. *row is replaced by what is left of it. */
int apply_row(const struct apply_run *run, struct request *r, struct staged **row);
/* Gives it another name for the meantime (staged_order.h). 0 or -errno. */
int apply_park(const struct apply_run *run, struct request *r, const struct staged *row);
/* What a row refers to, as paths in the tree, and what it refers to now and will no longer: 0 or -errno. */
int apply_refers(const struct staged *row, struct json_object *now, struct json_object *before);
/* What became of a row that was about to be sent when the mount died. 1: it is done. 0: send it. -errno: nobody knows. */
int apply_recover(struct request *r, const struct staged *row);
/* Notes that it is about to be sent, on the disk. *row is replaced. 0 or -errno. */
int apply_mark(struct request *r, struct staged **row);
/* The same of those rows of the run that wait for nothing, in one: the next ones are on the disk while others are sent. Best effort: what
   is not marked then is when its turn comes. */
void apply_mark_ahead(const struct apply_run *run, struct request *r, size_t begin, size_t end);
/* Of what was marked so and never begun, at the end of the run. */
void apply_unmark(const struct apply_run *run, size_t i);
