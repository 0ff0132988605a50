/* New lists from old ones: what did not change is shared. */
#include <errno.h>

#include "api/base/buf.h"
#include "api/base/name.h"
#include "cache/list_private.h"
#include "cache/store_private.h"

/* ---- a private copy ---- */

static struct list *copy_list(const struct list *old)
{
	cleanup_(list_unrefp) struct list *list = list_alloc(old->suffix);

	if (!list)
		return NULL;
	for (int kind = 0; kind < LIST_ORDERS; kind++) {
		const struct order *from = &old->orders[kind];
		struct order *to = &list->orders[kind];

		/* One more than there are: an insert may split a chunk. */
		if (order_reserve(to, from->count + 1) < 0)
			return NULL;
		for (size_t i = 0; i < from->count; i++) {
			to->spans[i] = from->spans[i];
			atomic_fetch_add_explicit(&to->spans[i].chunk->refs, 1, memory_order_relaxed);
		}
		to->count = from->count;
	}
	list->count = old->count;
	list->digest = old->digest;
	list->bytes = old->bytes;
	list->snapshot_bytes = old->snapshot_bytes;
	return steal_ptr(list);
}

static void fix_starts(struct order *order, size_t from)
{
	for (size_t i = from; i < order->count; i++)
		order->spans[i].start = i ? order->spans[i - 1].start + order->spans[i - 1].chunk->count : 0;
}

/* A chunk of this list alone, with the items from first on, count of them, and room for one more. */
static struct chunk *copy_part(const struct chunk *old, enum list_order kind, unsigned first, unsigned count)
{
	struct chunk *chunk = chunk_new(count + 1 + count / 8);

	if (!chunk)
		return NULL;
	for (unsigned i = 0; i < count; i++) {
		chunk->items[i] = old->items[first + i];
		if (kind == BY_FILE)
			atomic_fetch_add_explicit(&chunk->items[i]->refs, 1, memory_order_relaxed);
	}
	chunk->count = count;
	return chunk;
}

static int own_chunk(struct order *order, enum list_order kind, size_t i)
{
	struct chunk *old = order->spans[i].chunk, *chunk;

	if (atomic_load_explicit(&old->refs, memory_order_acquire) == 1 && old->count < old->cap)
		return 0;
	chunk = copy_part(old, kind, 0, old->count);
	if (!chunk)
		return -ENOMEM;
	order->spans[i].chunk = chunk;
	chunk_unref(old, kind);
	return 0;
}

static int split_chunk(struct order *order, enum list_order kind, size_t i)
{
	struct chunk *old = order->spans[i].chunk, *low, *high;
	unsigned half = old->count / 2;

	if (order_reserve(order, 1) < 0)
		return -ENOMEM;
	low = copy_part(old, kind, 0, half);
	high = copy_part(old, kind, half, old->count - half);
	if (!low || !high) {
		chunk_unref(low, kind);
		chunk_unref(high, kind);
		return -ENOMEM;
	}
	memmove(&order->spans[i + 2], &order->spans[i + 1], (order->count - i - 1) * sizeof(order->spans[0]));
	order->spans[i].chunk = low;
	order->spans[i + 1].chunk = high;
	order->count++;
	fix_starts(order, i);
	chunk_unref(old, kind);
	return 0;
}

static struct list_probe probe_of(const struct item *item, enum list_order kind)
{
	const struct snapshot *s = item->pub.snapshot;
	struct list_probe probe = { .created_ns = s->created_ns, .id = s->id };

	probe.text = kind == BY_FILE ? item->pub.file_name : kind == BY_ID ? s->id : s->name;
	return probe;
}

static int first_chunk(struct order *order)
{
	struct chunk *chunk = chunk_new(1);

	if (!chunk || order_reserve(order, 1) < 0) {
		free(chunk);
		return -ENOMEM;
	}
	order->spans[order->count++] = (struct span){ .chunk = chunk };
	return 0;
}

