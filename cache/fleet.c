#include "cache/fleet.h"

#include <errno.h>
#include <signal.h>

#include <utlist.h>

#include "api/base/log.h"
#include "api/base/rand.h"
#include "cache/fleet_private.h"

/* What was heard and not handed over yet; past it all of it counts as missed. */
#define HEARD_MAX       65536
#define HEARD_BYTES_MAX ((size_t)64 << 20)
/* Names of which this member's messages have not come back; past it the oldest are forgotten. */
#define UNDERWAY_MAX 65536
/* The share of the burst that reads leave to writes, as each mount alone does. */
#define KEPT_SHARE 5
/* Between two looks whether a turn has come. */
#define TURN_WAIT_MAX_MS 1000
#define BUCKET           "calls"

static const char *const topics[] = { [FLEET_STORE] = "store", [FLEET_STATE] = "state", [FLEET_CLAIMS] = "claims" };
_Static_assert(array_len(topics) == FLEET_TOPICS, "a word for each");

struct heard {
	struct heard *next;
	enum fleet_topic topic; /* FLEET_TOPICS: messages were missed */
	bool own, forgot;
	size_t len;
	char data[];
};

/* ---- hearing ---- */

static void drop_queue_locked(struct fleet *fleet) REQUIRES(fleet_locked)
{
	fleet_assert_locked(fleet);
	while (fleet->queue) {
		struct heard *next = fleet->queue->next;

		free(fleet->queue);
		fleet->queue = next;
	}
	fleet->queue_tail = &fleet->queue;
	fleet->queue_count = fleet->queue_bytes = 0;
}

static void enqueue_locked(struct fleet *fleet, struct heard *heard) REQUIRES(fleet_locked)
{
	fleet_assert_locked(fleet);
	*fleet->queue_tail = heard;
	fleet->queue_tail = &heard->next;
	fleet->queue_count++;
	fleet->queue_bytes += heard->len;
	pthread_cond_signal(&fleet->more);
}

static struct heard *heard_new(enum fleet_topic topic, const struct share_message *message)
{
	struct heard *heard = malloc(sizeof(*heard) + message->len);

	if (!heard)
		return NULL;
	*heard = (struct heard){ .topic = topic, .own = message->own, .forgot = message->forgot, .len = message->len };
	if (message->len)
		memcpy(heard->data, message->data, message->len);
	return heard;
}

/* In the share's thread. */
static void on_message(void *arg, const struct share_message *message)
{
	const struct share_message missed = { 0 };
	struct fleet *fleet = arg;
	enum fleet_topic topic = 0;
	struct heard *heard;

	while (message->topic && topic < FLEET_TOPICS && strcmp(message->topic, topics[topic]) != 0)
		topic++;
	/* A newer member's topic. */
	if (message->topic && topic == FLEET_TOPICS)
		return;
	heard = heard_new(message->topic ? topic : FLEET_TOPICS, message);
	scope_lock(fleet, fleet);
	fleet->caught_up &= message->topic || message->forgot;
	if (heard && fleet->queue_count < HEARD_MAX && fleet->queue_bytes + heard->len <= HEARD_BYTES_MAX) {
		enqueue_locked(fleet, heard);
		return;
	}
	free(heard);
	drop_queue_locked(fleet);
	fleet->caught_up = false;
	heard = heard_new(FLEET_TOPICS, &missed);
	if (heard)
		enqueue_locked(fleet, heard);
}

/* ---- names under way ---- */

static size_t underway_key_len(const char *name)
{
	return offsetof(struct underway, name) - offsetof(struct underway, topic) + strlen(name);
}

static struct underway *underway_new(enum fleet_topic topic, const char *name)
{
	size_t n = strlen(name) + 1;
	struct underway *u = calloc(1, sizeof(*u) + n);

	if (!u)
		return NULL;
	u->topic = topic;
	memcpy(u->name, name, n);
	return u;
}

static struct underway *find_underway_locked(struct fleet *fleet, const struct underway *like) REQUIRES(fleet_locked)
{
	struct underway *u;

	fleet_assert_locked(fleet);
	HASH_FIND(hh, fleet->underway, &like->topic, underway_key_len(like->name), u);
	return u;
}

