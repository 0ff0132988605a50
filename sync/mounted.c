#include "sync/mounted.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "api/base/clock.h"
#include "sync/say.h"

/* Runs that may go on at once. */
#define PLACES_MAX 32
#define POLL_MS    2
/* cfcfs waits for what it needs no longer than this: for a mount that ends in its place, for its files. */
#define START_MS 120000
/* Somebody who still looks at the mount is waited for so long; then it goes without them. */
#define BUSY_MS 5000

volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
	interrupted = number;
}

/* It ends a pause. */
static void on_child(int number)
{
	(void)number;
}

void interrupt_listen(void)
{
	static const int numbers[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction action = { .sa_handler = on_signal };

	sigemptyset(&action.sa_mask);
	for (size_t i = 0; i < array_len(numbers); i++)
		sigaction(numbers[i], &action, NULL);
	action.sa_handler = on_child;
	sigaction(SIGCHLD, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
}

void pause_ms(unsigned ms)
{
	const struct timespec time = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };

	nanosleep(&time, NULL);
}

/* ---- the place ---- */

/* A directory of this user's alone, as the standards and the habits have it. */
static int make_base(char **ret, struct err *err)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR"), *temporary = getenv("TMPDIR");
	struct stat st;
	int n;

	if (runtime && *runtime == '/' && access(runtime, W_OK) == 0)
		n = text_format(ret, "%s/cfcfs-sync", runtime);
	else
		n = text_format(ret, "%s/cfcfs-sync-%u", temporary && *temporary == '/' ? temporary : "/tmp",
				(unsigned)geteuid());
	if (n < 0)
		return err_set(err, ENOMEM, "out of memory");
	if (mkdir(*ret, 0700) < 0 && errno != EEXIST)
		return err_set(err, errno, "%s: %s", *ret, strerror(errno));
	if (lstat(*ret, &st) < 0 || !S_ISDIR(st.st_mode) || st.st_uid != geteuid() || st.st_mode & 077)
		return err_set(err, EPERM, "%s is no directory of this user's alone", *ret);
	return 0;
}

static bool is_mounted(const char *dir)
{
	cleanup_free_ char *parent = NULL;
	struct stat own, above;

	if (text_format(&parent, "%s/..", dir) < 0 || stat(dir, &own) < 0)
		return errno == ENOTCONN || errno == ECONNABORTED;
	return stat(parent, &above) < 0 || own.st_dev != above.st_dev;
}

static int run_unmount(const char *dir, bool lazy)
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0) {
		int null = open("/dev/null", O_RDWR);

		if (null >= 0)
			dup2(null, STDERR_FILENO);
		execlp("fusermount3", "fusermount3", lazy ? "-uz" : "-u", "--", dir, (char *)NULL);
		_exit(127);
	}
	if (pid < 0)
		return -errno;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EBUSY;
}

/* The first place that nobody has. */
static int take_place(struct mounted *m, const char *base, const char *name, struct err *err)
{
	for (unsigned i = 0; i < PLACES_MAX; i++) {
		cleanup_free_ char *lock = NULL;
		cleanup_close_ int fd = -1;

		if (text_format(&lock, "%s/%s.%u.lock", base, name, i) < 0)
			return err_set(err, ENOMEM, "out of memory");
		fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (fd < 0)
			return err_set(err, errno, "%s: %s", lock, strerror(errno));
		if (flock(fd, LOCK_EX | LOCK_NB) < 0)
			continue;
		if (text_format(&m->dir, "%s/%s.%u", base, name, i) < 0)
			return err_set(err, ENOMEM, "out of memory");
		m->lock_fd = steal_fd(&fd);
		return 0;
	}
	return err_set(err, EBUSY, "%u other runs go on in %s", PLACES_MAX, base);
}

static int prepare(struct mounted *m, const struct args *args, struct err *err)
{
	const char *account = args->account ? args->account : getenv("CLOUDFLARE_ACCOUNT_ID");
	cleanup_free_ char *base = NULL;
	int r = make_base(&base, err);

	/* cfcfs tells what is wrong with an account's name; here it must only be a name. */
	if (!account || !*account || strspn(account, "0123456789abcdefABCDEF") != strlen(account) || strlen(account) > 64)
		account = "account";
	if (r == 0)
		r = take_place(m, base, account, err);
	if (r < 0)
		return r;
	/* Of a run that was killed. */
	if (is_mounted(m->dir))
		run_unmount(m->dir, true);
	if (mkdir(m->dir, 0700) < 0 && errno != EEXIST)
		return err_set(err, errno, "%s: %s", m->dir, strerror(errno));
	return 0;
}

