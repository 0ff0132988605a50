#include "sync/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/base/name.h"
#include "api/base/parse.h"
#include "api/doc.h"
#include "sync/say.h"

/* ---- what is a document ---- */

static const struct part *find_part(const struct kind *kind, const char *name)
{
	for (const struct part *part = kind->parts; part && part->name; part++) {
		if (part->flags & KIND_DECLARED && !strcmp(part->name, name))
			return part;
	}
	return NULL;
}

static bool is_declared(const struct kind *kind)
{
	bool declared = kind->flags & KIND_DECLARED;

	for (const struct part *part = kind->parts; part && part->name && !declared; part++)
		declared = part->flags & KIND_DECLARED;
	return declared && !kind->parent;
}

static bool is_document(const struct kind *kind, const char *name)
{
	if (name[0] == '.')
		return false;
	if (kind->parts)
		return find_part(kind, name) != NULL;
	return strlen(name) > strlen(kind->suffix) && name_has_suffix(name, kind->suffix) && !name_has_suffix(name, "~");
}

/* A document with another ending would be left out in silence. */
static bool is_mistake(const struct kind *kind, const char *name)
{
	static const char *const endings[] = { ".yaml", ".yml", ".toml", ".jsonc", ".json5", ".JSON" };

	for (size_t i = 0; i < array_len(endings); i++) {
		if (!(kind->flags & (KIND_SECRET | KIND_KEY_LINE)) && name_has_suffix(name, endings[i]))
			return true;
	}
	return name[0] != '.' && !strchr(name, '.') && !name_has_suffix(name, "~");
}

/* What others refer to goes first. */
#define RANKS 4

static int rank_of(const struct kind *kind)
{
	return kind->flags & (KIND_SECRET | KIND_KEY_LINE)            ? 0 :
	       kind->flags & (KIND_WRITE_ONCE | KIND_SINGLETON)       ? 1 :
	       kind->flags & (KIND_ROLLOUT_FOLLOWS | KIND_LABEL_NAME) ? RANKS - 1 :
									2;
}

static int compare(const void *a, const void *b)
{
	const struct file *x = a, *y = b;

	return x->rank != y->rank ? x->rank - y->rank : strcmp(x->path, y->path);
}

/* ---- scanning ---- */

static int add(struct files *files, const struct kind *kind, const char *name)
{
	if (files->count == files->room) {
		size_t room = files->room ? files->room * 2 : 64;
		struct file *all = reallocarray(files->all, room, sizeof(*all));

		if (!all)
			return -ENOMEM;
		files->all = all;
		files->room = room;
	}
	files->all[files->count] = (struct file){ kind, text_new("%s/%s", kind->dir, name), rank_of(kind) };
	return files->all[files->count].path ? (files->count++, 0) : -ENOMEM;
}

