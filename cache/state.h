/*
 * The state file: what the mount must remember beyond its life (names of jobs and rollouts, labels, owed rollouts, the
 * service's defaults, fingerprints of secrets, what was deleted), and the history. SQLite, mode 0600, WAL, shared safely by several mounts, whole after a
 * crash at any moment. It holds no secret value. Everything works without it: where the file cannot be opened or
 * written, the rows in memory are all there is (a warning is logged once, and state_check says why).
 *
 * The rows of the scope are in memory, and a thread of the state's own reads and writes the file: so no call here waits for a
 * disk or for another mount's lock, but the ones that take a deadline. Changes reach the file in their order, within
 * milliseconds; a kill -9 before loses the last ones, never one in the middle. What other mounts change shows within
 * milliseconds too (STATE_LOOK_MS where the system cannot tell of it). Thread-safe.
 */
#pragma once

#include "api/base/err.h"
#include "api/base/buf.h"
#include "api/base/waiter.h"

/* How long opening and closing may wait for another mount. */
#define STATE_BUSY_MS 2000
/* Rows of one table and account past this number push out the oldest. */
#define STATE_ROWS_MAX 20000
/* All rows of an account; past it nothing is set (-ENOSPC). */
#define STATE_BYTES_MAX ((size_t)64 << 20)
/* Where the system does not tell of another mount's changes, a read past this time has the file looked at. */
#define STATE_LOOK_MS 2000

struct state;
struct fleet;

/* dir is made (0700) where it is missing; the file is cfcfs.db in it. scope is the base address and the account: rows of
   other scopes are not seen. dir NULL: memory alone. Never fails but without memory (NULL). Starts a thread: fork first. */
struct state *state_open(const char *dir, const char *scope);
/* Writes what waits, for STATE_BUSY_MS at most. NULL is fine. */
struct state *state_close(struct state *state);
DEFINE_CLEANUP(struct state *, state_close)
/* $XDG_STATE_HOME/cfcfs, else ~/.local/state/cfcfs, /var/lib/cfcfs for root; NULL where neither is known. Freed by the caller. */
char *state_default_dir(void);
/* Whether what is set is remembered beyond the unmount: 0, or -errno with the reason (-ENOTCONN: there is no state_dir). */
int state_check(struct state *state, struct err *err);

/* Rows of a table ("names", "owed", "defaults", "fingerprints"), by parent (NULL or "" for none) and id. -EFBIG for a value
   over 1 MiB, -ENOSPC, -ENOMEM; waits for nothing. */
int state_set(struct state *state, const char *table, const char *parent, const char *id, const void *value, size_t len);
/* -ENOENT where there is none. *ret is emptied first. */
int state_get(struct state *state, const char *table, const char *parent, const char *id, struct buf *ret);
/* A success where there is none. */
int state_delete(struct state *state, const char *table, const char *parent, const char *id);
/* Calls each() for the rows of a parent in the order they were first set, with no lock held; ends at its first non-zero result
   and returns it. */
int state_each(struct state *state, const char *table, const char *parent,
	       int (*each)(void *arg, const char *id, const void *value, size_t len), void *arg);
/* The key of this file's fingerprints (FINGERPRINT_KEY_BYTES). */
int state_key(struct state *state, uint8_t ret_key[32]);

/*
 * The history: a text that only grows, one line for each change that anybody of this scope sent, in a table of its own. Own lines
 * show at once, those of other mounts when the file is looked at; they go to the file as rows do. The oldest go.
 */
#define STATE_HISTORY_MAX       10000
#define STATE_HISTORY_BYTES_MAX ((size_t)64 << 20)

/* How many lines are kept, here and in the file; 0: none is added or shown. Before anything is added. */
void state_history_limit(struct state *state, size_t lines);
/* text: one line with its newline. 0 or -ENOMEM. */
int state_history_add(struct state *state, const char *text, size_t len);
/* As of struct textlog (cache/textlog.h). */
uint64_t state_history_first(struct state *state);
uint64_t state_history_end(struct state *state);
size_t state_history_read(struct state *state, uint64_t at, char *out, size_t size);
int state_history_all(struct state *state, struct buf *out);

struct state_row {
	const char *table, *parent, *id; /* borrowed; parent may be NULL */
	const void *value;               /* borrowed; NULL with len 0: empty */
	size_t len;
};

/*
 * Sets the row and waits until it, and with it all that was set before, is on the disk: for what must survive a kill -9. On
 * failure the row is set all the same, and goes to the file when it can: -ETIMEDOUT, -EINTR (waiter; NULL: no signal ends
 * it), -ENOTCONN (there is no file), or why the file could not be written.
 */
int state_set_durable(struct state *state, const struct state_row *row, struct waiter *waiter, int64_t deadline_ms);
/* The same, but waits only until it is in the file: it survives a kill -9 of this program, and not the machine's power. */
int state_set_kept(struct state *state, const struct state_row *row, struct waiter *waiter, int64_t deadline_ms);
/* Waits until all that was set and deleted before is on the disk, and what other mounts wrote before is seen. As above. */
int state_flush(struct state *state, struct waiter *waiter, int64_t deadline_ms);

/*
 * The state among those of a fleet: rows of the tables that every member should know (names, owed, defaults, written, intents,
 * offers, prints) are set and deleted for all, and what the others have is known here as soon as the share is there. Before
 * fleet_start. changed (may be NULL) is told of what came from others, in the fleet's thread, with no lock held; value NULL: the
 * row is gone.
 */
struct state_ear {
	void (*changed)(void *arg, const struct state_row *row);
	void *arg;
};
/* A key that the fleet's members have alone; -ENOENT where there is no fleet. */
int state_fleet_key(struct state *state, uint8_t ret_key[32]);
void state_listen(struct state *state, struct fleet *fleet, const struct state_ear *ear);
