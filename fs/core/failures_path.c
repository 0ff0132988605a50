#include "api/base/name.h"
#include "fs/core/failures.h"
#include "fs/core/request.h"

/*
 * A rename of a scratch file speaks of the resource that it would have become; any other rename of what was renamed.
 */
char *failures_request_path(struct request *r)
{
	struct tree *tree = r->mount->tree;
	const char *name = request_name(r);
	fuse_ino_t ino = r->ino;
	struct node *node;

	if (r->op->tag == OP_RENAME && name_is_scratch(name)) {
		name = r->rename.new_name;
		ino = r->rename.new_dir;
	}
	scope_lock(tree, tree);
	node = tree_node(tree, ino);
	return node ? entry_path_locked(node->entry, name) : NULL;
}
