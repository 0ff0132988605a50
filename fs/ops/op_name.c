/* Removing names; making those that the mount itself keeps; symbolic links of editors. */
#include "fs/ops/ops.h"

#include <errno.h>

#include "api/base/clock.h"
#include "api/base/name.h"
#include "fs/send/commit.h"
#include "fs/core/draft.h"
#include "fs/core/failures.h"
#include "fs/core/notify.h"
#include "fs/core/pace.h"
#include "fs/core/stage.h"
#include "fs/core/tell.h"
#include "fs/ops/reply.h"
#include "fs/show/images.h"
#include "fs/show/offers.h"
#include "fs/show/source.h"
#include "fs/send/trash.h"
#include "fs/show/walk.h"

/* ---- what is on its way ---- */

int name_hold(struct request *r, const struct subject *dir, const char *name, struct entry **ret)
{
	struct tree *tree = dir->tree;
	struct entry *entry;
	int result;

	tree_lock(tree);
	entry = tree_find(tree, dir->entry, name);
	if (entry)
		entry_ref(entry);
	tree_unlock(tree);
	result = entry ? request_take_turn(r, &entry->turn) : 0;
	if (result < 0)
		entry_release(tree, entry);
	else
		*ret = entry;
	return result;
}

struct entry *name_let_go(struct request *r, struct entry *held)
{
	if (!held)
		return NULL;
	turn_give(&held->turn);
	entry_release(r->mount->tree, held);
	return NULL;
}

/* ---- unlink ---- */

enum unlinked { UNLINK_DONE, UNLINK_RESOURCE };

/* With the tree's lock: whether only what the mount keeps under the name goes. */
static bool only_local(struct entry *e) REQUIRES(tree_locked)
{
	if (place_is_local(e->what.place))
		return true;
	if (e->draft && !(draft_is_sent(e->draft) && commit_is_done(e->draft)))
		return true;
	return e->hide == HIDE_BACKUP;
}

static void drop_local(struct request *r, struct entry *e) REQUIRES(tree_locked)
{
	struct tree *tree = r->mount->tree;

	if (e->draft) {
		/* Who still writes into it writes into nothing. */
		draft_detach(e->draft);
		e->draft = draft_unref(e->draft);
	}
	tree->changes++;
	tree_renew(e);
	if (place_is_of_account(e->what.place) && (e->what.id || e->what.part)) {
		/* A backup's name goes back into hiding; another resource is shown again. */
		if (e->hide == HIDE_BACKUP)
			trash_hide_locked(r->mount, e, HIDE_BACKUP, clock_after_ms(TRASH_BACKUP_MS));
		tree_settle(tree, e);
	} else {
		tree_unlink(tree, e);
	}
}

static enum unlinked unlink_local(struct request *r, struct subject *dir)
{
	struct entry *e;

	scope_lock(tree, dir->tree);
	e = tree_find(dir->tree, dir->entry, r->unlink.name);
	if (!e || !e->local || !only_local(e))
		return UNLINK_RESOURCE;
	entry_ref(e);
	drop_local(r, e);
	entry_unref_locked(dir->tree, e);
	return UNLINK_DONE;
}

/* The file that all below its directory goes with: "applications/web.json". Freed by the caller; NULL: there is none. */
static char *owner_of(struct subject *dir, const char *name)
{
	const struct entry *owner = NULL, *e;
	cleanup_free_ char *path = NULL;

	scope_lock(tree, dir->tree);
	e = tree_find(dir->tree, dir->entry, name);
	for (e = e ? e : dir->entry; e; e = e->parent)
		owner = e->what.place == PLACE_RESOURCE_DIR ? e : owner;
	if (!owner || !(owner->what.kind->verbs & KIND_DELETE))
		return NULL;
	path = entry_path_locked(owner, NULL);
	return path ? text_new("%s%s", path + strspn(path, "/"), owner->what.kind->suffix) : NULL;
}

/* Who removes all of a directory hears of it once, and does not push out what others failed of. */
#define TOLD_MS 10000

static bool was_told(struct request *r, struct subject *dir)
{
	int64_t now = clock_now_ms();
	bool told;

	scope_lock(tree, dir->tree);
	told = dir->entry->told == r->ctx.pid && now - dir->entry->told_ms < TOLD_MS;
	dir->entry->told = r->ctx.pid;
	dir->entry->told_ms = now;
	return told;
}

int refuse_platform_made(struct request *r, struct subject *dir, const char *name, const char *what)
{
	cleanup_free_ char *owner = NULL;

	if (was_told(r, dir))
		return -EPERM;
	owner = owner_of(dir, name);
	return err_set(&r->err, EPERM, "%s comes from the platform and cannot be removed%s%s", what,
		       owner ? " by itself: it goes with " : "", owner ? owner : "");
}

