/* Answers become observations, and are judged. */
#include "fs/show/meaning_private.h"

#include <errno.h>
#include <json-c/json.h>

#include "api/base/clock.h"
#include "api/doc.h"
#include "fs/show/crawl.h"
#include "fs/show/source.h"
#include "fs/show/source_known.h"

#define MERGED "configuration"

int meaning_ask(struct question *q, const struct kind *kind, const char *key, struct store_value *ret,
		struct store_info *ret_info, int64_t ttl_ms)
{
	int64_t deadline_ms = q->r->deadline_ms;
	int result;

	if (q->until_ms < deadline_ms)
		q->r->deadline_ms = q->until_ms;
	result = request_get(q->r, kind, key, ttl_ms, ret, ret_info);
	q->r->deadline_ms = deadline_ms;
	return result;
}

/* ---- what an answer shows ---- */

int meaning_object(struct question *q, struct answered *answered, struct json_object **ret)
{
	int result = 0;

	if (!answered->object)
		result = source_object(q->r, q->kind, q->parent, answered->snapshot, &answered->object);
	*ret = answered->object;
	return result;
}

/* The part's members as a partial document; NULL without memory, or where it is none. */
static struct json_object *part_document(const struct question *q, enum intent_part part)
{
	struct json_object *members = json_tokener_parse(q->record.members[part]), *whole;

	if (!members || part != INTENT_CONFIGURATION)
		return members;
	whole = json_object_new_object();
	if (!whole || json_object_object_add(whole, MERGED, members) < 0) {
		json_object_put(members);
		json_object_put(whole);
		return NULL;
	}
	return whole;
}

static struct doc_context plain_context(const struct question *q)
{
	return (struct doc_context){ .account_id = q->r->mount->options->account_id };
}

static bool shows_part(const struct question *q, struct json_object *object, enum intent_part part)
{
	struct doc_context context = plain_context(q);
	struct json_object *document = part_document(q, part);
	bool shows = document && doc_shows(q->kind, object, document, &context, NULL);

	json_object_put(document);
	return shows;
}

void meaning_differs(struct question *q, struct answered *answered, char *path)
{
	struct doc_context context = plain_context(q);
	struct json_object *object, *document;

	path[0] = '\0';
	if (!q->record.members[INTENT_CONFIGURATION] || meaning_object(q, answered, &object) < 0)
		return;
	document = part_document(q, INTENT_CONFIGURATION);
	if (document)
		doc_shows(q->kind, object, document, &context, path);
	json_object_put(document);
}

int meaning_shows(struct question *q, struct answered *answered)
{
	struct json_object *object;
	int result;

	if (answered->looked || (!q->record.intent.holds[INTENT_CONFIGURATION] && !q->record.intent.holds[INTENT_OTHERS]))
		return 0;
	result = meaning_object(q, answered, &object);
	if (result < 0)
		return result;
	for (int i = 0; i < INTENT_PARTS; i++)
		answered->shows[i] = q->record.members[i] && shows_part(q, object, (enum intent_part)i);
	answered->looked = true;
	return 0;
}

/* ---- judging ---- */

static void take(struct question *q, const struct judgement *j)
{
	struct intent *intent = &q->record.intent;

	q->changed = q->changed || j->state != intent->state || j->over_ns != intent->over_ns;
	intent->state = j->state;
	intent->over_ns = j->over_ns;
	for (int i = 0; i < INTENT_PARTS; i++) {
		if (!intent->holds[i] || j->parts[i] == VERDICT_NO_NEWS)
			continue;
		intent->holds[i] = false;
		q->ends[i] = q->changed = true;
		if (j->parts[i] == VERDICT_FAILED)
			q->why = j->why;
	}
}

static struct observation observation_of(const struct question *q, const struct answered *answered)
{
	return (struct observation){
		.source = answered == &q->get ? OBSERVED_GET : OBSERVED_LIST,
		.asked_ns = clock_wall_ns_at(answered->info.fetched_ms),
		.version = answered->snapshot->version,
		.shows = { answered->shows[INTENT_CONFIGURATION], answered->shows[INTENT_OTHERS] },
	};
}

int meaning_judge_answer(struct question *q, struct answered *answered)
{
	struct observation seen;
	struct json_object *object;
	struct judgement j;
	int result = meaning_shows(q, answered);

	if (result < 0 || !answered->looked)
		return result;
	result = meaning_object(q, answered, &object);
	if (result < 0)
		return result;
	seen = observation_of(q, answered);
	seen.rollout = json_get_string(object, "active_rollout_id");
	j = intent_judge(&q->record.intent, &seen);
	take(q, &j);
	return 0;
}

void meaning_judge_rollout(struct question *q, const struct rollout *rollout)
{
	struct json_object *target = NULL, *document = json_object_new_object();
	struct observation seen = {
		.source = OBSERVED_ROLLOUT,
		.asked_ns = clock_wall_ns_at(rollout->asked_ms),
		.version = -1,
		.rollout = rollout->id,
		.state = rollout->state,
	};
	struct judgement j;

	if (document && rollout->object && json_object_object_get_ex(rollout->object, "target_configuration", &target) &&
	    json_object_object_add(document, MERGED, json_object_get(target)) == 0)
		seen.shows[INTENT_CONFIGURATION] =
			q->record.members[INTENT_CONFIGURATION] && shows_part(q, document, INTENT_CONFIGURATION);
	json_object_put(document);
	j = intent_judge(&q->record.intent, &seen);
	take(q, &j);
}

/* ---- rollouts ---- */

void meaning_rollout_clear(struct rollout *rollout)
{
	free(rollout->id);
	json_object_put(rollout->object);
	*rollout = (struct rollout){ 0 };
}

