/*
 * rename(2): a scratch file onto a resource's name sends it, a resource onto a scratch name is an editor's backup, a
 * resource onto a free name of its kind renames it in the account.
 */
#include "fs/ops/ops.h"

#include <errno.h>

#include "api/base/clock.h"
#include "api/base/name.h"
#include "api/base/rand.h"
#include "fs/send/commit.h"
#include "fs/send/gate.h"
#include "fs/core/failures.h"
#include "fs/core/kept.h"
#include "fs/core/notify.h"
#include "fs/ops/reply.h"
#include "fs/show/source.h"
#include "fs/send/trash.h"
#include "fs/show/view.h"
#include "fs/show/walk.h"

#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 1
#endif

struct renaming {
	struct request *r;
	const struct rename_args *args; /* the request's */
	struct subject from_dir, to_dir;
	struct entry *held;     /* what stands under the name: a reference, with its turn; or NULL */
	struct entry *source;   /* owned reference; NULL: nothing local is known under the name */
	struct identity what;   /* of the source; a copy */
	struct draft *draft;    /* the source's; owned reference, or NULL */
	struct identity target; /* what the new name is, or would be */
	bool target_exists;     /* as something of the account, or local */
	bool target_lives;      /* in hiding behind its backup: the account has it */
};

static void renaming_clear(struct renaming *n)
{
	struct tree *tree = n->r->mount->tree;

	name_let_go(n->r, n->held);
	entry_release(tree, n->source);
	draft_unref(n->draft);
	identity_clear(&n->what);
	identity_clear(&n->target);
	subject_clear(&n->from_dir);
	subject_clear(&n->to_dir);
}

/* ---- what is renamed to what ---- */

static int find_source(struct renaming *n)
{
	struct tree *tree = n->r->mount->tree;
	int64_t expires_ms;
	struct entry *e;
	bool hidden;

	tree_lock(tree);
	e = tree_find(tree, n->from_dir.entry, n->args->name);
	if (e && e->local && (e->draft || e->hide == HIDE_NONE)) {
		int result = identity_copy(&e->what, &n->what);

		if (result == 0) {
			n->source = entry_ref(e);
			n->draft = e->draft ? draft_ref(e->draft) : NULL;
		}
		tree_unlock(tree);
		return result;
	}
	hidden = e && e->local && e->hide != HIDE_NONE;
	tree_unlock(tree);
	if (hidden)
		return -ENOENT;
	return walk_identify(n->r, &n->from_dir.what, n->args->name, &n->what, &expires_ms);
}

static int find_target(struct renaming *n)
{
	struct tree *tree = n->r->mount->tree;
	bool hidden = false;
	int64_t expires_ms;
	struct entry *e;
	int result;

	tree_lock(tree);
	e = tree_find(tree, n->to_dir.entry, n->args->new_name);
	if (e && e->local) {
		hidden = !e->draft && e->hide != HIDE_NONE;
		n->target_exists = !hidden;
		n->target_lives = e->hide == HIDE_BACKUP;
		result = identity_copy(&e->what, &n->target);
		tree_unlock(tree);
		return result;
	}
	tree_unlock(tree);
	result = walk_identify(n->r, &n->to_dir.what, n->args->new_name, &n->target, &expires_ms);
	if (result == -ENOENT)
		return walk_classify(n->r, &n->to_dir.what, n->args->new_name, &n->target, &n->r->err);
	n->target_exists = result == 0;
	return result;
}

static bool is_scratch(const struct identity *what)
{
	return place_is_local(what->place);
}

/* Local text that can be sent: scratch, or a resource's draft that never was. */
static bool is_unsent_text(const struct renaming *n)
{
	if (n->what.place == PLACE_SCRATCH)
		return true;
	return n->draft && n->what.place == PLACE_RESOURCE && !n->what.id;
}

/* ---- scratch to scratch ---- */

static int move_local(struct renaming *n)
{
	struct tree *tree = n->r->mount->tree;
	struct entry *old;
	int result;

	scope_lock(tree, tree);
	old = tree_find(tree, n->to_dir.entry, n->args->new_name);
	if (old && old->what.place == PLACE_SCRATCH_DIR && old->locals)
		return -ENOTEMPTY;
	if (old && entry_is_dir(old) != entry_is_dir(n->source))
		return entry_is_dir(old) ? -EISDIR : -ENOTDIR;
	if (n->source->what.place == PLACE_RESOURCE) {
		/* A draft that was never sent becomes scratch. */
		n->source->what.place = PLACE_SCRATCH;
		n->source->what.kind = NULL;
		draft_detach(n->draft);
	}
	result = tree_move(tree, n->source, n->to_dir.entry, n->args->new_name);
	tree->changes++;
	return result;
}

