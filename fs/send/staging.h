/* What a mount that stages does with a change instead of sending it. Workers only; hold no lock. */
#pragma once

#include "fs/core/stage.h"
#include "fs/send/accept.h"
#include "fs/send/gather.h"

/* Whether what is wished is staged: the mount stages, and it is not what was staged and is to be sent. */
bool staging_is_on(const struct mount *mount, const struct wish *wish);
/* A name that is staged leads to what it stands for. what is changed in place: 0 or -ENOMEM. */
int staging_aim(struct mount *mount, struct identity *what, struct wish *wish);
/* Whether a refused document is to be decided again as a new one (wish.anew): the removal of what it cannot become is staged. */
bool staging_replaces(const struct mount *mount, const struct gathered *g, const struct change *change);
/* Keeps what is wished, or takes it off where the account means it already. The refusal of the change is its own; this may add
   to it. ret gets the identity that the file has. 0 or -errno. */
int staging_keep(struct request *r, const struct gathered *g, struct change *change, struct accepted *ret);
/* A staged new resource gets another name, or goes. */
int staging_rename_new(struct request *r, struct entry *entry, const struct identity *what, const char *new_name);
int staging_drop_new(struct mount *mount, const struct identity *what);

/* The wishes of a row, in the order in which they are sent: another name for the meantime, a rename, a removal, then what was written.
   They and what live as long as the row. How many. */
#define STAGED_WISHES_MAX 3
struct staged_wishes {
	struct identity what, fresh;
	struct buf content;                /* borrowed of the row */
	char *new_name, *path, *park_name; /* owned */
	struct wish wishes[STAGED_WISHES_MAX];
	size_t count;
};
/* park: the first one is to another name for the meantime (fs/send/staged_order.h). */
int staged_wishes_init(const struct staged *row, bool force, bool park, struct staged_wishes *ret);
void staged_wishes_clear(struct staged_wishes *wishes);
#define cleanup_wishes_ cleanup_(staged_wishes_clear)
