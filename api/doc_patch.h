/* Two documents side by side, and the patch between them. Private to api/doc_diff.c and api/doc_patch.c. */
#pragma once

#include "api/doc_normal.h"

struct diff {
	struct comparing comparing;
	const struct field *fields;
	struct json_object *raw; /* the document as written, references resolved; to read alone */
	/* Normal: the account's, the document's, the service's defaults; of the first two what stands in both alike may be left
	   out. */
	struct json_object *a, *d, *s;
	struct json_object *patch;
};

/* Makes patch: what must be said so that a becomes d. 0 or -ENOMEM. */
int doc_make_patch(struct diff *x);
