/*
 * One call of the API: what was asked (route, account, arguments, body) and what is answered. Handlers
 * write the result's JSON into out and return 0, or fail through call_fail or call_invalid.
 */
#pragma once

#include "emulator/emulator.h"
#include "emulator/schema.h"
#include "emulator/store.h"

#define CALL_ARGS_MAX  3
#define CALL_QUERY_MAX 32
#define ID_SIZE        37

struct route;

struct query_item {
	char *key, *value; /* decoded; both owned by key's memory */
};

struct call {
	struct emulator *em;
	struct store *store;
	const struct route *route;
	char account[33];
	bool bare;                /* under /cloudchamber: no envelope */
	bool own;                 /* of the emulator itself: whatever the surface, every operation is there */
	bool above;               /* under neither prefix: another API of the account */
	unsigned permits;         /* of the token */
	char *arg[CALL_ARGS_MAX]; /* decoded, owned */
	struct query_item query[CALL_QUERY_MAX];
	unsigned queries;
	struct json_object *body; /* owned; NULL where the route takes none */
	int64_t now;              /* virtual, the same throughout the call */

	int status;          /* of the answer; set to the route's own before the handler runs */
	struct out *out;     /* the result is written here */
	char next_token[48]; /* a list's next page, or "" */
	bool paged;          /* the list has pages */
	int64_t per_page;    /* of it; 0: all there are */

	struct {
		int status;
		int code;
		const char *word; /* the API's, or NULL */
		bool inside;      /* word and details stand as JSON inside the message */
		char text[512];
		struct out details; /* members of details, without braces */
	} fail;
};

/* Both return -EINVAL, which the handler passes on. word may be NULL. */
int call_fail(struct call *c, int status, const char *word, const char *fmt, ...) printf_like_(4, 5);
/* 400 VALIDATE_INPUT with the problems as details. */
int call_invalid(struct call *c, const struct problems *p);
/* 400 VALIDATE_INPUT about one field. */
int call_invalid_field(struct call *c, const char *path, const char *fmt, ...) printf_like_(3, 4);
int call_not_found(struct call *c, const char *what);

/* The value of a query parameter (the nth of that name), or NULL. */
const char *call_query(const struct call *c, const char *key, unsigned nth);

/* The page of a list that was asked for. */
struct page {
	int64_t after; /* items of a higher number than this */
	int64_t limit, n, last;
};
/*
 * Reads per_page and page_token. otherwise: items of a page where neither is given; 0: all there are. With a token alone
 * 100, where otherwise is 0. A token holds for the filters that it was given out with.
 */
int call_page(struct call *c, int64_t otherwise, int64_t max, struct page *ret);
/* Whether the item of this number still belongs to the page; where not, the answer names the next one. */
bool call_page_takes(struct call *c, struct page *p, int64_t number);

typedef void row_writer(struct call *c, sqlite3_stmt *q);
/* Writes an array of all rows; the query is done with afterwards. */
int call_rows(struct call *c, sqlite3_stmt *q, row_writer *write);
/* Writes the one row, or 404 of what. */
int call_row(struct call *c, sqlite3_stmt *q, row_writer *write, const char *what);

/* Checks the body against a table, closed at the top; live: all the way down. */
int call_check(struct call *c, const struct field *fields, unsigned how);
/* The same for a modification; a field that only the creation takes is refused in its own words. */
int call_check_modify(struct call *c, const struct field *fields, const struct field *create);
/* A new id, UUID version 4. While an account is being seeded the ids come from the seed (ids_seeded). */
void id_make(char id[ID_SIZE]);
/* 64 hex digits. */
void id_make_hex64(char id[65]);
/* From now on ids are those of account's numbers from serial up; NULL: random again. Returns the next serial. */
int64_t ids_seeded(const char *account, int64_t serial);

void call_clear(struct call *c);

/* Builds the whole answer around what the handler wrote (r: its result). */
void call_begin_answer(struct call *c);
void call_end_answer(struct call *c, int r, const char *request_id);
