#include "cache/state.h"

#include <errno.h>

#include <utlist.h>

#include "api/base/log.h"
#include "cache/state_private.h"

/* Beyond STATE_BUSY_MS, for a file system that hangs. */
#define HANG_MS 3000

/* ---- waiting for the thread ---- */

/* Waits until the thread has written what was changed so far, and, unless that is enough (kept), has it on the disk and has looked at
   the file. */
static int wait_for_thread(struct state *state, bool kept, struct waiter *waiter, int64_t deadline_ms)
{
	struct state_wait wait = { .waiter = waiter, .kept = kept };
	int waited = 0, r;

	if (!state->has_thread)
		return -ENOTCONN;
	state_lock(state);
	wait.serial = state->rows.last_serial;
	wait.look = kept ? 0 : ++state->looks_wanted;
	DL_APPEND(state->waits, &wait);
	state_unlock(state);
	state_thread_kick(state);
	state_lock(state);
	while (!wait.done && waited == 0) {
		state_unlock(state);
		waited = waiter_wait(waiter, deadline_ms, false);
		state_lock(state);
	}
	DL_DELETE(state->waits, &wait);
	r = wait.done ? wait.result : waited;
	state_unlock(state);
	/* A wake that came too late must not end this thread's next wait. */
	waiter_wait(waiter, 0, true);
	return r;
}

static int wait_with(struct state *state, bool kept, struct waiter *waiter, int64_t deadline_ms)
{
	struct waiter own;
	int r;

	if (waiter)
		return wait_for_thread(state, kept, waiter, deadline_ms);
	r = waiter_init(&own);
	if (r < 0)
		return r;
	r = wait_for_thread(state, kept, &own, deadline_ms);
	waiter_destroy(&own);
	return r;
}

int state_flush(struct state *state, struct waiter *waiter, int64_t deadline_ms)
{
	return wait_with(state, false, waiter, deadline_ms);
}

int state_set_durable(struct state *state, const struct state_row *row, struct waiter *waiter, int64_t deadline_ms)
{
	int r = state_set(state, row->table, row->parent, row->id, row->value, row->len);

	return r < 0 ? r : state_flush(state, waiter, deadline_ms);
}

int state_set_kept(struct state *state, const struct state_row *row, struct waiter *waiter, int64_t deadline_ms)
{
	int r = state_set(state, row->table, row->parent, row->id, row->value, row->len);

	return r < 0 ? r : wait_with(state, true, waiter, deadline_ms);
}

/* ---- opening and closing ---- */

static void start(struct state *state)
{
	int r = state_thread_start(state);

	if (r == 0) {
		/* Whatever it says was logged: the rows in memory do. */
		state_flush(state, NULL, clock_after_ms(STATE_BUSY_MS));
		return;
	}
	log_warning("no thread could be had for the state file (%s): nothing is remembered after the unmount", errno_name(-r));
	scope_lock(state, state);
	err_set(&state->problem, -r, "no thread could be had for it");
}

struct state *state_open(const char *dir, const char *scope)
{
	struct state *state = calloc(1, sizeof(*state));

	if (!state)
		return NULL;
	lock_init(&state->lock);
	clock_cond_init(&state->thread_over);
	state->kick_fd = -1;
	textlog_init(&state->history.lines, STATE_HISTORY_MAX, STATE_HISTORY_BYTES_MAX);
	state->scope = strdup(scope);
	state->dir = dir ? strdup(dir) : NULL;
	if (!state->scope || (dir && !state->dir))
		return state_close(state);
	if (dir)
		start(state);
	if (state->has_thread)
		return state;
	state_lock(state);
	rows_stay_locked(state);
	state_unlock(state);
	return state;
}

static void free_rows(struct state *state)
{
	scope_lock(state, state);
	rows_free_locked(state);
	history_free_locked(state);
	wipe(state->key, sizeof(state->key));
	(void)invariant(!state->waits);
}

struct state *state_close(struct state *state)
{
	if (!state)
		return NULL;
	if (state_thread_end(state, clock_after_ms(STATE_BUSY_MS + HANG_MS)) < 0) {
		/* It still uses what would be freed. */
		log_error("the state file in %s does not answer: what was set last may not be remembered", state->dir);
		return NULL;
	}
	free_rows(state);
	closep(&state->kick_fd);
	pthread_cond_destroy(&state->thread_over);
	lock_destroy(&state->lock);
	free(state->dir);
	free(state->scope);
	free(state);
	return NULL;
}

