#include "api/hosts.h"

#include <errno.h>

#include "api/base/lock.h"
#include "api/client.h"

/* A budget for calls with the flag. */
static const struct host_row {
	unsigned flag;
	double rps;
	unsigned burst, max_conns;
	bool registry; /* at the registry's address */
} rows[] = {
	/* 300 queries in five minutes: 60 at once and 240 over the time. */
	{ CALL_GRAPHQL, 0.8, 60, 4, false },
	/* Its limit is not known: as careful as with the API, and apart from it. */
	{ CALL_REGISTRY, 3, 100, 4, true },
};

DECLARE_LOCK(hosts);
struct hosts {
	struct lock lock;
	struct transport *transports[array_len(rows)] GUARDED_BY(hosts_locked); /* owned; NULL: not needed yet */
	bool ending GUARDED_BY(hosts_locked);
	/* Fixed: */
	struct transport_options options; /* its texts are owned */
	char *registry;                   /* owned, or NULL */
};
DEFINE_LOCK(hosts, struct hosts, lock)

static char *copy(const char *text)
{
	return text ? strdup(text) : NULL;
}

struct hosts *hosts_new(const struct transport_options *options, const char *registry)
{
	struct hosts *hosts = calloc(1, sizeof(*hosts));

	if (!hosts)
		return NULL;
	lock_init(&hosts->lock);
	hosts->options = *options;
	hosts->options.base_url = copy(options->base_url);
	hosts->options.cacert = copy(options->cacert);
	hosts->options.user_agent = copy(options->user_agent);
	hosts->registry = copy(registry);
	if ((options->base_url && !hosts->options.base_url) || (options->cacert && !hosts->options.cacert) ||
	    (options->user_agent && !hosts->options.user_agent) || (registry && !hosts->registry))
		return hosts_free(hosts);
	return hosts;
}

void hosts_stop(struct hosts *hosts)
{
	if (!hosts)
		return;
	scope_lock(hosts, hosts);
	hosts->ending = true;
	for (size_t i = 0; i < array_len(rows); i++) {
		if (hosts->transports[i])
			transport_stop(hosts->transports[i]);
	}
}

struct hosts *hosts_free(struct hosts *hosts)
{
	if (!hosts)
		return NULL;
	for (size_t i = 0; i < array_len(rows); i++) {
		struct transport *transport;

		/* Not with the lock: it waits for what is being sent. */
		hosts_lock(hosts);
		transport = steal_ptr(hosts->transports[i]);
		hosts_unlock(hosts);
		transport_free(transport);
	}
	lock_destroy(&hosts->lock);
	free((char *)hosts->options.base_url);
	free((char *)hosts->options.cacert);
	free((char *)hosts->options.user_agent);
	free(hosts->registry);
	free(hosts);
	return NULL;
}

static int make_locked(struct hosts *hosts, size_t i, struct err *err) REQUIRES(hosts_locked)
{
	struct transport_options options = hosts->options;

	hosts_assert_locked(hosts);
	if (hosts->ending)
		return err_set(err, EIO, "the client is ending");
	if (rows[i].registry && !hosts->registry)
		return err_set(err, EOPNOTSUPP, "the address of the registry of images is not known: option registry_url");
	if (rows[i].registry)
		options.base_url = hosts->registry;
	options.rps = rows[i].rps;
	options.burst = rows[i].burst;
	options.max_conns = rows[i].max_conns < options.max_conns ? rows[i].max_conns : options.max_conns;
	return transport_new(&options, &hosts->transports[i], err);
}

int hosts_find(struct hosts *hosts, unsigned flags, struct transport *own, struct transport **ret, struct err *err)
{
	size_t i = 0;
	int r = 0;

	while (i < array_len(rows) && !(flags & rows[i].flag))
		i++;
	if (i == array_len(rows)) {
		*ret = own;
		return 0;
	}
	scope_lock(hosts, hosts);
	if (!hosts->transports[i])
		r = make_locked(hosts, i, err);
	if (r == 0)
		*ret = hosts->transports[i];
	return r;
}

void hosts_forget_limits(struct hosts *hosts)
{
	scope_lock(hosts, hosts);
	for (size_t i = 0; i < array_len(rows); i++) {
		if (hosts->transports[i])
			transport_forget_limits(hosts->transports[i]);
	}
}
