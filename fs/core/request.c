#include "fs/core/request.h"

#include <errno.h>
#include <signal.h>

#include "api/base/clock.h"
#include "api/base/rand.h"
#include "fs/core/failures.h"
#include "fs/core/metrics.h"
#include "fs/core/trace.h"

struct request *request_new(fuse_req_t fuse, const struct op *op, fuse_ino_t ino)
{
	struct request *r = calloc(1, sizeof(*r));

	if (!r) {
		fuse_reply_err(fuse, ENOMEM);
		return NULL;
	}
	r->fuse = fuse;
	r->mount = fuse_req_userdata(fuse);
	r->op = op;
	r->ino = ino;
	r->ctx = *fuse_req_ctx(fuse);
	r->began_ns = clock_now_ns();
	return r;
}

char *request_copy(struct request *r, const char *data, size_t size)
{
	char *copy = malloc(size ? size : 1);

	if (copy)
		memcpy(copy, data, size);
	else
		r->no_memory = true;
	return copy;
}

char *request_copy_text(struct request *r, const char *text)
{
	return request_copy(r, text, strlen(text) + 1);
}

static char *name_of(const struct request *r)
{
	switch (r->op->tag) {
	case OP_LOOKUP:
		return r->lookup.name;
	case OP_SYMLINK:
		return r->symlink.name;
	case OP_MKDIR:
		return r->mkdir.name;
	case OP_RMDIR:
		return r->rmdir.name;
	case OP_UNLINK:
		return r->unlink.name;
	case OP_RENAME:
		return r->rename.name;
	case OP_CREATE:
		return r->create.name;
	default:
		return NULL;
	}
}

const char *request_name(const struct request *r)
{
	return name_of(r);
}

static void free_args(struct request *r)
{
	free(name_of(r));
	switch (r->op->tag) {
	case OP_SYMLINK:
		free(r->symlink.target);
		break;
	case OP_RENAME:
		free(r->rename.new_name);
		break;
	case OP_GETXATTR:
		free(r->getxattr.attribute);
		break;
	case OP_WRITE:
		if (r->write.data)
			wipe(r->write.data, r->write.size);
		free(r->write.data);
		break;
	default:
		break;
	}
}

static void request_free(struct request *r)
{
	if (r->worker)
		waiter_destroy(&r->waiter);
	free_args(r);
	free(r);
}

static void record(struct request *r, int errnum)
{
	cleanup_free_ char *path = NULL;

	/* Who stops looking knows why: it must not push out what a write failed of. */
	if (!r->err.text[0] || (errnum == EINTR && !(r->op->flags & OP_CHANGES)))
		return;
	r->err.errnum = errnum;
	path = failures_request_path(r);
	failures_add(r->mount->failures, path ? path : "?", r->op->name, &r->err, NULL, 0);
}

static void finish(struct request *r, int result)
{
	metrics_add(r->op->name, r->began_ns);
	TRACE3(request_end, r->op->name, result, clock_now_ns() - r->began_ns);
	if (result < 0) {
		record(r, -result);
		fuse_reply_err(r->fuse, -result);
	}
	for (size_t i = 0; i < array_len(r->held); i++)
		notify_release(r->mount->notifier, &r->held[i]);
	request_free(r);
}

/*
 * Any caught signal sends an INTERRUPT: timers, window changes, a runtime's own. Only those with which a person or the
 * system ends something end a wait.
 */
static bool ends_wait(pid_t tid)
{
	char path[64], line[128];
	uint64_t pending = 0;
	const uint64_t ending = 1ULL << (SIGINT - 1) | 1ULL << (SIGTERM - 1) | 1ULL << (SIGHUP - 1) | 1ULL << (SIGQUIT - 1) |
				1ULL << (SIGKILL - 1);
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)tid);
	f = fopen(path, "re");
	/* The process is in another namespace or gone: nobody can tell, so the wait ends. */
	if (!f)
		return true;
	while (fgets(line, sizeof(line), f)) {
		unsigned long long mask;

		if (sscanf(line, "SigPnd: %llx", &mask) == 1 || sscanf(line, "ShdPnd: %llx", &mask) == 1)
			pending |= mask;
	}
	fclose(f);
	return pending & ending;
}

static struct pool *pool_of(const struct request *r)
{
	return r->op->flags & OP_CHANGES ? r->mount->writers : r->mount->readers;
}

static void work(void *arg)
{
	struct request *r = arg;
	int result = r->op->run(r);

	if (!invariant(result != RUN_IN_WORKER))
		result = -EIO;
	if (result < 0)
		fuse_req_interrupt_func(r->fuse, NULL, NULL);
	finish(r, result);
}

