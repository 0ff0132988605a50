/* Applications, their rollouts and their jobs. */
#include "fs/show/overview_private.h"

#include <errno.h>

#include "api/base/clock.h"
#include "fs/core/intents.h"

/* Jobs of one application that get a line of their own. */
#define JOBS_MAX 20

/* ---- the service's own errors ---- */

/* "ImagePullError: The image could not be pulled". Freed by the caller; NULL without memory. */
static char *event_text(struct json_object *event)
{
	const char *name = json_get_string(event, "name"), *message = json_get_string(event, "message");

	return text_new("%s%s%s", name ? name : "error", message && *message ? ": " : "", message ? message : "");
}

static struct json_object *find_reason(struct json_object *errors, const char *reason)
{
	for (size_t i = 0; i < json_object_array_length(errors); i++) {
		struct json_object *known = json_object_array_get_idx(errors, i);

		if (!strcmp(json_get_string(known, "reason"), reason))
			return known;
	}
	return NULL;
}

/* One line for all instances that say the same. */
static int add_error(struct json_object *errors, struct json_object *event)
{
	cleanup_free_ char *reason = event_text(event);
	struct json_object *known = reason ? find_reason(errors, reason) : NULL;
	const char *since = json_get_string(event, "time");
	int r = reason ? 0 : -ENOMEM;

	if (r == 0 && !known) {
		known = json_object_new_object();
		r = known ? doc_append(errors, known) : -ENOMEM;
		if (r == 0)
			r = look_set_text(known, "reason", reason);
	}
	if (r == 0)
		r = look_set_count(known, "instances", look_count(known, "instances") + 1);
	return r < 0 ? r : look_set_text(known, "since", look_earlier(json_get_string(known, "since"), since));
}

static int add_errors(struct json_object *entry, struct json_object *health)
{
	struct json_object *from = doc_member(health, "errors"), *errors = json_object_new_array();
	int r = errors ? doc_set(entry, "errors", errors) : -ENOMEM;

	for (size_t i = 0; r == 0 && json_object_is_type(from, json_type_array) && i < json_object_array_length(from); i++) {
		struct json_object *event = doc_member(json_object_array_get_idx(from, i), "event");

		if (event)
			r = add_error(errors, event);
	}
	return r;
}

/* ---- rollouts ---- */

static struct json_object *current_step(struct json_object *rollout)
{
	int64_t number = look_count(doc_member(rollout, "progress"), "current_step");
	struct json_object *steps = doc_member(rollout, "steps");

	if (!json_object_is_type(steps, json_type_array) || number < 1 || (size_t)number > json_object_array_length(steps))
		return NULL;
	return json_object_array_get_idx(steps, (size_t)number - 1);
}

static int copy_count(struct json_object *to, struct json_object *from, const char *key)
{
	return doc_member(from, key) ? look_set_count(to, key, look_count(from, key)) : 0;
}

static int fill_rollout(struct json_object *to, struct json_object *rollout)
{
	struct json_object *progress = doc_member(rollout, "progress"), *step = current_step(rollout);
	struct json_object *share = doc_member(doc_member(step, "step_size"), "percentage");
	const char *since = json_get_string(rollout, "started_at");
	int r = look_set_text(to, "status", json_get_string(rollout, "status"));

	if (r == 0)
		r = copy_count(to, rollout, "target_version");
	for (size_t i = 0; r == 0 && i < 4; i++)
		r = copy_count(to, progress,
			       (const char *const[]){ "current_step", "total_steps", "updated_instances", "total_instances" }[i]);
	share = share ? share : doc_member(rollout, "percentage");
	if (r == 0 && share)
		r = look_set_count(to, "percentage", json_object_get_int64(share));
	if (r == 0 && json_get_string(step, "reason"))
		r = look_set_text(to, "reason", json_get_string(step, "reason"));
	return r < 0 ? r : look_set_text(to, "since", since ? since : json_get_string(rollout, "created_at"));
}

