/* Text in columns, for people: characters by how many columns they take on a terminal. Pure. */
#pragma once

#include "api/base/buf.h"

/* Columns that the text takes. */
int columns_of(const char *text);
/*
 * Appends the text, at most width columns of it: what is longer is cut and ends in "…". Control characters, and what is no UTF-8,
 * show as "?". pad: spaces follow up to the width. 0 or -errno.
 */
int columns_add(struct buf *out, const char *text, int width, bool pad);
