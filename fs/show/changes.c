#include "fs/show/changes.h"

#include <json-c/json.h>

#include "api/base/clock.h"
#include "fs/core/trail.h"
#include "fs/core/timer.h"
#include "fs/show/changes_line.h"
#include "fs/show/offers.h"
#include "fs/show/shown.h"
#include "fs/show/source_known.h"

/* How often the first answer of a list is looked for. */
#define FIRST_LOOK_MS 100

/* A list of the root. */
struct watched {
	const struct kind *kind;
	struct list *last; /* owned reference: up to it all is told; NULL: nothing is known yet */
	int64_t asked_ms;
};

DECLARE_LOCK(changes);
struct changes {
	struct lock lock;
	struct mount *mount;                         /* fixed */
	struct trail *text;                          /* owned; fixed */
	unsigned readers GUARDED_BY(changes_locked); /* that have it open */
	struct watched lists[KINDS_MAX] GUARDED_BY(changes_locked);
	size_t count;                               /* of them; fixed */
	int64_t next_ms GUARDED_BY(changes_locked); /* no call before */
};
DEFINE_LOCK(changes, struct changes, lock)

/* ---- telling ---- */

/* The kind whose resources stand in the same list and belong to a parent; NULL: there is none. */
static const struct kind *kind_below(const struct kind *kind)
{
	for (const struct kind *const *k = kinds; *k; k++) {
		if ((*k)->parent && (*k)->parent_key && !strcmp((*k)->collection, kind->collection))
			return *k;
	}
	return NULL;
}

/* The path of what it belongs to: "/applications/web/deployments" of an application's deployment, and with the application's id where
   that is gone already. Freed by the caller. */
static char *dir_of_locked(struct changes *c, const struct watched *w, const struct snapshot *s) REQUIRES(changes_locked)
{
	const struct kind *parent_kind;

	changes_assert_locked(c);
	for (size_t i = 0; s->parent_id && i < c->count; i++) {
		struct list *list = c->lists[i].last;
		const struct list_item *parent = list && !c->lists[i].kind->parent_key ? list_by_id(list, s->parent_id) : NULL;

		if (!parent)
			continue;
		return text_new("/%s/%.*s/%s", c->lists[i].kind->dir,
				(int)(strlen(parent->file_name) - strlen(c->lists[i].kind->suffix)), parent->file_name,
				w->kind->dir);
	}
	if (s->parent_id && (parent_kind = kind_below(w->kind))) {
		return text_new("/%s/%s/%s", parent_kind->parent->dir, s->parent_id, parent_kind->dir);
	}
	return text_new("/%s", w->kind->dir);
}

static struct json_object *object_of(const struct list_item *item)
{
	struct body *body = item ? snapshot_body(item->snapshot) : NULL;
	struct json_object *object = body ? json_tokener_parse(body->data) : NULL;

	body_unref(body);
	return object;
}

/* Without memory the line is lost, and nothing else. */
static void tell_locked(struct changes *c, const struct watched *w, const struct list_item *was, const struct list_item *is)
	REQUIRES(changes_locked)
{
	const struct list_item *item = is ? is : was;
	struct json_object *before = object_of(was), *after = object_of(is);
	cleanup_free_ char *dir = item ? dir_of_locked(c, w, item->snapshot) : NULL, *path = NULL;
	cleanup_buf_ struct buf line = BUF_INIT;
	/* Of one that is in both lists, a body that was dropped for memory says nothing: it changed. */
	bool both = before && after, known = was && is ? both : before || after;

	changes_assert_locked(c);
	if (dir && text_format(&path, "%s/%s", dir, item->file_name) >= 0) {
		const struct changed_thing thing = { w->kind->name, path, item->snapshot->id };
		struct json_object *empty = known ? NULL : json_object_new_object();

		if (was && is)
			changes_line(&thing, both ? before : NULL, both ? after : NULL, &line);
		else
			changes_line(&thing, was ? (before ? before : empty) : NULL, is ? (after ? after : empty) : NULL, &line);
		json_object_put(empty);
		trail_add(c->text, line.data ? line.data : "", line.len);
	}
	json_object_put(before);
	json_object_put(after);
}

