/* From checked options to a mount that works, and back. */
#pragma once

#include "api/base/err.h"
#include "fs/core/options.h"

struct mount;
struct signals;
struct keeper;
struct loop;
struct remounts;
struct fuse_session;

enum exit_status {
	EXIT_MOUNTED = 0,
	EXIT_UNSENT = 1, /* ended, and what was pending could not all be sent: the log names it */
	EXIT_USAGE = 2,
	EXIT_CREDENTIALS = 3, /* refused */
	EXIT_API = 4,         /* out of reach */
	EXIT_MOUNT = 5,       /* failed */
};

struct start {
	struct options options;
	char *base_url; /* owned, as all below */
	char *registry; /* the registry of images; NULL: none is known */
	char *source;   /* of the credentials, for messages */
	struct signals *signals;
	struct mount *mount;
	struct fuse_session *session;
	struct loop *loop;
	struct keeper *keeper;
	struct remounts *remounts;
	bool mounted;
	char warning[400]; /* what works less well than asked for; "" for nothing */
	int argc;          /* what ps shows; borrowed */
	char **argv;
};

/* Before the fork: the address, the mount point, absolute paths. An exit status, with text. */
int start_prepare(struct start *s, struct err *err);
/* After the fork: everything up to a mount that works. An exit status, with text; on failure no mount is left. */
int start_mount(struct start *s, struct err *err);
/* Serves until the mount is gone. 0, or an exit status. */
int start_serve(struct start *s);
/* Takes the mount away, if it stands, and frees all. */
void start_end(struct start *s);
