/* The credential check of the start: one list of applications with one entry. */
#pragma once

#include "api/base/err.h"
#include "fs/core/mount.h"
#include "fs/run/start.h"

/* EXIT_MOUNTED; or an exit status, with a sentence that says what to do. source: where the credentials came from. */
enum exit_status probe_account(struct mount *mount, const char *source, struct err *err);
/* Pure: the status and the sentence for a failure with this in err. The base address is base_url. */
enum exit_status probe_explain(const char *base_url, const char *account, const char *source, int result, struct err *err);
