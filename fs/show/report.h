/* /.cfcfs/metrics. */
#pragma once

#include "api/base/buf.h"
#include "fs/core/request.h"

/* Prometheus text of the mount: calls, cache, budget, failures, FUSE operations, and what is cached of the account. Each sample has
   the labels account and mount. Asks nothing; a handler of a control file, that runs in a worker. */
int report_metrics(struct request *r, struct buf *out);
