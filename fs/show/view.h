/* What a file shows now: its size, times and version, and, when a read needs them, its bytes. */
#pragma once

#include "fs/core/kept.h"
#include "fs/core/request.h"

struct control_log;

struct view {
	int64_t size;
	uint64_t content; /* hash64 of the bytes; never 0 */
	struct stamp stamp;
	uint64_t base; /* of a log: see struct control_log */
	bool grows;    /* one node that grows: not versioned, never cached by the kernel */
	int64_t mtime_ns, atime_ns, ctime_ns;
	unsigned mode; /* permission bits */
	uid_t uid;
	gid_t gid;
	struct store_info info;    /* of what it was made of */
	struct snapshot *snapshot; /* owned reference; NULL where it has none */
	struct kept_value kept;    /* its bytes are the content where kept.bytes is set */
	struct body *bytes;        /* owned reference: the content where it is at hand, or NULL */
	struct staged *staged;     /* owned reference: what is staged of it, or NULL */
	char *pending;             /* owned: what brings the content, where something else runs still (meaning.h); NULL */
};

/* Fills *ret (view_clear it in every case). known: what its node stands for, whose stamp may save a rendering, or NULL. -ENOENT where it is no more. */
int view_make(struct request *r, const struct identity *what, const struct version *known, struct view *ret);
/* The bytes. */
int view_bytes(struct request *r, const struct identity *what, struct view *view, struct body **ret);
/* The log behind the file, or NULL. */
const struct control_log *view_log(const struct identity *what);
/* Nobody has the file open any more: what grew only for who had it open begins anew. */
void view_ended(struct mount *mount, const struct identity *what);
void view_clear(struct view *view);
#define cleanup_view_ cleanup_(view_clear)

/* The key under which something is kept for a file; freed by the caller; NULL without memory. */
char *view_key(const struct identity *what);
/* What the tables say that may be done with a file, for root too; 0600 for what the mount alone keeps. */
unsigned identity_mode(const struct identity *what);
/* Permission bits of what the table gives this mode. */
unsigned view_mode_file(const struct mount *mount, unsigned table_mode);
unsigned view_mode_dir(const struct mount *mount);
