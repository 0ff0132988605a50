/*
 * A private mount: nobody else's directory, in the foreground as this program's child, gone with it. Its place is the same from run to
 * run, one for each run that goes on at once: so what a killed apply left staged is found by the next one.
 */
#pragma once

#include <signal.h>
#include <sys/types.h>

#include "api/base/err.h"
#include "sync/args.h"

struct mounted {
	char *dir;   /* owned; the mount point */
	pid_t pid;   /* of cfcfs; 0: none */
	int lock_fd; /* owned; held as long as the place is used; -1 */
};
#define MOUNTED_NONE                                                                                                             \
	(struct mounted)                                                                                                         \
	{                                                                                                                        \
		.lock_fd = -1                                                                                                    \
	}

/* options: what this program needs, behind those of the user. 0; -errno with text, empty where cfcfs has said it on stderr. */
int mounted_start(struct mounted *m, const struct args *args, const char *options, struct err *err);
/* Unmounts, and waits for cfcfs to end. 0; -EIO where it ended with a failure, which it told. */
int mounted_end(struct mounted *m);
#define cleanup_mounted_ cleanup_(mounted_endp)
void mounted_endp(struct mounted *m);

/* Set by SIGINT, SIGTERM and SIGHUP. */
extern volatile sig_atomic_t interrupted;
void interrupt_listen(void);
/* For so long, or until a signal, which the end of a child is, too. */
void pause_ms(unsigned ms);
