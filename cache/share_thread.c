/*
 * The thread of the share: two connections (commands, and the channel), one queue of queries, and nothing that waits for the
 * server but the one poll.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>

#include "api/base/log.h"
#include "api/base/rand.h"
#include "cache/share_private.h"

/* What one session knows: both connections, from connecting to the first trouble. The thread's own. */
struct session {
	struct share *share;
	struct share_keys *keys;          /* a reference; those that it began with */
	redisContext *commands, *channel; /* owned; NULL: no session */
	struct query *sent, **sent_tail;  /* in the order of their answers */
	bool commands_writing, channel_writing;
	bool joined, subscribed, ready;
	bool rejoins; /* the one before was lost: the server may not have heard of all members again */
	bool failed;  /* it ends */
	int64_t heartbeat_ms, retry_ms, connect_ms;
	int64_t asked_ms;       /* when the heartbeat under way was sent */
	int64_t subscribing_ms; /* when the channel was asked for; 0: it has answered */
	int64_t counting_ms;    /* since when the server counts those that come back */
	char trouble[160];      /* the last one told, so that each is told once */
};

static const char heartbeat[] = "if redis.call('TYPE',KEYS[1]).ok~='zset' then redis.call('DEL',KEYS[1]) end "
				"local t=redis.call('TIME') local now=t[1]*1000+math.floor(t[2]/1000) "
				"local new=redis.call('ZADD',KEYS[1],now,ARGV[1]) "
				"redis.call('ZREMRANGEBYSCORE',KEYS[1],'-inf',now-ARGV[2]) "
				"redis.call('PEXPIRE',KEYS[1],ARGV[2]*4) "
				"return {now,redis.call('ZCARD',KEYS[1]),new}";

static void trouble(struct session *s, const char *text)
{
	s->failed = true;
	if (!strcmp(s->trouble, text))
		return;
	snprintf(s->trouble, sizeof(s->trouble), "%s", text);
	log_warning("the share is away (%s): this mount goes on alone until it is back", text);
}

/* ---- queries ---- */

struct query *query_new(const char *const *words, const size_t *lens, size_t count)
{
	struct query *query = calloc(1, sizeof(*query));
	int n;

	if (!query)
		return NULL;
	n = redisFormatCommandArgv(&query->command, (int)count, (const char **)(uintptr_t)words, lens);
	if (n < 0) {
		free(query);
		return NULL;
	}
	query->len = (size_t)n;
	return query;
}

static void finish(struct share *share, struct query *query, redisReply *reply)
{
	scope_lock(share, share);
	(void)invariant(share->queries > 0 && share->bytes >= query->len);
	share->queries--;
	share->bytes -= query->len;
	query->reply = reply;
	query->done = true;
	if (query->waiter)
		waiter_wake(query->waiter);
	query_unref_locked(share, query);
}

/* Puts it on the wire; what is the session's own is counted as the others. */
static void send_query(struct session *s, struct query *query)
{
	if (redisAppendFormattedCommand(s->commands, query->command, query->len) != REDIS_OK)
		trouble(s, "out of memory");
	redisFreeCommand(query->command);
	query->command = NULL;
	query->next = NULL;
	query->sent_ms = clock_now_ms();
	*s->sent_tail = query;
	s->sent_tail = &query->next;
	s->commands_writing = true;
}

static void take_queue(struct session *s)
{
	struct share *share = s->share;
	struct query *query, *next;

	share_lock(share);
	query = share->queue;
	share->queue = NULL;
	share->queue_tail = &share->queue;
	share_unlock(share);
	for (; query; query = next) {
		next = query->next;
		if (s->ready && !s->failed)
			send_query(s, query);
		else
			finish(share, query, NULL);
	}
}

static void send_own(struct session *s, const char *const *words, size_t count,
		     void (*answered)(struct session *s, const struct query *query, const redisReply *reply))
{
	struct query *query;
	size_t lens[8];

	if (!invariant(count <= array_len(lens)))
		return;
	for (size_t i = 0; i < count; i++)
		lens[i] = strlen(words[i]);
	query = query_new(words, lens, count);
	if (!query) {
		trouble(s, "out of memory");
		return;
	}
	query->answered = answered;
	share_lock(s->share);
	query->refs = 1;
	s->share->queries++;
	s->share->bytes += query->len;
	share_unlock(s->share);
	send_query(s, query);
}

/* ---- joining ---- */

static void tell(struct session *s, const struct share_message *message)
{
	if (s->share->told)
		s->share->told(s->share->told_arg, message);
}

