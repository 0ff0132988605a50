#include "fs/core/intent.h"

enum rollout_state rollout_state_of(const char *status)
{
	static const struct {
		const char *word;
		enum rollout_state state;
	} words[] = {
		{ "pending", ROLLOUT_UNFINISHED },  { "progressing", ROLLOUT_UNFINISHED }, { "reverting", ROLLOUT_UNFINISHED },
		{ "completed", ROLLOUT_COMPLETED }, { "reverted", ROLLOUT_REVERTED },      { "failed", ROLLOUT_FAILED },
		{ "replaced", ROLLOUT_REPLACED },
	};

	for (size_t i = 0; status && i < array_len(words); i++) {
		if (strcmp(status, words[i].word) == 0)
			return words[i].state;
	}
	return ROLLOUT_UNKNOWN;
}

/* ---- the resource's own answers ---- */

/* (f) */
bool intent_list_lags(const struct intent *intent, const struct observation *seen)
{
	if (seen->source != OBSERVED_LIST || intent->seen_version < 0)
		return false;
	if (seen->version != intent->seen_version)
		return seen->version < intent->seen_version;
	return seen->asked_ns < intent->seen_ns ||
	       (intent->seen_ns >= intent->accepted_ns && seen->asked_ns < intent->accepted_ns + INTENT_SETTLE_NS);
}

/* (e) */
static enum verdict judge_member(const struct intent *intent, const struct observation *seen, enum intent_part part)
{
	if (seen->shows[part])
		return VERDICT_SETTLED;
	if (seen->version > intent->version || seen->asked_ns >= intent->accepted_ns + INTENT_SETTLE_NS)
		return VERDICT_NEWS;
	return VERDICT_NO_NEWS;
}

static enum verdict failed(struct judgement *j, const char *why)
{
	j->why = why;
	return VERDICT_FAILED;
}

static bool is_unreadable(enum rollout_state state)
{
	return state == ROLLOUT_BLIND || state == ROLLOUT_GONE;
}

/* What a GET says of a rollout that cannot be read: that it is active, that another one is, or that it is over. */
static enum verdict watch(const struct intent *intent, const struct observation *seen, struct judgement *j)
{
	if (seen->source != OBSERVED_GET || !is_unreadable(intent->state) || !intent->rollout)
		return VERDICT_NO_NEWS;
	if (seen->rollout && strcmp(seen->rollout, intent->rollout) == 0)
		j->over_ns = 0;
	/* At first the answer may lag, and name the one that ours replaced. */
	else if (seen->rollout && seen->asked_ns >= intent->accepted_ns + INTENT_SETTLE_NS)
		return intent->asked ? VERDICT_NEWS : failed(j, "its rollout was replaced by another one");
	else if (!seen->rollout && !j->over_ns)
		j->over_ns = seen->asked_ns;
	return VERDICT_NO_NEWS;
}

/* (a): a version that it was not based on */
static enum verdict judge_higher(const struct intent *intent, const struct observation *seen, struct judgement *j)
{
	if (seen->shows[INTENT_CONFIGURATION])
		return VERDICT_SETTLED;
	if (intent->state == ROLLOUT_COMPLETED && seen->version == intent->version + 1)
		return failed(j, "its rollout is completed, but the service shows another value");
	return VERDICT_NEWS;
}

/* (a) and (d) */
static enum verdict judge_configuration(const struct intent *intent, const struct observation *seen, struct judgement *j)
{
	int64_t over_ns = intent->over_ns || intent->rollout ? intent->over_ns : intent->accepted_ns;
	enum verdict watched;

