/* An open file or directory. */
#pragma once

#include "fs/core/draft.h"
#include "fs/core/request.h"
#include "fs/show/view.h"

struct dir_listing;

struct handle {
	struct turn turn;     /* who uses view.bytes and listing; had across the network by a worker */
	struct entry *entry;  /* owned reference */
	struct identity what; /* a copy, as it was at open */
	fuse_ino_t node;
	unsigned flags; /* of open(2) */
	bool writes;
	struct draft *draft;         /* owned reference; NULL: reads the account's */
	struct view view;            /* what it was opened on */
	bool heard;                  /* the log behind it was told of the open */
	pid_t opener;                /* thread group */
	struct dir_listing *listing; /* owned */
};

/* NULL without memory; takes references. */
struct handle *handle_new(struct request *r, struct entry *entry, const struct identity *what, fuse_ino_t node);
void handle_free(struct tree *tree, struct handle *h);
static inline struct handle *handle_of(uint64_t fh)
{
	return (struct handle *)(uintptr_t)fh;
}
