#include "fs/show/shown.h"

#include <errno.h>

#include "api/base/clock.h"
#include "fs/show/offers.h"
#include "fs/show/source.h"
#include "fs/show/walkers.h"

bool shown_part(const struct mount *mount, const struct part *part)
{
	return mount->options->view == VIEW_FULL || (part->flags & KIND_DECLARED);
}

bool shown_is_left_out(const struct mount *mount, const struct kind *kind)
{
	return mount->options->hidden >> kind_number(kind) & 1;
}

bool shown_kind(const struct mount *mount, const struct kind *kind)
{
	if (shown_is_left_out(mount, kind))
		return false;
	if (mount->options->view == VIEW_FULL || (kind->flags & KIND_DECLARED))
		return true;
	for (const struct part *p = kind->parts; p && p->name; p++) {
		if (shown_part(mount, p))
			return true;
	}
	return false;
}

/* ---- what the service offers ---- */

/* How listings below a directory are told apart: by the resource's id, and the root. */
static const char *listing_name(const char *parent)
{
	return parent ? parent : "/";
}

static bool is_certain(const struct operation *operation)
{
	return !operation || (operation->source == SOURCE_OFFICIAL && !operation->by_application);
}

static enum offer part_offer(const struct mount *mount, const struct part *part)
{
	const struct operation *operation = operation_find("GET", part->path);

	return is_certain(operation) ? OFFER_OFFERED : offers_of(mount->offers, operation);
}

/* ABSENT where no part of it is offered. */
static enum offer parts_offer(const struct mount *mount, const struct kind *kind)
{
	enum offer offer = OFFER_ABSENT;

	for (const struct part *p = kind->parts; p->name && offer != OFFER_OFFERED; p++) {
		if (shown_part(mount, p) && part_offer(mount, p) != OFFER_ABSENT)
			offer = part_offer(mount, p);
	}
	return offer;
}

/* Of the directory of a kind below a parent, by what is known. */
enum offer shown_offer(const struct mount *mount, const struct kind *kind, const char *parent)
{
	const struct kind *row = source_list_kind(kind);
	const struct operation *operation;
	cleanup_free_ char *key = NULL;

	if (kind->flags & KIND_SINGLETON)
		return parts_offer(mount, kind);
	operation = operation_of(row, KIND_LIST);
	/* Without its list, such a directory shows what the mount remembers. */
	if (is_certain(operation) || kind->flags & KIND_LIST_UNCONFIRMED)
		return OFFER_OFFERED;
	if (source_list_key(row, row->parent ? parent : NULL, &key) < 0)
		return OFFER_UNKNOWN;
	return offers_of_list(mount->offers, operation, key + 2);
}

static int refuse_dir(struct request *r, const struct kind *kind, const char *parent)
{
	const struct kind *row = source_list_kind(kind);
	cleanup_free_ char *key = NULL;

	if (kind->flags & KIND_SINGLETON)
		return offers_refuse(r->mount->offers, operation_find("GET", kind->item), NULL, &r->err);
	if (source_list_key(row, row->parent ? parent : NULL, &key) < 0)
		return -ENOMEM;
	return offers_refuse(r->mount->offers, operation_of(row, KIND_LIST), key + 2, &r->err);
}

/* After a look that is only meant to find out what is offered: 0, or why there was none yet. */
static int ignore_failure(struct request *r, int result)
{
	if (result == RUN_IN_WORKER || result == -EINTR)
		return result;
	err_clear(&r->err);
	return 0;
}

static int contact_part(struct request *r, const struct part *part)
{
	cleanup_(snapshot_unrefp) struct snapshot *snapshot = NULL;
	struct store_info info;

	if (part_offer(r->mount, part) != OFFER_UNKNOWN)
		return 0;
	return ignore_failure(r, source_part(r, part, -1, &snapshot, &info));
}

static int contact_parts(struct request *r, const struct kind *kind)
{
	int result = 0;

	for (const struct part *p = kind->parts; p->name && result == 0; p++) {
		if (shown_part(r->mount, p))
			result = contact_part(r, p);
	}
	return result;
}

static int contact_dir(struct request *r, const struct kind *kind, const char *parent)
{
	cleanup_(list_unrefp) struct list *list = NULL;
	struct store_info info;

	if (kind->flags & KIND_SINGLETON)
		return contact_parts(r, kind);
	return ignore_failure(r, source_list(r, kind, parent, &list, &info));
}

/* Whether the process got the name of this directory from a listing, before anybody knew whether it is offered. */
bool shown_is_walking(const struct request *r, const struct kind *kind, const char *parent)
{
	return walkers_has(r->mount->walkers, r->ctx.pid, listing_name(parent), kind_number(kind));
}

/* Notes the directories of which it is not known yet, or that are not offered: who syncs a tree may have names of another listing.
   kind: whose resource's directory is listed; NULL: the root. */
