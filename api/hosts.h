/*
 * Calls that have a budget of their own beside the account's: a row says which (by their flags), at what rate, and for them the client
 * has another transport, with its own connections and its own knowledge of limits. It is made when it is first needed. Thread-safe.
 */
#pragma once

#include "api/transport.h"

struct hosts;

/* Copies what options say of authority, agent, times and connections. registry: the base address of the row that has one, or NULL.
   NULL without memory. */
struct hosts *hosts_new(const struct transport_options *options, const char *registry);
/* As transport_stop, for all that there are. NULL is fine. */
void hosts_stop(struct hosts *hosts);
struct hosts *hosts_free(struct hosts *hosts);

/* The transport of a call with these flags: own, where no row has them. 0, or -errno with text. */
int hosts_find(struct hosts *hosts, unsigned flags, struct transport *own, struct transport **ret, struct err *err);
void hosts_forget_limits(struct hosts *hosts);
