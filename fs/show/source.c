#include "fs/show/source.h"

#include <errno.h>
#include <json-c/json.h>
#include <malloc.h>

#include "api/base/clock.h"
#include "fs/core/stage.h"
#include "fs/core/trace.h"
#include "fs/show/contested.h"
#include "fs/show/images.h"
#include "fs/show/insight.h"
#include "fs/show/listing.h"
#include "fs/show/offers.h"
#include "fs/show/source_known.h"

/* What every row that is passed to the store begins with would be a header of its own; the key's letter tells instead. */
enum { KEY_LIST = 'L', KEY_ITEM = 'I', KEY_LEAF = 'D', KEY_PART = 'P' };

const struct kind *source_list_kind(const struct kind *kind)
{
	if (!kind->parent_key || !kind->parent)
		return kind;
	for (const struct kind *const *k = kinds; *k; k++) {
		if (!(*k)->parent && (*k)->parent_key && !strcmp((*k)->collection, kind->collection))
			return *k;
	}
	return kind;
}

static int make_key(char letter, const char *template, const char *parent, const char *id, char **ret)
{
	cleanup_free_ char *path = NULL;
	int r = kind_path(template, parent, id, NULL, &path);

	if (r < 0)
		return r;
	return text_format(ret, "%c:%s", letter, path) < 0 ? -ENOMEM : 0;
}

int source_list_key(const struct kind *kind, const char *parent, char **ret)
{
	return make_key(KEY_LIST, kind->collection, parent, NULL, ret);
}

int source_item_key(const struct kind *kind, const char *parent, const char *id, char **ret)
{
	return make_key(KEY_ITEM, kind->item, parent, id, ret);
}

int source_leaf_key(const struct leaf *leaf, const char *parent, const char *id, char **ret)
{
	return make_key(KEY_LEAF, leaf->path, parent, id, ret);
}

int source_part_key(const struct part *part, char **ret)
{
	return make_key(KEY_PART, part->path, NULL, NULL, ret);
}

int64_t source_ttl(const struct mount *mount, const struct kind *kind)
{
	return kind->flags & KIND_STATUS_TTL ? mount->options->status_ttl_ms : mount->options->cache_ttl_ms;
}

bool source_belongs(const struct kind *kind, const char *parent, const struct snapshot *snapshot)
{
	if (!kind->parent_key)
		return true;
	if (!parent)
		return !snapshot->parent_id;
	return snapshot->parent_id && !strcmp(parent, snapshot->parent_id);
}

/* ---- lists ---- */

struct by_id {
	struct listing *listing;
	struct err *err;
	int64_t deadline_ms; /* for all of them together: there may be thousands */
};

/* What is known of it without asking: the last answer, or at least that it is there. */
static int add_unasked(struct listing *l, const char *id)
{
	const struct list_item *old = l->old ? list_by_id(l->old, id) : NULL;
	struct json_object *object;
	struct snapshot *s;

	if (old)
		return listing_add(l, snapshot_ref(old->snapshot));
	object = json_object_new_object();
	json_object_object_add(object, l->kind->id_key, json_object_new_string(id));
	s = source_make(l->mount, l->kind, l->parent, object, l->sent_ms);
	json_object_put(object);
	return s ? listing_add(l, s) : -ENOMEM;
}

/* One of a kind of which the service offers no list. */
static int get_remembered(void *arg, const char *id, const void *name, size_t len)
{
	struct by_id *by = arg;
	struct listing *l = by->listing;
	cleanup_free_ char *path = NULL;
	struct call call = { .operation = "getRemembered", .method = "GET" };
	struct answer answer = { 0 };
	struct snapshot *s;
	int r = kind_path(l->kind->item, l->parent, id, NULL, &path);

	(void)name, (void)len;
	if (r < 0)
		return r;
	call.path = path;
	call.deadline_ms = by->deadline_ms;
	r = offers_call(l->mount, &call, &answer, by->err);
	/* Where nothing of the kind was ever answered, "not found" is no word on this one. */
	if (r == -EOPNOTSUPP || (r == -ENOENT && !offers_is_proven(l->mount->offers, operation_of(l->kind, KIND_GET)))) {
		err_clear(by->err);
		return add_unasked(l, id);
	}
	if (r == -ENOENT) {
		state_delete(l->mount->state, "names", l->parent, id);
		return 0;
	}
	if (r < 0)
		return r;
	s = source_make(l->mount, l->kind, l->parent, answer.result, answer.sent_ms);
	answer_clear(&answer);
	return s ? listing_add(l, s) : 0;
}

