/* The history: what is shown of it, and what the file does not have yet. */
#include <errno.h>

#include <utlist.h>

#include "cache/state_private.h"

/* ---- what waits for the file ---- */

struct history_line *history_line_free(struct history_line *lines)
{
	struct history_line *line, *next;

	DL_FOREACH_SAFE(lines, line, next)
		free(line);
	return NULL;
}

static void count_locked(struct history *history, const struct history_line *line, bool more)
{
	history->waiting_count += more ? 1 : (size_t)-1;
	history->waiting_bytes += more ? line->len : (size_t)0 - line->len;
}

/* As much waits as is kept: a file that cannot be written costs no more. */
static void trim_locked(struct history *history)
{
	while (history->waiting &&
	       (history->waiting_count > history->lines.count_max || history->waiting_bytes > history->lines.bytes_max)) {
		struct history_line *line = history->waiting;

		count_locked(history, line, false);
		DL_DELETE(history->waiting, line);
		free(line);
	}
}

static int queue_locked(struct history *history, const char *text, size_t len)
{
	struct history_line *line = malloc(sizeof(*line) + len);

	if (!line)
		return -ENOMEM;
	line->len = len;
	memcpy(line->text, text, len);
	DL_APPEND(history->waiting, line);
	count_locked(history, line, true);
	trim_locked(history);
	return 0;
}

struct history_line *history_take_locked(struct state *state)
{
	struct history_line *taken = state->history.waiting;

	state_assert_locked(state);
	state->history.waiting = NULL;
	state->history.waiting_count = state->history.waiting_bytes = 0;
	return taken;
}

void history_put_back_locked(struct state *state, struct history_line *taken)
{
	struct history *history = &state->history;
	struct history_line *line;

	state_assert_locked(state);
	DL_FOREACH(taken, line)
		count_locked(history, line, true);
	DL_CONCAT(taken, history->waiting);
	history->waiting = taken;
	trim_locked(history);
}

static int queue_line(void *arg, const char *text, size_t len)
{
	return queue_locked(arg, text, len);
}

void history_again_locked(struct state *state)
{
	struct history *history = &state->history;

	state_assert_locked(state);
	history_line_free(history_take_locked(state));
	/* Without memory the file lacks some; they are still shown. */
	(void)textlog_each(&history->lines, queue_line, history);
}

void history_free_locked(struct state *state)
{
	state_assert_locked(state);
	history_line_free(history_take_locked(state));
	textlog_clear(&state->history.lines);
}

/* ---- callers ---- */

void state_history_limit(struct state *state, size_t lines)
{
	scope_lock(state, state);
	textlog_limit(&state->history.lines, lines);
}

int state_history_add(struct state *state, const char *text, size_t len)
{
	struct history *history = &state->history;
	int r = 0;

	state_lock(state);
	if (history->lines.count_max)
		r = textlog_add(&history->lines, text, len);
	if (r == 0 && history->lines.count_max && state->dir)
		r = queue_locked(history, text, len);
	state_unlock(state);
	state_thread_kick(state);
	return r;
}

uint64_t state_history_first(struct state *state)
{
	scope_lock(state, state);
	return textlog_first(&state->history.lines);
}

uint64_t state_history_end(struct state *state)
{
	uint64_t end;
	bool kick;

	state_lock(state);
	end = textlog_end(&state->history.lines);
	kick = state_look_is_due_locked(state);
	state_unlock(state);
	if (kick)
		state_thread_kick(state);
	return end;
}

size_t state_history_read(struct state *state, uint64_t at, char *out, size_t size)
{
	scope_lock(state, state);
	return textlog_read(&state->history.lines, at, out, size);
}

int state_history_all(struct state *state, struct buf *out)
{
	scope_lock(state, state);
	return textlog_all(&state->history.lines, out);
}
