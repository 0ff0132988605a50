#include "fs/core/trail.h"

#include <errno.h>
#include <string.h>

#include "api/base/buf.h"
#include "api/base/lock.h"

DECLARE_LOCK(trail);
struct trail {
	struct lock lock;
	struct buf kept GUARDED_BY(trail_locked); /* begins with a line */
	uint64_t first GUARDED_BY(trail_locked);  /* bytes ever added before it */
	size_t max;                               /* fixed */
};
DEFINE_LOCK(trail, struct trail, lock)

struct trail *trail_new(size_t max)
{
	struct trail *trail = calloc(1, sizeof(*trail));

	if (!trail)
		return NULL;
	lock_init(&trail->lock);
	trail->max = max;
	return trail;
}

struct trail *trail_free(struct trail *trail)
{
	if (!trail)
		return NULL;
	trail_lock(trail);
	buf_free(&trail->kept);
	trail_unlock(trail);
	lock_destroy(&trail->lock);
	free(trail);
	return NULL;
}

/* At least so many bytes of the oldest lines go. */
static void cut_locked(struct trail *trail, size_t least) REQUIRES(trail_locked)
{
	struct buf *kept = &trail->kept;
	const char *newline = least && least <= kept->len ? memchr(kept->data + least - 1, '\n', kept->len - least + 1) : NULL;
	size_t gone = newline ? (size_t)(newline - kept->data) + 1 : kept->len;

	trail_assert_locked(trail);
	memmove(kept->data, kept->data + gone, kept->len - gone);
	trail->first += gone;
	(void)buf_resize(kept, kept->len - gone);
}

int trail_add(struct trail *trail, const char *text, size_t len)
{
	if (len > trail->max / 2)
		return -EFBIG;
	scope_lock(trail, trail);
	if (trail->kept.len + len > trail->max)
		cut_locked(trail, trail->max / 4 + len);
	return buf_add(&trail->kept, text, len);
}

uint64_t trail_first(struct trail *trail)
{
	scope_lock(trail, trail);
	return trail->first;
}

uint64_t trail_end(struct trail *trail)
{
	scope_lock(trail, trail);
	return trail->first + trail->kept.len;
}

size_t trail_read(struct trail *trail, uint64_t at, char *out, size_t size)
{
	uint64_t end;
	size_t blank = 0;

	scope_lock(trail, trail);
	end = trail->first + trail->kept.len;
	if (at >= end)
		return 0;
	if (size > end - at)
		size = (size_t)(end - at);
	if (at < trail->first) {
		blank = trail->first - at < size ? (size_t)(trail->first - at) : size;
		memset(out, '\n', blank);
	}
	memcpy(out + blank, trail->kept.data + (at + blank - trail->first), size - blank);
	return size;
}
