#include "fs/run/session.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/uio.h>

#include "api/base/buf.h"
#include "api/base/log.h"
#include "fs/ops/ops.h"
#include "fs/run/mountpoint.h"

static bool debugging;

static void write_log(enum fuse_log_level level, const char *fmt, va_list ap) printf_like_(2, 0);
static void catch_log(enum fuse_log_level level, const char *fmt, va_list ap) printf_like_(2, 0);

static void write_log(enum fuse_log_level level, const char *fmt, va_list ap)
{
	char line[1024];

	vsnprintf(line, sizeof(line), fmt, ap);
	line[strcspn(line, "\n")] = '\0';
	if (debugging)
		fprintf(stderr, "%s\n", line);
	else
		log_line(level <= FUSE_LOG_ERR ? LOG_LEVEL_WARNING : LOG_LEVEL_DEBUG, "%s", line);
}

void session_log_start(bool debug)
{
	debugging = debug;
	fuse_set_log_func(write_log);
}

static int session_options(const struct options *o, struct buf *text)
{
	/* The source is the account alone, as fstab has it: "mount -a" then sees that it is mounted. */
	int r = buf_addf(text, "fsname=%s,subtype=cfcfs,nosuid,nodev,default_permissions", o->account_id);

	if (r == 0 && o->ro)
		r = buf_adds(text, ",ro");
	if (r == 0 && o->allow_other)
		r = buf_adds(text, ",allow_other");
	if (r == 0 && o->fuse_options)
		r = buf_addf(text, ",%s", o->fuse_options);
	return r;
}

int session_new(const struct options *options, void *userdata, struct fuse_session **ret, struct err *err)
{
	cleanup_buf_ struct buf text = BUF_INIT;
	char *argv[5] = { (char[]){ "cfcfs" }, (char[]){ "-o" } }, debug[] = "-d";
	struct fuse_args args = FUSE_ARGS_INIT(3, argv);
	int r = session_options(options, &text);

	if (r < 0)
		return err_set(err, -r, "out of memory");
	argv[2] = text.data;
	if (options->debug)
		argv[args.argc++] = debug;
	*ret = fuse_session_new(&args, &mount_operations, sizeof(mount_operations), userdata);
	fuse_opt_free_args(&args);
	return *ret ? 0 : err_set(err, EINVAL, "libfuse refused the options '%s'", text.data);
}

/* What fusermount3 and libfuse print while they mount is caught: it is the reason of a failure. */
struct catcher {
	int caught, stderr_copy;
};

static char caught_text[400];

static void catch_log(enum fuse_log_level level, const char *fmt, va_list ap)
{
	if (level <= FUSE_LOG_ERR && !caught_text[0])
		vsnprintf(caught_text, sizeof(caught_text), fmt, ap);
}

static void catch_start(struct catcher *c)
{
	caught_text[0] = '\0';
	fuse_set_log_func(catch_log);
	c->caught = memfd_create("stderr", MFD_CLOEXEC);
	c->stderr_copy = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	if (c->caught >= 0 && c->stderr_copy >= 0)
		dup2(c->caught, STDERR_FILENO);
}

/* Puts stderr back; what was printed before libfuse's own words comes first, for it is nearer to the cause. */
static void catch_end(struct catcher *c, char *text, size_t size)
{
	ssize_t n = 0;

	if (c->caught >= 0 && c->stderr_copy >= 0) {
		dup2(c->stderr_copy, STDERR_FILENO);
		n = pread(c->caught, text, size - 1, 0);
	}
	closep(&c->caught);
	closep(&c->stderr_copy);
	session_log_start(debugging);
	text[n > 0 ? n : 0] = '\0';
	if (n <= 0)
		snprintf(text, size, "%s", caught_text);
}

