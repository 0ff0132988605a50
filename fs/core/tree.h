/*
 * The tree that the kernel knows: entries (a name in a directory, with what the mount keeps for it) and nodes (what the
 * kernel holds a reference to). A node stands for one version of an entry's content: a changed content gets a new node
 * with the same st_ino, so that the kernel's page cache can be trusted whole. One lock, the tree's, guards every
 * field below unless it says otherwise; it is never held across the network, JSON work, replies or notifications.
 */
#pragma once

#include <fuse_lowlevel.h>

#include "api/base/turn.h"
#include "api/kind.h"
#include "cache/snapshot.h"
#include "fs/core/attributes.h"
#include "fs/core/hash.h"

struct draft;
struct control;

enum place {
	PLACE_ROOT,
	PLACE_COLLECTION,   /* lists the resources of a kind below one parent */
	PLACE_RESOURCE_DIR, /* what belongs to a resource */
	PLACE_PARTS,        /* the directory of a singleton kind */
	PLACE_RESOURCE,     /* a resource's file, or a draft of one */
	PLACE_LEAF,
	PLACE_PART,
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

struct entry {
	UT_hash_handle hh;
	unsigned refs;
	bool unlinked;             /* no name leads to it any more */
	bool renewed;              /* the next lookup's node was asked for by tree_renew */
	bool reread;               /* the next lookup's node was asked for by a reader whose node stood for something else */
	pid_t reader;              /* the thread that asked last */
	bool local;                /* stands in its parent's list of locals, which holds a reference */
	char *key;                 /* owned: the parent's address, then the name */
	struct entry *parent;      /* owned reference; NULL: the root */
	struct entry *locals;      /* first of the entries here that the mount itself keeps (scratch, drafts, hidden) */
	struct entry *prev, *next; /* in the parent's locals */
	struct identity what;      /* identity.id and place change under the lock only */
	uint64_t ino;              /* st_ino */
	struct node *current;      /* what a lookup gives; not owned */
	struct draft *draft;       /* owned reference: what readers see instead of the account's */
	enum hide hide;
	int64_t hide_until_ms;
	bool in_hiding;                          /* in the trash's list, which holds a reference */
	bool sending;                            /* its DELETE is on its way */
	struct entry *hidden_prev, *hidden_next; /* in that list */
	int missed; /* of a directory: errno of the first delete in it that failed unheard; it holds a reference then */
	uint64_t local_serial;              /* of a directory: rises when its locals change */
	uint64_t listed_list, listed_local; /* the serials that the kernel's cached listing was made of */
	char *target;                       /* owned: PLACE_LINK */
	char *backup_of;                    /* owned: scratch that a resource was renamed to: the resource's file name */
	int64_t mtime_ns;                   /* of what the mount itself keeps, and of directories */
	struct attributes set;              /* by tools, on what is local */
	struct attributes made; /* what holds where no tool set anything: the mode that scratch was made with, which stays behind
	                           when its content becomes a resource's, and who made it (not set: the mount's owner) */
	struct turn turn;       /* who sends for this entry; had across the network, by workers only, and before any lock */
};

/* What a node's content was made of; equal stamps mean equal content without rendering. */
struct stamp {
	uint64_t snapshot_hash;
	uint64_t keys_serial; /* of the list of SSH keys, where it shows their names */
	uint64_t kept_serial; /* of the bytes kept for it, or 0 */
};

struct node {
	UT_hash_handle hh;
	fuse_ino_t id;
	uint64_t lookups; /* the kernel's references */
	unsigned opens;
	bool cached;         /* the kernel may hold pages of it */
	bool redirected;     /* made because an open asked for a node without pages: not asked again */
	bool reread;         /* a reader asked for another node in its place, or for this one: not asked again */
	struct body *bytes;  /* owned reference: the content, kept for the open that this node's lookup is part of */
	pid_t bytes_for;     /* the thread that opens */
	struct entry *entry; /* owned reference */
	struct stamp stamp;
	uint64_t base;    /* of a log: where in all that was ever written to it this node begins */
	uint64_t content; /* hash64 of the bytes; 0: a draft's, or not known */
	int64_t size;
};

DECLARE_LOCK(tree);
struct tree {
	struct lock lock;
	struct entry *entries; /* by key */
	struct node *nodes;    /* by id */
	struct entry *root;
	fuse_ino_t next_id;
	uint64_t next_ino;
	size_t locals_count;
	uint64_t changes; /* rises with every change that the mount makes or learns of itself */
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
/* The node as it is now, for view_make; false where the entry has none. */
bool tree_known(const struct entry *entry, struct node *ret) REQUIRES(tree_locked);
/* The node stands for this entry from now on (a rename moved the kernel's inode). */
void tree_rebind(struct tree *tree, struct node *node, struct entry *entry) REQUIRES(tree_locked);
/* The next lookup gives a new node. */
void tree_renew(struct entry *entry) REQUIRES(tree_locked);
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
const char *entry_name(const struct entry *entry);
/* From the mount's root, starting with '/'; freed by the caller; NULL without memory. name may be NULL. */
char *entry_path_locked(const struct entry *entry, const char *name) REQUIRES(tree_locked);
bool entry_is_dir(const struct entry *entry);

/* ---- that take the lock ---- */

void entry_release(struct tree *tree, struct entry *entry);
char *entry_path(struct tree *tree, const struct entry *entry, const char *name);

void identity_clear(struct identity *what);
/* Copies the strings. -ENOMEM. */
int identity_copy(const struct identity *what, struct identity *ret);
bool identity_equal(const struct identity *a, const struct identity *b);

/* Entries that the mount keeps itself, in one directory and in all. */
#define TREE_LOCALS_MAX 20000
