#include "fs/ops/reply.h"

#include "api/base/clock.h"
#include "fs/core/draft.h"

static void quiet(struct request *r)
{
	if (r->worker)
		fuse_req_interrupt_func(r->fuse, NULL, NULL);
}

int reply_entry(struct request *r, const struct fuse_entry_param *e)
{
	quiet(r);
	fuse_reply_entry(r->fuse, e);
	return 0;
}

int reply_attr(struct request *r, const struct stat *attr, double timeout)
{
	quiet(r);
	fuse_reply_attr(r->fuse, attr, timeout);
	return 0;
}

int reply_open(struct request *r, const struct fuse_file_info *fi)
{
	quiet(r);
	fuse_reply_open(r->fuse, fi);
	return 0;
}

int reply_create(struct request *r, const struct fuse_entry_param *e, const struct fuse_file_info *fi)
{
	quiet(r);
	fuse_reply_create(r->fuse, e, fi);
	return 0;
}

int reply_buf(struct request *r, const char *data, size_t len)
{
	quiet(r);
	fuse_reply_buf(r->fuse, data, len);
	return 0;
}

int reply_write(struct request *r, size_t count)
{
	quiet(r);
	fuse_reply_write(r->fuse, count);
	return 0;
}

int reply_ok(struct request *r)
{
	quiet(r);
	fuse_reply_err(r->fuse, 0);
	return 0;
}

static void set_size(struct stat *st, int64_t size)
{
	st->st_size = size;
	st->st_blocks = (size + 511) / 512;
	st->st_blksize = 4096;
}

static void set_times(struct stat *st, int64_t atime_ns, int64_t mtime_ns, int64_t ctime_ns)
{
	st->st_atim = clock_timespec(atime_ns);
	st->st_mtim = clock_timespec(mtime_ns);
	st->st_ctim = clock_timespec(ctime_ns);
}

void entry_made_by(const struct request *r, struct entry *entry)
{
	entry->made.uid = entry->made.gid = ATTRIBUTE_NONE;
	if (!r->mount->options->allow_other || r->ctx.uid == 0)
		return;
	entry->made.uid = r->ctx.uid;
	entry->made.gid = r->ctx.gid;
}

static void set_by_tools(const struct entry *entry, struct stat *st) REQUIRES(tree_locked)
{
	const struct attributes owner = {
		.mtime_ns = ATTRIBUTE_NONE,
		.atime_ns = ATTRIBUTE_NONE,
		.mode = ATTRIBUTE_NONE,
		.uid = entry->made.uid,
		.gid = entry->made.gid,
	};

	attributes_apply(&owner, st);
	attributes_apply(&entry->set, st);
}

void stat_dir(const struct mount *mount, const struct entry *entry, struct stat *ret)
{
	*ret = (struct stat){ .st_ino = entry->ino, .st_nlink = 1, .st_uid = mount->options->uid, .st_gid = mount->options->gid };
	/* What failed and what was refused is the mounting user's business alone. */
	ret->st_mode = S_IFDIR | (entry->what.place == PLACE_CONTROL_DIR ? 0700 : view_mode_dir(mount));
	set_size(ret, 4096);
	set_times(ret, entry->mtime_ns, entry->mtime_ns, entry->mtime_ns);
	set_by_tools(entry, ret);
}

void stat_view(const struct view *view, uint64_t ino, struct stat *ret)
{
	*ret = (struct stat){ .st_ino = ino, .st_nlink = 1, .st_uid = view->uid, .st_gid = view->gid };
	ret->st_mode = S_IFREG | view->mode;
	set_size(ret, view->size);
	set_times(ret, view->atime_ns, view->mtime_ns, view->ctime_ns);
}

static unsigned local_mode(const struct mount *mount, const struct entry *entry) REQUIRES(tree_locked)
{
	if (!place_is_local(entry->what.place))
		return view_mode_file(mount, identity_mode(&entry->what));
	return entry->made.mode != ATTRIBUTE_NONE ? (unsigned)entry->made.mode & 07777 : 0600;
}

void stat_local(const struct mount *mount, const struct entry *entry, struct stat *ret)
{
	int64_t ns = entry->draft ? draft_mtime(entry->draft) : entry->mtime_ns;

	if (entry->what.place == PLACE_SCRATCH_DIR) {
		stat_dir(mount, entry, ret);
		return;
	}
	*ret = (struct stat){ .st_ino = entry->ino, .st_nlink = 1, .st_uid = mount->options->uid, .st_gid = mount->options->gid };
	if (entry->what.place == PLACE_LINK) {
		ret->st_mode = S_IFLNK | 0777;
		set_size(ret, entry->target ? (int64_t)strlen(entry->target) : 0);
	} else {
		ret->st_mode = S_IFREG | local_mode(mount, entry);
		set_size(ret, entry->draft && !entry->draft->secret ? (int64_t)draft_size(entry->draft) : 0);
	}
	set_times(ret, ns, ns, ns);
	set_by_tools(entry, ret);
}
