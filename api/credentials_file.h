/* Reading files that hold secrets. */
#pragma once

#include "api/base/buf.h"
#include "api/base/err.h"

/*
 * Reads a regular file of ours or root's into out (bounded by its max). refused_mode: permission bits that make it
 * unusable. -ENOENT where there is none, else -EACCES with text. out always ends with NUL.
 */
int credentials_read_file(const char *path, unsigned refused_mode, struct buf *out, struct err *err);