/* rsync and mv of a tool's file: where it has a name now that is never sent, nobody else says so. */
static void record_left(struct renaming *n)
{
	cleanup_free_ char *path = NULL;
	struct err err = ERR_INIT;

	if (n->to_dir.what.place != PLACE_COLLECTION || n->what.place != PLACE_SCRATCH || !walk_is_tool_name(n->args->name) ||
	    walk_refuse_left(&n->to_dir.what, n->args->new_name, &err) == 0)
		return;
	path = failures_request_path(n->r);
	if (path)
		failures_add(n->r->mount->failures, path, "rename", &err, NULL, 0);
}

/* ---- scratch to a resource: send ---- */

static struct entry *obtain_target(struct renaming *n)
{
	struct tree *tree = n->r->mount->tree;
	struct identity copy = { 0 };
	struct entry *entry;

	scope_lock(tree, tree);
	entry = tree_find(tree, n->to_dir.entry, n->args->new_name);
	if (entry && entry->local)
		entry_ref(entry);
	else if (identity_copy(&n->target, &copy) == 0)
		entry = tree_obtain(tree, n->to_dir.entry, n->args->new_name, &copy);
	else
		return NULL;
	/* What is written again is not deleted: neither while the document is on its way, nor when it is refused. */
	if (entry && entry->hide == HIDE_DELETE)
		trash_show_locked(n->r->mount, entry);
	if (entry) {
		entry->set = n->source->set;
		entry->made.uid = n->source->made.uid;
		entry->made.gid = n->source->made.gid;
	}
	return entry;
}

/* They are kept with the content now, or went back with the scratch file. */
static void forget_attributes(struct entry *target) REQUIRES(tree_locked)
{
	target->set = ATTRIBUTES_NONE;
	target->made.uid = target->made.gid = ATTRIBUTE_NONE;
}

/* With the tree's lock: the kernel moved the source's inode to the target's name. */
static void take_place(struct renaming *n, struct entry *target) REQUIRES(tree_locked)
{
	struct tree *tree = n->r->mount->tree;
	struct node *node = n->source->current;

	if (target->draft) {
		draft_detach(target->draft);
		target->draft = draft_unref(target->draft);
	}
	forget_attributes(target);
	n->source->draft = draft_unref(n->source->draft);
	draft_spend(n->draft);
	tree_unlink(tree, n->source);
	if (node)
		tree_rebind(tree, node, target);
	else
		tree_renew(target);
	tree_settle(tree, target);
	tree->changes++;
}

/* A backup that comes back untouched: the resource never left. */
static bool is_untouched_backup(struct renaming *n, struct entry *target) REQUIRES(tree_locked)
{
	return n->source->backup_of && n->to_dir.entry == n->from_dir.entry && !strcmp(n->source->backup_of, n->args->new_name) &&
	       target->what.id && n->draft && draft_is_sent(n->draft) && commit_is_done(n->draft);
}

static bool is_unlinked(struct tree *tree, const struct entry *entry)
{
	scope_lock(tree, tree);
	return entry->unlinked;
}

static int send_as(struct renaming *n)
{
	struct request *r = n->r;
	struct tree *tree = r->mount->tree;
	struct entry *target;
	uint64_t aim;
	int result = request_need_worker(r);

	if (result < 0)
		return result;
	if (!n->draft || n->what.place == PLACE_LINK)
		return err_set(&r->err, EPERM, "only a file can become a resource");
	result = gate_text(&n->target, n->args->new_name, &r->err);
	if (result < 0)
		return result;
	target = obtain_target(n);
	if (!target)
		return -ENOMEM;
	tree_lock(tree);
	if (is_untouched_backup(n, target)) {
		trash_show_locked(r->mount, target);
		take_place(n, target);
		tree_unlock(tree);
		entry_release(tree, target);
		return 0;
	}
	tree_unlock(tree);
	aim = hash64(n->args->new_name, strlen(n->args->new_name)) ^ n->to_dir.ino;
	draft_aim(n->draft, aim);
	result = commit_draft(r, target, n->draft, true);
	/* Its DELETE was past stopping, and took the name with it: the name is free now. */
	if (result == -ESTALE && is_unlinked(tree, target)) {
		entry_release(tree, target);
		free(steal_ptr(n->target.id));
		target = obtain_target(n);
		if (!target)
			return -ENOMEM;
		result = commit_draft(r, target, n->draft, true);
	}
	tree_lock(tree);
	if (result == 0) {
		take_place(n, target);
	} else {
		forget_attributes(target);
		tree_settle(tree, target);
		if (!target->what.id && !target->what.part && target->what.place == PLACE_RESOURCE && !target->draft)
			tree_unlink(tree, target);
	}
	tree_unlock(tree);
	entry_release(tree, target);
	return result;
}

/* ---- a resource to a scratch name: a backup ---- */