int state_check(struct state *state, struct err *err)
{
	if (!state->dir)
		return err_set(err, ENOTCONN, "there is no state_dir: nothing is remembered after the unmount");
	scope_lock(state, state);
	if (state->problem.errnum && err)
		*err = state->problem;
	return -state->problem.errnum;
}

/* ---- rows ---- */

static struct row_name name_of(const char *table, const char *parent, const char *id)
{
	return (struct row_name){ .table = table, .parent = parent ? parent : "", .id = id };
}

int state_set(struct state *state, const char *table, const char *parent, const char *id, const void *value, size_t len)
{
	struct row_name name = name_of(table, parent, id);
	bool tell;
	int r;

	if (len > STATE_VALUE_MAX)
		return -EFBIG;
	state_lock(state);
	tell = rows_to_tell_locked(state, &name, value ? value : "", len);
	r = rows_set_locked(state, &name, value, len);
	state_unlock(state);
	if (r == 0)
		state_thread_kick(state);
	if (r == 0 && tell)
		rows_tell(state, &name, value ? value : "", len);
	return r;
}

int state_delete(struct state *state, const char *table, const char *parent, const char *id)
{
	struct row_name name = name_of(table, parent, id);
	bool tell;
	int r;

	state_lock(state);
	tell = rows_to_tell_locked(state, &name, NULL, 0);
	r = rows_delete_locked(state, &name);
	state_unlock(state);
	if (r == 0)
		state_thread_kick(state);
	if (r == 0 && tell)
		rows_tell(state, &name, NULL, 0);
	return r;
}

bool state_look_is_due_locked(struct state *state)
{
	int64_t now = clock_now_ms();

	state_assert_locked(state);
	if (!state->has_thread || now < state->looked_ms + STATE_LOOK_MS)
		return false;
	state->looked_ms = now;
	return true;
}

int state_get(struct state *state, const char *table, const char *parent, const char *id, struct buf *ret)
{
	struct row_name name = name_of(table, parent, id);
	const struct row *row;
	bool kick;
	int r;

	buf_clear(ret);
	state_lock(state);
	row = rows_find_locked(state, &name);
	r = row ? buf_add(ret, row->value->data, row->value->len) : -ENOENT;
	kick = state_look_is_due_locked(state);
	state_unlock(state);
	if (kick)
		state_thread_kick(state);
	return r;
}

/* ---- all rows of a parent ---- */

struct found_row {
	char *id;                /* owned */
	struct row_value *value; /* owned reference */
};

struct found_rows {
	struct found_row *rows; /* owned */
	size_t count;
};

static void found_free(struct found_rows *found)
{
	for (size_t i = 0; i < found->count; i++) {
		free(found->rows[i].id);
		row_value_unref(found->rows[i].value);
	}
	free(found->rows);
}

static int collect(struct state *state, const char *table, const char *parent, struct found_rows *found)
{
	const struct row_group *group;
	struct row *row;
	size_t count;

	scope_lock(state, state);
	group = rows_group_locked(state, table, parent);
	if (!group)
		return 0;
	DL_COUNT(group->rows, row, count);
	found->rows = calloc(count, sizeof(*found->rows));
	if (!found->rows)
		return -ENOMEM;
	DL_FOREACH(group->rows, row) {
		struct found_row *to = &found->rows[found->count];

		if (row->deleted)
			continue;
		to->id = strdup(row->name.id);
		if (!to->id)
			return -ENOMEM;
		to->value = row_value_ref(row->value);
		found->count++;
	}
	return 0;
}

int state_each(struct state *state, const char *table, const char *parent,
	       int (*each)(void *arg, const char *id, const void *value, size_t len), void *arg)
{
	cleanup_(found_free) struct found_rows found = { 0 };
	/* Collected first: the callback may use the state itself. */
	int r = collect(state, table, parent ? parent : "", &found);

	for (size_t i = 0; i < found.count && r == 0; i++)
		r = each(arg, found.rows[i].id, found.rows[i].value->data, found.rows[i].value->len);
	return r;
}

int state_key(struct state *state, uint8_t ret_key[32])
{
	scope_lock(state, state);
	/* Without a file, or where it does not answer now: a key for the life of the mount, and the file's if it has none then. */
	if (!state->has_key)
		rand_bytes(state->key, sizeof(state->key));
	state->has_key = true;
	memcpy(ret_key, state->key, sizeof(state->key));
	return 0;
}
