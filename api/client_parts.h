/* For calls that are made of several. */
#pragma once

#include "api/client.h"

struct operation;

/* When an operation that begins now must have ended. */
int64_t client_deadline(const struct client *client);
/* How many items to ask a page of the list for; 0: the service chooses. */
unsigned client_page_size(const struct client *client, const struct operation *operation);
/* The service refused a page of this size: the next one is asked with a smaller one. */
void client_page_refused(struct client *client, const struct operation *operation, unsigned size);
