#include "fs/core/intent_row.h"

#include <errno.h>
#include <json-c/json.h>

#include "api/base/clock.h"
#include "api/kind.h"

static const char *const part_keys[] = { [INTENT_CONFIGURATION] = "configuration", [INTENT_OTHERS] = "others" };
_Static_assert(array_len(part_keys) == INTENT_PARTS, "each part has a key");

static const char *const state_words[] = {
	[ROLLOUT_UNKNOWN] = "unknown",   [ROLLOUT_UNFINISHED] = "unfinished", [ROLLOUT_COMPLETED] = "completed",
	[ROLLOUT_REVERTED] = "reverted", [ROLLOUT_FAILED] = "failed",         [ROLLOUT_REPLACED] = "replaced",
	[ROLLOUT_GONE] = "gone",         [ROLLOUT_BLIND] = "blind",
};
_Static_assert(array_len(state_words) == ROLLOUT_BLIND + 1, "each state has a word");

int intent_row_write(const struct intent_record *record, struct buf *out)
{
	const struct intent *intent = &record->intent;
	struct json_object *rollout = record->rollout ? json_object_new_string(record->rollout) : NULL;
	int r = buf_addf(out, "{\"version\":%lld,\"accepted\":%lld,\"state\":\"%s\",\"over\":%lld,\"seen\":%lld,\"seen_at\":%lld",
			 (long long)intent->version, (long long)intent->accepted_ns, state_words[intent->state],
			 (long long)intent->over_ns, (long long)intent->seen_version, (long long)intent->seen_ns);

	if (r == 0 && rollout)
		r = buf_addf(out, ",\"rollout\":%s", json_object_to_json_string_ext(rollout, JSON_C_TO_STRING_PLAIN));
	json_object_put(rollout);
	if (r == 0 && intent->asked)
		r = buf_adds(out, ",\"asked\":true");
	for (int i = 0; r == 0 && i < INTENT_PARTS; i++) {
		if (record->members[i])
			r = buf_addf(out, ",\"%s\":%s", part_keys[i], record->members[i]);
	}
	return r < 0 ? r : buf_addc(out, '}');
}

/* fallback where there is none. */
static int64_t get_number(struct json_object *row, const char *key, int64_t fallback)
{
	struct json_object *v;

	if (!json_object_object_get_ex(row, key, &v) || !json_object_is_type(v, json_type_int))
		return fallback;
	return json_object_get_int64(v);
}

/* The clock may have been set back since. */
static int64_t get_time(struct json_object *row, const char *key, int64_t now_ns)
{
	int64_t ns = get_number(row, key, 0);

	return ns < now_ns ? ns : now_ns;
}

static enum rollout_state get_state(struct json_object *row)
{
	const char *word = json_get_string(row, "state");

	for (size_t i = 0; word && i < array_len(state_words); i++) {
		if (strcmp(word, state_words[i]) == 0)
			return (enum rollout_state)i;
	}
	return ROLLOUT_UNKNOWN;
}

static int get_members(struct json_object *row, struct intent_record *ret)
{
	struct json_object *v;

	for (int i = 0; i < INTENT_PARTS; i++) {
		if (!json_object_object_get_ex(row, part_keys[i], &v) || !json_object_is_type(v, json_type_object))
			continue;
		ret->members[i] =
			strdup(json_object_to_json_string_ext(v, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
		ret->intent.holds[i] = ret->members[i];
		if (!ret->members[i])
			return -ENOMEM;
	}
	return 0;
}

static int read_row(struct json_object *row, struct intent_record *ret)
{
	const char *rollout = json_get_string(row, "rollout");
	struct json_object *asked;
	int64_t now_ns = clock_wall_ns();

	ret->intent = (struct intent){
		.version = get_number(row, "version", -1),
		.accepted_ns = get_time(row, "accepted", now_ns),
		.state = get_state(row),
		.over_ns = get_time(row, "over", now_ns),
		.asked = json_object_object_get_ex(row, "asked", &asked) && json_object_get_boolean(asked),
		.seen_version = get_number(row, "seen", -1),
		.seen_ns = get_time(row, "seen_at", now_ns),
	};
	ret->rollout = rollout ? strdup(rollout) : NULL;
	ret->intent.rollout = ret->rollout;
	return rollout && !ret->rollout ? -ENOMEM : get_members(row, ret);
}

int intent_row_read(const char *text, struct intent_record *ret)
{
	struct json_object *row = json_tokener_parse(text);
	int r = json_object_is_type(row, json_type_object) ? 0 : -EINVAL;

	*ret = (struct intent_record){ 0 };
	if (r == 0)
		r = read_row(row, ret);
	json_object_put(row);
	if (r < 0)
		intent_record_clear(ret);
	return r;
}
