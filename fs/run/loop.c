/* First: it has a field of the name of a banned function. */
#include <linux/fuse.h>

#include "fs/run/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/eventfd.h>

#include "api/base/lock.h"
#include "api/base/rand.h"
#include "api/base/waiter.h"

/* Below this, looking again costs as much as it saves. */
#define SPIN_LEAST_NS 5000

DECLARE_LOCK(loop);
struct loop {
	struct fuse_session *session; /* borrowed; fixed */
	int stop_fd;                  /* fixed; readable: loop_stop was called */
	bool can_spin;                /* fixed once the loop runs */
	struct lock lock;
	pthread_cond_t turn_is_free;
	bool turn_taken GUARDED_BY(loop_locked);
	bool over GUARDED_BY(loop_locked);
	int result GUARDED_BY(loop_locked); /* why it is over */
	/* Of the thread that has the turn: */
	int64_t spin_ns;
	unsigned behind; /* requests in a row behind which another stood */
};
DEFINE_LOCK(loop, struct loop, lock)

int loop_new(struct fuse_session *session, struct loop **ret)
{
	struct loop *loop = calloc(1, sizeof(*loop));
	int flags = fcntl(fuse_session_fd(session), F_GETFL), r;

	if (!loop)
		return -ENOMEM;
	loop->session = session;
	loop->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	/* Looking for a request must not wait for one. Answers are not concerned: writing to the device never waits. */
	if (loop->stop_fd < 0 || flags < 0 || fcntl(fuse_session_fd(session), F_SETFL, flags | O_NONBLOCK) < 0) {
		r = -errno;
		closep(&loop->stop_fd);
		free(loop);
		return r;
	}
	lock_init(&loop->lock);
	pthread_cond_init(&loop->turn_is_free, NULL);
	*ret = loop;
	return 0;
}

struct loop *loop_free(struct loop *loop)
{
	if (!loop)
		return NULL;
	close(loop->stop_fd);
	pthread_cond_destroy(&loop->turn_is_free);
	lock_destroy(&loop->lock);
	free(loop);
	return NULL;
}

void loop_stop(struct loop *loop)
{
	const uint64_t one = 1;

	fuse_session_exit(loop->session);
	/* A full counter is as readable. */
	if (write(loop->stop_fd, &one, sizeof(one)) < 0)
		return;
}

/* ---- the turn ---- */

/* False: the loop is over. */
static bool take_turn(struct loop *loop)
{
	scope_lock(loop, loop);
	while (loop->turn_taken && !loop->over)
		loop_cond_wait(loop, &loop->turn_is_free, CLOCK_NEVER);
	if (loop->over)
		return false;
	loop->turn_taken = true;
	return true;
}

static void pass_turn(struct loop *loop)
{
	loop->behind = 0;
	scope_lock(loop, loop);
	loop->turn_taken = false;
	pthread_cond_signal(&loop->turn_is_free);
}

static void end(struct loop *loop, int result)
{
	scope_lock(loop, loop);
	loop->over = true;
	loop->result = result;
	pthread_cond_broadcast(&loop->turn_is_free);
}

static int result_of(struct loop *loop)
{
	scope_lock(loop, loop);
	return loop->result;
}

/* ---- reading a request ---- */

int64_t loop_next_spin(int64_t spin_ns, int64_t waited_ns)
{
	if (waited_ns <= spin_ns)
		return spin_ns;
	if (waited_ns <= LOOP_SPIN_NS)
		return LOOP_SPIN_NS;
	/* Looked for in vain: less the next time, so that a mount which is used now and then costs nothing in between. */
	return spin_ns / 2 >= SPIN_LEAST_NS ? spin_ns / 2 : 0;
}

static int sleep_until_readable(struct loop *loop)
{
	struct pollfd fds[] = {
		{ .fd = fuse_session_fd(loop->session), .events = POLLIN },
		{ .fd = loop->stop_fd, .events = POLLIN },
	};

	return poll(fds, array_len(fds), -1) < 0 && errno != EINTR ? -errno : 0;
}

/* Bytes; 0: the mount is gone, or the loop was told to stop; or -errno. */
static int receive(struct loop *loop, struct fuse_buf *buf)
{
	int64_t began = clock_now_ns(), waited;
	int r;

	for (;;) {
		r = fuse_session_receive_buf(loop->session, buf);
		if (r != -EAGAIN && r != -EINTR)
			break;
		if (fuse_session_exited(loop->session))
			return 0;
		if (loop->can_spin && clock_now_ns() - began < loop->spin_ns)
			continue;
		r = sleep_until_readable(loop);
		if (r < 0)
			break;
	}
	waited = clock_now_ns() - began;
	if (loop->can_spin)
		loop->spin_ns = loop_next_spin(loop->spin_ns, waited);
	return r;
}

/* ---- answering it ---- */

static bool may_take_long(const struct fuse_buf *buf)
{
	const struct fuse_in_header *in = buf->mem;

	/* Listings grow with their directory. */
	return buf->size > LOOP_QUICK_BYTES || in->opcode == FUSE_READDIR || in->opcode == FUSE_READDIRPLUS;
}

static bool is_write(const struct fuse_buf *buf)
{
	const struct fuse_in_header *in = buf->mem;

	return in->opcode == FUSE_WRITE;
}

static bool is_behind(struct loop *loop)
{
	struct pollfd fd = { .fd = fuse_session_fd(loop->session), .events = POLLIN };

	loop->behind = poll(&fd, 1, 0) > 0 ? loop->behind + 1 : 0;
	return loop->behind >= LOOP_BEHIND_MAX;
}

/* Serves with the turn until it is passed on. False: the loop is over. */
static bool serve_turn(struct loop *loop, struct fuse_buf *buf)
{
	bool passed = false;
	size_t written;

	while (!passed) {
		int r = receive(loop, buf);

		if (r <= 0) {
			end(loop, r);
			return false;
		}
		written = is_write(buf) ? buf->size : 0;
		passed = may_take_long(buf) || is_behind(loop);
		if (passed)
			pass_turn(loop);
		fuse_session_process_buf(loop->session, buf);
		/* It may have been a secret; the request has a copy of its own. */
		if (written)
			wipe(buf->mem, written);
	}
	return true;
}

static void *serve(void *arg)
{
	struct fuse_buf buf = { 0 };
	struct loop *loop = arg;

	waiter_forbid(true);
	while (take_turn(loop) && serve_turn(loop, &buf))
		;
	waiter_forbid(false);
	free(buf.mem);
	return NULL;
}

static bool has_processors(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof(set), &set) < 0 || CPU_COUNT(&set) > 1;
}

int loop_run(struct loop *loop)
{
	pthread_t threads[LOOP_THREADS - 1];
	size_t count = 0;

	loop->can_spin = has_processors();
	while (count < array_len(threads) && pthread_create(&threads[count], NULL, serve, loop) == 0)
		pthread_setname_np(threads[count++], "cfcfs-fuse");
	serve(loop);
	while (count)
		pthread_join(threads[--count], NULL);
	return result_of(loop);
}
