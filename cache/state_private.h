/* The inside of the state: the rows in memory, the thread that goes between them and the file, and the file. */
#pragma once

#include <sys/types.h>
#include <sqlite3.h>

#include "api/base/lock.h"
#include "api/base/rand.h"
#include "cache/hash.h"
#include "cache/textlog.h"
#include "cache/state.h"

#define STATE_FILE           "cfcfs.db"
#define STATE_SCHEMA         2
#define STATE_APPLICATION_ID 0x63666373 /* "cfcs" */
/* Longest value of a row. */
#define STATE_VALUE_MAX ((size_t)1 << 20)
/* A file that could not be opened or written is tried again after this time. */
#define STATE_RETRY_MS  30000
#define STATE_KEY_BYTES FINGERPRINT_KEY_BYTES

enum statement {
	STATEMENT_BEGIN,
	STATEMENT_COMMIT,
	STATEMENT_ROLLBACK,
	STATEMENT_SCHEMA,
	STATEMENT_CHANGED,
	STATEMENT_SET,
	STATEMENT_TRIM,
	STATEMENT_DELETE,
	STATEMENT_LOAD,
	STATEMENT_PUT_KEY,
	STATEMENT_GET_KEY,
	STATEMENT_HISTORY_ADD,
	STATEMENT_HISTORY_TRIM,
	STATEMENT_HISTORY_LOAD,
	STATEMENT_HISTORY_LAST,
	STATEMENTS
};

/* Which row. Borrowed strings. */
struct row_name {
	const char *table, *parent, *id;
};

/* Immutable; shared between a row, a change under way, and readers. */
struct row_value {
	_Atomic unsigned refs;
	size_t len;
	char data[];
};

/* A change on its way to the file. */
struct row_change {
	struct row_change *next;
	uint64_t serial;
	bool deleted;
	bool again;              /* the row was deleted in between: it gets a new place */
	bool full;               /* its table has as many rows as it may have: the oldest go */
	struct row_value *value; /* owned reference; NULL: deleted */
	struct row_name name;    /* into key */
	char key[];
};

/* A line of the history on its way to the file. */
struct history_line {
	struct history_line *prev, *next;
	size_t len;
	char text[];
};

struct history {
	struct textlog lines;         /* what is shown: own lines from the moment they are added, others' when they are seen */
	struct history_line *waiting; /* owned; own ones that the file does not have, oldest first */
	size_t waiting_count, waiting_bytes;
};

/* All that one transaction writes. */
struct state_batch {
	const struct row_change *changes;
	const struct history_line *history;
	size_t history_max; /* lines that the file keeps */
	bool history_full;  /* it has them: the oldest go */
	const uint8_t *key; /* STATE_KEY_BYTES, for a file that has none */
};

DECLARE_LOCK(state);

struct row_table {
	struct row_table *next;
	struct row *rows; /* oldest first */
	size_t count;     /* those that are not deleted */
	char name[];
};

/* The rows of one table and parent. */
struct row_group {
	UT_hash_handle hh;
	struct row *rows; /* oldest first */
	char key[];       /* table, parent, each with its NUL */
};

struct row {
	UT_hash_handle hh; /* by key */
	struct row_table *table;
	struct row_group *group;
	struct row *prev, *next;             /* of the group */
	struct row *age_prev, *age_next;     /* of the table */
	struct row *queue_prev, *queue_next; /* of the queue, where it is queued */
	uint64_t serial;                     /* of its last own change; 0: none */
	uint64_t seen;                       /* the last load that found it in the file */
	bool queued;                         /* its change was not handed to the thread */
	bool waiting;                        /* its change is not known to be in the file: the file's row does not count */
	bool deleted;                        /* it waits, and hides the file's */
	bool again;                          /* as in struct row_change */
	struct row_value *value;             /* owned reference; NULL: deleted */
	struct row_name name;                /* into key */
	char key[];                          /* table, parent, id, each with its NUL */
};

struct rows {
	struct row *all; /* hash by key; owned */
	struct row_group *groups;
	struct row_table *tables;
	struct row *queue; /* in the order of their first change since the last write */
	uint64_t last_serial;
	size_t bytes;
	bool alone; /* there is no file, or none that is ever written: nothing is queued, and what is deleted is gone */
};

