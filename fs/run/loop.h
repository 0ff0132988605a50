/*
 * The session's loop: who reads the kernel's requests, and when. A request costs little but the way here: waking a thread on
 * another processor takes longer than answering. So one thread at a time has the turn to read. It answers by itself what is
 * quick, so that no other thread is woken for it, and looks for the next request for some microseconds before it goes to
 * sleep, if requests have lately come that close. Before what may take long, and where requests pile up, it passes its turn on.
 */
#pragma once

#include <fuse_lowlevel.h>

#include "api/base/cleanup.h"

/* Threads; they never wait for the network. */
#define LOOP_THREADS 4
/* How long the device is looked at for the next request at most, before the thread sleeps. None on a single processor. */
#define LOOP_SPIN_NS 50000
/* Requests in a row behind which another stood already: then another thread reads on meanwhile. */
#define LOOP_BEHIND_MAX 4
/* A request longer than this (a write's data) may take long. Bytes. */
#define LOOP_QUICK_BYTES 65536

struct loop;

/* For a mounted session, borrowed for the life of the loop. 0 or -errno. */
int loop_new(struct fuse_session *session, struct loop **ret);
/* Serves requests until the mount is gone, or loop_stop. Threads inherit the caller's signal mask. 0 or -errno. */
int loop_run(struct loop *loop);
/* From any thread, at any time: loop_run returns once what is being answered is. Its session counts as exited. */
void loop_stop(struct loop *loop);
/* After loop_run has returned. NULL is fine. */
struct loop *loop_free(struct loop *loop);

/* How long to look for the next request, after one came waited_ns after the last answer and spin_ns was looked for it. */
int64_t loop_next_spin(int64_t spin_ns, int64_t waited_ns);
