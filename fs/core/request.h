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

struct handle;
struct request;

/* No errno, and never a reply: the first phase ends, and a worker runs the handler. */
#define RUN_IN_WORKER (-0x7000)

/* Replies and returns 0, or returns -errno (text in request->err), for which the caller replies. */
typedef int (*request_fn)(struct request *r);

/*
 * The operations: tag, name (of the handler op_NAME, of the arguments' member of struct request, and what errors.jsonl and metrics
 * call it), and what is known of each before its handler runs.
 */
#define REQUEST_OPS(ROW)                                                                                                         \
	ROW(LOOKUP, lookup, 0)                                                                                                   \
	ROW(GETATTR, getattr, 0)                                                                                                 \
	ROW(SETATTR, setattr, OP_CHANGES)                                                                                        \
	ROW(ACCESS, access, 0)                                                                                                   \
	ROW(READLINK, readlink, 0)                                                                                               \
	ROW(SYMLINK, symlink, OP_CHANGES | OP_LOCKS_DIRS)                                                                        \
	ROW(MKDIR, mkdir, 0)                                                                                                     \
	ROW(RMDIR, rmdir, OP_LOCKS_DIRS)                                                                                         \
	ROW(UNLINK, unlink, OP_CHANGES | OP_LOCKS_DIRS)                                                                          \
	ROW(RENAME, rename, OP_CHANGES | OP_LOCKS_DIRS)                                                                          \
	ROW(OPEN, open, 0)                                                                                                       \
	ROW(CREATE, create, OP_CHANGES | OP_LOCKS_DIRS)                                                                          \
	ROW(READ, read, 0)                                                                                                       \
	ROW(WRITE, write, OP_CHANGES)                                                                                            \
	ROW(FALLOCATE, fallocate, OP_CHANGES)                                                                                    \
	ROW(FLUSH, flush, OP_CHANGES)                                                                                            \
	ROW(FSYNC, fsync, OP_CHANGES)                                                                                            \
	ROW(RELEASE, release, OP_CHANGES)                                                                                        \
	ROW(OPENDIR, opendir, 0)                                                                                                 \
	ROW(READDIR, readdir, 0)                                                                                                 \
	ROW(READDIRPLUS, readdirplus, 0)                                                                                         \
	ROW(FSYNCDIR, fsyncdir, OP_CHANGES)                                                                                      \
	ROW(GETXATTR, getxattr, 0)                                                                                               \
	ROW(LISTXATTR, listxattr, 0)

#define REQUEST_TAG(tag, name, flags) OP_##tag,
enum op_tag { REQUEST_OPS(REQUEST_TAG) OP_COUNT };
#undef REQUEST_TAG

enum op_flag {
	OP_CHANGES = 1,    /* goes to the writers' pool */
	OP_LOCKS_DIRS = 2, /* the kernel holds the locks of the directories whose names it is about until it is answered */
};

/* A row of the table of operations (fs/ops/ops.c). */
struct op {
	enum op_tag tag;
	const char *name;
	request_fn run;
	unsigned flags;
};

/* Arguments. Text and data are owned by the request. */
struct name_args {
	char *name;
};
struct symlink_args {
	char *name, *target;
};
struct mkdir_args {
	char *name;
	mode_t mode;
};
struct rename_args {
	char *name, *new_name;
	fuse_ino_t new_dir;
	unsigned flags; /* of renameat2(2) */
};
struct setattr_args {
	struct stat attr;
	int to_set;            /* FUSE_SET_ATTR_* */
	struct handle *handle; /* NULL: by path */
	bool sized;            /* the size is set: the first phase may have done so */
};
struct access_args {
	int mask; /* R_OK | W_OK | X_OK */
};
struct open_args {
	struct fuse_file_info info; /* flags come in; the rest is the answer's */
};
struct create_args {
	char *name;
	mode_t mode;
	struct fuse_file_info info;
};
struct read_args {
	struct handle *handle;
	size_t size;
	off_t offset; /* of a directory: how many names came before */
};
struct write_args {
	struct handle *handle;
	char *data; /* wiped after use: it may be a secret */
	size_t size;
	off_t offset;
	bool append; /* O_APPEND, as it is now: fcntl(2) may have changed it */
	bool stored; /* the draft has the bytes: the first phase may have put them there */
};
struct fallocate_args {
	struct handle *handle;
	unsigned mode;
	off_t offset;
	size_t length;
};
struct handle_args {
	struct handle *handle;
};
struct getxattr_args {
	char *attribute;
	size_t size; /* 0: how many bytes it has is asked */
};
struct listxattr_args {
	size_t size;
};

struct request {
	const struct op *op; /* its tag says which member of the arguments there is */
	fuse_req_t fuse;
	struct mount *mount;
	bool worker;    /* may wait */
	bool no_memory; /* an argument could not be copied */
	struct notify_hold held[2];
	int64_t deadline_ms;
	int64_t began_ns;
	struct waiter waiter; /* initialised in a worker alone */
	bool settling;        /* something was sent, and is being found out: signals end no wait any more */
	struct err err;
	struct fuse_ctx ctx; /* uid, gid, thread id, umask */
	fuse_ino_t ino;      /* the node that it is about, or the directory of its name */
	union {
		struct name_args lookup, rmdir, unlink;
		struct setattr_args setattr;
		struct access_args access;
		struct symlink_args symlink;
		struct mkdir_args mkdir;
		struct rename_args rename;
		struct open_args open, opendir;
		struct create_args create;
		struct read_args read, readdir, readdirplus;
		struct write_args write;
		struct fallocate_args fallocate;
		struct handle_args flush, fsync, release;
		struct getxattr_args getxattr;
		struct listxattr_args listxattr;
	};
};

/* Begins a request: its arguments are set by the caller on the result. NULL: ENOMEM was replied. */
struct request *request_new(fuse_req_t fuse, const struct op *op, fuse_ino_t ino);
/* A copy of size bytes, for an argument. Where there is no memory for it, request_start will reply ENOMEM. */
char *request_copy(struct request *r, const char *data, size_t size);
char *request_copy_text(struct request *r, const char *text);
/* Runs it here, or hands it to a worker. Takes it over. */
void request_start(struct request *r);
/* The name in the directory r->ino that it is about; NULL: r->ino itself. */
const char *request_name(const struct request *r);

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
