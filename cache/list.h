/*
 * A list: an immutable, reference-counted array of snapshots with the file names that they show under. Sorted by file
 * name (bytes), with a second order by id.
 */
#pragma once

#include "cache/snapshot.h"

struct list_item {
	char *file_name;           /* owned by the item; shared between lists by reference */
	struct snapshot *snapshot; /* owned reference */
};

struct list;

/*
 * Takes references to count snapshots. File names are name_encode(name, suffix); of several snapshots with one name the
 * oldest (created_ns, then id) has it and the others are name_encode_duplicate(). Two snapshots of one id: the later in the
 * array stands. NULL without memory.
 */
struct list *list_new(struct snapshot *const *snapshots, size_t count, const char *suffix);
struct list *list_ref(struct list *list);
struct list *list_unref(struct list *list);
DEFINE_CLEANUP(struct list *, list_unref)

size_t list_count(const struct list *list);
/* 0 <= i < count, in the order of file names; valid as long as the list. */
const struct list_item *list_at(const struct list *list, size_t i);
/* NULL where there is none. O(log n). */
const struct list_item *list_by_file_name(const struct list *list, const char *file_name);
const struct list_item *list_by_id(const struct list *list, const char *id);
/* First item whose snapshot's name (identity) is this, which is the oldest. O(log n). */
const struct list_item *list_by_name(const struct list *list, const char *name);

/*
 * A new list in which the snapshot is added, or stands in the place of the one with its id; without the one with
 * this id. Duplicates are named anew. O(n) in pointers, no string is copied that did not change. NULL without memory.
 */
struct list *list_with(const struct list *list, struct snapshot *snapshot);
struct list *list_without(const struct list *list, const char *id);
/* A number that differs between any two lists of this process. */
uint64_t list_serial(const struct list *list);
