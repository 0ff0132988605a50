/*
 * The last failures and the contents that were refused (/.cfcfs/errors.jsonl, /.cfcfs/rejected/, user.cfcfs.error).
 * Thread-safe; takes its own lock only.
 */
#pragma once

#include "api/base/buf.h"
#include "api/base/err.h"

struct failures;
struct request;
struct trail;

#define FAILURES_MAX 256
/* A line is a path and a text: shorter than this by far. */
#define FAILURES_BYTES_MAX ((size_t)8 << 20)
/* Contents kept, by number and by bytes; the oldest go. */
#define REJECTED_MAX       256
#define REJECTED_BYTES_MAX ((size_t)16 << 20)

struct failures *failures_new(void);
struct failures *failures_free(struct failures *f);

/* Records one failure of op on path; content (NULL: none) is kept as what was refused there. */
void failures_add(struct failures *f, const char *path, const char *op, const struct err *err, const char *content, size_t len);
/* A success on path: its error text goes, what was rejected stays. */
void failures_clear(struct failures *f, const char *path);
/* Text of the last failure on the path, freed by the caller, or NULL. */
char *failures_text(struct failures *f, const char *path);
/* The same for the last failure on a name right below the directory. */
char *failures_text_below(struct failures *f, const char *dir);
/* The lines of errors.jsonl, oldest first. Borrowed. */
struct trail *failures_trail(struct failures *f);
/* A copy of what was rejected for the path. -ENOENT. */
int failures_rejected(struct failures *f, const char *path, struct buf *ret);
int64_t failures_rejected_time(struct failures *f, const char *path);
/* Calls each() for the names right below dir ("" or "/applications") of rejected paths, dirs included, once each. */
int failures_rejected_each(struct failures *f, const char *dir, int (*each)(void *arg, const char *name, bool is_dir), void *arg);
/* Number of lines ever written; changes when errors.jsonl does. */
uint64_t failures_serial(struct failures *f);
/* Path that the request is about, freed by the caller. */
char *failures_request_path(struct request *r);
