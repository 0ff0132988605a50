/* Writing Prometheus' text form. All return 0 or -errno. */
#pragma once

#include "api/base/buf.h"
#include "fs/core/mount.h"

int report_head(struct buf *out, const char *name, const char *type, const char *help);
int report_count(struct buf *out, const char *name, const char *type, const char *help, uint64_t value);
int report_real(struct buf *out, const char *name, const char *type, const char *help, double value);
/* The value of a label, escaped, without its quotes; what is no UTF-8 becomes U+FFFD. */
int report_label(struct buf *out, const char *value);

/* fs/show/report_account.c: gauges of what is cached of the account. */
int report_account(struct mount *mount, struct buf *out);
