#include "fs/send/plan.h"

#include <errno.h>

#include "api/doc_json.h"
#include "fs/core/tree.h"
#include "fs/send/decide.h"
#include "fs/send/outdated.h"
#include "fs/send/plan_follows.h"
#include "fs/send/staging.h"
#include "fs/show/plan_print.h"
#include "fs/show/source.h"

/* ---- the documents on both sides ---- */

/* What the account means as a document; NULL: nothing. */
static int document_before(const struct gathered *g, struct json_object **ret)
{
	cleanup_buf_ struct buf text = BUF_INIT;
	int r = g->wish.what->kind->flags & (KIND_SECRET | KIND_KEY_LINE) ? 0 : outdated_base(g, &text);

	*ret = r == 0 && text.len ? json_tokener_parse(text.data) : NULL;
	return r;
}

static int document_after_create(const struct change *c, struct json_object **ret)
{
	int r = c->after ? doc_copy(c->after, ret) : 0;

	if (r == 0 && *ret && c->kind)
		doc_drop_secrets(c->kind, *ret);
	return r;
}

static int add_value(struct json_object *fields, const char *key, struct json_object *value)
{
	cleanup_json_ struct json_object *after = json_object_new_object();
	static const struct field_words words = { "old", "new" };
	int r = doc_set(after, key, value);

	return r < 0 ? r : outdated_compare(NULL, after, &words, fields);
}

static int add_fields(const struct gathered *g, const struct change *c, struct json_object *fields)
{
	static const struct field_words words = { "old", "new" };
	cleanup_json_ struct json_object *before = NULL, *after = NULL;
	int r = 0;

	/* Never the value: that it is another is all there is to see. */
	if (c->verb == VERB_CREATE || c->verb == VERB_UPDATE) {
		if (c->kind->flags & KIND_SECRET)
			return add_value(fields, "value", json_object_new_string("(secret)"));
		if (c->kind->flags & KIND_KEY_LINE && g->wish.content)
			return add_value(
				fields, "public_key",
				json_object_new_string_len(g->wish.content->data, (int)strcspn(g->wish.content->data, "\n")));
	}
	if (c->verb == VERB_CREATE)
		r = document_after_create(c, &after);
	else if (c->verb != VERB_UPDATE)
		return 0;
	else
		r = document_before(g, &before);
	if (r == 0 && c->verb == VERB_UPDATE)
		r = outdated_after(g, c, &after);
	return r == 0 && (before || after) ? outdated_compare(before, after, &words, fields) : r;
}

/* ---- the requests ---- */

/* What is staged itself has an id only when it is made: its name stands for it. Freed by the caller; NULL without memory. */
static char *readable_path(const char *path)
{
	const char *mark = strstr(path, STAGE_ID_ENCODED), *name = mark ? mark + strlen(STAGE_ID_ENCODED) : NULL;
	size_t len = name ? strcspn(name, "/") : 0;

	if (!mark)
		return strdup(path);
	return text_new("%.*s{%.*s}%s", (int)(mark - path), path, (int)len, name, name + len);
}

static int add_request(const struct step *step, struct json_object *requests)
{
	struct json_object *row = json_object_new_object(), *body;
	cleanup_free_ char *path = readable_path(step->path);
	int r = doc_set(row, "method", json_object_new_string(step->method));

	if (r == 0)
		r = path ? doc_set(row, "path", json_object_new_string(path)) : -ENOMEM;
	if (r == 0 && step->secret)
		r = doc_set(row, "secret", json_object_new_boolean(true));
	else if (r == 0 && step->body.len) {
		body = json_tokener_parse(step->body.data);
		r = doc_set(row, "body", body);
	}
	if (r < 0) {
		json_object_put(row);
		return r;
	}
	return doc_append(requests, row);
}

static int add_requests(const struct change *c, struct json_object *requests)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < c->steps_count; i++)
		r = add_request(&c->steps[i], requests);
	return r;
}

/* ---- a row ---- */

/* What the wishes of a row came to. */
struct planned {
	const char *state;
	struct err err;
	struct json_object *fields, *conflicts, *follows, *requests; /* owned arrays */
};

static void planned_clear(struct planned *p)
{
	json_object_put(p->fields);
	json_object_put(p->conflicts);
	json_object_put(p->follows);
	json_object_put(p->requests);
}

static int take_conflicts(struct planned *p, const struct gathered *g, const struct change *c)
{
	cleanup_json_ struct json_object *conflicts = NULL;
	int r = outdated_fields(g, c, &conflicts);

	if (r < 0 || !conflicts)
		return r;
	p->state = "outdated";
	err_set(&p->err, ESTALE, "%s",
		g->wish.base ? "changed in the account since it was staged: 'apply!' overwrites it" :
			       "somebody made it since it was staged: 'apply!' overwrites it");
	json_object_put(p->conflicts);
	p->conflicts = steal_ptr(conflicts);
	return 0;
}

