/* Directories: listing them, and the few that can be made. */
#include "fs/ops/op_dir.h"

#include <errno.h>
#include <utlist.h>

#include "api/base/clock.h"
#include "api/base/name.h"
#include "fs/show/crawl.h"
#include "fs/ops/handle.h"
#include "fs/core/hash.h"
#include "fs/ops/ops.h"
#include "fs/ops/reply.h"
#include "fs/send/trash.h"
#include "fs/show/walk.h"

struct dir_name {
	char *name; /* owned */
	bool is_dir;
	uint64_t ino;
};

struct dir_listing {
	struct dir_name *names; /* owned */
	size_t count, cap;
};

struct dir_listing *dir_listing_free(struct dir_listing *l)
{
	if (!l)
		return NULL;
	for (size_t i = 0; i < l->count; i++)
		free(l->names[i].name);
	free(l->names);
	free(l);
	return NULL;
}

static int add_name(struct dir_listing *l, const char *name, bool is_dir, uint64_t ino)
{
	char *copy;

	if (l->count == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 32;
		struct dir_name *p = reallocarray(l->names, cap, sizeof(*p));

		if (!p)
			return -ENOMEM;
		l->names = p;
		l->cap = cap;
	}
	copy = strdup(name);
	if (!copy)
		return -ENOMEM;
	l->names[l->count++] = (struct dir_name){ .name = copy, .is_dir = is_dir, .ino = ino };
	return 0;
}

/* ---- names that the mount itself keeps ---- */

struct local_name {
	UT_hash_handle hh;
	bool hidden, is_dir;
	uint64_t ino;
	char name[];
};

static void free_locals(struct local_name **locals)
{
	struct local_name *l, *next;

	HASH_ITER(hh, *locals, l, next) {
		HASH_DEL(*locals, l);
		free(l);
	}
}

static int copy_locals(struct tree *tree, struct entry *dir, struct local_name **ret)
{
	struct entry *e;

	scope_lock(tree, tree);
	DL_FOREACH(dir->locals, e) {
		size_t n = strlen(entry_name(e)) + 1;
		struct local_name *l = calloc(1, sizeof(*l) + n);

		if (!l)
			return -ENOMEM;
		memcpy(l->name, entry_name(e), n);
		l->hidden = !e->draft && e->hide != HIDE_NONE;
		l->is_dir = entry_is_dir(e);
		l->ino = e->ino;
		HASH_ADD_STR(*ret, name, l);
		if (!l->hh.tbl) {
			free(l);
			return -ENOMEM;
		}
	}
	return 0;
}

struct building {
	struct tree *tree;
	struct entry *dir;
	struct dir_listing *listing;
	struct local_name *locals;
	const char *suffix; /* of the collection's files; NULL elsewhere */
};

/* A resource's directory goes into hiding with its file. */
static bool covered(struct building *b, const char *name, bool is_dir)
{
	char file_name[NAME_MAX_BYTES + 1];
	struct local_name *l;

	if (!b->locals)
		return false;
	HASH_FIND_STR(b->locals, name, l);
	if (l || !is_dir || !b->suffix)
		return l;
	if ((size_t)snprintf(file_name, sizeof(file_name), "%s%s", name, b->suffix) >= sizeof(file_name))
		return false;
	HASH_FIND_STR(b->locals, file_name, l);
	return l && l->hidden;
}

static int build_name(void *arg, const char *name, bool is_dir, const struct identity *what)
{
	struct building *b = arg;

	uint64_t ino;

	if (covered(b, name, is_dir))
		return 0;
	tree_lock(b->tree);
	ino = tree_ino(b->tree, b->dir, name, what);
	tree_unlock(b->tree);
	return add_name(b->listing, name, is_dir, ino);
}

static int add_dots(struct tree *tree, const struct entry *dir, struct dir_listing *listing)
{
	int result;

	scope_lock(tree, tree);
	result = add_name(listing, ".", true, dir->ino);
	return result < 0 ? result : add_name(listing, "..", true, dir->parent ? dir->parent->ino : FUSE_ROOT_ID);
}

static int build_all(struct request *r, struct handle *h, struct building *b)
{
	struct store_info info = { 0 };
	struct local_name *l, *next;
	int result = add_dots(r->mount->tree, h->entry, b->listing);

	if (result == 0)
		result = copy_locals(r->mount->tree, h->entry, &b->locals);
	if (result == 0)
		result = walk_each(r, &h->what, build_name, b, &info);
	HASH_ITER(hh, b->locals, l, next) {
		if (result == 0 && !l->hidden)
			result = add_name(b->listing, l->name, l->is_dir, l->ino);
	}
	return result;
}

static int build(struct request *r, struct handle *h)
{
	struct building b = { .tree = r->mount->tree, .dir = h->entry, .listing = calloc(1, sizeof(*b.listing)) };
	int result;

	if (!b.listing)
		return -ENOMEM;
	if (h->what.place == PLACE_COLLECTION)
		b.suffix = h->what.kind->suffix;
	result = build_all(r, h, &b);
	free_locals(&b.locals);
	if (result == 0)
		h->listing = steal_ptr(b.listing);
	dir_listing_free(b.listing);
	return result;
}

