#include "fs/core/events.h"

#include <errno.h>

#include "api/base/lock.h"
#include "api/base/rand.h"
#include "fs/core/hash.h"

struct line {
	UT_hash_handle hh;
	uint64_t hash;
};

struct published {
	UT_hash_handle hh;  /* in the order of use */
	struct line *lines; /* owned */
	struct buf text;
	char key[];
};

DECLARE_LOCK(events);
struct events_table {
	struct lock lock;
	struct published *files GUARDED_BY(events_locked); /* owned */
};
DEFINE_LOCK(events, struct events_table, lock)

struct events_table *events_new(void)
{
	struct events_table *t = calloc(1, sizeof(*t));

	if (t)
		lock_init(&t->lock);
	return t;
}

static void published_free(struct published *p)
{
	struct line *line, *next;

	HASH_ITER(hh, p->lines, line, next) {
		HASH_DEL(p->lines, line);
		free(line);
	}
	buf_free(&p->text);
	free(p);
}

static void drop_locked(struct events_table *t, struct published *p) REQUIRES(events_locked)
{
	events_assert_locked(t);
	HASH_DEL(t->files, p);
	published_free(p);
}

struct events_table *events_free(struct events_table *t)
{
	if (!t)
		return NULL;
	events_lock(t);
	while (t->files)
		drop_locked(t, t->files);
	events_unlock(t);
	lock_destroy(&t->lock);
	free(t);
	return NULL;
}

static struct published *obtain_locked(struct events_table *t, const char *key) REQUIRES(events_locked)
{
	struct published *p;
	size_t n = strlen(key) + 1;

	events_assert_locked(t);
	HASH_FIND_STR(t->files, key, p);
	if (p && !p->hh.next)
		return p;
	if (p) {
		HASH_DEL(t->files, p);
	} else {
		p = calloc(1, sizeof(*p) + n);
		if (!p)
			return NULL;
		memcpy(p->key, key, n);
		p->text.max = EVENTS_BYTES_MAX;
	}
	HASH_ADD_STR(t->files, key, p);
	if (!p->hh.tbl) {
		published_free(p);
		return NULL;
	}
	while (HASH_COUNT(t->files) > EVENTS_FILES_MAX && t->files != p)
		drop_locked(t, t->files);
	return p;
}

static int add_line(struct published *p, const char *text, size_t len)
{
	uint64_t hash = hash64(text, len);
	struct line *line;
	int r;

	HASH_FIND(hh, p->lines, &hash, sizeof(hash), line);
	if (line)
		return 0;
	line = calloc(1, sizeof(*line));
	if (!line)
		return -ENOMEM;
	line->hash = hash;
	HASH_ADD(hh, p->lines, hash, sizeof(line->hash), line);
	if (!line->hh.tbl) {
		free(line);
		return -ENOMEM;
	}
	r = buf_add(&p->text, text, len);
	if (r < 0) {
		HASH_DEL(p->lines, line);
		free(line);
	}
	return r;
}

void events_forget(struct events_table *t, const char *key)
{
	struct published *p;

	scope_lock(events, t);
	HASH_FIND_STR(t->files, key, p);
	if (p)
		drop_locked(t, p);
}

int events_publish(struct events_table *t, const char *key, const struct buf *lines, struct body **ret)
{
	struct published *p;
	int r = 0;

	scope_lock(events, t);
	p = obtain_locked(t, key);
	if (!p)
		return -ENOMEM;
	for (size_t at = 0; r == 0 && at < lines->len;) {
		const char *end = memchr(lines->data + at, '\n', lines->len - at);
		size_t n = end ? (size_t)(end - lines->data) + 1 - at : lines->len - at;

		r = add_line(p, lines->data + at, n);
		at += n;
	}
	/* A file that is full stays as it is. */
	if (r < 0 && r != -EFBIG)
		return r;
	*ret = body_new(p->text.len ? p->text.data : "", p->text.len);
	return *ret ? 0 : -ENOMEM;
}
