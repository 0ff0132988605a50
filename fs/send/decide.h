/*
 * What a wish comes to: a pure function of what was gathered, with no mount, lock, clock or call in it. The same facts give the
 * same change. Tested by tables of documents.
 */
#pragma once

#include "fs/send/gather.h"

/* Never fails but without memory (NULL): a refusal is a change, too. */
struct change *decide(const struct gathered *g);

/* ---- rows of the dispatch, by what it is about; 0, or -errno with the refusal in the change ---- */

int decide_document(const struct gathered *g, struct change *c);
int decide_part(const struct gathered *g, struct change *c);
int decide_secret(const struct gathered *g, struct change *c);
int decide_key(const struct gathered *g, struct change *c);
int decide_credentials(const struct gathered *g, struct change *c);
int decide_action(const struct gathered *g, struct change *c);
int decide_rename(const struct gathered *g, struct change *c);
int decide_delete(const struct gathered *g, struct change *c);

/* ---- pieces ---- */

/* The wish's text into c->after. */
int decide_parse(const struct gathered *g, struct change *c);
/* Adds a step with the body, whose reference it takes. */
int decide_step(struct change *c, const char *verb, const char *method, const char *template, struct json_object *body,
		struct step **ret);
/*
 * What a document changes in a resource that rollouts follow, or may follow: c->patch in as few steps as the service takes, and
 * c->removed.
 */
int decide_update_steps(const struct gathered *g, struct change *c);
