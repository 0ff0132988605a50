#include "fs/send/gather.h"

#include <errno.h>

#include "api/base/clock.h"
#include "api/base/name.h"
#include "api/base/rand.h"
#include "api/doc_json.h"
#include "fs/core/intents.h"
#include "fs/core/stage.h"
#include "fs/send/deleted.h"
#include "fs/send/owed.h"
#include "fs/send/vocabulary.h"
#include "fs/show/meaning.h"
#include "fs/show/offers.h"
#include "fs/show/source.h"

void gathered_clear(struct gathered *g)
{
	free(g->replaced_id);
	free(g->id);
	free(g->name);
	json_object_put(g->object);
	json_object_put(g->carried);
	json_object_put(g->vocabulary);
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
	*ret = snapshot_ref(meaning.snapshot);
	return take_snapshot(g, meaning.snapshot);
}

/* What a change rests on is asked anew where it is older than this, or came from a list. */
#define FRESH_MS 1000
/* How many of one name may be gone, one after the other, before the write gives up. */
#define GONE_MAX 8

/* The list; a fresh one where its age counts. */
static int get_list(struct request *r, const struct gathered *g, bool fresh, struct list **ret)
{
	const struct identity *what = g->wish.what;
	struct store_info info;
	int result = source_list(r, what->kind, what->parent_id, ret, &info);

	if (result < 0)
		return result;
	/* Old answers are for readers: that nothing differs from one says nothing of the account. */
	if (!info.stale && (!fresh || clock_now_ms() - info.fetched_ms <= FRESH_MS))
		return 0;
	*ret = list_unref(*ret);
	return source_list_again(r, what->kind, what->parent_id, false, ret);
}

/* Whether it counts as gone, or called otherwise, since that is staged. */
static bool frees_name(struct request *r, const struct gathered *g, const struct list_item *item, bool renamed_alone)
{
	const struct identity *what = g->wish.what;
	cleanup_(staged_unrefp) struct staged *row = NULL;

	if (!r->mount->stage || (g->wish.staged && !g->wish.planned))
		return false;
	row = stage_of(r->mount->stage, what->kind, what->parent_id, item->snapshot->id, NULL);
	return row && staged_frees_name(row) && !(renamed_alone && row->remove);
}

static const struct list_item *find_item(struct request *r, const struct gathered *g, struct list *list, bool by_name)
{
	const struct identity *what = g->wish.what;
	const char *gone_id = g->wish.gone_id;
	bool named = !what->id || by_name;
	const struct list_item *item = named ? list_by_file_name(list, g->wish.file_name) : list_by_id(list, what->id);

	if (!item || !source_belongs(what->kind, what->parent_id, item->snapshot))
		return NULL;
	if (gone_id && !strcmp(gone_id, item->snapshot->id))
		return NULL;
	return named && frees_name(r, g, item, true) ? NULL : item;
}

/* 1: it is gone, though the list still had it. */
static int find_once(struct request *r, struct gathered *g, bool by_name, struct snapshot **ret)
{
	const struct identity *what = g->wish.what;
	/* A free name counts where a resource is made, or gets it. */
	bool rename = g->wish.verb == WISH_RENAME, named = rename || by_name || !what->id || !(what->kind->verbs & KIND_GET);
	cleanup_(list_unrefp) struct list *list = NULL;
	const struct list_item *item, *other;
	int result = get_list(r, g, g->wish.fresh && named, &list);

	if (result < 0)
		return result;
	item = find_item(r, g, list, by_name);
	if (!item)
		return what->id && !by_name ? 1 : new_name(g);
	if (g->wish.anew) {
		g->replaced_id = strdup(item->snapshot->id);
		return g->replaced_id ? new_name(g) : -ENOMEM;
	}
	other = rename ? list_by_name(list, g->wish.new_name) : NULL;
	g->taken = other && strcmp(other->snapshot->id, item->snapshot->id) != 0 && !frees_name(r, g, other, false);
	result = take_meaning(r, g, item->snapshot->id, g->wish.fresh && !rename ? MEANING_FRESH : MEANING_SETTINGS, ret);
	if (result != -ENOENT)
		return result;
	err_clear(&r->err);
	source_removed(r->mount, what->kind, what->parent_id, item->snapshot->id);
	return 1;
}

/* From the list: by id, else by name; what the account says of it now, where that is wanted. *ret is a reference, NULL where there
   is none. */
