/*
 * The tree that the kernel knows: entries (a name in a directory, with what the mount keeps for it) and nodes (what the
 * kernel holds a reference to). A node stands for one version of an entry's content: a changed content gets a new node
 * with the same st_ino, so that the kernel's page cache can be trusted whole. One lock, the tree's, guards every
 * field below unless it says otherwise; it is never held across the network, JSON work, replies or notifications.
 */
#pragma once

#include <fuse_lowlevel.h>

#include "api/base/lock.h"
#include "api/base/turn.h"
#include "api/kind.h"
#include "cache/snapshot.h"
#include "fs/core/attributes.h"
#include "fs/core/hash.h"

struct draft;
struct doomed;
struct control;

enum place {
	PLACE_ROOT,
	PLACE_COLLECTION,   /* lists the resources of a kind below one parent */
	PLACE_RESOURCE_DIR, /* what belongs to a resource */
	PLACE_PARTS,        /* the directory of a singleton kind */
	PLACE_RESOURCE,     /* a resource's file, or a draft of one */
	PLACE_LEAF,
	PLACE_PART,
	PLACE_IMAGES,     /* repositories of the managed registry (fs/show/images.h) */
	PLACE_REPOSITORY, /* its tags */
	PLACE_IMAGE,      /* a tag */
	PLACE_CONTROL_DIR,
	PLACE_CONTROL,
	PLACE_SCRATCH,
	PLACE_SCRATCH_DIR,
	PLACE_LINK,
	PLACES
};

/* Directories. */
bool place_is_dir(enum place place);
/* What the mount alone keeps, and never sends under its name: scratch files and directories, symbolic links. */
bool place_is_local(enum place place);
/* /.cfcfs and what is in it. */
bool place_is_control(enum place place);
/* What is made of what the account says: its resources, parts and leaves, and the directories that lead to them. */
bool place_is_of_account(enum place place);

/* What an entry is; strings are owned by the entry that holds it. */
struct identity {
	enum place place;
	const struct kind *kind; /* of the resource, collection or part; NULL elsewhere */
	const struct leaf *leaf;
	const struct part *part;
	const struct control *control;
	char *parent_id;      /* the parent resource's id, or NULL */
	char *grandparent_id; /* its parent's, or NULL */
	char *id;             /* the resource's; NULL: not created yet */
};

enum hide {
	HIDE_NONE,
	HIDE_DELETE, /* unlinked: the DELETE is sent at hide_until_ms */
	HIDE_BACKUP, /* renamed to a scratch name: comes back at hide_until_ms */
};

