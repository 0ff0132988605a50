#include "fs/run/signals.h"

#include <errno.h>
#include <signal.h>

#include "api/base/clock.h"
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

struct signals {
	pthread_mutex_t lock; /* guards all below but thread */
	pthread_cond_t changed;
	enum phase phase;
	unsigned ends;       /* SIGTERM and SIGINT so far */
	bool closing;        /* an orderly end was begun */
	bool leaving;        /* the thread is to end */
	struct mount *mount; /* borrowed, as all below; in PHASE_UP only */
	struct loop *loop;
	struct keeper *keeper;
	pthread_t closer;
	int result;       /* of the closer: 0, or what could not be sent */
	pthread_t thread; /* fixed once it runs */
};

/* Nobody is told that a change failed which was made: the writers get their answers, and then their close. */
static void finish_writers(struct signals *s, int64_t deadline)
{
	pool_wait_idle(s->mount->writers, deadline);
}

static void linger(struct signals *s)
{
	int64_t deadline = clock_after_ms(SIGNALS_LINGER_MS);

	scoped_lock(&s->lock);
	/* The kernel ends the loop when the last file is closed. */
	while (s->phase != PHASE_OVER && clock_cond_wait(&s->changed, &s->lock, deadline) == 0)
		;
}

static void *close_mount(void *arg)
{
	struct signals *s = arg;
	/* One for all that is sent: each call began before it, with a deadline no later than this. */
	int64_t deadline = clock_after_ms(s->mount->options->timeout_ms);

	s->mount->ending_ms = deadline;
	s->result = mount_drain(s->mount, deadline);
	finish_writers(s, deadline);
	/* While the loop still serves: a notice may wait for a request to be answered. */
	notifier_stop(s->mount->notifier);
	keeper_detach(s->keeper);
	linger(s);
	finish_writers(s, deadline);
	loop_stop(s->loop);
	return NULL;
}

/* With the lock held. */
static void begin_close(struct signals *s)
{
	if (s->closing || s->phase != PHASE_UP)
		return;
	log_info("ending: sending what is pending");
	systemd_stopping("Sending what is pending", s->mount->options->timeout_ms + SIGNALS_LINGER_MS);
	if (pthread_create(&s->closer, NULL, close_mount, s) == 0)
		s->closing = true;
	else
		log_error("no thread to end with: try again");
}

/* With the lock held: a second request. The process that asks knows that something may be lost. */
static void end_in_haste(struct signals *s)
{
	int64_t deadline = clock_after_ms(SIGNALS_HASTE_SECONDS * MSEC_PER_SEC);

	while (!s->leaving && clock_cond_wait(&s->changed, &s->lock, deadline) == 0)
		;
	if (s->leaving)
		return;
	log_warning("ended by a second signal, before everything was sent");
	keeper_detach(s->keeper);
	_exit(1);
}

static void on_end(struct signals *s)
{
	scoped_lock(&s->lock);
	s->ends++;
	if (s->phase == PHASE_STARTING)
		_exit(1);
	if (s->ends > 1 && s->phase != PHASE_MOUNTING)
		end_in_haste(s);
	else
		begin_close(s);
}

static void on_hangup(struct signals *s)
{
	int r = log_reopen();

	if (r < 0)
		log_warning("reopening the log: %s", strerrordesc_np(-r));
	scoped_lock(&s->lock);
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
		pthread_mutex_lock(&s->lock);
		leaving = s->leaving;
		pthread_mutex_unlock(&s->lock);
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
		pthread_mutex_init(&s->lock, NULL);
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
	scoped_lock(&s->lock);
	s->phase = PHASE_MOUNTING;
}

void signals_serve(struct signals *s, struct mount *mount, struct loop *loop, struct keeper *keeper)
{
	scoped_lock(&s->lock);
	s->mount = mount;
	s->loop = loop;
	s->keeper = keeper;
	s->phase = PHASE_UP;
	if (s->ends)
		begin_close(s);
}

int signals_loop_ended(struct signals *s)
{
	bool join;

	pthread_mutex_lock(&s->lock);
	s->phase = PHASE_OVER;
	join = s->closing;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
	if (join)
		pthread_join(s->closer, NULL);
	pthread_mutex_lock(&s->lock);
	s->mount = NULL;
	s->loop = NULL;
	pthread_mutex_unlock(&s->lock);
	return s->result;
}

struct signals *signals_free(struct signals *s)
{
	if (!s)
		return NULL;
	pthread_mutex_lock(&s->lock);
	s->leaving = true;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
	pthread_kill(s->thread, SIGHUP);
	pthread_join(s->thread, NULL);
	pthread_cond_destroy(&s->changed);
	pthread_mutex_destroy(&s->lock);
	free(s);
	return NULL;
}
