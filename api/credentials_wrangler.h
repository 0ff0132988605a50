/* wrangler's own login. */
#pragma once

#include "api/base/err.h"

/* 1: *ret_token (the caller wipes and frees it) and *ret_path are set; 0: there is no login; -EACCES with text: it is
   there but cannot be used. */
int wrangler_login(char **ret_token, char **ret_path, struct err *err);
/* Picks the top-level string key out of TOML text. The caller wipes and frees *ret. 0, or -ENOENT. */
int toml_string(const char *text, const char *key, char **ret);
