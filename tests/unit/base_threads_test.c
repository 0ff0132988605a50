/* api/base: the log and what it must not show, waiters, the pool of threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "api/base/buf.h"
#include "api/base/clock.h"
#include "api/base/log.h"
#include "api/base/pool.h"
#include "api/base/waiter.h"

/* ---- log ---- */

static char log_path[] = "/tmp/cfcfs-log-XXXXXX/log";

static int open_log(void **state)
{
	char *slash = strrchr(log_path, '/');

	(void)state;
	*slash = '\0';
	memcpy(slash - 6, "XXXXXX", 6);
	if (!mkdtemp(log_path))
		return -1;
	*slash = '/';
	log_set_level(LOG_LEVEL_DEBUG);
	return log_to_file(log_path);
}

static int close_log(void **state)
{
	char *slash = strrchr(log_path, '/');

	(void)state;
	log_to_stderr();
	log_set_level(LOG_LEVEL_WARNING);
	unlink(log_path);
	*slash = '\0';
	rmdir(log_path);
	*slash = '/';
	return 0;
}

/* What was logged since the last call. */
static char *logged(void)
{
	static char text[16384];
	int fd = open(log_path, O_RDWR | O_CLOEXEC);
	ssize_t n;

	assert_true(fd >= 0);
	n = read(fd, text, sizeof(text) - 1);
	assert_true(n >= 0);
	text[n] = '\0';
	assert_int_equal(ftruncate(fd, 0), 0);
	close(fd);
	return text;
}

