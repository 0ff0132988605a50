/* The keeper's process: one thread, no secrets, no device. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <syslog.h>

#include "fs/run/fusectl.h"
#include "fs/run/keeper_private.h"
#include "fs/run/mountpoint.h"
#include "fs/run/session.h"

struct process {
	int socket, death; /* death: a signalfd, readable once the server's first thread is gone */
	const struct options *options;
	bool mounted;
	dev_t device;
	struct fusectl abort;
};

/* ---- orders ---- */

static int answer(struct process *p, const struct keeper_answer *text, int fd)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec part = { .iov_base = (void *)(uintptr_t)text, .iov_len = sizeof(*text) };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };

	if (fd >= 0) {
		message.msg_control = control.space;
		message.msg_controllen = sizeof(control.space);
		control.header =
			(struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS };
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(int));
	}
	return sendmsg(p->socket, &message, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static void do_mount(struct process *p)
{
	struct fuse_session *session = NULL;
	struct keeper_answer a = { 0 };
	struct err err = ERR_INIT;

	a.result = session_new(p->options, NULL, &session, &err);
	if (a.result == 0)
		a.result = session_mount(session, p->options->mountpoint, &p->device, &err);
	if (a.result == 0) {
		p->mounted = true;
		a.device = p->device;
		a.can_abort = fusectl_open(p->device, &p->abort) == 0;
	}
	/* As the server does, once the path need not be walked (run_child). */
	if (!p->options->foreground)
		setsid();
	snprintf(a.text, sizeof(a.text), "%s", err.text);
	answer(p, &a, a.result == 0 ? fuse_session_fd(session) : -1);
	/* Closes the device, and leaves the mount. */
	if (session)
		fuse_session_destroy(session);
}

static void do_detach(struct process *p)
{
	struct keeper_answer a = { 0 };

	if (p->mounted)
		a.result = mountpoint_detach(p->options->mountpoint, p->device);
	if (a.result == 0)
		p->mounted = false;
	answer(p, &a, -1);
}

static void do_gone(struct process *p)
{
	const struct keeper_answer a = { 0 };

	p->mounted = false;
	answer(p, &a, -1);
}

/* ---- the server's death ---- */

/* The number of the device may be a later mount's by now, for the kernel gives it out again. */
static bool is_ours(struct process *p)
{
	return p->mounted && (!fusectl_is_open(&p->abort) || fusectl_is_same(p->device, &p->abort));
}

_Noreturn static void clean_up(struct process *p)
{
	int r = 0;

	/* A mount that was taken off its directory may still be in use. */
	fusectl_abort(&p->abort);
	if (is_ours(p)) {
		r = mountpoint_detach(p->options->mountpoint, p->device);
		openlog("cfcfs", LOG_PID, LOG_DAEMON);
		if (r < 0)
			syslog(LOG_ERR, "the process that served %s died, and unmounting failed: %s", p->options->mountpoint,
			       strerrordesc_np(-r));
		else
			syslog(LOG_ERR, "the process that served %s died: it was unmounted", p->options->mountpoint);
	}
	_exit(r < 0);
}

/* False: the server ended in good order. */
static bool obey(struct process *p)
{
	enum keeper_order order;
	ssize_t n;

	do
		n = recv(p->socket, &order, sizeof(order), 0);
	while (n < 0 && errno == EINTR);
	if (n != sizeof(order))
		clean_up(p); /* the other end is closed, without a word */
	switch (order) {
	case KEEPER_MOUNT:
		do_mount(p);
		return true;
	case KEEPER_DETACH:
		do_detach(p);
		return true;
	case KEEPER_GONE:
		do_gone(p);
		return true;
	case KEEPER_LEAVE:
		break;
	}
	return false;
}

/* What the shell or systemd sends to the whole group is for the server; the keeper sees what comes of it. */
static int take_signals(void)
{
	static const int ignored[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGPIPE };
	sigset_t set;

	for (size_t i = 0; i < array_len(ignored); i++)
		signal(ignored[i], SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_SETMASK, &set, NULL);
	prctl(PR_SET_PDEATHSIG, SIGUSR1);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* The server's files, its waiting parent's pipe among them, must not stay open because of the keeper. */
static void close_files(int *socket)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int fd = STDIN_FILENO; null >= 0 && fd <= STDERR_FILENO; fd++)
		dup2(null, fd);
	*socket = dup3(*socket, STDERR_FILENO + 1, O_CLOEXEC) < 0 ? *socket : STDERR_FILENO + 1;
	close_range((unsigned)*socket + 1, ~0U, 0);
}

static void forget_credentials(void)
{
	static const char *const names[] = { "CLOUDFLARE_API_TOKEN", "CLOUDFLARE_API_KEY" };

	for (size_t i = 0; i < array_len(names); i++) {
		char *value = getenv(names[i]);

		if (value)
			explicit_bzero(value, strlen(value));
		unsetenv(names[i]);
	}
}

_Noreturn void keeper_run(int socket, pid_t server, const struct options *options)
{
	struct process p = { .options = options, .abort = FUSECTL_INIT };

	forget_credentials();
	close_files(&socket);
	p.socket = socket;
	p.death = take_signals();
	/* It may have died before the signal was asked for. */
	if (p.death < 0 || getppid() != server)
		_exit(1);
	for (;;) {
		struct pollfd fds[] = { { .fd = p.socket, .events = POLLIN }, { .fd = p.death, .events = POLLIN } };

		if (poll(fds, array_len(fds), -1) < 0 && errno != EINTR)
			_exit(1);
		if (fds[1].revents)
			clean_up(&p);
		if (fds[0].revents && !obey(&p))
			_exit(0);
	}
}
