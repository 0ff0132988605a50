/* fs/core/tree: entries and nodes, places and numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>

#include "fs/core/draft.h"
#include "fs/core/tree.h"

static const struct kind *apps(void)
{
	return kind_by_dir(NULL, "applications");
}

static struct identity resource(const char *id)
{
	return (struct identity){ .place = PLACE_RESOURCE, .kind = apps(), .id = id ? strdup(id) : NULL };
}

static struct entry *obtain(struct tree *tree, struct entry *parent, const char *name, struct identity what)
{
	struct entry *entry = tree_obtain(tree, parent, name, &what);

	assert_non_null(entry);
	return entry;
}

static int begin(void **state)
{
	struct tree *tree = tree_new();

	if (!tree)
		return -1;
	tree_lock(tree);
	*state = tree;
	return 0;
}

static int end(void **state)
{
	struct tree *tree = *state;

	tree_unlock(tree);
	tree_free(tree);
	return 0;
}

static void test_places(void **state)
{
	unsigned kinds_of = 0;

	(void)state;
	for (enum place p = 0; p < PLACES; p++) {
		kinds_of = (unsigned)place_is_local(p) + place_is_control(p) + place_is_of_account(p);
		assert_int_equal(kinds_of, p == PLACE_ROOT ? 0 : 1);
	}
	assert_true(place_is_dir(PLACE_ROOT) && place_is_dir(PLACE_SCRATCH_DIR) && place_is_dir(PLACE_CONTROL_DIR));
	assert_false(place_is_dir(PLACE_RESOURCE) || place_is_dir(PLACE_LINK) || place_is_dir(PLACE_CONTROL));
}

static void test_numbers(void **state)
{
	struct tree *tree = *state;
	struct identity what = { .place = PLACE_RESOURCE, .kind = apps(), .id = (char[]){ "id-1" } };
	uint64_t before = tree_ino(tree, tree->root, "web.json", &what), scratch_ino;
	struct entry *web = obtain(tree, tree->root, "web.json", resource("id-1")), *draft, *scratch;

	/* The same before it is looked up and after, and under every name; another for another resource. */
	assert_int_equal(web->ino, before);
	assert_int_equal(tree_ino(tree, tree->root, "other.json", &what), before);
	what.id = (char[]){ "id-2" };
	assert_int_not_equal(tree_ino(tree, tree->root, "other.json", &what), before);
	/* What has no identity gets a number with its entry. */
	what = (struct identity){ .place = PLACE_SCRATCH };
	assert_int_equal(tree_ino(tree, tree->root, ".s", &what), 0);
	scratch = obtain(tree, tree->root, ".s", what);
	scratch_ino = scratch->ino;
	assert_int_equal(tree_ino(tree, tree->root, ".s", &what), scratch_ino);
	/* A draft that was sent has the number that it has in every mount. */
	draft = obtain(tree, tree->root, "new.json", resource(NULL));
	assert_int_not_equal(draft->ino, scratch_ino);
	tree_identify(tree, draft, "id-1");
	assert_int_equal(draft->ino, before);
	entry_unref_locked(tree, web);
	entry_unref_locked(tree, scratch);
	entry_unref_locked(tree, draft);
}

static void test_obtain_finds_or_replaces(void **state)
{
	struct tree *tree = *state;
	struct entry *one = obtain(tree, tree->root, "web.json", resource("1")), *same, *other;

	same = obtain(tree, tree->root, "web.json", resource("1"));
	assert_ptr_equal(one, same);
	other = obtain(tree, tree->root, "web.json", resource("2"));
	assert_ptr_not_equal(one, other);
	assert_true(one->unlinked);
	assert_ptr_equal(tree_find(tree, tree->root, "web.json"), other);
	entry_unref_locked(tree, one);
	entry_unref_locked(tree, same);
	entry_unref_locked(tree, other);
	assert_null(tree_find(tree, tree->root, "web.json"));
}

