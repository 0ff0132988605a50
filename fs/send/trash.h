/*
 * Deferred deletes and names in hiding. An unlinked resource hides at once; its DELETE is sent when its grace is over, unless
 * the name is written again in the meantime. A resource that an editor renamed away hides for a while. The mount's timer looks at
 * the clock; a pool of their own sends the deletes, so that who waits for them (in the writers' pool) waits for another pool.
 */
#pragma once

#include "fs/core/doomed.h"
#include "fs/core/mount.h"
#include "fs/core/request.h"

struct trash;

/* How long a name that was renamed to a backup stays away when it is not written again. */
#define TRASH_BACKUP_MS 10000
/* How long it stays away after a draft over it went unsent: time for the editor to put its backup back. */
#define TRASH_DRAFT_MS 1000
/* A DELETE for which there is no memory or no thread is tried again after this. */
#define TRASH_AGAIN_MS 1000

/* mount->timer is there already. NULL without memory. */
struct trash *trash_new(struct mount *mount);
/* After the timer and the pool of deletes ended. */
struct trash *trash_free(struct trash *trash);

/* Hides the entry until the moment. Needs no memory: what is hidden for its DELETE gets it. */
void trash_hide_locked(struct mount *mount, struct entry *entry, enum hide hide, int64_t until_ms) REQUIRES(tree_locked);
/* Brings it back. */
void trash_show_locked(struct mount *mount, struct entry *entry) REQUIRES(tree_locked);
/* The draft over a name in hiding is gone, unsent. */
void trash_draft_ended_locked(struct mount *mount, struct entry *entry) REQUIRES(tree_locked);
/* Whether a DELETE in this directory waits, is on its way, or failed unheard: whether trash_flush has anything to do or to tell. */
bool trash_owes(struct mount *mount, struct entry *dir);
/*
 * Sends every pending DELETE of the directory (NULL: all) now and waits for the answers; the first failure since the last flush is
 * returned. The wait ends by the deadline (-ETIMEDOUT) or the waiter's cancel (-EINTR; NULL: by the deadline alone); the DELETEs go
 * on. Not in the pool of deletes.
 */
int trash_flush(struct mount *mount, struct entry *dir, struct waiter *waiter, int64_t deadline_ms, struct err *err);
/* Sends the DELETE of this hidden entry now, and waits for the answer. When it failed, also by a signal before anything was sent,
   the name is back. Where it is on its way already, its answer is waited for; then a failure is -EEXIST, for it is told elsewhere. */
int trash_delete_now(struct request *r, struct entry *entry);
/* At the end: logs the path of each DELETE that is not answered yet. How many there are. */
size_t trash_tell_pending(struct mount *mount);
/*
 * Who wants the delete, and the document, as the file shows it now: for who unlinks it next. RUN_IN_WORKER in a first phase where
 * the document is not at hand; a document that cannot be had is left out. *ret is the caller's, then the entry's (entry->doomed).
 */
int trash_doom(struct request *r, const struct identity *what, struct doomed **ret);
