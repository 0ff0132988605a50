#include "fs/show/contested.h"

#include <errno.h>

#include "api/base/clock.h"
#include "api/base/name.h"
#include "fs/core/failures.h"
#include "fs/core/lately.h"
#include "fs/show/offers.h"

#define YOUNG_NS ((int64_t)CONTESTED_YOUNG_MS * NSEC_PER_MSEC)

/* The resources of one name. */
struct group {
	struct listing *l;
	struct snapshot **members; /* the oldest first; NULL: taken out */
	size_t count;
	int64_t deadline_ms;
	unsigned *asked; /* GETs for this list so far */
};

/* ---- what this mount did ---- */

struct known {
	const char *id;
	bool tell; /* of what it made: once */
	bool found_made, found_removed;
};

static bool is_it(struct lately_one *one, void *arg)
{
	struct known *known = arg;

	if (strcmp(one->id, known->id) != 0)
		return false;
	known->found_made = one->how == LATELY_MADE && !one->told;
	/* An id can be given again: of a Durable Object's namespace. */
	known->found_removed = one->how == LATELY_REMOVED && clock_now_ms() - one->at_ms <= MOUNT_HOLD_MS;
	one->told = one->told || (known->tell && known->found_made);
	return true;
}

static bool was_made(const struct group *g, const char *id)
{
	struct known known = { .id = id };

	lately_find(g->l->mount->lately, g->l->kind, is_it, &known);
	return known.found_made;
}

static bool was_removed(const struct group *g, const char *id)
{
	struct known known = { .id = id };

	lately_find(g->l->mount->lately, g->l->kind, is_it, &known);
	return known.found_removed;
}

/* Whether it is this call that tells of it. */
static bool tell_once(const struct group *g, const char *id)
{
	struct known known = { .id = id, .tell = true };

	lately_find(g->l->mount->lately, g->l->kind, is_it, &known);
	return known.found_made;
}

/* ---- the resources of one name ---- */

static bool is_gone(const struct group *g, const struct snapshot *s)
{
	struct call call = { .operation = "get contested", .method = "GET", .deadline_ms = g->deadline_ms };
	struct answer answer = { 0 };
	cleanup_free_ char *path = NULL;
	struct err err = ERR_INIT;
	int result = kind_path(g->l->kind->item, g->l->parent, s->id, NULL, &path);

	if (result < 0 || (*g->asked)++ >= CONTESTED_ASKS_MAX)
		return false;
	call.path = path;
	result = offers_call(g->l->mount, &call, &answer, &err);
	answer_clear(&answer);
	return result == -ENOENT;
}

bool contested_is_young(const struct snapshot *s)
{
	int64_t age_ns = clock_wall_ns() - s->created_ns;

	return s->created_ns && age_ns < YOUNG_NS && age_ns > -10 * YOUNG_NS;
}

/* The youngest that is there has the name; the others are shown when they are still listed later, what this mount made at once. */
static void keep_youngest(const struct group *g)
{
	bool found = false;

	for (size_t i = g->count; i-- > 0;) {
		struct snapshot *s = g->members[i];

		if (!found)
			found = i == 0 || was_made(g, s->id) || !is_gone(g, s);
		else if (was_made(g, s->id))
			continue;
		else
			g->members[i] = NULL;
		if (!found)
			g->members[i] = NULL;
	}
}

/* A group that was not there the last time: the holder may be on its way out, whatever the clocks say. */
static bool is_new(const struct group *g)
{
	for (size_t i = 0; i < g->count; i++) {
		if (g->l->old && !list_by_id(g->l->old, g->members[i]->id))
			return true;
	}
	return false;
}

static void drop_gone_holders(const struct group *g)
{
	for (size_t i = 0; i + 1 < g->count && is_gone(g, g->members[i]); i++)
		g->members[i] = NULL;
}

static void tell_of_twin(const struct group *g)
{
	const struct kind *kind = g->l->kind;
	const struct snapshot *own = NULL;
	char file_name[NAME_MAX_BYTES + 1];
	cleanup_free_ char *path = NULL;
	struct err err = ERR_INIT;

	for (size_t i = 0; i < g->count; i++) {
		if (g->members[i] && tell_once(g, g->members[i]->id))
			own = g->members[i];
	}
	if (!own)
		return;
	name_encode(own->name, kind->suffix, file_name);
	if (text_format(&path, "/%s/%s", kind->dir, file_name) < 0)
		return;
	err_set(&err, EEXIST,
		"somebody else made another %s of this name at the same time: both are there, the younger one as NAME~ID; "
		"remove the one that is not wanted",
		kind->name);
	failures_add(g->l->mount->failures, path, "create", &err, NULL, 0);
}

