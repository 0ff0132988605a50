/* What the program does; each returns its exit status, after it said what there is to say. */
#pragma once

#include "sync/args.h"
#include "sync/files.h"

int do_plan(const struct args *args);
int do_apply(const struct args *args);
int do_export(const struct args *args);
int do_wait(const struct args *args);
/* Waits for what the repository has of kinds that run. */
int wait_for_files(const struct args *args, const struct files *files);
