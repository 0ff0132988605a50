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
	char *arg[CALL_ARGS_MAX]; /* decoded, owned */
	struct query_item query[CALL_QUERY_MAX];
	unsigned queries;
	struct json_object *body; /* owned; NULL where the route takes none */
	int64_t now;              /* virtual, the same throughout the call */

	int status;          /* of the answer; set to the route's own before the handler runs */
	struct out *out;     /* the result is written here */
	char next_token[32]; /* a list's next page, or "" */
	int64_t per_page;    /* 0: the list was not paged */

	struct {
		int status;
		int code;
		const char *word; /* the API's, or NULL */
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
/*
 * Reads per_page and page_token (the sequence number after which the page begins) and bounds them.
 * *ret_limit is one page, PAGE_DEFAULT without per_page.
 */
int call_page(struct call *c, int64_t *ret_after, int64_t *ret_limit);
void call_next_page(struct call *c, int64_t after);
#define PAGE_DEFAULT 1000
#define PAGE_MAX     1000

/* Checks the body against a table, closed at the top. */
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
