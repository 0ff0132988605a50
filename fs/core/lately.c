#include "fs/core/lately.h"

#include <json-c/json.h>

#include "api/base/clock.h"
#include "api/base/lock.h"

DECLARE_LOCK(lately);
struct lately {
	struct lock lock;
	struct lately_one ring[LATELY_MAX] GUARDED_BY(lately_locked);
	size_t next GUARDED_BY(lately_locked); /* the oldest, or a free one */
};
DEFINE_LOCK(lately, struct lately, lock)

struct lately *lately_new(void)
{
	struct lately *lately = calloc(1, sizeof(*lately));

	if (lately)
		lock_init(&lately->lock);
	return lately;
}

static void clear(struct lately_one *one)
{
	free(one->id);
	free(one->parent_id);
	free(one->name);
	json_object_put(one->claims);
	body_unref(one->body);
	*one = (struct lately_one){ 0 };
}

struct lately *lately_free(struct lately *lately)
{
	if (!lately)
		return NULL;
	lately_lock(lately);
	for (size_t i = 0; i < LATELY_MAX; i++)
		clear(&lately->ring[i]);
	lately_unlock(lately);
	lock_destroy(&lately->lock);
	free(lately);
	return NULL;
}

void lately_note(struct lately *lately, struct lately_one *one)
{
	one->at_ms = clock_now_ms();
	if (!one->kind || !one->id) {
		clear(one);
		return;
	}
	scope_lock(lately, lately);
	for (size_t i = 0; i < LATELY_MAX; i++) {
		if (lately->ring[i].kind == one->kind && !strcmp(lately->ring[i].id, one->id))
			clear(&lately->ring[i]);
	}
	clear(&lately->ring[lately->next]);
	lately->ring[lately->next] = *one;
	lately->next = (lately->next + 1) % LATELY_MAX;
	*one = (struct lately_one){ 0 };
}

bool lately_find(struct lately *lately, const struct kind *kind, bool (*look)(struct lately_one *one, void *arg), void *arg)
{
	scope_lock(lately, lately);
	for (size_t i = LATELY_MAX; i > 0; i--) {
		struct lately_one *one = &lately->ring[(lately->next + i - 1) % LATELY_MAX];

		if (one->kind == kind && look(one, arg))
			return true;
	}
	return false;
}
