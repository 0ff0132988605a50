/* Time spent per FUSE operation. Lock-free. */
#pragma once

#include "api/base/buf.h"

int64_t metrics_now_ns(void);
/* op must be a string constant. */
void metrics_add(const char *op, int64_t began_ns);
/* Prometheus text of the operations. */
int metrics_print(struct buf *out);
