/* Addresses of the API (see also url_resolve in api/credentials.h). */
#pragma once

#include "api/base/err.h"

/* Checks and normalises an address as url_resolve does; source is named in messages. The caller frees *ret. */
int url_check(const char *url, const char *source, char **ret, struct err *err);
/* The registry of images: the option's address, that of CLOUDFLARE_CONTAINER_REGISTRY (a host), or that which belongs to the API's own
   address. *ret NULL: another API's is not guessed. As url_check. */
int url_registry(const char *url, const char *base_url, char **ret, struct err *err);
/* Whether the host of an address that was checked is this machine's own. */
bool url_is_loopback(const char *url);
