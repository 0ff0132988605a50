#include "fs/core/tree.h"

#include <errno.h>
#include <utlist.h>

#include "api/base/buf.h"
#include "api/base/clock.h"
#include "api/base/rand.h"
#include "fs/core/doomed.h"
#include "fs/core/draft.h"

#define KEY_PREFIX sizeof(struct entry *)
/* Numbers of what has no identity at the API yet; identities hash to the lower half. */
#define FRESH_INO_FIRST ((uint64_t)1 << 62)

/* ---- places ---- */

enum { DIR = 1, LOCAL = 2, CONTROL = 4, ACCOUNT = 8 };

static const unsigned char places[] = {
	[PLACE_ROOT] = DIR,
	[PLACE_COLLECTION] = DIR | ACCOUNT,
	[PLACE_RESOURCE_DIR] = DIR | ACCOUNT,
	[PLACE_PARTS] = DIR | ACCOUNT,
	[PLACE_RESOURCE] = ACCOUNT,
	[PLACE_LEAF] = ACCOUNT,
	[PLACE_PART] = ACCOUNT,
	[PLACE_IMAGES] = DIR | ACCOUNT,
	[PLACE_REPOSITORY] = DIR | ACCOUNT,
	[PLACE_IMAGE] = ACCOUNT,
	[PLACE_CONTROL_DIR] = DIR | CONTROL,
	[PLACE_CONTROL] = CONTROL,
	[PLACE_SCRATCH] = LOCAL,
	[PLACE_SCRATCH_DIR] = DIR | LOCAL,
	[PLACE_LINK] = LOCAL,
};
_Static_assert(array_len(places) == PLACES, "every place says what it is");

static bool place_is(enum place place, unsigned what)
{
	return invariant((size_t)place < array_len(places)) && places[place] & what;
}

bool place_is_dir(enum place place)
{
	return place_is(place, DIR);
}

bool place_is_local(enum place place)
{
	return place_is(place, LOCAL);
}

bool place_is_control(enum place place)
{
	return place_is(place, CONTROL);
}

bool place_is_of_account(enum place place)
{
	return place_is(place, ACCOUNT);
}

/* ---- identities ---- */

void identity_clear(struct identity *what)
{
	free(what->id);
	free(what->parent_id);
	free(what->grandparent_id);
	what->id = what->parent_id = what->grandparent_id = NULL;
}

static int copy_text(const char *from, char **ret)
{
	*ret = from ? strdup(from) : NULL;
	return from && !*ret ? -ENOMEM : 0;
}

