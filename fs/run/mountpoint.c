#include "fs/run/mountpoint.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "api/base/clock.h"
#include "api/base/parse.h"

/* How soon a look at the table of mounts is repeated where no change of it is told. */
#define LOOK_AGAIN_MS 200
/* How long an ending mount may take beyond what it said, to be taken off its directory. */
#define DETACH_MS 5000

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

/* Whether a word is one of "rw,noatime". */
static bool has_word(const char *words, size_t len, const char *word)
{
	size_t n = strlen(word);

	for (const char *at = words, *end = words + len; at < end; at += strcspn(at, ", \n") + 1) {
		if (strcspn(at, ", \n") == n && !strncmp(at, word, n))
			return true;
	}
	return false;
}

static unsigned long mount_flags(const char *words, size_t len)
{
	static const struct {
		const char *word;
		unsigned long flag;
	} flags[] = {
		{ "nosuid", MS_NOSUID },           { "nodev", MS_NODEV },           { "noexec", MS_NOEXEC },
		{ "noatime", MS_NOATIME },         { "nodiratime", MS_NODIRATIME }, { "relatime", MS_RELATIME },
		{ "nosymfollow", MS_NOSYMFOLLOW },
	};
	unsigned long all = 0;

	for (size_t i = 0; i < array_len(flags); i++) {
		if (has_word(words, len, flags[i].word))
			all |= flags[i].flag;
	}
	return all;
}

/* "36 35 98:0 /root /mnt rw,noatime shared:1 - type source options" (proc(5)); *ret_path lies in the line. */
static bool read_line(char *line, char **ret_path, struct mounted *ret)
{
	unsigned major_number, minor_number;
	const char *type, *options;
	int from, to, words;

	if (sscanf(line, "%*d %*d %u:%u %*s %n%*s%n %n", &major_number, &minor_number, &from, &to, &words) < 2)
		return false;
	type = strstr(line + to, " - ");
	if (!type)
		return false;
	snprintf(ret->type, sizeof(ret->type), "%.*s", (int)strcspn(type + 3, " "), type + 3);
	options = strrchr(type, ' ') + 1;
	ret->ro = has_word(options, strlen(options), "ro");
	ret->flags = mount_flags(line + words, strcspn(line + words, " "));
	ret->device = makedev(major_number, minor_number);
	line[to] = '\0';
	unescape(line + from);
	*ret_path = line + from;
	return true;
}

/* The last line that is of the path, or of the device where that is NULL. */
static int find(const char *path, dev_t device, struct mounted *ret)
{
	cleanup_(filep) FILE *f = fopen(MOUNTPOINT_TABLE, "re");
	cleanup_free_ char *line = NULL;
	struct mounted one;
	size_t size = 0;
	int found = 0;
	char *at;

	if (!f)
		return -errno;
	while (getline(&line, &size, f) > 0) {
		if (read_line(line, &at, &one) && (path ? !strcmp(at, path) : one.device == device)) {
			*ret = one;
			found = 1;
		}
	}
	return found;
}

int mountpoint_find(const char *path, struct mounted *ret)
{
	/* Of several mounts on one directory the last line is the one that is seen. */
	return find(path, 0, ret);
}

int mountpoint_of_device(dev_t device, struct mounted *ret)
{
	return find(NULL, device, ret);
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
		return err_set(
			err, ENOTCONN,
			"mount point %s: a mount whose process died stands there; run: %s %s (or mount with -o replace_dead)",
			path, geteuid() == 0 ? "umount" : "fusermount3 -u", path);
	if (errnum == ENOENT)
		return err_set(err, ENOENT, "mount point %s does not exist: make it first, with mkdir %s", path, path);
	return err_set(err, errnum, "mount point %s: %s", path, strerrordesc_np(errnum));
}

