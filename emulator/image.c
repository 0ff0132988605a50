/* Image references, and the preparation of images. */
#include <errno.h>
#include <sodium.h>

#include "emulator/route.h"
#include "emulator/world.h"

#define MANAGED           "registry.cloudflare.com"
#define PREPARED_AFTER_MS 3000

/* Where the host ends ("docker.io/…"), or NULL where the reference has none. */
static const char *host_end(const char *image)
{
	const char *slash = strchr(image, '/');
	size_t len = slash ? (size_t)(slash - image) : 0;

	if (!slash)
		return NULL;
	if (memchr(image, '.', len) || memchr(image, ':', len) || (len == 9 && strncmp(image, "localhost", 9) == 0))
		return slash;
	return NULL;
}

bool image_proto(const char *image, char *ret_proto, size_t size)
{
	const char *end = strstr(image, "://");

	if (!end || end == image)
		return false;
	snprintf(ret_proto, size, "%.*s", (int)(end - image), image);
	return true;
}

static bool starts_with_account(const char *path)
{
	return strspn(path, "0123456789abcdef") == 32 && path[32] == '/';
}

char *image_long(const char *account, const char *image)
{
	const char *host = host_end(image), *rest = image;
	char proto[64];

	if (image_proto(image, proto, sizeof(proto)) || !*image)
		return strdup(image);
	if (host) {
		if ((size_t)(host - image) != strlen(MANAGED) || strncmp(image, MANAGED, strlen(MANAGED)) != 0)
			return strdup(image);
		rest = host + 1;
	}
	if (starts_with_account(rest))
		return text_new(MANAGED "/%s", rest);
	return text_new(MANAGED "/%s/%s", account, rest);
}

static bool good_name(const char *name)
{
	if (!*name || *name == '/' || *name == '-' || *name == '.')
		return false;
	for (const char *p = name; *p; p++) {
		if (!strchr("abcdefghijklmnopqrstuvwxyz0123456789._-/", *p))
			return false;
		if (*p == '/' && (p[1] == '/' || !p[1]))
			return false;
	}
	return true;
}

bool image_good(const char *image)
{
	const char *start = strstr(image, "://"), *at, *colon, *slash;
	char name[512];

	start = start ? start + 3 : image;
	if (strstr(image, "bad-image") || strlen(start) >= sizeof(name))
		return false;
	/* The host may have a port; what follows the last slash may have a tag. */
	slash = host_end(start);
	snprintf(name, sizeof(name), "%s", slash ? slash + 1 : start);
	at = strstr(name, "@sha256:");
	if (at) {
		if (strlen(at) != 8 + 64 || strspn(at + 8, "0123456789abcdef") != 64)
			return false;
		name[at - name] = '\0';
	}
	colon = strrchr(name, ':');
	if (colon) {
		if (!colon[1] || strlen(colon + 1) > 128 || strpbrk(colon + 1, "/ @"))
			return false;
		name[colon - name] = '\0';
	}
	return good_name(name);
}

int image_check(struct call *c, const char *image)
{
	const char *host = host_end(image);
	char name[300];

	if (image_proto(image, name, sizeof(name))) {
		if (store_int(c->store, 0, "SELECT 1 FROM proto WHERE account = ?1 AND proto = ?2", "ss", c->account, name))
			return 0;
		return call_fail(c, 400, "IMAGE_REGISTRY_NOT_CONFIGURED", "There is no registry protocol %s", name);
	}
	if (!host)
		return 0;
	snprintf(name, sizeof(name), "%.*s", (int)(host - image), image);
	if (strcmp(name, MANAGED) == 0 || strcmp(name, "docker.io") == 0 ||
	    store_int(c->store, 0, "SELECT 1 FROM registry WHERE account = ?1 AND domain = ?2", "ss", c->account, name))
		return 0;
	return call_fail(c, 400, "IMAGE_REGISTRY_NOT_CONFIGURED", "The image registry %s is not configured", name);
}

static bool pinned(const char *image)
{
	const char *at = strstr(image, "@sha256:");

	return strncmp(image, MANAGED "/", strlen(MANAGED) + 1) == 0 && at && strlen(at + 8) == 64 &&
	       strspn(at + 8, "0123456789abcdef") == 64;
}

int image_prepare(struct call *c)
{
	const char *image = json_str(c->body, "image");
	unsigned char hash[32];
	char digest[65];
	int64_t created;
	bool ready;
	int r = call_check(c, fields_image_prep, 0);

	if (r < 0)
		return r;
	if (emulator_live(c->em) && !pinned(image))
		return call_invalid_field(c, "image", "must be of the managed registry, and pinned by its digest");
	r = image_check(c, image);
	if (r < 0)
		return r;
	r = store_exec(c->store, "INSERT OR IGNORE INTO preparation(account, image, created) VALUES(?1, ?2, ?3)", "ssi",
		       c->account, image, c->now);
	if (r < 0)
		return r;
	created = store_int(c->store, c->now, "SELECT created FROM preparation WHERE account = ?1 AND image = ?2", "ss",
			    c->account, image);
	ready = c->now - created >= PREPARED_AFTER_MS;
	c->status = ready ? 200 : 202;
	out_open(c->out, '{');
	out_kstr(c->out, "image", image);
	out_kstr(c->out, "status", !ready ? "pending" : image_good(image) ? "ready" : "error");
	if (ready && image_good(image)) {
		crypto_generichash(hash, sizeof(hash), (const unsigned char *)image, strlen(image), NULL, 0);
		sodium_bin2hex(digest, sizeof(digest), hash, sizeof(hash));
		out_key(c->out, "artifact_digest");
		out_rawf(c->out, "\"sha256:%s\"", digest);
	} else if (ready) {
		out_kstr(c->out, "reason", "The image cannot be pulled");
	}
	out_close(c->out, '}');
	return 0;
}
