/* Numbers from text, whole and in range; each returns 0, or -EINVAL / -ERANGE with the result untouched. */
#pragma once

#include "api/base/cleanup.h"

int parse_int64(const char *s, int64_t min, int64_t max, int64_t *ret_value);
/* Seconds with decimals ("0.05") to milliseconds. */
int parse_seconds(const char *s, int64_t max_ms, int64_t *ret_ms);
int parse_double(const char *s, double min, double max, double *ret_value);
/* Octal, as chmod takes it. */
int parse_mode(const char *s, unsigned *ret_mode);

/*
 * The word among count words that a typing error most likely meant (Damerau-Levenshtein distance of at most
 * a third of its length, 2 at least), or NULL. words[i] may be NULL (skipped).
 */
const char *parse_nearest(const char *word, const char *const *words, size_t count);
