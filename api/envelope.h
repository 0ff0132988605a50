/* The inside of envelope_parse (api/client.h), for who must know more of an answer than its errno. */
#pragma once

#include "api/client.h"

/* Deeper documents than this are no answers of the API. */
#define ENVELOPE_DEPTH 64

struct envelope_facts {
	bool foreign; /* it is no answer of the API: a proxy's page, cut off, empty */
	bool refused_credentials;
};

/* content_type: as the header says it, or "". */
int envelope_take(int status, const char *content_type, const char *body, size_t len, bool writing, struct answer *ret,
		  struct err *err, struct envelope_facts *facts);
