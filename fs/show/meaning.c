#include "fs/show/meaning.h"

#include <errno.h>
#include <json-c/json.h>

#include "api/base/clock.h"
#include "api/base/name.h"
#include "api/base/rand.h"
#include "fs/core/failures.h"
#include "fs/show/listing.h"
#include "fs/show/meaning_private.h"
#include "fs/show/source.h"

/* How long a reader waits for what may change the list's word. */
#define UNKNOWN_WAIT_MS 10000

void meaning_clear(struct meaning *meaning)
{
	snapshot_unref(meaning->snapshot);
	free(meaning->pending);
	*meaning = (struct meaning){ 0 };
}

static void answered_clear(struct answered *answered)
{
	snapshot_unref(answered->snapshot);
	json_object_put(answered->object);
	*answered = (struct answered){ 0 };
}

static void question_clear(struct question *q)
{
	answered_clear(&q->entry);
	answered_clear(&q->get);
	meaning_rollout_clear(&q->own);
	meaning_rollout_clear(&q->active);
	intent_record_clear(&q->record);
}

/* ---- a GET of the resource ---- */

static bool can_get(const struct question *q)
{
	return q->kind->item && (q->kind->verbs & KIND_GET);
}

static void take_get(struct question *q, struct snapshot *snapshot, const struct store_info *info)
{
	answered_clear(&q->get);
	q->get.snapshot = snapshot;
	q->get.info = *info;
}

/* What the last GET said, whatever its age. */
static void recall_get(struct question *q)
{
	struct store_get get = { .row = q->kind, .ttl_ms = CLOCK_NEVER / 4, .cached_only = true };
	cleanup_free_ char *key = NULL;
	struct store_value value = { 0 };
	struct store_info info;

	if (!can_get(q) || source_item_key(q->kind, q->parent, q->id, &key) < 0)
		return;
	get.key = key;
	if (store_get(q->r->mount->store, &get, &value, &info, NULL) == 0 && value.snapshot)
		take_get(q, value.snapshot, &info);
	else
		store_value_clear(&value);
}

/* One that is at most this old. */
static int ask(struct question *q, int64_t ttl_ms)
{
	cleanup_free_ char *key = NULL;
	struct store_value value = { 0 };
	struct store_info info;
	int result = source_item_key(q->kind, q->parent, q->id, &key);

	if (result == 0)
		result = meaning_ask(q, q->kind, key, &value, &info, ttl_ms);
	if (result < 0)
		return result;
	if (!value.snapshot) {
		store_value_clear(&value);
		return -ENOENT;
	}
	take_get(q, value.snapshot, &info);
	intents_saw(q->r->mount->intents, q->kind->dir, q->id, value.snapshot->version, clock_wall_ns_at(info.fetched_ms));
	if (value.snapshot->version >= q->record.intent.seen_version) {
		q->record.intent.seen_version = value.snapshot->version;
		q->record.intent.seen_ns = clock_wall_ns_at(info.fetched_ms);
	}
	return 0;
}

/* For a reader: where the GET fails for now, what is at hand serves. Its own absence is said by the list alone. */
static int ask_if_possible(struct question *q)
{
	int result = can_get(q) ? ask(q, q->r->mount->options->cache_ttl_ms) : 0;

	if (result == 0 || result == RUN_IN_WORKER || result == -EINTR || result == -ENOMEM)
		return result;
	err_clear(&q->r->err);
	q->stale = true;
	q->expires_ms = clock_after_ms(q->r->mount->options->negative_ttl_ms);
	return 0;
}

/* ---- which answer counts ---- */

static bool list_lags(const struct question *q)
{
	const struct observation seen = {
		.source = OBSERVED_LIST,
		.asked_ns = clock_wall_ns_at(q->entry.info.fetched_ms),
		.version = q->entry.snapshot->version,
	};

	return intent_list_lags(&q->record.intent, &seen);
}

