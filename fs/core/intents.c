#include "fs/core/intents.h"

#include <errno.h>
#include <json-c/json.h>

#include "api/base/lock.h"
#include "api/base/rand.h"
#include "fs/core/hash.h"
#include "fs/core/intent_row.h"

#define TABLE  "intents"
#define MERGED "configuration"
/* How often a row is read again because another thread has changed it meanwhile. */
#define CHANGE_TRIES_MAX 8

/* What is in memory of a resource: nothing here is needed, all of it saves calls. */
struct seen {
	UT_hash_handle hh; /* in the order of use: the first is the least recent */
	int64_t version, asked_ns;
	struct intent_memo memo;
	char key[];
};

DECLARE_LOCK(intents);
struct intents {
	struct lock lock;    /* guards seen, and that nothing comes between reading a row and writing it */
	struct state *state; /* borrowed */
	struct seen *seen GUARDED_BY(intents_locked); /* owned */
};
DEFINE_LOCK(intents, struct intents, lock)

struct intents *intents_new(struct state *state)
{
	struct intents *intents = calloc(1, sizeof(*intents));

	if (!intents)
		return NULL;
	lock_init(&intents->lock);
	intents->state = state;
	return intents;
}

void intent_memo_clear(struct intent_memo *memo)
{
	snapshot_unref(memo->snapshot);
	free(memo->pending);
	*memo = (struct intent_memo){ 0 };
}

static void seen_free(struct seen *seen)
{
	intent_memo_clear(&seen->memo);
	free(seen);
}

static void drop_seen(struct intents *intents, struct seen *seen) REQUIRES(intents_locked)
{
	intents_assert_locked(intents);
	HASH_DEL(intents->seen, seen);
	seen_free(seen);
}

struct intents *intents_free(struct intents *intents)
{
	struct seen *seen, *next;

	if (!intents)
		return NULL;
	intents_lock(intents);
	HASH_ITER(hh, intents->seen, seen, next)
		drop_seen(intents, seen);
	intents_unlock(intents);
	lock_destroy(&intents->lock);
	free(intents);
	return NULL;
}

/* ---- in memory ---- */

static char *make_key(const char *dir, const char *id)
{
	return text_new("%s\n%s", dir, id);
}

static struct seen *find_seen(struct intents *intents, const char *dir, const char *id) REQUIRES(intents_locked)
{
	cleanup_free_ char *key = make_key(dir, id);
	struct seen *seen = NULL;

	intents_assert_locked(intents);
	if (!key)
		return NULL;
	HASH_FIND_STR(intents->seen, key, seen);
	if (!seen || !seen->hh.next)
		return seen;
	/* To the recent end: uthash keeps the order of adding. Where it has no memory to add it again, it is gone. */
	HASH_DEL(intents->seen, seen);
	HASH_ADD_STR(intents->seen, key, seen);
	if (seen->hh.tbl)
		return seen;
	seen_free(seen);
	return NULL;
}

static struct seen *obtain_seen(struct intents *intents, const char *dir, const char *id) REQUIRES(intents_locked)
{
	struct seen *seen = find_seen(intents, dir, id);
	cleanup_free_ char *key = seen ? NULL : make_key(dir, id);
	size_t n = key ? strlen(key) + 1 : 0;

	if (seen || !key)
		return seen;
	seen = calloc(1, sizeof(*seen) + n);
	if (!seen)
		return NULL;
	memcpy(seen->key, key, n);
	seen->version = -1;
	HASH_ADD_STR(intents->seen, key, seen);
	if (!seen->hh.tbl) {
		free(seen);
		return NULL;
	}
	while (HASH_COUNT(intents->seen) > INTENTS_MAX)
		drop_seen(intents, intents->seen);
	return seen;
}

/* ---- rows ---- */

void intent_record_clear(struct intent_record *record)
{
	free(record->rollout);
	for (int i = 0; i < INTENT_PARTS; i++)
		free(record->members[i]);
	*record = (struct intent_record){ 0 };
}

static void add_seen(struct intents *intents, const char *dir, const char *id, struct intent_record *record)
{
	struct seen *seen;

	scope_lock(intents, intents);
	seen = find_seen(intents, dir, id);
	if (!seen || seen->version < record->intent.seen_version)
		return;
	record->intent.seen_version = seen->version;
	record->intent.seen_ns = seen->asked_ns;
}

