/* Building a whole list: three sorts, on numbers wherever the strings allow it. */
#include <errno.h>

#include "api/base/name.h"
#include "cache/list_private.h"
#include "cache/store_private.h"

struct candidate {
	struct snapshot *snapshot; /* borrowed */
	struct item *item;         /* owned until a chunk takes it; NULL: left out */
};

struct sort_key {
	uint64_t bytes;   /* the first eight that differ somewhere, so that most comparisons touch no string */
	size_t index;     /* in the candidates */
	const char *text; /* past what all have in common */
};

struct sorter {
	struct candidate *candidates;       /* owned */
	struct sort_key *keys[LIST_ORDERS]; /* owned */
	size_t count;
};

static void sorter_free(struct sorter *s)
{
	for (size_t i = 0; s->candidates && i < s->count; i++)
		item_unref(s->candidates[i].item);
	free(s->candidates);
	for (int kind = 0; kind < LIST_ORDERS; kind++)
		free(s->keys[kind]);
}

static const char *text_of(const struct candidate *candidate, enum list_order kind)
{
	if (kind == BY_FILE)
		return candidate->item->pub.file_name;
	return kind == BY_ID ? candidate->snapshot->id : candidate->snapshot->name;
}

static size_t common_length(const char *a, const char *b, size_t max)
{
	size_t n = 0;

	while (n < max && a[n] && a[n] == b[n])
		n++;
	return n;
}

static void make_keys(struct sorter *s, enum list_order kind)
{
	struct sort_key *keys = s->keys[kind];
	size_t common = SIZE_MAX;

	for (size_t i = 0; i < s->count; i++)
		common = common_length(text_of(&s->candidates[0], kind), text_of(&s->candidates[i], kind), common);
	for (size_t i = 0; i < s->count; i++) {
		/* File names are nearly in the order of the names. */
		size_t index = kind == BY_FILE ? s->keys[BY_NAME][i].index : i;
		const char *text = text_of(&s->candidates[index], kind) + common;
		uint64_t bytes = 0;

		for (size_t n = 0, ended = 0; n < sizeof(bytes); n++) {
			ended |= !ended && !text[n];
			bytes = bytes << 8 | (ended ? 0 : (unsigned char)text[n]);
		}
		keys[i] = (struct sort_key){ .bytes = bytes, .index = index, .text = text };
	}
}

static int compare_text(const struct sort_key *a, const struct sort_key *b)
{
	if (a->bytes != b->bytes)
		return a->bytes < b->bytes ? -1 : 1;
	return strcmp(a->text, b->text);
}

/* Equal texts keep the order of the candidates. */
static int compare_plain(const void *va, const void *vb, void *arg)
{
	const struct sort_key *a = va, *b = vb;
	int r = compare_text(a, b);

	(void)arg;
	return r ? r : (a->index > b->index) - (a->index < b->index);
}

/* Equal names: the oldest first. */
static int compare_age(const void *va, const void *vb, void *arg)
{
	const struct sort_key *a = va, *b = vb;
	const struct sorter *s = arg;
	const struct snapshot *sa = s->candidates[a->index].snapshot, *sb = s->candidates[b->index].snapshot;
	int r = compare_text(a, b);

	if (r)
		return r;
	if (sa->created_ns != sb->created_ns)
		return sa->created_ns < sb->created_ns ? -1 : 1;
	return strcmp(sa->id, sb->id);
}

static void sort(struct sorter *s, enum list_order kind)
{
	int (*compare)(const void *, const void *, void *) = kind == BY_NAME ? compare_age : compare_plain;
	struct sort_key *keys = s->keys[kind];

	if (s->count == 0)
		return;
	make_keys(s, kind);
	for (size_t i = 1; i < s->count; i++) {
		if (compare(&keys[i - 1], &keys[i], s) > 0) {
			qsort_r(keys, s->count, sizeof(*keys), compare, s);
			return;
		}
	}
}

/* Of several with one id, the later stands. */
static void drop_repeated(struct sorter *s)
{
	struct sort_key *keys = s->keys[BY_ID];
	size_t kept = 0;

	sort(s, BY_ID);
	for (size_t i = 1; i < s->count; i++) {
		if (!strcmp(keys[i - 1].text, keys[i].text))
			s->candidates[keys[i - 1].index].snapshot = NULL;
	}
	for (size_t i = 0; i < s->count; i++) {
		if (s->candidates[i].snapshot)
			s->candidates[kept++] = s->candidates[i];
	}
	if (kept < s->count) {
		s->count = kept;
		sort(s, BY_ID);
	}
}