/* ---- the program ---- */

/* The one that stands beside this one, else the one of the path. */
static char *find_cfcfs(void)
{
	char own[4096];
	ssize_t n = readlink("/proc/self/exe", own, sizeof(own) - 1);
	char *path = NULL, *slash;

	if (n > 0) {
		own[n] = '\0';
		slash = strrchr(own, '/');
		if (slash && text_format(&path, "%.*s/cfcfs", (int)(slash - own), own) > 0 && access(path, X_OK) == 0)
			return path;
		free(path);
	}
	return strdup("cfcfs");
}

/* Nobody else uses the mount: more calls in flight than eight are in nobody's way. What the caller says comes later, and counts. */
#define BEFORE "max_conns=16,"

static void run_cfcfs(const struct mounted *m, const struct args *args, const char *program, const char *options, pid_t parent)
{
	char *argv[] = { (char *)"cfcfs", (char *)"-f", (char *)"-o", (char *)options, NULL, NULL, NULL };
	sigset_t none;
	size_t n = 4;

	/* A terminal's interrupt is for this program: it stops the apply, and unmounts then. */
	setsid();
	/* However this program ends. */
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(1);
	signal(SIGPIPE, SIG_DFL);
	/* Before it is let through: one that this program's handler had taken would be lost to cfcfs. */
	signal(SIGTERM, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	dup2(STDERR_FILENO, STDOUT_FILENO);
	if (args->account)
		argv[n++] = (char *)args->account;
	argv[n++] = m->dir;
	execvp(program, argv);
	fprintf(stderr, "cfcfs-sync: %s: %s\n", program, strerror(errno));
	_exit(127);
}

static int wait_until_up(struct mounted *m, struct err *err)
{
	int64_t deadline = clock_after_ms(START_MS);
	int status;

	while (!is_mounted(m->dir)) {
		if (waitpid(m->pid, &status, WNOHANG) == m->pid) {
			m->pid = 0;
			err_clear(err);
			return -EIO;
		}
		if (interrupted || !clock_left_ms(deadline)) {
			/* Should it come up all the same, it unmounts. */
			kill(m->pid, SIGTERM);
			return interrupted ? err_set(err, EINTR, "interrupted") :
					     err_set(err, ETIMEDOUT, "%s is not mounted after %d s", m->dir, START_MS / 1000);
		}
		pause_ms(POLL_MS);
	}
	return 0;
}

int mounted_start(struct mounted *m, const struct args *args, const char *options, struct err *err)
{
	cleanup_free_ char *program = find_cfcfs(), *all = NULL;
	sigset_t terminate, before;
	pid_t parent = getpid();
	int r;

	*m = MOUNTED_NONE;
	if (!program ||
	    text_format(&all, "%s%s%s%s", BEFORE, args->options ? args->options : "", args->options ? "," : "", options) < 0)
		return err_set(err, ENOMEM, "out of memory");
	r = prepare(m, args, err);
	if (r < 0)
		return r;
	fflush(NULL);
	sigemptyset(&terminate);
	sigaddset(&terminate, SIGTERM);
	sigprocmask(SIG_BLOCK, &terminate, &before);
	m->pid = fork();
	if (m->pid == 0)
		run_cfcfs(m, args, program, all, parent);
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (m->pid < 0) {
		m->pid = 0;
		return err_set(err, errno, "no process could be had: %s", strerror(errno));
	}
	return wait_until_up(m, err);
}

static int end_program(struct mounted *m)
{
	int status = 0;

	for (unsigned waited = 0; is_mounted(m->dir) && run_unmount(m->dir, waited >= BUSY_MS) < 0; waited += POLL_MS) {
		if (waited > 2 * BUSY_MS) {
			kill(m->pid, SIGTERM);
			break;
		}
		pause_ms(POLL_MS);
	}
	while (waitpid(m->pid, &status, 0) < 0 && errno == EINTR)
		;
	m->pid = 0;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EIO;
}

int mounted_end(struct mounted *m)
{
	int r = m->pid > 0 ? end_program(m) : 0;

	if (m->dir)
		rmdir(m->dir);
	free(m->dir);
	closep(&m->lock_fd);
	*m = MOUNTED_NONE;
	return r;
}

void mounted_endp(struct mounted *m)
{
	(void)mounted_end(m);
}