static bool is_listed(const struct listing *l, const char *id)
{
	for (size_t i = 0; i < l->count; i++) {
		if (!strcmp(l->snapshots[i]->id, id))
			return true;
	}
	return false;
}

/* The one that the parent names as active, whoever made it. */
static int add_active(struct by_id *by)
{
	struct listing *l = by->listing;
	cleanup_(snapshot_unrefp) struct snapshot *parent = NULL;
	cleanup_(body_unrefp) struct body *body = NULL;
	struct json_object *object;
	const char *id;
	int r = 0;

	if (!l->kind->active_key || !l->parent)
		return 0;
	parent = source_known(l->mount, l->kind->parent, NULL, l->parent);
	body = parent ? snapshot_body(parent) : NULL;
	object = body ? json_tokener_parse(body->data) : NULL;
	id = object ? json_get_string(object, l->kind->active_key) : NULL;
	if (id && *id && !is_listed(l, id))
		r = get_remembered(by, id, NULL, 0);
	json_object_put(object);
	return r;
}

/* Where the service offers no list: what this mount made, and what is active. */
static int list_remembered(struct by_id *by)
{
	struct listing *l = by->listing;
	int r = state_each(l->mount->state, "names", l->parent ? l->parent : l->kind->dir, get_remembered, by);

	return r < 0 ? r : add_active(by);
}

/* The parent's id of "/applications/ID/rollouts" under the template "/applications/{parent}/rollouts", or of what is below; freed by
   the caller. NULL: the template has none. */
static char *parent_of_path(const char *template, const char *path)
{
	const char *at = strstr(template, "{parent}");
	size_t before = at ? (size_t)(at - template) : 0;

	return at && strlen(path) > before ? strndup(path + before, strcspn(path + before, "/")) : NULL;
}

static int fetch_list(struct mount *mount, const struct kind *kind, const char *key, struct store_value *ret, struct err *err)
{
	cleanup_free_ char *parent = parent_of_path(kind->collection, key + 2), *query = NULL;
	struct listing l = { .mount = mount, .kind = kind, .parent = parent, .sent_ms = clock_now_ms() };
	struct by_id by = { &l, err, clock_after_ms(mount->options->timeout_ms) };
	char operation[48];
	struct list_call call = {
		.operation = operation,
		.path = key + 2,
		.page = listing_page,
		.settle = listing_settle,
		.arg = &l,
	};
	int r;

	l.old = source_known_by_key(mount, kind, key);
	snprintf(operation, sizeof(operation), "list %s", kind->dir);
	if (kind->list_active && !mount->options->instances_all) {
		query = text_new("%s?%s", call.path, kind->list_active);
		if (!query) {
			listing_clear(&l);
			return err_set(err, ENOMEM, "out of memory");
		}
		call.path = query;
	}
	r = offers_list(mount, &call, err);
	if (r == -EOPNOTSUPP && (kind->flags & KIND_LIST_UNCONFIRMED)) {
		err_clear(err);
		r = list_remembered(&by);
	}
	if (r == 0)
		r = contested_resolve(&l, by.deadline_ms);
	if (r == 0) {
		ret->list = list_new(l.snapshots, l.count, kind->suffix);
		if (!ret->list)
			r = err_set(err, ENOMEM, "out of memory for a list of %zu", l.count);
	}
	/* Parsing a page takes ten times its text: given back, the pages that are left free within the heap too. */
	if (l.count >= CLIENT_PAGE_SIZE)
		malloc_trim(0);
	listing_clear(&l);
	return r;
}

/* ---- single documents ---- */

static int get_document(struct mount *mount, const char *operation, const char *path, struct answer *ret, struct err *err)
{
	struct call call = { .operation = operation, .method = "GET", .path = path };

	return offers_call(mount, &call, ret, err);
}