/* In BY_FILE the chunk takes a reference of its own. */
static int order_insert(struct list *list, enum list_order kind, struct item *item)
{
	struct order *order = &list->orders[kind];
	struct list_probe probe = probe_of(item, kind);
	struct list_place place;
	struct chunk *chunk;
	int r = order->count ? 0 : first_chunk(order);

	if (r < 0)
		return r;
	/* An empty chunk is only ever the first and only one, just made. */
	place = order->spans[0].chunk->count ? list_find(list, kind, &probe) : (struct list_place){ 0 };
	if (order->spans[place.span].chunk->count >= LIST_CHUNK_MAX) {
		r = split_chunk(order, kind, place.span);
		if (r < 0)
			return r;
		place = list_find(list, kind, &probe);
	}
	r = own_chunk(order, kind, place.span);
	if (r < 0)
		return r;
	chunk = order->spans[place.span].chunk;
	memmove(&chunk->items[place.index + 1], &chunk->items[place.index],
		(chunk->count - place.index) * sizeof(chunk->items[0]));
	chunk->items[place.index] = item;
	chunk->count++;
	if (kind == BY_FILE)
		atomic_fetch_add_explicit(&item->refs, 1, memory_order_relaxed);
	fix_starts(order, place.span);
	return 0;
}

static int order_remove(struct list *list, enum list_order kind, const struct item *item)
{
	struct order *order = &list->orders[kind];
	struct list_probe probe = probe_of(item, kind);
	struct list_place place = list_find(list, kind, &probe);
	struct chunk *chunk;
	int r;

	while (list_get(list, kind, place) && list_get(list, kind, place) != item)
		place = list_next(list, kind, place);
	if (!list_get(list, kind, place))
		return -ENOENT;
	if (place.index == order->spans[place.span].chunk->count)
		place = (struct list_place){ .span = place.span + 1 };
	r = own_chunk(order, kind, place.span);
	if (r < 0)
		return r;
	chunk = order->spans[place.span].chunk;
	chunk->count--;
	memmove(&chunk->items[place.index], &chunk->items[place.index + 1],
		(chunk->count - place.index) * sizeof(chunk->items[0]));
	if (!chunk->count) {
		chunk_unref(chunk, kind);
		order->count--;
		memmove(&order->spans[place.span], &order->spans[place.span + 1],
			(order->count - place.span) * sizeof(order->spans[0]));
	}
	fix_starts(order, place.span);
	return 0;
}

static int add_item(struct list *list, struct item *item)
{
	int r = 0;

	for (int kind = 0; kind < LIST_ORDERS && r == 0; kind++)
		r = order_insert(list, (enum list_order)kind, item);
	if (r < 0)
		return r;
	list->count++;
	list->digest += item->digest;
	list->bytes += item_bytes(item);
	list->snapshot_bytes += memory_snapshot_bytes(item->pub.snapshot);
	return 0;
}

/* The caller holds a reference to the item, which leaves the list whole in memory to the end. */
static int take_item(struct list *list, struct item *item)
{
	int r = 0;

	for (int kind = 0; kind < LIST_ORDERS && r == 0; kind++)
		r = order_remove(list, (enum list_order)kind, item);
	if (r < 0)
		return r;
	list->count--;
	list->digest -= item->digest;
	list->bytes -= item_bytes(item);
	list->snapshot_bytes -= memory_snapshot_bytes(item->pub.snapshot);
	item_unref(item);
	return 0;
}

/* ---- those who share a name ---- */

struct member {
	struct snapshot *snapshot; /* borrowed */
	struct item *item;         /* owned reference; NULL: not in the list */
};

struct group {
	struct member *members; /* owned; oldest first */
	size_t count;
};

static void group_free(struct group *group)
{
	for (size_t i = 0; i < group->count; i++)
		item_unref(group->members[i].item);
	free(group->members);
}

static bool is_older(const struct snapshot *a, const struct snapshot *b)
{
	if (a->created_ns != b->created_ns)
		return a->created_ns < b->created_ns;
	return strcmp(a->id, b->id) < 0;
}

static int group_gather(struct group *group, const struct list *list, const char *name, struct snapshot *added)
{
	struct list_probe probe = { .text = name };
	struct list_place start = list_find(list, BY_NAME, &probe), place = start;
	struct item *item;
	size_t n = 1;

	while ((item = list_get(list, BY_NAME, place)) && !strcmp(item->pub.snapshot->name, name)) {
		place = list_next(list, BY_NAME, place);
		n++;
	}
	group->members = calloc(n, sizeof(*group->members));
	if (!group->members)
		return -ENOMEM;
	for (place = start; n > 1; n--, place = list_next(list, BY_NAME, place)) {
		item = list_get(list, BY_NAME, place);
		if (added && is_older(added, item->pub.snapshot)) {
			group->members[group->count++].snapshot = added;
			added = NULL;
		}
		atomic_fetch_add_explicit(&item->refs, 1, memory_order_relaxed);
		group->members[group->count++] = (struct member){ item->pub.snapshot, item };
	}
	if (added)
		group->members[group->count++].snapshot = added;
	return 0;
}

