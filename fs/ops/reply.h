/* Attributes and replies. */
#pragma once

#include "fs/core/request.h"
#include "fs/show/view.h"

/* Each stops interrupts of the request first: its waiter must not be touched once the kernel has its answer. */
int reply_entry(struct request *r, const struct fuse_entry_param *e);
int reply_attr(struct request *r, const struct stat *attr, double timeout);
int reply_open(struct request *r, const struct fuse_file_info *fi);
int reply_create(struct request *r, const struct fuse_entry_param *e, const struct fuse_file_info *fi);
int reply_buf(struct request *r, const char *data, size_t len);
int reply_write(struct request *r, size_t count);
int reply_ok(struct request *r);

/* With the tree's lock: the request's process made the entry. Under allow_other the kernel checks permissions by what is
   shown, and lets none but the owner chmod: so who makes a file owns it, for as long as its content stays. Root may chmod
   anyway, and writes on behalf of the option's uid. */
void entry_made_by(const struct request *r, struct entry *entry) REQUIRES(tree_locked);
/* Attributes of a file with this view; with the tree's lock: of a directory, of what the mount itself keeps. */
void stat_view(const struct view *view, uint64_t ino, struct stat *ret);
void stat_dir(const struct mount *mount, const struct entry *entry, struct stat *ret) REQUIRES(tree_locked);
void stat_local(const struct mount *mount, const struct entry *entry, struct stat *ret) REQUIRES(tree_locked);
