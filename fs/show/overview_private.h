/* What the parts of the overview share. The functions return 0 or -errno and leave the object as it was or longer. */
#pragma once

#include "api/doc_json.h"
#include "fs/show/overview.h"

/* Something that one more call would tell more of. */
struct detail {
	const struct detail_row *row;
	char *parent, *id;         /* owned; as the row's kind is asked for; id NULL: a list */
	char *path;                /* owned: what the attention is about */
	struct json_object *entry; /* owned reference: the application's, or the attention's */
	struct list *list;         /* owned reference, or NULL: what is known of it */
	struct snapshot *snapshot; /* the same */
	bool asked;                /* it is no older than the time to live */
};

struct look {
	struct request *r;
	struct json_object *facts;        /* owned */
	struct json_object *attention;    /* borrowed of facts, as all below */
	struct json_object *applications; /* the array */
	struct json_object *unknown;      /* what could not be asked, and why */
	struct json_object *index;        /* owned: applications' entries by their id */
	int64_t listed_ns;                /* when the list that is being added was asked for, since 1970 */
	struct detail *details;           /* owned */
	size_t details_count;
};

/* A way to ask for one kind of details. */
struct detail_row {
	const char *kind; /* its name in the table of kinds */
	/* Adds what is known; nothing where neither list nor snapshot is. */
	int (*take)(struct look *look, struct detail *detail);
};

/* A line of what wants attention: of which path, why, and since when (RFC 3339, or NULL: not known). *ret (may be NULL) borrows it. */
int look_attention(struct look *look, const char *path, const char *reason, const char *since, struct json_object **ret);
/* Notes that one more call would tell more. Strings are copied; entry gets a reference. */
int look_detail(struct look *look, const struct detail *like);
/* The body as an object, put by the caller; NULL where it was dropped, or without memory. */
struct json_object *look_object(struct snapshot *snapshot);

int look_set_text(struct json_object *object, const char *key, const char *text); /* NULL: null */
int look_set_count(struct json_object *object, const char *key, int64_t count);
/* The number under the key, or 0. */
int64_t look_count(struct json_object *object, const char *key);
/* The member, which is made as an object where it is not there. Borrowed; NULL without memory. */
struct json_object *look_member(struct json_object *object, const char *key);
/* The earlier of two times as text; either may be NULL. */
const char *look_earlier(const char *a, const char *b);

/* fs/show/overview_applications.c, overview_deployments.c */
int overview_add_applications(struct look *look, struct list *list);
int overview_add_deployments(struct look *look, struct list *list);
int overview_finish_applications(struct look *look);

/* The table. */
int overview_write(struct json_object *facts, struct buf *out);
