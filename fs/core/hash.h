/* uthash, told to report a lack of memory (hh.tbl stays NULL) instead of ending the process. */
#pragma once

#include "cache/hash.h"