static int may_delete(struct request *r, struct subject *dir, const struct identity *what, struct snapshot **ret)
{
	const struct kind *kind = what->kind;
	const struct operation *operation;
	struct store_info info;
	int result;

	if (what->place != PLACE_RESOURCE)
		return refuse_platform_made(r, dir, r->unlink.name, r->unlink.name);
	if (!(kind->verbs & KIND_DELETE)) {
		cleanup_free_ char *name = text_new("%s %s", kind_article(kind), kind->name);

		return refuse_platform_made(r, dir, r->unlink.name, name ? name : kind->name);
	}
	if (r->mount->options->nodelete)
		return err_set(&r->err, EPERM, "the mount was made with nodelete");
	operation = operation_of(kind, KIND_DELETE);
	if (offers_of(r->mount->offers, operation) == OFFER_ABSENT)
		return offers_refuse(r->mount->offers, operation, NULL, &r->err);
	result = source_snapshot(r, kind, what->parent_id, what->id, ret, &info);
	if (result == 0 && ((*ret)->traits & TRAIT_MANAGED))
		result = err_set(&r->err, EPERM, "the managed registry cannot be removed");
	return result;
}

/* In a full view, which no sync is made for, a command that went wrong does not empty the account. */
static int check_pace(struct request *r, const struct kind *kind)
{
	const struct options *o = r->mount->options;

	if (o->view != VIEW_FULL || kind->parent || pace_take(r->mount->pace))
		return 0;
	return err_set(&r->err, EPERM,
		       "more than %u deletes within %lld s are refused in a full view (max_delete): a sync wants view=spec, and "
		       "who means it "
		       "max_delete=N",
		       o->max_delete, (long long)(MOUNT_PACE_MS + o->delete_grace_ms) / MSEC_PER_SEC);
}

/* The removal is staged: nothing is sent, and the name is gone. */
static int stage_unlink(struct request *r, struct subject *dir, const struct identity *what)
{
	cleanup_free_ char *path = entry_path(dir->tree, dir->entry, r->unlink.name);
	struct entry *entry;
	int result = path ? commit_stage_delete(r, what, r->unlink.name, path) : -ENOMEM;

	if (result < 0)
		return result;
	scope_lock(tree, dir->tree);
	dir->tree->changes++;
	entry = tree_find(dir->tree, dir->entry, r->unlink.name);
	if (!entry)
		return 0;
	entry_ref(entry);
	if (entry->draft) {
		draft_detach(entry->draft);
		entry->draft = draft_unref(entry->draft);
	}
	tell_dir_locked(r->mount, entry);
	tree_unlink(dir->tree, entry);
	entry_unref_locked(dir->tree, entry);
	return 0;
}

/* *held: the name's, given back before the DELETE is sent, which takes the turn by itself. */
static int unlink_resource(struct request *r, struct subject *dir, struct identity *what, struct entry **held)
{
	cleanup_(doomed_freep) struct doomed *doomed = NULL;
	int64_t grace = r->mount->options->delete_grace_ms;
	struct entry *entry;
	int result = 0;

	if (grace == 0 && request_need_worker(r) < 0)
		return RUN_IN_WORKER;
	result = trash_doom(r, what, &doomed);
	if (result == 0)
		result = check_pace(r, what->kind);
	if (result < 0)
		return result;
	tree_lock(dir->tree);
	entry = tree_obtain(dir->tree, dir->entry, r->unlink.name, what);
	if (entry) {
		if (entry->draft) {
			draft_detach(entry->draft);
			entry->draft = draft_unref(entry->draft);
		}
		doomed_free(entry->doomed);
		entry->doomed = steal_ptr(doomed);
		trash_hide_locked(r->mount, entry, HIDE_DELETE, grace ? clock_after_ms(grace) : CLOCK_NEVER);
		/* The kernel takes the node for dead: should the name come back, it is by another. */
		tree_renew(entry);
	}
	tree_unlock(dir->tree);
	if (!entry)
		return -ENOMEM;
	*held = name_let_go(r, *held);
	if (grace == 0)
		result = trash_delete_now(r, entry);
	entry_release(dir->tree, entry);
	r->err.text[0] = '\0';
	return result;
}

/* At once, and in words: a tag has no grace, because nothing replaces a file there. */
static int remove_image(struct request *r, struct subject *dir, const struct identity *what)
{
	struct entry *entry;
	int result;

	if (r->mount->options->nodelete)
		return err_set(&r->err, EPERM, "the mount was made with nodelete");
	if (r->mount->stage)
		return err_set(&r->err, EPERM, "an image is not staged: remove it in a mount without stage");
	result = images_remove(r, what);
	if (result < 0)
		return result;
	scope_lock(tree, dir->tree);
	entry = tree_find(dir->tree, dir->entry, r->unlink.name);
	dir->tree->changes++;
	/* The directory of a repository that lost its last tag stays known to the kernel for its time: rm -r ends with an rmdir. */
	if (entry)
		tree_renew(entry);
	return 0;
}

