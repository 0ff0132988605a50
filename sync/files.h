/* The documents of a tree: of a repository, or of a mount. */
#pragma once

#include "api/base/buf.h"
#include "api/base/err.h"
#include "api/kind.h"

struct file {
	const struct kind *kind;
	char *path; /* owned; "applications/web.json" */
	int rank;   /* rises with what it may refer to: files of one rank do not refer to each other */
};

struct files {
	struct file *all; /* owned; what others refer to first, then by the path */
	size_t count, room;
	uint64_t collections; /* the kinds whose directory is there: a set of their numbers */
};

/*
 * All that a person declares (view=spec) below root: of each collection that is there, what has a document's name, be it a file or not.
 * Dot-files and everything else are left out; what looks like a mistake is named on stderr. A collection that cannot be read, but for
 * one that the service does not offer, is -errno with text.
 */
int files_scan(const char *root, struct files *ret, struct err *err);
/* Names on stderr the directories of root that are called almost like a collection. */
void files_tell_misnamed(const char *root);
void files_clear(struct files *files);
#define cleanup_files_ cleanup_(files_clear)
bool files_has(const struct files *files, const char *path);
bool files_has_collection(const struct files *files, const struct kind *kind);

/* A file's bytes: 0, or -errno with text; -EFBIG past a document's size. */
int file_read(const char *root, const char *path, struct buf *ret, struct err *err);
/* As cp does it. 0 or -errno of the call that failed. */
int file_write(const char *root, const char *path, const struct buf *text);
/* Puts another file in its place, making its directory. 0 or -errno. */
int file_replace(const char *root, const char *path, const struct buf *text);
