/*
 * /.cfcfs/overview and overview.json: the account at a glance, from its lists. Both are made of one object, so that they have the
 * same facts. A look asks for three lists, and for OVERVIEW_DETAILS_MAX single things at most within a time to live (a rollout's
 * step, an application's jobs, why a deployment failed), in turn where there are more; what it does not get it says.
 */
#pragma once

#include "api/base/buf.h"
#include "fs/core/request.h"

struct overview;

#define OVERVIEW_DETAILS_MAX 4
/* Lines of what wants attention in the table; overview.json has all of them. */
#define OVERVIEW_LINES_MAX 60
/* The table's width. */
#define OVERVIEW_COLUMNS 100

/* NULL without memory. */
struct overview *overview_new(void);
struct overview *overview_free(struct overview *overview);

/* Handlers of control files: may wait. 0 or -errno; what the account does not answer stands in the text and is no failure. */
int overview_print(struct request *r, struct buf *out);
int overview_print_json(struct request *r, struct buf *out);
