#include "api/transport.h"

#include <errno.h>
#include <math.h>
#include <signal.h>

#include "api/base/clock.h"
#include "api/base/lock.h"
#include "api/headers.h"
#include "api/transport_easy.h"

/* The thread looks after everything at least this often; a wake-up comes sooner. */
#define POLL_MAX_MS 60000
/* How much later than its deadline a caller gives up on the thread itself. */
#define REPORT_SLACK_MS 1000
/* Of this many places in flight, reads of one endpoint leave one to others; its writes leave one of all, for of them there are few. */
#define ENDPOINT_LEAVES 4

TAILQ_HEAD(exchange_list, exchange);

DECLARE_LOCK(transport);
struct transport {
	struct lock lock;
	/* Waiting to go out, and on their way; each holds a reference. */
	struct exchange_list writes GUARDED_BY(transport_locked), reads GUARDED_BY(transport_locked);
	struct exchange_list flying GUARDED_BY(transport_locked);
	unsigned flying_count GUARDED_BY(transport_locked);
	struct budget budget GUARDED_BY(transport_locked);
	bool ending GUARDED_BY(transport_locked);
	/* Fixed: */
	pthread_t thread;
	unsigned max_conns;
	CURLM *multi; /* owned; the thread's, but for curl_multi_wakeup */
	struct easy_gate gate;
	/* The thread's: */
	struct easy_setup setup; /* fixed too */
	struct exchange **room;  /* 2 * max_conns, for one round */
	CURL **idle;             /* owned handles, max_conns at most */
	unsigned idle_count;
};
DEFINE_LOCK(transport, struct transport, lock)

/* Unanalysed: nobody else has it yet. */
struct exchange *exchange_new(const char *method, const char *url, const char *body, size_t body_len,
			      struct headers *headers) NO_THREAD_SAFETY_ANALYSIS
{
	struct exchange *ex = calloc(1, sizeof(*ex));

	if (!ex)
		return NULL;
	ex->refs = 1;
	snprintf(ex->method, sizeof(ex->method), "%s", method);
	ex->headers = headers_ref(headers);
	ex->answer.max = ANSWER_MAX;
	ex->rate = (struct rate_facts)RATE_FACTS_INIT;
	ex->length = -1;
	ex->url = strdup(url);
	if (!ex->url || (body && buf_add(&ex->body, body, body_len) < 0)) {
		headers_unref(ex->headers);
		free(ex->url);
		free(ex);
		return NULL;
	}
	return ex;
}

static void exchange_free(struct exchange *ex)
{
	headers_unref(ex->headers);
	buf_wipe(&ex->body);
	buf_free(&ex->answer);
	free(ex->url);
	free(ex);
}

void transport_release(struct transport *t, struct exchange *ex)
{
	bool last;

	if (!ex)
		return;
	transport_lock(t);
	last = --ex->refs == 0;
	transport_unlock(t);
	if (last)
		exchange_free(ex);
}

/* ---- the thread ---- */

static bool may_send(void *arg, struct exchange *ex)
{
	struct transport *t = arg;

	scope_lock(transport, t);
	/* curl sends again by itself where a reused connection dies before an answer, even what must not happen twice. */
	if (ex->sent)
		ex->resent = true;
	if (ex->sent || ex->abandoned)
		return false;
	ex->sent = true;
	return true;
}

/* ex is on no list. The caller drops the list's reference. */
static void mark_done(struct exchange *ex) REQUIRES(transport_locked)
{
	ex->state = EXCHANGE_DONE;
	if (ex->waiter)
		waiter_wake(ex->waiter);
	ex->waiter = NULL;
}

static void put_easy(struct transport *t, struct exchange *ex)
{
	CURL *easy = steal_ptr(ex->easy);

	if (t->setup.keeps && t->idle_count < t->max_conns)
		t->idle[t->idle_count++] = easy;
	else
		curl_easy_cleanup(easy);
}

static double seconds_since(const struct timespec *start)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - start->tv_sec) + (double)(now.tv_nsec - start->tv_nsec) / NSEC_PER_SEC;
}

/* The transfer of ex ended. */
static void finish(struct transport *t, struct exchange *ex, CURLcode code)
{
	if (ex->easy) {
		curl_multi_remove_handle(t->multi, ex->easy);
		easy_finish(ex, code);
		put_easy(t, ex);
	} else {
		ex->code = code;
	}
	ex->seconds = seconds_since(&ex->started);
	transport_lock(t);
	TAILQ_REMOVE(&t->flying, ex, link);
	t->flying_count--;
	if (ex->status)
		budget_answer(&t->budget, &ex->rate, ex->status, t->flying_count, ex->sent_ms, clock_now_ms());
	if (ex->status == 429)
		ex->resume_ms = budget_stopped_until(&t->budget, clock_now_ms());
	mark_done(ex);
	transport_unlock(t);
	transport_release(t, ex);
}

