/* From libfuse's callbacks to requests: each copies its arguments and starts one. */
#include "fs/ops/ops.h"

#include <errno.h>

#include "fs/ops/handle.h"
#include "fs/ops/reply.h"

static void start_ino(fuse_req_t fuse, const char *op, request_fn run, bool changes, fuse_ino_t ino)
{
	struct request *r = request_new(fuse, op, run, changes);

	if (!r)
		return;
	r->ino = ino;
	request_start(r);
}

static void start_name(fuse_req_t fuse, const char *op, request_fn run, bool changes, fuse_ino_t ino, const char *name,
		       mode_t mode, size_t size)
{
	struct request *r = request_new(fuse, op, run, changes);

	if (!r || !request_copy_names(&r, name, NULL))
		return;
	r->ino = ino;
	r->mode = mode;
	r->size = size;
	r->locks_dirs = run == op_unlink || run == op_rmdir;
	request_start(r);
}

static void start_file(fuse_req_t fuse, const char *op, request_fn run, bool changes, fuse_ino_t ino, size_t size, off_t offset,
		       unsigned flags, const struct fuse_file_info *fi)
{
	struct request *r = request_new(fuse, op, run, changes);

	if (!r)
		return;
	r->ino = ino;
	r->size = size;
	r->offset = offset;
	r->flags = flags;
	if (fi)
		r->fi = *fi;
	r->has_fi = fi;
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
	start_name(fuse, "lookup", op_lookup, false, parent, name, 0, 0);
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
	start_ino(fuse, "getattr", op_getattr, false, ino);
}

static void ll_setattr(fuse_req_t fuse, fuse_ino_t ino, struct stat *attr, int to_set, struct fuse_file_info *fi)
{
	struct request *r = request_new(fuse, "setattr", op_setattr, true);

	if (!r)
		return;
	r->ino = ino;
	r->attr = *attr;
	r->to_set = to_set;
	if (fi)
		r->fi = *fi;
	r->has_fi = fi;
	request_start(r);
}

static void ll_readlink(fuse_req_t fuse, fuse_ino_t ino)
{
	start_ino(fuse, "readlink", op_readlink, false, ino);
}

static void ll_mkdir(fuse_req_t fuse, fuse_ino_t parent, const char *name, mode_t mode)
{
	start_name(fuse, "mkdir", op_mkdir, false, parent, name, mode, 0);
}

static void ll_unlink(fuse_req_t fuse, fuse_ino_t parent, const char *name)
{
	start_name(fuse, "unlink", op_unlink, true, parent, name, 0, 0);
}

static void ll_rmdir(fuse_req_t fuse, fuse_ino_t parent, const char *name)
{
	start_name(fuse, "rmdir", op_rmdir, false, parent, name, 0, 0);
}

static void start_two(fuse_req_t fuse, const char *op, request_fn run, fuse_ino_t ino, const char *name, fuse_ino_t new_ino,
		      const char *new_name, unsigned flags)
{
	struct request *r = request_new(fuse, op, run, true);

	if (!r || !request_copy_names(&r, name, new_name))
		return;
	r->ino = ino;
	r->new_ino = new_ino;
	r->flags = flags;
	r->locks_dirs = true;
	request_start(r);
}

static void ll_symlink(fuse_req_t fuse, const char *target, fuse_ino_t parent, const char *name)
{
	start_two(fuse, "symlink", op_symlink, parent, name, 0, target, 0);
}

static void ll_rename(fuse_req_t fuse, fuse_ino_t parent, const char *name, fuse_ino_t new_parent, const char *new_name,
		      unsigned flags)
{
	start_two(fuse, "rename", op_rename, parent, name, new_parent, new_name, flags);
}

static void ll_open(fuse_req_t fuse, fuse_ino_t ino, struct fuse_file_info *fi)
{
	start_file(fuse, "open", op_open, false, ino, 0, 0, 0, fi);
}

static void ll_create(fuse_req_t fuse, fuse_ino_t parent, const char *name, mode_t mode, struct fuse_file_info *fi)
{
	struct request *r = request_new(fuse, "create", op_create, true);

	if (!r || !request_copy_names(&r, name, NULL))
		return;
	r->ino = parent;
	r->mode = mode;
	r->fi = *fi;
	r->has_fi = true;
	r->locks_dirs = true;
	request_start(r);
}

static void ll_read(fuse_req_t fuse, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *fi)
{
	start_file(fuse, "read", op_read, false, ino, size, offset, 0, fi);
}

static void ll_write(fuse_req_t fuse, fuse_ino_t ino, const char *data, size_t size, off_t offset, struct fuse_file_info *fi)
{
	struct request *r = request_new(fuse, "write", op_write, true);

	if (!r)
		return;
	r->ino = ino;
	r->offset = offset;
	r->fi = *fi;
	r->has_fi = true;
	r->data = malloc(size + 1);
	if (r->data) {
		memcpy(r->data, data, size);
		r->data[size] = '\0';
		r->size = size;
		request_start(r);
		return;
	}
	r->size = 0;
	r->run = NULL;
	fuse_reply_err(fuse, ENOMEM);
	free(r);
}

static void ll_flush(fuse_req_t fuse, fuse_ino_t ino, struct fuse_file_info *fi)
{
	start_file(fuse, "flush", op_flush, true, ino, 0, 0, 0, fi);
}

static void ll_release(fuse_req_t fuse, fuse_ino_t ino, struct fuse_file_info *fi)
{
	start_file(fuse, "release", op_release, true, ino, 0, 0, 0, fi);
}

static void ll_fsync(fuse_req_t fuse, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
	(void)datasync;
	start_file(fuse, "fsync", op_fsync, true, ino, 0, 0, 0, fi);
}

static void ll_opendir(fuse_req_t fuse, fuse_ino_t ino, struct fuse_file_info *fi)
{
	start_file(fuse, "opendir", op_opendir, false, ino, 0, 0, 0, fi);
}

static void ll_readdir(fuse_req_t fuse, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *fi)
{
	start_file(fuse, "readdir", op_readdir, false, ino, size, offset, 0, fi);
}

static void ll_readdirplus(fuse_req_t fuse, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *fi)
{
	start_file(fuse, "readdirplus", op_readdirplus, false, ino, size, offset, 0, fi);
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
	(void)datasync;
	start_file(fuse, "fsyncdir", op_fsyncdir, true, ino, 0, 0, 0, fi);
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
	start_name(fuse, "getxattr", op_getxattr, false, ino, name, 0, size);
}

static void ll_listxattr(fuse_req_t fuse, fuse_ino_t ino, size_t size)
{
	start_name(fuse, "listxattr", op_listxattr, false, ino, NULL, 0, size);
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
	start_name(fuse, "access", op_access, false, ino, NULL, (mode_t)mask, 0);
}

static void ll_fallocate(fuse_req_t fuse, fuse_ino_t ino, int mode, off_t offset, off_t length, struct fuse_file_info *fi)
{
	start_file(fuse, "fallocate", op_fallocate, true, ino, (size_t)length, offset, (unsigned)mode, fi);
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
