/* A placement's life as a function of time. */
#include "emulator/world.h"

#include <sodium.h>

static unsigned started(const struct placement *p, struct event e[EVENTS_MAX])
{
	static const struct {
		int64_t after;
		const char *type, *name, *message, *status;
		bool only_ssh;
	} good[] = {
		{ 0, "Info", "SchedulerPlaced", "The scheduler placed the deployment", "placed", false },
		{ 400, "Info", "NetworkingIPAssigned", "The network addresses were assigned", NULL, false },
		{ FAILED_AFTER_MS, "Info", "ImagePulled", "The image was pulled", NULL, false },
		{ 2500, "Info", "VMStarted", "The virtual machine started", NULL, false },
		{ 2700, "Info", "SSHStarted", "The SSH server started", NULL, true },
		{ RUNNING_AFTER_MS, "Info", "ContainerStarted", "The container started", "running", false },
	};
	unsigned n = 0;

	for (size_t i = 0; i < array_len(good); i++) {
		if (good[i].only_ssh && !p->ssh)
			continue;
		e[n++] =
			(struct event){ p->created + good[i].after, good[i].type, good[i].name, good[i].message, good[i].status };
		if (p->bad) {
			e[n++] = (struct event){ p->created + FAILED_AFTER_MS, "UserError", "ImagePullError",
						 "The image could not be pulled: it does not exist", "failed" };
			break;
		}
	}
	return n;
}

unsigned timeline(const struct placement *p, int64_t now, struct event e[EVENTS_MAX])
{
	unsigned n = started(p, e), kept = 0;
	bool failed = p->bad && (!p->stop || p->stop >= p->created + FAILED_AFTER_MS);

	/* Nothing starts any more once it was told to stop. */
	while (kept < n && e[kept].at <= now && (!p->stop || e[kept].at <= p->stop))
		kept++;
	if (p->stop && p->stop <= now && !failed) {
		e[kept++] = (struct event){ p->stop, "Info", "VMStopping", "The virtual machine is stopping", "stopping" };
		if (p->stop + STOPPED_AFTER_MS <= now)
			e[kept++] = (struct event){ p->stop + STOPPED_AFTER_MS, "Info", "VMStopped",
						    "The virtual machine stopped", "stopped" };
	}
	return kept;
}

const char *timeline_health(const struct placement *p, int64_t now)
{
	struct event e[EVENTS_MAX];
	unsigned n = timeline(p, now, e);

	while (n > 0)
		if (e[--n].status)
			return e[n].status;
	return "placed";
}

void event_write(struct out *o, const char *owner, unsigned n, const struct event *e)
{
	unsigned char hash[16];
	char name[64], id[33];

	/* The same event has the same id whenever it is asked for. */
	snprintf(name, sizeof(name), "%.40s %u", owner, n);
	crypto_generichash(hash, sizeof(hash), (const unsigned char *)name, strlen(name), NULL, 0);
	sodium_bin2hex(id, sizeof(id), hash, sizeof(hash));
	out_open(o, '{');
	out_kstr(o, "type", e->type);
	out_kstr(o, "id", id);
	out_ktime(o, "time", e->at);
	out_kstr(o, "name", e->name);
	out_kstr(o, "message", e->message);
	out_kraw(o, "details", "{}");
	out_key(o, "statusChange");
	out_open(o, '{');
	if (e->status)
		out_kstr(o, "health", e->status);
	out_close(o, '}');
	out_close(o, '}');
}

void events_write(struct out *o, const char *owner, unsigned n, const struct event *e)
{
	out_key(o, "events");
	out_open(o, '[');
	for (unsigned i = 0; i < n; i++)
		event_write(o, owner, i, &e[i]);
	out_close(o, ']');
}