static bool has_id(const struct group *g, size_t from, const char *id)
{
	for (size_t i = from; i < g->count; i++) {
		if (!strcmp(g->members[i]->id, id))
			return true;
	}
	return false;
}

/* Without what this mount removed, and each id once: pages can overlap, and an id can be given again. */
static void clean_group(struct group *g)
{
	size_t left = 0;

	for (size_t i = 0; i < g->count; i++) {
		if (!was_removed(g, g->members[i]->id) && !has_id(g, i + 1, g->members[i]->id))
			g->members[left++] = g->members[i];
	}
	g->count = left;
}

static void resolve_group(struct group *g)
{
	clean_group(g);
	if (g->count < 2)
		return;
	if (contested_is_young(g->members[g->count - 1])) {
		keep_youngest(g);
		return;
	}
	if (is_new(g))
		drop_gone_holders(g);
	tell_of_twin(g);
}

/* ---- the list ---- */

static int compare(const void *va, const void *vb)
{
	const struct snapshot *a = *(struct snapshot *const *)va, *b = *(struct snapshot *const *)vb;
	int r = strcmp(a->name, b->name);

	if (r)
		return r;
	if (a->created_ns != b->created_ns)
		return a->created_ns < b->created_ns ? -1 : 1;
	return strcmp(a->id, b->id);
}

static int compare_pointers(const void *va, const void *vb)
{
	const struct snapshot *a = *(struct snapshot *const *)va, *b = *(struct snapshot *const *)vb;

	return (a > b) - (a < b);
}

/* Those that were taken out of a group; the listing keeps its order. */
static void take_out(struct listing *l, struct snapshot **gone, size_t count)
{
	size_t kept = 0;

	qsort(gone, count, sizeof(struct snapshot *), compare_pointers);
	for (size_t i = 0; i < l->count; i++) {
		if (bsearch(&l->snapshots[i], gone, count, sizeof(struct snapshot *), compare_pointers))
			snapshot_unref(l->snapshots[i]);
		else
			l->snapshots[kept++] = l->snapshots[i];
	}
	l->count = kept;
}

/* What resolve_group left out of a group of count goes to gone, which has room; how many. */
static size_t find_gone(struct snapshot *const *before, size_t count, const struct group *g, struct snapshot **gone)
{
	size_t n = 0;

	for (size_t i = 0; i < count; i++) {
		bool kept = false;

		for (size_t k = 0; k < g->count; k++)
			kept = kept || g->members[k] == before[i];
		if (!kept)
			gone[n++] = before[i];
	}
	return n;
}

int contested_resolve(struct listing *l, int64_t deadline_ms)
{
	cleanup_free_ struct snapshot **sorted = NULL, **work = NULL, **gone = NULL;
	size_t gone_count = 0, end;
	unsigned asked = 0;

	if (!(l->kind->flags & KIND_LINGERS) || l->count < 2)
		return 0;
	sorted = reallocarray(NULL, l->count, sizeof(struct snapshot *));
	work = reallocarray(NULL, l->count, sizeof(struct snapshot *));
	gone = reallocarray(NULL, l->count, sizeof(struct snapshot *));
	if (!sorted || !work || !gone)
		return -ENOMEM;
	memcpy(sorted, l->snapshots, l->count * sizeof(struct snapshot *));
	qsort(sorted, l->count, sizeof(struct snapshot *), compare);
	for (size_t i = 0; i < l->count; i = end) {
		struct group g = { .l = l, .members = work, .deadline_ms = deadline_ms, .asked = &asked };

		for (end = i + 1; end < l->count && !strcmp(sorted[i]->name, sorted[end]->name); end++)
			;
		g.count = end - i;
		if (g.count < 2)
			continue;
		memcpy(work, sorted + i, g.count * sizeof(struct snapshot *));
		resolve_group(&g);
		gone_count += find_gone(sorted + i, end - i, &g, gone + gone_count);
	}
	if (gone_count)
		take_out(l, gone, gone_count);
	return 0;
}
