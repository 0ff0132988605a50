/* Takes an HTTP answer apart, in all shapes that the contract's README lists, and holds it against what the operation must
   answer: what was not understood is a failure, never an empty list and never a success. */
#pragma once

#include "api/client.h"

struct operation;

/* Deeper documents than this are no answers of the API. */
#define ENVELOPE_DEPTH 64
/* What an answer may take in memory once it is parsed. */
#define ENVELOPE_PARSED_MAX ((size_t)128 << 20)

struct envelope {
	int status;
	const char *content_type; /* as the header says it, or "" */
	const char *body;
	size_t len;
	bool writing;                      /* some statuses mean another errno for a change */
	bool bare;                         /* under /cloudchamber: a body is the result itself, or an error */
	bool bodiless;                     /* a success may come without a body, whatever its status */
	bool graphql;                      /* {"data", "errors"}, and errors come with 200 */
	const char *policy;                /* see complaint_policy */
	const struct operation *operation; /* what the answer must hold; NULL: it is not known */
	const char *path;                  /* of the request, as operation->path has it; NULL: it is not known */
};

struct envelope_facts {
	bool foreign; /* it is no answer of the API: a proxy's page, cut off, empty */
	bool lacking; /* a 2xx without what it must hold: whether something was done is not known */
	bool refused_credentials;
};

/* 0 for a success with *ret filled, else -errno with err (may be NULL) filled and *ret untouched. */
int envelope_take(const struct envelope *in, struct answer *ret, struct err *err, struct envelope_facts *facts);

/* Whether a success has what the operation must answer: the list, the object, identities (of an object that of the path), the mark of a
   page. path may be NULL. 0 or -EIO. */
int answer_check(const struct operation *operation, const char *path, bool bare, const struct answer *answer, struct err *err);

/*
 * What the parsed text would take, roughly, and how deep it goes. A text that is no JSON is measured all the same; false where it
 * holds what json-c takes beside JSON, some of which hides from the measure what comes behind it. (json-c's own strict way is none:
 * since 0.18 it refuses every letter that is not ASCII.)
 */
bool answer_measure(const char *text, size_t len, size_t *ret_bytes, unsigned *ret_depth);
