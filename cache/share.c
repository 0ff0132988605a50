#include "cache/share.h"

#include <errno.h>

#include "api/base/log.h"
#include "api/base/rand.h"
#include "cache/share_private.h"

/* How long closing waits for a thread that resolves a name. */
#define END_MS 3000

/* ---- opening and closing ---- */

/* Nobody else uses it any more. */
static void clear_fixed(struct share *share) NO_THREAD_SAFETY_ANALYSIS
{
	share->keys = share_keys_unref(share->keys);
	free(share->base_url);
	free(share->account);
	share->password = wipe_str(share->password);
	share_tls_free(share->tls);
	share_address_clear(&share->address);
}

static int prepare(struct share *share, const struct share_options *options, struct err *err)
{
	uint8_t member[SHARE_MEMBER_BYTES];
	int r = share_address_parse(options->url, &share->address, err);

	if (r < 0)
		return r;
	if (share->address.tls)
		r = share_tls_new(options->cacert, &share->tls, err);
	if (r < 0)
		return r;
	if (options->password && !(share->password = strdup(options->password)))
		return err_set(err, ENOMEM, "out of memory");
	share->base_url = strdup(options->base_url);
	share->account = strdup(options->account);
	if (!share->base_url || !share->account || share_rekey(share, options->token) < 0)
		return err_set(err, ENOMEM, "out of memory");
	rand_bytes(member, sizeof(member));
	sodium_bin2hex(share->member, sizeof(share->member), member, sizeof(member));
	share->told = options->told;
	share->told_arg = options->told_arg;
	return 0;
}

static void free_share(struct share *share)
{
	pthread_cond_destroy(&share->thread_over);
	lock_destroy(&share->lock);
	closep(&share->kick_fd);
	clear_fixed(share);
	free(share);
}

/* Nobody else knows it yet. */
static void init_queue(struct share *share) NO_THREAD_SAFETY_ANALYSIS
{
	share->queue_tail = &share->queue;
}

int share_open(const struct share_options *options, struct share **ret, struct err *err)
{
	struct share *share = calloc(1, sizeof(*share));
	int r;

	if (!share)
		return err_set(err, ENOMEM, "out of memory");
	lock_init(&share->lock);
	clock_cond_init(&share->thread_over);
	share->kick_fd = -1;
	init_queue(share);
	r = prepare(share, options, err);
	if (r == 0) {
		r = share_thread_start(share);
		if (r < 0)
			err_set(err, -r, "no thread could be had for the share (%s)", errno_name(-r));
	}
	if (r < 0) {
		free_share(share);
		return r;
	}
	*ret = share;
	return 0;
}

struct share *share_close(struct share *share)
{
	if (!share)
		return NULL;
	if (share_thread_end(share, clock_after_ms(END_MS)) < 0) {
		log_error("the share's thread does not end: the name of its server is being resolved");
		return NULL;
	}
	free_share(share);
	return NULL;
}

int share_rekey(struct share *share, const char *token)
{
	const struct share_who who = { share->base_url, share->account, token };
	struct share_keys *keys = seal_derive(&who), *before;

	if (!keys)
		return -ENOMEM;
	share_lock(share);
	before = share->keys;
	if (before && !sodium_memcmp(before->seal, keys->seal, sizeof(keys->seal))) {
		before = keys;
	} else {
		share->keys = keys;
		share->stats.ready = false;
	}
	share_unlock(share);
	share_keys_unref(before);
	if (share->has_thread)
		share_thread_kick(share);
	return 0;
}

/* ---- values ---- */

static void count_look(struct share *share, bool hit)
{
	scope_lock(share, share);
	*(hit ? &share->stats.hits : &share->stats.misses) += 1;
}

int share_get(struct share *share, const char *name, struct buf *ret, int64_t *ret_age_ms, struct waiter *waiter)
{
	cleanup_(share_keys_unrefp) struct share_keys *keys = share_keys_now(share);
	char key[SHARE_KEY_BYTES];
	struct query *query = NULL;
	struct command c = { 0 };
	int64_t made_ms = 0;
	int r;

	share_name(keys, SHARE_VALUE, name, key);
	command_add(&c, "GET");
	command_add(&c, key);
	r = share_ask(share, &c, waiter, &query);
	if (r < 0)
		return r;
	r = share_open_answer(share, keys, query->reply, key, ret, &made_ms);
	query_drop(share, query);
	count_look(share, r == 0);
	if (r == 0 && ret_age_ms) {
		int64_t age = share_server_ms(share) - made_ms;

		*ret_age_ms = age > 0 ? age : 0;
	}
	return r;
}

struct sealed_value {
	const void *bytes;
	size_t len;
	int64_t made_ms, ttl_ms; /* the server's clock; how long it is kept */
};

