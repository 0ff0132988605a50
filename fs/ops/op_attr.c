/* Lookups and attributes. */
#include "fs/ops/ops.h"

#include <errno.h>

#include "api/base/clock.h"
#include "api/base/name.h"
#include "api/base/rand.h"
#include "fs/send/commit.h"
#include "fs/show/control.h"
#include "fs/core/draft.h"
#include "fs/core/notify.h"
#include "fs/ops/reply.h"
#include "fs/show/view.h"
#include "fs/show/walk.h"

/* ---- lookup ---- */

enum local { LOCAL_NONE, LOCAL_HIDDEN, LOCAL_HERE };

/* With the tree's lock: a resource's directory goes into hiding with its file. */
static bool is_hidden_dir(struct tree *tree, struct entry *dir, const char *name) REQUIRES(tree_locked)
{
	const struct kind *kind = dir->what.kind;
	char file_name[NAME_MAX_BYTES + 1];
	struct entry *file;

	if (!dir->locals || dir->what.place != PLACE_COLLECTION || !kind_has_dir(kind) ||
	    (size_t)snprintf(file_name, sizeof(file_name), "%s%s", name, kind->suffix) >= sizeof(file_name))
		return false;
	file = tree_find(tree, dir, file_name);
	return file && file->local && file->hide != HIDE_NONE;
}

/* What the mount itself keeps under the name: then e is filled. */
static enum local lookup_local(struct request *r, struct entry *dir, const char *name, struct fuse_entry_param *e)
{
	struct tree *tree = r->mount->tree;
	const struct stamp none = { 0 };
	struct entry *entry;
	struct node *node;

	scope_lock(tree, tree);
	if (is_hidden_dir(tree, dir, name))
		return LOCAL_HIDDEN;
	entry = tree_find(tree, dir, name);
	if (!entry || !entry->local)
		return LOCAL_NONE;
	if (!entry->draft && entry->hide != HIDE_NONE)
		return LOCAL_HIDDEN;
	node = tree_lookup(tree, entry, &none, 0, 0);
	if (!node)
		return LOCAL_HIDDEN;
	e->ino = node->id;
	stat_local(r->mount, entry, &e->attr);
	return LOCAL_HERE;
}

/* A lookup on its way. */
struct looking {
	struct request *r;
	struct subject *dir;
	const char *name;
	int64_t expires_ms; /* until when what was found may be believed */
	uint64_t changes;   /* the tree's, from before it was looked up */
	struct fuse_entry_param *e;
};

static int missing(const struct looking *l, int64_t expires_ms)
{
	int64_t negative = clock_after_ms(l->r->mount->options->negative_ttl_ms);

	*l->e = (struct fuse_entry_param){ 0 };
	l->e->entry_timeout = request_timeout(expires_ms < negative ? expires_ms : negative);
	return -ENOENT;
}

/* The open that this lookup is the second try of reads what the lookup found, even where the account has yet another
   version by then: the kernel has the size of this one, and tries no third time. */
static void keep_for_open(struct request *r, struct node *node, const struct view *view) REQUIRES(tree_locked)
{
	if (!r->ctx.pid || node->entry->reader != r->ctx.pid || !view->bytes || node->version.content != view->content)
		return;
	node->entry->reader = 0;
	body_unref(node->bytes);
	node->bytes = body_ref(view->bytes);
	node->bytes_for = r->ctx.pid;
}

/* The kernel lets one write into a node at a time, and who waits for that is deaf to signals: orders have a node for each open. */
static bool has_own_nodes(const struct identity *what)
{
	return (what->control && what->control->order) || (what->leaf && what->leaf->source == LEAF_ACTION);
}

/* With the tree's lock: the node that the entry is found as, which shows this view (NULL: of a directory). */
static struct node *find_node(struct request *r, struct entry *entry, const struct view *view) REQUIRES(tree_locked)
{
	const struct stamp none = { 0 };
	struct tree *tree = r->mount->tree;
	const struct view *shown = entry->draft ? NULL : view;
	struct node *node;

	if (view && entry->current && (entry->current->version.base != view->base || has_own_nodes(&entry->what)))
		tree_renew(entry);
	node = shown ? tree_lookup(tree, entry, &shown->stamp, shown->grows ? 0 : shown->content, shown->size) :
		       tree_lookup(tree, entry, &none, 0, 0);
	if (node && view)
		node->version.base = view->base;
	if (node && shown)
		keep_for_open(r, node, shown);
	return node;
}