static void become_ready(struct session *s)
{
	const struct share_message missed = { 0 };

	if (s->ready || !s->joined || !s->subscribed)
		return;
	s->ready = true;
	s->retry_ms = SHARE_RETRY_MS;
	if (s->trouble[0])
		log_warning("the share is back");
	s->trouble[0] = '\0';
	share_lock(s->share);
	s->share->stats.ready = true;
	s->share->slow_until_ms = 0;
	share_unlock(s->share);
	tell(s, &missed);
}

static void on_plain(struct session *s, const struct query *query, const redisReply *reply)
{
	(void)query;
	if (reply->type == REDIS_REPLY_ERROR)
		trouble(s, reply->str);
}

static bool holds_numbers(const redisReply *reply, size_t count)
{
	bool all = reply->type == REDIS_REPLY_ARRAY && reply->elements == count;

	for (size_t i = 0; all && i < count; i++)
		all = reply->element[i]->type == REDIS_REPLY_INTEGER;
	return all;
}

/* A server that came back empty counts those that have come back so far: the others have as long as a silent member has. */
static void note_members_locked(struct session *s, unsigned count, int64_t now) REQUIRES(share_locked)
{
	struct share_stats *stats = &s->share->stats;

	share_assert_locked(s->share);
	if (s->rejoins && now - s->counting_ms < SHARE_MEMBER_MS && count < stats->members)
		return;
	stats->members = count;
}

/* The server's clock stood at server_ms at some moment between two of ours: an answer that took long says little of it. */
static void note_clock_locked(struct session *s, int64_t server_ms, int64_t from_ms, int64_t to_ms) REQUIRES(share_locked)
{
	int64_t error_ms = (to_ms - from_ms + 1) / 2;
	struct share *share = s->share;

	share_assert_locked(share);
	if (s->joined && error_ms > share->clock_error_ms + SHARE_CLOCK_DRIFT_MS) {
		share->clock_error_ms += SHARE_CLOCK_DRIFT_MS;
		return;
	}
	share->clock_offset_ms = server_ms - (from_ms + to_ms) / 2;
	share->clock_error_ms = error_ms;
}

static void on_heartbeat(struct session *s, const struct query *query, const redisReply *reply)
{
	struct share *share = s->share;
	int64_t now = clock_now_ms();
	bool forgotten;

	s->asked_ms = 0;
	if (reply->type == REDIS_REPLY_ERROR) {
		trouble(s, reply->str);
		return;
	}
	if (!holds_numbers(reply, 3)) {
		trouble(s, "the server's answers are not understood");
		return;
	}
	forgotten = s->joined && reply->element[2]->integer;
	s->rejoins |= forgotten;
	if (!s->joined || forgotten)
		s->counting_ms = now;
	share_lock(share);
	note_clock_locked(s, reply->element[0]->integer, query->sent_ms, now);
	note_members_locked(s, (unsigned)reply->element[1]->integer, now);
	share_unlock(share);
	s->heartbeat_ms = now + SHARE_HEARTBEAT_MS;
	s->joined = true;
	become_ready(s);
	/* Who forgot this member may have forgotten all. */
	if (forgotten && s->ready)
		tell(s, &(struct share_message){ .forgot = true });
}

/* Also with each heartbeat: a channel says nothing while there is nothing to say, and one that was cut by the way is as silent. To
   subscribe once more changes nothing, and is answered. */
static void subscribe(struct session *s)
{
	const char *words[] = { "SUBSCRIBE", s->keys->channel };

	if (s->subscribing_ms)
		return;
	if (redisAppendCommandArgv(s->channel, array_len(words), words, NULL) != REDIS_OK)
		trouble(s, "out of memory");
	s->subscribing_ms = clock_now_ms();
	s->channel_writing = true;
}

static void send_heartbeat(struct session *s)
{
	char silence[24];
	const char *words[] = { "EVAL", heartbeat, "1", s->keys->members, s->share->member, silence };

	snprintf(silence, sizeof(silence), "%d", SHARE_MEMBER_MS);
	s->asked_ms = clock_now_ms();
	send_own(s, words, array_len(words), on_heartbeat);
}

static redisContext *connect_to(const struct share *share)
{
	const struct share_address *address = &share->address;

	if (share->tls)
		return share_tls_connect(share->tls, address);
	return address->path ? redisConnectUnixNonBlock(address->path) : redisConnectNonBlock(address->host, address->port);
}

