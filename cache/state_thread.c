/*
 * The thread between the rows in memory and the file: writes what waits, in order, and takes over what other mounts wrote.
 * It alone opens, reads and writes the file; it may wait for a disk or a foreign lock as long as those take, for nobody else
 * does, but with a deadline.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>

#include <utlist.h>

#include "api/base/log.h"
#include "cache/state_private.h"

/* One attempt to get past a foreign lock. */
#define ATTEMPT_MS 1000
/* Between two attempts. */
#define BUSY_PAUSE_MS 20
/* How long a change waits for others that go to the file with it. */
#define GATHER_MS 3
/* How long what is in the file may be in the system's memory alone, where nobody waits for the disk. */
#define SYNC_MS 100
/* Whole loads for what others wrote come no closer together than this, unless somebody waits for one. */
#define LOAD_PAUSE_MS 100
#define WATCHED       (IN_MODIFY | IN_CREATE | IN_DELETE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE_SELF | IN_MOVE_SELF)

/* What only the thread knows. */
struct mind {
	struct state *state;
	struct state_file file;
	int watch_fd;      /* owned; inotify on the directory; -1 where it cannot be had */
	int64_t retry_ms;  /* no attempt before */
	int64_t loaded_ms; /* when the last load ended */
	int64_t sync_ms;   /* when what is written goes to the disk at the latest; 0: it is there */
	uint64_t load;     /* number of the last load */
	bool refused;      /* the file is not for us; it is not tried again */
	bool had_file;     /* a file was open before: a new one in its place gets all rows */
	bool key_in_file;
	bool changed; /* others wrote, and it was not loaded yet */
	bool told;    /* the system told of a write since the last look */
	bool unseen;  /* it did, and nothing was seen: SQLite's readers see a write only a little later */
};

/* ---- telling ---- */

static void set_problem(struct mind *m, const struct err *problem)
{
	struct state *state = m->state;
	bool tell;

	state_lock(state);
	state->problem = *problem;
	tell = problem->errnum && !state->warned;
	state->warned |= tell;
	state_unlock(state);
	if (tell)
		log_warning("the state file in %s: %s", state->dir, problem->text);
}

static void wake_locked(struct state *state, int result) REQUIRES(state_locked)
{
	struct state_wait *wait;

	DL_FOREACH(state->waits, wait) {
		bool reached = wait->serial <= (wait->kept ? state->written : state->synced) && wait->look <= state->looked;

		/* A lock that another holds ends; the others say that it is not to be waited for. */
		if (wait->done || (!reached && (result == 0 || result == -EBUSY)))
			continue;
		wait->result = reached ? 0 : result;
		wait->done = true;
		waiter_wake(wait->waiter);
	}
}

/* ---- the file ---- */

static void close_file(struct mind *m)
{
	state_file_close(&m->file);
	closep(&m->watch_fd);
	m->watch_fd = -1;
}

/* Before the file is loaded, so that no change falls in between. */
static void watch(struct mind *m)
{
	closep(&m->watch_fd);
	m->watch_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (m->watch_fd >= 0 && inotify_add_watch(m->watch_fd, m->state->dir, WATCHED) < 0)
		closep(&m->watch_fd), m->watch_fd = -1;
}

static int load_row(void *arg, const struct row_name *name, const void *value, size_t len)
{
	struct mind *m = arg;
	int r;

	scope_lock(state, m->state);
	r = rows_load_locked(m->state, name, value, len, m->load);
	/* What does not fit is not remembered, as when it is set. */
	return r == -ENOSPC ? 0 : r;
}

static int load_line(void *arg, const char *text, size_t len)
{
	struct mind *m = arg;

	scope_lock(state, m->state);
	return text ? textlog_add(&m->state->history.lines, text, len) : 0;
}

/* A key that was given out stays for the life of the mount. */
static int adopt_key(struct mind *m)
{
	struct state *state = m->state;
	uint8_t key[STATE_KEY_BYTES];
	int r = state_file_get_key(&m->file, key);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	m->key_in_file = true;
	scope_lock(state, state);
	if (!state->has_key)
		memcpy(state->key, key, sizeof(key));
	state->has_key = true;
	wipe(key, sizeof(key));
	return 0;
}

/* A file that took the place of another gets what is known. */
static int load_history(struct mind *m)
{
	int r = state_file_load_history(&m->file, m->state->scope, load_line, m);

	if (r <= 0)
		return r;
	scope_lock(state, m->state);
	history_again_locked(m->state);
	return 0;
}

/* keep: what the file lacks is written to it. */
static int load(struct mind *m, bool keep)
{
	int r;

	m->load++;
	r = state_file_load(&m->file, m->state->scope, load_row, m);
	if (r == 0)
		r = load_history(m);
	if (r == 0)
		r = adopt_key(m);
	if (r < 0)
		return r;
	m->changed = false;
	m->loaded_ms = clock_now_ms();
	scope_lock(state, m->state);
	rows_sweep_locked(m->state, m->load, keep);
	return 0;
}

