/*
 * Where cached values come from: the store's keys, and the fetch that turns a key into calls. A key is a letter for
 * what it holds and the API's path: "L:" a kind's list, "I:" one resource, "D:" a leaf's document, "P:" a part of a
 * singleton.
 */
#pragma once

#include "fs/core/request.h"

struct json_object;

/* A resource or document that another mount fetched is about to be used here. */
void source_arrived(struct mount *mount, const void *row, const char *key, struct snapshot *snapshot);
/* The store's fetch callback; arg is the mount. */
int source_fetch(void *arg, const void *row, const char *key, struct store_value *ret, struct err *err);

/* The kind whose list holds this kind's resources: itself, or the root kind where the list is the account's. */
const struct kind *source_list_kind(const struct kind *kind);
/* Freed by the caller; -ENOMEM. parent is the parent resource's id (NULL at the root). */
int source_list_key(const struct kind *kind, const char *parent, char **ret);
int source_item_key(const struct kind *kind, const char *parent, const char *id, char **ret);
int source_leaf_key(const struct leaf *leaf, const char *parent, const char *id, char **ret);
int source_part_key(const struct part *part, char **ret);

int64_t source_ttl(const struct mount *mount, const struct kind *kind);

/* Begins to fetch a list of the root where it is not known, without waiting. */
void source_prefetch(struct mount *mount, const struct kind *kind);
void source_prefetch_part(struct mount *mount, const struct part *part);
/* The list of a kind below a parent (the whole account's where the kind's list is). */
int source_list(struct request *r, const struct kind *kind, const char *parent, struct list **ret, struct store_info *ret_info);
/* One resource by id, from its list. -ENOENT. */
int source_snapshot(struct request *r, const struct kind *kind, const char *parent, const char *id, struct snapshot **ret,
		    struct store_info *ret_info);
/* The same for its status: a short list is asked for anew past status_ttl; a long one would cost a call for each of its pages, so
   there cache_ttl holds. */
int source_status(struct request *r, const struct kind *kind, const char *parent, const char *id, struct snapshot **ret,
		  struct store_info *ret_info);
/* A leaf's document; a singleton's document. */
int source_leaf(struct request *r, const struct leaf *leaf, const char *parent, const char *id, struct snapshot **ret,
		struct store_info *ret_info);
/* ttl_ms -1: cache_ttl. */
int source_part(struct request *r, const struct part *part, int64_t ttl_ms, struct snapshot **ret, struct store_info *ret_info);

/* The snapshot's object; its body is fetched again where it was dropped. The caller puts *ret. */
int source_object(struct request *r, const struct kind *kind, const char *parent, struct snapshot *snapshot,
		  struct json_object **ret);
/* A resource as the cached list has it, whatever its age; a reference; NULL where it is not known. */
struct snapshot *source_known(struct mount *mount, const struct kind *kind, const char *parent, const char *id);
/* The shown identity of such a resource; freed by the caller; NULL where it is not known. */
char *source_known_name(struct mount *mount, const struct kind *kind, const char *parent, const char *id);
/* A change of ours: the answer's object stands in the list from now on. -EIO where it has no identity: then the list is
   asked anew. *ret (may be NULL) gets a reference. */
int source_changed(struct mount *mount, const struct kind *kind, const char *parent, struct json_object *object, int64_t sent_ms,
		   struct snapshot **ret);
/* Asks the list anew, whatever its age. settle: something was sent whose outcome must be found out, so no signal ends the wait. */
int source_list_again(struct request *r, const struct kind *kind, const char *parent, bool settle, struct list **ret);
void source_removed(struct mount *mount, const struct kind *kind, const char *parent, const char *id);
/* Whether the item of an account-wide list belongs below this parent (NULL: the root). */
bool source_belongs(const struct kind *kind, const char *parent, const struct snapshot *snapshot);
/* Forgets all that is cached of a root kind: lists, single resources, leaves and parts, and what has its paths below it. */
void source_drop_kind(struct mount *mount, const struct kind *kind);
/* Forgets the documents of singletons. */
void source_drop_parts(struct mount *mount);
/* Forgets what was answered of one resource by itself: a change has been made since. */
void source_drop_item(struct mount *mount, const struct kind *kind, const char *parent, const char *id);
