/*
 * How long operations take, without the start of a process for each: timed TIMES OP PATH... makes the
 * operation TIMES times, on the paths in turn, and prints the median and the longest in microseconds. The
 * first that fails ends it: the call and the errno's name on stderr, exit status 1. In a target, @ is
 * replaced by the number of the turn. Operations: stat PATH...             lstat df PATH... statvfs cat
 * PATH...              open, read to the end, close ls PATH...               opendir, readdir to the end,
 * closedir lsl PATH...              the same, and lstat of each write TARGET SOURCE...   open (new or
 * emptied), write of the source, close rename TARGET SOURCE...  the same with a scratch file, which is then
 * renamed to the target timed TIMES signal NAME OP PATH... : the operation waits, in a process of its own,
 * which is then sent the signal; the time is from the signal to the end of that process. With caught NAME,
 * where the signal has a handler that does nothing: to the end of the call, which must fail with EINTR.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TIMES_MAX      1000
#define SOURCE_MAX     (1 << 20)
#define BEFORE_WAIT_MS 5000 /* for the call to be made */
#define IN_WAIT_MS     100  /* that it waits before the signal */

/* Where the call and its errno are told; shared with the process that makes it. */
static struct shared {
	_Atomic int64_t ended_ns;
	_Atomic int errnum;
} * shared;

static const char *failed_call;

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void pause_ms(long ms)
{
	struct timespec time = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&time, NULL);
}

static int failed(const char *call)
{
	failed_call = call;
	return -errno;
}

static int do_stat(const char *path)
{
	struct stat st;

	return lstat(path, &st) < 0 ? failed("lstat") : 0;
}

static int do_df(const char *path)
{
	struct statvfs st;

	return statvfs(path, &st) < 0 ? failed("statvfs") : 0;
}

static int do_cat(const char *path)
{
	static char data[1 << 16];
	int fd = open(path, O_RDONLY | O_CLOEXEC), r = 0;
	ssize_t n;

	if (fd < 0)
		return failed("open");
	while ((n = read(fd, data, sizeof(data))) > 0)
		;
	if (n < 0)
		r = failed("read");
	close(fd);
	return r;
}

static int list(const char *path, int with_lstat)
{
	DIR *d = opendir(path);
	struct dirent *e;
	struct stat st;
	int r = 0;

	if (!d)
		return failed("opendir");
	while (errno = 0, r == 0 && (e = readdir(d))) {
		if (with_lstat && fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			r = failed("lstat");
	}
	if (r == 0 && errno)
		r = failed("readdir");
	closedir(d);
	return r;
}

static int do_ls(const char *path)
{
	return list(path, 0);
}

static int do_lsl(const char *path)
{
	return list(path, 1);
}

static int write_file(const char *path, const char *data, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644), r = 0;

	if (fd < 0)
		return failed("open");
	if (write(fd, data, len) != (ssize_t)len)
		r = failed("write");
	if (close(fd) < 0 && r == 0)
		r = failed("close");
	return r;
}

static const struct op {
	const char *name;
	int (*run)(const char *path);
	int writes, renames;
} ops[] = {
	{ "stat", do_stat, 0, 0 }, { "df", do_df, 0, 0 },   { "cat", do_cat, 0, 0 },  { "ls", do_ls, 0, 0 },
	{ "lsl", do_lsl, 0, 0 },   { "write", NULL, 1, 0 }, { "rename", NULL, 1, 1 },
};

struct task {
	const struct op *op;
	char **paths;
	int count;
	int signal, caught;
};

static size_t slurp(const char *path, char *data)
{
	FILE *f = fopen(path, "rb");
	size_t len = f ? fread(data, 1, SOURCE_MAX, f) : 0;

	if (!len) {
		fprintf(stderr, "timed: cannot read %s\n", path);
		exit(2);
	}
	fclose(f);
	return len;
}

/* The file's name in this turn, and that of its scratch file beside it. */
static void name_target(const char *pattern, int turn, char *name, char *scratch)
{
	const char *at = strchr(pattern, '@'), *slash;

	if (at)
		snprintf(name, PATH_MAX, "%.*s%d%s", (int)(at - pattern), pattern, turn, at + 1);
	else
		snprintf(name, PATH_MAX, "%s", pattern);
	slash = strrchr(name, '/');
	snprintf(scratch, PATH_MAX, "%.*s/.scratch-%d", slash ? (int)(slash - name) : 1, slash ? name : ".", turn);
}

