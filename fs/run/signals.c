#include "fs/run/signals.h"

#include <errno.h>
#include <signal.h>

#include "api/base/clock.h"
#include "api/base/lock.h"
#include "api/base/log.h"
#include "fs/run/keeper.h"
#include "fs/run/lifecycle.h"
#include "fs/run/loop.h"
#include "fs/run/systemd.h"
#include "fs/core/notify.h"

enum phase {
	PHASE_STARTING, /* no mount: an end is an exit */
	PHASE_MOUNTING, /* an end is remembered */
	PHASE_UP,
	PHASE_OVER, /* the loop ended */
};

DECLARE_LOCK(signals);
struct signals {
	struct lock lock;
	pthread_cond_t changed;
	enum phase phase GUARDED_BY(signals_locked);
	unsigned ends GUARDED_BY(signals_locked);       /* SIGTERM and SIGINT so far */
	bool closing GUARDED_BY(signals_locked);        /* an orderly end was begun */
	bool leaving GUARDED_BY(signals_locked);        /* the thread is to end */
	struct mount *mount GUARDED_BY(signals_locked); /* borrowed, as the next two; from PHASE_UP on, until the closer ended */
	struct loop *loop GUARDED_BY(signals_locked);
	struct keeper *keeper GUARDED_BY(signals_locked);
	pthread_t closer GUARDED_BY(signals_locked);
	int result;       /* of the closer, and of who joined it: 0, or what could not be sent */
	pthread_t thread; /* fixed once it runs */
};
DEFINE_LOCK(signals, struct signals, lock)

/* Nobody is told that a change failed which was made: the writers get their answers, and then their close. */
static void finish_writers(struct mount *mount, int64_t deadline)
{
	pool_wait_idle(mount->writers, deadline);
}

static void linger(struct signals *s)
{
	int64_t deadline = clock_after_ms(SIGNALS_LINGER_MS);

	scope_lock(signals, s);
	/* The kernel ends the loop when the last file is closed. */
	while (s->phase != PHASE_OVER && signals_cond_wait(s, &s->changed, deadline) == 0)
		;
}

static void *close_mount(void *arg)
{
	struct signals *s = arg;
	struct keeper *keeper;
	struct mount *mount;
	struct loop *loop;
	int64_t deadline;

	signals_lock(s);
	mount = s->mount;
	loop = s->loop;
	keeper = s->keeper;
	signals_unlock(s);
	/* One for all that is sent: each call began before it, with a deadline no later than this. */
	deadline = clock_after_ms(mount->options->timeout_ms);
	mount->ending_ms = deadline;
	s->result = mount_drain(mount, deadline);
	finish_writers(mount, deadline);
	/* While the loop still serves: a notice may wait for a request to be answered. */
	notifier_stop(mount->notifier);
	keeper_detach(keeper);
	linger(s);
	finish_writers(mount, deadline);
	loop_stop(loop);
	return NULL;
}

static void begin_close_locked(struct signals *s) REQUIRES(signals_locked)
{
	signals_assert_locked(s);
	if (s->closing || s->phase != PHASE_UP)
		return;
	log_info("ending: sending what is pending");
	systemd_stopping("Sending what is pending", s->mount->options->timeout_ms + SIGNALS_LINGER_MS);
	if (pthread_create(&s->closer, NULL, close_mount, s) == 0)
		s->closing = true;
	else
		log_error("no thread to end with: try again");
}

/* A second request: the process that asks knows that something may be lost. */
static void end_in_haste_locked(struct signals *s) REQUIRES(signals_locked)
{
	int64_t deadline = clock_after_ms(SIGNALS_HASTE_SECONDS * MSEC_PER_SEC);

	while (!s->leaving && signals_cond_wait(s, &s->changed, deadline) == 0)
		;
	if (s->leaving)
		return;
	log_warning("ended by a second signal, before everything was sent");
	keeper_detach(s->keeper);
	_exit(1);
}

static void on_end(struct signals *s)
{
	scope_lock(signals, s);
	s->ends++;
	if (s->phase == PHASE_STARTING)
		_exit(1);
	if (s->ends > 1 && s->phase != PHASE_MOUNTING)
		end_in_haste_locked(s);
	else
		begin_close_locked(s);
}

static void on_hangup(struct signals *s)
{
	int r = log_reopen();

	if (r < 0)
		log_warning("reopening the log: %s", strerrordesc_np(-r));
	scope_lock(signals, s);
	if (s->phase != PHASE_UP)
		return;
	systemd_reloading();
	mount_reload(s->mount);
	systemd_ready("Serving; the token and the log were read again");
}

static void wanted(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGHUP);
}

static void *serve(void *arg)
{
	struct signals *s = arg;
	sigset_t set;
	int number;

	wanted(&set);
	for (;;) {
		bool leaving;

		if (sigwait(&set, &number) != 0)
			continue;
		signals_lock(s);
		leaving = s->leaving;
		signals_unlock(s);
		if (leaving)
			return NULL;
		if (number == SIGHUP)
			on_hangup(s);
		else
			on_end(s);
	}
}

/* What the starter left ignored or blocked must not count: shells start background jobs with SIGINT ignored. */
static void prepare(void)
{
	struct sigaction act = { .sa_handler = SIG_DFL };
	sigset_t set;

	sigaction(SIGTERM, &act, NULL);
	sigaction(SIGINT, &act, NULL);
	sigaction(SIGHUP, &act, NULL);
	act.sa_handler = SIG_IGN;
	sigaction(SIGPIPE, &act, NULL);
	wanted(&set);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
}

int signals_start(struct signals **ret)
{
	struct signals *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	prepare();
	r = clock_cond_init(&s->changed);
	if (r == 0) {
		lock_init(&s->lock);
		r = -pthread_create(&s->thread, NULL, serve, s);
	}
	if (r < 0) {
		free(s);
		return r;
	}
	*ret = s;
	return 0;
}

void signals_hold(struct signals *s)
{
	scope_lock(signals, s);
	s->phase = PHASE_MOUNTING;
}

void signals_serve(struct signals *s, struct mount *mount, struct loop *loop, struct keeper *keeper)
{
	scope_lock(signals, s);
	s->mount = mount;
	s->loop = loop;
	s->keeper = keeper;
	s->phase = PHASE_UP;
	if (s->ends)
		begin_close_locked(s);
}

int signals_loop_ended(struct signals *s)
{
	pthread_t closer;
	bool join;

	signals_lock(s);
	s->phase = PHASE_OVER;
	join = s->closing;
	closer = s->closer;
	pthread_cond_broadcast(&s->changed);
	signals_unlock(s);
	if (join)
		pthread_join(closer, NULL);
	signals_lock(s);
	s->mount = NULL;
	s->loop = NULL;
	signals_unlock(s);
	return s->result;
}

struct signals *signals_free(struct signals *s)
{
	if (!s)
		return NULL;
	signals_lock(s);
	s->leaving = true;
	pthread_cond_broadcast(&s->changed);
	signals_unlock(s);
	pthread_kill(s->thread, SIGHUP);
	pthread_join(s->thread, NULL);
	pthread_cond_destroy(&s->changed);
	lock_destroy(&s->lock);
	free(s);
	return NULL;
}
