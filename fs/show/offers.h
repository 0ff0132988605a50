/*
 * What the service offers (specification, "What the service offers"). Every call of the mount goes through here: it is sent under the
 * prefix where the service has the operation, and its answer is noted. What was answered "no route" at the first contact is not
 * offered, and is not asked again by this mount; what this state has once seen offered is never taken for missing: there "no
 * route" is a failure. Thread-safe; the lock is never held across a call or a look into the state file.
 */
#pragma once

#include "api/client.h"
#include "api/operation.h"
#include "fs/core/mount.h"

struct offers;

enum offer {
	OFFER_UNKNOWN, /* not asked yet, by this mount or another of its state */
	OFFER_OFFERED,
	OFFER_ABSENT,  /* not offered */
	OFFER_REFUSED, /* 403: these credentials may not */
};

/* What one answer says of that. */
enum offer_word {
	OFFER_SAYS_NOTHING,
	OFFER_SAYS_YES,
	OFFER_SAYS_NO_ROUTE,
	OFFER_SAYS_REFUSED,
	OFFER_SAYS_NOT_HERE, /* not for this application */
};

/* Pure. result: what client_call or client_list returned, with what it left in err. */
enum offer_word offers_judge(const struct operation *operation, bool cloudchamber, int result, const struct err *err);

/* Remembers in the state what was seen offered (borrowed; it outlives the result). */
struct offers *offers_new(struct state *state);
struct offers *offers_free(struct offers *offers);

/*
 * client_call and client_list, by the prefix that has the operation. Besides what those return: -EOPNOTSUPP with a sentence that
 * names the operation, where it is not offered (known already: without a call); -EIO where it was offered before; -EACCES for 403,
 * naming the permission. A 404 that an account's list answers is -EIO: only a thing in it can be missing.
 */
int offers_call(struct mount *mount, const struct call *call, struct answer *ret, struct err *err);
int offers_list(struct mount *mount, const struct list_call *list, struct err *err);

/* OFFERED also where only this state remembers it. operation NULL: UNKNOWN. */
enum offer offers_of(struct offers *offers, const struct operation *operation);
/* Of a list at this path (as it is asked, without a query), which one application may lack. */
enum offer offers_of_list(struct offers *offers, const struct operation *operation, const char *path);
/* The refusal in the words of the answer that made it so: -EOPNOTSUPP. */
int offers_refuse(struct offers *offers, const struct operation *operation, const char *path, struct err *err);
/* Whether a list would probe both prefixes, so that it should not be asked side by side with another such. */
bool offers_is_probe(struct offers *offers, const struct operation *operation);
/* Rises with every change of what is offered; never 0. */
uint64_t offers_serial(struct offers *offers);
/* Where something was found not to be offered, by this mount or an earlier one of its state: true until it was taken, and again after
   offers_forget. Who lists the root then finds out about the rest first, and says when that ended. */
bool offers_first_look(struct offers *offers, bool take);
void offers_look_ended(struct offers *offers);
/* Whether the operation's answers proved, to this state, that it exists. */
bool offers_is_proven(struct offers *offers, const struct operation *operation);
/* offers.json. */
int offers_print(struct mount *mount, struct buf *out);
/* Another mount has seen this operation offered; value as its row of the state. */
void offers_learn(struct offers *offers, const char *id, const void *value, size_t len);
/* What was not offered is asked again. What this state has seen stays. */
void offers_forget(struct offers *offers);
