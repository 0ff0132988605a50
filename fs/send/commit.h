/*
 * From what is written to what the account has: draft, gather, decide, send, accept. The API's answer is the answer of the call
 * that sends. Workers only: RUN_IN_WORKER in a request's first phase. Commits of one entry go one after another, by its turn.
 */
#pragma once

#include "fs/core/doomed.h"
#include "fs/core/draft.h"
#include "fs/core/subject.h"
#include "fs/send/accept.h"
#include "fs/send/gather.h"

/* Sends the draft's content as the entry's, once: a content that was sent or refused already repeats its answer. rename: the call
   is rename(2), where EINVAL would be misread. */
int commit_draft(struct request *r, struct entry *entry, struct draft *draft, bool rename);
/* The same of an action's word: -EBUSY at once, with text, while another one there is under way. */
int commit_word(struct request *r, struct entry *entry, struct draft *draft);
/* Whether a commit of the draft would be answered from memory. */
bool commit_is_done(struct draft *draft);
/* Renames the resource of this identity, shown as file_name, in the account. new_name: decoded. With its entry's turn. */
int commit_rename(struct request *r, struct entry *entry, const struct identity *what, const char *file_name,
		  const char *new_name);
struct doomed_path {
	const char *path;            /* in the tree; borrowed, as the next */
	const struct doomed *doomed; /* or NULL */
};
/*
 * Deletes it. Needs no request: nobody may wait any more. What is kept of its file goes with it; its document is kept
 * (fs/core/undo.h), on the disk where there is one, before the DELETE is sent.
 */
int commit_delete(struct mount *mount, struct request *r, const struct identity *what, const struct doomed_path *doomed,
		  struct err *err);
/* A mount that stages: the removal is staged. path: of the file in the tree. */
int commit_stage_delete(struct request *r, const struct identity *what, const char *file_name, const char *path);
/* What was staged is decided anew and sent. *ret is cleared by the caller; keep: whether the bytes may be read back. */
int commit_staged(struct request *r, const struct wish *wish, struct accepted *ret, bool *ret_keep);
