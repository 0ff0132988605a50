/* What a change brings with it beside what it says, for people: a rollout's steps, replaced instances, what a delete takes along. */
#pragma once

#include "fs/core/request.h"
#include "fs/send/change.h"

/* Appends sentences to out. A delete asks for the lists of what is below, where they are not at hand. 0 or -errno. */
int plan_follows(struct request *r, const struct change *change, struct json_object *out);