static bool is_final(enum rollout_state state)
{
	return state == ROLLOUT_COMPLETED || state == ROLLOUT_REVERTED || state == ROLLOUT_FAILED || state == ROLLOUT_REPLACED;
}

static int64_t number_of(struct json_object *object, const char *key)
{
	struct json_object *v;

	return json_object_object_get_ex(object, key, &v) && json_object_is_type(v, json_type_int) ? json_object_get_int64(v) :
												     -1;
}

static int parse(struct snapshot *snapshot, int64_t asked_ms, struct rollout *ret)
{
	cleanup_(body_unrefp) struct body *body = snapshot_body(snapshot);
	struct json_object *object = body ? json_tokener_parse(body->data) : NULL;

	if (!object)
		return -ENOMEM;
	json_object_put(ret->object);
	ret->object = object;
	ret->state = rollout_state_of(json_get_string(object, "status"));
	ret->asked_ms = asked_ms;
	ret->target_version = number_of(object, "target_version");
	ret->created_ns = snapshot->created_ns;
	return 0;
}

/* What is over stays so: the last answer holds, whatever its age. */
static bool recall(struct mount *mount, const struct kind *kind, const char *key, struct rollout *ret)
{
	struct store_get get = { .key = key, .row = kind, .ttl_ms = CLOCK_NEVER / 4, .cached_only = true };
	struct store_value value = { 0 };
	struct store_info info;
	bool known = store_get(mount->store, &get, &value, &info, NULL) == 0 && value.snapshot &&
		     parse(value.snapshot, info.fetched_ms, ret) == 0 && is_final(ret->state);

	store_value_clear(&value);
	return known;
}

/* ---- those of a crawl ---- */

/* The rollout that the listed resource names, where its reader would ask for it. Freed by the caller; NULL: none. */
static char *wanted_rollout(struct question *q, struct snapshot *s)
{
	cleanup_record_ struct intent_record record = { 0 };
	cleanup_(body_unrefp) struct body *body = s->traits & TRAIT_ROLLOUT ? snapshot_body(s) : NULL;
	struct json_object *object = body ? json_tokener_parse(body->data) : NULL;
	const char *id = object ? json_get_string(object, "active_rollout_id") : NULL;
	char *copy = id && *id ? strdup(id) : NULL;

	json_object_put(object);
	if (copy && intents_get(q->r->mount->intents, q->kind->dir, s->id, &record) && record.intent.holds[INTENT_CONFIGURATION])
		free(steal_ptr(copy));
	return copy;
}

static void prefetch_one(struct question *q, const struct kind *kind, const char *parent, const char *id)
{
	struct rollout unused = { 0 };
	cleanup_free_ char *key = NULL;

	if (source_item_key(kind, parent, id, &key) == 0 && !recall(q->r->mount, kind, key, &unused))
		store_prefetch(q->r->mount->store, kind, key, q->r->mount->options->cache_ttl_ms);
	meaning_rollout_clear(&unused);
}

/* Who reads one resource after the other would wait for one rollout after the other: the list says which they will be. */
static void prefetch_others(struct question *q)
{
	const struct kind *kind = kind_by_dir(q->kind, "rollouts");
	struct store_info info;
	cleanup_(list_unrefp) struct list *list = source_known_list(q->r->mount, q->kind, q->parent, &info);
	size_t count = list ? list_count(list) : 0, asked = 0;

	for (size_t i = 0; i < count && asked < CRAWL_ROLLOUTS_MAX; i++) {
		struct snapshot *s = list_at(list, i)->snapshot;
		cleanup_free_ char *id = strcmp(s->id, q->id) ? wanted_rollout(q, s) : NULL;

		if (!id)
			continue;
		prefetch_one(q, kind, s->id, id);
		asked++;
	}
}

/* A failure of the moment says nothing of the rollout; what is not there, or not offered, does. */
static int no_answer(struct question *q, int result, struct rollout *ret)
{
	if (result == RUN_IN_WORKER || result == -EINTR || result == -ENOMEM)
		return result;
	err_clear(&q->r->err);
	ret->state = result == -ENOENT                          ? ROLLOUT_GONE :
		     result == -EOPNOTSUPP || result == -EACCES ? ROLLOUT_BLIND :
								  ROLLOUT_UNKNOWN;
	ret->asked_ms = clock_now_ms();
	json_object_put(steal_ptr(ret->object));
	if (clock_after_ms(q->r->mount->options->negative_ttl_ms) < q->expires_ms)
		q->expires_ms = clock_after_ms(q->r->mount->options->negative_ttl_ms);
	return 0;
}

int meaning_read_rollout(struct question *q, const char *id, struct rollout *ret)
{
	const struct kind *kind = kind_by_dir(q->kind, "rollouts");
	cleanup_free_ char *key = NULL;
	struct store_value value = { 0 };
	struct store_info info = { 0 };
	int result = kind ? source_item_key(kind, q->id, id, &key) : -ENOENT;

	*ret = (struct rollout){ .id = strdup(id), .target_version = -1 };
	if (result < 0 || !ret->id)
		return result < 0 ? result : -ENOMEM;
	if (recall(q->r->mount, kind, key, ret))
		return 0;
	if (q->r->worker && crawl_at_rollout(q->r->mount->crawl, q->id))
		prefetch_others(q);
	result = meaning_ask(q, kind, key, &value, &info, q->r->mount->options->cache_ttl_ms);
	if (result == 0)
		result = value.snapshot ? parse(value.snapshot, info.fetched_ms, ret) : -ENOENT;
	store_value_clear(&value);
	if (result < 0)
		return no_answer(q, result, ret);
	if (!is_final(ret->state) && info.expires_ms < q->expires_ms)
		q->expires_ms = info.expires_ms;
	q->stale = q->stale || info.stale;
	return 0;
}
