/*
 * A request of the kernel, in two phases. A FUSE thread runs the handler with waiting forbidden; a handler that would have
 * to wait for the network returns RUN_IN_WORKER, and is run again, from its start, by a worker, which may wait. So a FUSE thread
 * never waits, and what is cached never queues behind what is slow.
 *
 * A worker waits in request_get, request_take_turn, request_pause and client calls alone: each ends by the request's deadline, and
 * by a signal that ends the process behind it, queued or running.
 */
#pragma once

#include "api/base/turn.h"
#include "fs/core/mount.h"
#include "fs/core/notify.h"
#include "fs/core/tree.h"

struct request;

/* No errno, and never a reply: the first phase ends, and a worker runs the handler. */
#define RUN_IN_WORKER (-0x7000)

/* Replies and returns 0, or returns -errno (text in request->err), for which the caller replies. */
typedef int (*request_fn)(struct request *r);

struct request {
	fuse_req_t fuse;
	struct mount *mount;
	request_fn run;
	const char *op;  /* "rename": for errors.jsonl and metrics */
	bool changes;    /* goes to the writers' pool */
	bool worker;     /* may wait */
	bool locks_dirs; /* the kernel holds the locks of ino, and of new_ino where there is one, until it is answered */
	struct notify_hold held[2];
	int64_t deadline_ms;
	int64_t began_ns;
	struct waiter waiter; /* initialised in a worker alone */
	bool settling;        /* something was sent, and is being found out: signals end no wait any more */
	struct err err;
	struct fuse_ctx ctx; /* uid, gid, thread id, umask */
	/* Arguments, as far as the operation has them; strings and data are owned. */
	fuse_ino_t ino, new_ino;
	char *name, *new_name;
	char *data;
	size_t size;
	off_t offset;
	unsigned flags;
	mode_t mode;
	int to_set;
	struct stat attr;
	struct fuse_file_info fi;
	bool has_fi;
	int stage; /* what the first phase has done already */
};

/* Starts a request: fields of the arguments are set by the caller on the result. NULL: ENOMEM was replied. */
struct request *request_new(fuse_req_t fuse, const char *op, request_fn run, bool changes);
/* Runs it here, or hands it to a worker. Takes it over. */
void request_start(struct request *r);
/* Takes ownership of copies; on lack of memory replies and returns false. */
bool request_copy_names(struct request **r, const char *name, const char *new_name);

/* What a handler passes to store_get for waiting. */
int request_get(struct request *r, const void *row, const char *key, int64_t ttl_ms, struct store_value *ret,
		struct store_info *ret_info);
/* The deadline and waiter for client calls. */
void request_call(struct request *r, struct call *call);

/* RUN_IN_WORKER in the first phase; 0 in a worker. */
int request_need_worker(struct request *r);
/* Waits that long: 0; -EINTR after a signal (unless r->settling); -ETIMEDOUT when the deadline comes first. Workers only. */
int request_pause(struct request *r, int64_t ms);
/* Waits for a turn: 0; RUN_IN_WORKER in the first phase where it is not free; -EINTR; -ETIMEDOUT with a text. */
int request_take_turn(struct request *r, struct turn *turn);

/* Thread-group id of the process behind the request, or 0. */
pid_t request_process(const struct request *r);
/* Whether that process is being killed by a signal. */
bool request_is_dying(const struct request *r);

/* Seconds that the kernel may keep what expires at the moment; 0 for the past. */
double request_timeout(int64_t expires_ms);
