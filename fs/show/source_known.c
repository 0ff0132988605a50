#include "fs/show/source_known.h"

#include "api/base/clock.h"

static int get_known(struct mount *mount, const void *row, const char *key, struct store_value *ret, struct store_info *ret_info)
{
	struct store_get get = { .key = key, .row = row, .ttl_ms = CLOCK_NEVER / 4, .cached_only = true };

	return store_get(mount->store, &get, ret, ret_info, NULL);
}

struct list *source_known_by_key(struct mount *mount, const void *row, const char *key)
{
	struct store_value value = { 0 };
	struct store_info info;

	return get_known(mount, row, key, &value, &info) < 0 ? NULL : steal_ptr(value.list);
}

struct list *source_known_list(struct mount *mount, const struct kind *kind, const char *parent, struct store_info *ret_info)
{
	const struct kind *row = source_list_kind(kind);
	struct store_value value = { 0 };
	cleanup_free_ char *key = NULL;

	if (source_list_key(row, row->parent ? parent : NULL, &key) < 0 || get_known(mount, row, key, &value, ret_info) < 0)
		return NULL;
	return steal_ptr(value.list);
}

struct snapshot *source_known_item(struct mount *mount, const struct kind *kind, const char *parent, const char *id,
				   struct store_info *ret_info)
{
	struct store_value value = { 0 };
	cleanup_free_ char *key = NULL;

	if (source_item_key(kind, parent, id, &key) < 0 || get_known(mount, kind, key, &value, ret_info) < 0)
		return NULL;
	return steal_ptr(value.snapshot);
}

struct snapshot *source_known_part(struct mount *mount, const struct part *part)
{
	struct store_value value = { 0 };
	struct store_info info;
	cleanup_free_ char *key = NULL;

	if (source_part_key(part, &key) < 0 || get_known(mount, part, key, &value, &info) < 0)
		return NULL;
	return steal_ptr(value.snapshot);
}

bool source_known_failure(struct mount *mount, const struct kind *kind, const char *parent, struct err *ret)
{
	const struct kind *row = source_list_kind(kind);
	cleanup_free_ char *key = NULL;

	return source_list_key(row, row->parent ? parent : NULL, &key) == 0 && store_failure(mount->store, key, ret);
}

bool source_known_part_failure(struct mount *mount, const struct part *part, struct err *ret)
{
	cleanup_free_ char *key = NULL;

	return source_part_key(part, &key) == 0 && store_failure(mount->store, key, ret);
}

struct snapshot *source_known_by_letter(struct mount *mount, const char *key)
{
	struct store_value value = { 0 };
	struct store_info info;

	return get_known(mount, NULL, key, &value, &info) < 0 ? NULL : steal_ptr(value.snapshot);
}

struct snapshot *source_known(struct mount *mount, const struct kind *kind, const char *parent, const char *id)
{
	const struct kind *row = source_list_kind(kind);
	cleanup_(list_unrefp) struct list *list = NULL;
	const struct list_item *item;
	cleanup_free_ char *key = NULL;

	if (source_list_key(row, row->parent ? parent : NULL, &key) == 0)
		list = source_known_by_key(mount, row, key);
	item = list ? list_by_id(list, id) : NULL;
	return item ? snapshot_ref(item->snapshot) : NULL;
}

char *source_known_name(struct mount *mount, const struct kind *kind, const char *parent, const char *id)
{
	cleanup_(snapshot_unrefp) struct snapshot *snapshot = source_known(mount, kind, parent, id);

	return snapshot ? strdup(snapshot->name) : NULL;
}

int source_item(struct request *r, const struct kind *kind, const char *parent, const char *id, int64_t ttl_ms,
		struct snapshot **ret)
{
	cleanup_free_ char *key = NULL;
	struct store_value value = { 0 };
	struct store_info info;
	int result = source_item_key(kind, parent, id, &key);

	if (result == 0)
		result = request_get(r, kind, key, ttl_ms, &value, &info);
	if (result == 0)
		*ret = value.snapshot;
	return result;
}
