/*
 * Locks that are visible: a mutex with a class that clang's analysis knows (thread_annotations.h), and, where assertions are
 * on, an owner that is checked at run time. The analysis knows the class alone ("a store's lock is held"), the owner makes sure
 * that it is this store's.
 *
 *     struct store {
 *             struct lock lock;
 *             size_t keys GUARDED_BY(store_locked);
 *     };
 *     DEFINE_LOCK(store, struct store, lock)
 *
 *     static void add_key_locked(struct store *store) REQUIRES(store_locked);
 *     static void add_key_locked(struct store *store)
 *     {
 *             store_assert_locked(store);
 *             store->keys++;
 *     }
 *
 * DEFINE_LOCK(name, type, member) makes name_lock(), name_unlock(), name_trylock(), name_assert_locked() and name_cond_wait(), which
 * take a type *, and the class name_locked. scope_lock(name, object) holds it to the end of the scope, which should be the
 * function's: the analysis does not see its end. The type may be declared after its first use in an annotation:
 * DECLARE_LOCK(name) in front of the struct names the class.
 */
#pragma once

#include <stdatomic.h>

#include "api/base/clock.h"
#include "api/base/invariant.h"
#include "api/base/thread_annotations.h"

struct lock {
	pthread_mutex_t mutex;
#ifndef NDEBUG
	_Atomic uintptr_t owner; /* the thread that holds it; 0: nobody */
#endif
};

#define LOCK_INIT                                                                                                                \
	{                                                                                                                        \
		.mutex = PTHREAD_MUTEX_INITIALIZER                                                                               \
	}

/* What annotations name. No object of it exists. */
struct CAPABILITY("lock") lock_class;

static inline void lock_init(struct lock *lock)
{
	pthread_mutex_init(&lock->mutex, NULL);
#ifndef NDEBUG
	atomic_init(&lock->owner, 0);
#endif
}

/* Nobody holds it. */
static inline void lock_destroy(struct lock *lock)
{
#ifndef NDEBUG
	(void)invariant(!atomic_load_explicit(&lock->owner, memory_order_relaxed));
#endif
	pthread_mutex_destroy(&lock->mutex);
}

static inline bool lock_is_mine(const struct lock *lock)
{
#ifndef NDEBUG
	return atomic_load_explicit(&lock->owner, memory_order_relaxed) == (uintptr_t)pthread_self();
#else
	(void)lock;
	return true;
#endif
}

static inline void lock_set_owner(struct lock *lock, uintptr_t owner)
{
#ifndef NDEBUG
	atomic_store_explicit(&lock->owner, owner, memory_order_relaxed);
#else
	(void)lock;
	(void)owner;
#endif
}

/* The next four are for DEFINE_LOCK, and for locks that no class can be made for. */
static inline void lock_acquire(struct lock *lock)
{
#ifndef NDEBUG
	(void)invariant(!lock_is_mine(lock));
#endif
	pthread_mutex_lock(&lock->mutex);
	lock_set_owner(lock, (uintptr_t)pthread_self());
}

static inline bool lock_try(struct lock *lock)
{
	if (pthread_mutex_trylock(&lock->mutex))
		return false;
	lock_set_owner(lock, (uintptr_t)pthread_self());
	return true;
}

static inline void lock_assert_held(const struct lock *lock)
{
	(void)invariant(lock_is_mine(lock));
}

static inline void lock_release(struct lock *lock)
{
	lock_assert_held(lock);
	lock_set_owner(lock, 0);
	pthread_mutex_unlock(&lock->mutex);
}

/* As clock_cond_wait: 0, also without a reason, or -ETIMEDOUT. */
static inline int lock_wait(struct lock *lock, pthread_cond_t *cond, int64_t deadline_ms)
{
	int r;

	lock_assert_held(lock);
	lock_set_owner(lock, 0);
	r = clock_cond_wait(cond, &lock->mutex, deadline_ms);
	lock_set_owner(lock, (uintptr_t)pthread_self());
	return r;
}

#define DECLARE_LOCK(name) extern struct lock_class name##_locked

/* The bodies are the one place that turns a lock into its class; the analysis takes their annotations' word for it. */
#define DEFINE_LOCK(name, type, member)                                                                                          \
	DECLARE_LOCK(name);                                                                                                      \
	__attribute__((unused)) static inline void name##_lock(type *object) ACQUIRE(name##_locked) NO_THREAD_SAFETY_ANALYSIS    \
	{                                                                                                                        \
		lock_acquire(&object->member);                                                                                   \
	}                                                                                                                        \
	__attribute__((unused)) static inline void name##_unlock(type *object) RELEASE(name##_locked) NO_THREAD_SAFETY_ANALYSIS  \
	{                                                                                                                        \
		lock_release(&object->member);                                                                                   \
	}                                                                                                                        \
	__attribute__((unused)) static inline bool name##_trylock(type *object) TRY_ACQUIRE(true, name##_locked)                 \
		NO_THREAD_SAFETY_ANALYSIS                                                                                        \
	{                                                                                                                        \
		return lock_try(&object->member);                                                                                \
	}                                                                                                                        \
	__attribute__((unused)) static inline void name##_assert_locked(const type *object) ASSERT_HELD(name##_locked)           \
		NO_THREAD_SAFETY_ANALYSIS                                                                                        \
	{                                                                                                                        \
		lock_assert_held(&object->member);                                                                               \
	}                                                                                                                        \
	__attribute__((unused)) static inline int name##_cond_wait(type *object, pthread_cond_t *cond, int64_t deadline_ms)      \
		REQUIRES(name##_locked) NO_THREAD_SAFETY_ANALYSIS                                                                \
	{                                                                                                                        \
		return lock_wait(&object->member, cond, deadline_ms);                                                            \
	}                                                                                                                        \
	__attribute__((unused)) static inline type *name##_lock_for_scope(type *object) ASSERT_HELD(name##_locked)               \
		NO_THREAD_SAFETY_ANALYSIS                                                                                        \
	{                                                                                                                        \
		lock_acquire(&object->member);                                                                                   \
		return object;                                                                                                   \
	}                                                                                                                        \
	__attribute__((unused)) static inline void name##_unlockp(type **object) NO_THREAD_SAFETY_ANALYSIS                       \
	{                                                                                                                        \
		lock_release(&(*object)->member);                                                                                \
	}

/* Holds the lock of the class to the end of the scope. */
#define scope_lock(name, object)                                                                                                 \
	cleanup_(name##_unlockp) __typeof__(name##_lock_for_scope(object)) name##_scope_ __attribute__((unused)) =               \
		name##_lock_for_scope(object)
