/* One mount: what all operations share. Fixed after start-up, but for what locks itself. */
#pragma once

#include <fuse_lowlevel.h>

#include "api/base/pool.h"
#include "api/client.h"
#include "api/kind.h"
#include "cache/state.h"
#include "cache/store.h"
#include "fs/core/options.h"

struct tree;
struct entry;
struct kept;
struct failures;
struct notifier;
struct timer;
struct trash;
struct secrets_table;
struct credentials_table;
struct defaults;
struct events_table;
struct crawl;
struct lately;
struct intents;
struct offers;
struct pace;
struct fleet;
struct stage;
struct applies;
struct walkers;
struct overview;
struct images;
struct changes;

struct mount {
	const struct options *options;
	struct fuse_session *session;
	struct client *client; /* owned, as all below */
	struct store *store;
	struct state *state;   /* never NULL */
	struct pool *readers;  /* requests that may wait for the network to read */
	struct pool *writers;  /* requests that change something */
	struct pool *deleters; /* deferred deletes: requests wait for them, so they are not in the requests' pools */
	struct pool *fetchers; /* the store's flights */
	struct tree *tree;
	struct kept *kept;
	struct failures *failures;
	struct notifier *notifier;
	struct timer *timer;
	struct trash *trash;
	struct credentials_table *credentials;
	struct defaults *defaults; /* of the account */
	struct events_table *events;
	struct crawl *crawl;
	struct lately *lately;   /* what this mount made and removed */
	struct intents *intents; /* what was accepted and may not be shown yet */
	struct offers *offers;
	struct pace *pace; /* of deletes, in a full view */
	struct walkers *walkers;
	struct overview *overview;
	struct images *images;
	struct changes *changes;
	struct fleet *fleet; /* those that it shares with; NULL: it is alone */
	struct applies *applies;
	struct stage *stage;       /* NULL: what is written is sent at once */
	char *base_url;            /* owned */
	_Atomic bool read_only;    /* as the kernel has it now: option ro, then mount -o remount */
	_Atomic int64_t ending_ms; /* an orderly end began, and is over by then (clock_now_ms); 0: not yet */
	int64_t start_ns;          /* when it was mounted: the time of what has no other */
};

/* How long a created or removed resource is held against lists that lag behind. */
#define MOUNT_HOLD_MS 30000
/* Of how long max_delete speaks, beside delete_grace. */
#define MOUNT_PACE_MS 10000
/* Threads at most; a request past them waits its turn. */
#define MOUNT_READERS_MAX  512
#define MOUNT_WRITERS_MAX  128
#define MOUNT_DELETERS_MAX 32
/* As many as there are readers: each may wait for an answer of its own. */
#define MOUNT_FETCHERS_MAX MOUNT_READERS_MAX
#define MOUNT_STACK_BYTES  ((size_t)256 << 10)
