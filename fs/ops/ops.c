/* From libfuse's callbacks to requests: each copies its arguments and starts one. */
#include "fs/ops/ops.h"

#include <errno.h>

#include "fs/ops/handle.h"
#include "fs/ops/reply.h"

static const struct op ops[] = {
#define ROW(tag, name, flags) [OP_##tag] = { OP_##tag, #name, op_##name, flags },
	REQUEST_OPS(ROW)
#undef ROW
};
_Static_assert(array_len(ops) == OP_COUNT, "an operation is missing");

static struct request *begin(fuse_req_t fuse, enum op_tag tag, fuse_ino_t ino)
{
	return request_new(fuse, &ops[tag], ino);
}

/* What has no arguments. */
static void start(fuse_req_t fuse, enum op_tag tag, fuse_ino_t ino)
{
	struct request *r = begin(fuse, tag, ino);

	if (r)
		request_start(r);
}

static void ll_init(void *userdata, struct fuse_conn_info *conn)
{
	static const unsigned wanted[] = { FUSE_CAP_ATOMIC_O_TRUNC, FUSE_CAP_READDIRPLUS, FUSE_CAP_READDIRPLUS_AUTO,
					   FUSE_CAP_PARALLEL_DIROPS, FUSE_CAP_CACHE_SYMLINKS };

	(void)userdata;
	for (size_t i = 0; i < array_len(wanted); i++) {
		if (conn->capable & wanted[i])
			conn->want |= wanted[i];
	}
	/* Splicing buys nothing for documents of a kilobyte, and a file's pages are trusted by their node. */
	conn->want &= ~(unsigned)(FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE | FUSE_CAP_SPLICE_MOVE | FUSE_CAP_WRITEBACK_CACHE);
	conn->max_write = 1 << 20;
	conn->max_background = 256;
	conn->congestion_threshold = 192;
}

static void ll_lookup(fuse_req_t fuse, fuse_ino_t parent, const char *name)
{
	struct request *r = begin(fuse, OP_LOOKUP, parent);

	if (!r)
		return;
	r->lookup = (struct name_args){ .name = request_copy_text(r, name) };
	request_start(r);
}

static void ll_forget(fuse_req_t fuse, fuse_ino_t ino, uint64_t lookups)
{
	struct mount *mount = fuse_req_userdata(fuse);

	tree_lock(mount->tree);
	tree_forget(mount->tree, ino, lookups);
	tree_unlock(mount->tree);
	fuse_reply_none(fuse);
}

static void ll_forget_multi(fuse_req_t fuse, size_t count, struct fuse_forget_data *forgets)
{
	struct mount *mount = fuse_req_userdata(fuse);

	tree_lock(mount->tree);
	for (size_t i = 0; i < count; i++)
		tree_forget(mount->tree, forgets[i].ino, forgets[i].nlookup);
	tree_unlock(mount->tree);
	fuse_reply_none(fuse);
}

static void ll_getattr(fuse_req_t fuse, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)fi;
	start(fuse, OP_GETATTR, ino);
}

static void ll_setattr(fuse_req_t fuse, fuse_ino_t ino, struct stat *attr, int to_set, struct fuse_file_info *fi)
{
	struct request *r = begin(fuse, OP_SETATTR, ino);

	if (!r)
		return;
	r->setattr = (struct setattr_args){ .attr = *attr, .to_set = to_set, .handle = fi ? handle_of(fi->fh) : NULL };
	request_start(r);
}

static void ll_readlink(fuse_req_t fuse, fuse_ino_t ino)
{
	start(fuse, OP_READLINK, ino);
}

static void ll_mkdir(fuse_req_t fuse, fuse_ino_t parent, const char *name, mode_t mode)
{
	struct request *r = begin(fuse, OP_MKDIR, parent);

	if (!r)
		return;
	r->mkdir = (struct mkdir_args){ .name = request_copy_text(r, name), .mode = mode };
	request_start(r);
}

static void ll_unlink(fuse_req_t fuse, fuse_ino_t parent, const char *name)
{
	struct request *r = begin(fuse, OP_UNLINK, parent);

	if (!r)
		return;
	r->unlink = (struct name_args){ .name = request_copy_text(r, name) };
	request_start(r);
}

