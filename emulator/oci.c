#include "emulator/oci.h"

#include <errno.h>
#include <inttypes.h>
#include <sodium.h>

#include "api/base/parse.h"
#include "emulator/route.h"
#include "emulator/settle.h"
#include "emulator/store.h"

#define MANAGED      "registry.cloudflare.com"
#define FEDRAMP      "registry.fed.cloudflare.com"
#define PAGE_TAGS    100 /* of a catalogue: a repository with many tags stands on several pages */
#define DIGEST_SIZE  72  /* "sha256:" and 64 digits */
#define NAME_MAX_LEN 255
#define MANIFEST     "application/vnd.oci.image.manifest.v1+json"

struct oci {
	struct emulator *em;
	struct exchange *ex;
	struct out *out;
	int64_t now;
	char account[33]; /* of the credentials */
	unsigned permissions;
};

/* ---- credentials */

static void sign(const struct emulator *em, const char *text, char mac[2 * crypto_auth_BYTES + 1])
{
	unsigned char bytes[crypto_auth_BYTES];

	crypto_auth(bytes, (const unsigned char *)text, strlen(text), em->secret);
	sodium_bin2hex(mac, 2 * crypto_auth_BYTES + 1, bytes, sizeof(bytes));
}

void oci_password(const struct emulator *em, const char *account, unsigned permissions, int64_t until,
		  char ret[OCI_PASSWORD_SIZE])
{
	char text[80], mac[2 * crypto_auth_BYTES + 1];

	snprintf(text, sizeof(text), "v1.%" PRId64 ".%u.%.32s", until / 1000, permissions, account);
	sign(em, text, mac);
	snprintf(ret, OCI_PASSWORD_SIZE, "%s.%s", text, mac);
}

bool oci_is_managed(const struct emulator *em, const char *domain)
{
	const char *colon = strrchr(domain, ':');
	int64_t port;

	if (strcmp(domain, MANAGED) == 0 || strcmp(domain, FEDRAMP) == 0)
		return true;
	/* Clients can be told another host for it: this one. */
	return colon && parse_int64(colon + 1, 1, 65535, &port) == 0 && port == em->port;
}

/* Takes a password apart; false where it was not given out here, or is over. */
static bool check_password(struct oci *o, const char *password)
{
	char text[OCI_PASSWORD_SIZE], mac[2 * crypto_auth_BYTES + 1], *end;
	const char *dot = strrchr(password, '.');
	long long until;
	unsigned bits;

	if (!dot || (size_t)(dot - password) >= sizeof(text) || strlen(dot + 1) != sizeof(mac) - 1)
		return false;
	snprintf(text, sizeof(text), "%.*s", (int)(dot - password), password);
	sign(o->em, text, mac);
	if (sodium_memcmp(mac, dot + 1, sizeof(mac) - 1) != 0 || strncmp(text, "v1.", 3) != 0)
		return false;
	until = strtoll(text + 3, &end, 10);
	bits = (unsigned)strtoul(end + 1, &end, 10);
	snprintf(o->account, sizeof(o->account), "%.32s", end + 1);
	o->permissions = bits;
	return until * 1000 > o->now;
}

static bool credentials(struct oci *o)
{
	const char *given = o->ex->authorization;
	char text[OCI_PASSWORD_SIZE + 40];
	size_t len;
	bool good;

	if (!given || strncasecmp(given, "Basic ", 6) != 0 ||
	    sodium_base642bin((unsigned char *)text, sizeof(text) - 1, given + 6, strlen(given + 6), NULL, &len, NULL,
			      sodium_base64_VARIANT_ORIGINAL) < 0)
		return false;
	text[len] = '\0';
	good = strncmp(text, "v1:", 3) == 0 && check_password(o, text + 3);
	sodium_memzero(text, sizeof(text));
	return good;
}

/* ---- answers */

static void fail(struct oci *o, int status, const char *code, const char *message)
{
	buf_clear(&o->out->b);
	o->ex->status = status;
	out_raws(o->out, "{\"errors\":[{");
	out_kstr(o->out, "code", code);
	out_kstr(o->out, "message", message);
	out_raws(o->out, "}]}");
}

static bool may(struct oci *o, unsigned permissions)
{
	if (o->permissions & permissions)
		return true;
	fail(o, 403, "DENIED", "requested access to the resource is denied");
	return false;
}

