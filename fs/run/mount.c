/* Building a mount up, checking it, taking it down. */
#include "fs/run/lifecycle.h"

#include <errno.h>
#include <utlist.h>

#include "api/base/clock.h"
#include "api/base/name.h"
#include "cache/fleet.h"
#include "fs/run/sharing.h"
#include "fs/show/changes.h"
#include "fs/show/crawl.h"
#include "fs/show/foreign.h"
#include "fs/show/images.h"
#include "fs/show/offers.h"
#include "fs/show/overview.h"
#include "fs/show/refresh.h"
#include "fs/core/credentials_table.h"
#include "fs/core/defaults.h"
#include "fs/core/events.h"
#include "fs/core/failures.h"
#include "fs/core/intents.h"
#include "fs/core/kept.h"
#include "fs/core/lately.h"
#include "fs/core/notify.h"
#include "fs/core/pace.h"
#include "fs/core/stage.h"
#include "fs/core/timer.h"
#include "fs/show/source.h"
#include "fs/show/walkers.h"
#include "fs/send/apply.h"
#include "fs/send/stage_controls.h"
#include "fs/send/trash.h"
#include "fs/core/tree.h"

/* A failed call is not repeated within this time, unless the time to live is shorter. */
#define FAILURE_TTL_MS 5000

/* What was written is kept beside what the API said: a quarter of the room is for it. */
#define KEPT_SHARE 4

static struct entry *entry_of_key(struct mount *mount, const struct kind *kind) REQUIRES(tree_locked)
{
	return kind->parent ? NULL : tree_find(mount->tree, mount->tree->root, kind->dir);
}

/* The account said something new: the kernel hears which names may lead elsewhere. Lists of the root alone are told so; what
   lies deeper is looked up again when its time to live is over. */
static void changed(void *arg, const void *row, const char *key)
{
	struct mount *mount = arg;
	const struct kind *kind = row;
	fuse_ino_t ino = 0;
	struct entry *dir;

	if (key[0] != 'L')
		return;
	tree_lock(mount->tree);
	mount->tree->changes++;
	dir = entry_of_key(mount, kind);
	if (dir)
		dir->mtime_ns = clock_wall_ns();
	if (dir && dir->current)
		ino = dir->current->id;
	tree_unlock(mount->tree);
	if (ino)
		notify_inode(mount->notifier, ino, true);
	changes_heard(mount->changes, kind);
}

static int make_store(struct mount *mount)
{
	const struct options *o = mount->options;
	struct store_options so = {
		.fetch = source_fetch,
		.fetch_arg = mount,
		.pool = mount->fetchers,
		.max_bytes = o->max_cache_bytes,
		.stale_ttl_ms = o->stale_ttl_ms,
		.negative_ttl_ms = o->negative_ttl_ms,
		.failure_ttl_ms = FAILURE_TTL_MS,
		.stale_wait_ms = STORE_STALE_WAIT_MS,
		.changed = changed,
		.changed_arg = mount,
		.fleet = mount->fleet,
		.share_ttl_ms = o->cache_ttl_ms > o->status_ttl_ms ? o->cache_ttl_ms : o->status_ttl_ms,
		.variant = foreign_variant,
		.arrived = foreign_arrival,
		.foreign = foreign_change,
		.share_arg = mount,
	};

	mount->store = store_new(&so);
	return mount->store ? 0 : -ENOMEM;
}

static int make_state(struct mount *mount)
{
	cleanup_free_ char *dir = mount->options->state_dir ? strdup(mount->options->state_dir) : state_default_dir();
	cleanup_free_ char *scope = NULL;

	if (text_format(&scope, "%s %s", mount->base_url, mount->options->account_id) < 0)
		return -ENOMEM;
	mount->state = state_open(dir, scope);
	if (mount->state)
		state_history_limit(mount->state, mount->options->history);
	mount->intents = mount->state ? intents_new(mount->state) : NULL;
	return mount->intents ? 0 : -ENOMEM;
}

