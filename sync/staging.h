/* Bringing a repository onto a mount that stages. */
#pragma once

#include "sync/args.h"
#include "sync/files.h"

/* What the repository wants of the account. */
struct wanted {
	struct files repo;
	char **deletes; /* owned; with --prune: what the repository lacks */
	size_t deletes_count;
};

/* Reads the repository: 0, or -errno with text; one without any resource is refused. */
int wanted_read(const struct args *args, struct wanted *ret, struct err *err);
/*
 * Stages it. What is pruned is found, and counted, before anything is; a document that is refused is told on stderr, and the others go
 * on. 0; -EINVAL with text: some were refused; -E2BIG with text: more deletes than --max-delete; -EINTR.
 */
int wanted_stage(struct wanted *wanted, const struct args *args, const char *mount, struct err *err);
void wanted_clear(struct wanted *wanted);
#define cleanup_wanted_ cleanup_(wanted_clear)
