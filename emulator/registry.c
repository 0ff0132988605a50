/* Image registries, their credentials, and registry protocols. */
#include <errno.h>
#include <inttypes.h>
#include <sodium.h>

#include "emulator/oci.h"
#include "emulator/route.h"
#include "emulator/world.h"

#define MANAGED       "registry.cloudflare.com"
#define MANAGED_SINCE 1735689600000 /* 2025-01-01 */
#define DOMAIN_MAX    253

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);

	return n >= m && strcmp(s + n - m, end) == 0;
}

/* What a domain is, or NULL where it is none of those that the service knows. */
static const char *kind_of(const char *domain)
{
	if (strcmp(domain, "docker.io") == 0 || strcmp(domain, "index.docker.io") == 0)
		return "DockerHub";
	if (ends_with(domain, ".amazonaws.com") || ends_with(domain, ".amazonaws.com.cn"))
		return "ECR";
	return ends_with(domain, "-docker.pkg.dev") ? "GAR" : NULL;
}

/* Columns: domain, kind, public_key, store, secret, created. */
static void write_row(struct call *c, sqlite3_stmt *q)
{
	struct out *o = c->out;

	out_open(o, '{');
	if (*col_text(q, 2))
		out_kstr(o, "public_key", col_text(q, 2));
	if (*col_text(q, 3)) {
		out_key(o, "private_credential");
		out_open(o, '{');
		out_kstr(o, "store_id", col_text(q, 3));
		out_kstr(o, "secret_name", col_text(q, 4));
		out_close(o, '}');
	}
	out_kstr(o, "domain", col_text(q, 0));
	if (*col_text(q, 1))
		out_kstr(o, "kind", col_text(q, 1));
	out_ktime(o, "created_at", col_int(q, 5));
	out_close(o, '}');
}

#define VIEW "SELECT domain, kind, public_key, store, secret, created, is_public FROM registry "

int registry_list(struct call *c)
{
	cleanup_query_ sqlite3_stmt *q = store_query(c->store, VIEW "WHERE account = ?1 ORDER BY seq", "s", c->account);
	struct out *o = c->out;

	out_open(o, '[');
	out_open(o, '{');
	out_kstr(o, "domain", MANAGED);
	out_kstr(o, "kind", "default");
	out_ktime(o, "created_at", MANAGED_SINCE);
	out_close(o, '}');
	while (store_row(c->store, q))
		write_row(c, q);
	out_close(o, ']');
	return 0;
}

static int check_credential(struct call *c, struct json_object *credential, bool *ret_reference)
{
	*ret_reference = json_object_is_type(credential, json_type_object);
	if (*ret_reference) {
		if (!json_str(credential, "store_id") || !json_str(credential, "secret_name"))
			return call_invalid_field(c, "auth.private_credential", "needs store_id and secret_name");
		return 0;
	}
	if (emulator_live(c->em))
		return call_invalid_field(c, "auth.private_credential", "must be a reference to a secrets store");
	if (!json_object_is_type(credential, json_type_string) || json_object_get_string_len(credential) == 0)
		return call_invalid_field(c, "auth.private_credential", "must be a string or a reference to a secrets store");
	return 0;
}

static int check(struct call *c, bool *ret_reference)
{
	struct json_object *auth = json_member(c->body, "auth");
	const char *domain = json_str(c->body, "domain"), *kind = json_str(c->body, "kind"), *named;
	bool is_public = json_true(c->body, "is_public");

	if (emulator_live(c->em) && (is_public || !auth || !kind))
		return call_invalid_field(c,
					  is_public ? "is_public" :
					  !auth     ? "auth" :
						      "kind",
					  "%s", is_public ? "can only be false" : "is required");
	if (strlen(domain) > DOMAIN_MAX || strspn(domain, "abcdefghijklmnopqrstuvwxyz0123456789.-:_") != strlen(domain) ||
	    !strpbrk(domain, ".:"))
		return call_invalid_field(c, "domain", "must be the domain of a registry, in lower case");
	if (strcmp(domain, MANAGED) == 0)
		return call_invalid_field(c, "domain", "is the managed registry");
	named = kind_of(domain);
	if (kind && (named ? strcmp(kind, named) != 0 : emulator_live(c->em)))
		return call_invalid_field(c, "kind", "is not that of %s", domain);
	if (is_public && auth)
		return call_invalid_field(c, "auth", "does not go with is_public");
	if (!is_public && !auth)
		return call_invalid_field(c, "auth", "is required, unless the registry is public");
	return auth ? check_credential(c, json_member(auth, "private_credential"), ret_reference) : 0;
}