/* One caller that waits for the thread, on its stack. */
struct state_wait {
	struct waiter *waiter;
	struct state_wait *prev, *next;
	uint64_t serial; /* of the last change that it waits for */
	uint64_t look;   /* of the look at the file that it waits for */
	bool kept;       /* to be in the file is enough; else it waits for the disk */
	int result;
	bool done;
};

/* Open or not; the thread's own. */
struct state_file {
	sqlite3 *db;                          /* owned; NULL: not open */
	sqlite3_stmt *statements[STATEMENTS]; /* owned */
	dev_t dev;
	ino_t ino;            /* of the file that db has open: another in its place means that it was set aside or removed */
	int64_t deadline_ms;  /* of the operation under way */
	int64_t data_version; /* SQLite's number of what others changed, as of the last load */
	int64_t history_seq;  /* of the last line of the history that is known; 0: none */
	size_t untrimmed;     /* lines of the history that were added since the oldest went */
	bool trimmed;         /* the oldest went once since it was opened */
	bool syncs;           /* SQLite itself waits for the disk in each commit */
	int64_t own_first, own_last; /* of the lines that the last write added; 0: none */
};

struct state {
	/* Fixed after state_open: */
	char *dir;   /* owned; NULL: memory alone */
	char *scope; /* owned */
	int kick_fd; /* owned; eventfd, wakes the thread; -1 without one */
	bool has_thread;
	pthread_t thread;
	struct fleet *fleet;  /* borrowed; NULL: none. Set by state_listen */
	struct state_ear ear; /* the same */

	struct lock lock;
	pthread_cond_t thread_over;
	struct rows rows GUARDED_BY(state_locked);
	struct history history GUARDED_BY(state_locked);
	struct state_wait *waits GUARDED_BY(state_locked);
	uint64_t written GUARDED_BY(state_locked); /* all changes up to this serial are in the file */
	uint64_t synced GUARDED_BY(state_locked);  /* and up to this one on the disk */
	uint64_t looks_wanted GUARDED_BY(state_locked);
	uint64_t looked GUARDED_BY(state_locked);   /* as the number of the look */
	int64_t looked_ms GUARDED_BY(state_locked); /* when the last one was had or asked for */
	bool ending GUARDED_BY(state_locked);
	bool over GUARDED_BY(state_locked); /* the thread uses nothing any more */
	bool warned GUARDED_BY(state_locked);
	int64_t end_ms GUARDED_BY(state_locked);     /* with ending: when the thread gives up */
	struct err problem GUARDED_BY(state_locked); /* why the file is not used; errnum 0: it is */
	bool has_key GUARDED_BY(state_locked);
	uint8_t key[STATE_KEY_BYTES] GUARDED_BY(state_locked);
};
DEFINE_LOCK(state, struct state, lock)

/* ---- state_dir.c ---- */

/* Makes the directory where it is missing and checks it. A descriptor, and its whole path (freed by the caller). */
int state_dir_open(const char *dir, char **ret_path);
/* One opens at a time, whatever the process; held as long as the descriptor. -EBUSY at the deadline. */
int state_dir_lock(int dir_fd, int64_t deadline_ms);
/* Makes the file where it is missing (0600 whatever the umask) and checks that it is a plain file of ours. */
int state_dir_check_file(int dir_fd, dev_t *ret_dev, ino_t *ret_ino);
/* Moves a corrupt file out of the way, keeping this one alone. */
int state_dir_set_aside(int dir_fd);

/* ---- state_schema.c ---- */

/* Makes the tables of an empty file, or brings an older version up to this one. -EPROTO with a text: newer, or not ours; it is
   untouched then. */
int schema_prepare(sqlite3 *db, struct err *err);
/* The refusal, for a file whose version is known. -EPROTO. */
int schema_refuse(int64_t version, struct err *err);

/* ---- state_file.c ---- */

