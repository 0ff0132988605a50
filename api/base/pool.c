#include "api/base/pool.h"

#include <errno.h>
#include <signal.h>

#include "api/base/lock.h"

/* An idle thread leaves after this time. */
#define POOL_IDLE_MS 5000

struct task {
	void (*run)(void *arg);
	void *arg;
	struct task *next;
};

DECLARE_LOCK(pool);

struct pool {
	struct lock lock;
	pthread_cond_t work;                        /* a task was queued, or the pool ends */
	pthread_cond_t done;                        /* a thread left, or the last task ended */
	struct task *head GUARDED_BY(pool_locked);  /* owned */
	struct task **tail GUARDED_BY(pool_locked); /* where the next one goes */
	unsigned queued GUARDED_BY(pool_locked);
	unsigned idle GUARDED_BY(pool_locked);
	unsigned threads GUARDED_BY(pool_locked);
	unsigned tasks GUARDED_BY(pool_locked); /* accepted and not ended */
	bool ending GUARDED_BY(pool_locked);
	/* Fixed after pool_new: */
	unsigned max;
	size_t stack_bytes;
	char name[16];
};
DEFINE_LOCK(pool, struct pool, lock)

static _Thread_local const struct pool *mine;

bool pool_is_mine(const struct pool *pool)
{
	return mine == pool;
}

static struct task *take_task_locked(struct pool *pool) REQUIRES(pool_locked)
{
	struct task *task = pool->head;

	pool_assert_locked(pool);
	(void)invariant(!task == !pool->queued);
	if (task) {
		pool->head = task->next;
		if (!pool->head)
			pool->tail = &pool->head;
		pool->queued--;
	}
	return task;
}

static void *thread_main(void *arg)
{
	struct pool *pool = arg;

	mine = pool;
	pthread_setname_np(pthread_self(), pool->name);
	pool_lock(pool);
	for (;;) {
		struct task *task = take_task_locked(pool);

		if (task) {
			pool_unlock(pool);
			task->run(task->arg);
			free(task);
			pool_lock(pool);
			if (--pool->tasks == 0)
				pthread_cond_broadcast(&pool->done);
			continue;
		}
		if (pool->ending)
			break;
		pool->idle++;
		if (pool_cond_wait(pool, &pool->work, clock_after_ms(POOL_IDLE_MS)) == -ETIMEDOUT && !pool->head) {
			pool->idle--;
			break;
		}
		pool->idle--;
	}
	pool->threads--;
	pthread_cond_broadcast(&pool->done);
	pool_unlock(pool);
	return NULL;
}

struct pool *pool_new(const char *name, unsigned max, size_t stack_bytes)
{
	struct pool *pool = calloc(1, sizeof(*pool));

	if (!pool)
		return NULL;
	lock_init(&pool->lock);
	clock_cond_init(&pool->work);
	clock_cond_init(&pool->done);
	pool_lock(pool);
	pool->tail = &pool->head;
	pool_unlock(pool);
	pool->max = max;
	pool->stack_bytes = stack_bytes;
	snprintf(pool->name, sizeof(pool->name), "%s", name);
	return pool;
}

static int start_thread(struct pool *pool)
{
	pthread_attr_t attr;
	sigset_t all, old;
	pthread_t thread;
	int r;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, pool->stack_bytes);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&thread, &attr, thread_main, pool);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	return -r;
}

int pool_run(struct pool *pool, void (*run)(void *arg), void *arg)
{
	struct task *task = malloc(sizeof(*task));

	if (!task)
		return -ENOMEM;
	*task = (struct task){ .run = run, .arg = arg };
	scope_lock(pool, pool);
	(void)invariant(!pool->ending || pool_is_mine(pool));
	if (pool->queued >= pool->idle && pool->threads < pool->max) {
		if (start_thread(pool) == 0) {
			pool->threads++;
		} else if (pool->threads == 0) {
			free(task);
			return -EAGAIN;
		}
	}
	*pool->tail = task;
	pool->tail = &task->next;
	pool->queued++;
	pool->tasks++;
	pthread_cond_signal(&pool->work);
	return 0;
}

bool pool_take_back(struct pool *pool, void (*run)(void *arg), const void *arg)
{
	scope_lock(pool, pool);
	for (struct task **at = &pool->head; *at; at = &(*at)->next) {
		struct task *task = *at;

		if (task->run != run || task->arg != arg)
			continue;
		*at = task->next;
		if (!task->next)
			pool->tail = at;
		free(task);
		pool->queued--;
		if (--pool->tasks == 0)
			pthread_cond_broadcast(&pool->done);
		return true;
	}
	return false;
}

int pool_wait_idle(struct pool *pool, int64_t deadline_ms)
{
	int r = 0;

	assert_return(!pool_is_mine(pool), -EDEADLK);
	scope_lock(pool, pool);
	while (pool->tasks && r == 0)
		r = pool_cond_wait(pool, &pool->done, deadline_ms);
	return pool->tasks ? -ETIMEDOUT : 0;
}

struct pool *pool_free(struct pool *pool)
{
	if (!pool)
		return NULL;
	pool_lock(pool);
	pool->ending = true;
	pthread_cond_broadcast(&pool->work);
	while (pool->threads)
		pool_cond_wait(pool, &pool->done, CLOCK_NEVER);
	pool_unlock(pool);
	pthread_cond_destroy(&pool->done);
	pthread_cond_destroy(&pool->work);
	lock_destroy(&pool->lock);
	free(pool);
	return NULL;
}
