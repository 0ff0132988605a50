/* The rate limit: so many calls an account in a fixed window of real (not virtual) time. Thread-safe. */
#pragma once

#include "emulator/exchange.h"

/* vague: the headers say that one call was counted, whatever was, as people saw it. */
struct rate *rate_new(int64_t count, int64_t seconds, bool vague);
struct rate *rate_free(struct rate *r);
/*
 * Counts one call and sets the exchange's rate-limit headers; true where it is past the limit, with
 * Retry-After set.
 */
bool rate_take(struct rate *r, const char *account, struct exchange *ex);
/* What is left of the account's window, and the seconds to the next one. */
void rate_read(struct rate *r, const char *account, int64_t *ret_left, int64_t *ret_reset);
/* Every account's window starts anew. */
void rate_clear(struct rate *r);