static bool get_is_newer(const struct question *q)
{
	return q->get.snapshot && q->get.info.fetched_ms >= q->entry.info.fetched_ms &&
	       q->get.snapshot->version >= q->entry.snapshot->version;
}

static int choose_base(struct question *q, bool fresh)
{
	int result = 0;

	recall_get(q);
	if (fresh && can_get(q)) {
		result = ask(q, MEANING_FRESH_MS);
		q->base = &q->get;
		return result;
	}
	if (list_lags(q)) {
		result = ask_if_possible(q);
		q->base = q->get.snapshot ? &q->get : &q->entry;
		return result;
	}
	q->base = get_is_newer(q) ? &q->get : &q->entry;
	return 0;
}

/* ---- the intent's own rollout ---- */

static int judge_own(struct question *q)
{
	const struct intent *intent = &q->record.intent;
	int result = meaning_shows(q, q->base);

	if (result < 0 || !intent->holds[INTENT_CONFIGURATION] || !q->record.rollout)
		return result;
	/* Where the account shows what is meant, it makes no difference yet what becomes of the rollout. */
	if (q->base->shows[INTENT_CONFIGURATION] && clock_wall_ns() < intent->accepted_ns + INTENT_SHOWN_NS)
		return 0;
	result = meaning_read_rollout(q, q->record.rollout, &q->own);
	if (result == 0)
		meaning_judge_rollout(q, &q->own);
	return result;
}

/* A newer answer than the base, judged too. */
static int ask_anew(struct question *q)
{
	int result = ask_if_possible(q);

	if (result < 0 || !q->get.snapshot)
		return result;
	q->base = &q->get;
	return meaning_judge_answer(q, q->base);
}

static int judge(struct question *q)
{
	int result = judge_own(q);

	if (result == 0)
		result = meaning_judge_answer(q, q->base);
	if (result == 0 && q->base != &q->get && intent_wants_get(&q->record.intent) && !q->base->shows[INTENT_CONFIGURATION])
		result = ask_anew(q);
	return result;
}

/* ---- the rollout that is active, whoever began it ---- */

static const char *active_id(struct question *q, struct answered *answered, int *result)
{
	struct json_object *object;

	if (!answered->snapshot || !(answered->snapshot->traits & TRAIT_ROLLOUT))
		return NULL;
	*result = meaning_object(q, answered, &object);
	return *result < 0 ? NULL : json_get_string(object, "active_rollout_id");
}

static int read_active(struct question *q, const char *id)
{
	if (q->active.id && !strcmp(q->active.id, id))
		return 0;
	meaning_rollout_clear(&q->active);
	if (q->own.id && !strcmp(q->own.id, id)) {
		/* Read already. It leads on, though the intent may have ended by what somebody else did. */
		q->active = q->own;
		json_object_get(q->active.object);
		q->active.id = strdup(id);
		return q->active.id ? 0 : -ENOMEM;
	}
	return meaning_read_rollout(q, id, &q->active);
}

/* Whether a list's entry names a rollout that is over, and so may be older than what came of it. */
static bool is_behind(const struct question *q)
{
	if (q->base != &q->entry || !q->active.id)
		return false;
	if (q->active.state == ROLLOUT_COMPLETED && q->active.target_version >= 0)
		return q->entry.snapshot->version < q->active.target_version;
	return q->active.state == ROLLOUT_COMPLETED || q->active.state == ROLLOUT_REVERTED || q->active.state == ROLLOUT_FAILED ||
	       q->active.state == ROLLOUT_REPLACED;
}

static int follow_active(struct question *q)
{
	int result = 0;
	const char *id = active_id(q, q->base, &result);

	/* A list that names none may be older than a GET that did. */
	if (!id && result == 0 && q->get.snapshot && q->base == &q->entry &&
	    q->get.snapshot->version >= q->entry.snapshot->version)
		id = active_id(q, &q->get, &result);
	return id && result == 0 ? read_active(q, id) : result;
}

static bool own_leads(const struct question *q)
{
	return q->record.intent.holds[INTENT_CONFIGURATION] && q->record.rollout;
}