/* Enters what was found into the tree. */
static int enter(const struct looking *l, struct identity *what, const struct view *view)
{
	const struct mount *mount = l->r->mount;
	struct tree *tree = mount->tree;
	struct entry *entry;
	struct node *node;

	scope_lock(tree, tree);
	entry = tree_obtain(tree, l->dir->entry, l->name, what);
	if (!entry)
		return -ENOMEM;
	node = find_node(l->r, entry, view);
	if (node) {
		l->e->ino = node->id;
		if (entry->draft)
			stat_local(mount, entry, &l->e->attr);
		else if (view)
			stat_view(view, entry->ino, &l->e->attr);
		else
			stat_dir(mount, entry, &l->e->attr);
		/* What was learned before a change of ours must not outlive this reply. */
		if (!entry->draft && l->changes == tree->changes)
			l->e->entry_timeout = l->e->attr_timeout = request_timeout(l->expires_ms);
	}
	entry_unref_locked(tree, entry);
	return node ? 0 : -ENOMEM;
}

/* The node that the name leads to, where it is still what it was. Notes how far the tree has changed. */
static bool known_node(struct looking *l, const struct identity *what, struct version *ret)
{
	struct tree *tree = l->r->mount->tree;
	struct entry *entry;

	scope_lock(tree, tree);
	l->changes = tree->changes;
	entry = tree_find(tree, l->dir->entry, l->name);
	return entry && identity_equal(&entry->what, what) && tree_known(entry, ret);
}

/* Its size, or its node, holds for no time at all. */
static bool is_of_now(const struct identity *what)
{
	return what->place == PLACE_CONTROL || has_own_nodes(what) ||
	       (what->leaf && (what->leaf->source == LEAF_CREDENTIALS || what->leaf->source == LEAF_LOGS));
}

static int lookup_file(struct looking *l, struct identity *what)
{
	cleanup_view_ struct view view = { 0 };
	struct request *r = l->r;
	struct version known;
	bool is_known = known_node(l, what, &known);
	const struct control_log *log = view_log(what);
	int result;

	/* What the node begins with is kept no longer: the name leads to one that begins later. */
	if (log && is_known && known.base < log->first(r->mount))
		is_known = false;
	result = view_make(r, what, is_known ? &known : NULL, &view);
	if (result == -ENOENT)
		return missing(l, 0);
	if (result < 0)
		return result;
	if (view.info.expires_ms && view.info.expires_ms < l->expires_ms)
		l->expires_ms = view.info.expires_ms;
	if (is_of_now(what))
		l->expires_ms = 0;
	return enter(l, what, &view);
}

static uint64_t changes_of(struct tree *tree)
{
	scope_lock(tree, tree);
	return tree->changes;
}

int lookup_name(struct request *r, struct subject *dir, const char *name, struct fuse_entry_param *e)
{
	struct looking l = { .r = r, .dir = dir, .name = name, .e = e };
	struct identity what = { 0 };
	int result;

	*e = (struct fuse_entry_param){ 0 };
	switch (lookup_local(r, dir->entry, name, e)) {
	case LOCAL_HERE:
		return 0;
	case LOCAL_HIDDEN:
		return missing(&l, 0);
	case LOCAL_NONE:
		break;
	}
	l.changes = changes_of(dir->tree);
	result = walk_identify(r, &dir->what, name, &what, &l.expires_ms);
	if (result == -ENOENT)
		return missing(&l, l.expires_ms);
	if (result < 0)
		return result;
	result = place_is_dir(what.place) ? enter(&l, &what, NULL) : lookup_file(&l, &what);
	identity_clear(&what);
	return result;
}

int op_lookup(struct request *r)
{
	cleanup_subject_ struct subject dir = { 0 };
	struct fuse_entry_param e;
	int result;

	if (strlen(r->lookup.name) > NAME_MAX_BYTES)
		return -ENAMETOOLONG;
	result = subject_init(r, r->ino, &dir);
	if (result == 0)
		result = lookup_name(r, &dir, r->lookup.name, &e);
	/* A missing name is an answer too: node 0, which the kernel remembers for its timeout. */
	return result < 0 && result != -ENOENT ? result : reply_entry(r, &e);
}

/* ---- getattr ---- */

static bool is_local(const struct subject *s)
{
	return s->draft || place_is_local(s->what.place);
}

static int getattr_local(struct request *r, struct subject *s)
{
	struct stat st;

	tree_lock(s->tree);
	stat_local(r->mount, s->entry, &st);
	tree_unlock(s->tree);
	return reply_attr(r, &st, 0);
}

/* An open file whose resource went away, or has another version, keeps what it was opened on. */
static int getattr_old(struct request *r, struct subject *s, const struct view *view)
{
	struct view old = { .size = s->version.size, .mode = 0400 };
	struct stat st;

	if (view->content) {
		old = *view;
		old.size = s->version.size;
	} else {
		old.uid = r->mount->options->uid;
		old.gid = r->mount->options->gid;
		old.mtime_ns = old.atime_ns = old.ctime_ns = r->mount->start_ns;
	}
	stat_view(&old, s->ino, &st);
	return reply_attr(r, &st, 0);
}

