/*
 * Hot loops over a directory of files, timed: hot [-c] [-m METRICS] DIR ROUNDS OP [ARGUMENT]. Prints the
 * median of the rounds in nanoseconds for one operation (for one entry, where the operation is a listing).
 * With -m, cfcfs's own count of the kernel's requests in these rounds: a line "calls N", and one "OPERATION
 * N" for each operation that there was. -c: cold, without a first time that is not measured. Operations: stat
 * lstat of each file missing        lstat of one name that is not there, again and again newmissing     lstat
 * of names that are not there, each once open           open, read to the end, close of each file list the
 * names of the directory listlstat      the names, and lstat of each getxattr NAME  of each file put SOURCE
 * writes SOURCE's content to a new scratch file and renames it to a document, one a round
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS_MAX   1000
#define BATCH        2000
#define KINDS_MAX    64
#define METRICS_MAX  (1 << 16)
#define SETTLE_MS    20 /* for what the kernel sends and does not wait for: the end of an open file */
#define STEADY_LOOKS 3
#define LOOKS_MAX    100

static int dir;
static const char *dir_path, *argument;
static char **names;
static size_t names_count, names_cap;
static char content[1 << 20];
static size_t content_len;

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void die(const char *what)
{
	fprintf(stderr, "hot: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* The entries; calls lstat for each where it is asked to. Hidden files are left out. */
static size_t list(int with_lstat, int keep)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	struct stat st;
	size_t n = 0;

	if (!d)
		die(dir_path);
	while ((e = readdir(d))) {
		n++;
		if (with_lstat && fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			die(e->d_name);
		if (!keep || e->d_name[0] == '.' || e->d_type == DT_DIR)
			continue;
		if (names_count == names_cap) {
			names_cap = names_cap ? names_cap * 2 : 1024;
			names = realloc(names, names_cap * sizeof(*names));
		}
		names[names_count++] = strdup(e->d_name);
	}
	closedir(d);
	return n;
}

static void read_file(const char *name)
{
	static char data[1 << 16];
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		die(name);
	while ((n = read(fd, data, sizeof(data))) > 0)
		;
	if (n < 0)
		die(name);
	close(fd);
}

static void put(unsigned long serial)
{
	char scratch[64], name[64];
	int fd;

	snprintf(scratch, sizeof(scratch), ".put-%lu", serial);
	snprintf(name, sizeof(name), "put-%lu.json", serial);
	fd = openat(dir, scratch, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0 || write(fd, content, content_len) < 0 || close(fd) < 0)
		die(scratch);
	if (renameat(dir, scratch, dir, name) < 0)
		die(name);
}

/* One round; returns the number of operations. */
static size_t turn(const char *op, unsigned round)
{
	static size_t at;
	static unsigned long serial;
	struct stat st;
	char name[64], value[4096];

	if (!strcmp(op, "list"))
		return list(0, 0);
	if (!strcmp(op, "listlstat"))
		return list(1, 0);
	if (!strcmp(op, "put")) {
		put((unsigned long)getpid() * 100000 + serial++);
		return 1;
	}
	for (size_t i = 0; i < BATCH; i++) {
		const char *file = names[at++ % names_count];

		if (!strcmp(op, "stat") && fstatat(dir, file, &st, AT_SYMLINK_NOFOLLOW) < 0)
			die(file);
		else if (!strcmp(op, "missing"))
			fstatat(dir, "no-such-name.json", &st, AT_SYMLINK_NOFOLLOW);
		else if (!strcmp(op, "open"))
			read_file(file);
		else if (!strcmp(op, "newmissing")) {
			snprintf(name, sizeof(name), "missing-%u-%zu-%d.json", round, i, (int)getpid());
			fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW);
		} else if (!strcmp(op, "getxattr")) {
			snprintf(name, sizeof(name), "/proc/self/fd/%d/%s", dir, file);
			if (lgetxattr(name, argument, value, sizeof(value)) < 0 && errno != ENODATA && errno != EOPNOTSUPP)
				die(file);
		}
	}
	return BATCH;
}

/* The kernel's requests so far, by operation. */
struct requests {
	struct {
		char op[32];
		long count;
	} kinds[KINDS_MAX];
	size_t kinds_count;
};

/*
 * Of the one file that metrics_fd was opened as, and past the page cache, so that each look takes the same:
 * an open, a read, a release. By its name each would be a look-up of a version that may be old before it is
 * opened.
 */
static void read_requests(int metrics_fd, struct requests *ret)
{
	static _Alignas(4096) char text[METRICS_MAX];
	static const char prefix[] = "cfcfs_fuse_operation_seconds_count{", label[] = "operation=\"";
	char path[64];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", metrics_fd);
	fd = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (n < 0)
		die("metrics");
	close(fd);
	text[n] = '\0';
	ret->kinds_count = 0;
	for (char *at = text; (at = strstr(at, prefix)) && ret->kinds_count < KINDS_MAX; ret->kinds_count++) {
		at = strstr(at, label);
		if (!at)
			die("metrics without operations");
		at += sizeof(label) - 1;
		sscanf(at, "%31[^\"]\"} %ld", ret->kinds[ret->kinds_count].op, &ret->kinds[ret->kinds_count].count);
	}
}

static long count_of(const struct requests *requests, const char *op)
{
	for (size_t i = 0; i < requests->kinds_count; i++) {
		if (!strcmp(requests->kinds[i].op, op))
			return requests->kinds[i].count;
	}
	return 0;
}

static bool same_step(const struct requests *a, const struct requests *b, const struct requests *c)
{
	for (size_t i = 0; i < c->kinds_count; i++) {
		const char *op = c->kinds[i].op;

		if (c->kinds[i].count - count_of(b, op) != count_of(b, op) - count_of(a, op))
			return false;
	}
	return true;
}

/*
 * Looks until each of the last ones added the same, which is what a look takes: a request is counted after
 * its answer, and so may be missing in the next look. Returns how many looks it took; *ret_step is one look
 * before *ret_last.
 */
static long look_until_steady(int metrics_fd, struct requests *ret_step, struct requests *ret_last)
{
	static struct requests looks[LOOKS_MAX];

	for (int i = 0, same = 0; i < LOOKS_MAX; i++) {
		struct timespec settle = { 0, SETTLE_MS * 1000000L };

		nanosleep(&settle, NULL);
		read_requests(metrics_fd, &looks[i]);
		same = i >= 2 && same_step(&looks[i - 2], &looks[i - 1], &looks[i]) ? same + 1 : 0;
		if (same == STEADY_LOOKS) {
			*ret_step = looks[i - 1];
			*ret_last = looks[i];
			return i + 1;
		}
	}
	fputs("hot: somebody else uses the file system\n", stderr);
	exit(1);
}

/* What there was beside the looks. */
static void print_requests(const struct requests *step, const struct requests *before, const struct requests *after, long looks)
{
	for (size_t i = 0; i < after->kinds_count; i++) {
		const char *op = after->kinds[i].op;
		long look = count_of(before, op) - count_of(step, op);
		long count = after->kinds[i].count - count_of(before, op) - looks * look;

		if (count)
			printf("%s %ld\n", op, count);
	}
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void measure(const char *op, unsigned rounds, const char *metrics)
{
	static struct requests step, before, after, unused;
	static double times[ROUNDS_MAX];
	int metrics_fd = metrics ? open(metrics, O_PATH | O_CLOEXEC) : -1;
	size_t calls = 0;

	if (metrics && metrics_fd < 0)
		die(metrics);
	if (metrics)
		look_until_steady(metrics_fd, &step, &before);
	for (unsigned i = 0; i < rounds; i++) {
		int64_t began = now_ns();
		size_t n = turn(op, i);

		times[i] = (double)(now_ns() - began) / (double)n;
		calls += n;
	}
	qsort(times, rounds, sizeof(*times), by_value);
	printf("%.0f\n", times[rounds / 2]);
	if (metrics) {
		long looks = look_until_steady(metrics_fd, &unused, &after);

		printf("calls %zu\n", calls);
		print_requests(&step, &before, &after, looks);
	}
}

static void read_source(void)
{
	FILE *f = fopen(argument, "r");

	if (!f)
		die(argument);
	content_len = fread(content, 1, sizeof(content), f);
	fclose(f);
}

/* The first times are the kernel's: all files at least once. */
static void warm(const char *op)
{
	size_t turns = strncmp(op, "list", 4) ? names_count / BATCH + 1 : 2;

	if (!strcmp(op, "newmissing"))
		return;
	while (turns--)
		turn(op, ROUNDS_MAX);
}

int main(int argc, char **argv)
{
	const char *metrics = NULL;
	unsigned rounds;
	int cold = 0;

	if (argc > 1 && !strcmp(argv[1], "-c")) {
		cold = 1;
		argv++, argc--;
	}
	if (argc > 2 && !strcmp(argv[1], "-m")) {
		metrics = argv[2];
		argv += 2, argc -= 2;
	}
	rounds = argc > 3 ? (unsigned)atoi(argv[2]) : 0;
	if (rounds < 1 || rounds > ROUNDS_MAX) {
		fputs("usage: hot [-c] [-m METRICS] DIR ROUNDS OP [ARGUMENT]; the operations are in its "
		      "source\n",
		      stderr);
		return 2;
	}
	dir_path = argv[1];
	argument = argc > 4 ? argv[4] : "user.none";
	dir = open(dir_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		die(dir_path);
	if (!strcmp(argv[3], "put")) {
		read_source();
	} else {
		list(1, 1);
		if (!names_count) {
			fputs("hot: an empty directory\n", stderr);
			return 1;
		}
		if (!cold)
			warm(argv[3]);
	}
	measure(argv[3], rounds, metrics);
	return 0;
}
