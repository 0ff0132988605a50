/* Request headers that hold credentials: shared by the calls that use them, wiped when the last one is done. */
#pragma once

#include <curl/curl.h>

#include "api/base/cleanup.h"

struct headers {
	unsigned refs;            /* atomic */
	bool accepted;            /* atomic: some call with them succeeded */
	struct curl_slist *plain; /* owned: of a request without a body */
	struct curl_slist *json;  /* owned: of one with a body */
};

/* lines: "Name: value", NULL-terminated. NULL without memory. */
struct headers *headers_new(const char *const *lines);
struct headers *headers_ref(struct headers *h);
/* NULL is fine. */
struct headers *headers_unref(struct headers *h);
DEFINE_CLEANUP(struct headers *, headers_unref)
