/* plan and apply. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sync/control.h"
#include "sync/mounted.h"
#include "sync/say.h"
#include "sync/staging.h"
#include "sync/verbs.h"

#define OPTIONS        "stage,view=spec,delete_grace=0"
#define POLL_MS        10
#define LINE_MAX_BYTES ((size_t)1 << 20)

static int fail(const struct err *err)
{
	if (err->text[0])
		say_error("%s", err->text);
	return SYNC_FAILED;
}

/* Stages what the repository wants, without more deletes than it wants. */
static int begin(const struct args *args, struct wanted *wanted, struct mounted *m, struct err *err)
{
	int r = wanted_read(args, wanted, err);

	if (r == 0)
		r = mounted_start(m, args, args->prune ? OPTIONS : OPTIONS ",nodelete", err);
	return r < 0 ? r : wanted_stage(wanted, args, m->dir, err);
}

/* ---- plan ---- */

static int print_plan(const struct args *args, const char *mount, struct err *err)
{
	cleanup_buf_ struct buf text = BUF_INIT;
	int r = control_read(mount, args->json ? "plan.json" : "plan", &text, err);

	if (r < 0)
		return r;
	if (args->json)
		fputs(text.data, stdout);
	else
		say_plan(stdout, text.data);
	return fflush(stdout) == 0 ? 0 : err_set(err, errno, "standard output: %s", strerror(errno));
}

/* Whether every change of the plan can be applied. */
static bool is_fine(struct json_object *plan)
{
	size_t count = control_changes(plan);
	bool fine = true;

	for (size_t i = 0; i < count; i++) {
		const char *state = control_string(control_change(plan, i), "state");

		fine = fine && strcmp(state, "refused") && strcmp(state, "unknown");
	}
	return fine;
}

int do_plan(const struct args *args)
{
	cleanup_mounted_ struct mounted m = MOUNTED_NONE;
	cleanup_wanted_ struct wanted wanted = { 0 };
	struct json_object *plan = NULL;
	struct err err = ERR_INIT;
	int r = begin(args, &wanted, &m, &err), status = SYNC_FAILED;

	/* Where some were refused the rest of it is worth a look, too. */
	if (m.pid && (r == 0 || r == -EINVAL))
		plan = control_plan(m.dir, r == 0 ? &err : NULL);
	if (plan && print_plan(args, m.dir, r == 0 ? &err : NULL) == 0 && r == 0)
		status = !is_fine(plan) ? SYNC_FAILED : control_changes(plan) ? SYNC_CHANGES : SYNC_WELL;
	if (m.pid)
		control_order(m.dir, "discard");
	json_object_put(plan);
	if (mounted_end(&m) < 0)
		status = SYNC_FAILED;
	return status == SYNC_FAILED ? fail(&err) : status;
}

/* ---- apply ---- */

/* apply.jsonl, read on as it grows. */
struct follow {
	int fd;
	struct buf line; /* what has no newline yet */
	struct progress progress;
	bool begun; /* there was something to do */
};

static void take_line(struct follow *f, const char *text)
{
	struct json_object *line = json_tokener_parse(text), *message = NULL;
	const char *event = control_string(line, "event"), *path = control_string(line, "path");

	json_object_object_get_ex(line, "message", &message);
	if (!strcmp(event, "start")) {
		f->begun = true;
		progress_init(&f->progress, (size_t)control_number(line, "changes"), (unsigned)control_number(line, "waves"));
	}
	if (*path)
		f->progress.wave = (unsigned)control_number(line, "wave");
	if (*path && !strcmp(event, "begin"))
		progress_draw(&f->progress, path);
	else if (*path)
		progress_step(&f->progress, event, control_string(line, "verb"), path,
			      message ? json_object_get_string(message) : NULL);
	json_object_put(line);
}

static void follow(struct follow *f)
{
	char chunk[65536];
	ssize_t n;

	while (f->fd >= 0 && (n = read(f->fd, chunk, sizeof(chunk))) > 0) {
		for (ssize_t i = 0; i < n; i++) {
			if (chunk[i] != '\n') {
				buf_addc(&f->line, chunk[i]);
				continue;
			}
			if (f->line.len)
				take_line(f, f->line.data);
			buf_clear(&f->line);
		}
	}
}

static int follow_open(struct follow *f, const char *mount)
{
	cleanup_free_ char *path = NULL;

	f->line.max = LINE_MAX_BYTES;
	if (text_format(&path, "%s/.cfcfs/apply.jsonl", mount) < 0)
		return -ENOMEM;
	f->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (f->fd >= 0)
		lseek(f->fd, 0, SEEK_END);
	return 0;
}

/* The one that waits in the write: an interrupt ends its wait, and the mount stops before the next change. */
static pid_t start_order(const char *mount)
{
	pid_t parent = getpid(), pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		/* Who is killed orders nothing any more. */
		prctl(PR_SET_PDEATHSIG, SIGINT);
		if (getppid() != parent)
			_exit(1);
		signal(SIGINT, SIG_DFL);
		signal(SIGTERM, SIG_DFL);
		_exit(control_order(mount, "apply") < 0 ? 1 : 0);
	}
	return pid;
}

/* 0; -EIO: not everything was applied; -EINTR. */
static int run_order(const char *mount, struct follow *f)
{
	pid_t pid = start_order(mount);
	bool told = false;
	int status = 0;

	if (pid < 0)
		return -errno;
	for (;;) {
		pid_t ended = waitpid(pid, &status, WNOHANG);

		follow(f);
		if (ended == pid)
			break;
		if (interrupted && !told) {
			kill(pid, SIGINT);
			told = true;
		}
		pause_ms(POLL_MS);
	}
	progress_end(&f->progress);
	if (interrupted || WIFSIGNALED(status))
		return -EINTR;
	return WEXITSTATUS(status) == 0 ? 0 : -EIO;
}

static void tell_left(const char *mount)
{
	cleanup_buf_ struct buf text = BUF_INIT;

	if (control_read(mount, "plan", &text, NULL) == 0)
		say_plan_heads(stderr, text.data);
}

static int run_apply(const char *mount, struct err *err)
{
	struct follow f = { .fd = -1 };
	int r = follow_open(&f, mount);

	if (r == 0)
		r = run_order(mount, &f);
	closep(&f.fd);
	buf_free(&f.line);
	if (r == 0 && !f.begun) {
		printf("Plan: nothing to do\n");
		return 0;
	}
	if (r == 0) {
		printf("Applied: %zu of %zu\n", f.progress.done, f.progress.changes);
		return 0;
	}
	fflush(stdout);
	tell_left(mount);
	return err_set(err, -r, "%s: %zu of %zu were applied; another run compares anew, and does what is left",
		       r == -EINTR ? "interrupted" : "not everything was applied", f.progress.done, f.progress.changes);
}

int do_apply(const struct args *args)
{
	cleanup_mounted_ struct mounted m = MOUNTED_NONE;
	cleanup_wanted_ struct wanted wanted = { 0 };
	struct err err = ERR_INIT;
	int r = begin(args, &wanted, &m, &err);

	if (r == 0)
		r = run_apply(m.dir, &err);
	else if (m.pid && r != -EINTR)
		control_order(m.dir, "discard");
	if (mounted_end(&m) < 0 && r == 0)
		r = -EIO;
	if (r < 0)
		return fail(&err);
	return args->wait ? wait_for_files(args, &wanted.repo) : SYNC_WELL;
}