/* Opens or makes the file. 0 or -errno with a text; -EPROTO: it is none of ours to touch. */
int state_file_open(struct state_file *file, const char *dir, int64_t deadline_ms, struct err *err);
void state_file_close(struct state_file *file);
/* Whether the file that is open is no longer the one in the directory. */
bool state_file_is_gone(const struct state_file *file, const char *dir);
/* All of it in one transaction. -EPROTO: a newer program changed the file meanwhile. */
int state_file_write(struct state_file *file, const char *scope, const struct state_batch *batch, struct err *err);
/* What was written goes to the disk. 0 or -errno. */
int state_file_sync(struct state_file *file);
/* Whether others changed the file since the last load. 1: they did; -errno. */
int state_file_is_changed(struct state_file *file);
/* All rows of the scope, oldest first. row's strings are valid during the call; ends at its first non-zero result. */
int state_file_load(struct state_file *file, const char *scope,
		    int (*each)(void *arg, const struct row_name *name, const void *value, size_t len), void *arg);
/*
 * Lines of the history that are not known yet, without those of the last write, oldest first; from then on they are known. The text
 * is valid during the call. 1: the file is a new one, which has none.
 */
int state_file_load_history(struct state_file *file, const char *scope, int (*each)(void *arg, const char *text, size_t len),
			    void *arg);
/* -ENOENT: it has none yet. */
int state_file_get_key(struct state_file *file, uint8_t ret_key[STATE_KEY_BYTES]);
/* -EUCLEAN is for a corrupt file. */
int state_file_error(int rc);

/* ---- state_rows.c ---- */

struct row_value *row_value_ref(struct row_value *value);
void row_value_unref(struct row_value *value);
void row_change_free(struct row_change *changes);

/* NULL: there is none, or it is deleted. */
struct row *rows_find_locked(struct state *state, const struct row_name *name) REQUIRES(state_locked);
struct row_group *rows_group_locked(struct state *state, const char *table, const char *parent) REQUIRES(state_locked);
int rows_set_locked(struct state *state, const struct row_name *name, const void *value, size_t len) REQUIRES(state_locked);
int rows_delete_locked(struct state *state, const struct row_name *name) REQUIRES(state_locked);
/* What the file says, in the load of this number; an own change that waits stands above it. */
int rows_load_locked(struct state *state, const struct row_name *name, const void *value, size_t len, uint64_t load)
	REQUIRES(state_locked);
/* After a load: what the file lacks goes; or (keep: it is a new file) is written to it. */
void rows_sweep_locked(struct state *state, uint64_t load, bool keep) REQUIRES(state_locked);
/* Hands the queue over, whole: written in one transaction, it keeps the order of changes. -ENOMEM: it stays. */
int rows_take_locked(struct state *state, struct row_change **ret) REQUIRES(state_locked);
/* Afterwards: they are in the file; or they go back to the queue. */
void rows_written_locked(struct state *state, const struct row_change *changes) REQUIRES(state_locked);
void rows_put_back_locked(struct state *state, const struct row_change *changes) REQUIRES(state_locked);
void rows_free_locked(struct state *state) REQUIRES(state_locked);
/* From now on they are in memory alone. Nothing is taken. */
void rows_stay_locked(struct state *state) REQUIRES(state_locked);

/* ---- state_history.c ---- */

/* What waits, handed over; afterwards it is freed, or goes back in front of what came meanwhile. */
struct history_line *history_take_locked(struct state *state) REQUIRES(state_locked);
void history_put_back_locked(struct state *state, struct history_line *taken) REQUIRES(state_locked);
struct history_line *history_line_free(struct history_line *lines);
/* The file is a new one: it gets all that is known. */
void history_again_locked(struct state *state) REQUIRES(state_locked);
void history_free_locked(struct state *state) REQUIRES(state_locked);

/* ---- state.c ---- */

/* Whether the thread should be told to look: where the system tells of changes, this comes to nothing. */
bool state_look_is_due_locked(struct state *state) REQUIRES(state_locked);

/* ---- state_thread.c ---- */

int state_thread_start(struct state *state);
void state_thread_kick(struct state *state);
/* -ETIMEDOUT: it hangs in the file system, and still uses the state. */
int state_thread_end(struct state *state, int64_t deadline_ms);

/* ---- state_share.c ---- */

/* Whether the others of the fleet are to be told of this change (value NULL: a deletion), which is not made yet. */
bool rows_to_tell_locked(struct state *state, const struct row_name *name, const void *value, size_t len) REQUIRES(state_locked);
/* Tells them. */
void rows_tell(struct state *state, const struct row_name *name, const void *value, size_t len) EXCLUDES(state_locked);
