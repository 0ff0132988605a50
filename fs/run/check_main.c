#include "fs/run/check_main.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "api/base/buf.h"
#include "api/base/rand.h"
#include "api/check.h"
#include "api/doc.h"
#include "api/schema.h"

enum { CHECK_WELL, CHECK_FAULTS, CHECK_USAGE };

bool check_is_asked(int argc, char **argv)
{
	return argc > 1 && (strcmp(argv[1], "--check") == 0 || strcmp(argv[1], "--schema") == 0);
}

/* One line, whatever a file has put into it. */
static void say(FILE *out, const char *file, const char *text)
{
	fprintf(out, "%s: ", file);
	for (; *text; text++)
		fputc((unsigned char)*text < ' ' ? ' ' : *text, out);
	fputc('\n', out);
}

static void say_fault(void *arg, const char *line)
{
	say(stdout, arg, line);
}

/* "-" is the standard input. */
static int read_text(const char *path, struct buf *out, struct err *err)
{
	cleanup_close_ int fd = strcmp(path, "-") ? open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY) : dup(STDIN_FILENO);
	char chunk[16384];
	ssize_t n;
	int r = buf_add(out, "", 0);

	if (fd < 0)
		return err_set(err, errno, "cannot be read: %s", strerror(errno));
	while (r == 0 && (n = read(fd, chunk, sizeof(chunk))) != 0) {
		if (n < 0)
			return err_set(err, errno, "cannot be read: %s", strerror(errno));
		r = buf_add(out, chunk, (size_t)n);
	}
	wipe(chunk, sizeof(chunk));
	return r < 0 ? err_set(err, EFBIG, "is larger than %zu bytes, which a document may have", DOC_BYTES_MAX) : 0;
}

/* Where the path as it was given does not say it: a document may stand in the current directory. NULL: it cannot be had. */
static char *whole_path(const char *path)
{
	const char *slash = strrchr(path, '/');
	cleanup_free_ char *dir = slash ? strndup(path, (size_t)(slash - path + 1)) : strdup("."),
			   *real = dir ? realpath(dir, NULL) : NULL;

	return real ? text_new("%s/%s", real, slash ? slash + 1 : path) : NULL;
}

/* What is to be checked; as check_find. */
static int find(const char *path, const char *word, struct check_target *ret, struct err *err)
{
	cleanup_free_ char *whole = word || strcmp(path, "-") == 0 ? NULL : whole_path(path);
	struct stat st;
	int r = check_find(path, word, ret, err);

	if (r == 0 || word)
		return r;
	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return err_set(err, EISDIR, "is a directory: name the files in it");
	return whole ? check_find(whole, NULL, ret, err) : r;
}

static int check_file(const char *path, const char *word)
{
	cleanup_buf_wipe_ struct buf text = { .max = DOC_BYTES_MAX };
	struct check_target target = { 0 };
	struct err err = ERR_INIT;
	int n = find(path, word, &target, &err);

	if (n == 0)
		n = read_text(path, &text, &err);
	if (n == 0)
		n = check_text(&target, text.data, text.len, say_fault, (char *)path);
	check_clear(&target);
	if (n < 0) {
		say(stderr, path, err.text[0] ? err.text : "out of memory");
		return CHECK_USAGE;
	}
	return n ? CHECK_FAULTS : CHECK_WELL;
}

static int print_schema(const char *word)
{
	cleanup_buf_ struct buf out = BUF_INIT;

	if (schema_write_named(word, &out) < 0) {
		fprintf(stderr, "cfcfs: --schema: there is none of '%.60s'; see cfcfs(1)\n", word);
		return CHECK_USAGE;
	}
	fputs(out.data, stdout);
	return CHECK_WELL;
}

static int usage(void)
{
	fprintf(stderr, "usage: cfcfs --check [--kind KIND] FILE…\n       cfcfs --schema KIND\n");
	return CHECK_USAGE;
}

int check_main(int argc, char **argv)
{
	const char *word = NULL;
	int status = CHECK_WELL, first = 2;

	if (strcmp(argv[1], "--schema") == 0)
		return argc == 3 ? print_schema(argv[2]) : usage();
	if (argc > 3 && strcmp(argv[2], "--kind") == 0) {
		word = argv[3];
		first = 4;
	} else if (argc > 2 && strncmp(argv[2], "--kind=", 7) == 0) {
		word = argv[2] + 7;
		first = 3;
	}
	if (first >= argc)
		return usage();
	for (int i = first; i < argc; i++) {
		int one = check_file(argv[i], word);

		status = one > status ? one : status;
	}
	return fflush(stdout) == 0 ? status : CHECK_USAGE;
}
