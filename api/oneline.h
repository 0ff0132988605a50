/* Text from elsewhere, made fit for an error message: one line, bounded, valid UTF-8, no control characters. */
#pragma once

#include "api/base/cleanup.h"

struct oneline {
	char *text;  /* borrowed; always ends with NUL */
	size_t size; /* bytes of text, the NUL included */
	size_t len;
	bool cut; /* something did not fit */
};

/* Starts an empty line in text. */
void oneline_init(struct oneline *line, char *text, size_t size);
/* Adds; runs of space and control characters become one space, bytes that are no UTF-8 a "?". */
void oneline_add(struct oneline *line, const char *s, size_t len);
void oneline_adds(struct oneline *line, const char *s);

/* Takes out of a failure's text (api/base/scrub.h) each string that the request's JSON body holds under a key that names a
   secret's value. */
void scrub_body(char *text, const char *body, size_t len);
/* The same for the token or key that the request carried. */
void scrub_token(char *text, const char *token);
