/* The place of a value in a document, as messages name it: configuration.secrets[2].name. Private to api/doc_*.c. */
#pragma once

#include "api/base/buf.h"

/* Lives on the stack of the walk, each pointing at the one above; the top is NULL. */
struct doc_path {
	const struct doc_path *up;
	const char *name; /* NULL: an element of an array */
	size_t index;
};

#define PATH_TEXT_SIZE 200

/* Returns text. */
char *doc_path_text(const struct doc_path *path, char text[PATH_TEXT_SIZE]);
