/* The waves of an apply: changes go side by side, as far as max_conns and the budget allow. */
#include "fs/send/apply.h"

#include <errno.h>

#include "api/base/clock.h"

/* A request as the run's, with a deadline of its own; its waiter is the caller's to destroy. 0 or -errno. */
static int request_like(const struct apply_run *run, struct request *ret)
{
	*ret = (struct request){ .op = run->r->op, .mount = run->mount, .worker = true, .ctx = run->r->ctx };
	ret->deadline_ms = clock_after_ms(run->mount->options->timeout_ms);
	return waiter_init(&ret->waiter);
}

/* ---- a worker ---- */

enum next { NEXT_NONE, NEXT_ROW, NEXT_MARK };

/* NEXT_ROW: *ret_i is the caller's. NEXT_MARK: he is to mark from *ret_i on, and to say so. NEXT_NONE: nothing is left, or nothing is
   to be begun. */
static enum next take_next(struct apply_run *run, size_t *ret_i)
{
	scope_lock(apply_run, run);
	for (;;) {
		if (run->stop || run->next == run->end || fuse_session_exited(run->mount->session))
			return NEXT_NONE;
		*ret_i = run->next;
		if (run->next < run->ready) {
			run->next++;
			return NEXT_ROW;
		}
		if (!run->marking) {
			run->marking = true;
			return NEXT_MARK;
		}
		/* As long as the state takes to be on the disk. */
		(void)apply_run_cond_wait(run, &run->marked_more, clock_after_ms(MSEC_PER_SEC));
	}
}

static size_t end_of(struct apply_run *run)
{
	scope_lock(apply_run, run);
	return run->end;
}

/* Enough that nobody waits for the disk while others wait for the network, and few to be looked for after a kill -9. */
static void mark_some(struct apply_run *run, size_t begin)
{
	struct request r;
	size_t end = end_of(run), most = begin + 2 * (size_t)run->mount->options->max_conns;

	if (end > most)
		end = most;
	if (request_like(run, &r) == 0) {
		apply_mark_ahead(run, &r, begin, end);
		waiter_destroy(&r.waiter);
	}
	scope_lock(apply_run, run);
	run->ready = end;
	run->marking = false;
	pthread_cond_broadcast(&run->marked_more);
}

/* In turn: there are few. */
static void park_wave(struct apply_run *run, size_t begin)
{
	for (size_t i = begin; i < run->count && run->places[i].wave == run->places[begin].wave; i++) {
		struct request r;

		if (!run->places[i].parks || waiter_canceled(&run->r->waiter) || request_like(run, &r) < 0)
			continue;
		apply_park_row(run, &r, i);
		waiter_destroy(&r.waiter);
	}
}

static void work_on(struct apply_run *run, size_t i)
{
	struct request r;
	int result = request_like(run, &r);

	run->begun[i] = true;
	if (result == 0) {
		result = apply_run_row(run, &r, i);
		waiter_destroy(&r.waiter);
	}
	run->done[i] = result == 0;
	if (result < 0) {
		run->errs[i] = r.err;
		run->errs[i].errnum = -result;
	}
}

static void work(void *arg)
{
	struct apply_run *run = arg;
	enum next next;
	size_t i;

	while ((next = take_next(run, &i)) != NEXT_NONE) {
		if (next == NEXT_MARK)
			mark_some(run, i);
		else
			work_on(run, i);
	}
	scope_lock(apply_run, run);
	if (--run->working == 0)
		waiter_wake(&run->r->waiter);
}

/* ---- a wave ---- */

static bool is_working(struct apply_run *run)
{
	scope_lock(apply_run, run);
	return run->working;
}

static void stop(struct apply_run *run)
{
	scope_lock(apply_run, run);
	run->stop = true;
}

bool apply_is_stopped(struct apply_run *run)
{
	scope_lock(apply_run, run);
	return run->stop;
}

/* Waits until nobody works; after a signal, until what is on its way is answered. */
static void wait_for_wave(struct apply_run *run)
{
	while (is_working(run)) {
		if (waiter_wait(&run->r->waiter, clock_after_ms(MSEC_PER_SEC), apply_is_stopped(run)) == -EINTR)
			stop(run);
		if (waiter_canceled(&run->r->waiter))
			stop(run);
	}
}

/* How many work on it. */
static unsigned begin_wave(struct apply_run *run, size_t begin, size_t end)
{
	size_t rows = end - begin, most = run->mount->options->max_conns;

	scope_lock(apply_run, run);
	run->next = begin;
	run->end = end;
	run->ready = begin;
	run->wave++;
	run->working = (unsigned)(rows < most ? rows : most);
	return run->working;
}

static void miss_worker(struct apply_run *run)
{
	scope_lock(apply_run, run);
	run->working--;
}

static int run_wave(struct apply_run *run, struct pool *pool, size_t begin, size_t end)
{
	unsigned threads = begin_wave(run, begin, end);
	int result = 0;

	for (unsigned i = 0; i < threads; i++) {
		result = pool_run(pool, work, run);
		if (result == 0)
			continue;
		miss_worker(run);
		/* The others do its share. */
		if (i > 0)
			result = 0;
	}
	wait_for_wave(run);
	return result;
}

int apply_waves(struct apply_run *run)
{
	unsigned threads = run->mount->options->max_conns;
	cleanup_(pool_freep) struct pool *pool = pool_new("cfcfs-apply", threads, MOUNT_STACK_BYTES);
	int result = pool ? 0 : -ENOMEM;

	for (size_t begin = 0, end; result == 0 && begin < run->count && !apply_is_stopped(run); begin = end) {
		if (!begin || run->places[begin - 1].wave != run->places[begin].wave)
			park_wave(run, begin);
		for (end = begin + 1; end < run->count && !staged_is_later(&run->places[end - 1], &run->places[end]); end++)
			;
		result = run_wave(run, pool, begin, end);
	}
	return result;
}