static int backup_draft(struct renaming *n, struct draft **ret, struct view *ret_view)
{
	cleanup_view_ struct view view = { 0 };
	cleanup_(body_unrefp) struct body *bytes = NULL;
	cleanup_(draft_unrefp) struct draft *draft = NULL;
	bool secret = n->what.kind->flags & KIND_SECRET;
	int result = secret ? 0 : view_make(n->r, &n->what, NULL, &view);

	if (result == 0 && !secret)
		result = view_bytes(n->r, &n->what, &view, &bytes);
	if (result < 0)
		return result;
	draft = draft_new();
	if (!draft)
		return -ENOMEM;
	draft->secret = secret;
	draft_detach(draft);
	/* As long as it is untouched it is what the account has. */
	result =
		bytes ? draft_begin(draft, bytes->data, bytes->len, view.mtime_ns) : draft_begin(draft, NULL, 0, clock_wall_ns());
	if (result < 0)
		return result;
	*ret = steal_ptr(draft);
	*ret_view = (struct view){ .mode = 0600, .uid = n->r->mount->options->uid, .gid = n->r->mount->options->gid };
	if (!secret)
		*ret_view = (struct view){ .mode = view.mode, .uid = view.uid, .gid = view.gid };
	return 0;
}

static int make_backup(struct renaming *n)
{
	struct identity scratch = { .place = PLACE_SCRATCH }, copy = { 0 };
	cleanup_(draft_unrefp) struct draft *draft = NULL;
	struct tree *tree = n->r->mount->tree;
	struct entry *source, *backup;
	struct node *node;
	struct view shown = { 0 };
	int result = gate_backup(&n->what, &n->to_dir.what, n->from_dir.entry == n->to_dir.entry, n->r->mount->options->nodelete,
				 &n->r->err);

	if (result == 0)
		result = backup_draft(n, &draft, &shown);
	if (result == 0)
		result = identity_copy(&n->what, &copy);
	if (result < 0)
		return result;
	scope_lock(tree, tree);
	source = tree_obtain(tree, n->from_dir.entry, n->args->name, &copy);
	backup = source ? tree_find(tree, n->to_dir.entry, n->args->new_name) : NULL;
	if (backup)
		tree_unlink(tree, backup);
	backup = source ? tree_obtain(tree, n->to_dir.entry, n->args->new_name, &scratch) : NULL;
	if (!backup) {
		entry_unref_locked(tree, source);
		return -ENOMEM;
	}
	backup->draft = steal_ptr(draft);
	free(backup->backup_of);
	backup->backup_of = strdup(n->args->name);
	backup->ino = tree_fresh_ino(tree);
	/* Who may read and write the resource may do so with its backup. */
	backup->made.mode = shown.mode;
	backup->made.uid = shown.uid;
	backup->made.gid = shown.gid;
	tree_settle(tree, backup);
	if (source->draft) {
		draft_detach(source->draft);
		source->draft = draft_unref(source->draft);
	}
	node = source->current;
	trash_hide_locked(n->r->mount, source, HIDE_BACKUP, clock_after_ms(TRASH_BACKUP_MS));
	/* The node's pages hold the very bytes of the backup. */
	if (node)
		tree_rebind(tree, node, backup);
	tree_renew(source);
	tree->changes++;
	entry_unref_locked(tree, backup);
	entry_unref_locked(tree, source);
	return 0;
}

/* ---- a resource to another name of its kind ---- */

/* The names of the resource's directory, which goes with its file; NULL where it has none. */
static char *dir_name(const struct kind *kind, const char *file_name)
{
	size_t n = strlen(file_name), suffix = strlen(kind->suffix);

	return kind_has_dir(kind) && n > suffix ? strndup(file_name, n - suffix) : NULL;
}

static void renamed(struct renaming *n)
{
	cleanup_free_ char *old_dir = dir_name(n->what.kind, n->args->name), *new_dir = dir_name(n->what.kind, n->args->new_name);
	struct tree *tree = n->r->mount->tree;
	struct entry *e;

	tree_lock(tree);
	e = tree_find(tree, n->from_dir.entry, n->args->name);
	if (e)
		tree_move(tree, e, n->to_dir.entry, n->args->new_name);
	e = old_dir ? tree_find(tree, n->from_dir.entry, old_dir) : NULL;
	if (e)
		tree_unlink(tree, e);
	tree->changes++;
	tree_unlock(tree);
	if (old_dir)
		notify_entry(n->r->mount->notifier, n->r->ino, old_dir);
	if (new_dir)
		notify_entry(n->r->mount->notifier, n->args->new_dir, new_dir);
}

