#include "fs/send/plan_follows.h"

#include <errno.h>
#include <stdarg.h>

#include "api/doc_json.h"
#include "cache/list.h"
#include "fs/show/source.h"

/* Names of one kind that are told; the rest is a number. */
#define NAMES_MAX 20

static int add(struct json_object *out, const char *fmt, ...) printf_like_(2, 3);
static int add(struct json_object *out, const char *fmt, ...)
{
	cleanup_free_ char *text = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = text_vformat(&text, fmt, ap);
	va_end(ap);
	return n < 0 ? -ENOMEM : doc_append(out, json_object_new_string(text));
}

/* ---- a rollout ---- */

static int add_steps(struct json_object *body, struct json_object *out)
{
	struct json_object *steps = doc_member(body, "steps");
	size_t n = json_object_is_type(steps, json_type_array) ? json_object_array_length(steps) : 0;
	const char *kind = json_get_string(body, "kind");
	int r = add(out, "a rollout%s%s%s", kind && !strcmp(kind, "full_manual") ? ", step by step at your word" : "",
		    n ? " in steps" : "", n ? ":" : "");

	for (size_t i = 0; r == 0 && i < n; i++) {
		const char *text = json_get_string(json_object_array_get_idx(steps, i), "description");

		r = text ? add(out, "  %s", text) : 0;
	}
	return r;
}

static int follow_rollout(const struct change *c, const struct step *step, struct json_object *out)
{
	cleanup_json_ struct json_object *body = step->body.len ? json_tokener_parse(step->body.data) : NULL;
	struct json_object *instances = doc_member(c->before, "instances");
	int r = add_steps(body, out);

	if (r == 0 && json_object_is_type(instances, json_type_int) && json_object_get_int64(instances) > 0)
		r = add(out, "up to %lld instances are replaced", (long long)json_object_get_int64(instances));
	return r;
}

/* ---- deletes ---- */

static int tell_below(struct request *r, const struct change *c, const struct kind *kind, struct json_object *out)
{
	cleanup_(list_unrefp) struct list *list = NULL;
	struct store_info info;
	size_t count = 0;
	/* What cannot be asked is told by the service, then. */
	int result = source_list(r, kind, c->id, &list, &info);

	if (result < 0) {
		err_clear(&r->err);
		return result == -EINTR || result == -ETIMEDOUT || result == -ENOMEM ? result : 0;
	}
	for (size_t i = 0; result == 0 && i < list_count(list); i++) {
		const struct list_item *item = list_at(list, i);

		if (!source_belongs(kind, c->id, item->snapshot))
			continue;
		if (count++ < NAMES_MAX)
			result = add(out, "takes with it the %s %s", kind->name, item->snapshot->name);
	}
	return result == 0 && count > NAMES_MAX ? add(out, "takes with it %zu %ss more", count - NAMES_MAX, kind->name) : result;
}

static bool has_below(const struct change *c, const struct kind *kind, unsigned traits)
{
	return kind->parent == c->kind && kind->verbs & KIND_LIST && !(kind->flags & KIND_WHOLE) &&
	       (traits & kind->list_needs) == kind->list_needs;
}

static int follow_delete(struct request *r, const struct change *c, struct json_object *out)
{
	unsigned traits = c->kind->hooks && c->kind->hooks->traits && c->before ? c->kind->hooks->traits(c->before) : 0;
	struct json_object *instances = doc_member(c->before, "instances");
	const char *active = json_get_string(c->before, "active_rollout_id");
	int result = 0;

	if (json_object_is_type(instances, json_type_int) && json_object_get_int64(instances) > 0)
		result = add(out, "takes with it %lld instances", (long long)json_object_get_int64(instances));
	for (const struct kind *const *k = kinds; *k && result == 0; k++) {
		if (has_below(c, *k, traits) && !((*k)->active_key && !active))
			result = tell_below(r, c, *k, out);
	}
	if (result == 0 && traits & TRAIT_DURABLE)
		result = add(out, "its Worker can start no container until it is made anew");
	return result;
}

/* ---- any ---- */

static bool has_placements(const struct kind *kind)
{
	return kind_by_dir(kind, "placements");
}

int plan_follows(struct request *r, const struct change *c, struct json_object *out)
{
	int result = 0;

	for (size_t i = 0; result == 0 && i < c->steps_count; i++) {
		if (c->steps[i].settle == SETTLE_MARK)
			result = follow_rollout(c, &c->steps[i], out);
	}
	if (result == 0 && c->verb == VERB_UPDATE && has_placements(c->kind))
		result = add(out, "its container is replaced by a new placement");
	if (result == 0 && c->verb == VERB_ACTION && c->action->deletes)
		result = add(out, "it is replaced, and has another id then");
	return result == 0 && c->verb == VERB_DELETE ? follow_delete(r, c, out) : result;
}
