/* The operations, by group of files; each is a request_fn. */
#pragma once

#include "fs/core/request.h"

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
/* op_name.c, op_rename.c */
int op_unlink(struct request *r);
int op_symlink(struct request *r);
int op_readlink(struct request *r);
int op_rename(struct request *r);
/* op_xattr.c */
int op_getxattr(struct request *r);
int op_listxattr(struct request *r);

struct subject;
/* Looks the name up; fills *e, which counts as one lookup of the kernel where e->ino is not 0. -ENOENT with e->entry_timeout set. */
int lookup_name(struct request *r, struct subject *dir, const char *name, struct fuse_entry_param *e);

/* What each begins with: the node's entry, with a reference, and a copy of what it is. -ESTALE for a forgotten node. */
struct subject {
	struct tree *tree;
	struct entry *entry;  /* owned reference */
	struct identity what; /* a copy */
	struct node node;     /* a copy as it was; its pointers are not to be followed */
	struct draft *draft;  /* owned reference: the entry's draft, or NULL */
};
int subject_init(struct request *r, fuse_ino_t ino, struct subject *ret);
void subject_clear(struct subject *s);
#define cleanup_subject_ cleanup_(subject_clear)

/* Times, mode and owner that a tool set, as far as to_set says: for a local entry or directory, else kept. With the entry's content. */
int attributes_set(struct request *r, struct subject *s);
/* Moves what tools set on the entry to what is kept of the resource, for these bytes. */
void attributes_keep(struct mount *mount, struct entry *entry, const char *kept_key, const char *data, size_t len);
