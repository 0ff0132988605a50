#include "fs/core/attributes.h"

#include "api/base/rand.h"
#include "fs/core/kept.h"
#include "fs/core/tree.h"

void attributes_keep(struct mount *mount, struct entry *entry, const char *kept_key, const char *data, size_t len)
{
	struct kept_value v = { .atime_ns = -1, .content = hash64(data, len) | 1 };

	tree_lock(mount->tree);
	v.mtime_ns = entry->set_mtime_ns;
	v.mode = entry->set_mode;
	v.uid = entry->set_uid >= 0 ? entry->set_uid : entry->made_uid;
	v.gid = entry->set_gid >= 0 ? entry->set_gid : entry->made_gid;
	tree_unlock(mount->tree);
	if (v.mtime_ns >= 0 || v.mode >= 0 || v.uid >= 0 || v.gid >= 0)
		kept_set_attributes(mount->kept, kept_key, &v);
}
