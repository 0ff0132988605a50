#include "cache/state.h"

#include <errno.h>

#include "api/base/log.h"
#include "cache/state_private.h"

/* ---- the turn ---- */

static int take_turn(struct state *state, int64_t deadline_ms)
{
	scoped_lock(&state->lock);
	while (state->turn_taken) {
		if (clock_cond_wait(&state->turn_over, &state->lock, deadline_ms) == -ETIMEDOUT && state->turn_taken)
			return -EBUSY;
	}
	state->turn_taken = true;
	return 0;
}

static void end_turn(struct state *state)
{
	scoped_lock(&state->lock);
	state->turn_taken = false;
	pthread_cond_signal(&state->turn_over);
}

static void warn(struct state *state, int r)
{
	bool again;

	pthread_mutex_lock(&state->lock);
	again = state->warned;
	state->warned = true;
	pthread_mutex_unlock(&state->lock);
	if (again)
		return;
	if (r == -EPROTO)
		log_warning("the state file in %s is of a newer version or not ours: nothing is remembered after the unmount",
			    state->dir);
	else
		log_warning("the state file in %s cannot be used (%s): what it should hold is kept in memory", state->dir,
			    errno_name(-r));
}

/* The turn is ours. */
static int open_file(struct state *state, int64_t deadline_ms)
{
	int r;

	if (state->refused || clock_now_ms() < state->retry_ms)
		return -ENOTCONN;
	r = state_file_open(&state->file, state->dir, deadline_ms);
	state->reopen = false;
	if (r == 0)
		return 0;
	state->refused = r == -EPROTO;
	state->retry_ms = clock_after_ms(STATE_REOPEN_MS);
	warn(state, r);
	return r;
}

/* Gets the turn and an open file. -ENOTCONN: there is none, which was told before. */
static int begin(struct state *state)
{
	int64_t deadline = clock_after_ms(STATE_BUSY_MS);
	int r;

	if (!state->dir)
		return -ENOTCONN;
	r = take_turn(state, deadline);
	if (r < 0)
		return r;
	state->file.deadline_ms = deadline;
	if (state->file.db && (state->reopen || state_file_is_gone(&state->file, state->dir)))
		state_file_close(&state->file);
	if (!state->file.db)
		r = open_file(state, deadline);
	if (r < 0)
		end_turn(state);
	return r;
}

/* Gives the turn back; r is what the operation said. */
static void finish(struct state *state, int r)
{
	if (r == -EUCLEAN)
		state->reopen = true;
	end_turn(state);
}

/* ---- what waits in memory ---- */

/* A row that waits for the file, copied; -ENOENT where there is none. The turn is ours. */
static int next_waiting(struct state *state, struct memory_row **ret)
{
	const struct memory_row *row;
	struct memory_row *copy;
	size_t n;

	scoped_lock(&state->lock);
	row = state->rows;
	if (!row)
		return -ENOENT;
	n = row->hh.keylen;
	copy = calloc(1, sizeof(*copy) + n + row->len);
	if (!copy)
		return -ENOMEM;
	memcpy(copy->key, row->key, n);
	copy->name.table = copy->key;
	copy->name.parent = copy->key + (row->name.parent - row->key);
	copy->name.id = copy->key + (row->name.id - row->key);
	copy->value = copy->key + n;
	copy->len = row->len;
	if (row->len)
		memcpy(copy->value, row->value, row->len);
	copy->deleted = row->deleted;
	copy->serial = row->serial;
	*ret = copy;
	return 0;
}

static void forget(struct state *state, const struct row_name *name, uint64_t serial)
{
	struct memory_row *row;

	scoped_lock(&state->lock);
	row = memory_row_find(state, name);
	if (row && (!serial || row->serial == serial))
		memory_row_free(state, row);
}

/* The file works again: what it could not take before goes along. The turn is ours. */
static void flush(struct state *state, size_t max)
{
	int r = 0;

	for (size_t i = 0; i < max && r == 0; i++) {
		cleanup_free_ struct memory_row *row = NULL;

		r = next_waiting(state, &row);
		if (r < 0)
			return;
		if (row->deleted)
			r = state_file_delete(&state->file, state->scope, &row->name);
		else
			r = state_file_set(&state->file, state->scope, &row->name, row->value, row->len);
		if (r == 0)
			forget(state, &row->name, row->serial);
	}
}

/* ---- opening and closing ---- */

struct state *state_open(const char *dir, const char *scope)
{
	struct state *state = calloc(1, sizeof(*state));

	if (!state)
		return NULL;
	pthread_mutex_init(&state->lock, NULL);
	clock_cond_init(&state->turn_over);
	state->scope = strdup(scope);
	state->dir = dir ? strdup(dir) : NULL;
	if (!state->scope || (dir && !state->dir))
		return state_close(state);
	if (begin(state) == 0)
		finish(state, 0);
	return state;
}

struct state *state_close(struct state *state)
{
	struct memory_row *row, *next;

	if (!state)
		return NULL;
	if (state->rows && begin(state) == 0) {
		flush(state, HASH_COUNT(state->rows));
		finish(state, 0);
	}
	state_file_close(&state->file);
	HASH_ITER(hh, state->rows, row, next)
		memory_row_free(state, row);
	pthread_cond_destroy(&state->turn_over);
	pthread_mutex_destroy(&state->lock);
	wipe(state->key, sizeof(state->key));
	free(state->dir);
	free(state->scope);
	free(state);
	return NULL;
}

/* ---- rows ---- */

static struct row_name name_of(const char *table, const char *parent, const char *id)
{
	return (struct row_name){ .table = table, .parent = parent ? parent : "", .id = id };
}

