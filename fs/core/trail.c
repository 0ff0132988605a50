#include "fs/core/trail.h"

#include <errno.h>

#include "api/base/lock.h"
#include "cache/textlog.h"

/* The bytes are what is bounded: a line is a few dozen of them at least. */
#define LINE_LEAST ((size_t)4)

DECLARE_LOCK(trail);
struct trail {
	struct lock lock;
	struct textlog text GUARDED_BY(trail_locked);
	size_t max; /* fixed */
};
DEFINE_LOCK(trail, struct trail, lock)

struct trail *trail_new(size_t lines_max, size_t bytes_max)
{
	struct trail *trail = calloc(1, sizeof(*trail));

	if (!trail)
		return NULL;
	lock_init(&trail->lock);
	trail->max = bytes_max;
	scope_lock(trail, trail);
	textlog_init(&trail->text, lines_max ? lines_max : bytes_max / LINE_LEAST, bytes_max);
	return trail;
}

struct trail *trail_free(struct trail *trail)
{
	if (!trail)
		return NULL;
	trail_lock(trail);
	textlog_clear(&trail->text);
	trail_unlock(trail);
	lock_destroy(&trail->lock);
	free(trail);
	return NULL;
}

int trail_add(struct trail *trail, const char *text, size_t len)
{
	if (len > trail->max)
		return -EFBIG;
	scope_lock(trail, trail);
	return textlog_add(&trail->text, text, len);
}

uint64_t trail_first(struct trail *trail)
{
	scope_lock(trail, trail);
	return textlog_first(&trail->text);
}

uint64_t trail_end(struct trail *trail)
{
	scope_lock(trail, trail);
	return textlog_end(&trail->text);
}

size_t trail_read(struct trail *trail, uint64_t at, char *out, size_t size)
{
	scope_lock(trail, trail);
	return textlog_read(&trail->text, at, out, size);
}

int trail_all(struct trail *trail, struct buf *out)
{
	scope_lock(trail, trail);
	return textlog_all(&trail->text, out);
}