static int name_all(struct sorter *s, const char *suffix)
{
	char name[NAME_MAX_BYTES + 1];
	const struct snapshot *before = NULL;

	for (size_t i = 0; i < s->count; i++) {
		struct candidate *candidate = &s->candidates[s->keys[BY_NAME][i].index];

		if (before && !strcmp(before->name, candidate->snapshot->name))
			name_encode_duplicate(candidate->snapshot->name, candidate->snapshot->id, suffix, name);
		else
			name_encode(candidate->snapshot->name, suffix, name);
		candidate->item = item_new(candidate->snapshot, name);
		if (!candidate->item)
			return -ENOMEM;
		before = candidate->snapshot;
	}
	return 0;
}

/* Takes those out whose file name another has; they are added one by one when the list stands. */
static size_t set_aside(struct sorter *s, struct snapshot **aside)
{
	const struct sort_key *keys = s->keys[BY_FILE];
	size_t count = 0;

	for (size_t i = 1, first = 0; i < s->count; i++) {
		struct candidate *candidate = &s->candidates[keys[i].index];

		if (strcmp(keys[first].text, keys[i].text)) {
			first = i;
			continue;
		}
		aside[count++] = candidate->snapshot;
		candidate->item = item_unref(candidate->item);
	}
	return count;
}

static int fill_order(struct list *list, const struct sorter *s, enum list_order kind, size_t count)
{
	struct order *order = &list->orders[kind];
	struct chunk *chunk = NULL;
	size_t done = 0;

	if (order_reserve(order, (count + LIST_CHUNK_FILL - 1) / LIST_CHUNK_FILL) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < s->count; i++) {
		struct item *item = s->candidates[s->keys[kind][i].index].item;

		if (!item)
			continue;
		if (!chunk || chunk->count == LIST_CHUNK_FILL) {
			size_t left = count - done;

			chunk = chunk_new((unsigned)(left < LIST_CHUNK_FILL ? left : LIST_CHUNK_FILL));
			if (!chunk)
				return -ENOMEM;
			order->spans[order->count++] = (struct span){ .chunk = chunk, .start = done };
		}
		if (kind == BY_FILE)
			atomic_fetch_add_explicit(&item->refs, 1, memory_order_relaxed);
		chunk->items[chunk->count++] = item;
		done++;
	}
	return 0;
}

static struct list *assemble(const struct sorter *s, const char *suffix, size_t count)
{
	cleanup_(list_unrefp) struct list *list = list_alloc(suffix);

	if (!list)
		return NULL;
	for (int kind = 0; kind < LIST_ORDERS; kind++) {
		if (fill_order(list, s, (enum list_order)kind, count) < 0)
			return NULL;
	}
	list->count = count;
	list->bytes = sizeof(*list) + LIST_ORDERS * (sizeof(struct chunk) + sizeof(struct span) + 2 * MALLOC_OVERHEAD);
	for (size_t i = 0; i < s->count; i++) {
		const struct item *item = s->candidates[i].item;

		if (!item)
			continue;
		list->digest += item->digest;
		list->bytes += item_bytes(item);
		list->snapshot_bytes += memory_snapshot_bytes(item->pub.snapshot);
	}
	return steal_ptr(list);
}

static struct list *add_aside(struct list *list, struct snapshot **aside, size_t count)
{
	cleanup_free_ struct list_change *changes = calloc(count, sizeof(*changes));
	struct list *more;

	if (!changes) {
		list_unref(list);
		return NULL;
	}
	for (size_t i = 0; i < count; i++)
		changes[i].snapshot = aside[i];
	more = list_apply(list, changes, count);
	list_unref(list);
	return more;
}

struct list *list_new(struct snapshot *const *snapshots, size_t count, const char *suffix)
{
	cleanup_(sorter_free) struct sorter s = { .count = count };
	cleanup_free_ struct snapshot **aside = NULL;
	struct list *list;
	size_t n;

	s.candidates = calloc(count + 1, sizeof(*s.candidates));
	aside = calloc(count + 1, sizeof(*aside));
	for (int kind = 0; kind < LIST_ORDERS; kind++)
		s.keys[kind] = calloc(count + 1, sizeof(*s.keys[kind]));
	if (!s.candidates || !aside || !s.keys[BY_FILE] || !s.keys[BY_ID] || !s.keys[BY_NAME])
		return NULL;
	for (size_t i = 0; i < count; i++)
		s.candidates[i].snapshot = snapshots[i];
	drop_repeated(&s);
	sort(&s, BY_NAME);
	if (name_all(&s, suffix) < 0)
		return NULL;
	sort(&s, BY_FILE);
	n = set_aside(&s, aside);
	list = assemble(&s, suffix, s.count - n);
	return list && n ? add_aside(list, aside, n) : list;
}
