/* A staged row as the state holds it: JSON, without what only memory may hold. */
#pragma once

#include "api/base/buf.h"
#include "fs/core/stage.h"

#define STAGE_TABLE "stage"

/* 0 or -ENOMEM. A secret's text is left out: read back, the row is lost. */
int stage_row_write(const struct staged *row, struct buf *out);
/* A new row without its key; NULL where the text is no row, or of a kind that this program does not know. */
struct staged *stage_row_read(const char *text, size_t len);
