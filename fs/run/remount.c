#include "fs/run/remount.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/mount.h>

#include "api/base/log.h"
#include "fs/core/mount.h"
#include "fs/run/mountpoint.h"
#include "fs/show/refresh.h"

static int refused(const char *path, bool ro, int errnum, struct err *err)
{
	if (errnum == EBUSY)
		return err_set(err, EBUSY, "remounting %s read-only: files in it are open for writing", path);
	return err_set(err, errnum, "remounting %s %s: %s%s", path, ro ? "read-only" : "for writing", strerrordesc_np(errnum),
		       errnum == EPERM ? "; only root may" : "");
}

int remount(const char *path, bool ro, struct err *err)
{
	cleanup_free_ char *resolved = realpath(path, NULL);
	struct mounted mounted;

	if (!resolved)
		return err_set(err, errno, "mount point %s: %s", path, strerrordesc_np(errno));
	if (mountpoint_find(resolved, &mounted) <= 0 || strcmp(mounted.type, "fuse.cfcfs") != 0)
		return err_set(err, EINVAL, "%s is no mount of cfcfs: nothing to remount", resolved);
	/* The kernel sets what is given and clears what is not (mount(2), MS_REMOUNT). */
	if (mount(NULL, resolved, NULL, MS_REMOUNT | mounted.flags | (ro ? MS_RDONLY : 0), NULL) < 0)
		return refused(resolved, ro, errno, err);
	return 0;
}

/* ---- the one that serves ---- */

struct remounts {
	struct mount *mount;
	dev_t device;
	int table, leave; /* leave: an eventfd */
	pthread_t thread;
};

static void look(struct remounts *w)
{
	struct mounted now;

	if (mountpoint_of_device(w->device, &now) <= 0 || now.ro == w->mount->read_only)
		return;
	w->mount->read_only = now.ro;
	log_info("remounted %s", now.ro ? "read-only" : "for writing");
	/* The modes of files say it. */
	refresh_all(w->mount);
}

static void *watch(void *arg)
{
	struct remounts *w = arg;
	struct pollfd fds[] = { { .fd = w->table, .events = POLLPRI }, { .fd = w->leave, .events = POLLIN } };

	for (;;) {
		look(w);
		if (poll(fds, array_len(fds), -1) < 0 && errno != EINTR)
			return NULL;
		if (fds[1].revents)
			return NULL;
	}
}

int remounts_start(struct mount *mount, dev_t device, struct remounts **ret)
{
	struct remounts *w = calloc(1, sizeof(*w));
	int r = -ENOMEM;

	if (!w)
		return r;
	*w = (struct remounts){ .mount = mount, .device = device };
	w->table = open(MOUNTPOINT_TABLE, O_RDONLY | O_CLOEXEC);
	w->leave = eventfd(0, EFD_CLOEXEC);
	if (w->table >= 0 && w->leave >= 0)
		r = -pthread_create(&w->thread, NULL, watch, w);
	else
		r = -errno;
	if (r < 0) {
		closep(&w->table);
		closep(&w->leave);
		free(w);
		return r;
	}
	*ret = w;
	return 0;
}

struct remounts *remounts_free(struct remounts *w)
{
	const uint64_t one = 1;

	if (!w)
		return NULL;
	if (write(w->leave, &one, sizeof(one)) == sizeof(one))
		pthread_join(w->thread, NULL);
	closep(&w->table);
	closep(&w->leave);
	free(w);
	return NULL;
}
