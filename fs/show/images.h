/*
 * Images of the managed registry: registries/DOMAIN/images/REPOSITORY/TAG. The catalogue of all repositories is one list of the store,
 * whose items are tags: id "REPOSITORY:TAG", name TAG, parent REPOSITORY. The registry is another host (CALL_REGISTRY) with credentials
 * of its own, which are made when they are needed and kept until they expire; so even a listing makes a credential, and the
 * directory is shown in a full view that may write, alone. Thread-safe.
 */
#pragma once

#include "api/base/buf.h"
#include "fs/core/request.h"
#include "fs/core/tree.h"
#include "fs/show/walk.h"

struct images;

#define IMAGES_DIR "images"
/* The first letter of the catalogue's key. */
#define IMAGES_KEY 'R'

struct images *images_new(void);
struct images *images_free(struct images *images);

/* Whether the directory of this resource has images: it is the managed registry, its address is known, and it has a catalogue as far
   as is known. */
bool images_shown(const struct mount *mount, const struct snapshot *registry);
/* A number above all traits where they are shown, else 0: for the serial of a listing. */
unsigned images_mark(const struct mount *mount, const struct snapshot *registry);

/* Handlers': what the names in PLACE_IMAGES and PLACE_REPOSITORY are. As walk_identify, walk_each and walk_serial. */
int images_identify(struct request *r, const struct identity *dir, const char *name, struct identity *ret,
		    int64_t *ret_expires_ms);
int images_each(struct request *r, const struct identity *dir, walk_fn each, void *arg, struct store_info *ret_info);
int images_serial(struct request *r, uint64_t *ret_serial, struct store_info *ret_info);

/* Of a PLACE_IMAGE. The catalogue's entry; -ENOENT. */
int images_load(struct request *r, const struct identity *what, struct snapshot **ret, struct store_info *ret_info);
/* The full reference and a newline. */
int images_print(const struct mount *mount, const struct identity *what, struct buf *out);
/* Its digest, asked for now. */
int images_digest(struct request *r, const struct identity *what, struct buf *out);
/* The paths of what refers to it by the tag or by its digest, a space between them; -ENODATA where nothing does. */
int images_used_by(struct request *r, const struct identity *what, struct buf *out);
/* Removes the tag, and nothing else of its digest. -EBUSY with the names of what uses it; -EIO where that cannot be told. */
int images_remove(struct request *r, const struct identity *what);

/* The store's: the catalogue, all pages of it. */
int images_fetch(struct mount *mount, struct store_value *ret, struct err *err);

/* fs/show/images_used.c: appends the paths of what refers to the image. digest "": by the tag alone. Kinds that the service does not offer
   are named in the log. 0, or -errno where one of the lists fails. */
int images_find_users(struct request *r, const char *image, const char *digest, struct buf *out);
