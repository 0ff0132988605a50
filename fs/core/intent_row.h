/* An intent as a row of the state: JSON, so that what a later version adds does no harm to an older one. */
#pragma once

#include "api/base/buf.h"
#include "fs/core/intents.h"

/* Appends the text. 0 or -ENOMEM. */
int intent_row_write(const struct intent_record *record, struct buf *out);
/* 0, -ENOMEM, or -EINVAL where it is no row; *ret holds nothing to clear then. A time to come counts as now. */
int intent_row_read(const char *text, struct intent_record *ret);
