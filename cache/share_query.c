/* Queries: from a command to its answer, with a wait that ends. */
#include <errno.h>

#include "api/base/log.h"
#include "cache/share_private.h"

/* Lines of the log about values that were tampered with. */
#define TAMPERED_LOGGED_MAX 16

struct share_keys *share_keys_now(struct share *share)
{
	scope_lock(share, share);
	atomic_fetch_add_explicit(&share->keys->refs, 1, memory_order_relaxed);
	return share->keys;
}

void share_name(const struct share_keys *keys, enum share_what what, const char *name, char ret[SHARE_KEY_BYTES])
{
	const char *parts[] = { name, NULL };

	seal_name(keys, what, parts, ret);
}

void query_unref_locked(struct share *share, struct query *query)
{
	share_assert_locked(share);
	(void)invariant(query->refs > 0);
	if (--query->refs > 0)
		return;
	if (query->reply)
		freeReplyObject(query->reply);
	if (query->command)
		redisFreeCommand(query->command);
	free(query);
}

void query_drop(struct share *share, struct query *query)
{
	scope_lock(share, share);
	query_unref_locked(share, query);
}

/* How long an answer is waited for. */
enum patience { HURRIED, PATIENT };

/* Takes the reference over where it fails. */
static int enqueue(struct share *share, struct query *query, struct waiter *waiter, enum patience patience)
{
	bool waits = waiter;

	scope_lock(share, share);
	query->refs = 1;
	if (!share->stats.ready || share->ending || (waits && patience == HURRIED && clock_left_ms(share->slow_until_ms)) ||
	    share->queries >= SHARE_QUERIES_MAX || share->bytes + query->len > SHARE_QUEUE_BYTES) {
		query_unref_locked(share, query);
		return -EAGAIN;
	}
	query->waiter = waiter;
	query->refs += waits;
	share->queries++;
	share->bytes += query->len;
	*share->queue_tail = query;
	share->queue_tail = &query->next;
	share_thread_kick(share);
	return 0;
}

void command_add_bytes(struct command *c, const void *data, size_t len)
{
	if (!invariant(c->count < WORDS_MAX))
		return;
	c->words[c->count] = data;
	c->lens[c->count++] = len;
}

void command_add(struct command *c, const char *word)
{
	command_add_bytes(c, word, strlen(word));
}

int share_tell(struct share *share, const struct command *c)
{
	struct query *query = query_new(c->words, c->lens, c->count);

	return query ? enqueue(share, query, NULL, HURRIED) : -ENOMEM;
}

static int wait_for(struct share *share, struct query *query, struct waiter *waiter, enum patience patience)
{
	int64_t deadline = clock_after_ms(patience == HURRIED ? SHARE_WAIT_MS : SHARE_PATIENCE_MS);
	int waited = 0, r = 0;

	share_lock(share);
	while (!query->done && waited == 0) {
		share_unlock(share);
		waited = waiter_wait(waiter, deadline, false);
		share_lock(share);
	}
	query->waiter = NULL;
	if (!query->done) {
		r = waited == -EINTR ? -EINTR : -EAGAIN;
		share->stats.late += r == -EAGAIN;
		if (r == -EAGAIN && patience == HURRIED)
			share->slow_until_ms = clock_after_ms(SHARE_SLOW_MS);
	} else if (!query->reply || query->reply->type == REDIS_REPLY_ERROR) {
		r = -EAGAIN;
		share->stats.refused += query->reply != NULL;
	}
	share_unlock(share);
	/* A wake that came too late must not end this thread's next wait. */
	waiter_wait(waiter, 0, true);
	return r;
}

static int ask_with(struct share *share, const struct command *c, struct waiter *waiter, enum patience patience,
		    struct query **ret)
{
	struct query *query = query_new(c->words, c->lens, c->count);
	int r = query ? enqueue(share, query, waiter, patience) : -ENOMEM;

	if (r < 0)
		return r;
	r = wait_for(share, query, waiter, patience);
	if (r < 0)
		query_drop(share, query);
	else
		*ret = query;
	return r;
}

static int ask(struct share *share, const struct command *c, struct waiter *waiter, enum patience patience, struct query **ret)
{
	struct waiter own;
	int r;

	if (waiter)
		return ask_with(share, c, waiter, patience, ret);
	r = waiter_init(&own);
	if (r < 0)
		return r;
	r = ask_with(share, c, &own, patience, ret);
	waiter_destroy(&own);
	return r;
}

int share_ask(struct share *share, const struct command *c, struct waiter *waiter, struct query **ret)
{
	return ask(share, c, waiter, HURRIED, ret);
}

int share_ask_patiently(struct share *share, const struct command *c, struct waiter *waiter, struct query **ret)
{
	return ask(share, c, waiter, PATIENT, ret);
}

int share_ask_number(struct share *share, const struct command *c, struct waiter *waiter, int64_t *ret)
{
	struct query *query = NULL;
	int r = share_ask(share, c, waiter, &query);

	if (r < 0)
		return r;
	if (query->reply->type == REDIS_REPLY_INTEGER && query->reply->integer >= 0)
		*ret = query->reply->integer;
	else
		r = -EAGAIN;
	query_drop(share, query);
	return r;
}

void share_note_tampered(struct share *share)
{
	uint64_t count;

	share_lock(share);
	count = ++share->stats.tampered;
	share_unlock(share);
	if (count <= TAMPERED_LOGGED_MAX)
		log_warning("the share's server holds something that no member put there: it is taken for nothing");
}

int64_t share_server_ms(struct share *share)
{
	scope_lock(share, share);
	return clock_now_ms() + share->clock_offset_ms;
}

int64_t share_clock_error_ms(struct share *share)
{
	scope_lock(share, share);
	return share->clock_error_ms;
}

int share_open_answer(struct share *share, const struct share_keys *keys, const redisReply *reply, const char *key,
		      struct buf *ret, int64_t *ret_made_ms)
{
	int r;

	if (reply->type == REDIS_REPLY_NIL)
		return -ENOENT;
	r = reply->type == REDIS_REPLY_STRING ? seal_open(keys, key, reply->str, reply->len, ret, ret_made_ms) : -EBADMSG;
	if (r == -EBADMSG)
		share_note_tampered(share);
	return r == -EBADMSG ? -ENOENT : r;
}

void command_add_script(struct command *c, const char *script, const char *key)
{
	command_add(c, "EVAL");
	command_add(c, script);
	command_add(c, "1");
	command_add(c, key);
}
