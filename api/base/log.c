#include "api/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <syslog.h>
#include <sodium.h>

#include "api/base/lock.h"
#include "api/base/scrub.h"

/* What is shown of a line. */
#define LINE_MAX_BYTES 1023

DECLARE_LOCK(log);

struct log {
	struct lock lock;
	_Atomic enum log_level level;
	bool syslog GUARDED_BY(log_locked);
	int fd GUARDED_BY(log_locked);                         /* owned when path is set */
	char *path GUARDED_BY(log_locked);                     /* owned; NULL: no file */
	char *secrets[LOG_SECRETS_MAX] GUARDED_BY(log_locked); /* owned */
	size_t next_secret GUARDED_BY(log_locked);
};
DEFINE_LOCK(log, struct log, lock)

static struct log log_state = { .lock = LOCK_INIT, .level = LOG_LEVEL_WARNING, .fd = STDERR_FILENO };

static const char *const level_words[] = { "error", "warning", "info", "debug" };
static const int syslog_priorities[] = { LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG };
_Static_assert(array_len(level_words) == LOG_LEVEL_DEBUG + 1, "a word for each level");
_Static_assert(array_len(syslog_priorities) == array_len(level_words), "a priority for each level");

void log_set_level(enum log_level level)
{
	atomic_store_explicit(&log_state.level, level, memory_order_relaxed);
}

int log_level_parse(const char *word, enum log_level *ret_level)
{
	for (size_t i = 0; i < array_len(level_words); i++) {
		if (!strcmp(word, level_words[i])) {
			*ret_level = (enum log_level)i;
			return 0;
		}
	}
	return -EINVAL;
}

void log_to_stderr(void)
{
	scope_lock(log, &log_state);
	if (log_state.path) {
		close(log_state.fd);
		free(log_state.path);
	}
	log_state.path = NULL;
	log_state.fd = STDERR_FILENO;
	log_state.syslog = false;
}

void log_to_syslog(const char *ident)
{
	scope_lock(log, &log_state);
	openlog(ident, LOG_PID, LOG_DAEMON);
	log_state.syslog = true;
}

/* A regular file of our own: in a folder where others may write, a link, a pipe or another's file could stand in its place. */
static int open_file(const char *path)
{
	cleanup_close_ int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	struct stat st;

	if (fd < 0)
		return errno == ENXIO ? -EACCES : -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_uid != geteuid())
		return -EACCES;
	return steal_fd(&fd);
}

int log_to_file(const char *path)
{
	cleanup_close_ int fd = open_file(path);
	char *copy;

	if (fd < 0)
		return fd;
	copy = strdup(path);
	if (!copy)
		return -ENOMEM;
	scope_lock(log, &log_state);
	if (log_state.path) {
		close(log_state.fd);
		free(log_state.path);
	}
	log_state.path = copy;
	log_state.fd = steal_fd(&fd);
	log_state.syslog = false;
	return 0;
}

int log_reopen(void)
{
	int fd;

	scope_lock(log, &log_state);
	if (!log_state.path)
		return 0;
	fd = open_file(log_state.path);
	if (fd < 0)
		return fd;
	close(log_state.fd);
	log_state.fd = fd;
	return 0;
}

void log_redact(const char *secret)
{
	char *copy;

	/* A word this short would blank out ordinary text. */
	if (!secret || strlen(secret) < 6)
		return;
	copy = strdup(secret);
	if (!copy)
		return;
	scope_lock(log, &log_state);
	for (size_t i = 0; i < LOG_SECRETS_MAX; i++) {
		if (log_state.secrets[i] && !strcmp(log_state.secrets[i], secret)) {
			free(copy);
			return;
		}
	}
	if (log_state.secrets[log_state.next_secret]) {
		sodium_memzero(log_state.secrets[log_state.next_secret], strlen(log_state.secrets[log_state.next_secret]));
		free(log_state.secrets[log_state.next_secret]);
	}
	log_state.secrets[log_state.next_secret] = copy;
	log_state.next_secret = (log_state.next_secret + 1) % LOG_SECRETS_MAX;
}

void log_forget(const char *secret)
{
	scope_lock(log, &log_state);
	for (size_t i = 0; secret && i < LOG_SECRETS_MAX; i++) {
		if (!log_state.secrets[i] || strcmp(log_state.secrets[i], secret) != 0)
			continue;
		sodium_memzero(log_state.secrets[i], strlen(log_state.secrets[i]));
		free(log_state.secrets[i]);
		log_state.secrets[i] = NULL;
	}
}

/* The longest first: one may begin another. */
static void blank_secrets_locked(char *line, bool cut) REQUIRES(log_locked)
{
	size_t before = SIZE_MAX;

	log_assert_locked(&log_state);
	for (;;) {
		size_t longest = 0;

		for (size_t i = 0; i < LOG_SECRETS_MAX; i++) {
			size_t n = log_state.secrets[i] ? strlen(log_state.secrets[i]) : 0;

			if (n < before && n > longest)
				longest = n;
		}
		if (!longest)
			return;
		for (size_t i = 0; i < LOG_SECRETS_MAX; i++) {
			if (log_state.secrets[i] && strlen(log_state.secrets[i]) == longest)
				scrub(line, log_state.secrets[i], longest, cut ? SCRUB_CUT : 0);
		}
		before = longest;
	}
}

void log_line(enum log_level level, const char *fmt, ...)
{
	char line[LINE_MAX_BYTES + sizeof("***")], when[CLOCK_TEXT_SIZE];
	va_list ap;
	int n;

	if (level > atomic_load_explicit(&log_state.level, memory_order_relaxed))
		return;
	va_start(ap, fmt);
	n = vsnprintf(line, LINE_MAX_BYTES + 1, fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	clock_format_rfc3339(clock_wall_ns(), when, sizeof(when));
	scope_lock(log, &log_state);
	blank_secrets_locked(line, n > LINE_MAX_BYTES);
	/* A log line is one line, whatever a server or a file name put into it. */
	for (char *p = line; *p; p++) {
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = ' ';
	}
	if (log_state.syslog)
		syslog(syslog_priorities[level], "%s", line);
	else
		dprintf(log_state.fd, "%s cfcfs[%d] %s: %s\n", when, (int)getpid(), level_words[level], line);
}