DECLARE_LOCK(tree);
struct entry {
	UT_hash_handle hh GUARDED_BY(tree_locked);
	unsigned refs GUARDED_BY(tree_locked);
	bool unlinked GUARDED_BY(tree_locked); /* no name leads to it any more */
	bool renewed GUARDED_BY(tree_locked);  /* the next lookup's node was asked for by tree_renew */
	/* The next lookup's node was asked for by a reader whose node stood for something else; and the thread that asked last. */
	bool reread GUARDED_BY(tree_locked);
	pid_t reader GUARDED_BY(tree_locked);
	bool local GUARDED_BY(tree_locked);           /* stands in its parent's list of locals, which holds a reference */
	char *key GUARDED_BY(tree_locked);            /* owned: the parent's address, then the name */
	struct entry *parent GUARDED_BY(tree_locked); /* owned reference; NULL: the root */
	/* First of the entries here that the mount itself keeps (scratch, drafts, hidden), and the place in the parent's. */
	struct entry *locals GUARDED_BY(tree_locked);
	struct entry *prev GUARDED_BY(tree_locked), *next GUARDED_BY(tree_locked);
	struct identity what GUARDED_BY(tree_locked); /* its id and place change */
	uint64_t ino GUARDED_BY(tree_locked);         /* st_ino */
	struct node *current GUARDED_BY(tree_locked); /* what a lookup gives; not owned */
	struct draft *draft GUARDED_BY(tree_locked);  /* owned reference: what readers see instead of the account's */
	uint64_t sends GUARDED_BY(tree_locked);       /* rises with each content that was sent for it with success */
	enum hide hide GUARDED_BY(tree_locked);
	int64_t hide_until_ms GUARDED_BY(tree_locked);
	/* Owned; HIDE_DELETE: who wants it, and what it is; or NULL. */
	struct doomed *doomed GUARDED_BY(tree_locked);
	bool in_hiding GUARDED_BY(tree_locked); /* in the trash's list, which holds a reference */
	struct entry *hidden_prev GUARDED_BY(tree_locked), *hidden_next GUARDED_BY(tree_locked); /* in that list */
	bool sending GUARDED_BY(tree_locked);                                                    /* its DELETE is on its way */
	/* Of a directory: errno of the first delete in it that failed unheard; it holds a reference then. */
	int missed GUARDED_BY(tree_locked);
	/* Of a directory: rises when its locals change; and the serials that the kernel's cached listing was made of. */
	uint64_t local_serial GUARDED_BY(tree_locked);
	uint64_t listed_list GUARDED_BY(tree_locked), listed_local GUARDED_BY(tree_locked);
	/* Of a directory: who was told last, and when, that what is in it cannot be removed. */
	pid_t told GUARDED_BY(tree_locked);
	int64_t told_ms GUARDED_BY(tree_locked);
	char *target GUARDED_BY(tree_locked);     /* owned: PLACE_LINK */
	char *backup_of GUARDED_BY(tree_locked);  /* owned: scratch that a resource was renamed to: the resource's file name */
	int64_t mtime_ns GUARDED_BY(tree_locked); /* of what the mount itself keeps, and of directories */
	struct attributes set GUARDED_BY(tree_locked); /* by tools, on what is local */
	/* What holds where no tool set anything: the mode that scratch was made with, which stays behind when its content becomes a
	   resource's, and who made it (not set: the mount's owner). */
	struct attributes made GUARDED_BY(tree_locked);
	/* Who sends for this entry, or takes its name off it; had across the network by workers only, and before any lock. */
	struct turn turn;
};

/* What a node's content was made of; equal stamps mean equal content without rendering. */
struct stamp {
	uint64_t snapshot_hash;
	uint64_t keys_serial; /* of the list of SSH keys, where it shows their names */
	uint64_t kept_serial; /* of the bytes kept for it, or 0 */
};

/* What a node stands for. */
struct version {
	struct stamp stamp;
	uint64_t base;    /* of a log: where in all that was ever written to it the node begins */
	uint64_t content; /* hash64 of the bytes; 0: a draft's, or not known */
	int64_t size;
	bool follows; /* had without its name (a descriptor, a bind mount): whatever the name has, and no version of it */
};

struct node {
	UT_hash_handle hh GUARDED_BY(tree_locked);
	fuse_ino_t id;                            /* fixed */
	uint64_t lookups GUARDED_BY(tree_locked); /* the kernel's references */
	unsigned opens GUARDED_BY(tree_locked);
	bool cached GUARDED_BY(tree_locked);     /* the kernel may hold pages of it */
	bool redirected GUARDED_BY(tree_locked); /* made because an open asked for a node without pages: not asked again */
	bool reread GUARDED_BY(tree_locked);  /* a reader asked for another node in its place, or for this one: not asked again */
	bool rewrite GUARDED_BY(tree_locked); /* a writer, the thread of rewriter, was sent back to the name */
	pid_t rewriter GUARDED_BY(tree_locked);
	/* Owned reference: the content, kept for the open that this node's lookup is part of; and the thread that opens. */
	struct body *bytes GUARDED_BY(tree_locked);
	pid_t bytes_for GUARDED_BY(tree_locked);
	struct entry *entry GUARDED_BY(tree_locked); /* owned reference */
	struct version version GUARDED_BY(tree_locked);
};

struct tree {
	struct lock lock;
	struct entry *entries GUARDED_BY(tree_locked); /* by key */
	struct node *nodes GUARDED_BY(tree_locked);    /* by id */
	struct entry *root;                            /* owned reference; fixed */
	fuse_ino_t next_id GUARDED_BY(tree_locked);
	uint64_t next_ino GUARDED_BY(tree_locked);
	size_t locals_count GUARDED_BY(tree_locked);
	uint64_t changes GUARDED_BY(tree_locked); /* rises with every change that the mount makes or learns of itself */
};
DEFINE_LOCK(tree, struct tree, lock)

