#include "fs/core/tell.h"

#include "fs/core/notify.h"
#include "fs/core/tree.h"

static fuse_ino_t node_of(const struct entry *entry) REQUIRES(tree_locked)
{
	return entry && entry->current ? entry->current->id : 0;
}

void tell_dir_locked(struct mount *mount, const struct entry *entry)
{
	const struct kind *kind = entry->what.kind;
	const char *name = entry_name(entry);
	cleanup_free_ char *dir = NULL;
	fuse_ino_t parent = node_of(entry->parent);

	if (!parent || !kind || entry->what.place != PLACE_RESOURCE || !kind_has_dir(kind) ||
	    strlen(name) <= strlen(kind->suffix))
		return;
	dir = strndup(name, strlen(name) - strlen(kind->suffix));
	if (dir)
		notify_entry(mount->notifier, parent, dir);
}

void tell_file_locked(struct mount *mount, const struct entry *dir)
{
	fuse_ino_t parent = node_of(dir->parent);
	cleanup_free_ char *file = NULL;

	if (!parent || dir->what.place != PLACE_RESOURCE_DIR ||
	    text_format(&file, "%s%s", entry_name(dir), dir->what.kind->suffix) < 0)
		return;
	notify_entry(mount->notifier, parent, entry_name(dir));
	notify_entry(mount->notifier, parent, file);
}

void tell_all(struct mount *mount)
{
	struct node *node, *next;

	scope_lock(tree, mount->tree);
	mount->tree->changes++;
	HASH_ITER(hh, mount->tree->nodes, node, next) {
		struct entry *e = node->entry;

		if (e->parent && e->parent->current && !e->unlinked)
			notify_entry(mount->notifier, e->parent->current->id, entry_name(e));
		if (entry_is_dir(e))
			notify_inode(mount->notifier, node->id, true);
	}
}
