/*
 * Clang's thread-safety annotations (-Wthread-safety), nothing for other compilers. They are used through lock.h: what is
 * named here is a lock's class, as DEFINE_LOCK makes it ("store_locked"), because C has no way to name a member's sibling.
 */
#pragma once

#if defined(__clang__)
#define thread_annotation_(x) __attribute__((x))
#else
#define thread_annotation_(x)
#endif

/* On a type: it can be held. */
#define CAPABILITY(word) thread_annotation_(capability(word))
/* On a field or a variable: who reads or writes it holds the lock; what it points to, likewise. */
#define GUARDED_BY(lock)    thread_annotation_(guarded_by(lock))
#define PT_GUARDED_BY(lock) thread_annotation_(pt_guarded_by(lock))
/* On a function: the caller holds the lock, before and after. Its name ends in _locked. */
#define REQUIRES(...) thread_annotation_(requires_capability(__VA_ARGS__))
/* On a function: the caller must not hold it, because the function takes it. */
#define EXCLUDES(...) thread_annotation_(locks_excluded(__VA_ARGS__))
/* On a function that takes the lock, gives it back, or tries to take it and returns success. */
#define ACQUIRE(...)              thread_annotation_(acquire_capability(__VA_ARGS__))
#define RELEASE(...)              thread_annotation_(release_capability(__VA_ARGS__))
#define TRY_ACQUIRE(success, ...) thread_annotation_(try_acquire_capability(success, __VA_ARGS__))
/* On a function that checks at run time that the lock is held, or that holds it to the end of a scope. */
#define ASSERT_HELD(...) thread_annotation_(assert_capability(__VA_ARGS__))
/* On a function that the analysis cannot follow (locks of two objects, construction); a comment says why. */
#define NO_THREAD_SAFETY_ANALYSIS thread_annotation_(no_thread_safety_analysis)