/* In words: "rollout to version 4: step 1 of 2 (10 %), 1 of 10 instances, progressing". */
static int rollout_words(struct json_object *rollout, struct buf *out)
{
	const char *reason = json_get_string(rollout, "reason"), *status = json_get_string(rollout, "status");
	int64_t steps = look_count(rollout, "total_steps"), share = look_count(rollout, "percentage");
	int r = buf_adds(out, "rollout");

	if (r == 0 && doc_member(rollout, "target_version"))
		r = buf_addf(out, " to version %lld", (long long)look_count(rollout, "target_version"));
	if (r == 0)
		r = buf_addf(out, ": %s", status ? status : "not finished");
	if (r == 0 && steps)
		r = buf_addf(out, ", step %lld of %lld", (long long)look_count(rollout, "current_step"), (long long)steps);
	if (r == 0 && share)
		r = buf_addf(out, " (%lld %%)", (long long)share);
	if (r == 0 && doc_member(rollout, "total_instances"))
		r = buf_addf(out, ", %lld of %lld instances", (long long)look_count(rollout, "updated_instances"),
			     (long long)look_count(rollout, "total_instances"));
	return r < 0 || !reason ? r : buf_addf(out, ": %s", reason);
}

static bool is_over(enum rollout_state state)
{
	return state != ROLLOUT_UNFINISHED && state != ROLLOUT_UNKNOWN;
}

static int take_rollout(struct look *look, struct detail *detail)
{
	struct json_object *to = doc_member(detail->entry, "rollout");
	cleanup_json_ struct json_object *rollout = detail->snapshot ? look_object(detail->snapshot) : NULL;
	cleanup_buf_ struct buf words = BUF_INIT;
	int r = 0;

	if (rollout && is_over(rollout_state_of(json_get_string(rollout, "status")))) {
		json_object_object_del(detail->entry, "rollout");
		return 0;
	}
	if (rollout)
		r = fill_rollout(to, rollout);
	if (r == 0)
		r = rollout_words(to, &words);
	return r < 0 ? r : look_attention(look, detail->path, words.data, json_get_string(to, "since"), NULL);
}

/* ---- jobs ---- */

static int64_t time_of(struct json_object *events, const char *name)
{
	for (size_t i = 0; json_object_is_type(events, json_type_array) && i < json_object_array_length(events); i++) {
		struct json_object *event = json_object_array_get_idx(events, i);
		const char *is = json_get_string(event, "name"), *at = json_get_string(event, "time");
		int64_t ns;

		if (is && at && !strcmp(is, name) && clock_parse_rfc3339(at, &ns) == 0)
			return ns;
	}
	return 0;
}

static bool is_error(struct json_object *event)
{
	const char *type = json_get_string(event, "type");

	return type && (!strcmp(type, "Error") || !strcmp(type, "UserError") || !strcmp(type, "SystemError"));
}

static struct json_object *last_error(struct json_object *events)
{
	for (size_t i = json_object_is_type(events, json_type_array) ? json_object_array_length(events) : 0; i-- > 0;) {
		if (is_error(json_object_array_get_idx(events, i)))
			return json_object_array_get_idx(events, i);
	}
	return NULL;
}

/* The service stops it by itself when its time is over, and says no more of it than that. */
static bool is_out_of_time(struct json_object *job, struct json_object *events)
{
	int64_t started = time_of(events, "ContainerStarted"), stopped = time_of(events, "VMStopping");
	int64_t seconds = look_count(job, "timeout");

	return seconds > 0 && started && stopped && !json_object_get_boolean(doc_member(job, "terminate")) &&
	       (stopped - started) / NSEC_PER_SEC >= seconds;
}

static int judge_job(struct look *look, const char *path, struct json_object *job)
{
	struct json_object *events = doc_member(job, "events"), *error = last_error(events);
	cleanup_free_ char *reason = NULL;
	char since[CLOCK_TEXT_SIZE];

	if (error) {
		reason = event_text(error);
		return reason ? look_attention(look, path, reason, json_get_string(error, "time"), NULL) : -ENOMEM;
	}
	if (!is_out_of_time(job, events))
		return 0;
	if (text_format(&reason, "the job ran out of its time of %lld s", (long long)look_count(job, "timeout")) < 0)
		return -ENOMEM;
	clock_format_rfc3339(time_of(events, "VMStopping"), since, sizeof(since));
	return look_attention(look, path, reason, since, NULL);
}

