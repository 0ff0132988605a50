/* From a directory and a name to what it is, by the table of kinds. */
#pragma once

#include "fs/core/request.h"

/*
 * What the name is in the directory, as the account and the table say; local entries (scratch, drafts, hidden names) are
 * the caller's business. 0 with a copy in *ret (identity_clear it); -ENOENT, then *ret_expires_ms is when the kernel must ask again.
 */
int walk_identify(struct request *r, const struct identity *dir, const char *name, struct identity *ret, int64_t *ret_expires_ms);

/* Calls each() for every name in the directory, but local ones, until it returns non-zero. what: as walk_identify would say it. */
typedef int (*walk_fn)(void *arg, const char *name, bool is_dir, const struct identity *what);
int walk_each(struct request *r, const struct identity *dir, walk_fn each, void *arg, struct store_info *ret_info);
/* A number that changes when walk_each would bring something else; 0: not known without asking. */
int walk_serial(struct request *r, const struct identity *dir, uint64_t *ret_serial, struct store_info *ret_info);

/* What a new name in the directory would be: a resource (PLACE_RESOURCE), a part, or scratch; -EPERM with text where none. */
int walk_classify(struct request *r, const struct identity *dir, const char *name, struct identity *ret, struct err *err);
/*
 * Of a new scratch name that is opened for writing, and not with O_EXCL, as tools open theirs: -EINVAL with the name that would
 * work, where it is likely that a resource was meant; else 0.
 */
int walk_refuse_mistake(const struct identity *dir, const char *name, struct err *err);
/* The same of what is left under a scratch name: only names and directories that tools use are no mistake. */
int walk_refuse_left(const struct identity *dir, const char *name, struct err *err);
/* Whether a scratch name is one that only tools use (dot-file, backup, swap): leaving it is no mistake. */
bool walk_is_tool_name(const char *name);
bool walk_shows_resource(const struct mount *mount, const struct kind *kind, const char *parent, const struct snapshot *snapshot);
