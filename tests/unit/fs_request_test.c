/* fs/core/request: what each operation's arguments say of its path. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fs/core/failures.h"
#include "fs/core/request.h"

struct fixture {
	struct tree *tree;
	struct mount mount;
	fuse_ino_t dir, other_dir, file;
};

/* The node of an entry that stays in the tree. */
static fuse_ino_t node_of(struct tree *tree, struct entry *parent, const char *name, struct identity what)
{
	const struct stamp none = { 0 };
	struct entry *entry;
	struct node *node;

	tree_lock(tree);
	entry = name ? tree_obtain(tree, parent, name, &what) : entry_ref(tree->root);
	assert_non_null(entry);
	node = tree_lookup(tree, entry, &none, 0, 0);
	assert_non_null(node);
	entry_unref_locked(tree, entry);
	tree_unlock(tree);
	return node->id;
}

static int begin(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	f->tree = f->mount.tree = tree_new();
	if (!f->tree)
		return -1;
	f->dir = node_of(f->tree, f->tree->root, NULL, (struct identity){ .place = PLACE_ROOT });
	f->other_dir = node_of(f->tree, f->tree->root, ".d", (struct identity){ .place = PLACE_SCRATCH_DIR });
	f->file = node_of(f->tree, f->tree->root, "f", (struct identity){ .place = PLACE_SCRATCH });
	*state = f;
	return 0;
}

static int end(void **state)
{
	struct fixture *f = *state;

	tree_free(f->tree);
	free(f);
	return 0;
}

static void check_path(struct request *r, const char *path)
{
	char *is = failures_request_path(r);

	assert_non_null(is);
	assert_string_equal(is, path);
	free(is);
}

static void test_names(void **state)
{
	struct fixture *f = *state;
	char name[] = "web.json", target[] = ".#web.json", attribute[] = "user.cfcfs.version", scratch[] = ".web.json.swp";

	/* A name in a directory is the path's end; an attribute's name and a link's target are not. */
	check_path(
		&(struct request){
			.op = &(struct op){ .tag = OP_LOOKUP }, .mount = &f->mount, .ino = f->dir, .lookup = { name } },
		"/web.json");
	check_path(
		&(struct request){
			.op = &(struct op){ .tag = OP_UNLINK }, .mount = &f->mount, .ino = f->other_dir, .unlink = { name } },
		"/.d/web.json");
	check_path(
		&(struct request){
			.op = &(struct op){ .tag = OP_MKDIR }, .mount = &f->mount, .ino = f->dir, .mkdir = { .name = name } },
		"/web.json");
	check_path(
		&(struct request){
			.op = &(struct op){ .tag = OP_CREATE }, .mount = &f->mount, .ino = f->dir, .create = { .name = name } },
		"/web.json");
	check_path(&(struct request){ .op = &(struct op){ .tag = OP_SYMLINK },
				      .mount = &f->mount,
				      .ino = f->dir,
				      .symlink = { .name = target, .target = name } },
		   "/.#web.json");
	check_path(&(struct request){ .op = &(struct op){ .tag = OP_GETXATTR },
				      .mount = &f->mount,
				      .ino = f->file,
				      .getxattr = { .attribute = attribute } },
		   "/f");
	check_path(
		&(struct request){
			.op = &(struct op){ .tag = OP_WRITE }, .mount = &f->mount, .ino = f->file, .write = { .data = name } },
		"/f");
	/* What a scratch file would have become, else what was renamed. */
	check_path(&(struct request){ .op = &(struct op){ .tag = OP_RENAME },
				      .mount = &f->mount,
				      .ino = f->dir,
				      .rename = { .name = scratch, .new_name = name, .new_dir = f->other_dir } },
		   "/.d/web.json");
	check_path(&(struct request){ .op = &(struct op){ .tag = OP_RENAME },
				      .mount = &f->mount,
				      .ino = f->dir,
				      .rename = { .name = name, .new_name = scratch, .new_dir = f->other_dir } },
		   "/web.json");
}

static void test_copies(void **state)
{
	struct request r = { 0 };
	char *copy = request_copy_text(&r, "a\xff");

	(void)state;
	assert_string_equal(copy, "a\xff");
	free(copy);
	/* Nothing is something: NULL is lack of memory alone. */
	copy = request_copy(&r, "", 0);
	assert_non_null(copy);
	free(copy);
	assert_false(r.no_memory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_names, begin, end),
		cmocka_unit_test(test_copies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