static int add_job(struct look *look, struct detail *detail, const struct list_item *item)
{
	cleanup_json_ struct json_object *job = look_object(item->snapshot);
	const char *health = json_get_string(doc_member(job, "status"), "health");
	struct json_object *counts = look_member(detail->entry, "jobs");
	cleanup_free_ char *path = NULL, *word = health ? strdup(health) : NULL;
	int r;

	if (!job || !counts)
		return counts ? 0 : -ENOMEM;
	for (char *c = word; c && *c; c++)
		*c = *c >= 'A' && *c <= 'Z' ? (char)(*c + 'a' - 'A') : *c;
	r = word ? look_set_count(counts, word, look_count(counts, word) + 1) : 0;
	if (r == 0 && text_format(&path, "%s/jobs/%.*s", detail->path, (int)(strlen(item->file_name) - strlen(".json")),
				  item->file_name) < 0)
		return -ENOMEM;
	return r < 0 ? r : judge_job(look, path, job);
}

static int take_jobs(struct look *look, struct detail *detail)
{
	size_t before = json_object_array_length(look->attention);
	int r = 0;

	for (size_t i = 0; r == 0 && detail->list && i < list_count(detail->list); i++) {
		if (json_object_array_length(look->attention) - before >= JOBS_MAX)
			break;
		r = add_job(look, detail, list_at(detail->list, i));
	}
	return r;
}

/* ---- one application ---- */

static const struct detail_row row_rollout = { "rollout", take_rollout };
static const struct detail_row row_jobs = { "job", take_jobs };

/*
 * The rollout that is under way: the list's, or else the one that carries what was accepted here, which a list shows late. One
 * that was asked for before says nothing of it. The record is cleared by the caller; the result borrows of it, or of the object.
 * NULL: none.
 */
static const char *rollout_of(struct look *look, const char *id, struct json_object *object, struct intent_record *record)
{
	const char *listed = json_get_string(object, "active_rollout_id");
	bool known = intents_get(look->r->mount->intents, "applications", id, record);
	const struct intent *intent = &record->intent;

	if (!known || !intent->holds[INTENT_CONFIGURATION] || !record->rollout || is_over(intent->state))
		return listed;
	return listed && *listed && look->listed_ns >= intent->accepted_ns ? listed : record->rollout;
}

static int add_details(struct look *look, struct json_object *entry, struct snapshot *snapshot, struct json_object *object)
{
	cleanup_record_ struct intent_record record = { 0 };
	const char *rollout = rollout_of(look, snapshot->id, object, &record);
	const struct detail like = { .entry = entry, .parent = snapshot->id, .path = (char *)json_get_string(entry, "path") };
	struct detail detail = like;
	struct json_object *to;
	int r = 0;

	if (rollout && *rollout) {
		detail.row = &row_rollout;
		detail.id = (char *)rollout;
		to = look_member(entry, "rollout");
		r = to ? look_set_text(to, "id", rollout) : -ENOMEM;
		if (r == 0)
			r = look_detail(look, &detail);
	}
	if (r == 0 && snapshot->traits & TRAIT_JOBS) {
		detail = like;
		detail.row = &row_jobs;
		r = look_detail(look, &detail);
	}
	return r;
}

static int fill_entry(struct look *look, struct json_object *entry, const struct list_item *item, struct json_object *object)
{
	struct json_object *health = doc_member(object, "health"), *instances = doc_member(health, "instances"), *copy = NULL;
	struct json_object *configuration = doc_member(object, "configuration");
	int r = doc_copy(instances, &copy);

	if (r == 0 && copy)
		r = doc_set(entry, "instances", copy);
	if (r == 0)
		r = copy_count(entry, object, "max_instances");
	if (r == 0 && json_get_string(configuration, "image"))
		r = look_set_text(entry, "image", json_get_string(configuration, "image"));
	if (r == 0 && json_get_string(health, "summary"))
		r = look_set_text(entry, "summary", json_get_string(health, "summary"));
	if (r == 0)
		r = look_set_text(entry, "updated_at", json_get_string(object, "updated_at"));
	if (r == 0)
		r = add_errors(entry, health);
	return r < 0 ? r : add_details(look, entry, item->snapshot, object);
}