static void drop_underway_locked(struct fleet *fleet, struct underway *u) REQUIRES(fleet_locked)
{
	fleet_assert_locked(fleet);
	HASH_DEL(fleet->underway, u);
	free(u);
}

static void note_underway(struct fleet *fleet, enum fleet_topic topic, const char *name)
{
	struct underway *fresh = underway_new(topic, name), *u;

	if (!fresh)
		return;
	scope_lock(fleet, fleet);
	fleet->stats.told++;
	u = find_underway_locked(fleet, fresh);
	if (u) {
		u->count++;
		free(fresh);
		return;
	}
	fresh->count = 1;
	HASH_ADD_KEYPTR(hh, fleet->underway, &fresh->topic, underway_key_len(name), fresh);
	if (!fresh->hh.tbl)
		free(fresh);
	else if (HASH_COUNT(fleet->underway) > UNDERWAY_MAX)
		drop_underway_locked(fleet, fleet->underway);
}

/* own: one of its messages came back. Whether more of this member's are to come. */
static bool is_underway(struct fleet *fleet, enum fleet_topic topic, const char *name, bool own)
{
	cleanup_free_ struct underway *like = underway_new(topic, name);
	struct underway *u;

	scope_lock(fleet, fleet);
	u = like ? find_underway_locked(fleet, like) : NULL;
	if (!u)
		return false;
	if (own && --u->count == 0) {
		drop_underway_locked(fleet, u);
		return false;
	}
	return true;
}

void fleet_hear_all(struct fleet *fleet, const char *name)
{
	cleanup_free_ struct underway *like = underway_new(FLEET_CLAIMS, name);
	int64_t deadline = clock_after_ms(SHARE_WAIT_MS);
	const struct buf nothing = BUF_INIT;

	fleet_tell(fleet, FLEET_CLAIMS, name, &nothing);
	scope_lock(fleet, fleet);
	while (like && !fleet->stopping && find_underway_locked(fleet, like) &&
	       fleet_cond_wait(fleet, &fleet->told, deadline) == 0)
		;
}

/* All of them, by their hash: what is told from now on is not among them. */
static struct underway *take_underway(struct fleet *fleet)
{
	struct underway *all;

	scope_lock(fleet, fleet);
	all = fleet->underway;
	fleet->underway = NULL;
	return all;
}

/* ---- the thread ---- */

static void hand_over(struct fleet *fleet, struct heard *heard)
{
	struct unpack in = { .at = heard->data, .left = heard->len };
	const char *name = unpack_text(&in);
	const struct fleet_ear *ear = &fleet->ears[heard->topic];
	bool later;

	if (!name)
		return;
	later = is_underway(fleet, heard->topic, name, heard->own);
	fleet_lock(fleet);
	if (heard->own)
		pthread_cond_broadcast(&fleet->told);
	else if (ear->told)
		fleet->stats.heard++;
	fleet_unlock(fleet);
	if (heard->own || !ear->told)
		return;
	ear->told(ear->arg, name, &in, later);
}

static void come_back(struct fleet *fleet)
{
	struct underway *all = take_underway(fleet), *u, *next;

	HASH_ITER(hh, all, u, next) {
		const struct fleet_ear *ear = &fleet->ears[u->topic];

		if (ear->lost)
			ear->lost(ear->arg, u->name);
		HASH_DEL(all, u);
		free(u);
	}
	for (size_t i = 0; i < FLEET_TOPICS; i++) {
		if (fleet->ears[i].back)
			fleet->ears[i].back(fleet->ears[i].arg);
	}
	scope_lock(fleet, fleet);
	fleet->caught_up = true;
	pthread_cond_broadcast(&fleet->told);
}

static void fill_again(struct fleet *fleet)
{
	for (size_t i = 0; i < FLEET_TOPICS; i++) {
		if (fleet->ears[i].emptied)
			fleet->ears[i].emptied(fleet->ears[i].arg);
	}
}

/* The next message, or NULL where the fleet stops. */
static struct heard *next_heard(struct fleet *fleet)
{
	struct heard *heard;