void shown_note_listing(const struct request *r, const struct kind *kind, const char *id)
{
	uint64_t names = 0;

	for (const struct kind *const *k = kinds; *k; k++) {
		enum offer offer;

		if ((*k)->parent != kind || !(kind ? !shown_is_left_out(r->mount, *k) : shown_kind(r->mount, *k)))
			continue;
		offer = shown_offer(r->mount, *k, id);
		if (offer == OFFER_UNKNOWN || offer == OFFER_ABSENT)
			names |= UINT64_C(1) << kind_number(*k);
	}
	walkers_listed(r->mount->walkers, r->ctx.pid, listing_name(id), names);
}

static bool is_open(const struct mount *mount, const struct kind *kind)
{
	return !kind->parent && shown_kind(mount, kind) && shown_offer(mount, kind, NULL) == OFFER_UNKNOWN;
}

static bool is_anything_open(const struct mount *mount)
{
	for (const struct kind *const *k = kinds; *k; k++) {
		if (is_open(mount, *k))
			return true;
	}
	return false;
}

/* Starts asking for all but those that would look for their prefix while another one does. */
static void look_side_by_side(struct mount *mount)
{
	bool probing = false;

	for (const struct kind *const *k = kinds; *k; k++) {
		bool probe = is_open(mount, *k) && offers_is_probe(mount->offers, operation_of(*k, KIND_LIST));

		for (const struct part *p = (*k)->parts; is_open(mount, *k) && p && p->name; p++) {
			if (shown_part(mount, p) && part_offer(mount, p) == OFFER_UNKNOWN)
				source_prefetch_part(mount, p);
		}
		if (is_open(mount, *k) && !(*k)->parts && !(probe && probing))
			source_prefetch(mount, *k);
		probing |= probe;
	}
}

int shown_look_at_root(struct request *r)
{
	int64_t deadline_ms = r->deadline_ms, until_ms = clock_after_ms(SHOWN_LOOK_MS);
	int result = 0;

	if (!offers_first_look(r->mount->offers, false) || !is_anything_open(r->mount))
		return 0;
	if (!r->worker)
		return RUN_IN_WORKER;
	if (!offers_first_look(r->mount->offers, true))
		return 0;
	look_side_by_side(r->mount);
	r->deadline_ms = until_ms < deadline_ms ? until_ms : deadline_ms;
	for (const struct kind *const *k = kinds; *k && result == 0; k++) {
		if (is_open(r->mount, *k))
			result = contact_dir(r, *k, NULL);
	}
	r->deadline_ms = deadline_ms;
	offers_look_ended(r->mount->offers);
	return result;
}

/*
 * A name that leads to a kind's directory. Who asks for it by name is told what the first contact says; who goes through the tree
 * goes on.
 */
int shown_find_dir(struct request *r, const struct kind *kind, const char *parent, int64_t *ret_expires_ms)
{
	enum offer offer = shown_offer(r->mount, kind, parent);
	bool walking = offer != OFFER_OFFERED && offer != OFFER_REFUSED && shown_is_walking(r, kind, parent);
	int result;

	if (offer == OFFER_UNKNOWN && !walking) {
		result = contact_dir(r, kind, parent);
		if (result < 0)
			return result;
		offer = shown_offer(r->mount, kind, parent);
	}
	if (offer == OFFER_ABSENT && !walking)
		return refuse_dir(r, kind, parent);
	if (offer == OFFER_UNKNOWN || offer == OFFER_ABSENT)
		*ret_expires_ms = 0;
	return 0;
}

/* The operation that brings the leaf; NULL: it needs none of its own, or one that is always there. */
static const struct operation *leaf_operation(const struct kind *kind, const struct leaf *leaf)
{
	const struct operation *operation = NULL;

	if (leaf->source == LEAF_FETCH)
		operation = operation_find("GET", leaf->path);
	else if (leaf->source == LEAF_EVENTS_OF_PLACEMENTS)
		operation = operation_of(kind_by_dir(kind, "placements"), KIND_LIST);
	return is_certain(operation) ? NULL : operation;
}

/* Whether it is offered; asks where that is not known. *ret stays as it is on failure. */
int shown_leaf(struct request *r, const struct identity *dir, const struct leaf *leaf, bool *ret)
{
	const struct operation *operation = leaf_operation(dir->kind, leaf);
	cleanup_(snapshot_unrefp) struct snapshot *snapshot = NULL;
	cleanup_(list_unrefp) struct list *list = NULL;
	struct store_info info;
	int result = 0;

	if (operation && offers_of(r->mount->offers, operation) == OFFER_UNKNOWN) {
		if (leaf->source == LEAF_FETCH)
			result = source_leaf(r, leaf, dir->parent_id, dir->id, &snapshot, &info);
		else
			result = source_list(r, kind_by_dir(dir->kind, "placements"), dir->id, &list, &info);
		result = ignore_failure(r, result);
	}
	if (result == 0)
		*ret = !operation || offers_of(r->mount->offers, operation) != OFFER_ABSENT;
	return result;
}

int shown_part_is_offered(struct request *r, const struct part *part, bool *ret)
{
	int result = contact_part(r, part);

	if (result == 0)
		*ret = part_offer(r->mount, part) != OFFER_ABSENT;
	return result;
}