static void start(struct transport *t, struct exchange *ex)
{
	CURLcode code = CURLE_OUT_OF_MEMORY;

	clock_gettime(CLOCK_MONOTONIC, &ex->started);
	ex->easy = t->idle_count ? t->idle[--t->idle_count] : easy_new(&t->setup);
	if (ex->easy) {
		code = easy_prepare(&t->setup, &t->gate, ex, clock_now_ms());
		if (code == CURLE_OK && curl_multi_add_handle(t->multi, ex->easy) != CURLM_OK)
			code = CURLE_FAILED_INIT;
	}
	if (code != CURLE_OK)
		finish(t, ex, code);
}

/* Ends an exchange that did not go out. */
static void end_waiting(struct exchange_list *list, struct exchange *ex, enum exchange_end end, int64_t resume_ms,
			struct exchange_list *ended) REQUIRES(transport_locked)
{
	ex->end = end;
	ex->resume_ms = resume_ms;
	TAILQ_REMOVE(list, ex, link);
	mark_done(ex);
	TAILQ_INSERT_TAIL(ended, ex, link);
}

/* Ends those whose time is over, or would be before the service lets calls out again. Returns the next deadline. */
static int64_t expire(struct transport *t, struct exchange_list *list, int64_t now, struct exchange_list *ended)
	REQUIRES(transport_locked)
{
	int64_t stop = budget_stopped_until(&t->budget, now), next = CLOCK_NEVER;
	struct exchange *ex, *after;

	for (ex = TAILQ_FIRST(list); ex; ex = after) {
		bool limited = false;

		after = TAILQ_NEXT(ex, link);
		if (stop >= ex->deadline_ms && stop) {
			end_waiting(list, ex, END_LIMITED, stop, ended);
		} else if (now >= ex->deadline_ms) {
			int64_t wait = budget_wait_ms(&t->budget, ex->write, now, &limited);

			end_waiting(list, ex, limited ? END_LIMITED : END_TIMEOUT, limited ? now + wait : 0, ended);
		} else if (t->ending) {
			end_waiting(list, ex, END_CLOSED, 0, ended);
		} else if (ex->deadline_ms < next) {
			next = ex->deadline_ms;
		}
	}
	return next;
}

/*
 * Whether there is room in flight for such an exchange. Calls of one endpoint never take all of it, and reads leave a place
 * to writes: what is slow must not stand in the way of the rest.
 */
static bool has_place(const struct transport *t, const struct exchange *candidate) REQUIRES(transport_locked)
{
	unsigned kept = !candidate->write && t->max_conns / ENDPOINT_LEAVES ? t->max_conns / ENDPOINT_LEAVES : 1;
	unsigned same = 0, reads = 0;
	const struct exchange *ex;

	if (t->max_conns == 1)
		return true;
	TAILQ_FOREACH(ex, &t->flying, link)
	{
		same += ex->endpoint == candidate->endpoint;
		reads += !ex->write;
	}
	return same < t->max_conns - kept && (candidate->write || reads < t->max_conns - 1);
}

/* The first that may go, writes before reads. */
static struct exchange *next_to_go(struct transport *t) REQUIRES(transport_locked)
{
	struct exchange *ex;

	TAILQ_FOREACH(ex, &t->writes, link)
	{
		if (has_place(t, ex))
			return ex;
	}
	TAILQ_FOREACH(ex, &t->reads, link)
	{
		if (has_place(t, ex))
			return ex;
	}
	return NULL;
}

/* Takes out of the queue what may go now, writes first. Returns when more may, or CLOCK_NEVER. */
static int64_t dispatch(struct transport *t, int64_t now, struct exchange **ret_start, unsigned *ret_count)
	REQUIRES(transport_locked)
{
	unsigned width = t->budget.width < t->max_conns ? t->budget.width : t->max_conns;
	unsigned n = 0;
	int64_t wait = CLOCK_NEVER;

	while (t->flying_count < width) {
		struct exchange *ex = next_to_go(t);
		bool limited;

		if (!ex)
			break;
		wait = budget_wait_ms(&t->budget, ex->write, now, &limited);
		if (wait > 0)
			break;
		budget_take(&t->budget, ex->write, now);
		TAILQ_REMOVE(ex->write ? &t->writes : &t->reads, ex, link);
		TAILQ_INSERT_TAIL(&t->flying, ex, link);
		t->flying_count++;
		ex->state = EXCHANGE_FLYING;
		ex->sent_ms = now;
		ret_start[n++] = ex;
		wait = CLOCK_NEVER;
	}
	*ret_count = n;
	return wait == CLOCK_NEVER ? CLOCK_NEVER : now + wait;
}