	scope_lock(fleet, fleet);
	while (!fleet->stopping && !fleet->queue) {
		if (fleet->leases && !clock_left_ms(fleet->renew_ms))
			fleet_renew_locked(fleet);
		fleet_cond_wait(fleet, &fleet->more, fleet->leases ? fleet->renew_ms : CLOCK_NEVER);
	}
	if (fleet->stopping)
		return NULL;
	heard = fleet->queue;
	fleet->queue = heard->next;
	if (!fleet->queue)
		fleet->queue_tail = &fleet->queue;
	fleet->queue_count--;
	fleet->queue_bytes -= heard->len;
	if (fleet->leases && !clock_left_ms(fleet->renew_ms))
		fleet_renew_locked(fleet);
	return heard;
}

static void *thread_main(void *arg)
{
	struct fleet *fleet = arg;
	struct heard *heard;

	pthread_setname_np(pthread_self(), "cfcfs-fleet");
	while ((heard = next_heard(fleet))) {
		if (heard->topic == FLEET_TOPICS && heard->forgot)
			fill_again(fleet);
		else if (heard->topic == FLEET_TOPICS)
			come_back(fleet);
		else
			hand_over(fleet, heard);
		free(heard);
	}
	return NULL;
}

/* ---- life ---- */

/* Nobody else knows it yet. */
static void init_queue(struct fleet *fleet) NO_THREAD_SAFETY_ANALYSIS
{
	fleet->queue_tail = &fleet->queue;
}

int fleet_open(const struct share_options *options, struct fleet **ret, struct err *err)
{
	struct fleet *fleet = calloc(1, sizeof(*fleet));
	struct share_options o = *options;
	int r;

	if (!fleet)
		return err_set(err, ENOMEM, "out of memory");
	lock_init(&fleet->lock);
	clock_cond_init(&fleet->more);
	clock_cond_init(&fleet->told);
	init_queue(fleet);
	fleet_set_budget(fleet, 1, 1);
	o.told = on_message;
	o.told_arg = fleet;
	r = share_open(&o, &fleet->share, err);
	if (r < 0) {
		fleet_free(fleet);
		return r;
	}
	*ret = fleet;
	return 0;
}

void fleet_listen(struct fleet *fleet, enum fleet_topic topic, const struct fleet_ear *ear)
{
	fleet->ears[topic] = *ear;
}

int fleet_start(struct fleet *fleet)
{
	sigset_t all, old;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&fleet->thread, NULL, thread_main, fleet);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	fleet->has_thread = r == 0;
	return -r;
}

void fleet_stop(struct fleet *fleet)
{
	if (!fleet || !fleet->has_thread)
		return;
	fleet_lock(fleet);
	fleet->stopping = true;
	pthread_cond_signal(&fleet->more);
	fleet_unlock(fleet);
	pthread_join(fleet->thread, NULL);
	fleet->has_thread = false;
}

static void clear(struct fleet *fleet)
{
	struct underway *u, *next;
	struct lease *lease, *after;

	scope_lock(fleet, fleet);
	drop_queue_locked(fleet);
	HASH_ITER(hh, fleet->underway, u, next)
		drop_underway_locked(fleet, u);
	DL_FOREACH_SAFE(fleet->leases, lease, after)
		free(lease);
}

struct fleet *fleet_free(struct fleet *fleet)
{
	if (!fleet)
		return NULL;
	fleet_stop(fleet);
	/* It tells nobody any more after this. */
	fleet->share = share_close(fleet->share);
	clear(fleet);
	pthread_cond_destroy(&fleet->more);
	pthread_cond_destroy(&fleet->told);
	lock_destroy(&fleet->lock);
	free(fleet);
	return NULL;
}

int fleet_rekey(struct fleet *fleet, const char *token)
{
	return share_rekey(fleet->share, token);
}

struct share *fleet_share(struct fleet *fleet)
{
	return fleet->share;
}

bool fleet_is_ready(struct fleet *fleet)
{
	struct share_stats stats;

	share_stats(fleet->share, &stats);
	return stats.ready;
}

bool fleet_wait_heard(struct fleet *fleet, int64_t ms)
{
	int64_t deadline = clock_after_ms(ms);

	scope_lock(fleet, fleet);
	while (!fleet->caught_up && fleet_cond_wait(fleet, &fleet->told, deadline) == 0)
		;
	return fleet->caught_up;
}

