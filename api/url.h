/* Addresses of the API (see also url_resolve in api/credentials.h). */
#pragma once

#include "api/base/err.h"

/* Checks and normalises an address as url_resolve does; source is named in messages. The caller frees *ret. */
int url_check(const char *url, const char *source, char **ret, struct err *err);
/* Whether the host of an address that was checked is this machine's own. */
bool url_is_loopback(const char *url);
