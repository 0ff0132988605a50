#include "fs/run/systemd.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "api/base/clock.h"
#include "api/base/log.h"

static int connect_to(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	cleanup_close_ int fd = -1;
	size_t len = strlen(path);

	if ((*path != '/' && *path != '@') || len >= sizeof(address.sun_path))
		return -EINVAL;
	memcpy(address.sun_path, path, len);
	/* The abstract name space, which has no file. */
	if (*path == '@')
		address.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 ||
	    connect(fd, (const struct sockaddr *)&address, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) < 0)
		return -errno;
	return steal_fd(&fd);
}

static void tell(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	cleanup_close_ int fd = -1;

	if (!path)
		return;
	fd = connect_to(path);
	if (fd < 0 || send(fd, state, strlen(state), MSG_NOSIGNAL) < 0)
		log_warning("telling systemd: %s", strerrordesc_np(fd < 0 ? -fd : errno));
}

void systemd_ready(const char *text)
{
	char state[512];

	snprintf(state, sizeof(state), "READY=1\nSTATUS=%s", text);
	tell(state);
}

void systemd_reloading(void)
{
	char state[96];

	/* The time stamp lets the manager tell this reload from an earlier one. */
	snprintf(state, sizeof(state), "RELOADING=1\nMONOTONIC_USEC=%lld", (long long)(clock_now_ns() / 1000));
	tell(state);
}

void systemd_stopping(const char *text, int64_t timeout_ms)
{
	char state[512];

	snprintf(state, sizeof(state), "STOPPING=1\nEXTEND_TIMEOUT_USEC=%lld\nSTATUS=%s", (long long)timeout_ms * 1000, text);
	tell(state);
}
