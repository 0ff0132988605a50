#include "fs/run/harden.h"

#include <errno.h>
#include <linux/capability.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "api/base/cleanup.h"
#include "api/base/sanitized.h"

void harden_memory(void)
{
	const struct rlimit none = { 0, 0 };

	prctl(PR_SET_DUMPABLE, 0);
	setrlimit(RLIMIT_CORE, &none);
}

int harden_privileges(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { 0 };

	/* The bounding set is root's to change, and matters to nobody else: without new privileges no program can use it. */
	for (int cap = 0; prctl(PR_CAPBSET_READ, cap) >= 0; cap++)
		prctl(PR_CAPBSET_DROP, cap);
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (syscall(SYS_capset, &header, none) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	return 0;
}

/* By what they are for. Those that a processor does not have are passed over. */
/* clang-format off */
static const char *const allowed[] = {
	/* files: the device, the state, the log, certificates, the token */
	"read", "write", "readv", "writev", "pread64", "pwrite64", "preadv", "pwritev", "preadv2", "pwritev2", "close", "close_range",
	"lseek", "_llseek", "dup", "dup2", "dup3", "fcntl", "fcntl64", "ioctl", "splice", "open", "openat", "openat2", "stat",
	"stat64", "fstat", "fstat64", "lstat", "lstat64", "newfstatat", "fstatat64", "statx", "statfs", "statfs64", "fstatfs",
	"fstatfs64", "access", "faccessat", "faccessat2", "readlink", "readlinkat", "getdents", "getdents64", "getcwd", "chdir", "mkdir",
	"mkdirat", "unlink", "unlinkat", "rename", "renameat", "renameat2", "truncate", "truncate64", "ftruncate", "ftruncate64",
	"fallocate", "fsync", "fdatasync", "sync_file_range", "flock", "chmod", "fchmod", "fchmodat", "chown", "fchown", "fchownat",
	"utimensat", "umask", "fadvise64", "readahead", "sendfile", "sendfile64", "inotify_init1", "inotify_add_watch",
	"inotify_rm_watch",
	/* waiting */
	"pipe", "pipe2", "eventfd2", "epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait", "epoll_pwait2", "poll", "ppoll",
	"ppoll_time64", "select", "_newselect", "pselect6", "timerfd_create", "timerfd_settime", "timerfd_gettime", "futex",
	"futex_time64", "futex_waitv", "wait4", "waitid", "nanosleep", "clock_nanosleep", "clock_nanosleep_time64", "restart_syscall",
	/* memory */
	"mmap", "mmap2", "mprotect", "munmap", "mremap", "madvise", "brk", "mlock", "mlock2", "munlock", "mincore", "memfd_create",
	"membarrier",
	/* threads and signals; no process is made (clone is a rule of its own) */
	"set_robust_list", "get_robust_list", "rseq", "set_tid_address", "gettid", "getpid", "getppid", "getpgid", "getpgrp", "getsid",
	"setsid", "exit", "exit_group", "sched_yield", "sched_getaffinity", "sched_getparam", "sched_getscheduler",
	"sched_get_priority_max", "sched_get_priority_min", "getpriority", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn",
	"rt_sigtimedwait", "rt_sigtimedwait_time64", "rt_sigsuspend", "rt_sigpending", "sigaltstack", "sigreturn", "tgkill",
	"arch_prctl", "set_thread_area",
	/* who and when */
	"getuid", "geteuid", "getgid", "getegid", "getresuid", "getresgid", "getgroups", "getuid32", "geteuid32", "getgid32", "getegid32",
	"capget", "clock_gettime", "clock_gettime64", "clock_getres", "clock_getres_time64", "gettimeofday", "time", "times", "getrusage",
	"sysinfo", "uname", "getcpu", "getrandom", "getrlimit", "ugetrlimit",
	/* the network, by its families below */
	"connect", "bind", "sendto", "recvfrom", "sendmsg", "recvmsg", "sendmmsg", "recvmmsg", "recvmmsg_time64", "getsockopt", "setsockopt",
	"getsockname", "getpeername", "shutdown", "socketpair",
};
/* clang-format on */

/* Names are resolved through NETLINK, the log and a name service's cache are reached by UNIX. */
static const int families[] = { AF_INET, AF_INET6, AF_UNIX, AF_NETLINK };

static int allow_all(scmp_filter_ctx filter)
{
	int r = 0;

	for (size_t i = 0; i < array_len(allowed) && r == 0; i++) {
		int number = seccomp_syscall_resolve_name(allowed[i]);

		/* Below zero: this processor has none of that name. */
		if (number >= 0)
			r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 0);
	}
	return r;
}

static int allow_some(scmp_filter_ctx filter)
{
	int r = 0;

	for (size_t i = 0; i < array_len(families) && r == 0; i++)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
				     SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)families[i]));
	/* Threads, and no processes. clone3, whose flags a filter cannot see, is not there: the C library then takes clone. */
	if (r == 0)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
				     SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));
	if (r == 0)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 1, SCMP_A0(SCMP_CMP_EQ, PR_SET_NAME));
	/* Limits are read, of this process, and none is set. */
	if (r == 0)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 1, SCMP_A2(SCMP_CMP_EQ, 0));
	return r;
}

int harden_calls(void)
{
	scmp_filter_ctx filter;
	int r;

	if (SANITIZED)
		return 0;
	filter = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
	if (!filter)
		return -ENOMEM;
	r = allow_all(filter);
	if (r == 0)
		r = allow_some(filter);
	if (r == 0)
		r = seccomp_load(filter);
	seccomp_release(filter);
	return r;
}
