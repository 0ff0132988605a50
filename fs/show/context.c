#include "fs/show/context.h"

#include <errno.h>
#include <json-c/json.h>

#include "fs/core/defaults.h"
#include "fs/show/source.h"
#include "fs/show/staged.h"

/* The account's defaults hardly ever change; a write should not wait for them. */
#define DEFAULTS_TTL_MS (5 * 60 * 1000)

static const char *key_name(void *arg, const char *id)
{
	const struct list_item *item = list_by_id(arg, id);

	return item ? item->snapshot->name : NULL;
}

static const char *key_id(void *arg, const char *name)
{
	const struct list_item *item = list_by_name(arg, name);

	return item ? item->snapshot->id : NULL;
}

static void warn(void *arg, const char *text)
{
	(void)arg;
	log_warning("%s", text);
}

/* The kind whose resources FIELD_KEY_IDS refers to: the one written as a key line. */
static const struct kind *key_kind(void)
{
	for (const struct kind *const *k = kinds; *k; k++) {
		if ((*k)->flags & KIND_KEY_LINE)
			return *k;
	}
	return NULL;
}

static const struct part *defaults_part(void)
{
	for (const struct kind *const *k = kinds; *k; k++) {
		for (const struct part *p = (*k)->parts; p && p->name; p++) {
			if (p->update)
				return p;
		}
	}
	return NULL;
}

static int load_keys(struct request *r, struct context *c)
{
	const struct kind *kind = key_kind();
	struct store_info info;
	int result = kind ? source_list(r, kind, NULL, &c->keys, &info) : 0;

	/* Where the service does not tell of keys, their ids are shown. */
	if (result == -EOPNOTSUPP || result == -EACCES) {
		err_clear(&r->err);
		return 0;
	}
	if (result < 0 || !c->keys)
		return result;
	c->keys = staged_with_keys(r->mount, kind, c->keys);
	c->doc.key_name = key_name;
	c->doc.key_id = key_id;
	c->doc.keys = c->keys;
	return 0;
}

static int load_defaults(struct request *r, struct context *c)
{
	cleanup_(snapshot_unrefp) struct snapshot *snapshot = NULL;
	const struct part *part = defaults_part();
	struct store_info info;
	int result = part ? source_part(r, part, DEFAULTS_TTL_MS, &snapshot, &info) : -ENOENT;

	if (result == -EOPNOTSUPP || result == -EACCES) {
		err_clear(&r->err);
		doc_default_to_lite(&c->doc);
		return 0;
	}
	/* An account without defaults compares without them. */
	if (result < 0)
		return result == -ENOENT ? 0 : result;
	defaults_read(r->mount->defaults, snapshot, &c->doc);
	return 0;
}

/* A row of the state about the resource; NULL where there is none. */
static struct json_object *remembered(struct mount *mount, const char *table, const struct kind *kind, const char *id)
{
	cleanup_buf_ struct buf text = BUF_INIT;

	if (!id || state_get(mount->state, table, kind->dir, id, &text) < 0 || !text.len)
		return NULL;
	return json_tokener_parse(text.data);
}

/* Whether there is something that an answer cannot tell of. */
static bool is_said_of(const struct kind *kind)
{
	return kind->verbs & KIND_UPDATE && kind->flags & KIND_ROLLOUT_FOLLOWS;
}

void context_remember(struct mount *mount, const struct kind *kind, const char *id, struct json_object *doc)
{
	struct json_object *said = doc ? doc_said(kind, doc) : NULL;
	const char *text = said ? json_object_to_json_string_ext(said, JSON_C_TO_STRING_PLAIN) : NULL;

	if (!is_said_of(kind))
		text = NULL;
	else if (text)
		state_set(mount->state, "written", kind->dir, id, text, strlen(text));
	else
		state_delete(mount->state, "written", kind->dir, id);
	json_object_put(said);
}

int context_init(struct request *r, struct context *c, bool keys, bool compare, const struct kind *kind, const char *id)
{
	int result = 0;

	*c = (struct context){
		.doc = { .account_id = r->mount->options->account_id, .validate = r->mount->options->validate, .warn = warn }
	};
	c->doc.declared = r->mount->options->view == VIEW_SPEC;
	if (keys)
		result = load_keys(r, c);
	if (result == 0 && compare)
		result = load_defaults(r, c);
	if (result == 0 && compare)
		c->doc.service_defaults = c->defaults = remembered(r->mount, "defaults", kind, id);
	if (result == 0 && is_said_of(kind))
		c->doc.written = c->said = remembered(r->mount, "written", kind, id);
	return result;
}

void context_clear(struct context *c)
{
	json_object_put(c->defaults);
	json_object_put(c->said);
	list_unref(c->keys);
	*c = (struct context){ 0 };
}

void context_copy(const struct context *from, struct context *ret)
{
	*ret = *from;
	if (from->keys)
		ret->keys = list_ref(from->keys);
	ret->defaults = json_object_get(from->defaults);
	ret->said = json_object_get(from->said);
}

uint64_t context_serial(const struct context *c)
{
	return c->keys ? list_serial(c->keys) : 0;
}
