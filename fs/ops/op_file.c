/* Opening, creating, reading. */
#include "fs/ops/ops.h"

#include <errno.h>
#include <fcntl.h>

#include "api/base/clock.h"
#include "api/base/name.h"
#include "fs/send/commit.h"
#include "fs/show/control.h"
#include "fs/core/failures.h"
#include "fs/core/notify.h"
#include "fs/ops/handle.h"
#include "fs/ops/reply.h"
#include "fs/send/trash.h"
#include "fs/show/walk.h"

/* flags: of the kind. */
static bool is_json(const struct identity *what, unsigned flags)
{
	if (what->place == PLACE_PART)
		return true;
	if (what->place == PLACE_LEAF)
		return what->leaf->source == LEAF_CREDENTIALS;
	return what->place == PLACE_RESOURCE && !(flags & (KIND_SECRET | KIND_KEY_LINE));
}

static struct draft *make_draft(const struct identity *what, const struct identity *dir, pid_t opener)
{
	struct draft *draft = draft_new();
	const struct kind *kind = what->kind ? what->kind : dir ? dir->kind : NULL;
	const unsigned flags = kind ? kind->flags : 0;

	if (!draft)
		return NULL;
	draft->json = is_json(what, flags);
	draft->key_line = what->place == PLACE_RESOURCE && (flags & KIND_KEY_LINE);
	draft->secret = flags & KIND_SECRET;
	draft->opener = opener;
	if (place_is_local(what->place))
		draft_detach(draft);
	(void)draft_truncate(draft, 0); /* it begins empty */
	return draft;
}

/* The bytes that a draft begins with when the file was not truncated. */
static int fill_draft(struct request *r, const struct subject *s, struct draft *draft)
{
	cleanup_view_ struct view view = { 0 };
	cleanup_(body_unrefp) struct body *bytes = NULL;
	int result;

	if (draft->secret || s->what.place == PLACE_LEAF || (s->what.place == PLACE_RESOURCE && !s->what.id))
		return 0;
	result = view_make(r, &s->what, NULL, &view);
	if (result == 0)
		result = view_bytes(r, &s->what, &view, &bytes);
	if (result == 0)
		result = draft_begin(draft, bytes->data, bytes->len, view.mtime_ns);
	return result;
}

/* With the tree's lock: the entry shows this draft from now on. */
static void show_draft(struct tree *tree, struct entry *entry, struct draft *draft) REQUIRES(tree_locked)
{
	draft_unref(entry->draft);
	entry->draft = draft_ref(draft);
	draft_saw_sends(draft, entry->sends);
	/* The node that it is written through stands for the draft, and then for what becomes of it. */
	if (entry->current) {
		entry->current->version.content = 0;
		entry->current->redirected = false;
	}
	tree->changes++;
	tree_settle(tree, entry);
}

/*
 * Adds a writer to the draft that is there, or to made, which is shown from then on. In one step, for the last writer's release
 * ends a draft in one step too. -ESTALE: the draft that the subject was looked up with ended; the kernel looks it up anew.
 */
static int enter_draft(struct subject *s, const struct handle *h, struct draft *made, struct draft **ret)
{
	bool may_join = place_is_local(s->what.place) || !(h->flags & O_TRUNC);
	struct draft *there;

	scope_lock(tree, s->tree);
	there = s->entry->draft;
	if (there && may_join) {
		draft_add_writer(there);
		*ret = draft_ref(there);
		return 0;
	}
	if (s->draft && !there)
		return -ESTALE;
	if (!made)
		return 0;
	draft_add_writer(made);
	show_draft(s->tree, s->entry, made);
	*ret = draft_ref(made);
	return 0;
}