static int open_file(struct mind *m, struct err *err)
{
	int r = state_file_open(&m->file, m->state->dir, clock_after_ms(ATTEMPT_MS), err);

	if (r < 0)
		return r;
	watch(m);
	m->key_in_file = false;
	r = load(m, m->had_file);
	if (r < 0) {
		close_file(m);
		return err_set(err, -r, "it cannot be read (%s): what it should hold is kept in memory", errno_name(-r));
	}
	m->had_file = true;
	return 0;
}

/* All that waits, in one transaction. */
static int write_waiting(struct mind *m, struct err *err)
{
	struct state *state = m->state;
	struct row_change *changes = NULL;
	struct history_line *history = NULL;
	uint8_t key[STATE_KEY_BYTES];
	struct state_batch batch = { .key = key };
	uint64_t serial;
	int r;

	state_lock(state);
	serial = state->rows.last_serial;
	if (state->has_key)
		memcpy(key, state->key, sizeof(key));
	else
		rand_bytes(key, sizeof(key));
	r = rows_take_locked(state, &changes);
	if (r == 0)
		history = history_take_locked(state);
	batch.changes = changes;
	batch.history = history;
	batch.history_max = state->history.lines.count_max;
	batch.history_full = textlog_is_full(&state->history.lines);
	state_unlock(state);
	if (r == 0 && (changes || history || !m->key_in_file)) {
		m->file.deadline_ms = clock_after_ms(ATTEMPT_MS);
		r = state_file_write(&m->file, state->scope, &batch, err);
		if (r == 0 && !m->sync_ms)
			m->sync_ms = clock_after_ms(SYNC_MS);
		/* Another mount may have been first: what is in the file counts. */
		if (r == 0 && !m->key_in_file)
			r = adopt_key(m);
	}
	/* What others added before these counts as known from now on. Where it cannot be read, it is missed: these are written. */
	if (r == 0 && history)
		(void)load_history(m);
	wipe(key, sizeof(key));
	state_lock(state);
	if (r == 0) {
		rows_written_locked(state, changes);
		history_line_free(history);
		state->written = serial;
		wake_locked(state, 0);
	} else {
		rows_put_back_locked(state, changes);
		history_put_back_locked(state, history);
	}
	state_unlock(state);
	row_change_free(changes);
	return r;
}

static bool is_disk_wanted(struct state *state)
{
	const struct state_wait *wait;

	scope_lock(state, state);
	DL_FOREACH(state->waits, wait) {
		if (!wait->done && !wait->kept)
			return true;
	}
	return state->ending;
}

/* To the disk at once where somebody waits for that, else a little later, with what comes until then. */
static int sync_written(struct mind *m)
{
	int r = 0;

	if (m->sync_ms && !is_disk_wanted(m->state) && clock_left_ms(m->sync_ms))
		return 0;
	if (m->sync_ms)
		r = state_file_sync(&m->file);
	if (r < 0)
		return r;
	m->sync_ms = 0;
	scope_lock(state, m->state);
	m->state->synced = m->state->written;
	return 0;
}

/* Takes over what others wrote. */
static int look(struct mind *m, bool at_once)
{
	int r = state_file_is_changed(&m->file);

	if (r < 0)
		return r;
	m->changed |= r > 0;
	m->unseen = m->told && !m->changed;
	m->told = false;
	if (!m->changed || (!at_once && clock_left_ms(m->loaded_ms + LOAD_PAUSE_MS)))
		return 0;
	return load(m, false);
}

static int try_file(struct mind *m, bool at_once, struct err *err)
{
	int r = 0;

	if (m->file.db && state_file_is_gone(&m->file, m->state->dir))
		close_file(m);
	if (!m->file.db)
		r = open_file(m, err);
	if (r == 0)
		r = write_waiting(m, err);
	if (r == 0)
		r = sync_written(m);
	if (r == 0)
		r = look(m, at_once);
	if (r == -EUCLEAN || r == -EIO || r == -EPROTO)
		close_file(m);
	return r;
}

static int work_on_file(struct mind *m, bool at_once, struct err *err)
{
	bool open = m->file.db;
	int r = try_file(m, at_once, err);

	/* A damaged file is set aside when it is opened again. */
	return r == -EUCLEAN && open ? try_file(m, at_once, err) : r;
}

/* ---- rounds ---- */

static void settle(struct mind *m, int r, uint64_t look, struct err *err)
{
	struct state *state = m->state;

	if (r < 0 && err->errnum == 0)
		err_set(err, -r, "it cannot be used (%s): what it should hold is kept in memory", errno_name(-r));
	m->refused = r == -EPROTO;
	m->retry_ms = r == 0 || r == -EBUSY ? 0 : clock_after_ms(STATE_RETRY_MS);
	if (r == 0)
		err_clear(err);
	if (r != -EBUSY || !m->had_file)
		set_problem(m, err);
	scope_lock(state, state);
	if (m->refused)
		rows_stay_locked(state);
	if (r == 0) {
		state->looked = look;
		state->looked_ms = clock_now_ms();
	}
	wake_locked(state, r);
}

