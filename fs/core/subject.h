/* What an operation is about, and begins with: the node's entry, with a reference, and a copy of what it is. -ESTALE for a forgotten node. */
#pragma once

#include "fs/core/request.h"

struct subject {
	struct tree *tree;
	struct entry *entry;  /* owned reference */
	struct identity what; /* a copy */
	/* Of the node that was asked about, and its entry, as they were. */
	fuse_ino_t node;
	bool open; /* somebody has it open */
	struct version version;
	uint64_t ino;        /* st_ino */
	struct draft *draft; /* owned reference: the entry's draft, or NULL */
};
static inline bool subject_is_dir(const struct subject *s)
{
	return place_is_dir(s->what.place);
}
int subject_init(struct request *r, fuse_ino_t ino, struct subject *ret);
void subject_clear(struct subject *s);
#define cleanup_subject_ cleanup_(subject_clear)
