/*
 * A pool of threads that grows when a task finds no idle thread, up to a bound, and shrinks when idle. Tasks
 * past the bound wait in a queue in order. All signals are blocked in its threads.
 */
#pragma once

#include "api/base/cleanup.h"

struct pool;

/* At most max threads of stack_bytes each, named name (15 bytes shown by ps). NULL without memory. */
struct pool *pool_new(const char *name, unsigned max, size_t stack_bytes);
/* Runs task(arg) once, in some thread. -ENOMEM or -EAGAIN (no thread to be had and none running): not run. */
int pool_run(struct pool *pool, void (*task)(void *arg), void *arg);
/* Takes the task back that was given with this run and arg: true: it will not run, and arg is the caller's again; false: it runs
   already, or did. */
bool pool_take_back(struct pool *pool, void (*run)(void *arg), const void *arg);
/* Whether the calling thread is one of the pool's: then it must not wait for another task of it. */
bool pool_is_mine(const struct pool *pool);
/* Waits until no task is left, those queued meanwhile too. 0 or -ETIMEDOUT. */
int pool_wait_idle(struct pool *pool, int64_t deadline_ms);
/* Waits for every task that was accepted, then ends the threads. Nothing may be added meanwhile: whatever adds was ended before.
   NULL is fine. */
struct pool *pool_free(struct pool *pool);
DEFINE_CLEANUP(struct pool *, pool_free)
