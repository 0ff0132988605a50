/* The command line. */
#pragma once

#include "api/base/cleanup.h"

enum verb { SYNC_PLAN, SYNC_APPLY, SYNC_EXPORT, SYNC_WAIT };

/* What the program ends with. */
enum { SYNC_WELL, SYNC_FAILED, SYNC_CHANGES, SYNC_NOT_HEALTHY };

struct args {
	enum verb verb;
	const char *account; /* NULL: cfcfs itself looks for it */
	char *options;       /* owned; -o of the user, joined with commas; NULL: none */
	const char *repo;
	char **paths; /* of wait */
	size_t paths_count;
	bool prune, json, wait, help, version;
	unsigned max_delete, wait_s;
};

/* 0; -EINVAL after a line on stderr. */
int args_parse(struct args *args, int argc, char **argv);
void args_clear(struct args *args);
void args_help(void);
