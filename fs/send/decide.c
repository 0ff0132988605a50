#include "fs/send/decide.h"

#include <errno.h>

#include "api/doc_json.h"
#include "fs/core/tree.h"
#include "fs/send/outdated.h"

/* ---- pieces ---- */

int decide_parse(const struct gathered *g, struct change *c)
{
	const struct buf *content = g->wish.content;

	return doc_parse(content->data ? content->data : "", content->len, &c->after, &c->refusal);
}

int decide_step(struct change *c, const char *verb, const char *method, const char *template, struct json_object *body,
		struct step **ret)
{
	/* Put at the end, whatever happens. */
	cleanup_json_ struct json_object *owned __attribute__((unused)) = body;
	struct step *step;
	char operation[48];

	snprintf(operation, sizeof(operation), "%s %s", verb, c->kind->name);
	step = change_step(c, operation, method, template, NULL);
	if (!step || (body && step_body(step, body) < 0))
		return -ENOMEM;
	step->answers = c->kind;
	if (ret)
		*ret = step;
	return 0;
}

/* ---- names: renames and deletes ---- */

static int rename_body(const struct gathered *g, struct json_object **ret)
{
	const struct kind *kind = g->wish.what->kind;
	cleanup_json_ struct json_object *body = json_object_new_object();
	struct json_object *labels = doc_member(g->object, "labels");
	int r = body ? 0 : -ENOMEM;

	if (r == 0 && !(kind->flags & KIND_LABEL_NAME))
		r = doc_set(body, kind->name_key, json_object_new_string(g->wish.new_name));
	else if (r == 0 && labels)
		r = doc_set(body, "labels", json_object_get(labels));
	if (r == 0 && kind->flags & KIND_LABEL_NAME)
		r = doc_set_name_label(body, g->wish.new_name);
	if (r == 0)
		*ret = steal_ptr(body);
	return r;
}

int decide_rename(const struct gathered *g, struct change *c)
{
	const struct kind *kind = g->wish.what->kind;
	struct json_object *body = NULL;
	struct step *step = NULL;
	int r;

	if (!(kind->verbs & KIND_RENAME))
		return change_refuse(c, EPERM, "%s %s cannot be renamed", kind_article(kind), kind->name);
	if (g->taken)
		return change_refuse(c, EEXIST, "another %s has the name '%s'", kind->name, g->wish.new_name);
	/* It arrived, and who sent it did not hear so. */
	if (g->wish.staged && g->name && !strcmp(g->name, g->wish.new_name))
		return 0;
	c->new_name = strdup(g->wish.new_name);
	r = c->new_name ? rename_body(g, &body) : -ENOMEM;
	if (r == 0)
		r = decide_step(c, "rename", "PATCH", kind->item, body, &step);
	if (r != 0)
		return r;
	c->verb = VERB_RENAME;
	step->settle = SETTLE_LOOK;
	return 0;
}

int decide_delete(const struct gathered *g, struct change *c)
{
	const struct kind *kind = g->wish.what->kind;
	/* Some are deleted by another key than the id that they are known by. */
	const char *key = kind->delete_key && g->name ? g->name : g->id;
	cleanup_free_ char *path = NULL;
	struct step *step;
	char operation[48];

	if (!(kind->verbs & KIND_DELETE))
		return change_refuse(c, EPERM, "%s %s comes from the platform and cannot be removed", kind_article(kind),
				     kind->name);
	if (g->nodelete)
		return change_refuse(c, EPERM, "the mount was made with nodelete");
	if (g->traits & TRAIT_MANAGED)
		return change_refuse(c, EPERM, "the managed registry cannot be removed");
	if (!g->exists)
		return 0;
	if (kind_path(kind->delete_item ? kind->delete_item : kind->item, c->parent_id, key, NULL, &path) < 0)
		return -ENOMEM;
	snprintf(operation, sizeof(operation), "delete %s", kind->name);
	step = change_step_at(c, operation, "DELETE", steal_ptr(path));
	if (!step)
		return -ENOMEM;
	c->verb = VERB_DELETE;
	step->settle = SETTLE_REPEAT;
	step->gone_is_done = true;
	step->plain = true;
	return 0;
}

/* ---- parts of the account ---- */

int decide_part(const struct gathered *g, struct change *c)
{
	const struct part *part = g->wish.what->part;
	struct step *step = NULL;
	int r = decide_parse(g, c);

	c->keep = true;
	if (r == 0)
		r = doc_part_check(part, c->after, &g->context.doc, &c->refusal);
	if (r == 0)
		r = doc_part_diff(part, g->object, c->after, &g->context.doc, &c->patch, &c->refusal);
	if (r < 0 || !c->patch)
		return r;
	r = decide_step(c, "modify", "PATCH", part->update, json_object_get(c->patch), &step);
	if (r < 0)
		return r;
	c->verb = VERB_UPDATE;
	step->answers = NULL;
	step->settle = SETTLE_LOOK;
	return 0;
}

/* ---- the decision ---- */

static int fill(const struct gathered *g, struct change *c)
{
	const struct identity *what = g->wish.what;

	c->kind = what->kind;
	c->part = what->part;
	c->leaf = what->leaf;
	c->version = g->version;
	c->has_print = g->has_print;
	c->print = g->print;
	c->before = json_object_get(g->object);
	context_copy(&g->context, &c->context);
	if (what->parent_id && !(c->parent_id = strdup(what->parent_id)))
		return -ENOMEM;
	if (g->id && !(c->id = strdup(g->id)))
		return -ENOMEM;
	return g->name && !(c->name = strdup(g->name)) ? -ENOMEM : 0;
}

static int dispatch(const struct gathered *g, struct change *c)
{
	const struct identity *what = g->wish.what;

	if (g->wish.verb == WISH_DELETE)
		return decide_delete(g, c);
	if (g->wish.verb == WISH_RENAME)
		return decide_rename(g, c);
	if (what->leaf)
		return what->leaf->source == LEAF_ACTION ? decide_action(g, c) : decide_credentials(g, c);
	if (what->part)
		return decide_part(g, c);
	if (what->kind->flags & KIND_SECRET)
		return decide_secret(g, c);
	if (what->kind->flags & KIND_KEY_LINE)
		return decide_key(g, c);
	return decide_document(g, c);
}

struct change *decide(const struct gathered *g)
{
	cleanup_(change_freep) struct change *c = change_new();
	int r = c ? fill(g, c) : -ENOMEM;

	if (r == 0 && g->wish.excl && g->exists)
		r = change_refuse(c, EEXIST, "another %s of that name was made meanwhile", g->wish.what->kind->name);
	else if (r == 0)
		r = dispatch(g, c);
	if (r == 0 && g->wish.staged && !g->wish.force && c->steps_count)
		r = outdated_refuse(g, c);
	if (!c || r == -ENOMEM)
		return NULL;
	/* What checks and compares leaves the reason in the refusal; without one it is the errno's own. */
	if (r < 0) {
		struct err why = c->refusal;

		change_refuse(c, -r, "%s", why.text[0] ? why.text : strerror(-r));
	}
	return steal_ptr(c);
}
