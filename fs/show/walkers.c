#include "fs/show/walkers.h"

#include "api/base/lock.h"
#include "api/base/rand.h"

struct walk {
	pid_t thread; /* 0: free */
	uint64_t dir; /* hash64 of what it is called */
	uint64_t names;
};

DECLARE_LOCK(walkers);

struct walkers {
	struct lock lock;
	struct walk walks[WALKERS_MAX] GUARDED_BY(walkers_locked); /* a ring */
	size_t next GUARDED_BY(walkers_locked);
};
DEFINE_LOCK(walkers, struct walkers, lock)

struct walkers *walkers_new(void)
{
	struct walkers *w = calloc(1, sizeof(*w));

	if (w)
		lock_init(&w->lock);
	return w;
}

struct walkers *walkers_free(struct walkers *w)
{
	if (!w)
		return NULL;
	lock_destroy(&w->lock);
	free(w);
	return NULL;
}

static struct walk *find_locked(struct walkers *w, pid_t thread, uint64_t dir) REQUIRES(walkers_locked);
static struct walk *find_locked(struct walkers *w, pid_t thread, uint64_t dir)
{
	walkers_assert_locked(w);
	for (size_t i = 0; i < WALKERS_MAX; i++) {
		if (w->walks[i].thread == thread && w->walks[i].dir == dir)
			return &w->walks[i];
	}
	return NULL;
}

void walkers_listed(struct walkers *w, pid_t thread, const char *dir, uint64_t names)
{
	uint64_t hash = hash64(dir, strlen(dir));
	struct walk *walk;

	if (thread <= 0)
		return;
	scope_lock(walkers, w);
	walk = find_locked(w, thread, hash);
	if (!walk && !names)
		return;
	if (!walk)
		walk = &w->walks[w->next++ % WALKERS_MAX];
	*walk = (struct walk){ .thread = thread, .dir = hash, .names = names };
}

bool walkers_has(struct walkers *w, pid_t thread, const char *dir, unsigned name)
{
	const struct walk *walk;

	if (thread <= 0)
		return false;
	scope_lock(walkers, w);
	walk = find_locked(w, thread, hash64(dir, strlen(dir)));
	return walk && walk->names >> name & 1;
}
