/*
 * What came of a change becomes what is known: the answers are observations of the account, and the lists, leaves and the state are
 * told. The tree and what is kept of the written bytes are the committer's, who has the entry.
 */
#pragma once

#include "fs/send/send.h"

/* What the committer needs of it. */
struct accepted {
	char *id;      /* owned; of the resource from now on; NULL: not known, or gone */
	uint64_t hash; /* of its snapshot; 0: not known yet */
	bool replaced; /* the resource is gone, or has another id */
	bool meant;    /* an intent was noted */
};

/* After it was sent: result is send_change's. What is meant from then on is on the disk when it returns, where there is one.
   *ret is cleared by the caller. */
void accept_change(struct mount *mount, const struct change *change, const struct outcome *outcome, int result,
		   struct accepted *ret);
void accepted_clear(struct accepted *accepted);

/* ---- intents, in a file of its own ---- */

/* A step that was made: what it carried is meant from now on. answer: the object in its answer, or NULL. Whether it was an intent. */
bool accept_meant(struct mount *mount, const struct change *change, const struct step *step, struct json_object *answer);
/* The document of a change that was made said this of the resource. */
void accept_said(struct mount *mount, const struct change *change, const char *id);
/* Nothing was sent: the document means what the account does. What it says that no answer tells is remembered where nothing was. */
void accept_found(struct mount *mount, const struct change *change, const char *id);
/* A delete or a verb that was made: what is no longer meant. */
void accept_ended(struct mount *mount, const struct change *change);
