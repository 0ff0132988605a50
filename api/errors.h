/* From what the service says of a failure to an errno and a sentence. */
#pragma once

#include "api/base/err.h"

/*
 * status: of HTTP; word: the API's ("VALIDATE_INPUT"), or ""; code: its number, or 0; text: its sentence, or "".
 * Returns a positive errno. *ret_sentence: what the word means, or NULL.
 */
int errors_lookup(int status, const char *word, int code, const char *text, bool writing, const char **ret_sentence);
