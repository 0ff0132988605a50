#include "fs/core/undo.h"

#include <errno.h>

#include "api/base/clock.h"
#include "api/base/parse.h"
#include "cache/state.h"
#include "fs/core/below.h"

/* How long a delete waits for the disk. */
#define KEEP_MS STATE_BUSY_MS

/* ---- bounds ---- */

struct census {
	size_t count, bytes;
	char *oldest; /* owned; its path */
	size_t oldest_bytes;
};

static int count_row(void *arg, const char *id, const void *value, size_t len)
{
	struct census *c = arg;

	(void)value;
	if (!c->count++) {
		c->oldest = strdup(id);
		c->oldest_bytes = len;
	}
	c->bytes += len;
	return c->oldest ? 0 : -ENOMEM;
}

static void make_place(struct state *state, size_t len)
{
	bool full = true;

	while (full) {
		struct census c = { 0 };

		full = state_each(state, UNDO_TABLE, NULL, count_row, &c) == 0 && c.count &&
		       (c.count >= UNDO_MAX || c.bytes + len > UNDO_BYTES_MAX);
		if (full)
			state_delete(state, UNDO_TABLE, NULL, c.oldest);
		free(c.oldest);
	}
}

/* ---- rows: the time, a newline, the document ---- */

static int make_value(int64_t time_ns, const char *text, size_t len, struct buf *ret)
{
	int r = buf_addf(ret, "%lld\n", (long long)time_ns);

	return r < 0 ? r : buf_add(ret, text, len);
}

int undo_keep(struct state *state, const char *path, const char *text, size_t len)
{
	cleanup_buf_ struct buf value = BUF_INIT;
	struct state_row row = { .table = UNDO_TABLE, .id = path };
	int r = make_value(clock_wall_ns(), text, len, &value);

	if (r < 0)
		return r;
	/* The newest of all stands last. */
	state_delete(state, UNDO_TABLE, NULL, path);
	make_place(state, value.len);
	row.value = value.data;
	row.len = value.len;
	return state_set_durable(state, &row, NULL, clock_after_ms(KEEP_MS));
}

int undo_get(struct state *state, const char *path, struct buf *ret, int64_t *ret_time_ns)
{
	cleanup_buf_ struct buf value = BUF_INIT;
	int r = state_get(state, UNDO_TABLE, NULL, path, &value);
	int64_t time_ns;
	char *newline;

	if (r < 0)
		return r;
	newline = value.data ? memchr(value.data, '\n', value.len) : NULL;
	if (!newline)
		return -ENOENT;
	*newline++ = '\0';
	if (parse_int64(value.data, 0, INT64_MAX, &time_ns) < 0)
		return -ENOENT;
	if (ret_time_ns)
		*ret_time_ns = time_ns;
	return buf_add(ret, newline, value.len - (size_t)(newline - value.data));
}

void undo_forget(struct state *state, const char *path, const struct buf *earlier, int64_t earlier_ns)
{
	cleanup_buf_ struct buf value = BUF_INIT;

	if (earlier && make_value(earlier_ns, earlier->data ? earlier->data : "", earlier->len, &value) == 0)
		state_set(state, UNDO_TABLE, NULL, path, value.data, value.len);
	else
		state_delete(state, UNDO_TABLE, NULL, path);
}

/* ---- listing ---- */

struct listing {
	struct below below;
	const char *dir; /* borrowed */
};

static int list_row(void *arg, const char *id, const void *value, size_t len)
{
	struct listing *l = arg;

	(void)value, (void)len;
	return below_add(&l->below, id, l->dir);
}

int undo_each(struct state *state, const char *dir, int (*each)(void *arg, const char *name, bool is_dir), void *arg)
{
	struct listing l = { .dir = dir };
	int r = state_each(state, UNDO_TABLE, NULL, list_row, &l);

	if (r == 0)
		r = below_each(&l.below, each, arg);
	below_clear(&l.below);
	return r;
}
