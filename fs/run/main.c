#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <sys/wait.h>

#include "fs/run/check_main.h"
#include "fs/run/remount.h"
#include "fs/run/session.h"
#include "fs/run/start.h"

/* What the process that mounts tells the one that waits for it. */
struct report {
	int status;
	char text[512];
};

static int fail(int status, const char *text)
{
	fprintf(stderr, "cfcfs: ");
	/* One line, whatever a server or a file name put into it. */
	for (; *text; text++)
		fputc((unsigned char)*text < ' ' ? ' ' : *text, stderr);
	fputc('\n', stderr);
	return status;
}

/* A closed stdin, stdout or stderr must not become somebody's socket. */
static void fill_standard_files(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	while (fd >= 0 && fd <= STDERR_FILENO);
	closep(&fd);
}

static void leave_terminal(bool keep_stderr)
{
	cleanup_close_ int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return;
	dup2(fd, STDIN_FILENO);
	dup2(fd, STDOUT_FILENO);
	if (!keep_stderr)
		dup2(fd, STDERR_FILENO);
}

static void warn(const char *text)
{
	if (*text)
		fprintf(stderr, "cfcfs: warning: %s\n", text);
}

static int run_foreground(struct start *s)
{
	struct err err = ERR_INIT;
	int status = start_mount(s, &err);

	if (status != EXIT_MOUNTED) {
		start_end(s);
		return fail(status, err.text);
	}
	/* The log is here too, unless it is a file. */
	if (s->options.logfile)
		warn(s->warning);
	status = start_serve(s);
	start_end(s);
	return status;
}

static int run_child(struct start *s, int to_parent)
{
	struct report report = { 0 };
	struct err err = ERR_INIT;
	bool heard;

	report.status = start_mount(s, &err);
	/*
	 * Not before: an automounter lets past its own mount point, while that is being mounted, who is of its process group; all
	 * others wait for the mount to be there.
	 */
	setsid();
	snprintf(report.text, sizeof(report.text), "%s", report.status == EXIT_MOUNTED ? s->warning : err.text);
	if (report.status != EXIT_MOUNTED)
		start_end(s); /* before the parent leaves: nothing of it is left then */
	heard = write(to_parent, &report, sizeof(report)) == sizeof(report);
	close(to_parent);
	if (report.status != EXIT_MOUNTED)
		return report.status;
	leave_terminal(false);
	/* Nobody waits any more: the parent was killed, and a mount that nobody knows of is not left behind. */
	if (heard)
		report.status = start_serve(s);
	start_end(s);
	return report.status;
}

static int wait_for_child(int from_child)
{
	struct report report;
	ssize_t n;

	do
		n = read(from_child, &report, sizeof(report));
	while (n < 0 && errno == EINTR);
	if (n != sizeof(report))
		return fail(EXIT_MOUNT, "the process died before the mount was ready");
	if (report.status != EXIT_MOUNTED)
		return fail(report.status, report.text);
	warn(report.text);
	return EXIT_MOUNTED;
}

static int run_background(struct start *s)
{
	int ends[2], status;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return fail(EXIT_MOUNT, "no pipe can be made");
	/* Threads, curl and SQLite do not outlive a fork: it comes first. */
	pid = fork();
	if (pid < 0)
		return fail(EXIT_MOUNT, "no process can be started");
	if (pid == 0) {
		close(ends[0]);
		return run_child(s, ends[1]);
	}
	close(ends[1]);
	status = wait_for_child(ends[0]);
	close(ends[0]);
	free(s->base_url);
	free(s->registry);
	options_free(&s->options);
	return status;
}

static int refuse(struct start *s, int status, const struct err *err)
{
	free(s->base_url);
	free(s->registry);
	options_free(&s->options);
	return fail(status, err->text);
}

/* Not a new mount: the one that stands there is changed. */
static int run_remount(struct start *s)
{
	struct err err = ERR_INIT;
	int r = remount(s->options.mountpoint, s->options.ro, &err);

	if (r < 0)
		return refuse(s, EXIT_MOUNT, &err);
	options_free(&s->options);
	return EXIT_MOUNTED;
}

/* The C library's own number is eight for each processor, and what is free in one is of no use to the others: after hours of work
   by many threads most of the memory was holes. */
#define HEAPS_MAX 4

static void few_heaps(void)
{
#ifdef M_ARENA_MAX
	mallopt(M_ARENA_MAX, HEAPS_MAX);
#endif
}

int main(int argc, char **argv)
{
	struct start start = { .argc = argc, .argv = argv };
	struct err err = ERR_INIT;
	int status;

	fill_standard_files();
	few_heaps();
	if (check_is_asked(argc, argv))
		return check_main(argc, argv);
	options_init(&start.options);
	if (options_parse(&start.options, argc, argv, &err) < 0)
		return refuse(&start, EXIT_USAGE, &err);
	if (start.options.help || start.options.version) {
		if (start.options.help)
			options_help(stdout);
		else
			printf("cfcfs %s\nlibfuse %s\n", CFCFS_VERSION, fuse_pkgversion());
		options_free(&start.options);
		return 0;
	}
	if (start.options.remount)
		return run_remount(&start);
	status = start_prepare(&start, &err);
	if (status != EXIT_MOUNTED)
		return refuse(&start, status, &err);
	return start.options.foreground ? run_foreground(&start) : run_background(&start);
}
