#include "fs/run/mountpoint.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/wait.h>

static void filep(FILE **f)
{
	if (*f)
		fclose(*f);
}

static void dirp(DIR **d)
{
	if (*d)
		closedir(*d);
}

/* mountinfo writes blanks and backslashes as "\040", in place. */
static void unescape(char *s)
{
	char *out = s;

	for (; *s; s++) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' && s[3] >= '0' && s[3] <= '7') {
			*out++ = (char)((s[1] - '0') * 64 + (s[2] - '0') * 8 + (s[3] - '0'));
			s += 3;
		} else {
			*out++ = *s;
		}
	}
	*out = '\0';
}

/* "36 35 98:0 /root /mnt rw,noatime shared:1 - type source options" */
static bool read_line(char *line, const char *path, struct mounted *ret)
{
	unsigned major_number, minor_number;
	const char *type;
	int from, to;

	if (sscanf(line, "%*d %*d %u:%u %*s %n%*s%n", &major_number, &minor_number, &from, &to) < 2)
		return false;
	type = strstr(line + to, " - ");
	if (!type)
		return false;
	snprintf(ret->type, sizeof(ret->type), "%.*s", (int)strcspn(type + 3, " "), type + 3);
	line[to] = '\0';
	unescape(line + from);
	ret->device = makedev(major_number, minor_number);
	return !strcmp(line + from, path);
}

int mountpoint_find(const char *path, struct mounted *ret)
{
	cleanup_(filep) FILE *f = fopen("/proc/self/mountinfo", "re");
	cleanup_free_ char *line = NULL;
	struct mounted one;
	size_t size = 0;
	int found = 0;

	if (!f)
		return -errno;
	/* Of several mounts on one directory the last line is the one that is seen. */
	while (getline(&line, &size, f) > 0) {
		if (read_line(line, path, &one)) {
			*ret = one;
			found = 1;
		}
	}
	return found;
}

static int check_empty(const char *path, struct err *err)
{
	cleanup_(dirp) DIR *dir = opendir(path);
	struct dirent *entry;

	/* Who may not list it may still be allowed to mount on it: the kernel decides. */
	while (dir && (entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			return err_set(err, ENOTEMPTY, "mount point %s is not empty: mount on an empty directory", path);
	}
	return 0;
}

static int check_dead(const char *path, int errnum, struct err *err)
{
	if (errnum == ENOTCONN)
		return err_set(err, ENOTCONN, "mount point %s: a mount whose process died stands there; run: %s %s", path,
			       geteuid() == 0 ? "umount" : "fusermount3 -u", path);
	return err_set(err, errnum, "mount point %s: %s", path, strerrordesc_np(errnum));
}

static int check_mounted(const char *path, bool *ret_autofs, struct err *err)
{
	struct mounted mounted;
	struct statfs st;

	*ret_autofs = false;
	if (mountpoint_find(path, &mounted) <= 0)
		return 0;
	*ret_autofs = !strcmp(mounted.type, "autofs");
	if (strncmp(mounted.type, "fuse", 4) != 0)
		return 0;
	/* Only a mount of ours is asked whether it lives: another's may hang. Attributes of a dead one may still be cached. */
	if (!strcmp(mounted.type, "fuse.cfcfs") && statfs(path, &st) < 0 && errno == ENOTCONN)
		return check_dead(path, ENOTCONN, err);
	return err_set(err, EBUSY, "mount point %s is busy: a %s filesystem is mounted there", path, mounted.type);
}

int mountpoint_check(char **path, struct err *err)
{
	char *resolved = realpath(*path, NULL);
	bool autofs;
	struct stat st;
	int r;

	if (!resolved)
		return check_dead(*path, errno, err);
	free(*path);
	*path = resolved;
	r = check_mounted(resolved, &autofs, err);
	if (r < 0)
		return r;
	if (stat(resolved, &st) < 0)
		return check_dead(resolved, errno, err);
	if (!S_ISDIR(st.st_mode))
		return err_set(err, ENOTDIR, "mount point %s is not a directory", resolved);
	/* Opening an automount point would wait for the very mount that is being made. */
	return autofs ? 0 : check_empty(resolved, err);
}

/* Only fusermount3 may unmount for an ordinary user. */
static int spawn_fusermount(const char *path)
{
	char *argv[] = { (char[]){ "fusermount3" },
			 (char[]){ "-u" },
			 (char[]){ "-z" },
			 (char[]){ "-q" },
			 (char[]){ "--" },
			 strdup(path),
			 NULL };
	char *env[] = { (char[]){ "PATH=/usr/local/bin:/usr/bin:/bin" }, NULL };
	posix_spawnattr_t attr;
	sigset_t none;
	int status = 0, r;
	pid_t pid;

	if (!argv[5])
		return -ENOMEM;
	sigemptyset(&none);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
	r = posix_spawnp(&pid, "fusermount3", NULL, &attr, argv, env);
	if (r == 0) {
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
		r = WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : EPERM;
	}
	posix_spawnattr_destroy(&attr);
	free(argv[5]);
	return -r;
}

int mountpoint_detach(const char *path, dev_t device)
{
	struct mounted mounted;

	/* What stands there may be somebody else's by now. */
	if (mountpoint_find(path, &mounted) <= 0 || mounted.device != device)
		return 0;
	if (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) == 0)
		return 0;
	return errno == EPERM ? spawn_fusermount(path) : -errno;
}
