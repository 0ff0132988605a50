/*
 * What the instances of an application use and write: metrics.json, from GraphQL, and logs.jsonl, from the telemetry. A fetch of the
 * store makes one document of each; its key is a letter and the leaf's path, which holds the application's id.
 */
#pragma once

#include "api/base/buf.h"
#include "fs/core/request.h"

/* How old metrics may be, and how often logs are asked for. */
#define INSIGHT_METRICS_TTL_MS 60000
#define INSIGHT_LOGS_TTL_MS    5000
/* Lines of an application's logs that are kept, and how far back they go. */
#define INSIGHT_LINES_MAX 1000
#define INSIGHT_SPAN_MS   3600000

/* The first letters of their keys; the application's id follows a colon. */
#define INSIGHT_KEY_METRICS 'M'
#define INSIGHT_KEY_LOGS    'T'

/* The document of such a leaf (LEAF_METRICS, LEAF_LOGS), of the application; a handler's, as source_leaf. -ENOENT where the token, or the
   plan, may not. */
int insight_load(struct request *r, const struct leaf *leaf, const char *application, struct snapshot **ret,
		 struct store_info *ret_info);
/* The store's: makes the document of the key. */
int insight_fetch(struct mount *mount, const char *key, struct store_value *ret, struct err *err);
/* The lines of the document of logs, each with its newline. */
int insight_lines(struct snapshot *logs, struct buf *out);