/* The row, whose text goes into *text (empty: there is none), and what is in memory beside it. No lock is held. */
static void load(struct intents *intents, const char *dir, const char *id, struct buf *text, struct intent_record *ret)
{
	if (state_get(intents->state, TABLE, dir, id, text) < 0)
		buf_clear(text);
	if (text->len && intent_row_read(text->data, ret) == 0)
		ret->serial = hash64(text->data, text->len) | 1;
	else
		*ret = (struct intent_record){ .intent = { .version = -1, .seen_version = -1 } };
	add_seen(intents, dir, id, ret);
}

static bool is_worth_keeping(const struct intent *intent)
{
	int64_t last_ns = intent->accepted_ns > intent->seen_ns ? intent->accepted_ns : intent->seen_ns;

	return intent->holds[INTENT_CONFIGURATION] || intent->holds[INTENT_OTHERS] || clock_wall_ns() < last_ns + INTENTS_SEEN_NS;
}

/* 1: the row still was what it was read as, and is the new one now; 0: it is another; -errno: the state does not take it. */
static int exchange(struct intents *intents, const char *dir, const char *id, const struct buf *before, const struct buf *after)
{
	cleanup_buf_ struct buf now = BUF_INIT;
	int r = 0;

	scope_lock(intents, intents);
	if (state_get(intents->state, TABLE, dir, id, &now) < 0)
		buf_clear(&now);
	if (now.len != before->len || (now.len && memcmp(now.data, before->data, now.len) != 0))
		return 0;
	if (after->len)
		r = state_set(intents->state, TABLE, dir, id, after->data, after->len);
	else if (before->len)
		r = state_delete(intents->state, TABLE, dir, id);
	return r < 0 ? r : 1;
}

/* A change of a record: 1, or 0 where nothing is to change; -errno. */
typedef int (*change_fn)(struct intent_record *record, const void *arg);

/* Reads, changes and writes a row, again where another thread was faster. What the last change said. */
static int change_row(struct intents *intents, const char *dir, const char *id, change_fn change, const void *arg)
{
	for (int tries = 0; tries < CHANGE_TRIES_MAX; tries++) {
		cleanup_buf_ struct buf before = BUF_INIT, after = BUF_INIT;
		cleanup_record_ struct intent_record record = { 0 };
		int r;

		load(intents, dir, id, &before, &record);
		r = change(&record, arg);
		if (r == 1 && is_worth_keeping(&record.intent) && intent_row_write(&record, &after) < 0)
			r = -ENOMEM;
		if (r != 1)
			return r;
		r = exchange(intents, dir, id, &before, &after);
		if (r != 0)
			return r;
	}
	return -EBUSY;
}

bool intents_get(struct intents *intents, const char *dir, const char *id, struct intent_record *ret)
{
	cleanup_buf_ struct buf text = BUF_INIT;

	load(intents, dir, id, &text, ret);
	return ret->serial || ret->intent.seen_version >= 0;
}

/* ---- what was accepted ---- */

static void set_rollout(struct intent_record *record, char *rollout)
{
	free(record->rollout);
	record->rollout = rollout;
	record->intent.rollout = rollout;
}

