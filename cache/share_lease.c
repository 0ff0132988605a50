/* Leases and the budget: each is one step for all members, a script in the server, by its clock. */
#include <errno.h>

#include "cache/share_private.h"

/* What no member put there (another type, no end, no member's name) is no lease. */
static const char lease_script[] = "if redis.call('SET',KEYS[1],ARGV[1],'NX','PX',ARGV[2]) then return 0 end "
				   "local left=redis.call('PTTL',KEYS[1]) "
				   "if left>=0 and left<=ARGV[2]*1 and redis.call('TYPE',KEYS[1]).ok=='string' "
				   "and redis.call('STRLEN',KEYS[1])==#ARGV[1] "
				   "then return left>0 and left or 1 end "
				   "redis.call('SET',KEYS[1],ARGV[1],'PX',ARGV[2]) return 0";
static const char renew_script[] = "if redis.call('TYPE',KEYS[1]).ok=='string' and redis.call('GET',KEYS[1])==ARGV[1] "
				   "then return redis.call('PEXPIRE',KEYS[1],ARGV[2]) end return 0";
static const char unlease_script[] = "if redis.call('TYPE',KEYS[1]).ok=='string' and redis.call('GET',KEYS[1])==ARGV[1] "
				     "then return redis.call('DEL',KEYS[1]) end return 0";
/* ARGV: rate, burst, reserve, how long it is kept, and how long it is blocked from now on (-1: a token is wanted). */
static const char bucket_script[] =
	"if redis.call('TYPE',KEYS[1]).ok~='hash' then redis.call('DEL',KEYS[1]) end "
	"local t=redis.call('TIME') local now=t[1]*1000+math.floor(t[2]/1000) "
	"local h=redis.call('HMGET',KEYS[1],'left','at','till') "
	"local rate,burst,reserve,block=tonumber(ARGV[1]),tonumber(ARGV[2]),tonumber(ARGV[3]),tonumber(ARGV[5]) "
	"local left,at,till=tonumber(h[1]) or burst,tonumber(h[2]) or now,tonumber(h[3]) or 0 "
	"if now>at then left=math.min(burst,left+(now-at)*rate/1000) end "
	"local wait=0 "
	"if block>=0 then till=math.max(till,now+block) "
	"elseif till>now then wait=till-now "
	"elseif left-1<reserve then wait=math.max(1,math.ceil((reserve+1-left)*1000/rate)) "
	"else left=left-1 end "
	"redis.call('HMSET',KEYS[1],'left',tostring(left),'at',now,'till',till) "
	"redis.call('PEXPIRE',KEYS[1],math.max(tonumber(ARGV[4]),till-now)) "
	"return wait";

int share_lease(struct share *share, const char *name, int64_t ttl_ms, int64_t *ret_left_ms, struct waiter *waiter)
{
	cleanup_(share_keys_unrefp) struct share_keys *keys = share_keys_now(share);
	char key[SHARE_KEY_BYTES], ttl[24];
	struct command c = { 0 };
	int64_t left = 0;
	int r;

	share_name(keys, SHARE_LEASE, name, key);
	snprintf(ttl, sizeof(ttl), "%lld", (long long)ttl_ms);
	command_add_script(&c, lease_script, key);
	command_add(&c, share->member);
	command_add(&c, ttl);
	r = share_ask_number(share, &c, waiter, &left);
	if (r < 0)
		return r;
	*ret_left_ms = left < ttl_ms ? left : ttl_ms;
	return left ? -EBUSY : 0;
}

int share_renew(struct share *share, const char *name, int64_t ttl_ms)
{
	cleanup_(share_keys_unrefp) struct share_keys *keys = share_keys_now(share);
	char key[SHARE_KEY_BYTES], ttl[24];
	struct command c = { 0 };

	share_name(keys, SHARE_LEASE, name, key);
	snprintf(ttl, sizeof(ttl), "%lld", (long long)ttl_ms);
	command_add_script(&c, renew_script, key);
	command_add(&c, share->member);
	command_add(&c, ttl);
	return share_tell(share, &c);
}

int share_unlease(struct share *share, const char *name)
{
	cleanup_(share_keys_unrefp) struct share_keys *keys = share_keys_now(share);
	char key[SHARE_KEY_BYTES];
	struct command c = { 0 };

	share_name(keys, SHARE_LEASE, name, key);
	command_add_script(&c, unlease_script, key);
	command_add(&c, share->member);
	return share_tell(share, &c);
}

/* The numbers of a bucket as words; a point stands in them whatever the locale. */
struct bucket_words {
	char key[SHARE_KEY_BYTES], rate[24], burst[24], reserve[24], kept[24], block[24];
};

static void format_milli(char text[24], double value)
{
	int64_t milli = (int64_t)(value * 1000);

	snprintf(text, 24, "%lld.%03d", (long long)(milli / 1000), (int)(milli % 1000));
}

static void make_bucket_command(struct share *share, const char *name, const struct share_bucket *bucket, int64_t block_ms,
				struct bucket_words *w, struct command *c)
{
	cleanup_(share_keys_unrefp) struct share_keys *keys = share_keys_now(share);

	share_name(keys, SHARE_BUCKET, name, w->key);
	format_milli(w->rate, bucket->rate);
	format_milli(w->burst, bucket->burst);
	format_milli(w->reserve, bucket->reserve);
	/* Full again after this time: then there is nothing to remember. */
	snprintf(w->kept, sizeof(w->kept), "%lld", (long long)(bucket->burst / bucket->rate * 1000) + 1000);
	snprintf(w->block, sizeof(w->block), "%lld", (long long)block_ms);
	command_add_script(c, bucket_script, w->key);
	command_add(c, w->rate);
	command_add(c, w->burst);
	command_add(c, w->reserve);
	command_add(c, w->kept);
	command_add(c, w->block);
}

int share_take(struct share *share, const char *name, const struct share_bucket *bucket, int64_t *ret_wait_ms,
	       struct waiter *waiter)
{
	struct command c = { 0 };
	struct bucket_words words;
	int64_t wait = 0;
	int r;

	assert_return(bucket->rate > 0 && bucket->burst >= 1 && bucket->reserve >= 0, -EINVAL);
	make_bucket_command(share, name, bucket, -1, &words, &c);
	r = share_ask_number(share, &c, waiter, &wait);
	if (r < 0)
		return r;
	*ret_wait_ms = wait;
	return wait ? -EBUSY : 0;
}

int share_block(struct share *share, const char *name, const struct share_bucket *bucket, int64_t ms)
{
	struct command c = { 0 };
	struct bucket_words words;

	assert_return(bucket->rate > 0 && ms >= 0, -EINVAL);
	make_bucket_command(share, name, bucket, ms, &words, &c);
	return share_tell(share, &c);
}