static void test_log_levels(void **state)
{
	enum log_level level = LOG_LEVEL_ERROR;
	struct stat st;

	(void)state;
	assert_int_equal(stat(log_path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	log_set_level(LOG_LEVEL_WARNING);
	log_info("not this");
	log_warning("but %s", "this");
	assert_null(strstr(logged(), "not this"));
	log_error("one\nline\x1b[31m of %d", 3);
	assert_non_null(strstr(logged(), "error: one line [31m of 3\n"));
	assert_int_equal(log_level_parse("debug", &level), 0);
	assert_int_equal(level, LOG_LEVEL_DEBUG);
	assert_int_equal(log_level_parse("loud", &level), -EINVAL);
}

static void test_log_redacts(void **state)
{
	(void)state;
	log_redact("hunter2-token");
	log_redact("hunter2-token-and-longer");
	log_redact(NULL);
	log_redact("a");
	log_error("[hunter2-token] hunter2-tokenhunter2-token=%s a", "hunter2-token-and-longer");
	assert_non_null(strstr(logged(), "error: [***] ******=*** a\n"));
	log_error("hunter2-toke hunter2-tokem");
	assert_non_null(strstr(logged(), "hunter2-toke hunter2-tokem"));
}

/* The end of a long line never leaves the beginning of a secret. */
static void test_log_redacts_at_the_end(void **state)
{
	char filler[2000];

	(void)state;
	log_redact("SEKRET-SEKRET-SEKRET");
	for (size_t n = 980; n < 1100; n++) {
		char *text;

		memset(filler, 'x', n);
		filler[n] = '\0';
		log_error("%sSEKRET-SEKRET-SEKRET", filler);
		text = logged();
		assert_null(strchr(text, 'S'));
		assert_null(strstr(text, "EKRET"));
		assert_true(strlen(text) < 1200);
	}
}

static void test_log_forgets_oldest(void **state)
{
	char text[40];

	(void)state;
	for (int i = 0; i < LOG_SECRETS_MAX + 1; i++) {
		snprintf(text, sizeof(text), "rotated-token-%d-end", i);
		log_redact(text);
		log_redact(text);
	}
	log_error("rotated-token-0-end rotated-token-1-end rotated-token-%d-end", LOG_SECRETS_MAX);
	assert_non_null(strstr(logged(), "error: rotated-token-0-end *** ***\n"));
}

static void test_log_reopen(void **state)
{
	char old[64];

	(void)state;
	log_error("before");
	snprintf(old, sizeof(old), "%s.1", log_path);
	assert_int_equal(rename(log_path, old), 0);
	log_error("still the old file");
	assert_int_equal(log_reopen(), 0);
	log_error("after");
	assert_null(strstr(logged(), "old file"));
	unlink(old);
	/* Not through somebody's link. */
	assert_int_equal(symlink("/dev/null", old), 0);
	assert_int_equal(log_to_file(old), -ELOOP);
	unlink(old);
	log_to_stderr();
	assert_int_equal(log_reopen(), 0);
	assert_int_equal(log_to_file(log_path), 0);
}

/* ---- waiter ---- */

static void *wake_later(void *arg)
{
	usleep(20000);
	waiter_wake(arg);
	return NULL;
}

static void *cancel_later(void *arg)
{
	usleep(20000);
	waiter_cancel(arg);
	return NULL;
}

static void test_waiter(void **state)
{
	struct waiter w;
	pthread_t thread;
	int64_t start = clock_now_ms();

	(void)state;
	assert_int_equal(waiter_init(&w), 0);
	assert_int_equal(waiter_wait(&w, clock_after_ms(20), false), -ETIMEDOUT);
	assert_true(clock_now_ms() - start >= 19);
	assert_int_equal(waiter_wait(&w, 0, false), -ETIMEDOUT);
	/* A wake that came first counts, once. */
	waiter_wake(&w);
	waiter_wake(&w);
	assert_int_equal(waiter_wait(&w, CLOCK_NEVER, false), 0);
	assert_int_equal(waiter_wait(&w, 0, false), -ETIMEDOUT);
	pthread_create(&thread, NULL, wake_later, &w);
	assert_int_equal(waiter_wait(&w, CLOCK_NEVER, false), 0);
	pthread_join(thread, NULL);
	pthread_create(&thread, NULL, cancel_later, &w);
	assert_int_equal(waiter_wait(&w, CLOCK_NEVER, false), -EINTR);
	pthread_join(thread, NULL);
	/* It stays; but what is done may be seen to its end. */
	assert_true(waiter_canceled(&w));
	assert_int_equal(waiter_wait(&w, CLOCK_NEVER, false), -EINTR);
	assert_int_equal(waiter_wait(&w, clock_after_ms(10), true), -ETIMEDOUT);
	pthread_create(&thread, NULL, wake_later, &w);
	assert_int_equal(waiter_wait(&w, CLOCK_NEVER, true), 0);
	pthread_join(thread, NULL);
	waiter_wake(&w);
	assert_int_equal(waiter_wait(&w, CLOCK_NEVER, false), 0);
	waiter_destroy(&w);
}

/* ---- pool ---- */

static struct {
	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t cond;
	unsigned running, most, done;
	bool gate; /* tasks end once it is open */
} work = { .lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER };

static void task(void *arg)
{
	sigset_t mask;

	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	assert_true(sigismember(&mask, SIGTERM));
	pthread_mutex_lock(&work.lock);
	work.running++;
	if (work.running > work.most)
		work.most = work.running;
	pthread_cond_broadcast(&work.cond);
	while (arg && !work.gate)
		pthread_cond_wait(&work.cond, &work.lock);
	work.running--;
	work.done++;
	pthread_cond_broadcast(&work.cond);
	pthread_mutex_unlock(&work.lock);
}

static void reset_work(void)
{
	scoped_lock(&work.lock);
	work.running = work.most = work.done = 0;
	work.gate = false;
}

static void open_gate(void)
{
	scoped_lock(&work.lock);
	work.gate = true;
	pthread_cond_broadcast(&work.cond);
}

static void wait_running(unsigned n)
{
	for (int i = 0; i < 1000; i++) {
		pthread_mutex_lock(&work.lock);
		if (work.running == n)
			i = 2000;
		pthread_mutex_unlock(&work.lock);
		if (i == 2000)
			return;
		usleep(5000);
	}
	fail_msg("%u tasks never ran at once", n);
}

/* As many at once as there may be, and no more; the others in their turn, and all before the end. */
static void test_pool_bound(void **state)
{
	struct pool *pool = pool_new("tests", 5, 128 << 10);

	(void)state;
	reset_work();
	for (int i = 0; i < 50; i++)
		assert_int_equal(pool_run(pool, task, pool), 0);
	wait_running(5);
	usleep(20000);
	open_gate();
	assert_null(pool_free(pool));
	assert_int_equal(work.done, 50);
	assert_int_equal(work.most, 5);
	assert_null(pool_free(NULL));
}

/* A task never waits for a thread that is busy while another could be had. */
static void test_pool_grows(void **state)
{
	struct pool *pool = pool_new("tests", 16, 128 << 10);

	(void)state;
	for (int round = 0; round < 30; round++) {
		reset_work();
		for (int i = 0; i < 16; i++)
			assert_int_equal(pool_run(pool, task, pool), 0);
		wait_running(16);
		open_gate();
		pthread_mutex_lock(&work.lock);
		while (work.done < 16)
			pthread_cond_wait(&work.cond, &work.lock);
		pthread_mutex_unlock(&work.lock);
	}
	pool_free(pool);
}

/* One idle thread is one thread, for however many tasks come before it wakes. */
static void test_pool_idle_counts_once(void **state)
{
	(void)state;
	for (int round = 0; round < 20; round++) {
		struct pool *pool = pool_new("tests", 4, 128 << 10);

		reset_work();
		assert_int_equal(pool_run(pool, task, NULL), 0);
		usleep(5000);
		assert_int_equal(pool_run(pool, task, pool), 0);
		assert_int_equal(pool_run(pool, task, pool), 0);
		wait_running(2);
		open_gate();
		pool_free(pool);
	}
}

static _Atomic unsigned counted;

static void count(void *arg)
{
	(void)arg;
	counted++;
}

static void *add_many(void *arg)
{
	for (int i = 0; i < 2000; i++) {
		if (pool_run(arg, count, NULL) < 0)
			return arg;
	}
	return NULL;
}

static void test_pool_crowd(void **state)
{
	struct pool *pool = pool_new("tests", 4, 128 << 10);
	pthread_t threads[4];

	(void)state;
	counted = 0;
	for (size_t i = 0; i < array_len(threads); i++)
		pthread_create(&threads[i], NULL, add_many, pool);
	for (size_t i = 0; i < array_len(threads); i++) {
		void *failed;

		pthread_join(threads[i], &failed);
		assert_null(failed);
	}
	pool_free(pool);
	assert_int_equal(counted, 8000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_log_levels),
		cmocka_unit_test(test_log_redacts),
		cmocka_unit_test(test_log_redacts_at_the_end),
		cmocka_unit_test(test_log_forgets_oldest),
		cmocka_unit_test(test_log_reopen),
		cmocka_unit_test(test_waiter),
		cmocka_unit_test(test_pool_bound),
		cmocka_unit_test(test_pool_grows),
		cmocka_unit_test(test_pool_idle_counts_once),
		cmocka_unit_test(test_pool_crowd),
	};

	return cmocka_run_group_tests(tests, open_log, close_log);
}