int mount_new(const struct options *options, struct client *client, const char *base_url, struct mount **ret, struct err *err)
{
	struct mount *m = calloc(1, sizeof(*m));
	int r = -ENOMEM;

	if (!m)
		return err_set(err, ENOMEM, "out of memory");
	m->options = options;
	m->client = client;
	m->start_ns = clock_wall_ns();
	m->read_only = options->ro;
	m->base_url = strdup(base_url);
	m->tree = tree_new();
	m->timer = timer_new();
	m->trash = m->timer ? trash_new(m) : NULL;
	m->kept = kept_new(options->max_cache_bytes / KEPT_SHARE);
	m->failures = failures_new();
	m->notifier = notifier_new();
	m->credentials = credentials_table_new();
	m->defaults = defaults_new();
	m->events = events_new();
	m->crawl = crawl_new();
	m->lately = lately_new();
	m->walkers = walkers_new();
	m->overview = overview_new();
	m->applies = applies_new();
	control_add(stage_controls);
	m->images = images_new();
	m->changes = m->timer ? changes_new(m) : NULL;
	m->pace = pace_new(options->max_delete, MOUNT_PACE_MS + options->delete_grace_ms);
	m->readers = pool_new("cfcfs-read", MOUNT_READERS_MAX, MOUNT_STACK_BYTES);
	m->writers = pool_new("cfcfs-write", MOUNT_WRITERS_MAX, MOUNT_STACK_BYTES);
	m->deleters = pool_new("cfcfs-delete", MOUNT_DELETERS_MAX, MOUNT_STACK_BYTES);
	m->fetchers = pool_new("cfcfs-fetch", MOUNT_FETCHERS_MAX, MOUNT_STACK_BYTES);
	if (m->base_url && m->tree && m->timer && m->trash && m->kept && m->failures && m->notifier && m->credentials &&
	    m->defaults && m->events && m->crawl && m->lately && m->walkers && m->applies && m->pace && m->readers &&
	    m->writers && m->deleters && m->fetchers && m->overview && m->images && m->changes)
		r = make_state(m);
	if (r == 0) {
		r = sharing_open(m, err);
		if (r < 0) {
			mount_free(m);
			return r;
		}
	}
	if (r == 0 && !(m->offers = offers_new(m->state)))
		r = -ENOMEM;
	if (r == 0 && options->stage && !(m->stage = stage_new(m->state, options->mountpoint)))
		r = -ENOMEM;
	if (r == 0)
		r = make_store(m);
	if (r < 0) {
		mount_free(m);
		return err_set(err, ENOMEM, "out of memory");
	}
	r = sharing_start(m, err);
	if (r < 0) {
		mount_free(m);
		return r;
	}
	*ret = m;
	return 0;
}

int mount_start(struct mount *mount, struct fuse_session *session)
{
	int r = notifier_start(mount->notifier, session);

	mount->session = session;
	return r < 0 ? r : timer_start(mount->timer);
}

int mount_drain(struct mount *mount, int64_t deadline_ms)
{
	struct err err = ERR_INIT;
	int r = trash_flush(mount, NULL, NULL, deadline_ms, &err);

	/* What failed is in the log by its path already. */
	if (r < 0 && trash_tell_pending(mount) == 0)
		log_error("not everything that was pending was sent: %s", err.text);
	return r;
}

void mount_reload(struct mount *mount)
{
	struct err err = ERR_INIT;

	if (client_reload_credentials(mount->client, &err) < 0)
		log_error("the token could not be read again: %s", err.text);
	client_forget_limits(mount->client);
	credentials_table_clear(mount->credentials);
	offers_forget(mount->offers);
	refresh_all(mount);
}

struct mount *mount_free(struct mount *m)
{
	if (!m)
		return NULL;
	/* Each of these adds to what is ended after it: the clock to the deletes, requests to the flights, those to the notices. */
	timer_stop(m->timer);
	pool_free(m->writers);
	pool_free(m->deleters);
	/* What is written was sent, and found where its answer was lost; what is read is nobody's need any more. */
	store_end_flights(m->store);
	client_end_unowned(m->client);
	pool_free(m->readers);
	pool_free(m->fetchers);
	sharing_stop(m);
	notifier_stop(m->notifier);
	trash_free(m->trash);
	timer_free(m->timer);
	notifier_free(m->notifier);
	changes_free(m->changes);
	store_free(m->store);
	client_free(m->client);
	intents_free(m->intents);
	offers_free(m->offers);
	walkers_free(m->walkers);
	overview_free(m->overview);
	applies_free(m->applies);
	images_free(m->images);
	pace_free(m->pace);
	stage_free(m->stage);
	state_close(m->state);
	fleet_free(m->fleet);
	tree_free(m->tree);
	kept_free(m->kept);
	failures_free(m->failures);
	credentials_table_free(m->credentials);
	defaults_free(m->defaults);
	events_free(m->events);
	crawl_free(m->crawl);
	lately_free(m->lately);
	free(m->base_url);
	free(m);
	return NULL;
}
