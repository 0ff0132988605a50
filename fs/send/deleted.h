/*
 * What this mount deleted of late (fs/core/lately.h). A service that deletes slowly refuses a create of what it has not let go of yet, with the
 * words that it has for what is taken for good: the mount's own deletes tell the two apart.
 */
#pragma once

#include "fs/core/tree.h"

struct mount;
struct json_object;

/* Later than this after the DELETE's answer, a refusal is about something else. */
#define DELETED_RECENT_MS 60000

/* The resource was deleted. Called while the cached list still has it, for its name and for what it claimed. */
void deleted_note(struct mount *mount, const struct identity *what);
/*
 * Whether a create may be refused for what was deleted: a resource of that kind and place of late, with that name, or with a
 * claim that the document makes too. A claim is an object that can only be given at creation (a Durable Object namespace);
 * two of them are taken for one unless a key that both have tells otherwise, since each may be named in a way of its own.
 */
bool deleted_may_hold(struct mount *mount, const struct identity *what, const char *name, struct json_object *doc);
/* Adds what deleted resources of that kind had to a vocabulary. 0 or -ENOMEM. */
int deleted_vocabulary(struct mount *mount, const struct identity *what, struct json_object *into);
/* A create came through (object: the answer): what it needed was let go of. */
void deleted_settled(struct mount *mount, const struct identity *what, const char *name, struct json_object *object);
