/* The inside of the state: the file, and the table in memory that stands in for it. */
#pragma once

#include <sys/types.h>
#include <sqlite3.h>

#include "api/base/clock.h"
#include "cache/hash.h"
#include "cache/state.h"

#define STATE_FILE           "cfcfs.db"
#define STATE_SCHEMA         1
#define STATE_APPLICATION_ID 0x63666373 /* "cfcs" */
/* Longest value of a row. */
#define STATE_VALUE_MAX ((size_t)1 << 20)
/* A file that could not be opened is tried again after this time. */
#define STATE_REOPEN_MS 30000
/* Rows in memory that one write takes to the file with it. */
#define STATE_FLUSH_MAX 64
#define STATE_KEY_BYTES 32

enum statement {
	STATEMENT_BEGIN,
	STATEMENT_COMMIT,
	STATEMENT_ROLLBACK,
	STATEMENT_SET,
	STATEMENT_TRIM,
	STATEMENT_GET,
	STATEMENT_DELETE,
	STATEMENT_EACH,
	STATEMENT_PUT_KEY,
	STATEMENT_GET_KEY,
	STATEMENTS
};

/* Which row. Borrowed strings. */
struct row_name {
	const char *table, *parent, *id;
};

/* A row that the file could not take, or that no file is there for. */
struct memory_row {
	UT_hash_handle hh;
	uint64_t serial;
	bool deleted;
	char *value; /* owned; NULL where empty or deleted */
	size_t len;
	struct row_name name; /* into key */
	char key[];           /* table, parent, id, each with its NUL */
};

/* Open or not, used by whoever has the turn. */
struct state_file {
	sqlite3 *db;                          /* owned; NULL: memory alone */
	sqlite3_stmt *statements[STATEMENTS]; /* owned */
	dev_t dev;
	ino_t ino;           /* of the file that db has open: another in its place means that it was set aside or removed */
	int64_t deadline_ms; /* of the operation under way */
};

struct state {
	/* Fixed after state_open: */
	char *dir;   /* owned; NULL: memory alone */
	char *scope; /* owned */

	pthread_mutex_t lock; /* guards all below but the file */
	pthread_cond_t turn_over;
	bool turn_taken; /* whoever has the turn may use the file */
	bool warned;
	bool has_key;
	uint8_t key[STATE_KEY_BYTES];
	uint64_t last_serial;
	struct memory_row *rows; /* hash by key, in the order of their making; owned */

	/* Guarded by the turn: */
	struct state_file file;
	bool refused;     /* the file is not for us; it is not tried again */
	bool reopen;      /* it was found to be corrupt */
	int64_t retry_ms; /* when to try again to open it */
};

/* ---- state_dir.c ---- */

/* Makes the directory where it is missing and checks it. A descriptor, and its whole path (freed by the caller). */
int state_dir_open(const char *dir, char **ret_path);
/* One opens at a time, whatever the process; held as long as the descriptor. -EBUSY at the deadline. */
int state_dir_lock(int dir_fd, int64_t deadline_ms);
/* Makes the file where it is missing (0600 whatever the umask) and checks that it is a plain file of ours. */
int state_dir_check_file(int dir_fd, dev_t *ret_dev, ino_t *ret_ino);
/* Moves a corrupt file out of the way, keeping this one alone. */
int state_dir_set_aside(int dir_fd);

/* ---- state_file.c ---- */

/* Opens or makes the file. 0 or -errno; -EPROTO: of a newer version, or of something else. */
int state_file_open(struct state_file *file, const char *dir, int64_t deadline_ms);
void state_file_close(struct state_file *file);
/* Whether the file that is open is no longer the one in the directory. */
bool state_file_is_gone(const struct state_file *file, const char *dir);
int state_file_set(struct state_file *file, const char *scope, const struct row_name *name, const void *value, size_t len);
int state_file_get(struct state_file *file, const char *scope, const struct row_name *name, struct buf *ret);
int state_file_delete(struct state_file *file, const char *scope, const struct row_name *name);
/* each's row is valid during the call; it ends at its first non-zero result and returns it. */
int state_file_each(struct state_file *file, const char *scope, const struct row_name *name,
		    int (*each)(void *arg, const char *id, const void *value, size_t len), void *arg);
int state_file_key(struct state_file *file, uint8_t key[STATE_KEY_BYTES]);
/* -EUCLEAN is for a corrupt file. */
int state_file_error(int rc);

/* ---- state_memory.c: all with the state's lock held ---- */

struct memory_row *memory_row_find(struct state *state, const struct row_name *name);
/* value NULL and deleted: a row that hides the file's. */
int memory_row_set(struct state *state, const struct row_name *name, const void *value, size_t len, bool deleted);
void memory_row_free(struct state *state, struct memory_row *row);
