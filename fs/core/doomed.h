/* A delete that waits: who wants it, while that process may be gone, and what is deleted, while the account still has it. */
#pragma once

#include <sys/types.h>

#include "cache/body.h"

struct request;

#define WHO_COMMAND_SIZE 64

struct who {
	uid_t uid;
	pid_t pid;                      /* of the process; 0: another namespace's, or the mount itself */
	char command[WHO_COMMAND_SIZE]; /* its name, as the kernel has it, or "" */
};

/* Of a request whose process still waits for it. */
void who_of(const struct request *r, struct who *ret);

struct doomed {
	struct who who;
	struct body *document; /* owned reference; what the file showed; NULL: it has none that could make it again */
};

/* NULL without memory, and of NULL. */
struct doomed *doomed_copy(const struct doomed *doomed);
struct doomed *doomed_free(struct doomed *doomed);
DEFINE_CLEANUP(struct doomed *, doomed_free)
