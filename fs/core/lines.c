#include "fs/core/lines.h"

#include "api/base/lock.h"

DECLARE_LOCK(lines);
struct lines {
	struct lock lock;
	struct buf text GUARDED_BY(lines_locked);
	uint64_t first GUARDED_BY(lines_locked); /* the offset of text */
};
DEFINE_LOCK(lines, struct lines, lock)

struct lines *lines_new(void)
{
	struct lines *lines = calloc(1, sizeof(*lines));

	if (lines)
		lock_init(&lines->lock);
	return lines;
}

static void clear(struct lines *lines) NO_THREAD_SAFETY_ANALYSIS
{
	buf_free(&lines->text);
}

struct lines *lines_free(struct lines *lines)
{
	if (!lines)
		return NULL;
	/* Nobody else has it any more. */
	clear(lines);
	lock_destroy(&lines->lock);
	free(lines);
	return NULL;
}

/* The oldest whole lines go, so that what is left fits. */
static void trim_locked(struct lines *lines) REQUIRES(lines_locked)
{
	size_t cut = lines->text.len > LINES_BYTES ? lines->text.len - LINES_BYTES : 0;
	char *end = cut ? memchr(lines->text.data + cut, '\n', lines->text.len - cut) : NULL;

	lines_assert_locked(lines);
	if (!end)
		return;
	cut = (size_t)(end + 1 - lines->text.data);
	memmove(lines->text.data, lines->text.data + cut, lines->text.len - cut);
	buf_resize(&lines->text, lines->text.len - cut);
	lines->first += cut;
}

int lines_add(struct lines *lines, const char *text, size_t len)
{
	int r;

	scope_lock(lines, lines);
	r = buf_add(&lines->text, text, len);
	if (r == 0 && lines->text.len > 2 * LINES_BYTES)
		trim_locked(lines);
	return r;
}

uint64_t lines_first(struct lines *lines)
{
	scope_lock(lines, lines);
	return lines->first;
}

uint64_t lines_end(struct lines *lines)
{
	scope_lock(lines, lines);
	return lines->first + lines->text.len;
}

size_t lines_read(struct lines *lines, uint64_t at, char *out, size_t size)
{
	size_t gone, n;

	scope_lock(lines, lines);
	gone = at < lines->first ? (size_t)(lines->first - at) : 0;
	if (gone >= size) {
		memset(out, '\n', size);
		return size;
	}
	memset(out, '\n', gone);
	at += gone;
	n = at - lines->first < lines->text.len ? lines->text.len - (size_t)(at - lines->first) : 0;
	n = n < size - gone ? n : size - gone;
	if (n)
		memcpy(out + gone, lines->text.data + (at - lines->first), n);
	return gone + n;
}

int lines_copy(struct lines *lines, struct buf *out)
{
	scope_lock(lines, lines);
	return lines->text.len ? buf_add(out, lines->text.data, lines->text.len) : 0;
}