static int judge_active(struct question *q)
{
	bool ended = q->ends[INTENT_CONFIGURATION];
	int result;

	if (own_leads(q))
		return 0;
	result = follow_active(q);
	if (result == 0 && q->base == &q->entry && (ended || is_behind(q)) &&
	    (ended || q->checked_hash != q->entry.snapshot->hash)) {
		q->checked_hash = q->entry.snapshot->hash;
		result = ask_anew(q);
		if (result == 0)
			result = follow_active(q);
	}
	if (result == 0 && q->active.id)
		meaning_judge_rollout(q, &q->active);
	q->proves = !q->active.id || (q->active.state != ROLLOUT_BLIND && q->active.state != ROLLOUT_UNKNOWN);
	return result;
}

/* ---- what came of it ---- */

static void tell_failure(struct question *q)
{
	struct mount *mount = q->r->mount;
	char file_name[NAME_MAX_BYTES + 1], field[DOC_PATH_SIZE];
	const char *rollout = q->record.rollout;
	cleanup_free_ char *path = NULL;
	struct err err = ERR_INIT;

	name_encode(q->entry.snapshot->name, q->kind->suffix, file_name);
	if (text_format(&path, "/%s/%s", q->kind->dir, file_name) < 0)
		return;
	meaning_differs(q, q->base, field);
	err_set(&err, EIO, "%s%swhat was written is not what the account has: %s%s%s%s", field, *field ? ": " : "", q->why,
		rollout ? " (" : "", rollout ? rollout : "", rollout ? ")" : "");
	failures_add(mount->failures, path, "rollout", &err, NULL, 0);
	log_warning("%s: %s", path, err.text);
}

/* The row is written by a worker: it may be a file's. */
static int settle(struct question *q)
{
	const struct judgement j = { .state = q->record.intent.state, .over_ns = q->record.intent.over_ns };

	if (!q->changed || !q->record.serial)
		return 0;
	if (request_need_worker(q->r) < 0)
		return RUN_IN_WORKER;
	if (intents_judged(q->r->mount->intents, q->kind->dir, q->id, q->record.serial, &j, q->ends) && q->why)
		tell_failure(q);
	return 0;
}

static void add_info(struct question *q, const struct store_info *info)
{
	if (info->expires_ms < q->expires_ms)
		q->expires_ms = info->expires_ms;
	if (info->fetched_ms < q->fetched_ms)
		q->fetched_ms = info->fetched_ms;
	q->stale = q->stale || info->stale;
}

/* A digest of what an answer is made of before anything more is asked. */
static uint64_t digest(const struct question *q)
{
	const uint64_t parts[] = { q->entry.snapshot->hash, (uint64_t)q->entry.info.fetched_ms, q->record.serial,
				   (uint64_t)q->record.intent.seen_version, (uint64_t)q->record.intent.seen_ns };

	return hash64(parts, sizeof(parts)) | 1;
}

static int answer(struct question *q, uint64_t made_of, struct meaning *ret)
{
	struct intent_memo memo;
	int result = meaning_compose(q, &ret->snapshot, &ret->pending);

	if (result < 0)
		return result;
	q->fetched_ms = CLOCK_NEVER;
	add_info(q, &q->base->info);
	ret->info = (struct store_info){ .fetched_ms = q->fetched_ms,
					 .expires_ms = q->expires_ms,
					 .stale = q->stale,
					 .generation = q->entry.info.generation };
	ret->proves = q->proves;
	memo = (struct intent_memo){ .made_of = made_of,
				     .expires_ms = q->expires_ms,
				     .fetched_ms = q->fetched_ms,
				     .stale = q->stale,
				     .proves = q->proves,
				     .snapshot = ret->snapshot,
				     .pending = ret->pending,
				     .checked_hash = q->checked_hash };
	/* What has ended is not what was asked about: the next one looks again. */
	if (q->changed)
		memo.made_of = 0;
	intents_remember(q->r->mount->intents, q->kind->dir, q->id, &memo);
	return 0;
}

