/*
 * Load for the stress test: PROCESSES processes read, write and delete at random in DIR for SECONDS.
 * hammer DIR PROCESSES SECONDS SEED. Names are shared by all of them, so that they collide. Prints how many
 * operations of each sort ended well, and each errno that occurred; exits 1 where one occurred that the file
 * system may not give.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NAMES  24
#define ERRNOS 256

enum op { OP_READ, OP_STATUS, OP_LIST, OP_STAT, OP_CREATE, OP_CHANGE, OP_REPLACE, OP_RENAME, OP_DELETE, OP_BAD, OPS };

static const char *const op_names[OPS] = { "read",   "status",  "list",   "stat",   "create",
					   "change", "replace", "rename", "delete", "bad" };
/* How often each is picked, of 100. */
static const int op_share[OPS] = { 28, 10, 8, 14, 10, 10, 6, 4, 6, 4 };

struct tally {
	unsigned long ok[OPS];
	unsigned long err[OPS][ERRNOS];
};

static struct tally *tally;
static const char *dir;
static unsigned seed;

static unsigned pick(unsigned limit)
{
	seed = seed * 1664525u + 1013904223u;
	return (seed >> 8) % limit;
}

/* DIR/h07.json, or what follows instead of ".json". */
static void path_of(char *ret, unsigned i, const char *rest)
{
	snprintf(ret, PATH_MAX, "%s/h%02u%s", dir, i, rest);
}

static int write_file(const char *path, int flags, const char *text)
{
	size_t len = strlen(text);
	int saved = 0;
	int fd = open(path, flags | O_CLOEXEC, 0644);

	if (fd < 0)
		return errno;
	if (len && write(fd, text, len) != (ssize_t)len)
		saved = errno ? errno : EIO;
	if (close(fd) < 0 && !saved)
		saved = errno;
	return saved;
}

static int read_file(const char *path)
{
	char data[16384];
	ssize_t n;
	int saved = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return errno;
	while ((n = read(fd, data, sizeof(data))) > 0)
		;
	if (n < 0)
		saved = errno;
	close(fd);
	return saved;
}

static int list_dir(void)
{
	DIR *d = opendir(dir);
	int saved;

	if (!d)
		return errno;
	errno = 0;
	while (readdir(d))
		;
	saved = errno;
	closedir(d);
	return saved;
}

static void document(char *ret, size_t size)
{
	snprintf(ret, size,
		 "{\n  \"scheduling_policy\": \"default\",\n  \"instances\": %u,\n  \"max_instances\": %u,\n"
		 "  \"configuration\": {\n    \"image\": \"registry.cloudflare.com/app:v%u\",\n"
		 "    \"instance_type\": \"%s\",\n"
		 "    \"environment_variables\": [\n      { \"name\": \"N\", \"value\": \"%u\" }\n    ]\n  }\n}\n",
		 pick(4), 4 + pick(4), pick(3), pick(2) ? "lite" : "basic", pick(100));
}

static int one(enum op op)
{
	char path[PATH_MAX], other[PATH_MAX], text[1024];
	struct stat st;
	unsigned name = pick(NAMES);

	path_of(path, name, ".json");
	document(text, sizeof(text));
	switch (op) {
	case OP_READ:
		return read_file(path);
	case OP_STATUS:
		path_of(path, name, "/status.json");
		return read_file(path);
	case OP_LIST:
		return list_dir();
	case OP_STAT:
		return stat(path, &st) < 0 ? errno : 0;
	case OP_CREATE:
		return write_file(path, O_WRONLY | O_CREAT | O_TRUNC, text);
	case OP_CHANGE:
		return write_file(path, O_WRONLY | O_TRUNC, text);
	case OP_REPLACE: {
		int error;

		snprintf(other, sizeof(other), "%s/.h.%d", dir, (int)getpid());
		error = write_file(other, O_WRONLY | O_CREAT | O_TRUNC, text);
		if (error)
			return error;
		if (rename(other, path) == 0)
			return 0;
		error = errno;
		unlink(other);
		return error;
	}
	case OP_RENAME:
		path_of(other, pick(NAMES), ".json");
		return rename(path, other) < 0 ? errno : 0;
	case OP_DELETE:
		return unlink(path) < 0 ? errno : 0;
	case OP_BAD:
		return write_file(path, O_WRONLY | O_CREAT | O_TRUNC, "{\"instances\": \"many\"}\n");
	case OPS:
		break;
	}
	return EINVAL;
}

/*
 * What one process may meet because of the others: the file is gone or is back, is being deleted or held, its
 * handle's resource went away. A refused document must be refused.
 */
static int allowed(enum op op, int error)
{
	switch (op) {
	case OP_READ:
	case OP_STATUS:
	case OP_STAT:
		return error == ENOENT || error == ESTALE;
	case OP_LIST:
		return 0;
	case OP_BAD:
		return error == EINVAL || error == ESTALE || error == EEXIST;
	case OP_DELETE:
	case OP_RENAME:
		return error == ENOENT || error == EEXIST || error == EBUSY || error == ESTALE || error == EBADMSG ||
		       error == EINVAL;
	default:
		return error == ENOENT || error == EEXIST || error == EBUSY || error == ESTALE || error == EBADMSG ||
		       error == EINVAL;
	}
}

static void work(time_t end)
{
	struct timespec now;

	do {
		unsigned roll = pick(100);
		enum op op = OP_READ;
		int error;

		while (op < OPS - 1 && roll >= (unsigned)op_share[op])
			roll -= (unsigned)op_share[op++];
		error = one(op);
		if (error < 0 || error >= ERRNOS)
			error = ERRNOS - 1;
		if (error)
			__atomic_add_fetch(&tally->err[op][error], 1, __ATOMIC_RELAXED);
		else
			__atomic_add_fetch(&tally->ok[op], 1, __ATOMIC_RELAXED);
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (now.tv_sec < end);
}

static int report(void)
{
	unsigned long all = 0;
	int bad = 0;

	for (int op = 0; op < OPS; op++) {
		printf("%-8s %lu ok", op_names[op], tally->ok[op]);
		all += tally->ok[op];
		for (int error = 1; error < ERRNOS; error++) {
			int fine = allowed((enum op)op, error);

			if (!tally->err[op][error])
				continue;
			bad += !fine;
			printf(", %lu %s%s", tally->err[op][error], strerrorname_np(error), fine ? "" : " (!)");
		}
		putchar('\n');
	}
	printf("%lu operations\n", all);
	return bad || !all;
}

int main(int argc, char **argv)
{
	int processes, bad = 0, status;
	struct timespec now;

	if (argc != 5) {
		fputs("usage: hammer DIR PROCESSES SECONDS SEED\n", stderr);
		return 2;
	}
	dir = argv[1];
	processes = atoi(argv[2]);
	tally = mmap(NULL, sizeof(*tally), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (tally == MAP_FAILED)
		return 2;
	clock_gettime(CLOCK_MONOTONIC, &now);
	for (int i = 0; i < processes; i++) {
		pid_t pid = fork();

		if (pid < 0)
			return 2;
		if (pid == 0) {
			seed = (unsigned)atoi(argv[4]) * 7919u + (unsigned)i * 104729u;
			work(now.tv_sec + atoi(argv[3]));
			_exit(0);
		}
	}
	while (wait(&status) > 0)
		bad |= !WIFEXITED(status) || WEXITSTATUS(status) != 0;
	return report() || bad;
}
