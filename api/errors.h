/* From what the service says of a failure to an errno and a sentence. */
#pragma once

#include "api/base/err.h"

/*
 * status: of HTTP; word: the API's ("VALIDATE_INPUT"), or ""; code: its number, or 0; text: its sentence, or "".
 * Returns a positive errno. *ret_sentence: what the word means, or NULL.
 */
int errors_lookup(int status, const char *word, int code, const char *text, bool writing, const char **ret_sentence);

/*
 * The errno of a call that changes without a document (a verb, a DELETE): the API has no word for what cannot be done now, so
 * a plain refusal (400) of it is -EBUSY. result: as the call returned it, with what it left in err.
 */
int errors_busy(int result, const struct err *err);
/* Whether the service refused with the words that what is in the way is going already. */
bool errors_being_deleted(const struct err *err);