/* Into the file, else into memory. */
static int write_row(struct state *state, const struct row_name *name, const void *value, size_t len, bool deleted)
{
	int r = begin(state);

	if (r == 0) {
		if (deleted)
			r = state_file_delete(&state->file, state->scope, name);
		else
			r = state_file_set(&state->file, state->scope, name, value, len);
		if (r == 0) {
			forget(state, name, 0);
			flush(state, STATE_FLUSH_MAX);
		}
		finish(state, r);
	}
	if (r == 0)
		return 0;
	if (r != -ENOTCONN)
		warn(state, r);
	scoped_lock(&state->lock);
	/* Without a file there is nothing that a row could hide. */
	if (deleted && !state->dir) {
		struct memory_row *row = memory_row_find(state, name);

		if (row)
			memory_row_free(state, row);
		return 0;
	}
	return memory_row_set(state, name, value, len, deleted);
}

int state_set(struct state *state, const char *table, const char *parent, const char *id, const void *value, size_t len)
{
	struct row_name name = name_of(table, parent, id);

	if (len > STATE_VALUE_MAX)
		return -EFBIG;
	return write_row(state, &name, value, len, false);
}

int state_delete(struct state *state, const char *table, const char *parent, const char *id)
{
	struct row_name name = name_of(table, parent, id);

	return write_row(state, &name, NULL, 0, true);
}

/* 1: memory does not know. */
static int get_from_memory(struct state *state, const struct row_name *name, struct buf *ret)
{
	const struct memory_row *row;

	scoped_lock(&state->lock);
	row = memory_row_find(state, name);
	if (!row)
		return 1;
	return row->deleted ? -ENOENT : buf_add(ret, row->value, row->len);
}

int state_get(struct state *state, const char *table, const char *parent, const char *id, struct buf *ret)
{
	struct row_name name = name_of(table, parent, id);
	int r;

	buf_clear(ret);
	r = get_from_memory(state, &name, ret);
	if (r <= 0)
		return r;
	r = begin(state);
	if (r == 0) {
		r = state_file_get(&state->file, state->scope, &name, ret);
		finish(state, r);
	}
	return r == -ENOTCONN ? -ENOENT : r;
}

/* ---- all rows of a parent ---- */

struct found_row {
	char *id;    /* owned */
	char *value; /* owned */
	size_t len;
};

struct found_rows {
	struct found_row *rows; /* owned */
	size_t count, cap;
};

static void found_free(struct found_rows *found)
{
	for (size_t i = 0; i < found->count; i++) {
		free(found->rows[i].id);
		free(found->rows[i].value);
	}
	free(found->rows);
}

static int add_found(void *arg, const char *id, const void *value, size_t len)
{
	struct found_rows *found = arg;
	struct found_row row = { .id = strdup(id), .value = malloc(len + 1), .len = len };

	if (found->count == found->cap && row.id && row.value) {
		size_t cap = found->cap ? found->cap * 2 : 32;
		struct found_row *rows = reallocarray(found->rows, cap, sizeof(*rows));

		if (rows) {
			found->rows = rows;
			found->cap = cap;
		}
	}
	if (!row.id || !row.value || found->count == found->cap) {
		free(row.id);
		free(row.value);
		return -ENOMEM;
	}
	if (len)
		memcpy(row.value, value, len);
	found->rows[found->count++] = row;
	return 0;
}

/* What memory knows better than the file. */
static int add_from_memory(struct state *state, const struct row_name *name, struct found_rows *found)
{
	size_t from_file = found->count;
	struct memory_row *row, *next;
	int r = 0;

	scoped_lock(&state->lock);
	HASH_ITER(hh, state->rows, row, next) {
		if (strcmp(row->name.table, name->table) || strcmp(row->name.parent, name->parent))
			continue;
		for (size_t i = 0; i < from_file; i++) {
			if (found->rows[i].id && !strcmp(found->rows[i].id, row->name.id)) {
				free(found->rows[i].id);
				found->rows[i].id = NULL;
			}
		}
		if (!row->deleted)
			r = add_found(found, row->name.id, row->value, row->len);
		if (r < 0)
			return r;
	}
	return 0;
}

int state_each(struct state *state, const char *table, const char *parent,
	       int (*each)(void *arg, const char *id, const void *value, size_t len), void *arg)
{
	cleanup_(found_free) struct found_rows found = { 0 };
	struct row_name name = name_of(table, parent, NULL);
	int r = begin(state);

	/* Collected first: the callback may use the state itself. */
	if (r == 0) {
		r = state_file_each(&state->file, state->scope, &name, add_found, &found);
		finish(state, r);
	}
	if (r < 0 && r != -ENOTCONN)
		return r;
	r = add_from_memory(state, &name, &found);
	for (size_t i = 0; i < found.count && r == 0; i++) {
		if (found.rows[i].id)
			r = each(arg, found.rows[i].id, found.rows[i].value, found.rows[i].len);
	}
	return r;
}

int state_key(struct state *state, uint8_t ret_key[32])
{
	uint8_t key[STATE_KEY_BYTES];
	bool known;
	int r;

	pthread_mutex_lock(&state->lock);
	known = state->has_key;
	pthread_mutex_unlock(&state->lock);
	rand_bytes(key, sizeof(key));
	r = known ? -ENOTCONN : begin(state);
	if (r == 0) {
		r = state_file_key(&state->file, key);
		finish(state, r);
	}
	scoped_lock(&state->lock);
	/* Without a file, or where it does not answer now: a key for the life of the mount. */
	if (!state->has_key)
		memcpy(state->key, key, sizeof(key));
	state->has_key = true;
	memcpy(ret_key, state->key, sizeof(key));
	wipe(key, sizeof(key));
	return 0;
}