struct tag {
	char repository[NAME_MAX_LEN + 1], tag[136];
};

/* The mark of a page: the last tag of the one before, "REPOSITORY:TAG". */
static bool read_cursor(struct oci *o, struct tag *ret)
{
	cleanup_free_ char *last = exchange_parameter(o->ex, "last");
	char *colon = last ? strrchr(last, ':') : NULL;

	*ret = (struct tag){ "", "" };
	if (!last)
		return true;
	if (!colon || (size_t)(colon - last) >= sizeof(ret->repository)) {
		fail(o, 400, "PAGINATION_NUMBER_INVALID", "last is no mark of a page");
		return false;
	}
	*colon = '\0';
	snprintf(ret->repository, sizeof(ret->repository), "%s", last);
	snprintf(ret->tag, sizeof(ret->tag), "%s", colon + 1);
	return true;
}

static void link_next(struct exchange *ex, const struct tag *last, bool tags)
{
	size_t n;

	snprintf(ex->link, sizeof(ex->link), "</v2/_catalog?%slast=", tags ? "tags=true&" : "");
	for (const char *s = last->repository; *s; s++) {
		n = strlen(ex->link);
		snprintf(ex->link + n, sizeof(ex->link) - n, *s == '/' ? "%%2F" : "%c", *s);
	}
	n = strlen(ex->link);
	snprintf(ex->link + n, sizeof(ex->link) - n, "%%3A%s>; rel=\"next\"", last->tag);
}

static void catalog(struct oci *o)
{
	cleanup_free_ char *with = exchange_parameter(o->ex, "tags");
	bool tags = with && strcmp(with, "true") == 0;
	cleanup_query_ sqlite3_stmt *q = NULL;
	struct tag from, last = { "", "" };
	char name[300];
	int64_t n = 0;

	if (!may(o, OCI_PULL | OCI_LIST) || !read_cursor(o, &from))
		return;
	q = store_query(
		o->em->store,
		"SELECT repository, tag FROM image WHERE account = ?1 AND (repository > ?2 OR (repository = ?2 AND tag > ?3))"
		" ORDER BY repository, tag",
		"sss", o->account, from.repository, from.tag);
	out_rawf(o->out, "{\"repositories\":%c", tags ? '{' : '[');
	for (; store_row(o->em->store, q); n++) {
		bool another = strcmp(last.repository, col_text(q, 0)) != 0;

		if (n == PAGE_TAGS) {
			link_next(o->ex, &last, tags);
			break;
		}
		snprintf(name, sizeof(name), "%s/%s", o->account, col_text(q, 0));
		if (another && tags) {
			out_raws(o->out, n ? "]" : "");
			out_key(o->out, name);
			out_open(o->out, '[');
		} else if (another) {
			out_str(o->out, name);
		}
		if (tags)
			out_str(o->out, col_text(q, 1));
		snprintf(last.repository, sizeof(last.repository), "%s", col_text(q, 0));
		snprintf(last.tag, sizeof(last.tag), "%s", col_text(q, 1));
	}
	out_raws(o->out, tags ? n ? "]}}" : "}}" : "]}");
	o->ex->status = 200;
}

static void digest_of(const char *content, char digest[DIGEST_SIZE])
{
	unsigned char hash[crypto_hash_sha256_BYTES];

	crypto_hash_sha256(hash, (const unsigned char *)content, strlen(content));
	snprintf(digest, DIGEST_SIZE, "sha256:");
	sodium_bin2hex(digest + 7, DIGEST_SIZE - 7, hash, sizeof(hash));
}

int oci_put(struct emulator *em, const char *account, const char *repository, const char *tag, const char *content, int64_t now)
{
	char digest[DIGEST_SIZE];

	digest_of(content, digest);
	return store_exec(em->store,
			  "INSERT OR REPLACE INTO image(account, repository, tag, digest, created, content)"
			  " VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
			  "ssssis", account, repository, tag, digest, now, content);
}

/* By tag or by digest. */
#define FIND "WHERE account = ?1 AND repository = ?2 AND (tag = ?3 OR digest = ?3) "

