/*
 * /.cfcfs/history.jsonl: a line for each change that was sent, whatever came of it: when, where, what, who, the resource's id and
 * versions, its documents before and after (never a secret's value), the calls with the service's ids for them, and the outcome. The
 * lines are the state's (cache/state.h).
 */
#pragma once

#include "fs/core/doomed.h"
#include "fs/send/accept.h"

/* A change that was sent, before line->err is cleared. accepted: what accept_change said. Workers only (it reads /proc). */
void history_note(const struct line *line, const struct change *change, const struct outcome *outcome, int result,
		  const struct accepted *accepted);
/* A delete that was still pending at the end, and was not sent. */
void history_note_unsent(struct mount *mount, const char *path, const struct identity *what, const struct who *who);
