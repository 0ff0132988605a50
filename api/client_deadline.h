/* For calls that are made of several. */
#pragma once

#include "api/client.h"

/* When an operation that begins now must have ended. */
int64_t client_deadline(const struct client *client);
