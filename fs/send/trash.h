/*
 * Deferred deletes and names in hiding. An unlinked resource hides at once; its DELETE is sent when its grace is over, unless
 * the name is written again in the meantime. A resource that an editor renamed away hides for a while. One thread looks at
 * the clock; workers send.
 */
#pragma once

#include "fs/core/mount.h"
#include "fs/core/request.h"

struct timers;

/* How long a name that was renamed to a backup stays away when it is not written again. */
#define TRASH_BACKUP_MS 10000

struct timers *trash_new(struct mount *mount);
int trash_start(struct timers *t);
/* Ends the thread; what is pending was sent by trash_flush before. */
struct timers *trash_free(struct timers *t);

/* Hides the entry (tree lock held by the caller) until the moment. */
void trash_hide_locked(struct mount *mount, struct entry *entry, enum hide hide, int64_t until_ms);
/* Brings it back (tree lock held). */
void trash_show_locked(struct mount *mount, struct entry *entry);
/* Whether a DELETE in this directory (NULL: anywhere) waits or is on its way. */
bool trash_pending(struct mount *mount, struct entry *dir);
/* Sends every pending DELETE of the directory (NULL: all) now and waits; the first failure since the last flush is returned. */
int trash_flush(struct mount *mount, struct entry *dir, struct err *err);
/* Sends the DELETE of this hidden entry now, and waits for the answer. */
int trash_delete_now(struct mount *mount, struct entry *entry, struct err *err);
