/*
 * Signals, served by a thread that waits for them. SIGTERM and SIGINT end the mount in good order, once more at once (in
 * seconds); SIGHUP re-reads the token, reopens the log, drops the cache. Before the mount is made SIGTERM and SIGINT end the
 * process.
 */
#pragma once

#include "api/base/cleanup.h"

struct mount;
struct keeper;
struct loop;
struct signals;

/* Blocks the signals in the calling thread (and those it starts), ignores SIGPIPE and starts the thread. 0 or -errno. */
int signals_start(struct signals **ret);
/* From now on SIGTERM does not end the process: it is remembered. */
void signals_hold(struct signals *s);
/* The mount is up; all are borrowed until signals_loop_ended. */
void signals_serve(struct signals *s, struct mount *mount, struct loop *loop, struct keeper *keeper);
/* The loop ended: waits for an orderly end that is under way. The mount and session are not touched any more. 0, or -errno where
   something that was pending could not be sent. */
int signals_loop_ended(struct signals *s);
struct signals *signals_free(struct signals *s);

/* How long those who have a file open get to close it, once the mount is off its directory. */
#define SIGNALS_LINGER_MS 1000
/* How long an orderly end may still take once a second signal asks for haste. */
#define SIGNALS_HASTE_SECONDS 2
