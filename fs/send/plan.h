/*
 * The plan: what applying would do, decided anew for each staged row against what the account means now. It is the same line as
 * that of a write, ended before anything is sent. Workers only; holds no lock.
 */
#pragma once

#include "fs/core/request.h"
#include "fs/core/stage.h"
#include "fs/send/staged_order.h"

struct json_object;

/*
 * One row as an object, in the members' order:
 *   path, to (a rename's), verb, kind, wave, turn (within the wave, where it is not the first),
 *   state: "ready", "nothing" (the account means it already), "outdated", "refused", "lost" (a secret that must be written again),
 *     "unknown" (the account could not be asked),
 *   errno, reason (of that state; of the last try where it is ready),
 *   fields [{field, old, new}], conflicts [{field, was, now}], follows [text], requests [{method, path, body or secret}].
 * *ret is put by the caller. 0; -ENOMEM; -EINTR; -ETIMEDOUT.
 */
int plan_row(struct request *r, const struct staged *row, const struct staged_place *place, struct json_object **ret);

/* The files' texts. 0 or -errno with text in r->err. */
int plan_text(struct request *r, struct buf *out);
int plan_json(struct request *r, struct buf *out);
/* Asks the lists anew on which the rows rest. */
int plan_refresh(struct request *r, struct staged *const *rows, size_t count);