/* A store for the string credentials of an account, made up from its id. */
static void own_store(const char *account, const char *domain, char store[33], char secret[300])
{
	unsigned char hash[16];
	char name[80];

	snprintf(name, sizeof(name), "secrets store of %s", account);
	crypto_generichash(hash, sizeof(hash), (const unsigned char *)name, strlen(name), NULL, 0);
	sodium_bin2hex(store, 33, hash, sizeof(hash));
	snprintf(secret, 300, "registry-%s", domain);
	for (char *p = secret; *p; p++)
		*p = (char)(*p == '.' || *p == ':' ? '-' : *p);
}

int registry_create(struct call *c)
{
	struct json_object *auth = json_member(c->body, "auth"), *ref = json_member(auth, "private_credential");
	const char *domain = json_str(c->body, "domain"), *kind = json_str(c->body, "kind");
	cleanup_query_ sqlite3_stmt *q = NULL;
	char store[33] = "", secret[300] = "";
	bool reference = false;
	int r = call_check(c, fields_registry_create, 0);

	if (r == 0)
		r = check(c, &reference);
	if (r < 0)
		return r;
	if (auth && !reference)
		own_store(c->account, domain, store, secret);
	if (!kind)
		kind = kind_of(domain) ? kind_of(domain) : "";
	r = store_exec(c->store,
		       "INSERT INTO registry(account, domain, kind, is_public, public_key, store, secret, created)"
		       " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
		       "sssisssi", c->account, domain, kind, (int64_t)json_true(c->body, "is_public"),
		       auth ? json_str(auth, "public_credential") : "", reference ? json_str(ref, "store_id") : store,
		       reference ? json_str(ref, "secret_name") : secret, c->now);
	if (r == -EEXIST)
		return call_fail(c, 409, "IMAGE_REGISTRY_ALREADY_EXISTS", "The registry %s is configured already", domain);
	if (r < 0)
		return r;
	q = store_query(c->store, VIEW "WHERE account = ?1 AND domain = ?2", "ss", c->account, domain);
	if (!store_row(c->store, q))
		return -EIO;
	write_row(c, q);
	return 0;
}

/* Whether an image reference of an application or a deployment begins with start. */
static bool referenced(struct call *c, const char *start)
{
	return store_int(c->store, 0,
			 "SELECT 1 FROM conf WHERE substr(image, 1, length(?2)) = ?2 AND (seq IN (SELECT conf FROM application"
			 " WHERE account = ?1) OR seq IN (SELECT conf FROM deployment WHERE account = ?1)) LIMIT 1",
			 "ss", c->account, start);
}

/* Live: an image comes from there, and it is not the one that everybody may pull from. */
static bool in_use(struct call *c, const char *domain)
{
	char start[300];

	snprintf(start, sizeof(start), "%.280s/", domain);
	return emulator_live(c->em) && strcmp(domain, "docker.io") != 0 && referenced(c, start);
}

int registry_delete(struct call *c)
{
	char text[400];
	cleanup_query_ sqlite3_stmt *q =
		store_query(c->store, VIEW "WHERE account = ?1 AND domain = ?2", "ss", c->account, c->arg[0]);

	if (strcmp(c->arg[0], MANAGED) == 0)
		return call_fail(c, 403, NULL, "The managed registry cannot be deleted");
	if (!store_row(c->store, q))
		return call_not_found(c, "Registry");
	if (in_use(c, c->arg[0]))
		return call_fail(c, 409, NULL, "The registry %s is still referenced by an image", c->arg[0]);
	out_open(c->out, '{');
	out_kstr(c->out, "domain", c->arg[0]);
	if (*col_text(q, 4)) {
		snprintf(text, sizeof(text), "%.60s:%.300s", col_text(q, 3), col_text(q, 4));
		out_kstr(c->out, "secrets_store_ref", text);
	}
	out_close(c->out, '}');
	query_endp(&q);
	return store_exec(c->store, "DELETE FROM registry WHERE account = ?1 AND domain = ?2", "ss", c->account, c->arg[0]);
}

static unsigned bits_of(struct json_object *permissions)
{
	unsigned bits = 0;

	for (size_t i = 0; permissions && i < json_object_array_length(permissions); i++) {
		const char *word = json_object_get_string(json_object_array_get_idx(permissions, i));

		bits |= strcmp(word, "pull") == 0 ? OCI_PULL : strcmp(word, "list") == 0 ? OCI_LIST : OCI_PUSH;
	}
	return bits;
}