static int add_application(struct look *look, const struct list_item *item)
{
	cleanup_json_ struct json_object *object = look_object(item->snapshot);
	struct json_object *entry = json_object_new_object();
	size_t name = strlen(item->file_name) - strlen(".json");
	cleanup_free_ char *path = NULL;
	int r = entry ? doc_append(look->applications, entry) : -ENOMEM;

	if (r == 0)
		r = doc_set(look->index, item->snapshot->id, json_object_get(entry));
	if (r == 0 && text_format(&path, "applications/%.*s", (int)name, item->file_name) < 0)
		r = -ENOMEM;
	if (r == 0)
		r = look_set_text(entry, "name", item->snapshot->name);
	if (r == 0)
		r = look_set_text(entry, "path", path);
	if (r == 0)
		r = look_set_text(entry, "id", item->snapshot->id);
	if (r == 0 && item->snapshot->version >= 0)
		r = look_set_count(entry, "version", item->snapshot->version);
	return r < 0 || !object ? r : fill_entry(look, entry, item, object);
}

int overview_add_applications(struct look *look, struct list *list)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < list_count(list); i++)
		r = add_application(look, list_at(list, i));
	return r;
}

/* ---- what they come to ---- */

static int report_errors(struct look *look, struct json_object *entry, const char *path)
{
	struct json_object *errors = doc_member(entry, "errors");
	int r = 0;

	for (size_t i = 0; r == 0 && errors && i < json_object_array_length(errors); i++) {
		struct json_object *error = json_object_array_get_idx(errors, i);
		int64_t instances = look_count(error, "instances");
		cleanup_free_ char *reason = NULL;

		if (text_format(&reason, "%s (%lld %s)", json_get_string(error, "reason"), (long long)instances,
				instances == 1 ? "instance" : "instances") < 0)
			return -ENOMEM;
		r = look_attention(look, path, reason, json_get_string(error, "since"), NULL);
	}
	return r;
}

/* What failed without a word of why: by its deployments, else by the count alone. */
static int report_unwell(struct look *look, struct json_object *entry, const char *path)
{
	struct json_object *unwell = doc_member(entry, "unwell");
	int64_t failed = look_count(doc_member(entry, "instances"), "failed");
	const char *since = NULL, *summary = json_get_string(entry, "summary");
	cleanup_buf_ struct buf reason = BUF_INIT;
	int r = 0;

	if (unwell) {
		json_object_object_foreach(unwell, word, of) {
			if (r == 0)
				r = buf_addf(&reason, "%s%lld %s", reason.len ? ", " : "", (long long)look_count(of, "instances"),
					     word);
			since = look_earlier(since, json_get_string(of, "since"));
		}
	} else if (failed) {
		r = buf_addf(&reason, "%lld failed", (long long)failed);
	}
	if (r == 0 && summary && (!strcmp(summary, "degraded") || !strcmp(summary, "unhealthy")))
		r = buf_addf(&reason, "%s%s", reason.len ? ", " : "", summary);
	return r < 0 || !reason.len ? r : look_attention(look, path, reason.data, since, NULL);
}

/* Accepted, and nothing brings it to what runs: it is owed after a failure, or left to the user. */
static int report_pending(struct look *look, struct json_object *entry, const char *path)
{
	struct mount *mount = look->r->mount;
	cleanup_record_ struct intent_record record = { 0 };
	const char *id = json_get_string(entry, "id");
	cleanup_buf_ struct buf noted = BUF_INIT;
	bool owed = state_get(mount->state, "owed", "applications", id, &noted) == 0;
	char since[CLOCK_TEXT_SIZE];

	if (!intents_get(mount->intents, "applications", id, &record) && !owed)
		return 0;
	if (!owed && (!record.intent.holds[INTENT_CONFIGURATION] || record.rollout))
		return 0;
	clock_format_rfc3339(record.intent.accepted_ns, since, sizeof(since));
	return look_attention(look, path,
			      owed ? "a changed configuration was accepted, and its rollout is owed" :
				     "a changed configuration waits for a rollout",
			      record.intent.accepted_ns ? since : NULL, NULL);
}

int overview_finish_applications(struct look *look)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < json_object_array_length(look->applications); i++) {
		struct json_object *entry = json_object_array_get_idx(look->applications, i);
		const char *path = json_get_string(entry, "path");

		if (!doc_is_empty(doc_member(entry, "errors")))
			r = report_errors(look, entry, path);
		else
			r = report_unwell(look, entry, path);
		if (r == 0)
			r = report_pending(look, entry, path);
	}
	return r;
}
