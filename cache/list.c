#include "cache/list_private.h"

#include <errno.h>

#include "api/base/name.h"
#include "api/base/rand.h"
#include "cache/store_private.h"

static _Atomic uint64_t last_serial;

struct list *list_alloc(const char *suffix)
{
	size_t n = strlen(suffix) + 1;
	struct list *list = calloc(1, sizeof(*list) + n);

	if (!list)
		return NULL;
	atomic_init(&list->refs, 1);
	list->serial = atomic_fetch_add(&last_serial, 1) + 1;
	memcpy(list->suffix, suffix, n);
	return list;
}

/* ---- items and chunks ---- */

static uint64_t mix(uint64_t v)
{
	v ^= v >> 33;
	v *= 0xff51afd7ed558ccdULL;
	v ^= v >> 33;
	v *= 0xc4ceb9fe1a85ec53ULL;
	return v ^ v >> 33;
}

struct item *item_new(struct snapshot *snapshot, const char *file_name)
{
	bool shared = !strcmp(file_name, snapshot->name);
	size_t n = strlen(file_name) + 1;
	struct item *item = malloc(sizeof(*item) + (shared ? 0 : n));

	if (!item)
		return NULL;
	if (!shared)
		memcpy(item->text, file_name, n);
	item->pub.file_name = shared ? snapshot->name : item->text;
	item->pub.snapshot = snapshot_ref(snapshot);
	atomic_init(&item->refs, 1);
	item->digest = mix(snapshot->hash +
			   mix(hash64(snapshot->id, strlen(snapshot->id)) + mix(hash64(file_name, n - 1) + snapshot->traits)));
	return item;
}

struct item *item_unref(struct item *item)
{
	if (item && atomic_fetch_sub_explicit(&item->refs, 1, memory_order_acq_rel) == 1) {
		snapshot_unref(item->pub.snapshot);
		free(item);
	}
	return NULL;
}

size_t item_bytes(const struct item *item)
{
	size_t text = item->pub.file_name == item->text ? strlen(item->text) + 1 : 0;

	return sizeof(*item) + text + MALLOC_OVERHEAD + LIST_ORDERS * sizeof(struct item *);
}

struct chunk *chunk_new(unsigned cap)
{
	struct chunk *chunk = malloc(sizeof(*chunk) + cap * sizeof(chunk->items[0]));

	if (!chunk)
		return NULL;
	atomic_init(&chunk->refs, 1);
	chunk->count = 0;
	chunk->cap = cap;
	return chunk;
}

void chunk_unref(struct chunk *chunk, enum list_order kind)
{
	if (!chunk || atomic_fetch_sub_explicit(&chunk->refs, 1, memory_order_acq_rel) != 1)
		return;
	for (unsigned i = 0; kind == BY_FILE && i < chunk->count; i++)
		item_unref(chunk->items[i]);
	free(chunk);
}

int order_reserve(struct order *order, size_t more)
{
	size_t cap = order->count + more;
	struct span *spans;

	if (cap <= order->cap)
		return 0;
	spans = reallocarray(order->spans, cap, sizeof(*spans));
	if (!spans)
		return -ENOMEM;
	order->spans = spans;
	order->cap = cap;
	return 0;
}

struct list *list_ref(struct list *list)
{
	if (list)
		(void)invariant(atomic_fetch_add_explicit(&list->refs, 1, memory_order_relaxed) > 0);
	return list;
}

struct list *list_unref(struct list *list)
{
	if (!list || atomic_fetch_sub_explicit(&list->refs, 1, memory_order_acq_rel) != 1)
		return NULL;
	for (int kind = 0; kind < LIST_ORDERS; kind++) {
		struct order *order = &list->orders[kind];

		for (size_t i = 0; i < order->count; i++)
			chunk_unref(order->spans[i].chunk, (enum list_order)kind);
		free(order->spans);
	}
	free(list);
	return NULL;
}

/* ---- looking up ---- */

static int compare(enum list_order kind, const struct item *item, const struct list_probe *probe)
{
	const struct snapshot *s = item->pub.snapshot;
	const char *text = kind == BY_FILE ? item->pub.file_name : kind == BY_ID ? s->id : s->name;
	int r = strcmp(text, probe->text);

	if (r || kind != BY_NAME || !probe->id)
		return r;
	if (s->created_ns != probe->created_ns)
		return s->created_ns < probe->created_ns ? -1 : 1;
	return strcmp(s->id, probe->id);
}

struct list_place list_find(const struct list *list, enum list_order kind, const struct list_probe *probe)
{
	const struct order *order = &list->orders[kind];
	size_t low = 0, high = order->count;
	struct list_place place = { 0 };

	/* The last chunk whose first item is before the probe: the place is in it, or right after it. */
	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (compare(kind, order->spans[mid].chunk->items[0], probe) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == 0)
		return place;
	place.span = low - 1;
	low = 0;
	high = order->spans[place.span].chunk->count;
	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (compare(kind, order->spans[place.span].chunk->items[mid], probe) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	place.index = low;
	return place;
}

struct item *list_get(const struct list *list, enum list_order kind, struct list_place place)
{
	const struct order *order = &list->orders[kind];

	if (place.span < order->count && place.index == order->spans[place.span].chunk->count)
		place = (struct list_place){ .span = place.span + 1 };
	return place.span < order->count ? order->spans[place.span].chunk->items[place.index] : NULL;
}

struct list_place list_next(const struct list *list, enum list_order kind, struct list_place place)
{
	const struct order *order = &list->orders[kind];

	if (place.span < order->count && place.index == order->spans[place.span].chunk->count)
		place = (struct list_place){ .span = place.span + 1 };
	place.index++;
	return place;
}

static const struct list_item *look_up(const struct list *list, enum list_order kind, const char *text)
{
	struct list_probe probe = { .text = text };
	const struct item *item = list_get(list, kind, list_find(list, kind, &probe));

	return item && compare(kind, item, &probe) == 0 ? &item->pub : NULL;
}

const struct list_item *list_by_file_name(const struct list *list, const char *file_name)
{
	return look_up(list, BY_FILE, file_name);
}

const struct list_item *list_by_id(const struct list *list, const char *id)
{
	return look_up(list, BY_ID, id);
}

const struct list_item *list_by_name(const struct list *list, const char *name)
{
	return look_up(list, BY_NAME, name);
}

size_t list_count(const struct list *list)
{
	return list->count;
}

const struct list_item *list_at(const struct list *list, size_t i)
{
	const struct order *order = &list->orders[BY_FILE];
	size_t low = 0, high = order->count;

	while (high - low > 1) {
		size_t mid = low + (high - low) / 2;

		if (order->spans[mid].start <= i)
			low = mid;
		else
			high = mid;
	}
	return &order->spans[low].chunk->items[i - order->spans[low].start]->pub;
}

uint64_t list_serial(const struct list *list)
{
	return list->serial;
}
