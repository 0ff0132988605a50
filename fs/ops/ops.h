/* The operations, by group of files; each is a request_fn. */
#pragma once

#include "fs/core/subject.h"

/* The table that libfuse is given: each of its functions makes a request of one below. */
extern const struct fuse_lowlevel_ops mount_operations;

/* op_attr.c */
int op_lookup(struct request *r);
int op_getattr(struct request *r);
int op_setattr(struct request *r);
int op_access(struct request *r);
/* op_dir.c */
int op_opendir(struct request *r);
int op_readdir(struct request *r);
int op_readdirplus(struct request *r);
int op_fsyncdir(struct request *r);
int op_mkdir(struct request *r);
int op_rmdir(struct request *r);
/* op_file.c */
int op_open(struct request *r);
int op_read(struct request *r);
int op_create(struct request *r);
/* op_write.c */
int op_write(struct request *r);
int op_flush(struct request *r);
int op_fsync(struct request *r);
int op_release(struct request *r);
int op_fallocate(struct request *r);
/* truncate(2) and ftruncate(2), part of a SETATTR: replies nothing. h NULL: by path. */
int op_write_truncate(struct request *r, struct subject *s, struct handle *h, off_t size);
/* op_name.c, op_rename.c */
int op_unlink(struct request *r);
int op_symlink(struct request *r);
int op_readlink(struct request *r);
int op_rename(struct request *r);
/* op_xattr.c */
int op_getxattr(struct request *r);
int op_listxattr(struct request *r);

/* Looks the name up; fills *e, which counts as one lookup of the kernel where e->ino is not 0. -ENOENT with e->entry_timeout set. */
int lookup_name(struct request *r, struct subject *dir, const char *name, struct fuse_entry_param *e);

/*
 * What is on its way for a name is answered before the name is taken off it: the turn of the entry that stands there, if any, is the
 * caller's from now on. 0 with a reference in *ret, or NULL; as request_take_turn. Given back once, by name_let_go (NULL is fine).
 */
int name_hold(struct request *r, const struct subject *dir, const char *name, struct entry **ret);
struct entry *name_let_go(struct request *r, struct entry *held);

/* What cannot be removed: EPERM, in words once for a process that goes through a directory, with the file that it goes with, where there is one. name is in dir, what is what to call it. */
int refuse_platform_made(struct request *r, struct subject *dir, const char *name, const char *what);

/* A new name that the mount alone keeps, other than a file's: a scratch directory or a symbolic link. */
struct making {
	struct subject *dir;
	const char *name;
	enum place place;
	mode_t mode;        /* of a directory */
	const char *target; /* of a link */
};
/* Makes it and replies. -EEXIST; -ENOSPC past TREE_LOCALS_MAX; -ENOMEM. */
int make_local(struct request *r, const struct making *m);