/*
 * The account has another version than the node stood for. 1: that version is open, and shows. 0: nobody has it, and who asks has the
 * node by a descriptor or a bind mount: from now on it shows what the name has. -ESTALE: the kernel's name for it is out of date and
 * cannot be told so, because a change in the directory is being answered: it asks for the name again.
 */
static int other_version(struct request *r, struct subject *s)
{
	struct entry *e = s->entry;
	struct node *node;

	scope_lock(tree, s->tree);
	node = tree_node(s->tree, s->node);
	if (!node || node->opens)
		return 1;
	if (node != e->current && e->parent && e->parent->current && notify_is_held(r->mount->notifier, e->parent->current->id))
		return -ESTALE;
	tree_follow(node);
	s->version.follows = true;
	return 0;
}

static int getattr_file(struct request *r, struct subject *s)
{
	cleanup_view_ struct view view = { 0 };
	double timeout;
	struct stat st;
	int result = view_make(r, &s->what, &s->version, &view);

	if (result == -ENOENT && s->open)
		return getattr_old(r, s, &view);
	if (result < 0)
		return result == -ENOENT ? -ESTALE : result;
	if (s->version.content && !view.grows && view.content != s->version.content)
		result = other_version(r, s);
	if (result)
		return result < 0 ? result : getattr_old(r, s, &view);
	stat_view(&view, s->ino, &st);
	/* The kernel can be told of what a name leads to, and this node is not had by its name. */
	timeout = view.info.expires_ms && !s->version.follows ? request_timeout(view.info.expires_ms) : 0;
	tree_lock(s->tree);
	/* The node that a draft was written through stands for what became of it. */
	if (!s->version.content && s->entry->current && s->entry->current->id == s->node)
		s->entry->current->version.size = view.size;
	tree_unlock(s->tree);
	return reply_attr(r, &st, is_of_now(&s->what) ? 0 : timeout);
}

static int getattr_dir(struct request *r, struct subject *s)
{
	struct stat st;

	tree_lock(s->tree);
	stat_dir(r->mount, s->entry, &st);
	tree_unlock(s->tree);
	return reply_attr(r, &st, (double)r->mount->options->cache_ttl_ms / MSEC_PER_SEC);
}

int op_getattr(struct request *r)
{
	cleanup_subject_ struct subject s = { 0 };
	int result = subject_init(r, r->ino, &s);

	if (result < 0)
		return result;
	if (subject_is_dir(&s))
		return getattr_dir(r, &s);
	return is_local(&s) ? getattr_local(r, &s) : getattr_file(r, &s);
}

/* ---- setattr ---- */

/* Times, mode and owner that a tool set, as far as to_set says: for a local entry or directory, else kept. With the entry's content. */
static int attributes_set(struct request *r, struct subject *s)
{
	const struct attributes a = attributes_of(r->setattr.to_set, &r->setattr.attr, clock_wall_ns());
	cleanup_view_ struct view view = { 0 };
	cleanup_free_ char *key = NULL;
	int result;

	if (subject_is_dir(s) || is_local(s)) {
		scope_lock(tree, s->tree);
		attributes_merge(&s->entry->set, &a);
	}
	if (subject_is_dir(s) || !place_is_of_account(s->what.place) || !(s->what.id || s->what.part))
		return 0;
	if (s->draft && !draft_is_sent(s->draft))
		return 0;
	result = view_make(r, &s->what, &s->version, &view);
	if (result < 0)
		return result == -ENOENT ? 0 : result;
	key = view_key(&s->what);
	if (!key)
		return -ENOMEM;
	return kept_set_attributes(r->mount->kept, key, view.content, &a);
}

int op_setattr(struct request *r)
{
	struct setattr_args *args = &r->setattr;
	cleanup_subject_ struct subject s = { 0 };
	int result = subject_init(r, r->ino, &s);

	if (result < 0)
		return result;
	if ((args->to_set & FUSE_SET_ATTR_SIZE) && !args->sized) {
		result = op_write_truncate(r, &s, args->handle, args->attr.st_size);
		if (result < 0)
			return result;
		args->sized = true;
	}
	if (args->to_set & ~FUSE_SET_ATTR_SIZE) {
		result = attributes_set(r, &s);
		if (result < 0)
			return result;
	}
	return op_getattr(r);
}

int op_access(struct request *r)
{
	const int mask = r->access.mask;
	cleanup_subject_ struct subject s = { 0 };
	unsigned mode;
	int result = subject_init(r, r->ino, &s);

	if (result < 0)
		return result;
	if (subject_is_dir(&s) || place_is_local(s.what.place))
		return reply_ok(r);
	mode = identity_mode(&s.what);
	/* Root passes mode bits; what the table calls read-only or write-only holds for root too. */
	if (((mask & W_OK) && !(mode & 0222)) || ((mask & R_OK) && !(mode & 0444)))
		return -EACCES;
	return (mask & X_OK) ? -EACCES : reply_ok(r);
}
