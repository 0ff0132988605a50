#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "api/base/buf.h"
#include "api/base/clock.h"
#include "fs/core/notify.h"

/* Stands in for libfuse: writes down what the kernel would be told; blocks while gate is shut, as a directory's lock does. */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct buf told;
	unsigned count;
	bool shut, waiting;
} kernel = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

static int tell(const char *fmt, fuse_ino_t ino, const char *name, int len)
{
	pthread_mutex_lock(&kernel.lock);
	while (kernel.shut) {
		kernel.waiting = true;
		pthread_cond_broadcast(&kernel.changed);
		pthread_cond_wait(&kernel.changed, &kernel.lock);
	}
	kernel.count++;
	if (kernel.told.len < 4096)
		buf_addf(&kernel.told, "%s %lu %.*s;", fmt, (unsigned long)ino, len, name);
	pthread_cond_broadcast(&kernel.changed);
	pthread_mutex_unlock(&kernel.lock);
	return -ENOENT;
}

int fuse_lowlevel_notify_inval_entry(struct fuse_session *se, fuse_ino_t parent, const char *name, size_t namelen)
{
	(void)se;
	return tell("entry", parent, name, (int)namelen);
}

int fuse_lowlevel_notify_inval_inode(struct fuse_session *se, fuse_ino_t ino, off_t off, off_t len)
{
	(void)se, (void)len;
	return tell(off < 0 ? "attr" : "pages", ino, "", 0);
}

static void shut_gate(bool shut)
{
	pthread_mutex_lock(&kernel.lock);
	kernel.shut = shut;
	kernel.waiting = false;
	pthread_cond_broadcast(&kernel.changed);
	pthread_mutex_unlock(&kernel.lock);
}

static void wait_blocked(void)
{
	pthread_mutex_lock(&kernel.lock);
	while (!kernel.waiting)
		pthread_cond_wait(&kernel.changed, &kernel.lock);
	pthread_mutex_unlock(&kernel.lock);
}

static void wait_count(unsigned count)
{
	pthread_mutex_lock(&kernel.lock);
	while (kernel.count < count)
		pthread_cond_wait(&kernel.changed, &kernel.lock);
	pthread_mutex_unlock(&kernel.lock);
}

static int reset(void **state)
{
	(void)state;
	buf_free(&kernel.told);
	kernel.count = 0;
	kernel.shut = kernel.waiting = false;
	return 0;
}

static void test_order(void **state)
{
	struct notifier *n = notifier_new();

	(void)state;
	notify_entry(n, 1, "web.json");
	notify_inode(n, 7, false);
	notify_inode(n, 8, true);
	assert_int_equal(notifier_start(n, NULL), 0);
	wait_count(3);
	notify_entry(n, 2, "");
	wait_count(4);
	notifier_free(n);
	assert_string_equal(kernel.told.data, "entry 1 web.json;attr 7 ;pages 8 ;entry 2 ;");
}

static void test_folds(void **state)
{
	struct notifier *n = notifier_new();

	(void)state;
	for (int i = 0; i < 3; i++) {
		notify_entry(n, 1, "web.json");
		notify_entry(n, 2, "web.json");
		notify_inode(n, 1, i == 1);
	}
	assert_int_equal(notifier_start(n, NULL), 0);
	wait_count(3);
	notifier_free(n);
	assert_string_equal(kernel.told.data, "entry 1 web.json;entry 2 web.json;pages 1 ;");
}

/* What changes again while the kernel is being told of it is told once more. */
static void test_nobody_waits(void **state)
{
	struct notifier *n = notifier_new();

	(void)state;
	shut_gate(true);
	assert_int_equal(notifier_start(n, NULL), 0);
	notify_entry(n, 1, "a");
	wait_blocked();
	notify_entry(n, 1, "a");
	notify_entry(n, 1, "a");
	shut_gate(false);
	wait_count(2);
	notifier_free(n);
	assert_string_equal(kernel.told.data, "entry 1 a;entry 1 a;");
}

/* A name in a directory that the kernel holds waits; what else there is to tell does not, the directory's own attributes included. */
static void test_held_names_wait_alone(void **state)
{
	struct notifier *n = notifier_new();
	struct notify_hold one = { 0 }, two = { 0 }, none = { 0 };

	(void)state;
	notify_hold(n, &one, 1);
	notify_hold(n, &two, 1);
	notify_hold(n, &none, 0);
	assert_true(notify_is_held(n, 1));
	assert_false(notify_is_held(n, 2));
	notify_entry(n, 1, "a");
	notify_entry(n, 2, "b");
	notify_inode(n, 1, true);
	assert_int_equal(notifier_start(n, NULL), 0);
	wait_count(2);
	notify_release(n, &one);
	notify_release(n, &one);
	notify_release(n, &none);
	notify_entry(n, 3, "c");
	wait_count(3);
	assert_string_equal(kernel.told.data, "entry 2 b;pages 1 ;entry 3 c;");
	assert_true(notify_is_held(n, 1));
	notify_release(n, &two);
	assert_false(notify_is_held(n, 1));
	wait_count(4);
	notifier_free(n);
	assert_string_equal(kernel.told.data, "entry 2 b;pages 1 ;entry 3 c;entry 1 a;");
}

static void test_bound(void **state)
{
	struct notifier *n = notifier_new();

	(void)state;
	for (fuse_ino_t i = 1; i <= NOTIFY_MAX + 2; i++)
		notify_inode(n, i, false);
	assert_int_equal(notifier_start(n, NULL), 0);
	wait_count(NOTIFY_MAX);
	notifier_free(n);
	assert_int_equal(kernel.count, NOTIFY_MAX);
	assert_int_equal(strncmp(kernel.told.data, "attr 3 ;attr 4 ;", 16), 0);
}

static void test_stop_drops(void **state)
{
	struct notifier *n = notifier_new();

	(void)state;
	notify_entry(n, 1, "a");
	notifier_stop(n);
	notify_entry(n, 1, "b");
	notifier_stop(n);
	notifier_free(n);
	assert_int_equal(kernel.count, 0);
	assert_null(notifier_free(NULL));
}

static void *hammer(void *arg)
{
	struct notifier *n = arg;

	for (int i = 0; i < 2000; i++) {
		notify_inode(n, (fuse_ino_t)i % 50 + 1, i % 3 == 0);
		notify_entry(n, (fuse_ino_t)i % 7 + 1, i % 2 ? "even" : "odd");
	}
	return NULL;
}

static void test_threads(void **state)
{
	struct notifier *n = notifier_new();
	pthread_t threads[4];

	(void)state;
	assert_int_equal(notifier_start(n, NULL), 0);
	for (size_t i = 0; i < array_len(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, hammer, n), 0);
	wait_count(10);
	for (size_t i = 0; i < array_len(threads); i++)
		pthread_join(threads[i], NULL);
	notifier_free(n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_order, reset),
		cmocka_unit_test_setup(test_folds, reset),
		cmocka_unit_test_setup(test_nobody_waits, reset),
		cmocka_unit_test_setup(test_bound, reset),
		cmocka_unit_test_setup(test_stop_drops, reset),
		cmocka_unit_test_setup(test_threads, reset),
		cmocka_unit_test_setup(test_held_names_wait_alone, reset),
	};
	int r = cmocka_run_group_tests(tests, NULL, NULL);

	buf_free(&kernel.told);
	return r;
}
