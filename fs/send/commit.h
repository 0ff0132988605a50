/*
 * Sending what was written. A commit takes one content for one entry through parsing, checking, comparing and the call, and
 * the API's answer is its answer. Workers only: -EAGAIN in a request's first phase. Commits of one entry are serialised
 * by its commit lock.
 */
#pragma once

#include "fs/core/draft.h"
#include "fs/core/subject.h"

struct json_object;

struct commit {
	struct request *r;
	struct identity what;  /* of the target; id NULL: a create, unless the name turns out to be taken */
	const char *file_name; /* in its directory */
	char *name;            /* owned: the identity: decoded, or the snapshot's */
	const struct buf *content;
	struct snapshot *snapshot; /* owned reference: the target as it was; NULL: a create */
	bool rename;               /* the call is rename(2): EINVAL would be misread */
	bool again;                /* the draft's last content was sent with success, and only blanks came after it */
	/* Results: */
	char *new_id;           /* owned */
	uint64_t snapshot_hash; /* of the target as it is now */
	bool replaced;          /* an action after which the resource is gone, or has another id */
	bool keep;              /* the bytes may be kept for reading back */
};

/* Sends the draft's content as the entry's, once: a content that was sent or refused already repeats its answer. */
int commit_draft(struct request *r, struct entry *entry, struct draft *draft, bool rename);
/* Whether a commit of the draft would be answered from memory. */
bool commit_is_done(struct draft *draft);

/* truncate(2) and ftruncate(2). fh 0: by path. */
int commit_truncate(struct request *r, struct subject *s, uint64_t fh, off_t size);

/* Rows of the dispatch, by what the target is. */
int commit_json(struct commit *c);
int commit_part(struct commit *c);
int commit_secret(struct commit *c);
int commit_key_line(struct commit *c);
int commit_credentials(struct commit *c);
int commit_action(struct commit *c);

/* ---- pieces ---- */

/* Fills c->snapshot and c->name from the list: by id, else by name. */
int commit_find(struct commit *c);
/* One call that changes something; the answer's object (borrowed by it) is in ret. */
int commit_call(struct commit *c, const char *operation, const char *method, const char *template, struct json_object *body,
		struct answer *ret);
/* After a create whose answer was lost: looks for a resource of that name which was not there before. 0 with its
   object and c->new_id; -ENOENT when it did not appear within COMMIT_SETTLE_MS. */
int commit_settle_create(struct commit *c, struct list *before, struct json_object **ret);
#define COMMIT_SETTLE_MS 10000
/* The answer's object stands from now on; takes what it needs from it. */
int commit_accept(struct commit *c, struct json_object *object, int64_t sent_ms);

/* Rollouts that follow a changed configuration. */
bool commit_rollout_wanted(struct commit *c, struct json_object *object, struct json_object *patch,
			   struct json_object *service_defaults);
bool commit_rollout_owed(struct commit *c);
/* Notes it as owed; what was owed before is in ret_earlier, for commit_rollout_restore when the change is refused. */
void commit_rollout_owe(struct commit *c, struct buf *ret_earlier);
void commit_rollout_restore(struct commit *c, const struct buf *earlier);
/* doc: as the user wrote it, its references resolved. */
int commit_rollout_send(struct commit *c, struct json_object *body);
