/* Deployments: where the instances of applications are, and which do not run. */
#include "fs/show/overview_private.h"

#include <errno.h>

#include "api/kind.h"

/* ---- why one failed ---- */

static int take_placements(struct look *look, struct detail *detail)
{
	const char *since = NULL;
	cleanup_free_ char *reason = NULL;
	int r;

	(void)look;
	for (size_t i = 0; detail->list && i < list_count(detail->list); i++) {
		cleanup_json_ struct json_object *placement = look_object(list_at(detail->list, i)->snapshot);
		struct json_object *events = doc_member(placement, "events");

		for (size_t e = 0; json_object_is_type(events, json_type_array) && e < json_object_array_length(events); e++) {
			struct json_object *event = json_object_array_get_idx(events, e);
			const char *type = json_get_string(event, "type"), *time = json_get_string(event, "time");
			const char *name = json_get_string(event, "name"), *message = json_get_string(event, "message");

			if (!type || !strstr(type, "Error") || !name || (since && time && strcmp(time, since) < 0))
				continue;
			free(steal_ptr(reason));
			if (text_format(&reason, "%s%s%s", name, message && *message ? ": " : "", message ? message : "") < 0)
				return -ENOMEM;
			r = look_set_text(detail->entry, "since", time);
			if (r < 0)
				return r;
			since = json_get_string(detail->entry, "since");
		}
	}
	return reason ? look_set_text(detail->entry, "reason", reason) : 0;
}

static const struct detail_row row_placements = { "placement", take_placements };

/* ---- one deployment ---- */

/* "cpu: location_overprovisioned", of what it waits for; NULL where it waits for nothing, or without memory. Freed by the caller. */
static char *queued_for(struct json_object *object)
{
	struct json_object *details = doc_member(doc_member(object, "state"), "queued_details");
	cleanup_buf_ struct buf text = BUF_INIT;

	if (doc_is_empty(details) || !json_object_is_type(details, json_type_object))
		return NULL;
	json_object_object_foreach(details, what, why) {
		const char *word = json_object_get_string(why);

		if (buf_addf(&text, "%s%s: %s", text.len ? ", " : "waits for room: ", what, word ? word : "unknown") < 0)
			return NULL;
	}
	return buf_steal(&text);
}

struct state_of {
	const char *health; /* borrowed of the object; NULL: it has no placement yet */
	const char *since;
	char *queued; /* owned; NULL */
};

static struct state_of state_of(struct json_object *object)
{
	struct json_object *placement = doc_member(object, "current_placement");
	struct state_of s = { .queued = queued_for(object) };

	s.health = json_get_string(doc_member(placement, "status"), "health");
	s.since = json_get_string(placement, "last_update");
	if (!s.since)
		s.since = json_get_string(placement, "created_at");
	if (s.queued)
		s.since = json_get_string(doc_member(object, "state"), "last_updated");
	if (!s.since)
		s.since = json_get_string(object, "created_at");
	return s;
}

static bool is_one_of(const char *word, const char *const *words)
{
	for (; word && *words; words++) {
		if (!strcmp(word, *words))
			return true;
	}
	return false;
}

/* An application's: it counts for the place, and where it does not run. */
static int add_owned(struct look *look, struct snapshot *snapshot, struct json_object *object, const struct state_of *s)
{
	static const char *const unwell[] = { "failed", "unhealthy", NULL };
	struct json_object *entry = doc_member(look->index, snapshot->parent_id), *to;
	const char *place = json_get_string(doc_member(object, "location"), "name");
	const char *word = s->queued ? "queued" : s->health;
	int r;

	if (!entry)
		return 0;
	to = look_member(entry, "locations");
	r = to ? look_set_count(to, place ? place : "unknown", look_count(to, place ? place : "unknown") + 1) : -ENOMEM;
	if (r < 0 || !(s->queued || is_one_of(s->health, unwell)))
		return r;
	to = look_member(entry, "unwell");
	to = to ? look_member(to, word) : NULL;
	r = to ? look_set_count(to, "instances", look_count(to, "instances") + 1) : -ENOMEM;
	return r < 0 ? r : look_set_text(to, "since", look_earlier(json_get_string(to, "since"), s->since));
}

static int add_lonely(struct look *look, const struct list_item *item, struct json_object *object, const struct state_of *s)
{
	static const char *const unwell[] = { "failed", "unhealthy", "stopped", NULL };
	struct json_object *deployments = look_member(look->facts, "deployments"), *entry = NULL;
	const char *place = json_get_string(doc_member(object, "location"), "name");
	struct detail detail = { .row = &row_placements, .parent = item->snapshot->id };
	size_t name = strlen(item->file_name) - strlen(".json");
	bool runs = s->health && !strcmp(s->health, "running");
	const char *word = s->queued ? "queued" : runs ? "running" : s->health ? s->health : "starting";
	cleanup_free_ char *path = NULL;
	int r = deployments ? look_set_count(deployments, word, look_count(deployments, word) + 1) : -ENOMEM;

	if (r < 0 || !(s->queued || is_one_of(s->health, unwell)))
		return r;
	if (text_format(&path, "deployments/%.*s", (int)name, item->file_name) < 0)
		return -ENOMEM;
	r = look_attention(look, path, s->queued ? s->queued : s->health, s->since, &entry);
	if (r == 0 && place)
		r = look_set_text(entry, "location", place);
	detail.entry = entry;
	detail.path = path;
	return r < 0 || s->queued ? r : look_detail(look, &detail);
}

int overview_add_deployments(struct look *look, struct list *list)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < list_count(list); i++) {
		const struct list_item *item = list_at(list, i);
		cleanup_json_ struct json_object *object = look_object(item->snapshot);
		struct state_of s;

		if (!object)
			continue;
		s = state_of(object);
		r = item->snapshot->parent_id ? add_owned(look, item->snapshot, object, &s) : add_lonely(look, item, object, &s);
		free(s.queued);
	}
	return r;
}