static int find(struct request *r, struct gathered *g, struct snapshot **ret)
{
	bool by_name = false;
	int result = 1;

	for (int tries = 0; result > 0 && tries < GONE_MAX; tries++) {
		result = find_once(r, g, by_name, ret);
		by_name = g->wish.by_name || !g->wish.what->id;
		if (result > 0 && !by_name)
			break;
	}
	/* Somebody else was faster. */
	if (result > 0 && g->wish.verb == WISH_DELETE)
		return 0;
	if (result > 0)
		return err_set(&r->err, ESTALE, "the %s was removed meanwhile", g->wish.what->kind->name);
	return result;
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

/* What our own unfinished rollout carries: another would replace it. */
static void take_carried(struct request *r, struct gathered *g)
{
	const struct kind *kind = g->wish.what->kind;
	cleanup_free_ char *text = NULL;

	if (!g->exists || !(kind->flags & KIND_ROLLOUT_FOLLOWS))
		return;
	text = intents_carried(r->mount->intents, kind->dir, g->id);
	g->carried = text ? json_tokener_parse(text) : NULL;
}

/* What the service itself answers of others, and of what was deleted, may stand in a new one: it is shown, so it is copied. */
static int take_vocabulary(struct request *r, struct gathered *g)
{
	const struct identity *what = g->wish.what;
	cleanup_(list_unrefp) struct list *list = NULL;
	int result = get_list(r, g, false, &list);

	g->vocabulary = json_object_new_object();
	if (result == 0)
		result = g->vocabulary ? deleted_vocabulary(r->mount, what, g->vocabulary) : -ENOMEM;
	if (result == 0)
		result = vocabulary_add_list(g->vocabulary, list);
	g->context.doc.known = g->vocabulary;
	return result;
}

/* What the service computes is compared with what this state wrote; where it wrote nothing, a document that was staged is with what its
   file showed then. */
static void take_shown(struct gathered *g)
{
	const struct body *base = g->wish.base;
	cleanup_json_ struct json_object *doc = NULL;

	if (!g->wish.staged || !g->exists || !base || g->context.said || g->context.doc.declared)
		return;
	if (g->wish.what->kind->flags & KIND_ROLLOUT_FOLLOWS && doc_parse(base->data, base->len, &doc, NULL) == 0)
		g->context.doc.written = g->context.said = doc_said(g->wish.what->kind, doc);
}

static int gather_document(struct request *r, struct gathered *g)
{
	const struct kind *kind = g->wish.what->kind;
	cleanup_(snapshot_unrefp) struct snapshot *snapshot = NULL;
	int result = find(r, g, &snapshot);

	if (result == 0)
		result = context_init(r, &g->context, mentions_keys(&g->wish) || g->traits & TRAIT_KEY_IDS, true, kind,
				      g->id ? g->id : g->wish.what->id);
	take_shown(g);
	if (result == 0)
		result = take_object(r, g, snapshot);
	if (result == 0)
		result = owed_gather(r, g);
	if (result == 0)
		take_carried(r, g);
	if (result == 0 && g->wish.strange && !g->exists)
		result = take_vocabulary(r, g);
	return result;
}

static int gather_secret(struct request *r, struct gathered *g)
{
	cleanup_(snapshot_unrefp) struct snapshot *snapshot = NULL;
	const struct buf *content = g->wish.content;
	int result = find(r, g, &snapshot);

	if (result < 0 || !content)
		return result;
	g->has_print = print_make(r->mount->state, r->mount->client, content->data ? content->data : "",
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
	int result = action ? source_status(r, what->kind, what->parent_id, what->id, &snapshot, &info) :
			      source_snapshot(r, what->kind, what->parent_id, what->id, &snapshot, &info);

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
	if (!wish->planned)
		rand_bytes(&g->nonce, sizeof(g->nonce));
	if (what->leaf)
		return gather_leaf(r, g);
	if (what->part)
		return gather_part(r, g);
	if (wish->verb == WISH_WRITE && what->kind->flags & KIND_SECRET)
		return gather_secret(r, g);
	/* What is staged is compared with what it was. */
	if ((wish->verb == WISH_RENAME && !r->mount->stage) || what->kind->flags & KIND_KEY_LINE)
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

/* A refusal of the document itself rests on nothing that was asked. */
bool gather_is_old(const struct gathered *g, const struct change *change)
{
	const struct identity *what = g->wish.what;

	return !g->wish.fresh && !what->leaf && !what->part &&
	       (change->steps_count || change->refusal.errnum == ESTALE ||
		(change->refusal.errnum == EEXIST && (g->wish.verb == WISH_RENAME || g->wish.excl)));
}

bool gather_is_strange(const struct gathered *g, const struct change *change)
{
	const struct identity *what = g->wish.what;

	return g->wish.verb == WISH_WRITE && !what->leaf && !what->part && !g->wish.strange && !g->exists && change->after &&
	       change->refusal.errnum == EINVAL;
}

size_t secret_value_len(const struct buf *content, bool keep_newline)
{
	size_t len = content->len;

	return !keep_newline && len && content->data[len - 1] == '\n' ? len - 1 : len;
}
