#include "fs/show/crawl.h"

#include "api/base/clock.h"
#include "api/base/lock.h"
#include "api/base/rand.h"
#include "fs/show/offers.h"
#include "fs/show/shown.h"
#include "fs/show/source.h"

struct crawler {
	pid_t thread; /* 0: free */
	int64_t moved_ms;
	const struct kind *first; /* the first collection that it opened; NULL: none yet */
};

DECLARE_LOCK(crawl);
struct crawl {
	struct lock lock; /* nothing is called under it */
	struct crawler crawlers[CRAWL_MAX] GUARDED_BY(crawl_locked);
	uint64_t rollout_of GUARDED_BY(crawl_locked); /* a hash of the resource whose rollout was asked for last */
	int64_t rollout_ms GUARDED_BY(crawl_locked), ahead_ms GUARDED_BY(crawl_locked);
};
DEFINE_LOCK(crawl, struct crawl, lock)

struct crawl *crawl_new(void)
{
	struct crawl *crawl = calloc(1, sizeof(*crawl));

	if (crawl)
		lock_init(&crawl->lock);
	return crawl;
}

struct crawl *crawl_free(struct crawl *crawl)
{
	if (!crawl)
		return NULL;
	lock_destroy(&crawl->lock);
	free(crawl);
	return NULL;
}

/* The thread's place; without one, the place of the one that moved least recently. */
static struct crawler *find_locked(struct crawl *crawl, pid_t thread) REQUIRES(crawl_locked)
{
	struct crawler *oldest = &crawl->crawlers[0];

	crawl_assert_locked(crawl);
	for (size_t i = 0; i < CRAWL_MAX; i++) {
		struct crawler *c = &crawl->crawlers[i];

		if (c->thread == thread)
			return c;
		if (c->moved_ms < oldest->moved_ms)
			oldest = c;
	}
	return oldest;
}

void crawl_at_root(struct crawl *crawl, pid_t thread)
{
	if (!thread)
		return;
	scope_lock(crawl, crawl);
	*find_locked(crawl, thread) = (struct crawler){ .thread = thread, .moved_ms = clock_now_ms() };
}

bool crawl_at_collection(struct crawl *crawl, pid_t thread, const struct kind *kind)
{
	struct crawler *c;
	bool idle;

	if (!thread)
		return false;
	scope_lock(crawl, crawl);
	c = find_locked(crawl, thread);
	if (c->thread != thread || c->first == kind)
		return false;
	idle = clock_now_ms() - c->moved_ms > CRAWL_IDLE_MS;
	if (!idle && !c->first) {
		c->first = kind;
		c->moved_ms = clock_now_ms();
		return false;
	}
	/* Noticed, or too slow for a crawl: from here on it is a process as any other. */
	*c = (struct crawler){ 0 };
	return !idle;
}

bool crawl_at_rollout(struct crawl *crawl, const char *of)
{
	int64_t now = clock_now_ms();
	uint64_t hash = hash64(of, strlen(of));
	bool next;

	scope_lock(crawl, crawl);
	next = crawl->rollout_ms && crawl->rollout_of != hash && now - crawl->rollout_ms < CRAWL_ROLLOUT_MS &&
	       (!crawl->ahead_ms || now - crawl->ahead_ms >= CRAWL_ROLLOUT_MS);
	crawl->rollout_of = hash;
	crawl->rollout_ms = now;
	if (next)
		crawl->ahead_ms = now;
	return next;
}

/* Of those parts that a walk asks for: even a listing does, where it is not known whether they are offered; and in the view that is made
   for tools, all that look into files do. */
static void fetch_parts(struct mount *mount, const struct kind *kind)
{
	for (const struct part *p = kind->parts; p && p->name; p++) {
		const struct operation *get = operation_find("GET", p->path);
		enum offer offer = offers_of(mount->offers, get);

		if (shown_part(mount, p) && get && get->source != SOURCE_OFFICIAL &&
		    (offer == OFFER_UNKNOWN || (offer == OFFER_OFFERED && mount->options->view == VIEW_SPEC)))
			source_prefetch_part(mount, p);
	}
}

void crawl_fetch_rest(struct mount *mount)
{
	for (const struct kind *const *k = kinds; *k; k++) {
		const struct operation *list = operation_of(*k, KIND_LIST);

		/* Two that look for their prefix side by side would both learn what one learns for the other. */
		if (!(*k)->parent && list && shown_kind(mount, *k) && !offers_is_probe(mount->offers, list) &&
		    offers_of(mount->offers, list) != OFFER_ABSENT)
			source_prefetch(mount, *k);
		if (shown_kind(mount, *k))
			fetch_parts(mount, *k);
	}
}
