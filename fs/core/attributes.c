#include "fs/core/attributes.h"

#include "api/base/clock.h"
#include "api/base/rand.h"
#include "fs/core/kept.h"
#include "fs/core/mount.h"
#include "fs/core/tree.h"

static bool is_set(int64_t value)
{
	return value != ATTRIBUTE_NONE;
}

bool attributes_is_none(const struct attributes *a)
{
	return !is_set(a->mtime_ns) && !is_set(a->atime_ns) && !is_set(a->mode) && !is_set(a->uid) && !is_set(a->gid);
}

static void merge(int64_t *to, int64_t over)
{
	if (is_set(over))
		*to = over;
}

void attributes_merge(struct attributes *to, const struct attributes *over)
{
	merge(&to->mtime_ns, over->mtime_ns);
	merge(&to->atime_ns, over->atime_ns);
	merge(&to->mode, over->mode);
	merge(&to->uid, over->uid);
	merge(&to->gid, over->gid);
}

void attributes_apply(const struct attributes *a, struct stat *st)
{
	if (is_set(a->mtime_ns))
		st->st_mtim = st->st_atim = clock_timespec(a->mtime_ns);
	if (is_set(a->atime_ns))
		st->st_atim = clock_timespec(a->atime_ns);
	if (is_set(a->mode))
		st->st_mode = (st->st_mode & S_IFMT) | ((mode_t)a->mode & 07777);
	if (is_set(a->uid))
		st->st_uid = (uid_t)a->uid;
	if (is_set(a->gid))
		st->st_gid = (gid_t)a->gid;
}

/* Nanoseconds end in 1677 and 2262: what is beyond becomes the last one that there is, as file systems do with their own ends. */
static int64_t time_of(struct timespec ts)
{
	int64_t ns;

	if (__builtin_mul_overflow((int64_t)ts.tv_sec, NSEC_PER_SEC, &ns) || __builtin_add_overflow(ns, (int64_t)ts.tv_nsec, &ns))
		return ts.tv_sec < 0 ? ATTRIBUTE_NONE + 1 : INT64_MAX;
	return ns == ATTRIBUTE_NONE ? ns + 1 : ns;
}

struct attributes attributes_of(int to_set, const struct stat *st, int64_t now_ns)
{
	struct attributes a = ATTRIBUTES_NONE;

	if (to_set & FUSE_SET_ATTR_MTIME)
		a.mtime_ns = time_of(st->st_mtim);
	if (to_set & FUSE_SET_ATTR_MTIME_NOW)
		a.mtime_ns = now_ns;
	if (to_set & FUSE_SET_ATTR_ATIME)
		a.atime_ns = time_of(st->st_atim);
	if (to_set & FUSE_SET_ATTR_ATIME_NOW)
		a.atime_ns = now_ns;
	if (to_set & FUSE_SET_ATTR_MODE)
		a.mode = st->st_mode & 07777;
	if (to_set & FUSE_SET_ATTR_UID)
		a.uid = st->st_uid;
	if (to_set & FUSE_SET_ATTR_GID)
		a.gid = st->st_gid;
	return a;
}

void attributes_keep(struct mount *mount, struct entry *entry, const char *kept_key, const char *data, size_t len)
{
	struct attributes a = ATTRIBUTES_NONE;

	tree_lock(mount->tree);
	a.uid = entry->made.uid;
	a.gid = entry->made.gid;
	attributes_merge(&a, &entry->set);
	tree_unlock(mount->tree);
	a.atime_ns = ATTRIBUTE_NONE;
	if (!attributes_is_none(&a))
		kept_set_attributes(mount->kept, kept_key, hash64(data, len) | 1, &a);
}
