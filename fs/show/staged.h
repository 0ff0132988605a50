/* How the tree shows what is staged: the account as it would be. All take a mount that sends at once, too: then nothing is staged. */
#pragma once

#include "fs/core/request.h"
#include "fs/core/stage.h"

/* Whether a resource of the account shows under its own name: it is neither to go nor to be called otherwise. */
bool staged_leaves(const struct mount *mount, const struct kind *kind, const char *parent_id, const char *id);
/* What a name that the account does not have leads to, a file or a resource's directory: 0 with *ret, or -ENOENT. */
int staged_identify(const struct mount *mount, const struct identity *dir, const char *name, bool dirs, struct identity *ret);
/* Calls each() for the names of a collection that the account does not have; ends at its first non-zero result and returns it. */
int staged_each(const struct mount *mount, const struct identity *dir, bool dirs,
		int (*each)(void *arg, const char *name, bool is_dir, const struct identity *what), void *arg);
/* What is staged of the file that is not its removal, a reference; NULL: nothing. */
struct staged *staged_file(const struct mount *mount, const struct identity *what);
/* What a reader of the file sees, a reference; NULL: what the account has. */
struct body *staged_bytes(const struct staged *row);
/* The list with the staged resources of the kind in it, under identities of which key_id makes their references; takes the list's
   reference over. NULL without memory. */
struct list *staged_with_keys(const struct mount *mount, const struct kind *kind, struct list *list);
