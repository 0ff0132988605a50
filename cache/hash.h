/* uthash as it is used here: no exit without memory (the element is then not in the table), and our own hash. */
#pragma once

#include "api/base/rand.h"

#define HASH_NONFATAL_OOM                    1
#define uthash_nonfatal_oom(element)         ((void)0)
#define HASH_FUNCTION(keyptr, keylen, hashv) ((hashv) = (unsigned)hash64(keyptr, keylen))
#include <uthash.h>