static void start_session(struct session *s)
{
	const struct share *share = s->share;
	const char *auth[] = { "AUTH", share->password };
	char db[16];
	const char *select[] = { "SELECT", db };

	s->keys = share_keys_now(s->share);
	s->failed = s->joined = s->subscribed = s->ready = false;
	s->commands = connect_to(share);
	s->channel = s->commands && !s->commands->err ? connect_to(share) : NULL;
	if (!s->commands || !s->channel || s->commands->err || s->channel->err) {
		trouble(s, s->commands && s->commands->err ? s->commands->errstr :
			   s->channel && s->channel->err   ? s->channel->errstr :
							     "out of memory");
		return;
	}
	snprintf(db, sizeof(db), "%d", share->address.db);
	if (share->password) {
		send_own(s, auth, array_len(auth), on_plain);
		redisAppendCommandArgv(s->channel, array_len(auth), auth, NULL);
	}
	if (share->address.db)
		send_own(s, select, array_len(select), on_plain);
	send_heartbeat(s);
	subscribe(s);
}

static void close_session(struct session *s)
{
	struct query *query = s->sent, *next;

	s->ready = false;
	s->keys = share_keys_unref(s->keys);
	if (s->commands)
		redisFree(s->commands);
	if (s->channel)
		redisFree(s->channel);
	s->commands = s->channel = NULL;
	s->subscribing_ms = 0;
	s->sent = NULL;
	s->sent_tail = &s->sent;
	for (; query; query = next) {
		next = query->next;
		finish(s->share, query, NULL);
	}
}

static void end_session(struct session *s)
{
	if (s->ready) {
		share_lock(s->share);
		s->share->stats.ready = false;
		s->share->stats.lost++;
		share_unlock(s->share);
		s->rejoins = true;
	}
	close_session(s);
	s->connect_ms = clock_after_ms(s->retry_ms);
	s->retry_ms = s->retry_ms * 2 < SHARE_RETRY_MAX_MS ? s->retry_ms * 2 : SHARE_RETRY_MAX_MS;
}

/* ---- what comes ---- */

static void take_answer(struct session *s, redisReply *reply)
{
	struct query *query = s->sent;

	if (!query) {
		freeReplyObject(reply);
		trouble(s, "the server answers what was not asked");
		return;
	}
	s->sent = query->next;
	if (!s->sent)
		s->sent_tail = &s->sent;
	if (query->answered)
		query->answered(s, query, reply);
	finish(s->share, query, reply);
}

/* "member", NUL, "topic", NUL, data. */
static void take_payload(struct session *s, const redisReply *payload)
{
	cleanup_buf_wipe_ struct buf plain = BUF_INIT;
	struct share_message message;
	int64_t made_ms;
	char *topic, *end;

	if (seal_open(s->keys, s->keys->channel, payload->str, payload->len, &plain, &made_ms) < 0) {
		share_note_tampered(s->share);
		return;
	}
	topic = plain.len ? memchr(plain.data, '\0', plain.len) : NULL;
	end = topic ? memchr(topic + 1, '\0', (size_t)(plain.data + plain.len - topic - 1)) : NULL;
	if (!end)
		return;
	message = (struct share_message){
		.topic = topic + 1,
		.data = end + 1,
		.len = (size_t)(plain.data + plain.len - end - 1),
		.own = !strcmp(plain.data, s->share->member),
	};
	tell(s, &message);
}

static void take_message(struct session *s, const redisReply *reply)
{
	const redisReply *kind = reply->type == REDIS_REPLY_ARRAY && reply->elements == 3 ? reply->element[0] : NULL;

	if (reply->type == REDIS_REPLY_ERROR) {
		trouble(s, reply->str);
	} else if (kind && kind->type == REDIS_REPLY_STRING && !strcmp(kind->str, "subscribe")) {
		s->subscribed = true;
		s->subscribing_ms = 0;
		become_ready(s);
	} else if (kind && kind->type == REDIS_REPLY_STRING && reply->element[2]->type == REDIS_REPLY_STRING) {
		take_payload(s, reply->element[2]);
	}
}

/* Reads what is there. */
static void read_from(struct session *s, redisContext *context)
{
	void *reply = NULL;

	if (redisBufferRead(context) != REDIS_OK) {
		trouble(s, context->errstr);
		return;
	}
	while (!s->failed) {
		if (redisGetReplyFromReader(context, &reply) != REDIS_OK) {
			trouble(s, context->errstr);
			return;
		}
		if (!reply)
			return;
		if (context == s->commands) {
			take_answer(s, reply);
		} else {
			take_message(s, reply);
			freeReplyObject(reply);
		}
	}
}

static void write_to(struct session *s, redisContext *context, bool *writing)
{
	int done = 0;

	if (redisBufferWrite(context, &done) != REDIS_OK)
		trouble(s, context->errstr);
	*writing = !done;
}

/* ---- rounds ---- */

/* Whether it is for another token than this member has now: then the next one begins at once. Nothing was lost. */
static bool is_outdated(struct session *s)
{
	scope_lock(share, s->share);
	return s->keys && s->keys != s->share->keys;
}

