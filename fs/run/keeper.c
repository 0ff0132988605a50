/* The server's side. */
#include "fs/run/keeper.h"

#include <errno.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "api/base/clock.h"
#include "api/base/lock.h"
#include "api/base/log.h"
#include "fs/run/keeper_private.h"

DECLARE_LOCK(keeper);
struct keeper {
	struct lock lock;                       /* held for one order and its answer: short, and never across the network */
	int socket;                             /* fixed; orders are sent and answered with the lock, but the last */
	pid_t pid;                              /* fixed */
	bool mounted GUARDED_BY(keeper_locked); /* and not detached or gone since */
};
DEFINE_LOCK(keeper, struct keeper, lock)

/* What ps shows: not the server's words, by which people and scripts look for the server. */
static void set_title(int argc, char **argv, const char *mountpoint)
{
	char *end = argc > 0 ? argv[argc - 1] + strlen(argv[argc - 1]) + 1 : NULL;
	size_t size = end ? (size_t)(end - argv[0]) : 0;

	prctl(PR_SET_NAME, "cfcfs-keeper");
	if (!size)
		return;
	memset(argv[0], 0, size);
	snprintf(argv[0], size, "cfcfs-keeper %s", mountpoint);
}

int keeper_start(const struct options *options, int argc, char **argv, struct keeper **ret)
{
	struct keeper *keeper = calloc(1, sizeof(*keeper));
	pid_t server = getpid();
	int ends[2], r;

	if (!keeper)
		return -ENOMEM;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0) {
		r = -errno;
		free(keeper);
		return r;
	}
	keeper->pid = fork();
	if (keeper->pid == 0) {
		close(ends[0]);
		set_title(argc, argv, options->mountpoint);
		keeper_run(ends[1], server, options);
	}
	r = keeper->pid < 0 ? -errno : 0;
	close(ends[1]);
	if (r < 0) {
		close(ends[0]);
		free(keeper);
		return r;
	}
	keeper->socket = ends[0];
	lock_init(&keeper->lock);
	*ret = keeper;
	return 0;
}

/* ret_fd may be NULL. */
static int receive(int socket, struct keeper_answer *ret, int *ret_fd)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec part = { .iov_base = ret, .iov_len = sizeof(*ret) };
	struct msghdr message = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = control.space, .msg_controllen = sizeof(control.space)
	};
	struct cmsghdr *header;
	ssize_t n;

	do
		n = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n != sizeof(*ret))
		return n < 0 ? -errno : -EPIPE;
	header = CMSG_FIRSTHDR(&message);
	if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS && ret_fd)
		memcpy(ret_fd, CMSG_DATA(header), sizeof(int));
	return 0;
}

static int order_locked(struct keeper *keeper, enum keeper_order order, struct keeper_answer *ret, int *ret_fd)
	REQUIRES(keeper_locked)
{
	struct pollfd fd = { .fd = keeper->socket, .events = POLLIN };
	int64_t deadline = clock_after_ms(KEEPER_ORDER_MS);
	int r;

	keeper_assert_locked(keeper);
	if (send(keeper->socket, &order, sizeof(order), MSG_NOSIGNAL) < 0)
		return -errno;
	do
		r = poll(&fd, 1, (int)clock_left_ms(deadline));
	while (r < 0 && errno == EINTR);
	if (r <= 0)
		return r < 0 ? -errno : -ETIMEDOUT;
	return receive(keeper->socket, ret, ret_fd);
}

int keeper_mount(struct keeper *keeper, struct keeper_mount *ret, struct err *err)
{
	struct keeper_answer answer = { 0 };
	int fd = -1, r;

	scope_lock(keeper, keeper);
	r = order_locked(keeper, KEEPER_MOUNT, &answer, &fd);
	if (r < 0)
		return err_set(err, -r, "mounting: the process that mounts does not answer: %s", strerrordesc_np(-r));
	if (answer.result < 0 || fd < 0) {
		closep(&fd);
		answer.text[sizeof(answer.text) - 1] = '\0';
		return err_set(err, answer.result < 0 ? -answer.result : EIO, "%s", answer.text);
	}
	keeper->mounted = true;
	*ret = (struct keeper_mount){ .fd = fd, .device = answer.device, .can_abort = answer.can_abort };
	return 0;
}

int keeper_detach(struct keeper *keeper)
{
	struct keeper_answer answer = { 0 };
	int r;

	scope_lock(keeper, keeper);
	if (!keeper->mounted)
		return 0;
	r = order_locked(keeper, KEEPER_DETACH, &answer, NULL);
	if (r == 0)
		r = answer.result;
	if (r == 0)
		keeper->mounted = false;
	else
		log_error("unmounting: %s", strerrordesc_np(-r));
	return r;
}

void keeper_gone(struct keeper *keeper)
{
	struct keeper_answer answer;

	scope_lock(keeper, keeper);
	if (keeper->mounted)
		order_locked(keeper, KEEPER_GONE, &answer, NULL);
	keeper->mounted = false;
}

struct keeper *keeper_free(struct keeper *keeper)
{
	enum keeper_order leave = KEEPER_LEAVE;

	if (!keeper)
		return NULL;
	if (send(keeper->socket, &leave, sizeof(leave), MSG_NOSIGNAL) < 0)
		log_debug("the keeper is gone: %s", strerrordesc_np(errno));
	close(keeper->socket);
	while (waitpid(keeper->pid, NULL, 0) < 0 && errno == EINTR)
		;
	lock_destroy(&keeper->lock);
	free(keeper);
	return NULL;
}
