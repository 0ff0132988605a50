/* The curl side of the transport: handles, their options and callbacks. The transport thread's alone. */
#pragma once

#include "api/transport.h"

/* What every handle of a transport has in common. */
struct easy_setup {
	bool tls, loopback;
	bool keeps; /* a handle may be used again: nothing of its last request is left in it */
	int64_t connect_timeout_ms;
	char *user_agent;       /* owned */
	struct buf authorities; /* PEM: the system's and the added one; empty: curl's own default */
};

/* Reads the options and the cacert file. 0 or -errno with text. */
int easy_setup_init(struct easy_setup *setup, const struct transport_options *options, struct err *err);
void easy_setup_free(struct easy_setup *setup);

/* A handle with all that does not change from request to request; NULL without memory. */
CURL *easy_new(const struct easy_setup *setup);
/*
 * Makes ex->easy ready to send ex. may_send is asked right before the request goes out, with arg; false aborts.
 */
struct easy_gate {
	bool (*may_send)(void *arg, struct exchange *ex);
	void *arg;
};
CURLcode easy_prepare(const struct easy_setup *setup, const struct easy_gate *gate, struct exchange *ex, int64_t now_ms);
/* Whether the whole answer is there, whatever curl still waits for. */
bool easy_has_answer(const struct exchange *ex);
/* Takes what is to be known of the transfer that ended with code out of the handle. */
void easy_finish(struct exchange *ex, CURLcode code);