/* Joins the draft that is there, or begins one. */
static int open_draft(struct request *r, struct subject *s, struct handle *h)
{
	cleanup_(draft_unrefp) struct draft *made = NULL;
	int result = enter_draft(s, h, NULL, &h->draft);

	if (result == 0 && !h->draft) {
		made = make_draft(&s->what, NULL, h->opener);
		if (!made)
			return -ENOMEM;
		if (!(h->flags & O_TRUNC))
			result = fill_draft(r, s, made);
		if (result == 0)
			result = enter_draft(s, h, made, &h->draft);
	}
	if (result == 0 && h->draft != made && h->flags & O_TRUNC)
		result = draft_truncate(h->draft, 0);
	return result;
}

static int check_access(const struct subject *s, unsigned flags)
{
	unsigned mode = identity_mode(&s->what), access = flags & O_ACCMODE;

	if (access != O_RDONLY && !(mode & 0222))
		return -EACCES;
	if (access != O_WRONLY && !(mode & 0444))
		return -EACCES;
	/* A secret's scratch file is as unreadable as the secret. */
	if (access != O_WRONLY && s->draft && s->draft->secret)
		return -EACCES;
	return 0;
}

/* The name leads to this node again: nobody got to it by its name. */
static void lead_to(struct request *r, struct entry *e, struct node *node) REQUIRES(tree_locked)
{
	if (e->current == node)
		return;
	e->current = node;
	r->mount->tree->changes++;
	if (e->parent && e->parent->current)
		notify_entry(r->mount->notifier, e->parent->current->id, entry_name(e));
}

/*
 * A node of which pages are cached cannot be written through without its readers seeing it: the name gets another node, and the
 * kernel, told ESTALE, asks for the name again. Who comes to the same node once more has it by a descriptor (/proc/self/fd, as
 * Samba opens files) or a bind mount, and would be told so for ever: then it is written through, as in any other file system.
 */
static bool must_redirect(struct request *r, struct subject *s)
{
	struct entry *e = s->entry;
	struct node *node;

	scope_lock(tree, s->tree);
	node = tree_node(s->tree, s->node);
	if (!node || e->unlinked)
		return false;
	if (!node->version.follows) {
		if ((node == e->current || !e->current) && (!node->cached || node->redirected))
			return false;
		if (!node->rewrite || node->rewriter != r->ctx.pid) {
			node->rewrite = true;
			node->rewriter = r->ctx.pid;
			if (node == e->current)
				tree_renew(e);
			return true;
		}
		tree_follow(node);
		notify_inode(r->mount->notifier, node->id, true);
	}
	lead_to(r, e, node);
	return false;
}

/* Whether the kernel may cache its pages, as wished. */
static bool count_open(struct tree *tree, fuse_ino_t ino, bool cached)
{
	struct node *node;

	scope_lock(tree, tree);
	node = tree_node(tree, ino);
	if (!node)
		return false;
	node->opens++;
	cached &= !node->version.follows;
	node->cached |= cached;
	return cached;
}

static int open_write(struct request *r, struct subject *s)
{
	struct handle *h;
	int result;

	if ((s->what.place == PLACE_RESOURCE || s->what.place == PLACE_PART) && must_redirect(r, s))
		return -ESTALE;
	h = handle_new(r, s->entry, &s->what, r->ino);
	if (!h)
		return -ENOMEM;
	h->flags = (unsigned)r->open.info.flags;
	h->writes = true;
	h->opener = request_process(r);
	if (s->what.place != PLACE_CONTROL && !(s->what.leaf && s->what.leaf->source == LEAF_ACTION)) {
		result = open_draft(r, s, h);
		if (result < 0) {
			if (h->draft)
				(void)draft_remove_writer(h->draft);
			handle_free(s->tree, h);
			return result;
		}
	}
	count_open(s->tree, r->ino, false);
	r->open.info.fh = (uintptr_t)h;
	r->open.info.direct_io = 1;
	return reply_open(r, &r->open.info);
}

