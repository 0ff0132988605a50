#include "fs/ops/handle.h"

#include "fs/ops/op_dir.h"

struct handle *handle_new(struct request *r, struct entry *entry, const struct identity *what, fuse_ino_t node)
{
	struct handle *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	if (identity_copy(what, &h->what) < 0) {
		free(h);
		return NULL;
	}
	turn_init(&h->turn);
	h->node = node;
	scope_lock(tree, r->mount->tree);
	h->entry = entry_ref(entry);
	return h;
}

void handle_free(struct tree *tree, struct handle *h)
{
	if (!h)
		return;
	dir_listing_free(h->listing);
	view_clear(&h->view);
	draft_unref(h->draft);
	identity_clear(&h->what);
	entry_release(tree, h->entry);
	turn_destroy(&h->turn);
	free(h);
}
