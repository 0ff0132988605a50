/*
 * The intents of this account: what was accepted and may not be shown yet (intent.h says what that means), and what GETs have
 * shown. An intent is a row of the state ("intents", by the kind's directory and the resource's id), so it survives a crash and a
 * remount and is every mount's that shares the state; what GETs have shown is in memory too. Bounded: INTENTS_MAX records in
 * memory, least recently used out first, and the state's own bounds; a row in which nothing holds goes after INTENTS_SEEN_NS.
 * Thread-safe; takes its own lock, and with it held the state's, or the store's for a snapshot that goes.
 */
#pragma once

#include "cache/snapshot.h"
#include "cache/state.h"
#include "fs/core/intent.h"

struct json_object;
struct intents;

#define INTENTS_MAX 4096
/* How long the state remembers what a GET has shown, for lists that lag. */
#define INTENTS_SEEN_NS (60 * 60 * 1000000000LL)

/* state is borrowed. NULL without memory. */
struct intents *intents_new(struct state *state);
struct intents *intents_free(struct intents *intents);

/* A copy of what is known of one resource. */
struct intent_record {
	struct intent intent; /* its rollout is the one below */
	char *rollout;        /* owned, or NULL */
	char *members
		[INTENT_PARTS]; /* owned; JSON of what was accepted and holds, in the API's form: configuration's members; all
	                                others, by their names. NULL: nothing of the part holds */
	uint64_t serial;        /* changes whenever it does; 0: nothing is known */
};
/* Fills *ret, which intent_record_clear clears in every case. Whether something is known. */
bool intents_get(struct intents *intents, const char *dir, const char *id, struct intent_record *ret);
void intent_record_clear(struct intent_record *record);
#define cleanup_record_ cleanup_(intent_record_clear)

/* What the service has just accepted of a resource. */
struct accepted_members {
	struct json_object *members; /* borrowed; as they were sent: a PATCH's body, or {"configuration": a rollout's target} */
	const char *rollout;         /* that carries configuration; NULL: none */
	int64_t version;             /* the highest known: before it, or in its answer; -1: it has none */
	int64_t now_ns;              /* since 1970, when the answer was there */
};
/*
 * Notes it. Members are laid over those that hold already; a rollout takes the place of the one before, which it replaced. A
 * change of other members alone leaves configuration's version and rollout as they are. 0 or -ENOMEM.
 */
int intents_accept(struct intents *intents, const char *dir, const char *id, const struct accepted_members *accepted);
/*
 * The members of configuration that are accepted and not shown yet: what another rollout must carry, since it replaces ours.
 * JSON, freed by the caller; NULL: there are none.
 */
char *intents_carried(struct intents *intents, const char *dir, const char *id);
/* We asked for the end of a rollout (revert, previous): what it carries is meant no longer. */
void intents_asked(struct intents *intents, const char *dir, const char *id, const char *rollout);
/* The resource is gone: nothing is known of it. */
void intents_forget(struct intents *intents, const char *dir, const char *id);

/* A GET has shown this version. */
void intents_saw(struct intents *intents, const char *dir, const char *id, int64_t version, int64_t asked_ns);
/*
 * What came of judging: parts that are to end, and what is known of the rollout from now on. Does nothing where the record has
 * changed since serial. Whether it was this call that changed it: so a failure is told once.
 */
bool intents_judged(struct intents *intents, const char *dir, const char *id, uint64_t serial, const struct judgement *judgement,
		    const bool ends[INTENT_PARTS]);

/* What was made of a resource last, for as long as nothing it was made of has changed; kept in memory alone. */
struct intent_memo {
	uint64_t made_of;   /* a digest of it; 0: there is none */
	int64_t expires_ms; /* CLOCK_MONOTONIC */
	int64_t fetched_ms; /* the oldest answer in it */
	bool stale, proves;
	struct snapshot *snapshot; /* owned reference */
	char *pending;             /* owned, or NULL */
	uint64_t checked_hash;     /* of the list's entry for which a GET was made last */
};
/* A copy with a reference of its own; intent_memo_clear it. */
void intents_recall(struct intents *intents, const char *dir, const char *id, struct intent_memo *ret);
void intents_remember(struct intents *intents, const char *dir, const char *id, const struct intent_memo *memo);
void intent_memo_clear(struct intent_memo *memo);