static void begin_anew(struct session *s)
{
	close_session(s);
	/* Other members than before. */
	s->rejoins = false;
	s->connect_ms = clock_now_ms();
}

static int64_t soonest(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int wait_ms(const struct session *s)
{
	int64_t until;

	if (!s->commands)
		until = s->connect_ms;
	else
		until = s->asked_ms ? s->asked_ms + SHARE_SILENT_MS : s->heartbeat_ms;
	if (s->sent)
		until = soonest(until, s->sent->sent_ms + SHARE_SILENT_MS);
	if (s->subscribing_ms)
		until = soonest(until, s->subscribing_ms + SHARE_SILENT_MS);
	return (int)soonest(clock_left_ms(until) + 1, SHARE_RETRY_MAX_MS);
}

static bool is_silent(const struct session *s)
{
	return (s->sent && !clock_left_ms(s->sent->sent_ms + SHARE_SILENT_MS)) ||
	       (s->subscribing_ms && !clock_left_ms(s->subscribing_ms + SHARE_SILENT_MS));
}

static void serve(struct session *s, const struct pollfd fds[3])
{
	if (fds[1].revents & (POLLOUT | POLLERR | POLLHUP))
		write_to(s, s->commands, &s->commands_writing);
	if (!s->failed && fds[2].revents & (POLLOUT | POLLERR | POLLHUP))
		write_to(s, s->channel, &s->channel_writing);
	if (!s->failed && fds[1].revents & (POLLIN | POLLHUP))
		read_from(s, s->commands);
	if (!s->failed && fds[2].revents & (POLLIN | POLLHUP))
		read_from(s, s->channel);
	if (!s->failed && is_silent(s))
		trouble(s, "the server does not answer");
	if (!s->failed && s->joined && !s->asked_ms && !clock_left_ms(s->heartbeat_ms)) {
		send_heartbeat(s);
		subscribe(s);
	}
}

static void run_round(struct session *s)
{
	struct pollfd fds[] = {
		{ .fd = s->share->kick_fd, .events = POLLIN },
		{ .fd = s->commands ? s->commands->fd : -1, .events = (short)(POLLIN | (s->commands_writing ? POLLOUT : 0)) },
		{ .fd = s->channel ? s->channel->fd : -1, .events = (short)(POLLIN | (s->channel_writing ? POLLOUT : 0)) },
	};
	eventfd_t kicks;

	poll(fds, array_len(fds), wait_ms(s));
	if (fds[0].revents && eventfd_read(s->share->kick_fd, &kicks) < 0 && errno != EAGAIN)
		trouble(s, "the event descriptor failed");
	if (s->commands)
		serve(s, fds);
	if (s->failed)
		end_session(s);
	else if (is_outdated(s))
		begin_anew(s);
	s->failed = false;
	take_queue(s);
	if (!s->commands && !clock_left_ms(s->connect_ms)) {
		start_session(s);
		if (s->failed)
			end_session(s);
		s->failed = false;
	}
}

static bool is_over(struct share *share)
{
	scope_lock(share, share);
	return share->ending;
}

static void *thread_main(void *arg)
{
	struct share *share = arg;
	struct session s = { .share = share, .retry_ms = SHARE_RETRY_MS };

	pthread_setname_np(pthread_self(), "cfcfs-share");
	s.sent_tail = &s.sent;
	while (!is_over(share))
		run_round(&s);
	/* What was put last goes out as far as the socket takes it. */
	take_queue(&s);
	if (s.commands && s.ready)
		write_to(&s, s.commands, &s.commands_writing);
	end_session(&s);
	scope_lock(share, share);
	share->over = true;
	pthread_cond_signal(&share->thread_over);
	return NULL;
}

int share_thread_start(struct share *share)
{
	sigset_t all, old;
	int r;

	share->kick_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (share->kick_fd < 0)
		return -errno;
	/* SIGPIPE among them: a connection that ended is an errno. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&share->thread, NULL, thread_main, share);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	share->has_thread = r == 0;
	return -r;
}

void share_thread_kick(struct share *share)
{
	/* Where it is full, the thread has reason enough to wake. */
	if (eventfd_write(share->kick_fd, 1) < 0)
		return;
}

int share_thread_end(struct share *share, int64_t deadline_ms)
{
	bool over;

	if (!share->has_thread)
		return 0;
	share_lock(share);
	share->ending = true;
	share_thread_kick(share);
	while (!share->over && share_cond_wait(share, &share->thread_over, deadline_ms) == 0)
		;
	over = share->over;
	share_unlock(share);
	if (!over) {
		pthread_detach(share->thread);
		return -ETIMEDOUT;
	}
	pthread_join(share->thread, NULL);
	share->has_thread = false;
	return 0;
}
