/* What is known of an operation: between what finds it out and what prints it. */
#pragma once

#include "fs/show/offers.h"

enum prefix { PREFIX_CONTAINERS, PREFIX_CLOUDCHAMBER, PREFIXES };

extern const char *const offers_prefixes[PREFIXES];

/* An answer by which an operation is not offered, or refused. */
struct refusal {
	int status; /* 0: none */
	int code;
	char text[160];
};

struct row {
	enum offer offer;
	bool seen;          /* by this state, at some time */
	enum prefix prefix; /* by which it is, or was, offered */
	int64_t since_ns;   /* when offer came to be known; 0: from the state */
	struct refusal refusals[PREFIXES];
};

/* A copy. */
void offers_row(struct offers *offers, const struct operation *operation, struct row *ret);
/* How many applications lack something that others have. */
int offers_lacking(struct offers *offers);