/* An action's word stands for what is done. */
static int add_action(const struct change *c, struct json_object *fields)
{
	return c->verb == VERB_ACTION ? add_value(fields, "action", json_object_new_string(c->action->word)) : 0;
}

static int take_change(struct request *r, struct planned *p, const struct gathered *g, const struct change *c)
{
	int result;

	if (c->refusal.errnum) {
		p->state = "refused";
		p->err = c->refusal;
		return 0;
	}
	if (!c->steps_count)
		return 0;
	if (!strcmp(p->state, "nothing"))
		p->state = "ready";
	result = take_conflicts(p, g, c);
	if (result == 0)
		result = add_fields(g, c, p->fields);
	if (result == 0)
		result = add_action(c, p->fields);
	if (result == 0)
		result = plan_follows(r, c, p->follows);
	return result < 0 ? result : add_requests(c, p->requests);
}

static int plan_wish(struct request *r, struct wish *wish, struct planned *p)
{
	cleanup_gathered_ struct gathered g = { 0 };
	cleanup_(change_freep) struct change *c = NULL;
	int result;

	/* The text tells of it; applying refuses it. */
	wish->force = wish->planned = true;
	for (int tries = 0; tries < 2; tries++) {
		gathered_clear(&g);
		change_free(steal_ptr(c));
		result = gather(r, wish, &g);
		if (result == -ENOMEM || result == -EINTR || result == -ETIMEDOUT)
			return result;
		if (result < 0) {
			p->state = result == -ESTALE ? "outdated" : "unknown";
			if (!r->err.text[0])
				err_set(&r->err, -result, "%s", strerrordesc_np(-result));
			p->err = r->err;
			p->err.errnum = -result;
			err_clear(&r->err);
			return 0;
		}
		c = decide(&g);
		if (!c)
			return -ENOMEM;
		if (!gather_is_strange(&g, c))
			break;
		wish->strange = true;
	}
	return take_change(r, p, &g, c);
}

static void tell_lost(const struct staged *row, struct planned *p)
{
	p->state = "lost";
	err_set(&p->err, ENODATA, "%s was lost with the process that held it: write it again",
		row->kind->flags & KIND_SECRET ? "the value" : "the secret in it");
}

static int plan_wishes(struct request *r, const struct staged *row, bool parks, struct planned *p)
{
	cleanup_wishes_ struct staged_wishes wishes = { 0 };
	int result = staged_wishes_init(row, false, parks, &wishes);

	for (size_t i = 0; result == 0 && i < wishes.count; i++)
		result = plan_wish(r, &wishes.wishes[i], p);
	if (result == 0 && staged_replaces(row))
		result = doc_append(p->follows, json_object_new_string("it is removed and made anew, and has another id then"));
	/* Of the last try, as long as nothing else is in the way. */
	if (result == 0 && !strcmp(p->state, "ready") && row->errnum)
		err_set(&p->err, row->errnum, "%s", row->reason ? row->reason : "");
	return result;
}

static char *own_path(const struct staged *row)
{
	return text_new("%s/%s", row->dir, row->file_name);
}

static int set_array(struct json_object *out, const char *key, struct json_object *array)
{
	return json_object_array_length(array) ? doc_set(out, key, json_object_get(array)) : 0;
}

static int fill(const struct staged *row, const struct staged_place *place, const struct planned *p, struct json_object *out)
{
	cleanup_free_ char *path = own_path(row), *to = row->new_name ? staged_path(row) : NULL;
	int r = path && (to || !row->new_name) ? 0 : -ENOMEM;

	if (r == 0)
		r = doc_set(out, "path", json_object_new_string(path));
	if (r == 0 && to)
		r = doc_set(out, "to", json_object_new_string(to));
	if (r == 0)
		r = doc_set(out, "verb", json_object_new_string(staged_word(staged_verb(row))));
	if (r == 0)
		r = doc_set(out, "kind", json_object_new_string(row->kind->name));
	if (r == 0)
		r = doc_set(out, "wave", json_object_new_int((int)place->wave));
	if (r == 0 && place->turn)
		r = doc_set(out, "turn", json_object_new_int((int)place->turn));
	if (r == 0)
		r = doc_set(out, "state", json_object_new_string(p->state));
	if (r == 0 && p->err.errnum)
		r = doc_set(out, "errno", json_object_new_string(errno_name(p->err.errnum)));
	if (r == 0 && p->err.errnum)
		r = doc_set(out, "reason", json_object_new_string(p->err.text));
	if (r == 0)
		r = set_array(out, "fields", p->fields);
	if (r == 0 && p->conflicts)
		r = set_array(out, "conflicts", p->conflicts);
	if (r == 0)
		r = set_array(out, "follows", p->follows);
	return r < 0 ? r : set_array(out, "requests", p->requests);
}