/* As in a full view: what belongs to a resource is in the directory of the same name. */
static bool belongs_to_document(DIR *dir, const char *name, const struct kind *kind)
{
	cleanup_free_ char *document = text_new("%s%s", name, kind->suffix);

	return document && faccessat(dirfd(dir), document, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static int take_name(DIR *dir, const char *name, const struct kind *kind, struct files *ret)
{
	struct stat st = { 0 };

	if (name[0] == '.')
		return 0;
	if (fstatat(dirfd(dir), name, &st, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT)
		return 0;
	/* Whatever stands there, such as a link that leads nowhere: what cannot be read is refused, what is missing is pruned. */
	if (is_document(kind, name))
		return add(ret, kind, name);
	if (kind->parts)
		return 0;
	if (S_ISDIR(st.st_mode) && !belongs_to_document(dir, name, kind))
		say_error("%s/%s/ is left out: documents stand in %s/ itself", kind->dir, name, kind->dir);
	else if (!S_ISDIR(st.st_mode) && is_mistake(kind, name))
		say_error("%s/%s is left out: the name of %s %s ends in '%s'", kind->dir, name, kind_article(kind), kind->name,
			  kind->suffix);
	return 0;
}

static void close_dir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

static int scan(const char *root, const struct kind *kind, struct files *ret, struct err *err)
{
	cleanup_free_ char *path = NULL;
	cleanup_(close_dir) DIR *dir = NULL;
	struct dirent *entry;
	int r = 0;

	if (text_format(&path, "%s/%s", root, kind->dir) < 0)
		return -ENOMEM;
	dir = opendir(path);
	if (!dir && (errno == ENOENT || errno == ENOTDIR || errno == EOPNOTSUPP))
		return 0;
	if (!dir)
		return err_set(err, errno, "%s: %s", path, strerror(errno));
	for (;;) {
		errno = 0;
		entry = readdir(dir);
		if (!entry)
			break;
		r = take_name(dir, entry->d_name, kind, ret);
		if (r < 0)
			return err_set(err, -r, "out of memory");
	}
	if (errno == EOPNOTSUPP)
		return 0;
	if (errno)
		return err_set(err, errno, "%s: %s", path, strerror(errno));
	ret->collections |= UINT64_C(1) << kind_number(kind);
	return 0;
}

void files_tell_misnamed(const char *root)
{
	cleanup_(close_dir) DIR *dir = opendir(root);
	const char *words[64] = { NULL };
	struct dirent *entry;
	size_t count = 0;

	for (const struct kind *const *k = kinds; *k && count < array_len(words); k++) {
		if (is_declared(*k))
			words[count++] = (*k)->dir;
	}
	while (dir && (entry = readdir(dir))) {
		const char *nearest = entry->d_name[0] == '.' ? NULL : parse_nearest(entry->d_name, words, count);
		struct stat st;

		if (nearest && strcmp(nearest, entry->d_name) != 0 && fstatat(dirfd(dir), entry->d_name, &st, 0) == 0 &&
		    S_ISDIR(st.st_mode))
			say_error("%s/ is left out: did you mean %s/?", entry->d_name, nearest);
	}
}

int files_scan(const char *root, struct files *ret, struct err *err)
{
	struct stat st;

	*ret = (struct files){ 0 };
	if (stat(root, &st) < 0)
		return err_set(err, errno, "%s: %s", root, strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return err_set(err, ENOTDIR, "%s is no directory", root);
	for (const struct kind *const *k = kinds; *k; k++) {
		int r = is_declared(*k) ? scan(root, *k, ret, err) : 0;

		if (r < 0)
			return r;
	}
	if (ret->count)
		qsort(ret->all, ret->count, sizeof(*ret->all), compare);
	return 0;
}

void files_clear(struct files *files)
{
	for (size_t i = 0; i < files->count; i++)
		free(files->all[i].path);
	free(files->all);
	*files = (struct files){ 0 };
}

bool files_has(const struct files *files, const char *path)
{
	struct file key = { .path = (char *)path };
	bool found = false;

	for (key.rank = 0; files->count && !found && key.rank < RANKS; key.rank++)
		found = bsearch(&key, files->all, files->count, sizeof(key), compare);
	return found;
}

bool files_has_collection(const struct files *files, const struct kind *kind)
{
	return files->collections & UINT64_C(1) << kind_number(kind);
}

/* ---- reading and writing ---- */

static int read_all(int fd, struct buf *ret)
{
	char chunk[16384];
	ssize_t n;
	int r = 0;

	while (r == 0 && (n = read(fd, chunk, sizeof(chunk))) != 0) {
		if (n < 0)
			return -errno;
		r = buf_add(ret, chunk, (size_t)n);
	}
	explicit_bzero(chunk, sizeof(chunk));
	return r;
}

int file_read(const char *root, const char *path, struct buf *ret, struct err *err)
{
	cleanup_free_ char *whole = NULL;
	cleanup_close_ int fd = -1;
	int r;

	if (text_format(&whole, "%s/%s", root, path) < 0)
		return -ENOMEM;
	/* A pipe has nobody to wait for. */
	fd = open(whole, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return err_set(err, errno, "%s: %s", path, strerror(errno));
	ret->max = DOC_BYTES_MAX;
	r = read_all(fd, ret);
	if (r == -EFBIG)
		return err_set(err, EFBIG, "%s: is larger than %zu bytes, which a document may have", path, DOC_BYTES_MAX);
	return r < 0 ? err_set(err, -r, "%s: %s", path, strerror(-r)) : 0;
}

static int write_all(int fd, const struct buf *text)
{
	size_t done = 0;

	while (done < text->len) {
		ssize_t n = write(fd, text->data + done, text->len - done);

		if (n < 0)
			return -errno;
		done += (size_t)n;
	}
	return 0;
}

int file_write(const char *root, const char *path, const struct buf *text)
{
	cleanup_free_ char *whole = NULL;
	int fd, r;

	if (text_format(&whole, "%s/%s", root, path) < 0)
		return -ENOMEM;
	fd = open(whole, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0644);
	if (fd < 0)
		return -errno;
	r = write_all(fd, text);
	/* The file system's answer to a secret is that of close. */
	if (close(fd) < 0 && r == 0)
		r = -errno;
	return r;
}

static int make_dir_of(const char *whole)
{
	cleanup_free_ char *dir = strndup(whole, (size_t)(strrchr(whole, '/') - whole));

	if (!dir)
		return -ENOMEM;
	return mkdir(dir, 0777) < 0 && errno != EEXIST ? -errno : 0;
}

static int write_new(const char *whole, const char *temporary, const struct buf *text)
{
	struct stat st;
	bool old = stat(whole, &st) == 0;
	int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666), r;

	if (fd < 0)
		return -errno;
	r = write_all(fd, text);
	if (r == 0 && old && fchmod(fd, st.st_mode & 0777) < 0)
		r = -errno;
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	if (close(fd) < 0 && r == 0)
		r = -errno;
	if (r == 0 && rename(temporary, whole) < 0)
		r = -errno;
	if (r < 0)
		unlink(temporary);
	return r;
}

int file_replace(const char *root, const char *path, const struct buf *text)
{
	cleanup_free_ char *whole = NULL, *temporary = NULL;
	const char *name = strrchr(path, '/') + 1;
	int r;

	if (text_format(&whole, "%s/%s", root, path) < 0 ||
	    text_format(&temporary, "%s/%.*s.%.200s.%d.tmp", root, (int)(name - path), path, name, (int)getpid()) < 0)
		return -ENOMEM;
	r = make_dir_of(whole);
	return r < 0 ? r : write_new(whole, temporary, text);
}
