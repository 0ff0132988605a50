/* Time spent per FUSE operation. Lock-free. */
#pragma once

#include "api/base/buf.h"

/* op must be a string constant; began_ns by clock_now_ns. */
void metrics_add(const char *op, int64_t began_ns);
/* Prometheus text of the operations. */
int metrics_print(struct buf *out);