/* ---- operations ---- */

static void notice_crawl(struct request *r, const struct identity *what)
{
	struct crawl *crawl = r->mount->crawl;

	/* Once for each call of the kernel. */
	if (r->worker)
		return;
	if (what->place == PLACE_ROOT)
		crawl_at_root(crawl, r->ctx.pid);
	else if ((what->place == PLACE_PARTS || (what->place == PLACE_COLLECTION && !what->parent_id)) &&
		 crawl_at_collection(crawl, r->ctx.pid, what->kind))
		crawl_fetch_rest(r->mount);
}

/*
 * The time of a change that only a listing shows: of lists below a resource, and of images. Who is told of a change sets the time
 * then, so that a program which looks at it, lists, and looks again (tar) sees none that was before: own ones in tree_settle, those
 * of the root's lists where the store tells of them. The first listing is no change, and neither is what the service was found to
 * offer.
 */
static void note_change_locked(struct entry *dir, uint64_t serial) REQUIRES(tree_locked)
{
	bool untold = (dir->what.place == PLACE_COLLECTION && dir->what.parent_id) || dir->what.place == PLACE_IMAGES ||
		      dir->what.place == PLACE_REPOSITORY;

	if (untold && serial && dir->listed_list && dir->listed_list != serial)
		dir->mtime_ns = clock_wall_ns();
}

int op_opendir(struct request *r)
{
	cleanup_subject_ struct subject s = { 0 };
	struct store_info info = { 0 };
	uint64_t serial = 0;
	struct handle *h;
	int result = subject_init(r, r->ino, &s);

	if (result == 0) {
		notice_crawl(r, &s.what);
		result = walk_serial(r, &s.what, &serial, &info);
	}
	if (result < 0)
		return result;
	h = handle_new(r, s.entry, &s.what, r->ino);
	if (!h)
		return -ENOMEM;
	tree_lock(s.tree);
	if (serial && s.entry->listed_list == serial && s.entry->listed_local == s.entry->local_serial) {
		r->opendir.info.keep_cache = 1;
	} else {
		note_change_locked(s.entry, serial);
		s.entry->listed_list = serial;
		s.entry->listed_local = s.entry->local_serial;
	}
	tree_unlock(s.tree);
	/* A listing under a name that cannot be relied on is not worth the kernel's memory. */
	r->opendir.info.cache_readdir = serial != 0;
	r->opendir.info.fh = (uintptr_t)h;
	return reply_open(r, &r->opendir.info);
}

/* A number that is not known before a lookup must not be 0, which means that there is no such name. */
static struct stat shown(const struct dir_name *name)
{
	return (struct stat){ .st_ino = name->ino ? name->ino : UINT64_MAX, .st_mode = name->is_dir ? S_IFDIR : S_IFREG };
}

/* One answer to READDIR or READDIRPLUS. */
struct page {
	struct request *r;
	struct subject *dir;
	bool plus;
	bool attributes; /* with plus: names are looked up */
	char *out;
	size_t used, size;
};

/* Adds the listing's name at this index; false where it does not fit. */
static bool add_entry(struct page *page, const struct dir_listing *listing, size_t at)
{
	const struct dir_name *name = &listing->names[at];
	fuse_req_t fuse = page->r->fuse;
	char *out = page->out + page->used;
	size_t room = page->size - page->used, n;
	struct fuse_entry_param e = { 0 };
	struct stat st = shown(name);

	/* The name's room first: a lookup that is counted and then does not fit would never be forgotten. */
	n = page->plus ? fuse_add_direntry_plus(fuse, NULL, 0, name->name, NULL, 0) :
			 fuse_add_direntry(fuse, NULL, 0, name->name, NULL, 0);
	if (n > room)
		return false;
	page->used += n;
	if (!page->plus) {
		fuse_add_direntry(fuse, out, room, name->name, &st, (off_t)at + 1);
		return true;
	}
	if (page->attributes && name->name[0] != '.' && lookup_name(page->r, page->dir, name->name, &e) < 0)
		e = (struct fuse_entry_param){ 0 };
	if (!e.ino)
		e.attr = st;
	fuse_add_direntry_plus(fuse, out, room, name->name, &e, (off_t)at + 1);
	return true;
}

static int readdir_reply(struct request *r, const struct read_args *args, bool plus)
{
	struct handle *h = args->handle;
	cleanup_subject_ struct subject s = { 0 };
	cleanup_free_ char *out = malloc(args->size);
	/* The first READDIRPLUS comes for a plain listing too; the kernel asks with it again only where lookups follow. */
	struct page page = { r, &s, plus, args->offset > 0, out, 0, args->size };
	int result = out ? subject_init(r, r->ino, &s) : -ENOMEM;

	if (result == 0)
		result = request_take_turn(r, &h->turn);
	if (result < 0)
		return result;
	/* rewinddir: what the directory holds now. */
	if (args->offset == 0)
		h->listing = dir_listing_free(h->listing);
	if (!h->listing)
		result = build(r, h);
	for (size_t i = (size_t)args->offset; result == 0 && i < h->listing->count; i++) {
		if (!add_entry(&page, h->listing, i))
			break;
	}
	turn_give(&h->turn);
	return result < 0 ? result : reply_buf(r, out, page.used);
}