static void wanted_name(const struct list *list, const struct group *group, size_t i, char *ret_name)
{
	const struct snapshot *s = group->members[i].snapshot;

	if (i == 0)
		name_encode(s->name, list->suffix, ret_name);
	else
		name_encode_duplicate(s->name, s->id, list->suffix, ret_name);
}

/* Ids that begin alike, or a name made to look like another's: the whole id tells them apart. */
static int longer_name(const struct list *list, const struct snapshot *s, char *ret_name)
{
	cleanup_buf_ struct buf text = BUF_INIT;
	int r = buf_addf(&text, "%s~%s", s->name, s->id);

	if (r == 0)
		name_encode(text.data, list->suffix, ret_name);
	return r;
}

static int place_member(struct list *list, const struct group *group, size_t i)
{
	struct snapshot *s = group->members[i].snapshot;
	char name[NAME_MAX_BYTES + 1];
	struct item *item;
	int r = 0;

	wanted_name(list, group, i, name);
	if (list_by_file_name(list, name))
		r = longer_name(list, s, name);
	item = r == 0 ? item_new(s, name) : NULL;
	if (!item)
		return -ENOMEM;
	r = add_item(list, item);
	item_unref(item);
	return r;
}

/* Whether an older one has the short name that this one would have, so that it does not depend on who came first. */
static bool is_beaten(const struct group *group, size_t i)
{
	for (size_t k = 1; k < i; k++) {
		if (!strncmp(group->members[k].snapshot->id, group->members[i].snapshot->id, NAME_ID_BYTES))
			return true;
	}
	return false;
}

/* Names all with this name anew, one more among them where added is set. */
static int regroup(struct list *list, const char *name, struct snapshot *added)
{
	cleanup_(group_free) struct group group = { 0 };
	char wanted[NAME_MAX_BYTES + 1];
	int r = group_gather(&group, list, name, added);

	for (size_t i = 0; i < group.count && r == 0; i++) {
		struct member *member = &group.members[i];

		wanted_name(list, &group, i, wanted);
		if (!member->item || (!strcmp(member->item->pub.file_name, wanted) && !is_beaten(&group, i)))
			continue;
		r = take_item(list, member->item);
	}
	for (size_t i = 0; i < group.count && r == 0; i++) {
		struct member *member = &group.members[i];

		if (!member->item || !list_by_id(list, member->snapshot->id))
			r = place_member(list, &group, i);
	}
	return r;
}

static int remove_id(struct list *list, const char *id, const char *kept_name)
{
	struct list_probe probe = { .text = id };
	struct item *item = list_get(list, BY_ID, list_find(list, BY_ID, &probe));
	int r;

	if (!item || strcmp(item->pub.snapshot->id, id))
		return 0;
	atomic_fetch_add_explicit(&item->refs, 1, memory_order_relaxed);
	r = take_item(list, item);
	/* Where the name gets another holder at once, the group is named when that one comes. */
	if (r == 0 && (!kept_name || strcmp(kept_name, item->pub.snapshot->name)))
		r = regroup(list, item->pub.snapshot->name, NULL);
	item_unref(item);
	return r;
}

struct list *list_apply(const struct list *old, const struct list_change *changes, size_t count)
{
	cleanup_(list_unrefp) struct list *list = copy_list(old);
	int r = list ? 0 : -ENOMEM;

	for (size_t i = 0; i < count && r == 0; i++) {
		struct snapshot *s = changes[i].snapshot;

		r = remove_id(list, s ? s->id : changes[i].id, s ? s->name : NULL);
		if (r == 0 && s)
			r = regroup(list, s->name, s);
	}
	return r == 0 ? steal_ptr(list) : NULL;
}

struct list *list_with(const struct list *list, struct snapshot *snapshot)
{
	struct list_change change = { .snapshot = snapshot };

	return list_apply(list, &change, 1);
}

struct list *list_without(const struct list *list, const char *id)
{
	struct list_change change = { .id = id };

	return list_apply(list, &change, 1);
}
