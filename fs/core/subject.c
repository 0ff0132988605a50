#include "fs/core/subject.h"

#include <errno.h>

#include "fs/core/draft.h"

int subject_init(struct request *r, fuse_ino_t ino, struct subject *ret)
{
	struct node *node;
	int result;

	*ret = (struct subject){ .tree = r->mount->tree };
	scope_lock(tree, ret->tree);
	node = tree_node(ret->tree, ino);
	if (!node)
		return -ESTALE;
	result = identity_copy(&node->entry->what, &ret->what);
	if (result < 0)
		return result;
	ret->node = node->id;
	ret->open = node->opens > 0;
	ret->version = node->version;
	ret->ino = node->entry->ino;
	ret->entry = entry_ref(node->entry);
	ret->draft = node->entry->draft ? draft_ref(node->entry->draft) : NULL;
	return 0;
}

void subject_clear(struct subject *s)
{
	if (!s->tree)
		return;
	draft_unref(s->draft);
	identity_clear(&s->what);
	entry_release(s->tree, s->entry);
	*s = (struct subject){ 0 };
}
