/*
 * What may become what, in one table: a close, a rename, sed -i and rsync all ask here before a text is sent as something.
 */
#pragma once

#include "api/base/err.h"
#include "fs/core/tree.h"

/* Whether a text may be sent as this, called so: 0, or -errno with text. */
int gate_text(const struct identity *what, const char *name, struct err *err);
/*
 * Whether a resource may be renamed to a scratch name, as an editor does for its backup: 0; -EXDEV, so that tools copy and
 * unlink; or -EPERM, with text. same_dir: within its own directory. to: the directory of the new name.
 */
int gate_backup(const struct identity *what, const struct identity *to, bool same_dir, bool nodelete, struct err *err);