static void compare_locked(struct changes *c, struct watched *w, struct list *list) REQUIRES(changes_locked)
{
	changes_assert_locked(c);
	for (size_t i = 0; i < list_count(list); i++) {
		const struct list_item *is = list_at(list, i), *was = list_by_id(w->last, is->snapshot->id);

		if (!was || (was->snapshot != is->snapshot && was->snapshot->hash != is->snapshot->hash))
			tell_locked(c, w, was, is);
	}
	for (size_t i = 0; i < list_count(w->last); i++) {
		const struct list_item *was = list_at(w->last, i);

		if (!list_by_id(list, was->snapshot->id))
			tell_locked(c, w, was, NULL);
	}
}

/* The list as it is cached now is told up to, once. */
static void look_locked(struct changes *c, struct watched *w) REQUIRES(changes_locked)
{
	struct store_info info;
	struct list *list = source_known_list(c->mount, w->kind, NULL, &info);

	changes_assert_locked(c);
	if (list && w->last && list_serial(list) != list_serial(w->last))
		compare_locked(c, w, list);
	if (list) {
		list_unref(w->last);
		w->last = list;
	}
}

void changes_heard(struct changes *c, const struct kind *kind)
{
	scope_lock(changes, c);
	for (size_t i = 0; c->readers && i < c->count; i++) {
		if (c->lists[i].kind == kind)
			look_locked(c, &c->lists[i]);
	}
}

/* ---- asking ---- */

static bool is_asked(const struct mount *mount, const struct kind *kind)
{
	enum offer offer = offers_of(mount->offers, operation_of(kind, KIND_LIST));

	return offer != OFFER_ABSENT && offer != OFFER_REFUSED;
}

static double calls_of(const struct watched *w)
{
	return w->last ? 1 + (double)(list_count(w->last) / CLIENT_PAGE_SIZE) : 1;
}

/* Whether what has a health can be asked each status_ttl within the share. Long lists cannot. */
static bool has_room_locked(struct changes *c) REQUIRES(changes_locked)
{
	const struct options *o = c->mount->options;
	double rate = 0;

	changes_assert_locked(c);
	for (size_t i = 0; i < c->count; i++) {
		const struct watched *w = &c->lists[i];

		if (is_asked(c->mount, w->kind))
			rate += calls_of(w) * MSEC_PER_SEC / (double)(w->kind->leaves ? o->status_ttl_ms : o->cache_ttl_ms);
	}
	return rate * CHANGES_SHARE <= o->rps;
}

/* The one that waits longest for its turn, by its time to live; *ret_ms: when it is due. */
static struct watched *next_locked(struct changes *c, int64_t *ret_ms, int64_t *ret_ttl_ms) REQUIRES(changes_locked)
{
	const struct options *o = c->mount->options;
	bool room = has_room_locked(c);
	struct watched *next = NULL;

	changes_assert_locked(c);
	for (size_t i = 0; i < c->count; i++) {
		struct watched *w = &c->lists[i];
		int64_t ttl_ms = room && w->kind->leaves ? o->status_ttl_ms : o->cache_ttl_ms;

		if (!is_asked(c->mount, w->kind) || (next && w->asked_ms + ttl_ms >= *ret_ms))
			continue;
		next = w;
		*ret_ms = w->asked_ms + ttl_ms;
		*ret_ttl_ms = ttl_ms;
	}
	return next;
}

/* The answer is heard of. */
static void ask_locked(struct changes *c, struct watched *w, int64_t ttl_ms) REQUIRES(changes_locked)
{
	cleanup_free_ char *key = NULL;

	changes_assert_locked(c);
	w->asked_ms = clock_now_ms();
	if (source_list_key(w->kind, NULL, &key) == 0)
		store_prefetch(c->mount->store, w->kind, key, ttl_ms);
}