static unsigned find_dropped(struct transport *t, struct exchange **ret_drop) REQUIRES(transport_locked)
{
	struct exchange *ex;
	unsigned n = 0;

	TAILQ_FOREACH(ex, &t->flying, link)
	{
		if (ex->abandoned || (t->ending && !ex->write))
			ret_drop[n++] = ex;
	}
	return n;
}

static bool collect(struct transport *t)
{
	CURLMsg *msg;
	bool any = false;
	int left;

	while ((msg = curl_multi_info_read(t->multi, &left))) {
		struct exchange *ex = NULL;

		if (msg->msg != CURLMSG_DONE)
			continue;
		/* The write callback's argument and the handle's private pointer are both taken: find it by the handle. */
		transport_lock(t);
		TAILQ_FOREACH(ex, &t->flying, link)
		{
			if (ex->easy == msg->easy_handle)
				break;
		}
		transport_unlock(t);
		if (ex)
			finish(t, ex, msg->data.result);
		any = true;
	}
	return any;
}

/*
 * Where a server answers over HTTP/2 before it has read a large request to its end, libcurl 7.88 waits for the deadline
 * with the answer in its hand. Such exchanges are ended here. Returns whether there were any.
 */
static bool collect_early(struct transport *t)
{
	struct exchange *ex;
	unsigned n = 0;

	transport_lock(t);
	TAILQ_FOREACH(ex, &t->flying, link)
	{
		if (easy_has_answer(ex))
			t->room[n++] = ex;
	}
	transport_unlock(t);
	for (unsigned i = 0; i < n; i++)
		finish(t, t->room[i], CURLE_OK);
	return n > 0;
}

/* One round; false once everything has ended. */
static bool turn(struct transport *t)
{
	struct exchange **starting = t->room, **dropped = t->room + t->max_conns, *ex;
	struct exchange_list ended = TAILQ_HEAD_INITIALIZER(ended);
	int64_t now = clock_now_ms(), next, other;
	unsigned start_count, drop_count;
	bool over;
	int running;

	transport_lock(t);
	drop_count = find_dropped(t, dropped);
	next = expire(t, &t->writes, now, &ended);
	other = expire(t, &t->reads, now, &ended);
	next = other < next ? other : next;
	other = dispatch(t, now, starting, &start_count);
	next = other < next ? other : next;
	over = t->ending && !t->flying_count;
	transport_unlock(t);

	while ((ex = TAILQ_FIRST(&ended))) {
		TAILQ_REMOVE(&ended, ex, link);
		transport_release(t, ex);
	}
	if (over)
		return false;
	for (unsigned i = 0; i < drop_count; i++)
		finish(t, dropped[i], CURLE_ABORTED_BY_CALLBACK);
	for (unsigned i = 0; i < start_count; i++)
		start(t, starting[i]);
	curl_multi_perform(t->multi, &running);
	if (collect(t) || collect_early(t) || drop_count)
		return true;
	other = next == CLOCK_NEVER ? POLL_MAX_MS : next - clock_now_ms();
	other = other < 0 ? 0 : other > POLL_MAX_MS ? POLL_MAX_MS : other;
	if (other > 0)
		curl_multi_poll(t->multi, NULL, 0, (int)other, NULL);
	return true;
}

static void *thread_main(void *arg)
{
	struct transport *t = arg;

	pthread_setname_np(pthread_self(), "transport");
	while (turn(t))
		continue;
	return NULL;
}

/* ---- callers ---- */

/* The caller goes; the thread drops the exchange. Returns whether the thread must be woken. */
static bool abandon(struct transport *t, struct exchange *ex) REQUIRES(transport_locked)
{
	ex->waiter = NULL;
	ex->abandoned = true;
	if (ex->state != EXCHANGE_QUEUED)
		return true;
	TAILQ_REMOVE(ex->write ? &t->writes : &t->reads, ex, link);
	ex->state = EXCHANGE_DONE;
	ex->refs--;
	return false;
}

