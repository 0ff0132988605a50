#include "fs/show/foreign.h"

#include "fs/core/notify.h"
#include "fs/core/tell.h"
#include "fs/core/tree.h"
#include "fs/show/offers.h"
#include "fs/show/source.h"

static const struct list_item *item_of(const struct list *list, const char *id)
{
	return list && id ? list_by_id(list, id) : NULL;
}

/* Whether several have its name, so that one's coming or going may rename another. */
static bool is_crowded(const struct list *list, const struct list_item *item)
{
	const struct list_item *first = item ? list_by_name(list, item->snapshot->name) : NULL;

	return first && (first != item || strchr(item->file_name, '~'));
}

/* A change as the tree is gone through for it. */
struct news {
	struct mount *mount;
	const void *row;  /* the kind whose list it is in; NULL: not known */
	const char *id;   /* NULL: all of the list */
	const char *file; /* its file name from now on; NULL: it has none */
	bool moved;       /* it came, went or has another name */
};

static fuse_ino_t dir_of(const struct entry *entry) REQUIRES(tree_locked)
{
	return entry->parent && entry->parent->current && !entry->unlinked ? entry->parent->current->id : 0;
}

/* Its name, and that of its directory, may have been looked for in vain. */
static void tell_new_names(const struct news *n, const struct kind *kind, fuse_ino_t dir)
{
	size_t len = strlen(n->file), suffix = strlen(kind->suffix);
	cleanup_free_ char *own = len > suffix ? strndup(n->file, len - suffix) : NULL;

	notify_entry(n->mount->notifier, dir, n->file);
	if (own && kind_has_dir(kind))
		notify_entry(n->mount->notifier, dir, own);
}

static bool is_below(const struct entry *entry, const char *id) REQUIRES(tree_locked)
{
	const struct identity *what = &entry->what;

	return (what->id && !strcmp(what->id, id)) || (what->parent_id && !strcmp(what->parent_id, id));
}

static void tell_node(const struct news *n, const struct node *node) REQUIRES(tree_locked)
{
	const struct entry *e = node->entry;
	bool listed = e->what.kind && n->row && source_list_kind(e->what.kind) == n->row;
	fuse_ino_t dir = dir_of(e);

	if (e->what.place == PLACE_COLLECTION && listed) {
		notify_inode(n->mount->notifier, node->id, true);
		if (n->file && n->moved)
			tell_new_names(n, e->what.kind, node->id);
		return;
	}
	if (!dir || !(n->id ? is_below(e, n->id) : listed))
		return;
	/* Who works in a directory that stays keeps it; what is in it is told by itself. */
	if (!entry_is_dir(e) || n->moved)
		notify_entry(n->mount->notifier, dir, entry_name(e));
}

static void tell_news(const struct news *n)
{
	struct tree *tree = n->mount->tree;
	struct node *node, *next;

	scope_lock(tree, tree);
	tree->changes++;
	HASH_ITER(hh, tree->nodes, node, next)
		tell_node(n, node);
}

static void tell_parts(struct mount *mount)
{
	struct node *node, *next;

	scope_lock(tree, mount->tree);
	HASH_ITER(hh, mount->tree->nodes, node, next) {
		fuse_ino_t dir = dir_of(node->entry);

		if (dir && node->entry->what.place == PLACE_PART)
			notify_entry(mount->notifier, dir, entry_name(node->entry));
	}
}

static void tell_item(struct mount *mount, const struct store_foreign *f)
{
	const struct list_item *was = item_of(f->before, f->id), *is = item_of(f->after, f->id);
	struct news news = { .mount = mount, .row = f->row, .id = f->id, .file = is ? is->file_name : NULL };

	news.moved = was && is ? strcmp(was->file_name, is->file_name) != 0 : was != is;
	if (is_crowded(f->before, was) || is_crowded(f->after, is))
		tell_all(mount);
	else
		tell_news(&news);
}

void foreign_change(void *arg, const struct store_foreign *f)
{
	struct mount *mount = arg;
	const char *last = f->key ? strrchr(f->key, '/') : NULL;

	if (!f->key) {
		tell_all(mount);
	} else if (f->id) {
		tell_item(mount, f);
	} else if (f->key[0] == 'P') {
		tell_parts(mount);
	} else if (f->key[0] == 'L') {
		const struct news news = { .mount = mount, .row = f->row };

		/* Nobody here has asked for it yet: nobody believes anything of it. */
		if (f->row)
			tell_news(&news);
	} else if (last) {
		const struct news news = { .mount = mount, .id = last + 1 };

		tell_news(&news);
	}
}

void foreign_arrival(void *arg, const void *row, const char *key, const struct store_value *value)
{
	if (value->snapshot)
		source_arrived(arg, row, key, value->snapshot);
}

const char *foreign_variant(void *arg, const void *row, const char *key)
{
	const struct mount *mount = arg;
	const struct kind *kind = row;

	return key[0] == 'L' && kind->list_active && mount->options->instances_all ? "all" : NULL;
}

void foreign_row(void *arg, const struct state_row *row)
{
	struct mount *mount = arg;
	const struct news news = { .mount = mount, .id = row->id };

	if (!strcmp(row->table, "offers") && row->value)
		offers_learn(mount->offers, row->id, row->value, row->len);
	/* What a file shows is made of these, too. */
	if (!strcmp(row->table, "intents") || !strcmp(row->table, "names"))
		tell_news(&news);
}