/* news is laid over what holds of the part; each of its members stands for itself. */
static int add_members(struct intent_record *record, enum intent_part part, struct json_object *news)
{
	struct json_object *all = NULL;
	char *text = NULL;
	int r = 0;

	if (record->members[part])
		all = json_tokener_parse(record->members[part]);
	if (!all)
		all = json_object_new_object();
	if (!all)
		return -ENOMEM;
	json_object_object_foreach(news, key, value) {
		if (r == 0 && (part == INTENT_CONFIGURATION || strcmp(key, MERGED) != 0))
			r = json_object_object_add(all, key, json_object_get(value)) < 0 ? -ENOMEM : 0;
	}
	if (r == 0 && json_object_object_length(all)) {
		text = strdup(json_object_to_json_string_ext(all, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
		r = text ? 0 : -ENOMEM;
	}
	json_object_put(all);
	if (r < 0)
		return r;
	free(record->members[part]);
	record->members[part] = text;
	record->intent.holds[part] = text;
	return 0;
}

static int accept_configuration(struct intent_record *record, const struct accepted_members *accepted,
				struct json_object *members)
{
	char *rollout = accepted->rollout ? strdup(accepted->rollout) : NULL;
	int r = accepted->rollout && !rollout ? -ENOMEM : add_members(record, INTENT_CONFIGURATION, members);

	if (r < 0) {
		free(rollout);
		return r;
	}
	set_rollout(record, rollout);
	record->intent.state = ROLLOUT_UNKNOWN;
	record->intent.over_ns = rollout ? 0 : accepted->now_ns;
	record->intent.asked = false;
	return 0;
}

static int accept(struct intent_record *record, const void *arg)
{
	const struct accepted_members *accepted = arg;
	struct json_object *configuration = NULL;
	int r = 0;

	if (json_object_object_get_ex(accepted->members, MERGED, &configuration) &&
	    json_object_is_type(configuration, json_type_object) && json_object_object_length(configuration))
		r = accept_configuration(record, accepted, configuration);
	if (r == 0)
		r = add_members(record, INTENT_OTHERS, accepted->members);
	if (r < 0)
		return r;
	if (accepted->version > record->intent.version)
		record->intent.version = accepted->version;
	record->intent.accepted_ns = accepted->now_ns;
	return 1;
}

int intents_accept(struct intents *intents, const char *dir, const char *id, const struct accepted_members *accepted)
{
	int r = change_row(intents, dir, id, accept, accepted);

	return r < 0 ? r : 0;
}

char *intents_carried(struct intents *intents, const char *dir, const char *id)
{
	cleanup_record_ struct intent_record record = { 0 };

	intents_get(intents, dir, id, &record);
	return steal_ptr(record.members[INTENT_CONFIGURATION]);
}

static void end_part(struct intent_record *record, enum intent_part part)
{
	free(record->members[part]);
	record->members[part] = NULL;
	record->intent.holds[part] = false;
	if (part == INTENT_CONFIGURATION)
		set_rollout(record, NULL);
}

static int end_rollout(struct intent_record *record, const void *rollout)
{
	if (!record->rollout || strcmp(record->rollout, rollout) != 0)
		return 0;
	end_part(record, INTENT_CONFIGURATION);
	return 1;
}

void intents_asked(struct intents *intents, const char *dir, const char *id, const char *rollout)
{
	change_row(intents, dir, id, end_rollout, rollout);
}

void intents_forget(struct intents *intents, const char *dir, const char *id)
{
	struct seen *seen;

	scope_lock(intents, intents);
	seen = find_seen(intents, dir, id);
	if (seen)
		drop_seen(intents, seen);
	state_delete(intents->state, TABLE, dir, id);
}

/* ---- what was seen ---- */

void intents_saw(struct intents *intents, const char *dir, const char *id, int64_t version, int64_t asked_ns)
{
	struct seen *seen;

	if (version < 0)
		return;
	scope_lock(intents, intents);
	seen = obtain_seen(intents, dir, id);
	if (!seen || version < seen->version)
		return;
	seen->version = version;
	if (asked_ns > seen->asked_ns)
		seen->asked_ns = asked_ns;
}

struct judged {
	uint64_t serial;
	const struct judgement *judgement;
	const bool *ends;
};

static int judge(struct intent_record *record, const void *arg)
{
	const struct judged *judged = arg;

	if (!record->serial || record->serial != judged->serial)
		return 0;
	record->intent.state = judged->judgement->state;
	record->intent.over_ns = judged->judgement->over_ns;
	for (int i = 0; i < INTENT_PARTS; i++) {
		if (judged->ends[i])
			end_part(record, (enum intent_part)i);
	}
	return 1;
}

bool intents_judged(struct intents *intents, const char *dir, const char *id, uint64_t serial, const struct judgement *judgement,
		    const bool ends[INTENT_PARTS])
{
	const struct judged judged = { serial, judgement, ends };

	return change_row(intents, dir, id, judge, &judged) == 1;
}

/* ---- what was made of it ---- */

void intents_recall(struct intents *intents, const char *dir, const char *id, struct intent_memo *ret)
{
	struct seen *seen;

	*ret = (struct intent_memo){ 0 };
	scope_lock(intents, intents);
	seen = find_seen(intents, dir, id);
	if (!seen)
		return;
	*ret = seen->memo;
	snapshot_ref(ret->snapshot);
	ret->pending = ret->pending ? strdup(ret->pending) : NULL;
	/* Without memory for the name there is no memo. */
	if (seen->memo.pending && !ret->pending)
		ret->made_of = 0;
}

void intents_remember(struct intents *intents, const char *dir, const char *id, const struct intent_memo *memo)
{
	struct intent_memo copy = *memo, old = { 0 };
	struct seen *seen;

	copy.pending = memo->pending ? strdup(memo->pending) : NULL;
	if (memo->pending && !copy.pending)
		copy.made_of = 0;
	snapshot_ref(copy.snapshot);
	intents_lock(intents);
	seen = obtain_seen(intents, dir, id);
	if (seen) {
		old = seen->memo;
		seen->memo = copy;
	} else {
		old = copy;
	}
	intents_unlock(intents);
	intent_memo_clear(&old);
}