static int unlink_any(struct request *r, struct subject *dir, struct entry **held)
{
	cleanup_(snapshot_unrefp) struct snapshot *snapshot = NULL;
	struct identity what = { 0 };
	int64_t expires_ms;
	int result;

	if (unlink_local(r, dir) == UNLINK_DONE)
		return 0;
	if (r->mount->read_only)
		return -EROFS;
	result = r->mount->stage ? request_need_worker(r) : 0;
	if (result == 0)
		result = walk_identify(r, &dir->what, r->unlink.name, &what, &expires_ms);
	if (result == 0 && what.place == PLACE_IMAGE) {
		result = remove_image(r, dir, &what);
		identity_clear(&what);
		return result;
	}
	if (result == 0 && !(what.place == PLACE_RESOURCE && stage_is_id(what.id)))
		result = may_delete(r, dir, &what, &snapshot);
	if (result == 0)
		result = r->mount->stage ? stage_unlink(r, dir, &what) : unlink_resource(r, dir, &what, held);
	identity_clear(&what);
	return result;
}

int op_unlink(struct request *r)
{
	cleanup_subject_ struct subject dir = { 0 };
	struct entry *held = NULL;
	int result = subject_init(r, r->ino, &dir);

	if (result == 0)
		result = name_hold(r, &dir, r->unlink.name, &held);
	if (result == 0)
		result = unlink_any(r, &dir, &held);
	name_let_go(r, held);
	return result < 0 ? result : reply_ok(r);
}

/* ---- directories and symbolic links that the mount itself keeps ---- */

/* With the tree's lock: makes the entry, and the node that it is answered with. */
static int enter_local(struct request *r, const struct making *m, struct fuse_entry_param *e) REQUIRES(tree_locked)
{
	struct identity what = { .place = m->place };
	char *target = m->target ? strdup(m->target) : NULL;
	const struct stamp none = { 0 };
	struct tree *tree = m->dir->tree;
	struct entry *entry = m->target && !target ? NULL : tree_obtain(tree, m->dir->entry, m->name, &what);
	struct node *node;

	if (!entry) {
		free(target);
		return -ENOMEM;
	}
	entry->target = target;
	if (m->place == PLACE_SCRATCH_DIR)
		entry->set.mode = m->mode & 07777;
	entry_made_by(r, entry);
	tree_settle(tree, entry);
	node = tree_lookup(tree, entry, &none, 0, 0);
	if (node) {
		e->ino = node->id;
		stat_local(r->mount, entry, &e->attr);
	}
	entry_unref_locked(tree, entry);
	return node ? 0 : -ENOMEM;
}

int make_local(struct request *r, const struct making *m)
{
	struct tree *tree = m->dir->tree;
	struct fuse_entry_param e = { 0 };
	int result;

	tree_lock(tree);
	if (tree_find(tree, m->dir->entry, m->name))
		result = -EEXIST;
	else if (tree->locals_count >= TREE_LOCALS_MAX)
		result = -ENOSPC;
	else
		result = enter_local(r, m, &e);
	tree_unlock(tree);
	return result < 0 ? result : reply_entry(r, &e);
}

/* Emacs puts "USER@HOST.PID:BOOT" there. A target that is a path could lead who follows it out of the mount. */
static bool is_lock(const char *name, const char *target)
{
	return !strncmp(name, ".#", 2) && name[2] && !strchr(target, '/');
}

int op_symlink(struct request *r)
{
	const struct symlink_args *args = &r->symlink;
	cleanup_subject_ struct subject dir = { 0 };
	struct identity would = { 0 };
	int result = subject_init(r, r->ino, &dir);

	if (result == 0)
		result = walk_classify(r, &dir.what, args->name, &would, &r->err);
	if (result == 0 && would.place != PLACE_SCRATCH)
		result = err_set(&r->err, EPERM, "a resource is no symbolic link");
	if (result == 0 && !is_lock(args->name, args->target))
		result = err_set(&r->err, EPERM, "the only symbolic links are editors' locks: .#NAME, to what is no path");
	identity_clear(&would);
	if (result < 0)
		return result;
	return make_local(r, &(struct making){ .dir = &dir, .name = args->name, .place = PLACE_LINK, .target = args->target });
}

static char *target_of(struct tree *tree, const struct entry *entry)
{
	scope_lock(tree, tree);
	return entry->target ? strdup(entry->target) : NULL;
}

int op_readlink(struct request *r)
{
	cleanup_subject_ struct subject s = { 0 };
	cleanup_free_ char *target = NULL;
	int result = subject_init(r, r->ino, &s);

	if (result < 0)
		return result;
	if (s.what.place != PLACE_LINK)
		return -EINVAL;
	target = target_of(s.tree, s.entry);
	if (!target)
		return -ENOMEM;
	fuse_reply_readlink(r->fuse, target);
	return 0;
}
