/* The files of /.cfcfs that are about what is staged: plan, plan.json, apply, apply.jsonl. Ends with a NULL name. */
#pragma once

#include "fs/show/control.h"

extern const struct control stage_controls[];
