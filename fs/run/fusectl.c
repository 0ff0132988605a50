#include "fs/run/fusectl.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>

#define FUSECTL_DIR "/sys/fs/fuse/connections"

/* A mount that is in no tree: it needs no directory, and goes with its descriptor. */
static int mount_unseen(void)
{
	cleanup_close_ int context = fsopen("fusectl", FSOPEN_CLOEXEC);
	int fd;

	if (context < 0 || fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -errno;
	fd = fsmount(context, FSMOUNT_CLOEXEC, 0);
	return fd < 0 ? -errno : fd;
}

static int open_below(int dir, dev_t device)
{
	char name[32];
	int fd;

	/* An anonymous device's number is its minor; fusectl names connections by the kernel's whole number. */
	snprintf(name, sizeof(name), "%u/abort", (unsigned)(major(device) << 20 | minor(device)));
	fd = openat(dir, name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	return fd < 0 ? -errno : fd;
}

static int open_abort(dev_t device)
{
	cleanup_close_ int dir = open(FUSECTL_DIR, O_PATH | O_DIRECTORY | O_CLOEXEC), unseen = -1;
	int fd = dir < 0 ? -errno : open_below(dir, device);

	if (fd >= 0)
		return fd;
	unseen = mount_unseen();
	return unseen < 0 ? fd : open_below(unseen, device);
}

int fusectl_open(dev_t device, struct fusectl *ret)
{
	struct stat st;
	int fd = device ? open_abort(device) : -ENODEV;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0) {
		close(fd);
		return -EIO;
	}
	*ret = (struct fusectl){ .fd = fd, .ino = st.st_ino };
	return 0;
}

bool fusectl_is_open(const struct fusectl *file)
{
	return file->fd >= 0;
}

bool fusectl_is_same(dev_t device, const struct fusectl *file)
{
	cleanup_close_ int fd = open_abort(device);
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 && st.st_ino == file->ino;
}

void fusectl_abort(struct fusectl *file)
{
	/* A connection that is gone already needs no more. */
	if (file->fd >= 0 && write(file->fd, "1", 1) < 0 && errno != ENOTCONN)
		return;
}