int identity_copy(const struct identity *what, struct identity *ret)
{
	struct identity copy = *what;
	int r;

	copy.id = copy.parent_id = copy.grandparent_id = NULL;
	r = copy_text(what->id, &copy.id);
	if (r == 0)
		r = copy_text(what->parent_id, &copy.parent_id);
	if (r == 0)
		r = copy_text(what->grandparent_id, &copy.grandparent_id);
	if (r < 0)
		identity_clear(&copy);
	else
		*ret = copy;
	return r;
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

bool identity_equal(const struct identity *a, const struct identity *b)
{
	return a->place == b->place && a->kind == b->kind && a->leaf == b->leaf && a->part == b->part &&
	       a->control == b->control && same_text(a->id, b->id) && same_text(a->parent_id, b->parent_id);
}

const char *entry_name(const struct entry *entry)
{
	return entry->key + KEY_PREFIX;
}

static char *make_key(const struct entry *parent, const char *name, size_t *ret_len)
{
	size_t n = strlen(name);
	char *key = malloc(KEY_PREFIX + n + 1);

	if (!key)
		return NULL;
	memcpy(key, &parent, KEY_PREFIX);
	memcpy(key + KEY_PREFIX, name, n + 1);
	*ret_len = KEY_PREFIX + n;
	return key;
}

bool entry_is_dir(const struct entry *entry)
{
	return place_is_dir(entry->what.place);
}

uint64_t tree_fresh_ino(struct tree *tree)
{
	tree_assert_locked(tree);
	return tree->next_ino++;
}

/* The same resource has the same number in every mount and after every remount. 0: it has none of its own. */
static uint64_t identity_ino(const struct identity *what, const char *name)
{
	cleanup_buf_ struct buf b = BUF_INIT;
	const char *leaf = what->leaf ? what->leaf->name : what->part ? what->part->name : "";
	int r;

	if (what->place == PLACE_ROOT)
		return FUSE_ROOT_ID;
	if (place_is_local(what->place) || (what->place == PLACE_RESOURCE && !what->id))
		return 0;
	if (place_is_control(what->place))
		r = buf_addf(&b, "%d %s", what->place, what->id ? what->id : name);
	else
		r = buf_addf(&b, "%d %s %s %s %s", what->place, what->kind ? what->kind->name : "",
			     what->parent_id ? what->parent_id : "", what->id ? what->id : "", leaf);
	return r < 0 ? 0 : (hash64(b.data, b.len) & (FRESH_INO_FIRST - 1)) | 2;
}

static uint64_t new_ino(struct tree *tree, const struct identity *what, const char *name) REQUIRES(tree_locked)
{
	uint64_t ino = identity_ino(what, name);

	return ino ? ino : tree_fresh_ino(tree);
}

uint64_t tree_ino(struct tree *tree, struct entry *parent, const char *name, const struct identity *what)
{
	struct entry *entry = tree_find(tree, parent, name);

	tree_assert_locked(tree);
	return entry ? entry->ino : what ? identity_ino(what, name) : 0;
}

void tree_identify(struct tree *tree, struct entry *entry, const char *id)
{
	tree_assert_locked(tree);
	if (entry->what.id && !strcmp(entry->what.id, id))
		return;
	free(entry->what.id);
	entry->what.id = strdup(id);
	entry->ino = new_ino(tree, &entry->what, entry_name(entry));
}

static void entry_destroy_locked(struct tree *tree, struct entry *entry) REQUIRES(tree_locked)
{
	tree_assert_locked(tree);
	if (!entry->unlinked)
		HASH_DEL(tree->entries, entry);
	draft_unref(entry->draft);
	doomed_free(entry->doomed);
	identity_clear(&entry->what);
	turn_destroy(&entry->turn);
	free(entry->key);
	free(entry->target);
	free(entry->backup_of);
	free(entry);
}

/* With the root, and its node, which is taken over. */
static bool begin(struct tree *tree, struct node *node)
{
	struct identity root = { .place = PLACE_ROOT };

	scope_lock(tree, tree);
	tree->next_id = FUSE_ROOT_ID + 1;
	tree->next_ino = FRESH_INO_FIRST;
	tree->root = tree_obtain(tree, NULL, "", &root);
	if (!tree->root)
		return false;
	HASH_ADD(hh, tree->nodes, id, sizeof(node->id), node);
	if (!node->hh.tbl) {
		entry_unref_locked(tree, tree->root);
		return false;
	}
	node->lookups = 1;
	node->entry = entry_ref(tree->root);
	tree->root->current = node;
	return true;
}

struct tree *tree_new(void)
{
	struct tree *tree = calloc(1, sizeof(*tree));
	struct node *node = calloc(1, sizeof(*node));

	if (!tree || !node)
		goto fail;
	lock_init(&tree->lock);
	node->id = FUSE_ROOT_ID;
	if (begin(tree, node))
		return tree;
	lock_destroy(&tree->lock);
fail:
	free(node);
	free(tree);
	return NULL;
}

struct tree *tree_free(struct tree *tree)
{
	struct node *node, *next_node;
	struct entry *entry, *next_entry;

	if (!tree)
		return NULL;
	tree_lock(tree);
	HASH_ITER(hh, tree->nodes, node, next_node) {
		HASH_DEL(tree->nodes, node);
		body_unref(node->bytes);
		/* With the last node goes an entry that has lost its name, and is in no table. */
		entry_unref_locked(tree, node->entry);
		free(node);
	}
	HASH_ITER(hh, tree->entries, entry, next_entry)
		entry_destroy_locked(tree, entry);
	tree_unlock(tree);
	lock_destroy(&tree->lock);
	free(tree);
	return NULL;
}

struct node *tree_node(struct tree *tree, fuse_ino_t id)
{
	struct node *node;

	tree_assert_locked(tree);
	HASH_FIND(hh, tree->nodes, &id, sizeof(id), node);
	return node;
}

struct entry *tree_find(struct tree *tree, struct entry *parent, const char *name)
{
	char small[KEY_PREFIX + 256];
	struct entry *entry;
	size_t n = strlen(name);

	tree_assert_locked(tree);
	if (n > 255)
		return NULL;
	memcpy(small, &parent, KEY_PREFIX);
	memcpy(small + KEY_PREFIX, name, n);
	HASH_FIND(hh, tree->entries, small, KEY_PREFIX + n, entry);
	return entry;
}

struct entry *entry_ref(struct entry *entry)
{
	entry->refs++;
	return entry;
}

struct entry *entry_unref_locked(struct tree *tree, struct entry *entry)
{
	tree_assert_locked(tree);
	while (entry && --entry->refs == 0) {
		struct entry *parent = entry->parent;

		entry_destroy_locked(tree, entry);
		entry = parent;
	}
	return NULL;
}

void entry_release(struct tree *tree, struct entry *entry)
{
	if (!entry)
		return;
	scope_lock(tree, tree);
	entry_unref_locked(tree, entry);
}

struct entry *tree_obtain(struct tree *tree, struct entry *parent, const char *name, struct identity *what)
{
	struct entry *entry = tree_find(tree, parent, name);
	size_t len;

	tree_assert_locked(tree);
	if (entry && (identity_equal(&entry->what, what) || (entry->draft && entry->what.kind == what->kind))) {
		identity_clear(what);
		return entry_ref(entry);
	}
	if (entry)
		tree_unlink(tree, entry);
	entry = calloc(1, sizeof(*entry));
	if (!entry || !(entry->key = make_key(parent, name, &len))) {
		free(entry);
		identity_clear(what);
		return NULL;
	}
	turn_init(&entry->turn);
	entry->refs = 1;
	entry->parent = parent ? entry_ref(parent) : NULL;
	entry->what = *what;
	what->id = what->parent_id = what->grandparent_id = NULL;
	entry->ino = new_ino(tree, &entry->what, entry_name(entry));
	entry->mtime_ns = clock_wall_ns();
	entry->set = entry->made = ATTRIBUTES_NONE;
	HASH_ADD_KEYPTR(hh, tree->entries, entry->key, len, entry);
	if (!entry->hh.tbl) {
		entry->unlinked = true;
		entry_unref_locked(tree, entry);
		return NULL;
	}
	return entry;
}

static bool stamp_equal(const struct stamp *a, const struct stamp *b)
{
	return a->snapshot_hash == b->snapshot_hash && a->keys_serial == b->keys_serial && a->kept_serial == b->kept_serial;
}

struct node *tree_lookup(struct tree *tree, struct entry *entry, const struct stamp *stamp, uint64_t content, int64_t size)
{
	struct node *node = entry->current;

	tree_assert_locked(tree);
	if (node &&
	    (node->version.content == content || stamp_equal(&node->version.stamp, stamp) || entry_is_dir(entry) || !content)) {
		node->version.stamp = *stamp;
		node->lookups++;
		return node;
	}
	/* No page was ever cached of a draft's node, so it can stand for what the draft became. */
	if (node && !node->version.content && !node->cached) {
		node->version.stamp = *stamp;
		node->version.content = content;
		node->version.size = size;
		node->version.follows = false;
		node->lookups++;
		return node;
	}
	node = calloc(1, sizeof(*node));
	if (!node)
		return NULL;
	node->id = tree->next_id++;
	node->lookups = 1;
	node->entry = entry_ref(entry);
	node->version.stamp = *stamp;
	node->version.content = content;
	node->version.size = size;
	HASH_ADD(hh, tree->nodes, id, sizeof(node->id), node);
	if (!node->hh.tbl) {
		entry_unref_locked(tree, entry);
		free(node);
		return NULL;
	}
	node->redirected = entry->renewed;
	node->reread = entry->reread;
	entry->renewed = entry->reread = false;
	entry->current = node;
	return node;
}

bool tree_known(const struct entry *entry, struct version *ret)
{
	if (!entry->current)
		return false;
	*ret = entry->current->version;
	return true;
}

void tree_rebind(struct tree *tree, struct node *node, struct entry *entry)
{
	struct entry *old = node->entry;

	tree_assert_locked(tree);
	if (old == entry)
		return;
	if (old->current == node)
		old->current = NULL;
	node->entry = entry_ref(entry);
	node->version.content = 0;
	node->version.stamp = (struct stamp){ 0 };
	entry->current = node;
	entry_unref_locked(tree, old);
}

void tree_renew(struct entry *entry)
{
	entry->current = NULL;
	entry->renewed = true;
}

void tree_follow(struct node *node)
{
	node->version.follows = true;
	node->version.content = 0;
	node->version.stamp = (struct stamp){ 0 };
}

void tree_forget(struct tree *tree, fuse_ino_t id, uint64_t lookups)
{
	struct node *node = tree_node(tree, id);

	tree_assert_locked(tree);
	if (!node || id == FUSE_ROOT_ID)
		return;
	node->lookups = lookups < node->lookups ? node->lookups - lookups : 0;
	if (node->lookups || node->opens)
		return;
	HASH_DEL(tree->nodes, node);
	if (node->entry->current == node)
		node->entry->current = NULL;
	entry_unref_locked(tree, node->entry);
	body_unref(node->bytes);
	free(node);
}

static bool wants_local(const struct entry *entry) REQUIRES(tree_locked)
{
	if (entry->unlinked)
		return false;
	return entry->draft || entry->hide != HIDE_NONE || entry->what.place == PLACE_SCRATCH ||
	       entry->what.place == PLACE_SCRATCH_DIR || entry->what.place == PLACE_LINK;
}

void tree_settle(struct tree *tree, struct entry *entry)
{
	bool wanted = wants_local(entry);

	tree_assert_locked(tree);
	if (!entry->parent)
		return;
	entry->parent->local_serial++;
	entry->parent->mtime_ns = clock_wall_ns();
	if (wanted == entry->local)
		return;
	entry->local = wanted;
	if (wanted) {
		DL_APPEND(entry->parent->locals, entry);
		tree->locals_count++;
		entry_ref(entry);
	} else {
		DL_DELETE(entry->parent->locals, entry);
		tree->locals_count--;
		entry_unref_locked(tree, entry);
	}
}

void tree_unlink(struct tree *tree, struct entry *entry)
{
	tree_assert_locked(tree);
	if (entry->unlinked)
		return;
	entry_ref(entry);
	HASH_DEL(tree->entries, entry);
	entry->unlinked = true;
	tree_settle(tree, entry);
	entry_unref_locked(tree, entry);
}

int tree_move(struct tree *tree, struct entry *entry, struct entry *parent, const char *name)
{
	struct entry *old = tree_find(tree, parent, name), *old_parent = entry->parent;
	size_t len;
	int result;
	char *key;

	tree_assert_locked(tree);
	if (old == entry)
		return 0;
	key = make_key(parent, name, &len);
	if (!key)
		return -ENOMEM;
	entry_ref(entry);
	if (old)
		tree_unlink(tree, old);
	tree_unlink(tree, entry);
	/* gcc's analyzer does not count references: there is one of ours. */
#ifndef __clang__
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wanalyzer-double-free"
#pragma GCC diagnostic ignored "-Wanalyzer-use-after-free"
#endif
	free(entry->key);
#ifndef __clang__
#pragma GCC diagnostic pop
#endif
	entry->key = key;
	entry->parent = entry_ref(parent);
	HASH_ADD_KEYPTR(hh, tree->entries, entry->key, len, entry);
	/* Without memory for it no name leads to it any more. */
	entry->unlinked = !entry->hh.tbl;
	result = entry->unlinked ? -ENOMEM : 0;
	tree_settle(tree, entry);
	entry_unref_locked(tree, old_parent);
	entry_unref_locked(tree, entry);
	return result;
}

static void add_path(const struct entry *entry, struct buf *out) REQUIRES(tree_locked)
{
	if (!entry->parent)
		return;
	add_path(entry->parent, out);
	buf_addc(out, '/');
	buf_adds(out, entry_name(entry));
}

char *entry_path_locked(const struct entry *entry, const char *name)
{
	cleanup_buf_ struct buf out = BUF_INIT;

	add_path(entry, &out);
	if (name) {
		buf_addc(&out, '/');
		buf_adds(&out, name);
	}
	if (!out.len)
		buf_addc(&out, '/');
	return buf_steal(&out);
}

char *entry_path(struct tree *tree, const struct entry *entry, const char *name)
{
	scope_lock(tree, tree);
	return entry_path_locked(entry, name);
}