static int work_round(struct mind *m)
{
	struct state *state = m->state;
	struct err err = ERR_INIT;
	bool at_once, ending;
	uint64_t look;
	int r;

	state_lock(state);
	look = state->looks_wanted;
	at_once = look != state->looked;
	ending = state->ending;
	state_unlock(state);
	if (m->refused || (clock_left_ms(m->retry_ms) && !ending)) {
		scope_lock(state, state);
		wake_locked(state, state->problem.errnum ? -state->problem.errnum : -ENOTCONN);
		return -ENOTCONN;
	}
	r = work_on_file(m, at_once, &err);
	settle(m, r, look, &err);
	return r;
}

/* How long nothing is to be done unless something comes; -1: for good. */
static int rest_ms(const struct mind *m, int r)
{
	struct state *state = m->state;
	int64_t ms = -1;

	scope_lock(state, state);
	if (r == -EBUSY)
		ms = BUSY_PAUSE_MS;
	else if (m->refused)
		ms = -1;
	else if (m->retry_ms)
		ms = state->rows.queue || state->history.waiting ? clock_left_ms(m->retry_ms) + 1 : -1;
	else if (m->changed)
		ms = clock_left_ms(m->loaded_ms + LOAD_PAUSE_MS) + 1;
	else if (m->unseen)
		ms = LOAD_PAUSE_MS;
	/* One attempt a round; where it failed the file is tried again as for anything else. */
	if (r == 0 && m->sync_ms) {
		int64_t left_ms = clock_left_ms(m->sync_ms) + 1;

		ms = ms < 0 || left_ms < ms ? left_ms : ms;
	}
	return (int)ms;
}

/* Until something comes, for ms at most (-1: for good). */
static void wait_for_word(struct mind *m, int ms)
{
	struct pollfd fds[] = { { .fd = m->state->kick_fd, .events = POLLIN }, { .fd = m->watch_fd, .events = POLLIN } };
	char events[4096] __attribute__((aligned(__alignof__(struct inotify_event))));

	poll(fds, array_len(fds), ms);
	/* What came is one thing: a reason to look. */
	while (m->watch_fd >= 0 && read(m->watch_fd, events, sizeof(events)) > 0)
		m->told = true;
	if (read(m->state->kick_fd, events, sizeof(uint64_t)) < 0)
		return;
}

static bool is_hurried(struct state *state)
{
	scope_lock(state, state);
	return state->waits || state->ending;
}

/* What comes close together goes to the disk at once, unless somebody waits for it: a commit each costs a processor. */
static void rest(struct mind *m, int ms)
{
	int64_t until;

	wait_for_word(m, ms);
	until = clock_after_ms(GATHER_MS);
	while (!is_hurried(m->state) && clock_left_ms(until))
		wait_for_word(m, (int)clock_left_ms(until));
}

/* Whether the thread is to end now, after a round that said r. */
static bool is_over(struct mind *m, int r)
{
	struct state *state = m->state;

	scope_lock(state, state);
	if (!state->ending)
		return false;
	return (r == 0 && !state->rows.queue && !state->history.waiting) || (r < 0 && r != -EBUSY) ||
	       !clock_left_ms(state->end_ms);
}

static void *thread_main(void *arg)
{
	struct mind m = { .state = arg, .watch_fd = -1 };
	int r;

	pthread_setname_np(pthread_self(), "cfcfs-state");
	do {
		r = work_round(&m);
		if (is_over(&m, r))
			break;
		rest(&m, rest_ms(&m, r));
	} while (true);
	close_file(&m);
	scope_lock(state, m.state);
	wake_locked(m.state, -ECANCELED);
	m.state->over = true;
	pthread_cond_signal(&m.state->thread_over);
	return NULL;
}

int state_thread_start(struct state *state)
{
	sigset_t all, old;
	int r;

	state->kick_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (state->kick_fd < 0)
		return -errno;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&state->thread, NULL, thread_main, state);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	state->has_thread = r == 0;
	return -r;
}

void state_thread_kick(struct state *state)
{
	/* Where it is full, the thread has reason enough to wake. */
	if (state->has_thread && eventfd_write(state->kick_fd, 1) < 0)
		return;
}

int state_thread_end(struct state *state, int64_t deadline_ms)
{
	bool over;

	if (!state->has_thread)
		return 0;
	state_lock(state);
	state->ending = true;
	state->end_ms = clock_after_ms(STATE_BUSY_MS);
	state_thread_kick(state);
	while (!state->over && state_cond_wait(state, &state->thread_over, deadline_ms) == 0)
		;
	over = state->over;
	state_unlock(state);
	if (!over) {
		pthread_detach(state->thread);
		return -ETIMEDOUT;
	}
	pthread_join(state->thread, NULL);
	state->has_thread = false;
	return 0;
}
