/* Documents and objects in one normal form, and what differs between two of them. Private to api/doc_*.c. */
#pragma once

#include "api/doc_value.h"

/*
 * The normal form of a document, or of the API's object in the shape of the file: only what can be set and is ever
 * answered, modern spellings, images long, sets sorted, nothing that is empty or a default; keys in a fixed order. account:
 * it is the API's, so a top-level field that the contract does not know is no setting. *ret is an object of its own, maybe
 * empty, whose plain values are shared with v.
 */
int doc_normal(const struct field *fields, struct json_object *v, const struct doc_context *ctx, bool account,
	       struct json_object **ret);

/*
 * Two objects in the shape of the file, before they are made normal: both without the members that can be set and stand in both
 * alike, here and inside. Those are no difference whatever becomes of them, and most of what is compared is of that kind. To read
 * alone: what is left is shared with a and d. Not where what the document lacks is no difference (comparing.lenient).
 */
int doc_unlike(const struct field *fields, struct json_object *a, struct json_object *d, struct json_object **ret_a,
	       struct json_object **ret_d);

struct comparing {
	const struct doc_context *ctx;
	bool lenient; /* what the document lacks is never a difference (resources that cannot change) */
};

/* a: the account's, d: the document's, s: the service's own defaults; all normal, NULL where there is none. */
bool doc_member_same(const struct comparing *c, const struct field *f, struct json_object *a, struct json_object *d,
		     struct json_object *s);
bool doc_sizes_same(const struct comparing *c, const struct field *fields, struct json_object *a, struct json_object *d,
		    struct json_object *s);
bool doc_object_same(const struct comparing *c, const struct field *fields, struct json_object *a, struct json_object *d,
		     struct json_object *s);
/* Whether one dimension's number in the account is what the document, which lacks it, stands for. */
bool doc_size_is_default(const struct comparing *c, enum size_dimension dim, const struct doc_size *a, const struct doc_size *s);
/* The numbers of a size that count as the service's own: what s remembers, unless the account or the document has a type. */
struct doc_size doc_size_remembered(struct json_object *a, struct json_object *d, struct json_object *s);
/* Whether two values are the same at first sight, and so have one text. What differs may have one too: 2 and 2.0. */
bool doc_alike(struct json_object *a, struct json_object *b);
/* Whether two values have one text. */
bool doc_same_text(struct json_object *a, struct json_object *b);

/* In place, of a copy that is to be sent: without null, [] and {}, but where a field is required; whole numbers of integer
   fields as integers, images in their long form; here and inside. 0 or -ENOMEM. */
int doc_sendable_members(const struct doc_context *ctx, const struct field *fields, struct json_object *object);
/* The same for the value of a field (NULL: one that the contract does not know, left as it is); *v may be replaced. */
int doc_sendable(const struct doc_context *ctx, const struct field *f, struct json_object **v);