struct tree *tree_new(void);
struct tree *tree_free(struct tree *tree);

/* ---- with the lock held by the caller ---- */

/* The node, or NULL for an id that the kernel forgot. */
struct node *tree_node(struct tree *tree, fuse_ino_t id) REQUIRES(tree_locked);
/* The entry of that name, or NULL. */
struct entry *tree_find(struct tree *tree, struct entry *parent, const char *name) REQUIRES(tree_locked);
/* Finds or makes; takes the strings of what over in either case (identity_clear otherwise). A found entry of another
   identity is unlinked first. NULL without memory. The result has one more reference. */
struct entry *tree_obtain(struct tree *tree, struct entry *parent, const char *name, struct identity *what) REQUIRES(tree_locked);
/* A node for the entry: its current one where the content is the same, else a new one; counts one lookup. NULL: no memory. */
struct node *tree_lookup(struct tree *tree, struct entry *entry, const struct stamp *stamp, uint64_t content, int64_t size)
	REQUIRES(tree_locked);
/* What its node stands for now, for view_make; false where the entry has none. */
bool tree_known(const struct entry *entry, struct version *ret) REQUIRES(tree_locked);
/* The node stands for this entry from now on (a rename moved the kernel's inode). */
void tree_rebind(struct tree *tree, struct node *node, struct entry *entry) REQUIRES(tree_locked);
/* The next lookup gives a new node. */
void tree_renew(struct entry *entry) REQUIRES(tree_locked);
/* The node, which somebody has by other ways than its name, shows what the name has from now on. Nobody may have its version open. */
void tree_follow(struct node *node) REQUIRES(tree_locked);
void tree_forget(struct tree *tree, fuse_ino_t id, uint64_t lookups) REQUIRES(tree_locked);
struct entry *entry_ref(struct entry *entry) REQUIRES(tree_locked);
struct entry *entry_unref_locked(struct tree *tree, struct entry *entry) REQUIRES(tree_locked);
/* The entry's resource has this id: from now on it has the number that it has in every mount. */
void tree_identify(struct tree *tree, struct entry *entry, const char *id) REQUIRES(tree_locked);
/* Takes the name off the entry. */
void tree_unlink(struct tree *tree, struct entry *entry) REQUIRES(tree_locked);
/* Moves the entry to another name; what stood there is unlinked. -ENOMEM. */
int tree_move(struct tree *tree, struct entry *entry, struct entry *parent, const char *name) REQUIRES(tree_locked);
/* Puts into, or takes out of, the parent's locals according to whether it has a draft, is hidden or is scratch. */
void tree_settle(struct tree *tree, struct entry *entry) REQUIRES(tree_locked);
uint64_t tree_fresh_ino(struct tree *tree) REQUIRES(tree_locked);
/* The number of a name in a directory: its entry's, else the one that it would get; 0: not known before it is looked up. */
uint64_t tree_ino(struct tree *tree, struct entry *parent, const char *name, const struct identity *what) REQUIRES(tree_locked);
const char *entry_name(const struct entry *entry) REQUIRES(tree_locked);
/* From the mount's root, starting with '/'; freed by the caller; NULL without memory. name may be NULL. */
char *entry_path_locked(const struct entry *entry, const char *name) REQUIRES(tree_locked);
bool entry_is_dir(const struct entry *entry) REQUIRES(tree_locked);

/* ---- that take the lock ---- */

void entry_release(struct tree *tree, struct entry *entry);
char *entry_path(struct tree *tree, const struct entry *entry, const char *name);

void identity_clear(struct identity *what);
/* Copies the strings. -ENOMEM. */
int identity_copy(const struct identity *what, struct identity *ret);
bool identity_equal(const struct identity *a, const struct identity *b);

/* Entries that the mount keeps itself, in one directory and in all. */
#define TREE_LOCALS_MAX 20000