/* What is there to begin with: each list once, side by side. The first answer is not heard of, as there is nothing that it changed:
   it is looked for. Whether one is still under way. */
static bool begin_locked(struct changes *c) REQUIRES(changes_locked)
{
	bool waits = false;

	changes_assert_locked(c);
	for (size_t i = 0; i < c->count; i++) {
		struct watched *w = &c->lists[i];

		if (!w->last)
			look_locked(c, w);
		/* Two that look for their prefix side by side would both learn what one learns for the other. */
		if (!w->last && !w->asked_ms && is_asked(c->mount, w->kind) &&
		    !offers_is_probe(c->mount->offers, operation_of(w->kind, KIND_LIST)))
			ask_locked(c, w, c->mount->options->cache_ttl_ms);
		waits |= !w->last && w->asked_ms;
	}
	return waits;
}

/* The timer's: starts one fetch at most, but for the first of each list. */
static int64_t due(void *arg)
{
	struct changes *c = arg;
	int64_t now = clock_now_ms(), due_ms = 0, ttl_ms = 0, tick_ms = CLOCK_NEVER;
	struct watched *w;

	scope_lock(changes, c);
	if (!c->readers)
		return CLOCK_NEVER;
	if (begin_locked(c))
		tick_ms = now + FIRST_LOOK_MS;
	w = next_locked(c, &due_ms, &ttl_ms);
	if (w && due_ms < c->next_ms)
		due_ms = c->next_ms;
	if (w && due_ms <= now) {
		ask_locked(c, w, ttl_ms);
		due_ms = c->next_ms = now + (int64_t)(calls_of(w) * CHANGES_SHARE * MSEC_PER_SEC / c->mount->options->rps);
	}
	return w && due_ms < tick_ms ? due_ms : tick_ms;
}

/* ---- who has it open ---- */

void changes_opened(struct mount *mount)
{
	struct changes *c = mount->changes;

	changes_lock(c);
	c->readers++;
	/* What others fetched since it was open last. */
	for (size_t i = 0; c->readers == 1 && i < c->count; i++)
		look_locked(c, &c->lists[i]);
	changes_unlock(c);
	timer_wake(mount->timer);
}

void changes_closed(struct mount *mount)
{
	scope_lock(changes, mount->changes);
	mount->changes->readers--;
}

uint64_t changes_first(struct mount *mount)
{
	return trail_first(mount->changes->text);
}

uint64_t changes_end(struct mount *mount)
{
	return trail_end(mount->changes->text);
}

size_t changes_read(struct mount *mount, uint64_t at, char *out, size_t size)
{
	return trail_read(mount->changes->text, at, out, size);
}

/* ---- life ---- */

static void watch_all(struct changes *c) NO_THREAD_SAFETY_ANALYSIS /* nobody else has it yet */
{
	for (const struct kind *const *k = kinds; *k; k++) {
		if (!(*k)->parent && ((*k)->verbs & KIND_LIST) && !((*k)->flags & KIND_SINGLETON) &&
		    !shown_is_left_out(c->mount, *k))
			c->lists[c->count++].kind = *k;
	}
}

struct changes *changes_new(struct mount *mount)
{
	struct changes *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->text = trail_new(0, CHANGES_BYTES_MAX);
	if (!c->text) {
		free(c);
		return NULL;
	}
	lock_init(&c->lock);
	c->mount = mount;
	watch_all(c);
	timer_add(mount->timer, due, c);
	return c;
}

struct changes *changes_free(struct changes *c)
{
	if (!c)
		return NULL;
	changes_lock(c);
	for (size_t i = 0; i < c->count; i++)
		list_unref(c->lists[i].last);
	changes_unlock(c);
	trail_free(c->text);
	lock_destroy(&c->lock);
	free(c);
	return NULL;
}