/* What has no time of its own keeps the one when its content was first seen. */
static void carry_seen(struct mount *mount, const char *key, struct snapshot *fresh)
{
	struct store_get get = { .key = key, .ttl_ms = CLOCK_NEVER / 4, .cached_only = true };
	struct store_value value = { 0 };
	struct store_info info;

	if (store_get(mount->store, &get, &value, &info, NULL) < 0)
		return;
	if (value.snapshot && value.snapshot->hash == fresh->hash)
		fresh->seen_ns = value.snapshot->seen_ns;
	store_value_clear(&value);
}

static int fetch_document(struct mount *mount, const char *key, struct store_value *ret, struct err *err)
{
	struct answer answer = { 0 };
	struct snapshot_fields f = { .id = key, .name = key, .version = -1 };
	int r = get_document(mount, key[0] == KEY_PART ? "get account" : "get leaf", key + 2, &answer, err);

	if (r < 0)
		return r;
	f.fetched_ms = answer.sent_ms;
	f.body = json_object_to_json_string_length(answer.result, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE,
						   &f.body_len);
	ret->snapshot = f.body ? snapshot_new(&f) : NULL;
	answer_clear(&answer);
	if (ret->snapshot)
		carry_seen(mount, key, ret->snapshot);
	return ret->snapshot ? 0 : err_set(err, ENOMEM, "out of memory");
}

/* A list below what a GET has shown is no news. Where a rollout follows a change, the intents judge that. */
static void note_seen(struct mount *mount, const struct kind *kind, const char *parent, struct snapshot *snapshot)
{
	const struct kind *row = source_list_kind(kind);
	cleanup_free_ char *key = NULL;

	if (!(kind->flags & KIND_ROLLOUT_FOLLOWS) && source_list_key(row, row->parent ? parent : NULL, &key) == 0)
		store_seen(mount->store, row, key, row->suffix, snapshot, MOUNT_HOLD_MS);
}

void source_arrived(struct mount *mount, const void *row, const char *key, struct snapshot *snapshot)
{
	const struct kind *kind = row;
	cleanup_free_ char *parent = key[0] == KEY_ITEM ? parent_of_path(kind->item, key + 2) : NULL;

	if (key[0] == KEY_ITEM)
		note_seen(mount, kind, parent, snapshot);
}

static int fetch_item(struct mount *mount, const struct kind *kind, const char *key, struct store_value *ret, struct err *err)
{
	cleanup_free_ char *parent = parent_of_path(kind->item, key + 2);
	struct answer answer = { 0 };
	char operation[48];
	int r;

	snprintf(operation, sizeof(operation), "get %s", kind->name);
	r = get_document(mount, operation, key + 2, &answer, err);
	if (r < 0)
		return r;
	ret->snapshot = source_make(mount, kind, parent, answer.result, answer.sent_ms);
	answer_clear(&answer);
	if (!ret->snapshot)
		return err_set(err, EIO, "the API's answer holds no %s", kind->id_key);
	note_seen(mount, kind, parent, ret->snapshot);
	return 0;
}

static int fetch(void *arg, const void *row, const char *key, struct store_value *ret, struct err *err)
{
	struct mount *mount = arg;

	switch (key[0]) {
	case KEY_LIST:
		return fetch_list(mount, row, key, ret, err);
	case KEY_ITEM:
		return fetch_item(mount, row, key, ret, err);
	case IMAGES_KEY:
		return images_fetch(mount, ret, err);
	case INSIGHT_KEY_METRICS:
	case INSIGHT_KEY_LOGS:
		return insight_fetch(mount, key, ret, err);
	default:
		return fetch_document(mount, key, ret, err);
	}
}

int source_fetch(void *arg, const void *row, const char *key, struct store_value *ret, struct err *err)
{
	int r;

	TRACE1(fetch_start, key);
	r = fetch(arg, row, key, ret, err);
	TRACE2(fetch_end, key, r);
	return r;
}

/* ---- what requests ask ---- */

/* Below what is staged itself the account has nothing yet. */
static int list_nothing(const struct kind *kind, struct list **ret)
{
	*ret = list_new(NULL, 0, kind->suffix);
	return *ret ? 0 : -ENOMEM;
}

static int get_list(struct request *r, const struct kind *kind, const char *parent, int64_t ttl_ms, struct list **ret,
		    struct store_info *ret_info)
{
	const struct kind *row = source_list_kind(kind);
	cleanup_free_ char *key = NULL;
	struct store_value value = { 0 };
	int result;