int op_readdir(struct request *r)
{
	return readdir_reply(r, &r->readdir, false);
}

int op_readdirplus(struct request *r)
{
	return readdir_reply(r, &r->readdirplus, true);
}

/* More groups than this are not looked through. */
#define GROUPS_MAX 256

static bool in_group(struct request *r, gid_t gid)
{
	gid_t groups[GROUPS_MAX];
	int count = fuse_req_getgroups(r->fuse, GROUPS_MAX, groups);

	for (int i = 0; i < count && i < GROUPS_MAX; i++) {
		if (groups[i] == gid)
			return true;
	}
	return r->ctx.gid == gid;
}

/* What is pending in a directory is the business of who may remove something there. */
static bool may_send(struct request *r, const struct subject *s)
{
	struct stat st;

	tree_lock(s->tree);
	stat_dir(r->mount, s->entry, &st);
	tree_unlock(s->tree);
	if (r->ctx.uid == 0 || r->ctx.uid == st.st_uid)
		return true;
	return st.st_mode & (in_group(r, st.st_gid) ? S_IWGRP : S_IWOTH);
}

int op_fsyncdir(struct request *r)
{
	cleanup_subject_ struct subject s = { 0 };
	int result = subject_init(r, r->ino, &s);

	if (result == 0 && !may_send(r, &s))
		return reply_ok(r);
	if (result == 0 && trash_owes(r->mount, s.entry))
		result = request_need_worker(r);
	if (result == 0 && r->worker)
		result = trash_flush(r->mount, s.entry, &r->waiter, r->deadline_ms, &r->err);
	/* It is on record already, under the name that it is about. */
	if (r->err.text[0])
		r->err.text[0] = '\0';
	return result < 0 ? result : reply_ok(r);
}

int op_mkdir(struct request *r)
{
	const struct mkdir_args *args = &r->mkdir;
	cleanup_subject_ struct subject dir = { 0 };
	int result = subject_init(r, r->ino, &dir);

	if (result < 0)
		return result;
	if (dir.what.place == PLACE_CONTROL_DIR || (args->name[0] != '.' && dir.what.place != PLACE_SCRATCH_DIR))
		return err_set(&r->err, EPERM,
			       "no directory can be made here: the directory of a resource comes and goes with it");
	return make_local(r, &(struct making){ .dir = &dir, .name = args->name, .place = PLACE_SCRATCH_DIR, .mode = args->mode });
}

static int found_one(void *arg, const char *name, bool is_dir, const struct identity *what)
{
	(void)arg, (void)name, (void)is_dir, (void)what;
	return 1;
}

#define NOT_SCRATCH 1

/* 0; -errno; NOT_SCRATCH: the name is something of the account. */
static int rmdir_scratch(struct subject *dir, const char *name)
{
	struct entry *entry;

	scope_lock(tree, dir->tree);
	entry = tree_find(dir->tree, dir->entry, name);
	if (!entry || entry->what.place != PLACE_SCRATCH_DIR)
		return NOT_SCRATCH;
	if (entry->locals)
		return -ENOTEMPTY;
	tree_unlink(dir->tree, entry);
	return 0;
}

/* git keeps no empty directory: a tool that removes one must not fail, and the collection stays. */
static int rmdir_collection(struct request *r, struct subject *dir)
{
	struct identity what = { 0 };
	struct store_info info = { 0 };
	struct entry *entry;
	int64_t expires_ms;
	int result = walk_identify(r, &dir->what, r->rmdir.name, &what, &expires_ms);

	/* A repository goes with its last tag. */
	if (result == -ENOENT && dir->what.place == PLACE_IMAGES)
		return 0;
	if (result == 0 && what.place != PLACE_COLLECTION && what.place != PLACE_REPOSITORY)
		result = what.place == PLACE_RESOURCE || what.place == PLACE_LEAF || what.place == PLACE_PART ?
				 -ENOTDIR :
				 refuse_platform_made(r, dir, r->rmdir.name, r->rmdir.name);
	if (result == 0)
		result = walk_each(r, &what, found_one, NULL, &info);
	identity_clear(&what);
	if (result > 0)
		return -ENOTEMPTY;
	if (result < 0)
		return result;
	/* The kernel takes the node for dead now. */
	scope_lock(tree, dir->tree);
	entry = tree_find(dir->tree, dir->entry, r->rmdir.name);
	if (entry && entry->locals)
		return -ENOTEMPTY;
	if (entry)
		tree_renew(entry);
	return 0;
}

int op_rmdir(struct request *r)
{
	cleanup_subject_ struct subject s = { 0 };
	int result = subject_init(r, r->ino, &s);

	if (result < 0)
		return result;
	result = rmdir_scratch(&s, r->rmdir.name);
	if (result == NOT_SCRATCH)
		result = rmdir_collection(r, &s);
	return result < 0 ? result : reply_ok(r);
}
