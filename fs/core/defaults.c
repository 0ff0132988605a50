#include "fs/core/defaults.h"

#include <json-c/json.h>

#include "api/base/lock.h"

struct sizes {
	double vcpu;
	int64_t memory_mib, disk_mb;
};

DECLARE_LOCK(defaults);
struct defaults {
	struct lock lock;
	bool known GUARDED_BY(defaults_locked);
	uint64_t hash GUARDED_BY(defaults_locked); /* of the snapshot that sizes was read from */
	struct sizes sizes GUARDED_BY(defaults_locked);
};
DEFINE_LOCK(defaults, struct defaults, lock)

struct defaults *defaults_new(void)
{
	struct defaults *d = calloc(1, sizeof(*d));

	if (d)
		lock_init(&d->lock);
	return d;
}

struct defaults *defaults_free(struct defaults *d)
{
	if (!d)
		return NULL;
	lock_destroy(&d->lock);
	free(d);
	return NULL;
}

static bool recall(struct defaults *d, uint64_t hash, struct sizes *ret)
{
	scope_lock(defaults, d);
	if (!d->known || d->hash != hash)
		return false;
	*ret = d->sizes;
	return true;
}

static void remember(struct defaults *d, uint64_t hash, const struct sizes *sizes)
{
	scope_lock(defaults, d);
	d->known = true;
	d->hash = hash;
	d->sizes = *sizes;
}

static bool parse(struct snapshot *account, struct sizes *ret)
{
	cleanup_(body_unrefp) struct body *body = snapshot_body(account);
	struct json_object *object = body ? json_tokener_parse(body->data) : NULL, *defaults, *v;

	if (!object)
		return false;
	if (json_object_object_get_ex(object, "defaults", &defaults)) {
		if (json_object_object_get_ex(defaults, "vcpus", &v))
			ret->vcpu = json_object_get_double(v);
		if (json_object_object_get_ex(defaults, "memory_mib", &v))
			ret->memory_mib = json_object_get_int64(v);
		if (json_object_object_get_ex(defaults, "disk_mb", &v))
			ret->disk_mb = json_object_get_int64(v);
	}
	json_object_put(object);
	return true;
}

void defaults_read(struct defaults *d, struct snapshot *account, struct doc_context *ret)
{
	struct sizes sizes = { 0 };

	if (!recall(d, account->hash, &sizes)) {
		if (!parse(account, &sizes))
			return;
		remember(d, account->hash, &sizes);
	}
	ret->default_vcpu = sizes.vcpu;
	ret->default_memory_mib = sizes.memory_mib;
	ret->default_disk_mb = sizes.disk_mb;
}