static void ll_rmdir(fuse_req_t fuse, fuse_ino_t parent, const char *name)
{
	struct request *r = begin(fuse, OP_RMDIR, parent);

	if (!r)
		return;
	r->rmdir = (struct name_args){ .name = request_copy_text(r, name) };
	request_start(r);
}

static void ll_symlink(fuse_req_t fuse, const char *target, fuse_ino_t parent, const char *name)
{
	struct request *r = begin(fuse, OP_SYMLINK, parent);

	if (!r)
		return;
	r->symlink = (struct symlink_args){ .name = request_copy_text(r, name), .target = request_copy_text(r, target) };
	request_start(r);
}

static void ll_rename(fuse_req_t fuse, fuse_ino_t parent, const char *name, fuse_ino_t new_parent, const char *new_name,
		      unsigned flags)
{
	struct request *r = begin(fuse, OP_RENAME, parent);

	if (!r)
		return;
	r->rename = (struct rename_args){
		.name = request_copy_text(r, name),
		.new_name = request_copy_text(r, new_name),
		.new_dir = new_parent,
		.flags = flags,
	};
	request_start(r);
}

static void ll_open(fuse_req_t fuse, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct request *r = begin(fuse, OP_OPEN, ino);

	if (!r)
		return;
	r->open = (struct open_args){ .info = *fi };
	request_start(r);
}

static void ll_create(fuse_req_t fuse, fuse_ino_t parent, const char *name, mode_t mode, struct fuse_file_info *fi)
{
	struct request *r = begin(fuse, OP_CREATE, parent);

	if (!r)
		return;
	r->create = (struct create_args){ .name = request_copy_text(r, name), .mode = mode, .info = *fi };
	request_start(r);
}

static void ll_read(fuse_req_t fuse, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *fi)
{
	struct request *r = begin(fuse, OP_READ, ino);

	if (!r)
		return;
	r->read = (struct read_args){ .handle = handle_of(fi->fh), .size = size, .offset = offset };
	request_start(r);
}

static void ll_write(fuse_req_t fuse, fuse_ino_t ino, const char *data, size_t size, off_t offset, struct fuse_file_info *fi)
{
	struct request *r = begin(fuse, OP_WRITE, ino);

	if (!r)
		return;
	r->write = (struct write_args){
		.handle = handle_of(fi->fh),
		.data = request_copy(r, data, size),
		.size = size,
		.offset = offset,
		.append = fi->flags & O_APPEND,
	};
	request_start(r);
}

static void ll_flush(fuse_req_t fuse, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct request *r = begin(fuse, OP_FLUSH, ino);

	if (!r)
		return;
	r->flush = (struct handle_args){ .handle = handle_of(fi->fh) };
	request_start(r);
}

static void ll_release(fuse_req_t fuse, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct request *r = begin(fuse, OP_RELEASE, ino);

	if (!r)
		return;
	r->release = (struct handle_args){ .handle = handle_of(fi->fh) };
	request_start(r);
}

static void ll_fsync(fuse_req_t fuse, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
	struct request *r = begin(fuse, OP_FSYNC, ino);

	(void)datasync;
	if (!r)
		return;
	r->fsync = (struct handle_args){ .handle = handle_of(fi->fh) };
	request_start(r);
}

static void ll_opendir(fuse_req_t fuse, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct request *r = begin(fuse, OP_OPENDIR, ino);

	if (!r)
		return;
	r->opendir = (struct open_args){ .info = *fi };
	request_start(r);
}

static void ll_readdir(fuse_req_t fuse, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *fi)
{
	struct request *r = begin(fuse, OP_READDIR, ino);

	if (!r)
		return;
	r->readdir = (struct read_args){ .handle = handle_of(fi->fh), .size = size, .offset = offset };
	request_start(r);
}

static void ll_readdirplus(fuse_req_t fuse, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *fi)
{
	struct request *r = begin(fuse, OP_READDIRPLUS, ino);

	if (!r)
		return;
	r->readdirplus = (struct read_args){ .handle = handle_of(fi->fh), .size = size, .offset = offset };
	request_start(r);
}

static void ll_releasedir(fuse_req_t fuse, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct mount *mount = fuse_req_userdata(fuse);

	(void)ino;
	handle_free(mount->tree, handle_of(fi->fh));
	fuse_reply_err(fuse, 0);
}