static int put(struct share *share, enum share_what what, const char *name, const struct sealed_value *value)
{
	cleanup_(share_keys_unrefp) struct share_keys *keys = share_keys_now(share);
	cleanup_buf_ struct buf sealed = BUF_INIT;
	char key[SHARE_KEY_BYTES], ttl[24];
	struct command c = { 0 };
	int r;

	share_name(keys, what, name, key);
	r = seal_close(keys, key, value->made_ms, value->bytes, value->len, &sealed);
	if (r < 0)
		return r;
	snprintf(ttl, sizeof(ttl), "%lld", (long long)value->ttl_ms);
	command_add(&c, "SET");
	command_add(&c, key);
	command_add_bytes(&c, sealed.data, sealed.len);
	command_add(&c, "PX");
	command_add(&c, ttl);
	return share_tell(share, &c);
}

int share_put_aged(struct share *share, const char *name, const void *value, size_t len, int64_t age_ms, int64_t ttl_ms)
{
	/* No younger than it is, whatever this clock's error: a mark must not be taken for the earlier one. */
	const struct sealed_value what = { value, len, share_server_ms(share) - share_clock_error_ms(share) - age_ms, ttl_ms };

	assert_return(ttl_ms > 0, -EINVAL);
	return put(share, SHARE_VALUE, name, &what);
}

int share_put(struct share *share, const char *name, const void *value, size_t len, int64_t ttl_ms)
{
	return share_put_aged(share, name, value, len, 0, ttl_ms);
}

int share_mark(struct share *share, const char *name, int64_t ttl_ms)
{
	const struct sealed_value nothing = { "", 0, share_server_ms(share) + share_clock_error_ms(share), ttl_ms };

	return put(share, SHARE_MARK, name, &nothing);
}

/* A mark that nobody can read marks nothing. */
static bool is_marked(struct share *share, const struct share_keys *keys, const redisReply *mark, const char *key,
		      int64_t made_ms)
{
	cleanup_buf_ struct buf nothing = BUF_INIT;
	int64_t marked_ms;

	return share_open_answer(share, keys, mark, key, &nothing, &marked_ms) == 0 && made_ms <= marked_ms + SHARE_MARK_SLACK_MS;
}

int share_get_unmarked(struct share *share, const char *name, const char *group, struct buf *ret, int64_t *ret_age_ms,
		       struct waiter *waiter)
{
	cleanup_(share_keys_unrefp) struct share_keys *keys = share_keys_now(share);
	char names[3][SHARE_KEY_BYTES];
	struct query *query = NULL;
	struct command c = { 0 };
	int64_t made_ms = 0, age;
	redisReply **found;
	int r;

	share_name(keys, SHARE_VALUE, name, names[0]);
	share_name(keys, SHARE_MARK, name, names[1]);
	share_name(keys, SHARE_MARK, group, names[2]);
	command_add(&c, "MGET");
	for (size_t i = 0; i < array_len(names); i++)
		command_add(&c, names[i]);
	r = share_ask(share, &c, waiter, &query);
	if (r < 0)
		return r;
	found = query->reply->element;
	if (query->reply->type != REDIS_REPLY_ARRAY || query->reply->elements != array_len(names))
		r = -ENOENT;
	else
		r = share_open_answer(share, keys, found[0], names[0], ret, &made_ms);
	if (r == 0 &&
	    (is_marked(share, keys, found[1], names[1], made_ms) || is_marked(share, keys, found[2], names[2], made_ms)))
		r = -ENOENT;
	query_drop(share, query);
	count_look(share, r == 0);
	age = share_server_ms(share) - made_ms;
	if (r == 0)
		*ret_age_ms = age > 0 ? age : 0;
	return r;
}

int share_drop(struct share *share, const char *name)
{
	cleanup_(share_keys_unrefp) struct share_keys *keys = share_keys_now(share);
	char key[SHARE_KEY_BYTES];
	struct command c = { 0 };

	share_name(keys, SHARE_VALUE, name, key);
	command_add(&c, "DEL");
	command_add(&c, key);
	return share_tell(share, &c);
}

int share_seal_message(struct share *share, const struct share_keys *keys, const char *topic, const void *data, size_t len,
		       struct buf *ret)
{
	cleanup_buf_wipe_ struct buf plain = BUF_INIT;
	int r = buf_add(&plain, share->member, strlen(share->member) + 1);

	if (r == 0)
		r = buf_add(&plain, topic, strlen(topic) + 1);
	if (r == 0)
		r = buf_add(&plain, data, len);
	if (r == 0)
		r = seal_close(keys, keys->channel, share_server_ms(share), plain.data, plain.len, ret);
	return r;
}

int share_publish(struct share *share, const char *topic, const void *data, size_t len)
{
	cleanup_(share_keys_unrefp) struct share_keys *keys = share_keys_now(share);
	cleanup_buf_ struct buf sealed = BUF_INIT;
	struct command c = { 0 };
	int r = share_seal_message(share, keys, topic, data, len, &sealed);

	if (r < 0)
		return r;
	command_add(&c, "PUBLISH");
	command_add(&c, keys->channel);
	command_add_bytes(&c, sealed.data, sealed.len);
	return share_tell(share, &c);
}

void share_key(struct share *share, uint8_t ret[SHARE_KEY_LEN])
{
	scope_lock(share, share);
	memcpy(ret, share->keys->common, SHARE_KEY_LEN);
}

void share_stats(struct share *share, struct share_stats *ret)
{
	scope_lock(share, share);
	*ret = share->stats;
}
