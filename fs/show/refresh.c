#include "fs/show/refresh.h"

#include "fs/core/tell.h"
#include "fs/show/source.h"

void refresh_all(struct mount *mount)
{
	store_drop(mount->store, "");
	tell_all(mount);
}

void refresh_path(struct mount *mount, const char *path)
{
	cleanup_free_ char *dir = NULL;
	const struct kind *kind;

	while (*path == '/')
		path++;
	dir = strndup(path, strcspn(path, "/"));
	kind = dir && *dir ? kind_by_dir(NULL, dir) : NULL;
	if (!kind) {
		refresh_all(mount);
		return;
	}
	source_drop_kind(mount, kind);
	tell_all(mount);
}
