/*
 * A change as a value: what a write, a rename, a delete or a verb will do to the account, computed before anything is done.
 * decide() makes it of what gather() brought; send_change() sends it and knows nothing else; accept_change() tells the
 * caches what came of it. It owns all that it holds, so it can be kept, compared and printed: writing through sends it at once, a
 * stage would keep it. One thread at a time (json-c serialises into its objects).
 */
#pragma once

#include "api/client.h"
#include "fs/send/fingerprint.h"
#include "fs/show/context.h"

enum verb {
	VERB_NONE, /* the account means it already, or the change is refused */
	VERB_CREATE,
	VERB_UPDATE,
	VERB_RENAME,
	VERB_DELETE,
	VERB_ACTION,
	VERB_ASK, /* a request whose answer is what is wanted (credentials) */
};
const char *verb_name(enum verb verb);

/* How it is found out what became of a step whose answer was lost. */
enum settle {
	SETTLE_NOT,    /* it cannot be: the outcome is unknown */
	SETTLE_REPEAT, /* the same twice is the same: the transport sends it again */
	SETTLE_NEW,    /* a create: the list shows whether a resource came that was not there before */
	SETTLE_AGAIN,  /* the same, but what came is changed by a new decision: the value itself is never shown */
	SETTLE_LOOK,   /* an update: the resource itself says whether it arrived */
	SETTLE_MARK,   /* a rollout: the list of rollouts shows whether one with the step's mark came */
};

/* One call. */
struct step {
	char operation[48]; /* for metrics and the log */
	const char *method; /* static */
	char *path;         /* owned; after /accounts/ID/containers */
	struct buf body;    /* owned; JSON text; empty: none. Wiped when it goes */
	bool secret;        /* the body is never printed */
	enum settle settle;
	const struct kind *answers; /* the kind of the resource in the answer; NULL: none that is listed */
	const char *of;             /* the parent of that resource; borrowed of the change, or NULL */
	bool gone_is_done;          /* "not found" is a success: somebody else was faster */
	bool plain;                 /* a plain refusal is for the moment (EBUSY): see errors_busy */
	bool older_way;             /* where the service does not know its fields, the change can be made in the older way */
	char mark[64];              /* SETTLE_MARK: its description, which no other has */
	struct json_object
		*sets; /* owned; the members that it sets, in the API's form, or NULL: what is meant from its answer on */
};

#define CHANGE_STEPS_MAX 2

struct change {
	enum verb verb;
	const struct kind *kind;
	const struct part *part; /* or NULL, as the next */
	const struct leaf *leaf;
	const struct action *action;
	char *parent_id, *id; /* owned; id NULL: a create */
	char *name;           /* owned; the decoded name of the resource; NULL where it has none */
	char *new_name;       /* owned; VERB_RENAME */
	/* The documents: what the account means, as the API gives it; what was written; the members that differ. Owned, or NULL. */
	struct json_object *before, *after, *patch;
	struct context context; /* what the comparison was made with; owned */
	int64_t version;        /* that the comparison rests on; -1: none */
	bool precondition;      /* the document says which version it must be */
	struct print print;     /* of a secret's value, where has_print */
	bool has_print;
	bool keep; /* the written bytes may be kept for reading back */
	/* Of the patch, what the account must not keep: members that were removed, lists that lost items. Owned, or NULL. */
	struct json_object *removed;
	bool owes;         /* its last step is owed when it fails, and noted so before the first is sent */
	bool was_owed;     /* something is noted as owed already */
	int64_t owes_from; /* the version that the account had before all that is owed; -1: some of it arrived for sure */
	struct step steps[CHANGE_STEPS_MAX];
	size_t steps_count; /* 0: nothing is sent */
	struct err refusal; /* errnum 0: it is not refused */
};

/* NULL without memory. */
struct change *change_new(void);
struct change *change_free(struct change *change);
DEFINE_CLEANUP(struct change *, change_free)
/* The file that it was written into. */
static inline struct doc_file change_file(const struct change *change)
{
	return (struct doc_file){ .kind = change->kind, .doc = change->after, .identity = change->name };
}

/*
 * Adds a step: template as for kind_path, filled with the change's parent and id (and placement). The result is borrowed of the
 * change, for its settle and what else is not usual; NULL without memory, or where the template asks for what is not known.
 */
struct step *change_step(struct change *change, const char *operation, const char *method, const char *template,
			 const char *placement);
/* The same with the path itself, which is taken over (freed where there is no room). */
struct step *change_step_at(struct change *change, const char *operation, const char *method, char *path);
/* The step's body. 0 or -ENOMEM. */
int step_body(struct step *step, struct json_object *body);

/* Refuses: no step is left. Returns -errnum. */
int change_refuse(struct change *change, int errnum, const char *fmt, ...) printf_like_(3, 4);

/* Whether two changes do the same to the account. */
bool change_equal(const struct change *a, const struct change *b);
/* A line for each step: METHOD PATH BODY, secrets as "…"; or the refusal; or "nothing". 0 or -ENOMEM. */
int change_print(const struct change *change, struct buf *out);
/* The names in the tree that it refers to (secrets/NAME, ssh-keys/NAME.pub), as an array of strings; owned by the caller; NULL
   without memory. */
struct json_object *change_refers(const struct change *change);
/* The same of a document: appends to out. doc: for keys' names, or NULL. 0 or -ENOMEM. */
int change_refers_of(struct json_object *document, const struct doc_context *doc, struct json_object *out);
