/*
 * The stage: what was written, renamed, removed or ordered on a mount that sends nothing until it is applied. A row is what is
 * wanted of one resource: its content, its new name, or that it goes; what will be sent for it is decided anew whenever somebody
 * asks (fs/send/plan.h). Rows are immutable and reference-counted: a change of one puts another in its place.
 *
 * A row is on the disk before it counts, in the state's table "stage" under the mount point: so it survives a crash and a
 * remount there, and is no other mount's. What holds a secret's value is kept in locked memory alone; of it the state has that
 * it must be written again. Thread-safe; takes its own lock, and with it held none but the state's.
 */
#pragma once

#include "api/base/err.h"
#include "api/base/waiter.h"
#include "api/kind.h"
#include "cache/body.h"
#include "cache/state.h"

/* Rows at most, and bytes of what they hold (then ENOSPC). */
#define STAGE_ROWS_MAX  10000
#define STAGE_BYTES_MAX ((size_t)48 << 20)

/* The identity of what is staged and has none in the account yet: this byte, which no identity of the API has, and the file's name. */
#define STAGE_ID_MARK '\x01'
/* The same in a URL. */
#define STAGE_ID_ENCODED "%01"
bool stage_is_id(const char *id);

enum staged_verb { STAGED_CREATE, STAGED_UPDATE, STAGED_RENAME, STAGED_DELETE, STAGED_ACTION };
/* "create" … as the xattr and the plan have it. */
const char *staged_word(enum staged_verb verb);

/* What is wanted of one resource, part or leaf. Strings are owned. */
struct staged {
	_Atomic unsigned refs;
	uint64_t serial; /* no other row has it */
	uint64_t order;  /* rises from row to row as they were first staged */
	char *key;       /* of what it is about */
	const struct kind *kind;
	const struct part *part; /* or NULL, as leaf */
	const struct leaf *leaf;
	char *parent_id;         /* of the parent; a stage's where that is staged itself; NULL: none */
	char *id;                /* in the account; NULL: a new one */
	char *file_name;         /* as the account has it, or will have it */
	char *new_name;          /* the file name that it is to have; NULL: the same */
	char *dir;               /* of the file, from the mount's root: "applications" */
	bool remove;             /* with content: what is written is made in its place */
	bool secret;             /* content holds a secret's value: it is in locked memory, and is never shown */
	bool lost;               /* it was secret, and the process that held it is gone */
	struct body *content;    /* what was written; NULL: nothing, or secret */
	char *secret_text;       /* sodium_malloc */
	size_t secret_len;       /* bytes */
	struct body *shown;      /* what a reader sees in its place, where that is something else; NULL: the content */
	struct body *base;       /* the document that the account meant when it was staged; NULL: there was none */
	int64_t staged_ns;       /* since 1970 */
	int errnum;              /* why it was not applied; 0: it was not tried, or succeeded */
	char *reason;            /* the sentence, or NULL */
	int64_t sent_ns;         /* since 1970: it was about to be sent, and nobody knows what came of it; 0: not so */
	struct body *before_ids; /* with it: a JSON array of the ids that the collection had then; NULL: not known */
};

/* NULL without memory. Fields are set by the caller, until it is put. */
struct staged *staged_new(const struct kind *kind);
/* A copy with no key, serial and failure: for what replaces it. NULL without memory. */
struct staged *staged_copy(const struct staged *row);
struct staged *staged_ref(struct staged *row);
struct staged *staged_unref(struct staged *row);
DEFINE_CLEANUP(struct staged *, staged_unref)
/* The content; len 0 and "" where there is none. Borrowed of the row. */
const char *staged_text(const struct staged *row, size_t *ret_len);
int staged_set_text(struct staged *row, const char *text, size_t len, bool secret);
enum staged_verb staged_verb(const struct staged *row);
/* It is removed, and nothing takes its place; or what was written does: it cannot be changed into that, and is made anew. */
bool staged_goes(const struct staged *row);
bool staged_replaces(const struct staged *row);
/* A resource of the account gives its name up. */
bool staged_frees_name(const struct staged *row);
/* The name that it shows under: the new one, else its own. */
const char *staged_name(const struct staged *row);
/* "applications/web.json", of the shown name; freed by the caller; NULL without memory. */
char *staged_path(const struct staged *row);
/* The identity that its file has in the tree: the account's, else the stage's own; freed by the caller; NULL without memory. */
char *staged_id(const struct staged *row);

struct stage;

/* Reads the rows of this mount point. state is borrowed. NULL without memory. */
struct stage *stage_new(struct state *state, const char *mountpoint);
struct stage *stage_free(struct stage *stage);

/*
 * Puts the row in the place of the one about the same, whose order it takes, and waits until it is on the disk. Takes the
 * caller's reference in any case. 0; -ENOSPC, -EFBIG (of what the state keeps of it) with text; -ENOMEM: then what was staged stays;
 * -EINTR and -ETIMEDOUT while waiting: then it is staged all the same. Without a state file it is in memory.
 */
int stage_put(struct stage *stage, struct staged *row, struct waiter *waiter, int64_t deadline_ms, struct err *err);
/* The same for many: what was put without waiting is on the disk. */
int stage_put_soon(struct stage *stage, struct staged *row, struct err *err);
int stage_flush(struct stage *stage, struct waiter *waiter, int64_t deadline_ms);
/* Takes it off; serial 0: whatever it is, else only where it is that very row. Whether it was there. */
bool stage_drop(struct stage *stage, const char *key, uint64_t serial);

/* A reference; NULL where there is none. What is about the resource (or part, or leaf) of that identity. */
struct staged *stage_of(struct stage *stage, const struct kind *kind, const char *parent_id, const char *id, const char *leaf);
/* What shows under a file name that the account does not have for it: a new resource, or a renamed one. */
struct staged *stage_named(struct stage *stage, const struct kind *kind, const char *parent_id, const char *file_name);
struct staged *stage_by_key(struct stage *stage, const char *key);
/* The parent of staged rows came to be: they are below this id from now on. */
int stage_adopt(struct stage *stage, const char *stage_parent_id, const char *parent_id, struct err *err);

/* References to all rows, in the order of staging; freed with stage_list_free. NULL without memory. */
struct staged **stage_list(struct stage *stage, size_t *ret_count);
void stage_list_free(struct staged **rows, size_t count);
size_t stage_count(struct stage *stage);
/* Changes with each change of a row. */
uint64_t stage_serial(struct stage *stage);
