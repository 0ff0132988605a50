/*
 * File names for identities. An identity (application name, secret name, domain) can hold bytes that a
 * file name cannot, or that would be misread; those are percent-encoded, reversibly.
 */
#pragma once

#include "api/base/cleanup.h"

#define NAME_MAX_BYTES 255

/*
 * identity + suffix to a file name. Encoded: '/', NUL, control characters, a leading '.', '%', the dot of
 * an identity that itself ends in ".json", and a '~' before 8 hex digits at the end. A result over 255
 * bytes is cut (at a character's edge) and gets "~" and 16 hex digits of a hash in front of the suffix;
 * the caller must then find the identity by comparing names, for a hash cannot be reversed. ret_name has
 * NAME_MAX_BYTES + 1 bytes.
 */
void name_encode(const char *identity, const char *suffix, char *ret_name);

/*
 * The way back: takes the suffix off and decodes. 0, or -EINVAL where the name lacks the suffix, is empty
 * without it, or is not what name_encode makes of any identity ("%zz", "a%41"). *ret_identity is freed by
 * the caller.
 */
int name_decode(const char *name, const char *suffix, char **ret_identity);

/* How much of an id a duplicate's name shows. */
#define NAME_ID_BYTES 8
/* Appends "~" + the first NAME_ID_BYTES of id, encoded as identity is, to identity's encoded name, in front of the suffix. */
void name_encode_duplicate(const char *identity, const char *id, const char *suffix, char *ret_name);

/* Whether the name was cut by name_encode ("~" + 16 hex digits before the suffix). */
bool name_is_cut(const char *name, const char *suffix);

/*
 * A name that editors and tools use for what is not the document: dot-files, "*~", "*.swp", "*.swx", "*.tmp",
 * "4913", "#*#", "sedXXXXXX".
 */
bool name_is_scratch(const char *name);

bool name_has_suffix(const char *name, const char *suffix);
