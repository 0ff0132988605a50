/* Documents checked by the contract alone, without an account or a mount (cfcfs --check). */
#pragma once

#include "api/base/err.h"
#include "api/kind.h"

/* What a file is. */
struct check_target {
	const struct kind *kind;
	const struct part *part; /* of the account; NULL: none */
	bool credentials;        /* a request for a registry's credentials */
	char *identity;          /* owned; NULL where the kind was named and the file's name says nothing */
};

/*
 * From the path, which ends as in a mount or a repository of one ("…/applications/web.json", "…/account/defaults.json"), or from
 * the kind's word where there is one ("application", "registry protocol" or "registry-protocol", "defaults"). -EINVAL with what
 * would do.
 */
int check_find(const char *path, const char *word, struct check_target *ret, struct err *err);
void check_clear(struct check_target *target);

/*
 * Checks a file's content as a mount would before it creates the resource: each fault is one line for fault (without a newline,
 * never with a secret's value). Returns how many, or -ENOMEM. What only the account knows, such as references, is not looked at.
 */
int check_text(const struct check_target *target, const char *text, size_t len, void (*fault)(void *arg, const char *line),
	       void *arg);
