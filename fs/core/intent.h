/*
 * What is meant, and what is seen. The service is slow to show what it accepted, so two things are kept apart: an intent is
 * what was accepted of one resource and may not be shown yet; an observation is what one answer says of it. One pure function
 * judges an observation by an intent. It has no lock, no clock and no JSON; everything that shows or compares goes by it.
 *
 * An intent has two parts, which are accepted together and end each by itself: the members of configuration, which a rollout
 * carries, and all other members. The rules, as the specification ("Pending") letters them:
 *
 * (a) The part configuration holds while its rollout is unfinished. An answer of the version it was based on, or of an older
 *     one, is no news, whatever it shows. A higher version that shows the part settles it. One that does not is somebody
 *     else's change: it is news, and the part ends.
 * (b) An active rollout's target stands above both. So a foreign rollout that is unfinished is news, unless its target is
 *     what is meant.
 * (c) The intent's rollout read as reverted, failed or replaced ends the part at once: failed, or news where we asked for it.
 * (d) Once its rollout completed, is over, or never was (rollout=none), an answer that shows the part settles it, also of
 *     the version it was based on. A GET asked INTENT_SHOWN_NS later than that which still does not show it: failed. The
 *     version right above, made by a rollout that was seen to complete, is ours: where it does not show the part, the service
 *     kept another value: failed. Where a rollout is gone or cannot be read, a GET's active_rollout_id says when it is over.
 * (e) All other members, and the configuration of what has no version, settle with the first answer that shows them. One that
 *     does not is no news for INTENT_SETTLE_NS after the write, and news from then on, or with a version above the intent's.
 * (f) A list below the highest version that a GET has shown is never news. A list of that version is none where the GET was
 *     asked after it, nor for INTENT_SETTLE_NS after a write.
 *
 * An answer that was asked for before the write was answered is no news. Times are nanoseconds since 1970, of when a request
 * was sent; versions are -1 where there is none. A rollout is borrowed text, its id, or NULL.
 */
#pragma once

#include "api/base/cleanup.h"

/* How long after the write a member that no rollout carries is held against answers that do not show it. */
#define INTENT_SETTLE_NS (60 * 1000000000LL)
/* How long a GET may take to show what a rollout completed. */
#define INTENT_SHOWN_NS (15 * 60 * 1000000000LL)

enum intent_part { INTENT_CONFIGURATION, INTENT_OTHERS, INTENT_PARTS };

/* What is known of a rollout. */
enum rollout_state {
	ROLLOUT_UNKNOWN,    /* not asked, or the answer says nothing that is understood */
	ROLLOUT_UNFINISHED, /* pending, progressing */
	ROLLOUT_COMPLETED,
	ROLLOUT_REVERTED,
	ROLLOUT_FAILED,
	ROLLOUT_REPLACED,
	ROLLOUT_GONE,  /* the account has no such rollout: active_rollout_id of a GET tells whether it is over */
	ROLLOUT_BLIND, /* the service does not offer reading it: the same */
};
/* Of the API's word; NULL too. */
enum rollout_state rollout_state_of(const char *status);

struct intent {
	bool holds[INTENT_PARTS]; /* accepted, and not ended yet */
	int64_t version;          /* the highest that the account was known to have when it was accepted */
	const char *rollout;      /* what carries configuration; NULL: nothing does (rollout=none) */
	int64_t accepted_ns;      /* when the answer was there */
	enum rollout_state state; /* of the rollout, when it was last read; ROLLOUT_UNKNOWN: not yet */
	int64_t over_ns;          /* when it was first known to be over; 0: it is not */
	bool asked;               /* we asked for its end (revert, previous) */
	int64_t seen_version;     /* the highest that a GET has shown; -1: none was made */
	int64_t seen_ns;          /* when that GET was asked */
};

enum observation_source { OBSERVED_LIST, OBSERVED_GET, OBSERVED_ROLLOUT };

struct observation {
	enum observation_source source;
	int64_t asked_ns;
	int64_t version;          /* of the resource; not of a rollout */
	bool shows[INTENT_PARTS]; /* of a rollout: whether its target shows configuration */
	const char *rollout;      /* active_rollout_id of the resource; the rollout's own id */
	enum rollout_state state; /* of a rollout */
};

enum verdict {
	VERDICT_NO_NEWS, /* the part holds, and stands above this answer */
	VERDICT_NEWS,    /* this answer is what counts; the part ends */
	VERDICT_SETTLED, /* the answer shows it; the part ends */
	VERDICT_FAILED,  /* the part ends, and somebody must be told why */
};

struct judgement {
	enum verdict parts[INTENT_PARTS]; /* of parts that do not hold: as answer */
	enum verdict answer;              /* of all else that it says: VERDICT_NEWS or VERDICT_NO_NEWS */
	enum rollout_state state;         /* of the intent's rollout from now on */
	int64_t over_ns;                  /* the same */
	const char *why;                  /* VERDICT_FAILED: what happened, as the rest of a sentence; static */
};

struct judgement intent_judge(const struct intent *intent, const struct observation *seen);
/* Whether it is a list that says less than a GET has shown: rule (f). */
bool intent_list_lags(const struct intent *intent, const struct observation *seen);
/* Whether a GET is needed before more can be said: the rollout is over, and no answer has shown what it carried. */
bool intent_wants_get(const struct intent *intent);
