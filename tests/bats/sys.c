/*
 * One operation on a file, and what came of it: prints "ok", or the call that failed and the errno's name
 * ("write EINVAL"), on one line. Exit status 0 or 1; 2 for a usage error. Shell tools show only text; the
 * tests compare errnos.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

static int failed(const char *call)
{
	printf("%s %s\n", call, strerrorname_np(errno));
	return 1;
}

static int ok(void)
{
	puts("ok");
	return 0;
}

static int outcome(const char *call, long result)
{
	return result < 0 ? failed(call) : ok();
}

static char *slurp(const char *path, size_t *ret_len)
{
	FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
	char *data = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&data, &len);
	int c;

	if (!file || !out) {
		fprintf(stderr, "sys: cannot read %s\n", path);
		exit(2);
	}
	while ((c = getc(file)) != EOF)
		putc(c, out);
	fclose(out);
	*ret_len = len;
	return data;
}

/* Opens with the flags, writes all of the source in pieces, maybe fsyncs, closes: the first failure is the
 * outcome. */
static int do_write(const char *path, const char *source, int flags, size_t piece, int sync)
{
	size_t len, done = 0;
	char *data = slurp(source, &len);
	const char *call = NULL;
	int saved = 0;
	int fd = open(path, flags | O_CLOEXEC, 0644);

	if (fd < 0)
		return failed("open");
	while (done < len) {
		size_t want = piece && piece < len - done ? piece : len - done;
		ssize_t n = write(fd, data + done, want);

		if (n < 0) {
			call = "write";
			saved = errno;
			break;
		}
		done += (size_t)n;
	}
	if (!call && sync && fsync(fd) < 0) {
		call = "fsync";
		saved = errno;
	}
	if (close(fd) < 0 && !call) {
		call = "close";
		saved = errno;
	}
	free(data);
	errno = saved;
	return call ? failed(call) : ok();
}

static int do_read(const char *path)
{
	char data[65536];
	ssize_t n;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return failed("open");
	while ((n = read(fd, data, sizeof(data))) > 0)
		;
	if (n < 0)
		return failed("read");
	close(fd);
	return ok();
}

static int do_pwrite(const char *path, long offset, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return failed("open");
	if (pwrite(fd, text, strlen(text), offset) < 0)
		return failed("write");
	return outcome("close", close(fd));
}

static int do_sync(const char *path, int all)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return failed("open");
	return outcome(all ? "syncfs" : "fsync", all ? syncfs(fd) : fsync(fd));
}

static int do_getxattr(const char *path, const char *name)
{
	char value[65536];
	ssize_t n = lgetxattr(path, name, value, sizeof(value));

	if (n < 0)
		return failed("getxattr");
	printf("%.*s\n", (int)n, value);
	return 0;
}

static int do_creat(const char *path, int flags)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0644);

	return fd < 0 ? failed("open") : outcome("close", close(fd));
}

static int usage(void)
{
	fputs("usage: sys write PATH SOURCE | rewrite PATH SOURCE | pieces N PATH SOURCE | append PATH "
	      "SOURCE |\n"
	      "       fsyncwrite PATH SOURCE | pwrite PATH OFFSET TEXT | read PATH | create PATH | exclusive "
	      "PATH |\n"
	      "       unlink PATH | rmdir PATH | mkdir PATH | rename A B | exchange A B | noreplace A B | "
	      "link A B |\n"
	      "       symlink TEXT PATH | truncate PATH N | fsync PATH | syncfs PATH | stat PATH | access "
	      "PATH MODE |\n"
	      "       chmod PATH MODE | touch PATH | getxattr PATH NAME | setxattr PATH NAME VALUE | mknod "
	      "PATH\n",
	      stderr);
	return 2;
}

int main(int argc, char **argv)
{
	const char *op = argc > 2 ? argv[1] : "";
	const char *a = argc > 2 ? argv[2] : "", *b = argc > 3 ? argv[3] : NULL, *c = argc > 4 ? argv[4] : NULL;
	struct stat st;

	if (!strcmp(op, "write") && b)
		return do_write(a, b, O_WRONLY | O_CREAT | O_TRUNC, 0, 0);
	if (!strcmp(op, "rewrite") && b)
		return do_write(a, b, O_WRONLY | O_TRUNC, 0, 0);
	if (!strcmp(op, "append") && b)
		return do_write(a, b, O_WRONLY | O_APPEND, 0, 0);
	if (!strcmp(op, "fsyncwrite") && b)
		return do_write(a, b, O_WRONLY | O_CREAT | O_TRUNC, 0, 1);
	if (!strcmp(op, "pieces") && c)
		return do_write(b, c, O_WRONLY | O_CREAT | O_TRUNC, strtoul(a, NULL, 10), 0);
	if (!strcmp(op, "pwrite") && c)
		return do_pwrite(a, strtol(b, NULL, 10), c);
	if (!strcmp(op, "read"))
		return do_read(a);
	if (!strcmp(op, "create"))
		return do_creat(a, 0);
	if (!strcmp(op, "exclusive"))
		return do_creat(a, O_EXCL);
	if (!strcmp(op, "unlink"))
		return outcome(op, unlink(a));
	if (!strcmp(op, "rmdir"))
		return outcome(op, rmdir(a));
	if (!strcmp(op, "mkdir"))
		return outcome(op, mkdir(a, 0755));
	if (!strcmp(op, "mknod"))
		return outcome(op, mknod(a, S_IFIFO | 0644, 0));
	if (!strcmp(op, "rename") && b)
		return outcome(op, rename(a, b));
	if (!strcmp(op, "exchange") && b)
		return outcome("rename", renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE));
	if (!strcmp(op, "noreplace") && b)
		return outcome("rename", renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_NOREPLACE));
	if (!strcmp(op, "link") && b)
		return outcome(op, link(a, b));
	if (!strcmp(op, "symlink") && b)
		return outcome(op, symlink(a, b));
	if (!strcmp(op, "truncate") && b)
		return outcome(op, truncate(a, strtol(b, NULL, 10)));
	if (!strcmp(op, "fsync") || !strcmp(op, "syncfs"))
		return do_sync(a, op[0] == 's');
	if (!strcmp(op, "stat"))
		return outcome(op, lstat(a, &st));
	if (!strcmp(op, "access") && b)
		return outcome(op, access(a, atoi(b)));
	if (!strcmp(op, "chmod") && b)
		return outcome(op, chmod(a, (mode_t)strtoul(b, NULL, 8)));
	if (!strcmp(op, "touch"))
		return outcome(op, utimensat(AT_FDCWD, a, NULL, AT_SYMLINK_NOFOLLOW));
	if (!strcmp(op, "getxattr") && b)
		return do_getxattr(a, b);
	if (!strcmp(op, "setxattr") && c)
		return outcome(op, lsetxattr(a, b, c, strlen(c), 0));
	return usage();
}