/* realpath(3) asks the last name for its attributes, which a dead mount cannot tell: then of what is before it. */
static char *resolve(const char *path)
{
	char *resolved = realpath(path, NULL), *whole = NULL;
	cleanup_free_ char *dir = NULL, *parent = NULL;
	size_t len = strlen(path);
	const char *name;

	if (resolved || errno != ENOTCONN)
		return resolved;
	while (len > 1 && path[len - 1] == '/')
		len--;
	dir = strndup(path, len);
	name = dir ? strrchr(dir, '/') : NULL;
	if (name) {
		parent = strndup(dir, (size_t)(name - dir));
		resolved = parent ? realpath(*parent ? parent : "/", NULL) : NULL;
		name++;
	} else if (dir) {
		name = dir;
		resolved = realpath(".", NULL);
	}
	if (resolved)
		whole = text_new("%s/%s", strcmp(resolved, "/") ? resolved : "", name);
	free(resolved);
	errno = ENOTCONN;
	return whole;
}

/* How long a mount of ours says that it may still stand: it is ending. -ENODATA where it is not. */
static int64_t ending_ms(const char *path)
{
	char text[32] = "";
	double seconds;

	if (getxattr(path, "user.cfcfs.ending", text, sizeof(text) - 1) <= 0 || parse_double(text, 0, 86400, &seconds) < 0)
		return -ENODATA;
	return (int64_t)(seconds * MSEC_PER_SEC);
}

/* Until it is off the directory. False: it still stands there. */
static bool wait_until_gone(const char *path, dev_t device, int64_t deadline_ms)
{
	cleanup_close_ int fd = open(MOUNTPOINT_TABLE, O_RDONLY | O_CLOEXEC);
	struct pollfd table = { .fd = fd, .events = POLLPRI };
	struct mounted mounted;

	while (mountpoint_find(path, &mounted) > 0 && mounted.device == device) {
		int64_t left = deadline_ms - clock_now_ms();

		if (left <= 0)
			return false;
		/* What changed before the first poll is not told: each look is repeated after a while. */
		poll(&table, 1, (int)(left < LOOK_AGAIN_MS ? left : LOOK_AGAIN_MS));
	}
	return true;
}

static int replace(const char *path, dev_t device, struct err *err)
{
	int r = mountpoint_detach(path, device);

	return r < 0 ? err_set(err, -r, "mount point %s: the dead mount there cannot be unmounted: %s", path,
			       strerrordesc_np(-r)) :
		       0;
}

static int check_ours(const char *path, dev_t device, bool replace_dead, struct err *err)
{
	struct statfs st;
	int64_t wait;

	/* Only a mount of ours is asked whether it lives: another's may hang. Attributes of a dead one may still be cached. */
	if (statfs(path, &st) < 0 && errno == ENOTCONN)
		return replace_dead ? replace(path, device, err) : check_dead(path, ENOTCONN, err);
	wait = ending_ms(path);
	if (wait >= 0 && wait_until_gone(path, device, clock_after_ms(wait + DETACH_MS)))
		return 0;
	return err_set(err, EBUSY, "mount point %s is busy: a cfcfs is mounted there%s", path,
		       wait >= 0 ? ", and did not end in the time that it gave itself" : "");
}

static int check_mounted(const char *path, bool replace_dead, bool *ret_autofs, struct err *err)
{
	struct mounted mounted;

	*ret_autofs = false;
	if (mountpoint_find(path, &mounted) <= 0)
		return 0;
	*ret_autofs = !strcmp(mounted.type, "autofs");
	if (strncmp(mounted.type, "fuse", 4) != 0)
		return 0;
	if (!strcmp(mounted.type, "fuse.cfcfs"))
		return check_ours(path, mounted.device, replace_dead, err);
	return err_set(err, EBUSY, "mount point %s is busy: a %s filesystem is mounted there", path, mounted.type);
}

int mountpoint_check(char **path, bool replace_dead, struct err *err)
{
	char *resolved = resolve(*path);
	bool autofs;
	struct stat st;
	int r;

	if (!resolved)
		return check_dead(*path, errno, err);
	free(*path);
	*path = resolved;
	r = check_mounted(resolved, replace_dead, &autofs, err);
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
