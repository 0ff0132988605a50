/*
 * The state, in SQLite. One connection, used under the emulator's lock only. Prepared statements are kept
 * by the address of their text, so the text must be a literal.
 */
#pragma once

#include <sqlite3.h>

#include "api/base/cleanup.h"

struct store;

/* path: NULL keeps everything in memory. 0, or -errno with a line for a person in text. */
int store_open(const char *path, struct store **ret_store, char *text, size_t size);
struct store *store_close(struct store *s);

/*
 * A statement with its values bound, ready to step. types: one letter a value: s text (const char *, NULL
 * is NULL; the text must live as long as the statement is stepped), i int64_t, d double. NULL on failure,
 * which store_failed then reports.
 */
sqlite3_stmt *store_query(struct store *s, const char *sql, const char *types, ...);
static inline void query_endp(sqlite3_stmt **q)
{
	if (*q)
		sqlite3_reset(*q);
}
#define cleanup_query_ cleanup_(query_endp)
/* Steps: true while there is a row. A failure ends the rows and is remembered (store_failed). */
bool store_row(struct store *s, sqlite3_stmt *q);
/* Runs a statement that gives no rows. 0, -EEXIST (a unique column), -EIO. */
int store_exec(struct store *s, const char *sql, const char *types, ...);
/* The first column of the first row, or otherwise. */
int64_t store_int(struct store *s, int64_t otherwise, const char *sql, const char *types, ...);
int64_t store_last_rowid(struct store *s);
/* How many rows the last store_exec changed. */
int store_changes(struct store *s);

/* One transaction for a change; end commits when ok and nothing failed, else rolls back. 0 or -EIO. */
int store_begin(struct store *s);
int store_end(struct store *s, bool ok);
/* Whether something failed since store_begin. */
bool store_failed(struct store *s);

/* Never NULL. */
static inline const char *col_text(sqlite3_stmt *q, int i)
{
	const char *t = (const char *)sqlite3_column_text(q, i);

	return t ? t : "";
}
static inline int64_t col_int(sqlite3_stmt *q, int i)
{
	return sqlite3_column_int64(q, i);
}
/* Length in bytes of the text that col_text gave. */
static inline size_t col_len(sqlite3_stmt *q, int i)
{
	return (size_t)sqlite3_column_bytes(q, i);
}
