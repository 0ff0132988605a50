/* Where the state file lives: made by us, ours alone, and no symbolic link in its place. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "api/base/log.h"
#include "cache/state_private.h"

#define CORRUPT_PREFIX STATE_FILE ".corrupt-"
/* Between two tries for the lock. */
#define LOCK_POLL_MS 10

static char *join(const char *a, const char *b)
{
	struct buf path = BUF_INIT;

	if (buf_adds(&path, a) < 0 || buf_adds(&path, b) < 0) {
		buf_free(&path);
		return NULL;
	}
	return buf_steal(&path);
}

char *state_default_dir(void)
{
	const char *base = secure_getenv("XDG_STATE_HOME"), *home = secure_getenv("HOME");
	struct passwd user, *found = NULL;
	char text[4096];

	if (base && base[0] == '/')
		return join(base, "/cfcfs");
	if (geteuid() == 0)
		return strdup("/var/lib/cfcfs");
	/* mount(8) passes no HOME. */
	if ((!home || home[0] != '/') && getpwuid_r(geteuid(), &user, text, sizeof(text), &found) == 0 && found)
		home = found->pw_dir;
	return home && home[0] == '/' ? join(home, "/.local/state/cfcfs") : NULL;
}

static int make_one(const char *path)
{
	if (mkdir(path, 0700) < 0)
		return errno == EEXIST ? 0 : -errno;
	/* A umask may have taken bits away that the owner needs. */
	return chmod(path, 0700) < 0 ? -errno : 0;
}

static int make_all(const char *dir)
{
	cleanup_free_ char *path = strdup(dir);
	struct stat st;
	int r = 0;

	if (!path)
		return -ENOMEM;
	for (char *slash = strchr(path + 1, '/'); slash && r == 0; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		/* A directory that is there may be in one that cannot be written: ask before making. */
		if (stat(path, &st) < 0)
			r = errno == ENOENT ? make_one(path) : -errno;
		*slash = '/';
	}
	if (r == 0 && stat(path, &st) < 0)
		r = errno == ENOENT ? make_one(path) : -errno;
	return r;
}

int state_dir_open(const char *dir, char **ret_path)
{
	cleanup_close_ int fd = -1;
	cleanup_free_ char *path = NULL;
	struct stat st;
	int r = make_all(dir);

	if (r < 0)
		return r;
	/* The directory itself may be a link (systemd makes such ones); from here on there is none. */
	path = realpath(dir, NULL);
	if (!path)
		return -errno;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	/* Where others can put files, they can put one in the place of ours. */
	if ((st.st_uid != geteuid() && st.st_uid != 0) || (st.st_mode & S_IWOTH))
		return -EPERM;
	*ret_path = steal_ptr(path);
	return steal_fd(&fd);
}

int state_dir_lock(int dir_fd, int64_t deadline_ms)
{
	const struct timespec pause = { .tv_nsec = LOCK_POLL_MS * NSEC_PER_MSEC };

	while (flock(dir_fd, LOCK_EX | LOCK_NB) < 0) {
		/* A filesystem without locks: SQLite's own must do. */
		if (errno != EWOULDBLOCK && errno != EINTR)
			return 0;
		if (!clock_left_ms(deadline_ms))
			return -EBUSY;
		nanosleep(&pause, NULL);
	}
	return 0;
}

static int make_file(int dir_fd)
{
	cleanup_close_ int fd = openat(dir_fd, STATE_FILE, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return -errno;
	/* The directory too, or the file's name could be lost with the power. A umask is made good by the check that follows. */
	if (fsync(fd) < 0 || fsync(dir_fd) < 0)
		return -errno;
	return 0;
}

int state_dir_check_file(int dir_fd, dev_t *ret_dev, ino_t *ret_ino)
{
	struct stat st;
	int r;

	/* Never opened here: closing it would give SQLite's locks away. */
	if (fstatat(dir_fd, STATE_FILE, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		if (errno != ENOENT)
			return -errno;
		r = make_file(dir_fd);
		if (r < 0)
			return r;
		if (fstatat(dir_fd, STATE_FILE, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return -errno;
	}
	if (!S_ISREG(st.st_mode))
		return S_ISLNK(st.st_mode) ? -ELOOP : -EINVAL;
	if (st.st_uid != geteuid() || st.st_nlink != 1)
		return -EPERM;
	if ((st.st_mode & 07777) != 0600 && fchmodat(dir_fd, STATE_FILE, 0600, 0) < 0)
		return -errno;
	*ret_dev = st.st_dev;
	*ret_ino = st.st_ino;
	return 0;
}

static void remove_older(int dir_fd, const char *kept)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *file;

	if (!dir) {
		closep(&fd);
		return;
	}
	while ((file = readdir(dir))) {
		if (!strncmp(file->d_name, CORRUPT_PREFIX, strlen(CORRUPT_PREFIX)) && strncmp(file->d_name, kept, strlen(kept)))
			unlinkat(dir_fd, file->d_name, 0);
	}
	closedir(dir);
}

int state_dir_set_aside(int dir_fd)
{
	char name[64], wal[80];

	snprintf(name, sizeof(name), CORRUPT_PREFIX "%lld", (long long)(clock_wall_ns() / NSEC_PER_SEC));
	snprintf(wal, sizeof(wal), "%s-wal", name);
	/* The log first: a new file must never meet the log of the old one. */
	if (renameat(dir_fd, STATE_FILE "-wal", dir_fd, wal) < 0 && errno != ENOENT)
		return -errno;
	if (unlinkat(dir_fd, STATE_FILE "-shm", 0) < 0 && errno != ENOENT)
		return -errno;
	if (unlinkat(dir_fd, STATE_FILE "-journal", 0) < 0 && errno != ENOENT)
		return -errno;
	if (renameat(dir_fd, STATE_FILE, dir_fd, name) < 0)
		return -errno;
	log_warning("the state file was corrupt: it is kept as %s, and a new one is made", name);
	remove_older(dir_fd, name);
	return 0;
}