	if (stage_is_id(parent)) {
		*ret_info = (struct store_info){ .fetched_ms = clock_now_ms() };
		return list_nothing(row, ret);
	}
	result = source_list_key(row, row->parent ? parent : NULL, &key);
	if (result == 0)
		result = request_get(r, row, key, ttl_ms < 0 ? source_ttl(r->mount, row) : ttl_ms, &value, ret_info);
	if (result == 0)
		*ret = value.list;
	return result;
}

void source_prefetch(struct mount *mount, const struct kind *kind)
{
	const struct kind *row = source_list_kind(kind);
	cleanup_free_ char *key = NULL;

	if (source_list_key(row, NULL, &key) == 0)
		store_prefetch(mount->store, row, key, source_ttl(mount, row));
}

void source_prefetch_part(struct mount *mount, const struct part *part)
{
	cleanup_free_ char *key = NULL;

	if (source_part_key(part, &key) == 0)
		store_prefetch(mount->store, part, key, mount->options->cache_ttl_ms);
}

int source_list(struct request *r, const struct kind *kind, const char *parent, struct list **ret, struct store_info *ret_info)
{
	return get_list(r, kind, parent, -1, ret, ret_info);
}

static int take_item(struct list *list, const char *id, struct snapshot **ret)
{
	const struct list_item *item = list_by_id(list, id);

	if (!item)
		return -ENOENT;
	*ret = snapshot_ref(item->snapshot);
	return 0;
}

int source_snapshot(struct request *r, const struct kind *kind, const char *parent, const char *id, struct snapshot **ret,
		    struct store_info *ret_info)
{
	cleanup_(list_unrefp) struct list *list = NULL;
	int result = get_list(r, kind, parent, -1, &list, ret_info);

	return result < 0 ? result : take_item(list, id, ret);
}

int source_status(struct request *r, const struct kind *kind, const char *parent, const char *id, struct snapshot **ret,
		  struct store_info *ret_info)
{
	cleanup_(list_unrefp) struct list *list = NULL;
	int result = get_list(r, kind, parent, -1, &list, ret_info);

	if (result == 0 && list_count(list) <= CLIENT_PAGE_SIZE) {
		list = list_unref(list);
		result = get_list(r, kind, parent, r->mount->options->status_ttl_ms, &list, ret_info);
	}
	return result < 0 ? result : take_item(list, id, ret);
}

int source_leaf(struct request *r, const struct leaf *leaf, const char *parent, const char *id, struct snapshot **ret,
		struct store_info *ret_info)
{
	cleanup_free_ char *key = NULL;
	struct store_value value = { 0 };
	int result = source_leaf_key(leaf, parent, id, &key);

	if (result == 0)
		result = request_get(r, leaf, key, r->mount->options->status_ttl_ms, &value, ret_info);
	if (result == 0)
		*ret = value.snapshot;
	return result;
}

int source_part(struct request *r, const struct part *part, int64_t ttl_ms, struct snapshot **ret, struct store_info *ret_info)
{
	cleanup_free_ char *key = NULL;
	struct store_value value = { 0 };
	int result = source_part_key(part, &key);

	if (result == 0)
		result = request_get(r, part, key, ttl_ms < 0 ? r->mount->options->cache_ttl_ms : ttl_ms, &value, ret_info);
	if (result == 0)
		*ret = value.snapshot;
	return result;
}

/* How often what was fetched may go again, for lack of memory, before its reader has it. */
#define BODY_TRIES_MAX 8

/* *ret stays NULL where the body is gone already. */
static int fetch_body_once(struct request *r, const struct kind *row, const char *key, const char *id, struct body **ret)
{
	struct store_value value = { 0 };
	struct store_info info;
	int result = request_get(r, row, key, key[0] == KEY_ITEM ? source_ttl(r->mount, row) : 0, &value, &info);

	if (result < 0)
		return result;
	if (value.list) {
		const struct list_item *item = list_by_id(value.list, id);

		value.snapshot = item ? snapshot_ref(item->snapshot) : NULL;
		if (!item)
			result = -ENOENT;
	}
	if (value.snapshot)
		*ret = snapshot_body(value.snapshot);
	store_value_clear(&value);
	return result;
}

