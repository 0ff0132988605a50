#include "fs/send/claim.h"

#include <errno.h>

#include "cache/fleet.h"

static const char *given_name(const struct change *change)
{
	switch (change->verb) {
	case VERB_CREATE:
		return change->name;
	case VERB_RENAME:
		return change->new_name;
	default:
		return NULL;
	}
}

int claim_name(struct request *r, const struct change *change, struct claim *claim)
{
	const char *name = given_name(change), *parent = change->parent_id ? change->parent_id : "";
	struct fleet *fleet = r->mount->fleet;
	int result;

	if (!fleet || !name || claim->lease)
		return 0;
	if (text_format(&claim->lease, "name %s %s %s", change->kind->dir, parent, name) < 0)
		return err_set(&r->err, ENOMEM, "out of memory");
	result = fleet_claim(fleet, claim->lease, r->deadline_ms, &r->waiter);
	if (result == -EINTR)
		return err_set(&r->err, EINTR, "interrupted");
	if (result == -ETIMEDOUT)
		return err_set(&r->err, ETIMEDOUT, "another mount was still giving away that name");
	/* Alone, what the account itself says must do. */
	if (result < 0)
		return 0;
	claim->fleet = fleet;
	return 1;
}

void claim_clear(struct claim *claim)
{
	if (claim->fleet)
		fleet_release(claim->fleet, claim->lease);
	free(claim->lease);
}