static void write_token(struct call *c, const char *host, const char *user, unsigned permissions, int64_t minutes)
{
	char password[OCI_PASSWORD_SIZE];

	oci_password(c->em, c->account, permissions, c->now + minutes * 60000, password);
	out_open(c->out, '{');
	out_kstr(c->out, "account_id", c->account);
	out_kstr(c->out, "registry_host", host);
	out_kstr(c->out, "username", user);
	out_kstr(c->out, "password", password);
	out_close(c->out, '}');
}

int registry_credentials(struct call *c)
{
	struct json_object *permissions = json_member(c->body, "permissions");
	bool managed = oci_is_managed(c->em, c->arg[0]);
	cleanup_problems_ struct problems p = PROBLEMS_INIT;
	cleanup_query_ sqlite3_stmt *q = NULL;
	int r = call_check(c, fields_credentials, 0);

	if (r < 0)
		return r;
	if (managed) {
		if (!permissions || json_object_array_length(permissions) == 0)
			problem_add(&p, "permissions", "is required for the managed registry");
		if (!json_member(c->body, "expiration_minutes"))
			problem_add(&p, "expiration_minutes", "is required for the managed registry");
		if (p.count)
			return call_invalid(c, &p);
		write_token(c, c->arg[0], "v1", bits_of(permissions), json_int(c->body, "expiration_minutes", 0));
		return 0;
	}
	q = store_query(c->store, VIEW "WHERE account = ?1 AND domain = ?2", "ss", c->account, c->arg[0]);
	if (!store_row(c->store, q))
		return call_not_found(c, "Registry");
	if (col_int(q, 6))
		return call_fail(c, 409, "IMAGE_REGISTRY_IS_PUBLIC", "The registry %s is public: it needs no credentials",
				 c->arg[0]);
	write_token(c, c->arg[0], col_text(q, 2), 0, 15);
	return 0;
}

static void write_proto(struct call *c, sqlite3_stmt *q)
{
	out_comma(c->out);
	out_raws(c->out, col_text(q, 0));
}

int proto_list(struct call *c)
{
	return call_rows(c, store_query(c->store, "SELECT doc FROM proto WHERE account = ?1 ORDER BY seq", "s", c->account),
			 write_proto);
}

static int store_proto(struct call *c, const char *sql)
{
	cleanup_out_ struct out doc = OUT_INIT;
	const char *proto = json_str(c->body, "proto");
	int r = call_check(c, fields_proto, 0);

	if (r < 0)
		return r;
	if (strspn(proto, "abcdefghijklmnopqrstuvwxyz0123456789+.-_") != strlen(proto))
		return call_invalid_field(c, "proto", "may only have lower-case letters, digits, and +.-_");
	schema_render(&doc, fields_proto, c->body);
	if (doc.error)
		return doc.error;
	r = store_exec(c->store, sql, "sss", c->account, proto, out_text(&doc));
	if (r == -EEXIST)
		return call_fail(c, 409, "IMAGE_REGISTRY_PROTO_ALREADY_EXISTS", "There is a protocol %s already", proto);
	if (r < 0)
		return r;
	if (store_changes(c->store) == 0)
		return call_not_found(c, "Registry protocol");
	out_raws(c->out, out_text(&doc));
	return 0;
}

int proto_create(struct call *c)
{
	return store_proto(c, "INSERT INTO proto(account, proto, doc) VALUES(?1, ?2, ?3)");
}

int proto_modify(struct call *c)
{
	return store_proto(c, "UPDATE proto SET doc = ?3 WHERE account = ?1 AND proto = ?2");
}

int proto_delete(struct call *c)
{
	char start[300];
	int r;

	snprintf(start, sizeof(start), "%.200s://", c->arg[0]);
	if (!store_int(c->store, 0, "SELECT 1 FROM proto WHERE account = ?1 AND proto = ?2", "ss", c->account, c->arg[0]))
		return call_not_found(c, "Registry protocol");
	if (referenced(c, start))
		return call_fail(c, 400, "IMAGE_REGISTRY_PROTO_IS_REFERENCED", "An image reference uses the protocol %s",
				 c->arg[0]);
	r = store_exec(c->store, "DELETE FROM proto WHERE account = ?1 AND proto = ?2", "ss", c->account, c->arg[0]);
	out_raws(c->out, "{}");
	return r;
}
