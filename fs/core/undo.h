/*
 * The last document of what the mounts of this state deleted (/.cfcfs/deleted/PATH), in rows of the state: so all of them show it,
 * and it outlives them. Never a secret: it is what the file showed. Any thread; takes the state's lock only.
 */
#pragma once

#include "api/base/buf.h"

struct state;

#define UNDO_TABLE "deleted"
/* Documents kept, by number and by bytes; the oldest go. */
#define UNDO_MAX       1000
#define UNDO_BYTES_MAX ((size_t)16 << 20)

/*
 * Keeps the document for the path, the newest of all, and waits until it is on the disk: for a DELETE that is sent next. 0; -errno
 * where it is not on the disk (as state_set_durable), and shown all the same; -EFBIG: it is too long to be kept at all.
 */
int undo_keep(struct state *state, const char *path, const char *text, size_t len);
/* The document, and when it was kept (wall clock, nanoseconds; ret may be NULL). -ENOENT. */
int undo_get(struct state *state, const char *path, struct buf *ret, int64_t *ret_time_ns);
/* It was not deleted after all: earlier (NULL: none) is what is kept for the path again. */
void undo_forget(struct state *state, const char *path, const struct buf *earlier, int64_t earlier_ns);
/* The names right below dir ("" or "/applications"), as for below_each. */
int undo_each(struct state *state, const char *dir, int (*each)(void *arg, const char *name, bool is_dir), void *arg);