static int open_local(struct request *r, struct subject *s)
{
	struct handle *h = handle_new(r, s->entry, &s->what, r->ino);

	if (!h)
		return -ENOMEM;
	h->draft = s->draft ? draft_ref(s->draft) : NULL;
	count_open(s->tree, r->ino, false);
	r->open.info.fh = (uintptr_t)h;
	r->open.info.direct_io = 1;
	r->open.info.noflush = 1;
	return reply_open(r, &r->open.info);
}

/* What is read is not what the node stands for: another version by now, or a draft was written through it. The kernel asks
   for the name again, once, and gets a node whose pages can be kept and mapped. */
static bool ask_again(struct request *r, struct subject *s)
{
	struct node *node;

	scope_lock(tree, s->tree);
	node = tree_node(s->tree, s->node);
	if (!node || node->version.follows)
		return false;
	if (node->reread) {
		/* By a descriptor: the size that the kernel remembers is another version's. */
		if (!node->opens)
			tree_follow(node);
		return false;
	}
	node->reread = true;
	s->entry->reader = r->ctx.pid;
	notify_inode(r->mount->notifier, node->id, false);
	if (s->entry->current == node) {
		tree_renew(s->entry);
		s->entry->renewed = false;
		s->entry->reread = true;
	}
	return true;
}

/* Another version than the node's was found, in the second try of an open: the node's own is read then. */
static bool use_looked_up(struct request *r, struct subject *s, struct view *view)
{
	struct node *node;

	scope_lock(tree, s->tree);
	node = tree_node(s->tree, s->node);
	if (!node || !node->bytes || node->bytes_for != r->ctx.pid || node->version.content != s->version.content)
		return false;
	view_clear(view);
	view->bytes = body_ref(node->bytes);
	view->content = node->version.content;
	view->size = node->version.size;
	return true;
}

/* Opened as what it is: from now on a reader may ask again. */
static void settle_node(struct subject *s)
{
	struct node *node;

	scope_lock(tree, s->tree);
	node = tree_node(s->tree, s->node);
	if (!node)
		return;
	node->reread = false;
	node->bytes = body_unref(node->bytes);
}

/* Made for this open, which keeps it. */
static int make_control(struct request *r, const struct control *control, struct view *view)
{
	cleanup_buf_ struct buf out = BUF_INIT;
	int result = request_need_worker(r);

	if (result == 0)
		result = control->make(r, &out);
	if (result < 0)
		return result;
	view->bytes = body_new(out.len ? out.data : "", out.len);
	view->size = (int64_t)out.len;
	return view->bytes ? 0 : -ENOMEM;
}

static void tell_log(struct mount *mount, struct handle *h)
{
	const struct control_log *log = view_log(&h->what);

	if (!log || !log->opened)
		return;
	log->opened(mount);
	h->heard = true;
}

static int open_read(struct request *r, struct subject *s)
{
	cleanup_view_ struct view view = { 0 };
	bool other;
	struct handle *h;
	int result = view_make(r, &s->what, &s->version, &view);

	if (result == 0 && s->what.control && s->what.control->size)
		result = make_control(r, s->what.control, &view);
	if (result < 0)
		return result;
	other = !view.grows && view.content != s->version.content;
	if (other && use_looked_up(r, s, &view))
		other = false;
	if (other && ask_again(r, s))
		return -ESTALE;
	if (!other)
		settle_node(s);
	h = handle_new(r, s->entry, &s->what, r->ino);
	if (!h)
		return -ENOMEM;
	h->view = view;
	view = (struct view){ 0 };
	tell_log(r->mount, h);
	r->open.info.keep_cache = count_open(s->tree, r->ino, !h->view.grows && !other && s->version.content);
	r->open.info.direct_io = !r->open.info.keep_cache;
	r->open.info.noflush = 1;
	r->open.info.fh = (uintptr_t)h;
	return reply_open(r, &r->open.info);
}