static void manifest_get(struct oci *o, const struct tag *t, bool body)
{
	cleanup_query_ sqlite3_stmt *q = store_query(o->em->store, "SELECT digest, content FROM image " FIND "LIMIT 1", "sss",
						     o->account, t->repository, t->tag);

	if (!may(o, OCI_PULL))
		return;
	if (!store_row(o->em->store, q)) {
		fail(o, 404, "MANIFEST_UNKNOWN", "manifest unknown");
		return;
	}
	o->ex->status = 200;
	o->ex->type = MANIFEST;
	snprintf(o->ex->digest, sizeof(o->ex->digest), "%s", col_text(q, 0));
	if (body)
		out_raws(o->out, col_text(q, 1));
}

/* A tag goes alone; a digest takes every tag of it along. */
static void manifest_delete(struct oci *o, const struct tag *t)
{
	if (!may(o, OCI_PUSH))
		return;
	if (store_exec(o->em->store, "DELETE FROM image " FIND, "sss", o->account, t->repository, t->tag) < 0)
		fail(o, 500, "UNKNOWN", "the emulator failed");
	else if (store_changes(o->em->store) == 0)
		fail(o, 404, "MANIFEST_UNKNOWN", "manifest unknown");
	else
		o->ex->status = 202;
}

static void manifest_put(struct oci *o, const struct tag *t)
{
	if (!may(o, OCI_PUSH))
		return;
	if (o->ex->body_len == 0 || o->ex->body_too_large || strchr(t->tag, ':')) {
		fail(o, 400, "MANIFEST_INVALID", "manifest invalid");
		return;
	}
	digest_of(o->ex->body, o->ex->digest);
	if (oci_put(o->em, o->account, t->repository, t->tag, o->ex->body, o->now) < 0)
		fail(o, 500, "UNKNOWN", "the emulator failed");
	else
		o->ex->status = 201;
}

/* "ACCOUNT/NAME/manifests/REFERENCE"; the name may hold slashes. */
static bool split(struct oci *o, const char *path, struct tag *ret)
{
	const char *at = NULL, *s = path;
	char account[33];

	while ((s = strstr(s, "/manifests/")))
		at = s++;
	if (!at || strcspn(path, "/") != 32 || at < path + 33 || (size_t)(at - path - 33) > NAME_MAX_LEN || at == path + 33 ||
	    strlen(at + 11) >= sizeof(ret->tag) || strchr(at + 11, '/'))
		return false;
	snprintf(account, sizeof(account), "%.32s", path);
	snprintf(ret->repository, sizeof(ret->repository), "%.*s", (int)(at - path - 33), path + 33);
	snprintf(ret->tag, sizeof(ret->tag), "%s", at + 11);
	if (strcmp(account, o->account) != 0)
		o->permissions = 0;
	return true;
}

static void serve(struct oci *o, const char *path)
{
	const char *method = o->ex->method;
	struct tag t;

	if (strcmp(path, "") == 0 && strcmp(method, "GET") == 0) {
		o->ex->status = 200;
		out_raws(o->out, "{}");
	} else if (strcmp(path, "_catalog") == 0 && strcmp(method, "GET") == 0) {
		catalog(o);
	} else if (strcmp(path, "gc/layers") == 0 && strcmp(method, "PUT") == 0) {
		if (may(o, OCI_PUSH)) {
			o->ex->status = 200;
			out_raws(o->out, "{}");
		}
	} else if (!split(o, path, &t)) {
		fail(o, 404, "NAME_UNKNOWN", "repository name not known to registry");
	} else if (strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0) {
		manifest_get(o, &t, *method == 'G');
	} else if (strcmp(method, "DELETE") == 0) {
		manifest_delete(o, &t);
	} else if (strcmp(method, "PUT") == 0) {
		manifest_put(o, &t);
	} else {
		fail(o, 405, "UNSUPPORTED", "the operation is unsupported");
	}
}

void oci_handle(struct emulator *em, struct exchange *ex)
{
	struct oci o = { .em = em, .ex = ex, .out = &ex->answer };
	cleanup_free_ char *path = NULL;

	scope_lock(emulator, em);
	o.now = vclock_now(&em->clock);
	if (em->options.surface == SURFACE_OFFICIAL) {
		fail(&o, 404, "NAME_UNKNOWN", "there is no registry here");
	} else if (percent_decode(ex->path + strlen("/v2/"), strlen(ex->path + strlen("/v2/")), false, &path) < 0) {
		fail(&o, 400, "NAME_INVALID", "invalid repository name");
	} else if (!credentials(&o)) {
		ex->challenge = true;
		fail(&o, 401, "UNAUTHORIZED", "authentication required");
	} else {
		serve(&o, path);
	}
}
