#include "fs/send/gather.h"

#include <errno.h>
#include <json-c/json.h>

#include "api/base/clock.h"
#include "api/base/name.h"
#include "api/base/parse.h"
#include "fs/show/meaning.h"
#include "fs/show/offers.h"
#include "fs/show/source.h"

void gathered_clear(struct gathered *g)
{
	free(g->id);
	free(g->name);
	json_object_put(g->object);
	context_clear(&g->context);
	*g = (struct gathered){ 0 };
}

static void take_options(struct mount *mount, struct gathered *g)
{
	const struct options *o = mount->options;

	g->rollout = o->rollout;
	g->rollout_steps = o->rollout_steps;
	g->rollout_steps_count = o->rollout_steps_count;
	g->secret_newline_keep = o->secret_newline_keep;
	g->nodelete = o->nodelete;
}

static int replace_string(char **target, const char *value)
{
	char *copy = strdup(value);

	if (!copy)
		return -ENOMEM;
	free(*target);
	*target = copy;
	return 0;
}

/* ---- the resource ---- */

static int take_snapshot(struct gathered *g, const struct snapshot *s)
{
	g->exists = true;
	g->version = s->version;
	g->traits = s->traits;
	g->hash = s->hash;
	g->seen_ms = s->fetched_ms;
	if (replace_string(&g->name, s->name) < 0)
		return -ENOMEM;
	return replace_string(&g->id, s->id);
}

static int new_name(struct gathered *g)
{
	const struct wish *w = &g->wish;

	/* A cut name is found in the document. */
	if (name_decode(w->file_name, w->what->kind->suffix, &g->name) < 0)
		g->name = NULL;
	return 0;
}

/* What the account means by it, which may be more than its list shows. */
static int take_meaning(struct request *r, struct gathered *g, const char *id, enum meaning_age age, struct snapshot **ret)
{
	const struct identity *what = g->wish.what;
	cleanup_meaning_ struct meaning meaning = { 0 };
	int result = meaning_get(r, what->kind, what->parent_id, id, age, &meaning);

	if (result < 0)
		return result;
	g->proves = meaning.proves;
	g->seen_ms = meaning.info.fetched_ms;
	*ret = snapshot_ref(meaning.snapshot);
	return take_snapshot(g, meaning.snapshot);
}

/* From the list: by id, else by name. *ret is a reference, NULL where there is none. */
static int find(struct request *r, struct gathered *g, struct snapshot **ret)
{
	const struct identity *what = g->wish.what;
	cleanup_(list_unrefp) struct list *list = NULL;
	const struct list_item *item;
	struct store_info info;
	int result = source_list(r, what->kind, what->parent_id, &list, &info);

	/* Old answers are for readers: that nothing differs from one says nothing of the account. */
	if (result == 0 && info.stale) {
		list = list_unref(list);
		result = source_list_again(r, what->kind, what->parent_id, false, &list);
	}
	if (result < 0)
		return result;
	g->seen_ms = info.fetched_ms;
	item = what->id ? list_by_id(list, what->id) : list_by_file_name(list, g->wish.file_name);
	if (item && source_belongs(what->kind, what->parent_id, item->snapshot))
		return take_meaning(r, g, item->snapshot->id, MEANING_SETTINGS, ret);
	if (what->id)
		return err_set(&r->err, ESTALE, "the %s was removed meanwhile", what->kind->name);
	return new_name(g);
}

static bool mentions_keys(const struct wish *w)
{
	return w->content && w->content->data && strstr(w->content->data, "ssh_public_key_ids");
}

static int take_object(struct request *r, struct gathered *g, struct snapshot *snapshot)
{
	const struct identity *what = g->wish.what;
	int result = snapshot ? source_object(r, what->kind, what->parent_id, snapshot, &g->object) : 0;

	g->context.doc.known = g->object;
	return result;
}

static void take_owed(struct request *r, struct gathered *g)
{
	const struct kind *kind = g->wish.what->kind;
	cleanup_buf_ struct buf text = BUF_INIT;
	int64_t before;

	g->owed = g->owed_noted = false;
	if (!(kind->flags & KIND_ROLLOUT_FOLLOWS) || !g->exists)
		return;
	g->owed_noted = state_get(r->mount->state, "owed", kind->dir, g->id, &text) == 0;
	/* It is noted with the version before the change: only where the account is past it did the change arrive. */
	g->owed = g->owed_noted && parse_int64(text.data ? text.data : "", -1, INT64_MAX, &before) == 0 && g->version > before;
}

static int gather_document(struct request *r, struct gathered *g)
{
	const struct kind *kind = g->wish.what->kind;
	cleanup_(snapshot_unrefp) struct snapshot *snapshot = NULL;
	int result = find(r, g, &snapshot);

	if (result == 0)
		result = context_init(r, &g->context, mentions_keys(&g->wish) || g->traits & TRAIT_KEY_IDS, true, kind,
				      g->id ? g->id : g->wish.what->id);
	if (result == 0)
		result = take_object(r, g, snapshot);
	if (result == 0)
		take_owed(r, g);
	return result;
}

static int gather_secret(struct request *r, struct gathered *g)
{
	cleanup_(snapshot_unrefp) struct snapshot *snapshot = NULL;
	const struct buf *content = g->wish.content;
	int result = find(r, g, &snapshot);

	if (result < 0 || !content)
		return result;
	g->has_print = print_make(r->mount->state, content->data ? content->data : "",
				  secret_value_len(content, g->secret_newline_keep), &g->print);
	g->same_secret = g->has_print && snapshot && print_is_known(r->mount->state, snapshot->id, snapshot->version, &g->print);
	return 0;
}

