/*
 * Hot loops over a directory of files, timed: hot DIR ROUNDS OP [ARGUMENT]. Prints the median of the rounds in nanoseconds for
 * one operation (for one entry, where the operation is a listing). Operations:
 *   stat           lstat of each file
 *   missing        lstat of one name that is not there, again and again
 *   newmissing     lstat of names that are not there, each once
 *   open           open, read to the end, close of each file
 *   list           the names of the directory
 *   listlstat      the names, and lstat of each
 *   getxattr NAME  of each file
 *   put SOURCE     writes SOURCE's content to new scratch files and renames each to a document
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
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
#define PUTS         20

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
		for (int i = 0; i < PUTS; i++)
			put((unsigned long)getpid() * 100000 + serial++);
		return PUTS;
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

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	static double times[ROUNDS_MAX];
	unsigned rounds = argc > 3 ? (unsigned)atoi(argv[2]) : 0;

	if (argc < 4 || rounds < 1 || rounds > ROUNDS_MAX) {
		fputs("usage: hot DIR ROUNDS stat|missing|newmissing|open|list|listlstat|getxattr NAME|put SOURCE\n", stderr);
		return 2;
	}
	dir_path = argv[1];
	argument = argc > 4 ? argv[4] : "user.none";
	dir = open(dir_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		die(dir_path);
	if (!strcmp(argv[3], "put")) {
		FILE *f = fopen(argument, "r");

		if (!f)
			die(argument);
		content_len = fread(content, 1, sizeof(content), f);
		fclose(f);
	} else if (list(1, 1), !names_count) {
		fputs("hot: an empty directory\n", stderr);
		return 1;
	}
	if (strcmp(argv[3], "put") && strcmp(argv[3], "newmissing")) {
		/* The first times are the kernel's: all files at least once. */
		size_t warm = strncmp(argv[3], "list", 4) ? names_count / BATCH + 1 : 2;

		while (warm--)
			turn(argv[3], ROUNDS_MAX);
	}
	for (unsigned i = 0; i < rounds; i++) {
		int64_t began = now_ns();
		size_t n = turn(argv[3], i);

		times[i] = (double)(now_ns() - began) / (double)n;
	}
	qsort(times, rounds, sizeof(*times), by_value);
	printf("%.0f\n", times[rounds / 2]);
	return 0;
}
