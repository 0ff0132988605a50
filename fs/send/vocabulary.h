/*
 * Fields that the contract does not know and that the service itself was seen to answer: a document may bring them back, under
 * another name or after its resource was removed, too.
 */
#pragma once

#include "cache/list.h"

struct json_object;

/* Objects that are looked at for it. */
#define VOCABULARY_MAX 200

/* Adds what the object has and into lacks, here and inside; of arrays what their items have, as one item. 0 or -ENOMEM. */
int vocabulary_add(struct json_object *into, struct json_object *object);
/* Adds the objects of a list, as far as their bodies are at hand. */
int vocabulary_add_list(struct json_object *into, struct list *list);