bool fleet_pause(struct fleet *fleet, int64_t ms)
{
	int64_t until = clock_after_ms(ms);

	scope_lock(fleet, fleet);
	while (!fleet->stopping && fleet_cond_wait(fleet, &fleet->more, until) == 0)
		;
	return !fleet->stopping;
}

/* ---- telling ---- */

static int make_message(const char *name, const struct buf *payload, struct buf *ret)
{
	int r = pack_text(ret, name);

	return r < 0 ? r : buf_add(ret, payload->data, payload->len);
}

void fleet_tell(struct fleet *fleet, enum fleet_topic topic, const char *name, const struct buf *payload)
{
	cleanup_buf_wipe_ struct buf message = BUF_INIT;

	/* First, as it may come back before this thread goes on. What is not sent stays there, and is found lost. */
	note_underway(fleet, topic, name);
	if (make_message(name, payload, &message) == 0)
		share_publish(fleet->share, topics[topic], message.data, message.len);
}

void fleet_tell_row(struct fleet *fleet, const char *name, const struct buf *payload, const struct share_row *row)
{
	cleanup_buf_wipe_ struct buf message = BUF_INIT;

	note_underway(fleet, FLEET_STATE, name);
	if (make_message(name, payload, &message) == 0)
		share_row_publish(fleet->share, row, topics[FLEET_STATE], message.data, message.len);
}

/* ---- the budget ---- */

void fleet_set_budget(struct fleet *fleet, double rate, unsigned burst)
{
	fleet->writes = (struct share_bucket){ .rate = rate > 0.001 ? rate : 0.001, .burst = burst ? burst : 1 };
	fleet->reads = fleet->writes;
	/* A whole number below the burst, so that a burst of 1 still lets reads through. */
	fleet->reads.reserve = burst / KEPT_SHARE;
}

static void count_turn(struct fleet *fleet, bool alone)
{
	scope_lock(fleet, fleet);
	*(alone ? &fleet->stats.alone : &fleet->stats.waits) += 1;
}

/* Those that wait for one turn should not all come at once when it is there. */
static int64_t spread(int64_t wait_ms)
{
	int64_t ms = wait_ms < TURN_WAIT_MAX_MS ? wait_ms : TURN_WAIT_MAX_MS;

	return ms + rand_below((uint32_t)(ms / 4) + 2);
}

static int take(struct fleet *fleet, bool write, int64_t deadline_ms, struct waiter *waiter, struct fleet_turn *ret)
{
	bool counted = false;

	for (;;) {
		struct share_stats stats;
		int64_t wait_ms = 0, until;
		int r = share_take(fleet->share, BUCKET, write ? &fleet->writes : &fleet->reads, &wait_ms, waiter);

		if (r == -EINTR || r == 0) {
			ret->part = 1;
			return r;
		}
		if (r != -EBUSY) {
			count_turn(fleet, true);
			share_stats(fleet->share, &stats);
			ret->part = stats.members ? stats.members : 1;
			return 0;
		}
		if (!counted)
			count_turn(fleet, false);
		counted = true;
		if (clock_after_ms(wait_ms) >= deadline_ms) {
			ret->resume_ms = clock_after_ms(wait_ms);
			return -ETIMEDOUT;
		}
		until = clock_after_ms(spread(wait_ms));
		r = waiter_pause(waiter, until < deadline_ms ? until : deadline_ms, false);
		if (r < 0)
			return r;
	}
}

int fleet_take(struct fleet *fleet, bool write, int64_t deadline_ms, struct waiter *waiter, struct fleet_turn *ret)
{
	struct waiter own;
	int r;

	if (waiter)
		return take(fleet, write, deadline_ms, waiter, ret);
	r = waiter_init(&own);
	if (r < 0)
		return r;
	r = take(fleet, write, deadline_ms, &own, ret);
	waiter_destroy(&own);
	return r;
}

void fleet_block(struct fleet *fleet, int64_t ms)
{
	if (ms > 0)
		share_block(fleet->share, BUCKET, &fleet->writes, ms);
}

void fleet_stats(struct fleet *fleet, struct fleet_stats *ret)
{
	fleet_lock(fleet);
	*ret = fleet->stats;
	ret->caught_up = fleet->caught_up;
	fleet_unlock(fleet);
	share_stats(fleet->share, &ret->share);
}
