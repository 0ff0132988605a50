/*
 * What the account means by a resource: what it answers, the target of the rollout that is active merged above that, and above
 * both what was accepted and is not shown yet (fs/core/intent.h). Everything that shows a resource or compares a document with it
 * asks here. What no intent and no rollout is known of costs no call and no copy: it is the list's entry.
 *
 * What is asked, and how often: one GET of the rollout within the time to live, while it is unfinished and the account does not
 * show its target; one GET of the resource within the time to live, while its rollout is over and nothing has shown it, or where
 * the list is known to lag; one for each entry of a list that names a rollout which is over. All of them are the store's, so they
 * are shared by all who ask.
 */
#pragma once

#include "fs/core/request.h"

struct json_object;

enum meaning_age {
	MEANING_SETTINGS, /* as old as settings may be */
	MEANING_STATUS,   /* as old as a status may be */
	MEANING_FRESH,    /* resting on a GET of the resource that is at most MEANING_FRESH_MS old */
};
#define MEANING_FRESH_MS 1000

struct meaning {
	struct snapshot
		*snapshot;      /* owned reference: in the API's form, with the account's version; where something else runs, its
	                              object has "running": {version, configuration} */
	struct store_info info; /* the oldest answer in it, and when the first of them is to be asked anew */
	char *pending;          /* owned: where something else runs: the id of the rollout that brings what is meant, or "none";
	                              NULL */
	bool proves;            /* false: a rollout is active whose target could not be read, so a comparison proves nothing */
};

/* Fills *ret, which meaning_clear clears in every case. -ENOENT where there is none; else as source_snapshot. */
int meaning_get(struct request *r, const struct kind *kind, const char *parent, const char *id, enum meaning_age age,
		struct meaning *ret);
void meaning_clear(struct meaning *meaning);
#define cleanup_meaning_ cleanup_(meaning_clear)

/* Somebody has asked for the resource by itself: the answer is what MEANING_FRESH rests on for as long. 0 or -errno. */
int meaning_observe(struct mount *mount, const struct kind *kind, const char *parent, struct json_object *object,
		    int64_t sent_ms);
