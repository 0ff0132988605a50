/*
 * /.cfcfs/changes.jsonl: a line for each thing of the account that appeared, changed, vanished, or changed its health, whoever did
 * it. While somebody has the file open the lists are asked again, one after another, within a quarter of the budget; and what any
 * reader of the mount fetches meanwhile is looked at too. A line is the difference of two lists, so each change is told once. What
 * changed while nobody had it open shows at the next open, as one difference. Thread-safe; its lock is taken before the store's.
 */
#pragma once

#include "fs/core/mount.h"

struct changes;

/* Bytes of lines that are kept. */
#define CHANGES_BYTES_MAX ((size_t)4 << 20)
/* Of the budget's rate, what the looking takes at most. */
#define CHANGES_SHARE 4

/* Uses the mount's timer, before it is started. NULL without memory. */
struct changes *changes_new(struct mount *mount);
/* Before the store, whose lists it holds; no list may be heard of any more. */
struct changes *changes_free(struct changes *changes);

/* The file was opened to be read, and closed. */
void changes_opened(struct mount *mount);
void changes_closed(struct mount *mount);
/* A list of the root has another content. Called without locks. */
void changes_heard(struct changes *changes, const struct kind *kind);

/* The text, as a control file's log. */
uint64_t changes_first(struct mount *mount);
uint64_t changes_end(struct mount *mount);
size_t changes_read(struct mount *mount, uint64_t at, char *out, size_t size);
