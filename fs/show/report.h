/* /.cfcfs/metrics. */
#pragma once

#include "api/base/buf.h"
#include "fs/core/mount.h"

/* Prometheus text of the mount: calls, cache, budget, failures, FUSE operations. */
int report_metrics(struct mount *mount, struct buf *out);