static int resolve(struct question *q, bool fresh, uint64_t made_of, struct meaning *ret)
{
	int result = choose_base(q, fresh);

	if (result == 0)
		result = judge(q);
	if (result == 0)
		result = judge_active(q);
	if (result == 0)
		result = settle(q);
	return result < 0 ? result : answer(q, made_of, ret);
}

/* What was made of the same answers, within their time to live. */
static bool recall(struct question *q, uint64_t made_of, struct meaning *ret)
{
	struct intent_memo memo;
	bool known;

	intents_recall(q->r->mount->intents, q->kind->dir, q->id, &memo);
	q->checked_hash = memo.checked_hash;
	known = memo.snapshot && memo.made_of == made_of && clock_now_ms() < memo.expires_ms;
	if (known) {
		*ret = (struct meaning){
			.info = { .fetched_ms = memo.fetched_ms, .expires_ms = memo.expires_ms, .stale = memo.stale },
			.proves = memo.proves,
		};
		ret->snapshot = steal_ptr(memo.snapshot);
		ret->pending = steal_ptr(memo.pending);
	}
	intent_memo_clear(&memo);
	return known;
}

static int look(struct question *q, bool fresh, struct meaning *ret)
{
	bool known = intents_get(q->r->mount->intents, q->kind->dir, q->id, &q->record);
	uint64_t made_of;

	if (!known && !fresh && !(q->entry.snapshot->traits & TRAIT_ROLLOUT)) {
		ret->snapshot = snapshot_ref(q->entry.snapshot);
		ret->info = q->entry.info;
		return 0;
	}
	made_of = digest(q);
	if (recall(q, made_of, ret) && !fresh)
		return 0;
	meaning_clear(ret);
	q->expires_ms = q->entry.info.expires_ms;
	q->stale = q->entry.info.stale;
	/* A reader has the list's entry at hand, and with an intent what is meant, too; a write rests on what the account says. */
	q->until_ms = fresh                                        ? q->r->deadline_ms :
		      q->record.intent.holds[INTENT_CONFIGURATION] ? clock_after_ms(STORE_STALE_WAIT_MS) :
								     clock_after_ms(UNKNOWN_WAIT_MS);
	return resolve(q, fresh, made_of, ret);
}

int meaning_get(struct request *r, const struct kind *kind, const char *parent, const char *id, enum meaning_age age,
		struct meaning *ret)
{
	struct question q = { .r = r, .kind = kind, .parent = parent, .id = id, .proves = true };
	int result = age == MEANING_STATUS ? source_status(r, kind, parent, id, &q.entry.snapshot, &q.entry.info) :
					     source_snapshot(r, kind, parent, id, &q.entry.snapshot, &q.entry.info);

	*ret = (struct meaning){ .proves = true };
	if (result == 0 && (kind->flags & KIND_ROLLOUT_FOLLOWS)) {
		result = look(&q, age == MEANING_FRESH, ret);
	} else if (result == 0) {
		ret->snapshot = steal_ptr(q.entry.snapshot);
		ret->info = q.entry.info;
	}
	question_clear(&q);
	return result;
}

int meaning_observe(struct mount *mount, const struct kind *kind, const char *parent, struct json_object *object, int64_t sent_ms)
{
	cleanup_(snapshot_unrefp) struct snapshot *snapshot = source_make(mount, kind, parent, object, sent_ms);
	cleanup_free_ char *key = NULL;
	int r;

	if (!(kind->flags & KIND_ROLLOUT_FOLLOWS))
		return 0;
	r = snapshot ? source_item_key(kind, parent, snapshot->id, &key) : -EIO;
	if (r == 0)
		r = store_put(mount->store, kind, key, snapshot);
	if (r == 0)
		intents_saw(mount->intents, kind->dir, snapshot->id, snapshot->version, clock_wall_ns_at(sent_ms));
	return r;
}
