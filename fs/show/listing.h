/*
 * From what the API answered to snapshots: of one resource, and of a list page by page. A page is first packed (its
 * fields and texts in one block), and becomes snapshots only after its parsed answer has been freed: made beside each
 * other, the short-lived JSON objects and the long-lived bodies leave a heap three times as big as what lives in it.
 * One thread at a time; no locks are taken or needed.
 */
#pragma once

#include "api/base/buf.h"
#include "cache/list.h"
#include "fs/core/mount.h"

struct json_object;

/* A snapshot of one resource. NULL without memory or identity. sent_ms: CLOCK_MONOTONIC, when its request was sent. */
struct snapshot *source_make(struct mount *mount, const struct kind *kind, const char *parent, struct json_object *object,
			     int64_t sent_ms);

struct listing {
	struct mount *mount;
	const struct kind *kind;
	const char *parent; /* borrowed; NULL at the root */
	struct list *old;   /* owned; what was known (may be NULL); equal snapshots are taken over */
	int64_t sent_ms;    /* CLOCK_MONOTONIC */
	/* The listing's own; zeroed at first: */
	struct snapshot **snapshots; /* owned references */
	size_t count, cap;
	struct body *like; /* owned reference: a document of the page; the others are kept as the difference */
	struct buf packed; /* the page under way: struct packed_item, each followed by its texts */
};

/* Takes the reference, on failure too. 0 or -ENOMEM. */
int listing_add(struct listing *l, struct snapshot *snapshot);
/* A page's items, borrowed; then, the answer freed, listing_settle. Items without an identity are left out. 0 or -errno. */
int listing_page(void *listing, struct json_object *items);
int listing_settle(void *listing);
void listing_clear(struct listing *l);
