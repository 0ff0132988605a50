/*
 * What a decision needs, brought together: what is wanted, what the account is known to be, names, defaults, what is owed and
 * remembered, the options that matter. The only part of a change that reads the network or the state. Workers only, but for
 * gather_delete, which asks nothing.
 */
#pragma once

#include "fs/send/change.h"

struct claim;

/* What somebody wants of one resource. Strings and the content are borrowed. */
enum wish_verb { WISH_WRITE, WISH_RENAME, WISH_DELETE };
struct wish {
	enum wish_verb verb;
	const struct identity *what; /* id NULL: new, unless the name turns out to be taken */
	const char *file_name;       /* in its directory */
	const struct buf *content;   /* WISH_WRITE */
	bool again;                  /* the same was sent with success, and only blanks came after it */
	const char *new_name;        /* WISH_RENAME: decoded */
	const char *path;            /* of its file in the tree, for the history and the stage; NULL: not known */
	bool by_name;                /* it is for whoever has the name: where what is gone, for the next, or a new one */
	bool secret;                 /* the content holds a secret's value */
	bool excl;                   /* something that is there is not to be changed (O_EXCL) */
	/* Where it was staged, and is to be sent (fs/send/apply.h). */
	bool staged;
	const struct body *base; /* what the account meant when it was staged; NULL: there was none */
	bool force;              /* whatever the account means now */
	bool planned;            /* only looked at: what else is staged counts as done */
	const char *gone_id;     /* what had the name is removed, whatever a list shows; NULL: nothing was */
	/* What was found out on the way: */
	bool fresh;          /* the decision is to rest on what the account says now */
	bool strange;        /* the document of a new one has fields that the contract does not know */
	bool older_way;      /* the service does not take a rollout with the changed members alone */
	struct claim *claim; /* of the name that it gives away; borrowed */
	int waits;           /* how often something new was waited for, until the service knows it everywhere */
	bool anew;           /* what has the name cannot become this, and its removal is staged: it is made in its place */
};

struct gathered {
	struct wish wish;
	/* The resource. */
	bool exists;
	char *replaced_id;          /* owned; wish.anew: of what it is made in the place of, which does not exist for this wish */
	char *id, *name;            /* owned; name NULL: the file's name is cut, and the document holds the whole */
	struct json_object *object; /* owned; as the API gives it; NULL where it does not exist or was not needed */
	int64_t version;            /* -1: none */
	unsigned traits;
	uint64_t hash; /* of its snapshot */
	bool proves;   /* false: a rollout is active whose target cannot be read: that nothing differs says nothing */
	struct json_object *carried; /* owned; members of our own unfinished rollout, which another must carry; or NULL */
	bool taken;                  /* WISH_RENAME: another resource has the new name */
	/* What else the decision needs. */
	uint64_t nonce; /* no other decision that is sent has it; 0: of a plan, which reads the same each time */
	struct context context;
	struct json_object *vocabulary; /* owned; wish.strange: the fields that the service answers of such resources; or NULL */
	struct print print;             /* of a secret's new value, where has_print */
	bool has_print;
	bool same_secret;  /* the account's secret was given this very value last */
	bool owed;         /* a rollout is owed for the version that the account is at */
	bool owed_noted;   /* one is noted, whether or not what it is for arrived */
	int64_t owed_from; /* where it is: the version before what it is for; -1: that arrived for sure */
	/* Of the options. */
	enum rollout_mode rollout;
	const unsigned *rollout_steps;
	unsigned rollout_steps_count;
	bool secret_newline_keep, nodelete;
};

/* Fills *ret, which gathered_clear clears in every case. 0, or -errno with text in r->err. */
int gather(struct request *r, const struct wish *wish, struct gathered *ret);
/* For a delete that waits no longer: of what is at hand. 0 or -ENOMEM. */
int gather_delete(struct mount *mount, const struct wish *wish, struct gathered *ret);
/* Whether the decision is to be made again with wish.fresh: something would be sent, on the strength of what may be old. */
bool gather_is_old(const struct gathered *g, const struct change *change);
/* Whether it is to be made again with wish.strange: a new document was refused, and may only hold what the service answers. */
bool gather_is_strange(const struct gathered *g, const struct change *change);
void gathered_clear(struct gathered *g);
#define cleanup_gathered_ cleanup_(gathered_clear)

/* How much of a secret's content is its value. */
size_t secret_value_len(const struct buf *content, bool keep_newline);
