#include "api/doc_path.h"

static size_t append(const struct doc_path *path, char text[PATH_TEXT_SIZE])
{
	size_t n = path->up ? append(path->up, text) : 0;
	int more;

	if (!path->name)
		more = snprintf(text + n, PATH_TEXT_SIZE - n, "[%zu]", path->index);
	else
		more = snprintf(text + n, PATH_TEXT_SIZE - n, "%s%.60s", n ? "." : "", path->name);
	n += more > 0 ? (size_t)more : 0;
	return n < PATH_TEXT_SIZE ? n : PATH_TEXT_SIZE - 1;
}

char *doc_path_text(const struct doc_path *path, char text[PATH_TEXT_SIZE])
{
	text[0] = '\0';
	if (path)
		append(path, text);
	return text;
}
