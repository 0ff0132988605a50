/* What is cached, whatever its age, without a call or a wait; and one resource by itself. */
#pragma once

#include "fs/show/source.h"

/* What is cached of a list, of one resource by itself, of a singleton's document, whatever its age: a reference; NULL: nothing. */
struct list *source_known_list(struct mount *mount, const struct kind *kind, const char *parent, struct store_info *ret_info);
struct snapshot *source_known_item(struct mount *mount, const struct kind *kind, const char *parent, const char *id,
				   struct store_info *ret_info);
/* Of a document, by its key. */
struct snapshot *source_known_by_letter(struct mount *mount, const char *key);
struct list *source_known_by_key(struct mount *mount, const void *row, const char *key);
struct snapshot *source_known_part(struct mount *mount, const struct part *part);
/* Why a list, or a singleton's document, could not be had anew the last time. false, with *ret as it was: it is not known. */
bool source_known_failure(struct mount *mount, const struct kind *kind, const char *parent, struct err *ret);
bool source_known_part_failure(struct mount *mount, const struct part *part, struct err *ret);
/* One resource by itself, at most this old: a handler's, as source_list. */
int source_item(struct request *r, const struct kind *kind, const char *parent, const char *id, int64_t ttl_ms,
		struct snapshot **ret);