	if (seen->version > intent->version)
		return judge_higher(intent, seen, j);
	watched = watch(intent, seen, j);
	if (watched != VERDICT_NO_NEWS)
		return watched;
	if (!over_ns || seen->asked_ns < over_ns || seen->version < intent->version)
		return VERDICT_NO_NEWS;
	if (seen->shows[INTENT_CONFIGURATION])
		return VERDICT_SETTLED;
	if (seen->source != OBSERVED_GET || seen->asked_ns < over_ns + INTENT_SHOWN_NS)
		return VERDICT_NO_NEWS;
	return failed(j, intent->rollout ? "its rollout is over, and the service still does not show it" :
					   "the service took it and never showed it");
}

static void judge_resource(const struct intent *intent, const struct observation *seen, struct judgement *j)
{
	bool versioned = intent->version >= 0 && seen->version >= 0;

	/* What was asked before the write says nothing of it. */
	j->answer = seen->asked_ns < intent->accepted_ns || intent_list_lags(intent, seen) ? VERDICT_NO_NEWS : VERDICT_NEWS;
	j->parts[INTENT_CONFIGURATION] = j->parts[INTENT_OTHERS] = j->answer;
	if (j->answer == VERDICT_NO_NEWS)
		return;
	if (intent->holds[INTENT_OTHERS])
		j->parts[INTENT_OTHERS] = judge_member(intent, seen, INTENT_OTHERS);
	if (intent->holds[INTENT_CONFIGURATION])
		j->parts[INTENT_CONFIGURATION] =
			versioned ? judge_configuration(intent, seen, j) : judge_member(intent, seen, INTENT_CONFIGURATION);
}

/* ---- rollouts ---- */

/* (c), and when (d) begins. */
static enum verdict judge_own_rollout(const struct intent *intent, const struct observation *seen, struct judgement *j)
{
	if (seen->state != ROLLOUT_UNKNOWN)
		j->state = seen->state;
	switch (seen->state) {
	case ROLLOUT_UNFINISHED:
		j->over_ns = 0;
		return VERDICT_NO_NEWS;
	case ROLLOUT_COMPLETED:
		if (!j->over_ns)
			j->over_ns = seen->asked_ns;
		return VERDICT_NO_NEWS;
	case ROLLOUT_REVERTED:
		return intent->asked ? VERDICT_NEWS : failed(j, "its rollout was reverted");
	case ROLLOUT_REPLACED:
		return intent->asked ? VERDICT_NEWS : failed(j, "its rollout was replaced by another one");
	case ROLLOUT_FAILED:
		return intent->asked ? VERDICT_NEWS : failed(j, "its rollout failed");
	default:
		return VERDICT_NO_NEWS;
	}
}

/* (b) */
static enum verdict judge_foreign_rollout(const struct observation *seen)
{
	return seen->state == ROLLOUT_UNFINISHED && !seen->shows[INTENT_CONFIGURATION] ? VERDICT_NEWS : VERDICT_NO_NEWS;
}

static void judge_rollout(const struct intent *intent, const struct observation *seen, struct judgement *j)
{
	bool own = intent->rollout && seen->rollout && strcmp(intent->rollout, seen->rollout) == 0;

	j->answer = seen->state == ROLLOUT_UNFINISHED ? VERDICT_NEWS : VERDICT_NO_NEWS;
	j->parts[INTENT_CONFIGURATION] = j->answer;
	j->parts[INTENT_OTHERS] = VERDICT_NO_NEWS;
	if (intent->holds[INTENT_CONFIGURATION])
		j->parts[INTENT_CONFIGURATION] = own ? judge_own_rollout(intent, seen, j) : judge_foreign_rollout(seen);
}

struct judgement intent_judge(const struct intent *intent, const struct observation *seen)
{
	struct judgement j = { .state = intent->state, .over_ns = intent->over_ns };

	if (seen->source == OBSERVED_ROLLOUT)
		judge_rollout(intent, seen, &j);
	else
		judge_resource(intent, seen, &j);
	return j;
}

bool intent_wants_get(const struct intent *intent)
{
	return intent->holds[INTENT_CONFIGURATION] && (!intent->rollout || intent->over_ns || is_unreadable(intent->state));
}