/* 0 or -errno; *ret_ns is what the operation took, and nothing of its preparation. */
static int perform(const struct task *task, int turn, int64_t *ret_ns)
{
	static char data[SOURCE_MAX], name[PATH_MAX], scratch[PATH_MAX];
	int64_t began;
	size_t len;
	int r;

	if (!task->op->writes) {
		began = now_ns();
		r = task->op->run(task->paths[turn % task->count]);
		*ret_ns = now_ns() - began;
		return r;
	}
	name_target(task->paths[0], turn, name, scratch);
	len = slurp(task->paths[1 + turn % (task->count - 1)], data);
	began = now_ns();
	r = write_file(task->op->renames ? scratch : name, data, len);
	if (r == 0 && task->op->renames && rename(scratch, name) < 0)
		r = failed("rename");
	*ret_ns = now_ns() - began;
	return r;
}

static void nothing(int number)
{
	(void)number;
}

/* The process that waits. */
static _Noreturn void wait_in_call(const struct task *task, int turn)
{
	struct sigaction action = { .sa_handler = task->caught ? nothing : SIG_DFL };
	int64_t took;
	int r;

	sigaction(task->signal, &action, NULL);
	r = perform(task, turn, &took);
	shared->errnum = -r;
	shared->ended_ns = now_ns();
	_exit(0);
}

static char state_of(pid_t pid)
{
	char path[64], text[512], *end;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "r");
	if (!f)
		return '?';
	text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
	fclose(f);
	end = strrchr(text, ')');
	return end && end[1] ? end[2] : '?';
}

static int complain(const char *what)
{
	fprintf(stderr, "timed: %s\n", what);
	return -ECANCELED;
}

/* From the signal to what ends it; -ECANCELED where nothing waited or the wait ended otherwise. */
static int interrupt(const struct task *task, int turn, int64_t *ret_ns)
{
	int64_t began;
	int status, asleep = 0;
	pid_t pid;

	shared->ended_ns = 0;
	pid = fork();
	if (pid == 0)
		wait_in_call(task, turn);
	for (int ms = 0; ms < BEFORE_WAIT_MS && !asleep; ms += 5) {
		pause_ms(5);
		asleep = state_of(pid) == 'S' || state_of(pid) == 'D';
	}
	pause_ms(IN_WAIT_MS);
	if (!asleep || shared->ended_ns || waitpid(pid, &status, WNOHANG) != 0) {
		kill(pid, SIGKILL);
		return complain("the call did not wait for a signal");
	}
	began = now_ns();
	kill(pid, task->signal);
	waitpid(pid, &status, 0);
	*ret_ns = (task->caught ? shared->ended_ns : now_ns()) - began;
	if (task->caught)
		return WIFEXITED(status) && shared->errnum == EINTR ? 0 : complain("the call did not fail with EINTR");
	return WIFSIGNALED(status) && WTERMSIG(status) == task->signal ? 0 : complain("the signal did not end the process");
}

static int signal_of(const char *name)
{
	for (int i = 1; i < NSIG; i++) {
		const char *abbreviation = sigabbrev_np(i);

		if (abbreviation && !strcmp(abbreviation, name))
			return i;
	}
	return 0;
}

static int parse(int argc, char **argv, struct task *task)
{
	*task = (struct task){ 0 };
	if (argc > 2 && (!strcmp(argv[0], "signal") || !strcmp(argv[0], "caught"))) {
		task->caught = argv[0][0] == 'c';
		task->signal = signal_of(argv[1]);
		if (!task->signal)
			return -1;
		argv += 2, argc -= 2;
	}
	for (size_t i = 0; argc > 1 && i < sizeof(ops) / sizeof(ops[0]); i++) {
		if (!strcmp(argv[0], ops[i].name))
			task->op = &ops[i];
	}
	task->paths = argv + 1;
	task->count = argc - 1;
	return task->op && task->count > task->op->writes ? 0 : -1;
}

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	static int64_t took[TIMES_MAX];
	int times = argc > 2 ? atoi(argv[1]) : 0, r;
	struct task task;

	if (times < 1 || times > TIMES_MAX || parse(argc - 2, argv + 2, &task) < 0) {
		fputs("usage: timed TIMES [signal NAME|caught NAME] stat|df|cat|ls|lsl PATH...\n"
		      "       timed TIMES [signal NAME|caught NAME] write|rename TARGET SOURCE...\n",
		      stderr);
		return 2;
	}
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return 2;
	for (int i = 0; i < times; i++) {
		r = task.signal ? interrupt(&task, i, &took[i]) : perform(&task, i, &took[i]);
		if (r < 0) {
			if (failed_call)
				fprintf(stderr, "timed: %s %s\n", failed_call, strerrorname_np(-r));
			return 1;
		}
	}
	qsort(took, (size_t)times, sizeof(*took), by_value);
	printf("%lld %lld\n", (long long)took[times / 2] / 1000, (long long)took[times - 1] / 1000);
	return 0;
}
