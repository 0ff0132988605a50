/*
 * What a decision needs, brought together: what is wanted, what the account is known to be, names, defaults, what is owed and
 * remembered, the options that matter. The only part of a change that reads the network or the state. Workers only, but for
 * gather_delete, which asks nothing.
 */
#pragma once

#include "fs/send/change.h"

/* What somebody wants of one resource. Strings and the content are borrowed. */
enum wish_verb { WISH_WRITE, WISH_RENAME, WISH_DELETE };
struct wish {
	enum wish_verb verb;
	const struct identity *what; /* id NULL: new, unless the name turns out to be taken */
	const char *file_name;       /* in its directory */
	const struct buf *content;   /* WISH_WRITE */
	bool again;                  /* the same was sent with success, and only blanks came after it */
	const char *new_name;        /* WISH_RENAME: decoded */
};

struct gathered {
	struct wish wish;
	/* The resource. */
	bool exists;
	char *id, *name;            /* owned; name NULL: the file's name is cut, and the document holds the whole */
	struct json_object *object; /* owned; as the API gives it; NULL where it does not exist or was not needed */
	int64_t version;            /* -1: none */
	unsigned traits;
	uint64_t hash;    /* of its snapshot */
	int64_t seen_ms;  /* when what is known of it was asked for */
	bool asked_alone; /* it was asked for by itself, not as one of a list */
	bool proves;      /* false: a rollout is active whose target is not known, so that nothing differs proves nothing */
	/* What else the decision needs. */
	struct context context;
	struct print print; /* of a secret's new value, where has_print */
	bool has_print;
	bool same_secret; /* the account's secret was given this very value last */
	bool owed;        /* a rollout is owed for the version that the account is at */
	bool owed_noted;  /* one is noted, whether or not what it is for arrived */
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
/*
 * Asks the account anew for what the decision rested on. 1: the decision must be made again. 0: it is as fresh as can be.
 * -errno as gather.
 */
int gather_fresh(struct request *r, struct gathered *g, const struct change *change);
void gathered_clear(struct gathered *g);
#define cleanup_gathered_ cleanup_(gathered_clear)

/* How much of a secret's content is its value. */
size_t secret_value_len(const struct buf *content, bool keep_newline);
