/*
 * The log of the calls, for tests: in the order of their arrival, bounded in number and in bytes, the
 * oldest dropped first. Secrets in bodies are masked before they come here. Thread-safe.
 */
#pragma once

#include "emulator/exchange.h"

#define REQLOG_MAX       200000
#define REQLOG_BYTES_MAX ((size_t)256 << 20)
#define REQLOG_BODY_MAX  ((size_t)64 << 10)

struct reqlog *reqlog_new(void);
struct reqlog *reqlog_free(struct reqlog *l);
/*
 * Notes an arrival. path is the one below the prefix ("/applications"), account may be "". Returns the
 * entry's number for reqlog_end.
 */
uint64_t reqlog_begin(struct reqlog *l, const struct exchange *ex, const char *account, const char *path);
/* Notes what became of it. status 0: the connection is closed unanswered. body: NULL or masked text. */
void reqlog_end(struct reqlog *l, uint64_t number, int status, const char *body, bool faulted);
void reqlog_clear(struct reqlog *l);
/*
 * The entries from the one numbered since on, as a JSON array with one entry a line; method and glob
 * (a path as in faults) may be NULL.
 */
void reqlog_list(struct reqlog *l, struct out *o, uint64_t since, const char *method, const char *glob);
uint64_t reqlog_count(struct reqlog *l);
