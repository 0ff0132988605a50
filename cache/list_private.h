/* The inside of a list, for list.c, list_edit.c and the store. */
#pragma once

#include <stdatomic.h>

#include "cache/list.h"

/* A chunk that is full is split. Chunks are shared between a list and those that were made from it. */
#define LIST_CHUNK_MAX 256
/* How far chunks are filled when a list is built, so that the first inserts need no split. */
#define LIST_CHUNK_FILL 192

struct item {
	struct list_item pub;  /* file_name points into text, or is the snapshot's name; snapshot is an owned reference */
	_Atomic unsigned refs; /* by the chunks of BY_FILE alone; those of the other orders borrow */
	uint64_t digest;       /* of what is seen of it: id, file name, content */
	char text[];
};

struct chunk {
	_Atomic unsigned refs;
	unsigned count, cap;
	struct item *items[]; /* sorted */
};

/* BY_FILE is the last: an edit that fails half-way has then not lost the reference that it holds. */
enum list_order { BY_ID, BY_NAME, BY_FILE, LIST_ORDERS };
_Static_assert(BY_FILE + 1 == LIST_ORDERS, "the order that holds the references is edited last");

struct span {
	struct chunk *chunk; /* owned reference */
	size_t start;        /* index of its first item in the list */
};

struct order {
	struct span *spans; /* owned */
	size_t count, cap;
};

/* Changed only while it is made, when one thread knows it. */
struct list {
	_Atomic unsigned refs;
	uint64_t serial;
	size_t count;
	uint64_t digest;       /* sum of the items': equal means that nothing that shows differs */
	size_t bytes;          /* of the items and arrays, without the snapshots */
	size_t snapshot_bytes; /* of the snapshots without their bodies */
	struct order orders[LIST_ORDERS];
	char suffix[];
};

struct list_place {
	size_t span, index;
};

/* What an item is looked up by; id NULL: by text alone. */
struct list_probe {
	const char *text;
	int64_t created_ns;
	const char *id;
};

struct list *list_alloc(const char *suffix);
/* The first item that is not before the probe. */
struct list_place list_find(const struct list *list, enum list_order kind, const struct list_probe *probe);
/* NULL past the end. */
struct item *list_get(const struct list *list, enum list_order kind, struct list_place place);
struct list_place list_next(const struct list *list, enum list_order kind, struct list_place place);

struct item *item_new(struct snapshot *snapshot, const char *file_name);
struct item *item_unref(struct item *item);
size_t item_bytes(const struct item *item);
struct chunk *chunk_new(unsigned cap);
void chunk_unref(struct chunk *chunk, enum list_order kind);
int order_reserve(struct order *order, size_t more);

/* Either adds or replaces (snapshot), or removes (id). */
struct list_change {
	struct snapshot *snapshot; /* borrowed; NULL: remove */
	const char *id;            /* borrowed */
};

/*
 * A new list with all changes made, in order. No last reference to a snapshot goes as long as the caller holds the list
 * and the changes' snapshots, so it may be called with the store's lock held. NULL without memory.
 */
struct list *list_apply(const struct list *list, const struct list_change *changes, size_t count);
