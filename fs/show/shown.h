/*
 * Which of the table's directories and files are shown: by the options (view, hide), and by what the service offers. What is found out
 * at the first contact is looked for here, too.
 */
#pragma once

#include "fs/core/request.h"
#include "fs/show/offers.h"

/* As far as the options say: whether the kind is shown at the root; whether it is left out everywhere; whether a part is shown. */
bool shown_kind(const struct mount *mount, const struct kind *kind);
bool shown_is_left_out(const struct mount *mount, const struct kind *kind);
bool shown_part(const struct mount *mount, const struct part *part);

/* Of the directory of a kind below a parent (NULL: the root), by what is known. Asks nothing. */
enum offer shown_offer(const struct mount *mount, const struct kind *kind, const char *parent);
/*
 * A name that leads to a kind's directory: 0, or -EOPNOTSUPP with the sentence. Who asks for it by name is told what the first contact
 * says (RUN_IN_WORKER before it); who goes through the tree goes on. *ret_expires_ms becomes 0 where the answer may change.
 */
int shown_find_dir(struct request *r, const struct kind *kind, const char *parent, int64_t *ret_expires_ms);
/*
 * Before the root is listed for the first time, where something is known not to be offered: asks for what is not known yet, side by
 * side, and waits for it no longer than SHOWN_LOOK_MS; what has not answered by then is shown. RUN_IN_WORKER before the worker's turn.
 * These are lists that a crawl asks for anyway.
 */
int shown_look_at_root(struct request *r);
#define SHOWN_LOOK_MS 800
/* Whether a leaf of dir, or a part, is offered; asks where that is not known. RUN_IN_WORKER or -EINTR: there is no answer yet. */
int shown_leaf(struct request *r, const struct identity *dir, const struct leaf *leaf, bool *ret);
int shown_part_is_offered(struct request *r, const struct part *part, bool *ret);

/* The process lists the root (kind NULL), or the directory of a resource of this kind. */
void shown_note_listing(const struct request *r, const struct kind *kind, const char *id);
/* Whether it listed where this directory's name stands, or would stand if it were offered. */
bool shown_is_walking(const struct request *r, const struct kind *kind, const char *parent);