static void ll_fsyncdir(fuse_req_t fuse, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
	(void)datasync, (void)fi;
	start(fuse, OP_FSYNCDIR, ino);
}

/* Room to spare, and no question to anyone: df must never wait. */
static void ll_statfs(fuse_req_t fuse, fuse_ino_t ino)
{
	struct statvfs st = {
		.f_bsize = 4096,
		.f_frsize = 4096,
		.f_blocks = 1 << 24,
		.f_bfree = 1 << 24,
		.f_bavail = 1 << 24,
		.f_files = 1 << 24,
		.f_ffree = 1 << 24,
		.f_favail = 1 << 24,
		.f_namemax = 255,
	};

	(void)ino;
	fuse_reply_statfs(fuse, &st);
}

static void ll_setxattr(fuse_req_t fuse, fuse_ino_t ino, const char *name, const char *value, size_t size, int flags)
{
	(void)ino, (void)name, (void)value, (void)size, (void)flags;
	fuse_reply_err(fuse, EOPNOTSUPP);
}

static void ll_removexattr(fuse_req_t fuse, fuse_ino_t ino, const char *name)
{
	(void)ino, (void)name;
	fuse_reply_err(fuse, EOPNOTSUPP);
}

static void ll_getxattr(fuse_req_t fuse, fuse_ino_t ino, const char *name, size_t size)
{
	struct request *r = begin(fuse, OP_GETXATTR, ino);

	if (!r)
		return;
	r->getxattr = (struct getxattr_args){ .attribute = request_copy_text(r, name), .size = size };
	request_start(r);
}

static void ll_listxattr(fuse_req_t fuse, fuse_ino_t ino, size_t size)
{
	struct request *r = begin(fuse, OP_LISTXATTR, ino);

	if (!r)
		return;
	r->listxattr = (struct listxattr_args){ .size = size };
	request_start(r);
}

/* Pipes, devices and second names are nothing that an account has. */
static void ll_mknod(fuse_req_t fuse, fuse_ino_t parent, const char *name, mode_t mode, dev_t device)
{
	(void)parent, (void)name, (void)mode, (void)device;
	fuse_reply_err(fuse, EPERM);
}

static void ll_link(fuse_req_t fuse, fuse_ino_t ino, fuse_ino_t parent, const char *name)
{
	(void)ino, (void)parent, (void)name;
	fuse_reply_err(fuse, EPERM);
}

static void ll_access(fuse_req_t fuse, fuse_ino_t ino, int mask)
{
	struct request *r = begin(fuse, OP_ACCESS, ino);

	if (!r)
		return;
	r->access = (struct access_args){ .mask = mask };
	request_start(r);
}

static void ll_fallocate(fuse_req_t fuse, fuse_ino_t ino, int mode, off_t offset, off_t length, struct fuse_file_info *fi)
{
	struct request *r = begin(fuse, OP_FALLOCATE, ino);

	if (!r)
		return;
	r->fallocate = (struct fallocate_args){
		.handle = handle_of(fi->fh),
		.mode = (unsigned)mode,
		.offset = offset,
		.length = (size_t)length,
	};
	request_start(r);
}

const struct fuse_lowlevel_ops mount_operations = {
	.init = ll_init,
	.lookup = ll_lookup,
	.forget = ll_forget,
	.forget_multi = ll_forget_multi,
	.getattr = ll_getattr,
	.setattr = ll_setattr,
	.readlink = ll_readlink,
	.mknod = ll_mknod,
	.link = ll_link,
	.mkdir = ll_mkdir,
	.unlink = ll_unlink,
	.rmdir = ll_rmdir,
	.symlink = ll_symlink,
	.rename = ll_rename,
	.open = ll_open,
	.create = ll_create,
	.read = ll_read,
	.write = ll_write,
	.flush = ll_flush,
	.release = ll_release,
	.fsync = ll_fsync,
	.opendir = ll_opendir,
	.readdir = ll_readdir,
	.readdirplus = ll_readdirplus,
	.releasedir = ll_releasedir,
	.fsyncdir = ll_fsyncdir,
	.statfs = ll_statfs,
	.setxattr = ll_setxattr,
	.getxattr = ll_getxattr,
	.listxattr = ll_listxattr,
	.removexattr = ll_removexattr,
	.access = ll_access,
	.fallocate = ll_fallocate,
};
