/* Rows: a hash for each parent. A field's name says nothing, so the id is sealed with the value. */
#include <errno.h>

#include "cache/share_private.h"

struct row_names {
	char key[SHARE_KEY_BYTES], field[SHARE_KEY_BYTES];
};

static void name_row(const struct share_keys *keys, const char *table, const char *parent, const char *id, struct row_names *ret)
{
	const char *rows[] = { table, parent ? parent : "", NULL }, *field[] = { table, parent ? parent : "", id, NULL };

	seal_name(keys, SHARE_ROWS, rows, ret->key);
	if (id)
		seal_name(keys, SHARE_FIELD, field, ret->field);
}

/* "id", NUL, value, sealed for its field. */
static int seal_row(struct share *share, const struct share_keys *keys, const struct share_row *row,
		    const struct row_names *names, struct buf *ret)
{
	cleanup_buf_wipe_ struct buf plain = BUF_INIT;
	int r = buf_add(&plain, row->id, strlen(row->id) + 1);

	if (r == 0)
		r = buf_add(&plain, row->value, row->len);
	if (r == 0)
		r = seal_close(keys, names->field, share_server_ms(share), plain.data, plain.len, ret);
	return r;
}

int share_row_set(struct share *share, const char *table, const char *parent, const char *id, const void *value, size_t len)
{
	cleanup_(share_keys_unrefp) struct share_keys *keys = share_keys_now(share);
	const struct share_row row = { table, parent, id, value, len };
	cleanup_buf_ struct buf sealed = BUF_INIT;
	struct command c = { 0 }, expire = { 0 };
	struct row_names names;
	char ttl[24];
	int r;

	name_row(keys, table, parent, id, &names);
	r = seal_row(share, keys, &row, &names, &sealed);
	if (r < 0)
		return r;
	command_add(&c, "HSET");
	command_add(&c, names.key);
	command_add(&c, names.field);
	command_add_bytes(&c, sealed.data, sealed.len);
	r = share_tell(share, &c);
	if (r < 0)
		return r;
	snprintf(ttl, sizeof(ttl), "%lld", (long long)SHARE_ROWS_MS);
	command_add(&expire, "PEXPIRE");
	command_add(&expire, names.key);
	command_add(&expire, ttl);
	return share_tell(share, &expire);
}

/* ARGV: the field, the value, how long the rows are kept, the channel, the message. */
static const char publish_script[] = "if redis.call('TYPE',KEYS[1]).ok~='hash' then redis.call('DEL',KEYS[1]) end "
				     "redis.call('HSET',KEYS[1],ARGV[1],ARGV[2]) redis.call('PEXPIRE',KEYS[1],ARGV[3]) "
				     "return redis.call('PUBLISH',ARGV[4],ARGV[5])";

int share_row_publish(struct share *share, const struct share_row *row, const char *topic, const void *data, size_t len)
{
	cleanup_(share_keys_unrefp) struct share_keys *keys = share_keys_now(share);
	cleanup_buf_ struct buf sealed = BUF_INIT, message = BUF_INIT;
	struct command c = { 0 };
	struct row_names names;
	char ttl[24];
	int r;

	name_row(keys, row->table, row->parent, row->id, &names);
	r = seal_row(share, keys, row, &names, &sealed);
	if (r == 0)
		r = share_seal_message(share, keys, topic, data, len, &message);
	if (r < 0)
		return r;
	snprintf(ttl, sizeof(ttl), "%lld", (long long)SHARE_ROWS_MS);
	command_add_script(&c, publish_script, names.key);
	command_add(&c, names.field);
	command_add_bytes(&c, sealed.data, sealed.len);
	command_add(&c, ttl);
	command_add(&c, keys->channel);
	command_add_bytes(&c, message.data, message.len);
	return share_tell(share, &c);
}

int share_row_delete(struct share *share, const char *table, const char *parent, const char *id)
{
	cleanup_(share_keys_unrefp) struct share_keys *keys = share_keys_now(share);
	struct command c = { 0 };
	struct row_names names;

	name_row(keys, table, parent, id, &names);
	command_add(&c, "HDEL");
	command_add(&c, names.key);
	command_add(&c, names.field);
	return share_tell(share, &c);
}

/* "id", NUL, value. *ret_value points into plain. */
static int split_row(const struct buf *plain, const char **ret_value, size_t *ret_len)
{
	const char *end = plain->len ? memchr(plain->data, '\0', plain->len) : NULL;

	if (!end)
		return -EBADMSG;
	*ret_value = end + 1;
	*ret_len = (size_t)(plain->data + plain->len - end - 1);
	return 0;
}

int share_row_get(struct share *share, const char *table, const char *parent, const char *id, struct buf *ret,
		  struct waiter *waiter)
{
	cleanup_(share_keys_unrefp) struct share_keys *keys = share_keys_now(share);
	cleanup_buf_wipe_ struct buf plain = BUF_INIT;
	struct command c = { 0 };
	struct query *query = NULL;
	struct row_names names;
	const char *value;
	int64_t made_ms;
	size_t len;
	int r;

	name_row(keys, table, parent, id, &names);
	command_add(&c, "HGET");
	command_add(&c, names.key);
	command_add(&c, names.field);
	r = share_ask(share, &c, waiter, &query);
	if (r < 0)
		return r;
	r = share_open_answer(share, keys, query->reply, names.field, &plain, &made_ms);
	query_drop(share, query);
	if (r < 0 || split_row(&plain, &value, &len) < 0)
		return r < 0 ? r : -ENOENT;
	buf_clear(ret);
	return buf_add(ret, value, len);
}

struct each_row {
	int (*call)(void *arg, const char *id, const void *value, size_t len);
	void *arg;
};

/* What cannot be opened, or is no row, is none. */
static int open_pair(struct share *share, const struct share_keys *keys, redisReply *const pair[2], const struct each_row *each)
{
	cleanup_buf_wipe_ struct buf plain = BUF_INIT;
	const char *value;
	int64_t made_ms;
	size_t len;
	int r;

	if (pair[0]->type != REDIS_REPLY_STRING)
		return 0;
	r = share_open_answer(share, keys, pair[1], pair[0]->str, &plain, &made_ms);
	if (r < 0 || split_row(&plain, &value, &len) < 0)
		return r == -ENOMEM ? r : 0;
	return each->call(each->arg, plain.data, value, len);
}

static int each_pair(struct share *share, const struct share_keys *keys, const redisReply *reply, const struct each_row *each)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i + 1 < reply->elements; i += 2)
		r = open_pair(share, keys, &reply->element[i], each);
	return r;
}

int share_row_each(struct share *share, const char *table, const char *parent,
		   int (*each)(void *arg, const char *id, const void *value, size_t len), void *arg, struct waiter *waiter)
{
	cleanup_(share_keys_unrefp) struct share_keys *keys = share_keys_now(share);
	struct command c = { 0 };
	struct query *query = NULL;
	struct row_names names;
	int r;

	name_row(keys, table, parent, NULL, &names);
	command_add(&c, "HGETALL");
	command_add(&c, names.key);
	r = share_ask_patiently(share, &c, waiter, &query);
	if (r < 0)
		return r;
	r = query->reply->type == REDIS_REPLY_ARRAY ? each_pair(share, keys, query->reply, &(struct each_row){ each, arg }) : 0;
	query_drop(share, query);
	return r;
}
