/*
 * The state file: what the mount must remember beyond its life (names of jobs and rollouts, labels, owed rollouts, the
 * service's defaults, fingerprints of secrets). SQLite, mode 0600, WAL, shared safely by several mounts, whole after a
 * crash at any moment. It holds no secret value. Everything works without it: where the file cannot be opened or
 * written, a table in memory stands in (a warning is logged once). Thread-safe; calls do file I/O and never wait longer
 * than STATE_BUSY_MS for another mount.
 */
#pragma once

#include "api/base/err.h"
#include "api/base/buf.h"

#define STATE_BUSY_MS 2000
/* Rows of one table and account past this number push out the oldest. */
#define STATE_ROWS_MAX 20000

struct state;

/* dir is made (0700) where it is missing; the file is cfcfs.db in it. scope is the base address and the account: rows of
   other scopes are not seen. dir NULL: memory alone. Never fails but without memory (NULL). */
struct state *state_open(const char *dir, const char *scope);
struct state *state_close(struct state *state);
DEFINE_CLEANUP(struct state *, state_close)
/* $XDG_STATE_HOME/cfcfs, else ~/.local/state/cfcfs, /var/lib/cfcfs for root; NULL where neither is known. Freed by the caller. */
char *state_default_dir(void);

/* Rows of a table ("names", "owed", "defaults", "fingerprints"), by parent ("" for none) and id. */
int state_set(struct state *state, const char *table, const char *parent, const char *id, const void *value, size_t len);
/* -ENOENT where there is none. *ret is emptied first. */
int state_get(struct state *state, const char *table, const char *parent, const char *id, struct buf *ret);
/* A success where there is none. */
int state_delete(struct state *state, const char *table, const char *parent, const char *id);
/* Calls each() for the rows of a parent in the order they were first set; ends at its first non-zero result and returns it. */
int state_each(struct state *state, const char *table, const char *parent,
	       int (*each)(void *arg, const char *id, const void *value, size_t len), void *arg);
/* The key of this file's fingerprints (FINGERPRINT_KEY_BYTES), made at its first use. */
int state_key(struct state *state, uint8_t ret_key[32]);