static int fetch_body(struct request *r, const struct kind *kind, const char *parent, const char *id, struct body **ret)
{
	const struct kind *row = source_list_kind(kind);
	cleanup_free_ char *key = NULL;
	int result;

	/* Where one cannot be asked for alone, the list brings it again. */
	if (row->item && (row->verbs & KIND_GET))
		result = source_item_key(row, parent, id, &key);
	else
		result = source_list_key(row, row->parent ? parent : NULL, &key);
	for (int tries = 0; result == 0 && !*ret; tries++) {
		if (tries == BODY_TRIES_MAX)
			return err_set(&r->err, ENOMEM, "max_cache_size is too small for what is read at once");
		result = fetch_body_once(r, row, key, id, ret);
	}
	return result;
}

int source_object(struct request *r, const struct kind *kind, const char *parent, struct snapshot *snapshot,
		  struct json_object **ret)
{
	cleanup_(body_unrefp) struct body *body = snapshot_body(snapshot);
	int result = 0;

	if (!body)
		result = fetch_body(r, kind, parent, snapshot->id, &body);
	if (result < 0)
		return result;
	*ret = json_tokener_parse(body->data);
	return *ret ? 0 : -ENOMEM;
}

/* ---- the mount's own changes ---- */

int source_changed(struct mount *mount, const struct kind *kind, const char *parent, struct json_object *object, int64_t sent_ms,
		   struct snapshot **ret)
{
	const struct kind *row = source_list_kind(kind);
	cleanup_free_ char *key = NULL;
	cleanup_(snapshot_unrefp) struct snapshot *snapshot = source_make(mount, row, parent, object, sent_ms);
	int r = source_list_key(row, row->parent ? parent : NULL, &key);

	if (r < 0)
		return r;
	if (!snapshot) {
		store_expire_everywhere(mount->store, key);
		return -EIO;
	}
	r = store_upsert(mount->store, row, key, row->suffix, snapshot, MOUNT_HOLD_MS);
	if (r == 0 && ret)
		*ret = steal_ptr(snapshot);
	return r;
}

int source_list_again(struct request *r, const struct kind *kind, const char *parent, bool settle, struct list **ret)
{
	const struct kind *row = source_list_kind(kind);
	cleanup_free_ char *key = NULL;
	struct store_value value = { 0 };
	struct store_info info;
	int result = source_list_key(row, row->parent ? parent : NULL, &key);
	struct store_get get = { .key = key, .row = row, .refresh = true, .deadline_ms = r->deadline_ms, .waiter = NULL };
	struct waiter waiter;

	if (stage_is_id(parent))
		return list_nothing(row, ret);

	if (result == 0)
		result = waiter_init(&waiter);
	if (result < 0)
		return result;
	/* What was sent is found out whatever the process behind the request does meanwhile. */
	get.waiter = settle ? &waiter : &r->waiter;
	result = store_get(r->mount->store, &get, &value, &info, &r->err);
	waiter_destroy(&waiter);
	if (result == 0)
		*ret = value.list;
	return result;
}

void source_removed(struct mount *mount, const struct kind *kind, const char *parent, const char *id)
{
	const struct kind *row = source_list_kind(kind);
	cleanup_free_ char *key = NULL;

	if (source_list_key(row, row->parent ? parent : NULL, &key) == 0)
		store_remove(mount->store, key, id, MOUNT_HOLD_MS);
}

void source_drop_item(struct mount *mount, const struct kind *kind, const char *parent, const char *id)
{
	cleanup_free_ char *key = NULL;

	if (kind->item && source_item_key(kind, parent, id, &key) == 0)
		store_drop_everywhere(mount->store, key);
}

void source_drop_parts(struct mount *mount)
{
	store_drop_everywhere(mount->store, "P:");
}

void source_drop_kind(struct mount *mount, const struct kind *kind)
{
	static const char letters[] = "LID";

	/* A resource's leaves and lists have paths below its kind's, and an application's deployments stand in the account's list. */
	for (const char *l = letters; *l; l++) {
		cleanup_free_ char *prefix = NULL;

		if (kind->collection && text_format(&prefix, "%c:%s", *l, kind->collection) > 0)
			store_drop(mount->store, prefix);
	}
	store_drop(mount->store, "L:/deployments");
	source_drop_parts(mount);
}