/* A DELETE that still waits under the new name is sent first, or two resources would have it. */
static int free_name(struct renaming *n)
{
	struct tree *tree = n->r->mount->tree;
	struct entry *old;
	int result = 0;

	tree_lock(tree);
	old = tree_find(tree, n->to_dir.entry, n->args->new_name);
	old = old && old->local && old->hide == HIDE_DELETE ? entry_ref(old) : NULL;
	tree_unlock(tree);
	if (old)
		result = trash_delete_now(n->r, old);
	entry_release(tree, old);
	/* It is on record under the name that was removed. */
	if (result < 0)
		n->r->err.text[0] = '\0';
	return result;
}

/* The entry whose turn orders this rename among updates and deletes. */
static struct entry *obtain_source(struct renaming *n)
{
	struct tree *tree = n->r->mount->tree;
	struct identity copy = { 0 };

	scope_lock(tree, tree);
	if (identity_copy(&n->what, &copy) < 0)
		return NULL;
	return tree_obtain(tree, n->from_dir.entry, n->args->name, &copy);
}

static int rename_resource(struct renaming *n)
{
	const struct kind *kind = n->what.kind;
	cleanup_free_ char *name = NULL;
	struct entry *entry;
	int result;

	if (n->target.kind != kind || n->from_dir.entry != n->to_dir.entry)
		return err_set(&n->r->err, EPERM, "%s %s cannot become something else", kind_article(kind), kind->name);
	if (!(kind->verbs & KIND_RENAME))
		return err_set(&n->r->err, EPERM, "%s %s cannot be renamed", kind_article(kind), kind->name);
	if (n->target_lives)
		return err_set(&n->r->err, EEXIST,
			       "the name '%s' is taken: its %s was only renamed to a backup's name here, and lives",
			       n->args->new_name, kind->name);
	if (n->target_exists)
		return err_set(&n->r->err, EEXIST, "the name '%s' is taken", n->args->new_name);
	result = request_need_worker(n->r);
	if (result < 0)
		return result;
	if (name_decode(n->args->new_name, kind->suffix, &name) < 0)
		return err_set(&n->r->err, EINVAL, "'%s' is no name of %s %s", n->args->new_name, kind_article(kind), kind->name);
	result = free_name(n);
	if (result < 0)
		return result;
	entry = obtain_source(n);
	if (!entry)
		return -ENOMEM;
	result = entry == n->held ? 0 : request_take_turn(n->r, &entry->turn);
	if (result == 0) {
		result = commit_rename(n->r, entry, &n->what, n->args->name, name);
		if (result == 0)
			renamed(n);
		if (entry != n->held)
			turn_give(&entry->turn);
	}
	entry_release(n->r->mount->tree, entry);
	return result;
}

/* ---- the operation ---- */

static int rename_any(struct renaming *n)
{
	bool resource = n->what.place == PLACE_RESOURCE || n->what.place == PLACE_PART;
	int result;

	if ((n->args->flags & RENAME_NOREPLACE) && n->target_exists)
		return -EEXIST;
	if (is_scratch(&n->target) && n->source && (is_scratch(&n->what) || is_unsent_text(n))) {
		result = move_local(n);
		if (result == 0)
			record_left(n);
		return result;
	}
	if (is_unsent_text(n))
		return send_as(n);
	if (is_scratch(&n->what))
		return err_set(&n->r->err, EPERM, "a %s cannot become '%s': only a file's text can be sent",
			       n->what.place == PLACE_LINK ? "symbolic link" : "directory", n->args->new_name);
	if (resource && n->target.place == PLACE_SCRATCH)
		return make_backup(n);
	if (n->what.place == PLACE_RESOURCE && n->target.place == PLACE_RESOURCE)
		return rename_resource(n);
	return err_set(&n->r->err, EPERM, "%s comes from the platform and cannot be renamed", n->args->name);
}

int op_rename(struct request *r)
{
	const struct rename_args *args = &r->rename;
	struct renaming n = { .r = r, .args = args };
	int result;

	if (args->flags & ~(unsigned)RENAME_NOREPLACE)
		return -EINVAL;
	if (strlen(args->new_name) > NAME_MAX_BYTES)
		return -ENAMETOOLONG;
	result = subject_init(r, r->ino, &n.from_dir);
	if (result == 0)
		result = subject_init(r, args->new_dir, &n.to_dir);
	if (result == 0)
		result = name_hold(r, &n.from_dir, args->name, &n.held);
	if (result == 0)
		result = find_source(&n);
	if (result == 0)
		result = find_target(&n);
	if (result == 0 && r->mount->read_only)
		result = -EROFS;
	if (result == 0 && n.from_dir.entry == n.to_dir.entry && !strcmp(args->name, args->new_name))
		result = 0;
	else if (result == 0)
		result = rename_any(&n);
	renaming_clear(&n);
	/* mv takes EINVAL for a directory moved into itself. */
	if (result == -EINVAL)
		result = -EBADMSG;
	return result < 0 ? result : reply_ok(r);
}
