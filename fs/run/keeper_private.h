/* Between the server and its keeper: one order at a time over a socket of sequenced packets, each with an answer. */
#pragma once

#include "fs/run/keeper.h"

enum keeper_order {
	KEEPER_MOUNT,
	KEEPER_DETACH,
	KEEPER_GONE,
	KEEPER_LEAVE, /* without an answer */
};

struct keeper_answer {
	int result; /* 0 or -errno */
	dev_t device;
	bool can_abort;
	char text[sizeof(((struct err *)0)->text)];
};

/* The whole life of the keeper's process, of which server is the other end. Never returns. */
_Noreturn void keeper_run(int socket, pid_t server, const struct options *options);
