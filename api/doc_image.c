/* Image references: short, and as the service answers them. */
#include "api/doc_value.h"

#define MANAGED        "registry.cloudflare.com"
#define ACCOUNT_DIGITS 32

/* The slash behind the registry's host, or NULL where the reference names none. */
static const char *host_end(const char *image)
{
	const char *slash = strchr(image, '/');
	size_t n = slash ? (size_t)(slash - image) : 0;

	if (!slash)
		return NULL;
	if (memchr(image, '.', n) || memchr(image, ':', n) || (n == 9 && memcmp(image, "localhost", 9) == 0))
		return slash;
	return NULL;
}

static bool has_namespace(const char *path)
{
	return strspn(path, "0123456789abcdef") == ACCOUNT_DIGITS && path[ACCOUNT_DIGITS] == '/';
}

/* What stands behind the managed registry's host, or NULL where the image is of another one. */
static const char *managed_path(const char *image)
{
	const char *end = host_end(image);

	if (!*image || strstr(image, "://"))
		return NULL;
	if (!end)
		return image;
	if ((size_t)(end - image) != strlen(MANAGED) || strncmp(image, MANAGED, strlen(MANAGED)) != 0)
		return NULL;
	return end + 1;
}

char *doc_image_long(const char *account_id, const char *image)
{
	const char *path = managed_path(image);

	if (!path)
		return strdup(image);
	if (!account_id || has_namespace(path))
		return text_new(MANAGED "/%s", path);
	return text_new(MANAGED "/%s/%s", account_id, path);
}

char *doc_image_shown(const char *account_id, const char *image)
{
	const char *path = managed_path(image);
	size_t n = account_id ? strlen(account_id) : 0;

	if (!path || !n || strncmp(path, account_id, n) != 0 || path[n] != '/')
		return strdup(image);
	path += n + 1;
	/* Without its namespace this one would be read as of another account. */
	if (!*path || has_namespace(path))
		return strdup(image);
	return text_new(MANAGED "/%s", path);
}