int plan_row(struct request *r, const struct staged *row, const struct staged_place *place, struct json_object **ret)
{
	cleanup_(planned_clear) struct planned p = { .state = "nothing",
						     .fields = json_object_new_array(),
						     .follows = json_object_new_array(),
						     .requests = json_object_new_array() };
	cleanup_json_ struct json_object *out = json_object_new_object();
	int result = out && p.fields && p.follows && p.requests ? 0 : -ENOMEM;

	if (result == 0 && row->lost)
		tell_lost(row, &p);
	else if (result == 0)
		result = plan_wishes(r, row, place->parks, &p);
	if (result == 0)
		result = fill(row, place, &p, out);
	if (result == 0)
		*ret = steal_ptr(out);
	return result;
}

/* ---- the whole ---- */

static bool is_asked(struct staged *const *rows, size_t i)
{
	for (size_t k = i; k-- > 0;) {
		if (rows[k]->kind == rows[i]->kind &&
		    !strcmp(rows[k]->parent_id ? rows[k]->parent_id : "", rows[i]->parent_id ? rows[i]->parent_id : ""))
			return true;
		/* They are sorted by their directories within a wave. */
		if (rows[k]->kind != rows[i]->kind && staged_wave(rows[k]) != staged_wave(rows[i]))
			return false;
	}
	return false;
}

int plan_refresh(struct request *r, struct staged *const *rows, size_t count)
{
	int result = 0;

	for (size_t i = 0; i < count && (result == 0 || result == -EIO); i++) {
		cleanup_(list_unrefp) struct list *list = NULL;

		if (rows[i]->part)
			source_drop_parts(r->mount);
		else if (!is_asked(rows, i) && rows[i]->kind->verbs & KIND_LIST)
			result = source_list_again(r, rows[i]->kind, rows[i]->parent_id, false, &list);
	}
	/* What is not to be had is told row by row. */
	if (result == -EINTR || result == -ETIMEDOUT || result == -ENOMEM)
		return result;
	err_clear(&r->err);
	return 0;
}

/* The rows in their order. */
struct plan {
	struct staged **rows; /* owned references; NULL: the mount does not stage */
	struct staged_place *places;
	size_t count;
	struct plan_sum sum;
};

static void plan_clear(struct plan *plan)
{
	stage_list_free(plan->rows, plan->count);
	free(plan->places);
}

static int plan_init(struct request *r, struct plan *plan)
{
	*plan = (struct plan){ .sum = PLAN_SUM_INIT };
	if (!r->mount->stage)
		return 0;
	plan->rows = stage_list(r->mount->stage, &plan->count);
	plan->places = plan->rows ? staged_sort(plan->rows, plan->count) : NULL;
	return plan->places ? plan_refresh(r, plan->rows, plan->count) : -ENOMEM;
}

/* A row at a time, so that the texts alone are held. */
static int write_rows(struct request *r, struct plan *plan, int (*write)(struct json_object *row, struct buf *out),
		      struct buf *out)
{
	int result = 0;

	for (size_t i = 0; result == 0 && i < plan->count; i++) {
		cleanup_json_ struct json_object *row = NULL;

		result = plan_row(r, plan->rows[i], &plan->places[i], &row);
		if (result < 0)
			break;
		plan_sum_add(&plan->sum, row);
		result = write(row, out);
	}
	return result;
}

int plan_text(struct request *r, struct buf *out)
{
	cleanup_(plan_clear) struct plan plan;
	int result = plan_init(r, &plan);

	if (result == 0)
		result = write_rows(r, &plan, plan_print_row, out);
	return result < 0 ? result : plan_print_sum(&plan.sum, out);
}

/* A member of the array that out ends with. */
static int add_json_row(struct json_object *row, struct buf *out)
{
	if (!strcmp(json_get_string(row, "state"), "nothing"))
		return 0;
	return buf_addf(out, "%s\n    %s", out->data[out->len - 1] == '[' ? "" : ",",
			json_object_to_json_string_ext(row, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
}

int plan_json(struct request *r, struct buf *out)
{
	cleanup_(plan_clear) struct plan plan;
	cleanup_json_ struct json_object *summary = NULL;
	int result = plan_init(r, &plan);

	if (result == 0)
		result = buf_adds(out, "{\n  \"changes\": [");
	if (result == 0)
		result = write_rows(r, &plan, add_json_row, out);
	summary = plan_sum_json(&plan.sum);
	if (result < 0 || !summary)
		return result < 0 ? result : -ENOMEM;
	return buf_addf(out, "\n  ],\n  \"summary\": %s\n}\n",
			json_object_to_json_string_ext(summary, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
}
