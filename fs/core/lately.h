/*
 * What this mount made and removed of late. The service lags behind both: it lists what is gone, and refuses the name of what it has
 * not let go of yet. Only the mount's own doing tells that from somebody else's. LATELY_MAX of them, the oldest is forgotten.
 * Thread-safe; takes its own lock only.
 */
#pragma once

#include "api/kind.h"
#include "cache/body.h"

struct json_object;
struct lately;

#define LATELY_MAX 512

enum lately_how { LATELY_MADE, LATELY_REMOVED };

/* One resource. Strings, objects and bodies are owned; all but the id may be NULL. */
struct lately_one {
	const struct kind *kind; /* NULL: a free place */
	char *id;
	enum lately_how how;
	bool told;     /* a twin of it is on record */
	int64_t at_ms; /* when it was noted */
	/* Of what was removed: what it was, and whether the service was seen to have let go of it. */
	char *parent_id, *name;
	struct json_object *claims; /* by field */
	struct body *body;
	bool let_go;
};

struct lately *lately_new(void);
struct lately *lately_free(struct lately *lately);

/* Notes it, in the place of what was noted of the same resource before. The fields are taken over in any case. */
void lately_note(struct lately *lately, struct lately_one *one);

/* Calls look() with each of the kind, the newest first, until it says true: whether one did. With the lock held: it waits for nothing. */
bool lately_find(struct lately *lately, const struct kind *kind, bool (*look)(struct lately_one *one, void *arg), void *arg);