int op_open(struct request *r)
{
	cleanup_subject_ struct subject s = { 0 };
	int result = subject_init(r, r->ino, &s);

	if (result == 0)
		result = check_access(&s, (unsigned)r->open.info.flags);
	if (result < 0)
		return result;
	if ((r->open.info.flags & O_ACCMODE) != O_RDONLY)
		return r->mount->read_only ? -EROFS : open_write(r, &s);
	return s.draft || place_is_local(s.what.place) ? open_local(r, &s) : open_read(r, &s);
}

/* ---- create ---- */

/* With the tree's lock: the entry that the new name gets; a hidden resource of that name is written again, not made anew. */
static struct entry *obtain_new(struct subject *dir, const char *name, struct identity *what) REQUIRES(tree_locked)
{
	struct entry *entry = tree_find(dir->tree, dir->entry, name);

	if (entry && entry->local && (entry->hide != HIDE_NONE || entry->draft) && entry->what.place == what->place) {
		identity_clear(what);
		return entry_ref(entry);
	}
	if (dir->tree->locals_count >= TREE_LOCALS_MAX)
		return NULL;
	return tree_obtain(dir->tree, dir->entry, name, what);
}

static int enter_new(struct request *r, struct subject *dir, struct identity *what, struct draft *draft,
		     struct fuse_entry_param *e, struct entry **ret)
{
	const struct stamp none = { 0 };
	struct entry *entry;
	struct node *node;

	scope_lock(tree, dir->tree);
	entry = obtain_new(dir, r->create.name, what);
	if (!entry)
		return -ENOSPC;
	/* A grace that would end meanwhile must not: the draft decides. A backup's hiding stays, for its unlink. */
	if (entry->hide == HIDE_DELETE)
		trash_show_locked(r->mount, entry);
	if (entry->current && entry->current->cached)
		tree_renew(entry);
	show_draft(dir->tree, entry, draft);
	entry->set = ATTRIBUTES_NONE;
	entry->made.mode = entry->what.place == PLACE_SCRATCH ? (int64_t)(r->create.mode & 07777) : ATTRIBUTE_NONE;
	entry_made_by(r, entry);
	entry->mtime_ns = clock_wall_ns();
	node = tree_lookup(dir->tree, entry, &none, 0, 0);
	if (!node) {
		entry_unref_locked(dir->tree, entry);
		return -ENOMEM;
	}
	node->opens++;
	e->ino = node->id;
	stat_local(r->mount, entry, &e->attr);
	*ret = entry;
	return 0;
}

static int create_in(struct request *r, struct subject *dir, struct identity *what)
{
	cleanup_(draft_unrefp) struct draft *draft = make_draft(what, &dir->what, request_process(r));
	struct fuse_entry_param e = { 0 };
	struct entry *entry = NULL;
	struct identity copy = { 0 };
	struct handle *h;
	int result;

	if (!draft)
		return -ENOMEM;
	draft->excl = what->place == PLACE_RESOURCE && r->create.info.flags & O_EXCL;
	draft_add_writer(draft);
	result = enter_new(r, dir, what, draft, &e, &entry);
	if (result < 0)
		return result;
	tree_lock(dir->tree);
	result = identity_copy(&entry->what, &copy);
	tree_unlock(dir->tree);
	h = result == 0 ? handle_new(r, entry, &copy, e.ino) : NULL;
	identity_clear(&copy);
	entry_release(dir->tree, entry);
	if (!h)
		return -ENOMEM;
	h->flags = (unsigned)r->create.info.flags;
	h->writes = true;
	h->opener = draft->opener;
	h->draft = steal_ptr(draft);
	r->create.info.fh = (uintptr_t)h;
	r->create.info.direct_io = 1;
	return reply_create(r, &e, &r->create.info);
}

