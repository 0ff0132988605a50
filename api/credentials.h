/*
 * Credentials and the base address (specification, "Programs"). Not thread-safe: the owner locks.
 */
#pragma once

#include "api/base/err.h"

struct credentials;

/*
 * First found: token_file (option, or NULL); $CREDENTIALS_DIRECTORY/cfcfs.token; CLOUDFLARE_API_TOKEN; CLOUDFLARE_API_KEY
 * with CLOUDFLARE_EMAIL; wrangler's login. -EACCES with a reason where a source is there but unusable (a token file
 * that others can read, an expired login: the text says to run `wrangler login`), or where there is none.
 */
int credentials_load(const char *token_file, struct credentials **ret, struct err *err);
/* Wipes. NULL is fine. */
struct credentials *credentials_free(struct credentials *c);
DEFINE_CLEANUP(struct credentials *, credentials_free)
/* Reads the same sources again. 1: changed, 0: the same, -errno: the old ones stay. */
int credentials_reload(struct credentials *c, struct err *err);
/* Header lines ("Authorization: Bearer …"), NULL-terminated, valid until the next reload. At most 2. */
const char *const *credentials_headers(const struct credentials *c);
/* Where they came from, for messages: "token_file=/etc/cf.token". Holds no secret. */
const char *credentials_source(const struct credentials *c);

/* url (option) or CLOUDFLARE_API_BASE_URL or Cloudflare's own, checked: https, or http to a loopback address; no user,
   query or fragment; trailing slashes cut. -EINVAL with a reason. The caller frees *ret. */
int url_resolve(const char *url, char **ret, struct err *err);