/* "fusermount3: mount failed: Operation not permitted\n" to what follows the program's name, in one line. */
static const char *plain_reason(char *text)
{
	static const char *const prefixes[] = { "fusermount3: ", "fusermount: ", "fuse: " };
	char *reason = text;

	reason[strcspn(reason, "\n")] = '\0';
	for (size_t i = 0; i < array_len(prefixes); i++) {
		if (!strncmp(reason, prefixes[i], strlen(prefixes[i])))
			reason += strlen(prefixes[i]);
	}
	return *reason ? reason : "the kernel refused it";
}

/* ---- lookups side by side ---- */

/* The kernel's, as far as they are looked at; its header has names that ours forbid. */
struct answer_header {
	uint32_t len;
	int32_t error;
	uint64_t unique;
};
struct init_answer {
	uint32_t major, minor, max_readahead, flags;
};
#define INIT_PARALLEL_DIROPS (1U << 18)

static bool greeted;

/*
 * libfuse before 3.17 keeps FUSE_CAP_PARALLEL_DIROPS to itself. Without the flag the kernel lets one process at a time look into a
 * directory, and those behind it wait where no signal reaches them, for as long as the first one's answer takes. So it goes into
 * the answer to INIT here, which is the first that is no error.
 */
static ssize_t write_answer(int fd, struct iovec *iov, int count, void *userdata)
{
	const struct answer_header *header = iov[0].iov_base;
	struct init_answer *init = count > 1 && iov[1].iov_len >= sizeof(*init) ? iov[1].iov_base : NULL;
	(void)userdata;

	if (!greeted && init && header->unique && !header->error) {
		greeted = true;
		init->flags |= INIT_PARALLEL_DIROPS;
	}
	return writev(fd, iov, count);
}

static ssize_t read_request(int fd, void *data, size_t size, void *userdata)
{
	(void)userdata;
	return read(fd, data, size);
}

static int look_side_by_side(struct fuse_session *session)
{
	static const struct fuse_custom_io io = { .writev = write_answer, .read = read_request };

	greeted = fuse_version() >= FUSE_MAKE_VERSION(3, 17);
	return greeted ? 0 : fuse_session_custom_io(session, &io, fuse_session_fd(session));
}

/* ---- mounting ---- */

int session_mount(struct fuse_session *session, const char *path, dev_t *ret_device, struct err *err)
{
	struct mounted mounted;
	struct catcher catcher;
	char text[400];
	int r;

	if (access("/dev/fuse", F_OK) < 0)
		return err_set(err, ENODEV,
			       "mounting on %s: there is no /dev/fuse: the kernel's fuse module is not loaded, "
			       "or the container does not have the device",
			       path);
	catch_start(&catcher);
	r = fuse_session_mount(session, path);
	catch_end(&catcher, text, sizeof(text));
	if (r != 0)
		return err_set(err, EIO, "mounting on %s: %s", path, plain_reason(text));
	*ret_device = mountpoint_find(path, &mounted) > 0 ? mounted.device : 0;
	return look_side_by_side(session) == 0 ? 0 : err_set(err, ENOMEM, "out of memory");
}

int session_adopt(struct fuse_session *session, int device)
{
	char path[32];

	/* libfuse's own word for a device that is mounted already; it then unmounts nothing. */
	snprintf(path, sizeof(path), "/dev/fd/%d", device);
	return fuse_session_mount(session, path) == 0 && look_side_by_side(session) == 0 ? 0 : -EIO;
}

void session_abort(struct fuse_session *session)
{
	int ends[2];

	/*
	 * In one step, for another thread may open a file right now: the device's place is taken by a pipe without a reader, and
	 * what libfuse closes later is that.
	 */
	if (pipe2(ends, O_CLOEXEC) < 0)
		return;
	close(ends[0]);
	dup3(ends[1], fuse_session_fd(session), O_CLOEXEC);
	close(ends[1]);
}

struct fuse_session *session_free(struct fuse_session *session)
{
	if (!session)
		return NULL;
	fuse_session_destroy(session);
	return NULL;
}
