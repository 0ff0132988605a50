#include "fs/core/below.h"

#include <errno.h>

struct below_name {
	char *name; /* owned */
	bool is_dir;
};

static int add_name(struct below *below, const char *name, size_t len, bool is_dir)
{
	if (below->count == below->room) {
		size_t room = below->room ? below->room * 2 : 16;
		struct below_name *names = reallocarray(below->names, room, sizeof(*names));

		if (!names)
			return -ENOMEM;
		below->names = names;
		below->room = room;
	}
	below->names[below->count].name = strndup(name, len);
	if (!below->names[below->count].name)
		return -ENOMEM;
	below->names[below->count++].is_dir = is_dir;
	return 0;
}

int below_add(struct below *below, const char *path, const char *dir)
{
	size_t dir_len = strlen(dir), len;
	const char *name;

	if (strncmp(path, dir, dir_len) != 0 || path[dir_len] != '/' || !path[dir_len + 1])
		return 0;
	name = path + dir_len + 1;
	len = strcspn(name, "/");
	for (size_t i = 0; i < below->count; i++) {
		struct below_name *known = &below->names[i];

		if (!strncmp(known->name, name, len) && !known->name[len]) {
			known->is_dir |= name[len] == '/';
			return 0;
		}
	}
	return add_name(below, name, len, name[len] == '/');
}

int below_each(const struct below *below, int (*each)(void *arg, const char *name, bool is_dir), void *arg)
{
	int r = 0;

	for (size_t i = 0; i < below->count && r == 0; i++)
		r = each(arg, below->names[i].name, below->names[i].is_dir);
	return r;
}

void below_clear(struct below *below)
{
	for (size_t i = 0; i < below->count; i++)
		free(below->names[i].name);
	free(below->names);
	*below = (struct below){ 0 };
}