int op_create(struct request *r)
{
	cleanup_subject_ struct subject dir = { 0 };
	struct identity what = { 0 };
	int result;

	if (r->mount->read_only)
		return -EROFS;
	if (strlen(r->create.name) > NAME_MAX_BYTES)
		return -ENAMETOOLONG;
	result = subject_init(r, r->ino, &dir);
	if (result == 0)
		result = walk_classify(r, &dir.what, r->create.name, &what, &r->err);
	if (result == 0 && what.place == PLACE_SCRATCH && !(r->create.info.flags & O_EXCL))
		result = walk_refuse_mistake(&dir.what, r->create.name, &r->err);
	if (result == 0)
		result = create_in(r, &dir, &what);
	identity_clear(&what);
	return result;
}

/* ---- read ---- */

static int read_body(struct request *r, const struct body *bytes)
{
	size_t at = r->read.offset < 0 || r->read.offset > (off_t)bytes->len ? bytes->len : (size_t)r->read.offset;
	size_t n = bytes->len - at < r->read.size ? bytes->len - at : r->read.size;

	return reply_buf(r, bytes->data + at, n);
}

static int read_draft(struct request *r, struct draft *draft)
{
	cleanup_free_ char *out = NULL;
	size_t size = r->read.size < DOC_BYTES_MAX ? r->read.size : DOC_BYTES_MAX;

	if (draft->secret)
		return -EACCES;
	out = malloc(size);
	if (!out)
		return -ENOMEM;
	return reply_buf(r, out, draft_read(draft, out, size, r->read.offset));
}

static int read_log(struct request *r, const struct control_log *log, uint64_t base)
{
	cleanup_free_ char *out = malloc(r->read.size ? r->read.size : 1);

	if (!out)
		return -ENOMEM;
	if (r->read.offset < 0)
		return -EINVAL;
	return reply_buf(r, out, log->read(r->mount, base + (uint64_t)r->read.offset, out, r->read.size));
}

/* Whether each read looks at it anew. The mount's own files are read as what they were at open, so that pieces make one text. */
static bool is_read_anew(const struct handle *h)
{
	return h->writes || (h->view.grows && h->what.place != PLACE_CONTROL);
}

/* What grows is looked at anew for each read; the rest is what it was at open. */
static int read_growing(struct request *r, struct handle *h)
{
	cleanup_view_ struct view view = { 0 };
	cleanup_(body_unrefp) struct body *bytes = NULL;
	int result = view_make(r, &h->what, NULL, &view);

	if (result == 0)
		result = view_bytes(r, &h->what, &view, &bytes);
	return result == 0 ? read_body(r, bytes) : result;
}

static int read_opened(struct request *r, struct handle *h)
{
	/* Held across the reply: once the kernel has the bytes, a release can come before the reply's call is back. */
	cleanup_(body_unrefp) struct body *bytes = NULL;
	int result = request_take_turn(r, &h->turn);

	if (result < 0)
		return result;
	if (!h->view.bytes)
		result = view_bytes(r, &h->what, &h->view, &h->view.bytes);
	if (result == 0)
		bytes = body_ref(h->view.bytes);
	turn_give(&h->turn);
	return result == 0 ? read_body(r, bytes) : result;
}

/* Its node was written through by who had it without its name: there is nothing left of what it was opened on. */
static bool follows(struct request *r, const struct handle *h, struct draft **ret)
{
	struct node *node;

	scope_lock(tree, r->mount->tree);
	node = tree_node(r->mount->tree, h->node);
	if (!node || !node->version.follows)
		return false;
	*ret = h->entry->draft ? draft_ref(h->entry->draft) : NULL;
	return true;
}

int op_read(struct request *r)
{
	cleanup_(draft_unrefp) struct draft *shown = NULL;
	struct handle *h = r->read.handle;

	if (h->draft)
		return read_draft(r, h->draft);
	if (view_log(&h->what) && !h->writes)
		return read_log(r, view_log(&h->what), h->view.base);
	if (is_read_anew(h))
		return read_growing(r, h);
	if (follows(r, h, &shown))
		return shown ? read_draft(r, shown) : read_growing(r, h);
	return read_opened(r, h);
}
