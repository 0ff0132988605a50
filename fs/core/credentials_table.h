/* Registry credentials that were asked for: kept in memory until they expire, wiped then. Thread-safe. */
#pragma once

#include "cache/snapshot.h"

struct credentials_table;

#define CREDENTIALS_MAX 256

struct credentials_table *credentials_table_new(void);
struct credentials_table *credentials_table_free(struct credentials_table *t);
/* *ret is what is kept for the domain, or an empty body. -ENOMEM. */
int credentials_table_get(struct credentials_table *t, const char *domain, struct body **ret);
/* Kept for expires_ms (CLOCK_MONOTONIC). */
int credentials_table_set(struct credentials_table *t, const char *domain, const char *text, size_t len, int64_t expires_ms);
/* Everything goes. */
void credentials_table_clear(struct credentials_table *t);
