/*
 * What the account means, as a document, and whether it is still what it was when a change was staged. Pure functions of what was
 * gathered.
 */
#pragma once

#include "fs/send/gather.h"

/* The document of what was gathered, as the file would show it; for what has no document, what tells one version from another.
   Empty where there is none. 0 or -errno. */
int outdated_base(const struct gathered *g, struct buf *out);
/* What an update will make of it, in the spelling of what it is now; *ret NULL: no document. 0 or -errno. */
int outdated_after(const struct gathered *g, const struct change *change, struct json_object **ret);
/* The fields in which the account is not what it was, and the change would overwrite that: [{"field", "was", "now"}]; *ret NULL: in
   none. 0 or -ENOMEM. */
int outdated_fields(const struct gathered *g, const struct change *change, struct json_object **ret);
/* Refuses the change with ESTALE where there are such. 0 or -errno. */
int outdated_refuse(const struct gathered *g, struct change *c);

/*
 * The differences of two documents, member by member, in the order of the second, and what it lacks behind: appends
 * [{"field": "configuration.image", old: …, new: …}] to out. Items with a "name" are told apart by it, other arrays are one
 * value. Either may be NULL. 0 or -ENOMEM.
 */
struct field_words {
	const char *before, *after; /* the keys of the two values, which are left out where there is none */
};
int outdated_compare(struct json_object *before, struct json_object *after, const struct field_words *words,
		     struct json_object *out);