static void test_versions_are_nodes(void **state)
{
	struct tree *tree = *state;
	struct entry *web = obtain(tree, tree->root, "web.json", resource("1"));
	const struct stamp old = { .snapshot_hash = 1 }, new = { .snapshot_hash = 2 };
	struct node *a = tree_lookup(tree, web, &old, 100, 5), *b;

	a->cached = true;
	assert_ptr_equal(tree_lookup(tree, web, &old, 100, 5), a);
	/* The same bytes of another snapshot are the same version. */
	assert_ptr_equal(tree_lookup(tree, web, &new, 100, 5), a);
	b = tree_lookup(tree, web, &(struct stamp){ .snapshot_hash = 3 }, 200, 6);
	assert_ptr_not_equal(a, b);
	assert_ptr_equal(web->current, b);
	assert_ptr_equal(tree_node(tree, a->id), a);
	/* Open, the old version stays; forgotten and closed, it goes. */
	a->opens = 1;
	tree_forget(tree, a->id, 3);
	assert_ptr_equal(tree_node(tree, a->id), a);
	a->opens = 0;
	tree_forget(tree, a->id, 0);
	assert_ptr_equal(web->current, b);
	tree_renew(web);
	assert_ptr_not_equal(tree_lookup(tree, web, &(struct stamp){ .snapshot_hash = 3 }, 200, 6), b);
	entry_unref_locked(tree, web);
}

static void test_a_draft_s_node_stands_for_what_it_became(void **state)
{
	struct tree *tree = *state;
	struct entry *web = obtain(tree, tree->root, "web.json", resource(NULL));
	struct node *node = tree_lookup(tree, web, &(struct stamp){ 0 }, 0, 0);

	assert_ptr_equal(tree_lookup(tree, web, &(struct stamp){ .snapshot_hash = 1 }, 100, 5), node);
	assert_int_equal(node->version.content, 100);
	entry_unref_locked(tree, web);
}

static void test_locals(void **state)
{
	struct tree *tree = *state;
	struct entry *web = obtain(tree, tree->root, "web.json", resource("1"));

	tree_settle(tree, web);
	assert_int_equal(tree->locals_count, 0);
	web->draft = draft_new();
	tree_settle(tree, web);
	assert_true(web->local);
	assert_ptr_equal(tree->root->locals, web);
	web->draft = draft_unref(web->draft);
	web->hide = HIDE_DELETE;
	tree_settle(tree, web);
	assert_true(web->local);
	web->hide = HIDE_NONE;
	tree_settle(tree, web);
	assert_false(web->local);
	assert_int_equal(tree->locals_count, 0);
	entry_unref_locked(tree, web);
}

static void test_moves_and_paths(void **state)
{
	struct tree *tree = *state;
	struct entry *dir =
		obtain(tree, tree->root, "applications", (struct identity){ .place = PLACE_COLLECTION, .kind = apps() });
	struct entry *a = obtain(tree, dir, ".a", (struct identity){ .place = PLACE_SCRATCH });
	struct entry *b = obtain(tree, dir, ".b", (struct identity){ .place = PLACE_SCRATCH });
	cleanup_free_ char *path = NULL, *root = entry_path_locked(tree->root, NULL), *below = entry_path_locked(dir, "x.json");

	tree_settle(tree, a);
	tree_settle(tree, b);
	assert_int_equal(tree->locals_count, 2);
	assert_int_equal(tree_move(tree, a, dir, ".b"), 0);
	assert_true(b->unlinked);
	assert_null(tree_find(tree, dir, ".a"));
	assert_ptr_equal(tree_find(tree, dir, ".b"), a);
	assert_int_equal(tree->locals_count, 1);
	path = entry_path_locked(a, NULL);
	assert_string_equal(path, "/applications/.b");
	assert_string_equal(root, "/");
	assert_string_equal(below, "/applications/x.json");
	tree_unlink(tree, a);
	assert_int_equal(tree->locals_count, 0);
	entry_unref_locked(tree, a);
	entry_unref_locked(tree, b);
	entry_unref_locked(tree, dir);
}

/* What the kernel has not forgotten when the mount ends; a sanitizer tells of what is left. */
static void test_ends_with_a_node_whose_name_is_gone(void **state)
{
	struct tree *tree = *state;
	struct entry *file = obtain(tree, tree->root, "web.json", resource("1"));
	const struct stamp none = { 0 };

	assert_non_null(tree_lookup(tree, file, &none, 1, 1));
	tree_unlink(tree, file);
	entry_unref_locked(tree, file);
	assert_null(tree_find(tree, tree->root, "web.json"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_places),
		cmocka_unit_test_setup_teardown(test_numbers, begin, end),
		cmocka_unit_test_setup_teardown(test_obtain_finds_or_replaces, begin, end),
		cmocka_unit_test_setup_teardown(test_versions_are_nodes, begin, end),
		cmocka_unit_test_setup_teardown(test_a_draft_s_node_stands_for_what_it_became, begin, end),
		cmocka_unit_test_setup_teardown(test_locals, begin, end),
		cmocka_unit_test_setup_teardown(test_moves_and_paths, begin, end),
		cmocka_unit_test_setup_teardown(test_ends_with_a_node_whose_name_is_gone, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
