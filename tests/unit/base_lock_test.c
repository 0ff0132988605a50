/* api/base: locks that know who holds them, and invariants. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#include "api/base/lock.h"

DECLARE_LOCK(account);

struct account {
	struct lock lock;
	pthread_cond_t changed;
	unsigned balance GUARDED_BY(account_locked);
};
DEFINE_LOCK(account, struct account, lock)

static struct account account = { .lock = LOCK_INIT };

static void add_locked(struct account *a, unsigned n) REQUIRES(account_locked)
{
	account_assert_locked(a);
	a->balance += n;
}

static unsigned balance(void)
{
	scope_lock(account, &account);
	return account.balance;
}

static void *add_many(void *arg)
{
	(void)arg;
	for (int i = 0; i < 20000; i++) {
		if (i % 2 || !account_trylock(&account))
			account_lock(&account);
		add_locked(&account, 1);
		account_unlock(&account);
	}
	return NULL;
}

static void test_one_at_a_time(void **state)
{
	pthread_t threads[4];

	(void)state;
	for (size_t i = 0; i < array_len(threads); i++)
		pthread_create(&threads[i], NULL, add_many, NULL);
	for (size_t i = 0; i < array_len(threads); i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(balance(), 80000);
}

static void *add_one(void *arg)
{
	(void)arg;
	scope_lock(account, &account);
	add_locked(&account, 1);
	pthread_cond_signal(&account.changed);
	return NULL;
}

/* Whoever waits holds it again when the wait is over, and not meanwhile. */
static void test_wait(void **state)
{
	pthread_t thread;
	unsigned before;

	(void)state;
	clock_cond_init(&account.changed);
	scope_lock(account, &account);
	before = account.balance;
	assert_int_equal(account_cond_wait(&account, &account.changed, clock_now_ms()), -ETIMEDOUT);
	account_assert_locked(&account);
	pthread_create(&thread, NULL, add_one, NULL);
	while (account.balance == before)
		assert_int_equal(account_cond_wait(&account, &account.changed, clock_after_ms(30000)), 0);
	account_assert_locked(&account);
	pthread_join(thread, NULL);
}

#ifndef NDEBUG
/* How a child ends that does this. */
static int end_of(void (*act)(void))
{
	pid_t pid = fork();
	int status = 0;

	assert_true(pid >= 0);
	if (pid == 0) {
		signal(SIGABRT, SIG_DFL);
		close(STDERR_FILENO);
		act();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
}

static void need_it(void)
{
	account_assert_locked(&account);
}

static void *lock_and_leave(void *arg)
{
	lock_acquire(&account.lock);
	return arg;
}

static void need_what_another_has(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, lock_and_leave, NULL);
	pthread_join(thread, NULL);
	need_it();
}

static void take_twice(void)
{
	lock_acquire(&account.lock);
	lock_acquire(&account.lock);
}

static void give_back_twice(void)
{
	lock_acquire(&account.lock);
	lock_release(&account.lock);
	lock_release(&account.lock);
}

static void take_and_check(void)
{
	lock_acquire(&account.lock);
	need_it();
	lock_release(&account.lock);
}

static void break_invariant(void)
{
	(void)invariant(getpid() == 0);
}

static void test_misuse_aborts(void **state)
{
	(void)state;
	assert_int_equal(end_of(take_and_check), 0);
	assert_int_equal(end_of(need_it), SIGABRT);
	assert_int_equal(end_of(need_what_another_has), SIGABRT);
	assert_int_equal(end_of(take_twice), SIGABRT);
	assert_int_equal(end_of(give_back_twice), SIGABRT);
	assert_int_equal(end_of(break_invariant), SIGABRT);
}
#else
static int checked(int n)
{
	assert_return(n > 0, -EINVAL);
	return n;
}

static void test_misuse_fails_the_call(void **state)
{
	(void)state;
	assert_int_equal(checked(3), 3);
	assert_int_equal(checked(0), -EINVAL);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_at_a_time),
		cmocka_unit_test(test_wait),
#ifndef NDEBUG
		cmocka_unit_test(test_misuse_aborts),
#else
		cmocka_unit_test(test_misuse_fails_the_call),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
