/*
 * A clock of its own for a program under test, to be preloaded: time goes by as it does for all, and besides by what the file
 * $CFCFS_TEST_CLOCK says, a 32-bit number of milliseconds that a test raises. Who waits notices within a few milliseconds. The
 * kernel's caches and the emulator go by the machine's time.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define SLICE_MS      10
#define NSEC_PER_MSEC 1000000
#define MSEC_PER_SEC  1000

static const volatile uint32_t *passed; /* NULL: nothing besides */

static int (*next_gettime)(clockid_t, struct timespec *);
static int (*next_timedwait)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
static int (*next_poll)(struct pollfd *, nfds_t, int);

static void *next(const char *name)
{
	return dlsym(RTLD_NEXT, name);
}

/* The file stays mapped: a look at it is no system call. */
__attribute__((constructor)) static void start(void)
{
	const char *path = getenv("CFCFS_TEST_CLOCK");
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	void *map = fd >= 0 ? mmap(NULL, sizeof(*passed), PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;

	next_gettime = (__typeof__(next_gettime))next("clock_gettime");
	next_timedwait = (__typeof__(next_timedwait))next("pthread_cond_timedwait");
	next_poll = (__typeof__(next_poll))next("poll");
	if (map != MAP_FAILED)
		passed = map;
	if (fd >= 0)
		close(fd);
}

static int64_t passed_ms(void)
{
	return passed ? *passed : 0;
}

static struct timespec shifted(struct timespec ts, int64_t ms)
{
	ts.tv_sec += ms / MSEC_PER_SEC;
	ts.tv_nsec += ms % MSEC_PER_SEC * NSEC_PER_MSEC;
	if (ts.tv_nsec >= MSEC_PER_SEC * NSEC_PER_MSEC) {
		ts.tv_sec++;
		ts.tv_nsec -= MSEC_PER_SEC * NSEC_PER_MSEC;
	}
	return ts;
}

static int64_t now_ms(void)
{
	struct timespec ts;

	next_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * MSEC_PER_SEC + ts.tv_nsec / NSEC_PER_MSEC + passed_ms();
}

/* Before the constructor ran (a sanitizer's runtime asks the time early) there is nothing to add. */
int clock_gettime(clockid_t id, struct timespec *ts)
{
	int r;

	if (!next_gettime)
		next_gettime = (__typeof__(next_gettime))next("clock_gettime");
	r = next_gettime(id, ts);
	if (r == 0 &&
	    (id == CLOCK_MONOTONIC || id == CLOCK_MONOTONIC_RAW || id == CLOCK_MONOTONIC_COARSE || id == CLOCK_REALTIME))
		*ts = shifted(*ts, passed_ms());
	return r;
}

/* libcurl's memory of names goes by this one. */
time_t time(time_t *ret)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	if (ret)
		*ret = ts.tv_sec;
	return ts.tv_sec;
}

/* In slices of the machine's time, until the program's own says that the moment has come. Its conditions are of CLOCK_MONOTONIC. */
int pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex, const struct timespec *until)
{
	int64_t due = (int64_t)until->tv_sec * MSEC_PER_SEC + (until->tv_nsec + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC;
	struct timespec slice;
	int64_t left;
	int r;

	for (;;) {
		left = due - now_ms();
		next_gettime(CLOCK_MONOTONIC, &slice);
		slice = shifted(slice, left < 0 ? 0 : left < SLICE_MS ? left : SLICE_MS);
		r = next_timedwait(cond, mutex, &slice);
		if (r != ETIMEDOUT || left <= 0)
			return r;
	}
}

int poll(struct pollfd *fds, nfds_t count, int timeout)
{
	int64_t due = now_ms() + timeout, left = timeout;
	int r;

	if (timeout < 0)
		return next_poll(fds, count, timeout);
	do {
		r = next_poll(fds, count, (int)(left < SLICE_MS ? left : SLICE_MS));
		left = due - now_ms();
	} while (r == 0 && left > 0);
	return r;
}