static int gather_plain(struct request *r, struct gathered *g)
{
	cleanup_(snapshot_unrefp) struct snapshot *snapshot = NULL;
	int result = find(r, g, &snapshot);

	return result < 0 ? result : take_object(r, g, snapshot);
}

/* A leaf's resource: an action's, or the registry of credentials. */
static int gather_leaf(struct request *r, struct gathered *g)
{
	cleanup_(snapshot_unrefp) struct snapshot *snapshot = NULL;
	const struct identity *what = g->wish.what;
	bool action = what->leaf->source == LEAF_ACTION;
	struct store_info info;
	int result = source_snapshot(r, what->kind, what->parent_id, what->id, action, &snapshot, &info);

	if (result == 0)
		result = take_snapshot(g, snapshot);
	if (result == 0 && action)
		result = context_init(r, &g->context, g->traits & TRAIT_KEY_IDS, false, what->kind, what->id);
	if (result == 0 && action)
		result = take_object(r, g, snapshot);
	return result;
}

static int get_part(struct request *r, const struct part *part, struct json_object **ret)
{
	struct call call = { .operation = "get account", .method = "GET", .path = part->path, .flags = CALL_WRITE };
	struct answer answer = { 0 };
	int result;

	request_call(r, &call);
	result = offers_call(r->mount, &call, &answer, &r->err);
	*ret = json_object_get(answer.result);
	answer_clear(&answer);
	return result;
}

static int gather_part(struct request *r, struct gathered *g)
{
	const struct identity *what = g->wish.what;
	cleanup_(snapshot_unrefp) struct snapshot *snapshot = NULL;
	cleanup_(body_unrefp) struct body *body = NULL;
	struct store_info info;
	int result = source_part(r, what->part, -1, &snapshot, &info);

	if (result < 0)
		return result;
	g->exists = true;
	g->version = -1;
	g->hash = snapshot->hash;
	g->seen_ms = info.fetched_ms;
	body = info.stale ? NULL : snapshot_body(snapshot);
	if (body)
		g->object = json_tokener_parse(body->data);
	else
		result = get_part(r, what->part, &g->object);
	return result < 0 ? result : context_init(r, &g->context, false, true, what->kind, what->part->name);
}

int gather(struct request *r, const struct wish *wish, struct gathered *g)
{
	const struct identity *what = wish->what;

	*g = (struct gathered){ .wish = *wish, .version = -1, .proves = true };
	take_options(r->mount, g);
	if (what->leaf)
		return gather_leaf(r, g);
	if (what->part)
		return gather_part(r, g);
	if (wish->verb == WISH_WRITE && what->kind->flags & KIND_SECRET)
		return gather_secret(r, g);
	if (wish->verb == WISH_RENAME || what->kind->flags & KIND_KEY_LINE)
		return gather_plain(r, g);
	return gather_document(r, g);
}

int gather_delete(struct mount *mount, const struct wish *wish, struct gathered *g)
{
	const struct identity *what = wish->what;
	cleanup_(snapshot_unrefp) struct snapshot *known = source_known(mount, what->kind, what->parent_id, what->id);

	*g = (struct gathered){ .wish = *wish, .exists = true, .version = -1, .proves = true };
	take_options(mount, g);
	if (known)
		return take_snapshot(g, known);
	return replace_string(&g->id, what->id);
}

/* ---- a fresh look ---- */

/* A precondition is about the account, not about what is cached of it. */
static bool must_look(const struct gathered *g, const struct change *change)
{
	const struct kind *kind = g->wish.what->kind;

	if (!g->exists || g->asked_alone || g->wish.what->leaf || g->wish.what->part || !(kind->verbs & KIND_GET))
		return false;
	return change->precondition && (change->steps_count || change->refusal.errnum == ESTALE);
}

/* One GET; what it answers stands for the resource from now on. */
static int look(struct request *r, struct gathered *g, struct snapshot **ret)
{
	const struct identity *what = g->wish.what;
	struct call call = { .method = "GET", .flags = CALL_WRITE };
	cleanup_free_ char *path = NULL;
	struct answer answer = { 0 };
	char operation[48];
	int result = kind_path(what->kind->item, what->parent_id, g->id, NULL, &path);

	if (result < 0)
		return result;
	snprintf(operation, sizeof(operation), "get %s", what->kind->name);
	call.operation = operation;
	call.path = path;
	request_call(r, &call);
	result = offers_call(r->mount, &call, &answer, &r->err);
	if (result == 0)
		result = source_changed(r->mount, what->kind, what->parent_id, answer.result, answer.sent_ms, NULL);
	if (result == 0)
		result = meaning_observe(r->mount, what->kind, what->parent_id, answer.result, answer.sent_ms);
	answer_clear(&answer);
	return result < 0 ? result : take_meaning(r, g, g->id, MEANING_FRESH, ret);
}

int gather_fresh(struct request *r, struct gathered *g, const struct change *change)
{
	const struct identity *what = g->wish.what;
	cleanup_(snapshot_unrefp) struct snapshot *now = NULL;
	int result;

	if (!must_look(g, change))
		return 0;
	result = look(r, g, &now);
	if (result == -ENOENT)
		return err_set(&r->err, ESTALE, "the %s was removed meanwhile", what->kind->name);
	if (result < 0)
		return result;
	json_object_put(steal_ptr(g->object));
	result = take_snapshot(g, now);
	if (result == 0)
		result = take_object(r, g, now);
	g->asked_alone = true;
	take_owed(r, g);
	return result < 0 ? result : 1;
}

size_t secret_value_len(const struct buf *content, bool keep_newline)
{
	size_t len = content->len;

	return !keep_newline && len && content->data[len - 1] == '\n' ? len - 1 : len;
}
