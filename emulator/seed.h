/* Filling accounts: by numbers, the same every time, or with a small sample made by hand. */
#pragma once

#include <json-c/json.h>

#include "emulator/emulator.h"
#include "emulator/out.h"

/*
 * Adds what spec asks for, in one transaction; takes the lock. The answer (what was made, and how long it
 * took) is written to o. 0, -EINVAL with a reason in text, -EIO.
 */
int seed_run(struct emulator *em, struct json_object *spec, struct out *o, char *text, size_t size);
/* The sample account, through the API's own handlers. */
int seed_sample(struct emulator *em, const char *account, char *text, size_t size);
/* As --seed takes it: JSON text, @file, or "sample". */
int seed_from_option(struct emulator *em, const char *spec, char *text, size_t size);
