/*
 * How many deletes came lately. A full view is made for people, and no sync is made for it: there a command that went wrong is stopped
 * after the first few. Thread-safe; takes its own lock only.
 */
#pragma once

#include "api/base/cleanup.h"

struct pace;

/* max: as many may come within window_ms. NULL without memory. */
struct pace *pace_new(unsigned max, int64_t window_ms);
struct pace *pace_free(struct pace *pace);

/* Counts one. False where there were max of them within the window: then it is not counted. */
bool pace_take(struct pace *pace);
/* The last one did not happen after all. */
void pace_give_back(struct pace *pace);