/* Called with libfuse's lock of the request, under which work() and the replies end the interrupts. */
static void on_interrupt(fuse_req_t fuse, void *data)
{
	struct request *r = data;

	(void)fuse;
	if (!ends_wait(r->ctx.pid))
		return;
	/* Where no worker has it yet, nothing was done. */
	if (pool_take_back(pool_of(r), work, r))
		finish(r, -EINTR);
	else
		waiter_cancel(&r->waiter);
}

static void hold_dirs(struct request *r)
{
	notify_hold(r->mount->notifier, &r->held[0], r->ino);
	if (r->op->tag == OP_RENAME && r->rename.new_dir != r->ino)
		notify_hold(r->mount->notifier, &r->held[1], r->rename.new_dir);
}

static void hand_over(struct request *r)
{
	int result = waiter_init(&r->waiter);

	if (result < 0) {
		finish(r, result);
		return;
	}
	r->worker = true;
	r->deadline_ms = clock_after_ms(r->mount->options->timeout_ms);
	err_clear(&r->err);
	TRACE2(request_worker, r->op->name, r->ino);
	if (r->op->flags & OP_LOCKS_DIRS)
		hold_dirs(r);
	/* Before it can be run, or the worker may have freed it. An interrupt that came already is heard here. */
	fuse_req_interrupt_func(r->fuse, on_interrupt, r);
	result = pool_run(pool_of(r), work, r);
	if (result < 0) {
		fuse_req_interrupt_func(r->fuse, NULL, NULL);
		finish(r, -ENOMEM);
	}
}

void request_start(struct request *r)
{
	int result;

	TRACE2(request_start, r->op->name, r->ino);
	result = r->no_memory ? -ENOMEM : r->op->run(r);
	if (result == RUN_IN_WORKER)
		hand_over(r);
	else
		finish(r, result);
}

int request_get(struct request *r, const void *row, const char *key, int64_t ttl_ms, struct store_value *ret,
		struct store_info *ret_info)
{
	struct store_get get = {
		.key = key,
		.row = row,
		.ttl_ms = ttl_ms,
		.cached_only = !r->worker,
		.deadline_ms = r->deadline_ms,
		.waiter = r->worker ? &r->waiter : NULL,
	};
	int result;

	result = store_get(r->mount->store, &get, ret, ret_info, &r->err);
	return result == -EAGAIN && !r->worker ? RUN_IN_WORKER : result;
}

void request_call(struct request *r, struct call *call)
{
	call->deadline_ms = r->deadline_ms;
	call->waiter = r->worker ? &r->waiter : NULL;
}

int request_need_worker(struct request *r)
{
	return r->worker ? 0 : RUN_IN_WORKER;
}

int request_pause(struct request *r, int64_t ms)
{
	int64_t until = clock_after_ms(ms), end = until < r->deadline_ms ? until : r->deadline_ms;
	int result;

	assert_return(r->worker, -EIO);
	/* Nobody wakes a pause: a wake is left over from a wait that ended otherwise. */
	result = waiter_pause(&r->waiter, end, r->settling);
	if (result < 0)
		return result;
	return end < until ? -ETIMEDOUT : 0;
}

int request_take_turn(struct request *r, struct turn *turn)
{
	int result;

	if (!r->worker)
		return turn_try(turn) ? 0 : RUN_IN_WORKER;
	result = turn_take(turn, &r->waiter, r->deadline_ms);
	if (result == -ETIMEDOUT)
		err_set(&r->err, ETIMEDOUT, "the deadline passed while another operation on the same file was being answered");
	return result;
}

pid_t request_process(const struct request *r)
{
	char path[64], line[128];
	int tgid = 0;
	FILE *f;

	if (r->ctx.pid <= 0)
		return 0;
	snprintf(path, sizeof(path), "/proc/%d/status", (int)r->ctx.pid);
	f = fopen(path, "re");
	if (!f)
		return r->ctx.pid;
	while (!tgid && fgets(line, sizeof(line), f))
		if (sscanf(line, "Tgid: %d", &tgid) == 1)
			break;
	fclose(f);
	return tgid ? tgid : r->ctx.pid;
}

bool request_is_dying(const struct request *r)
{
	const unsigned long signaled = 0x400; /* PF_SIGNALED of the kernel's sched.h */
	char path[64], text[512];
	unsigned long flags = 0;
	const char *p;
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)r->ctx.pid);
	f = fopen(path, "re");
	if (!f)
		return false;
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	/* The command's name may hold spaces and parentheses: what follows the last one counts. */
	p = strrchr(text, ')');
	return p && sscanf(p + 1, " %*c %*d %*d %*d %*d %*d %lu", &flags) == 1 && (flags & signaled);
}

double request_timeout(int64_t expires_ms)
{
	return (double)clock_left_ms(expires_ms) / MSEC_PER_SEC;
}