static int await(struct transport *t, struct exchange *ex, struct waiter *waiter, bool ignore_cancel)
{
	int64_t limit = ex->deadline_ms > CLOCK_NEVER - REPORT_SLACK_MS ? CLOCK_NEVER : ex->deadline_ms + REPORT_SLACK_MS;

	for (;;) {
		int r = waiter_wait(waiter, limit, ignore_cancel);
		bool wake;

		transport_lock(t);
		if (ex->state == EXCHANGE_DONE) {
			transport_unlock(t);
			/* A wake that was not what ended the wait must not be left to the next wait of this thread. */
			if (r < 0)
				waiter_wait(waiter, 0, true);
			return 0;
		}
		if (r == 0 || (r == -EINTR && ex->write && ex->sent)) {
			ignore_cancel = ignore_cancel || r < 0;
			transport_unlock(t);
			continue;
		}
		wake = abandon(t, ex);
		transport_unlock(t);
		if (wake)
			curl_multi_wakeup(t->multi);
		return r;
	}
}

int transport_run(struct transport *t, struct exchange *ex, struct waiter *waiter, bool ignore_cancel)
{
	if (!ignore_cancel && waiter_canceled(waiter))
		return -EINTR;
	transport_lock(t);
	if (t->ending) {
		transport_unlock(t);
		return -ESHUTDOWN;
	}
	ex->waiter = waiter;
	ex->state = EXCHANGE_QUEUED;
	ex->refs++;
	TAILQ_INSERT_TAIL(ex->write ? &t->writes : &t->reads, ex, link);
	transport_unlock(t);
	curl_multi_wakeup(t->multi);
	return await(t, ex, waiter, ignore_cancel);
}

bool transport_sent(struct transport *t, struct exchange *ex)
{
	scope_lock(transport, t);
	return ex->sent;
}

double transport_budget_left(struct transport *t)
{
	scope_lock(transport, t);
	return budget_left(&t->budget, clock_now_ms());
}

void transport_divide(struct transport *t, unsigned part)
{
	scope_lock(transport, t);
	budget_divide(&t->budget, part, clock_now_ms());
}

void transport_forget_limits(struct transport *t)
{
	transport_lock(t);
	budget_forget(&t->budget);
	transport_unlock(t);
	curl_multi_wakeup(t->multi);
}

static int start_thread(struct transport *t)
{
	sigset_t all, old;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&t->thread, NULL, thread_main, t);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return -r;
}

static void transport_destroy(struct transport *t)
{
	for (unsigned i = 0; i < t->idle_count; i++)
		curl_easy_cleanup(t->idle[i]);
	if (t->multi)
		curl_multi_cleanup(t->multi);
	easy_setup_free(&t->setup);
	lock_destroy(&t->lock);
	free(t->room);
	free(t->idle);
	free(t);
}

static int transport_init(struct transport *t, const struct transport_options *options, struct err *err)
{
	int r;

	lock_init(&t->lock);
	transport_lock(t);
	TAILQ_INIT(&t->writes);
	TAILQ_INIT(&t->reads);
	TAILQ_INIT(&t->flying);
	budget_init(&t->budget, options->rps, options->burst, clock_now_ms());
	transport_unlock(t);
	t->gate = (struct easy_gate){ may_send, t };
	t->max_conns = options->max_conns ? options->max_conns : 1;
	r = easy_setup_init(&t->setup, options, err);
	if (r < 0)
		return r;
	t->idle = calloc(t->max_conns, sizeof(*t->idle));
	t->room = calloc(2 * (size_t)t->max_conns, sizeof(*t->room));
	t->multi = curl_multi_init();
	if (!t->multi || !t->idle || !t->room)
		return err_set(err, ENOMEM, "out of memory");
	curl_multi_setopt(t->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_MULTIPLEX);
	curl_multi_setopt(t->multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long)t->max_conns);
	curl_multi_setopt(t->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)t->max_conns);
	curl_multi_setopt(t->multi, CURLMOPT_MAXCONNECTS, (long)t->max_conns);
	r = start_thread(t);
	return r < 0 ? err_set(err, -r, "no thread can be started: %s", strerror(-r)) : 0;
}

int transport_new(const struct transport_options *options, struct transport **ret, struct err *err)
{
	struct transport *t = calloc(1, sizeof(*t));
	int r;

	if (!t)
		return err_set(err, ENOMEM, "out of memory");
	r = transport_init(t, options, err);
	if (r < 0) {
		transport_destroy(t);
		return r;
	}
	*ret = t;
	return 0;
}

void transport_stop(struct transport *t)
{
	transport_lock(t);
	t->ending = true;
	transport_unlock(t);
	curl_multi_wakeup(t->multi);
}

struct transport *transport_free(struct transport *t)
{
	if (!t)
		return NULL;
	transport_stop(t);
	pthread_join(t->thread, NULL);
	transport_destroy(t);
	return NULL;
}
