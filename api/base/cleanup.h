/* Scope-bound release and hand-over of pointers. Destructors take NULL and return NULL. */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <pthread.h>

#include "api/base/banned.h"

#define cleanup_(func)          __attribute__((cleanup(func)))
#define printf_like_(fmt, args) __attribute__((format(printf, fmt, args)))
#define must_check_             __attribute__((warn_unused_result))
#define array_len(a)            (sizeof(a) / sizeof((a)[0]))

/* Hands a pointer over: returns it and leaves NULL behind. */
#define steal_ptr(p)                                                                                                             \
	({                                                                                                                       \
		__typeof__(p) *steal_ = &(p);                                                                                    \
		__typeof__(p) stolen_ = *steal_;                                                                                 \
		*steal_ = NULL;                                                                                                  \
		stolen_;                                                                                                         \
	})

static inline int steal_fd(int *fd)
{
	int r = *fd;

	*fd = -1;
	return r;
}

/* Defines name##p(), for cleanup_(), from a destructor that takes a pointer. */
#define DEFINE_CLEANUP(type, destructor)                                                                                         \
	static inline void destructor##p(type *p)                                                                                \
	{                                                                                                                        \
		if (*p)                                                                                                          \
			destructor(*p);                                                                                          \
	}

static inline void freep(void *p)
{
	void *allocated;

	/* p points to a pointer of whatever type: only its bytes may be read. */
	memcpy(&allocated, p, sizeof(allocated));
	free(allocated);
}
#define cleanup_free_ cleanup_(freep)

/* As asprintf, which leaves *ret undefined where it fails: NULL then, so that a cleanup may free it. */
int text_format(char **ret, const char *fmt, ...) printf_like_(2, 3) must_check_;
int text_vformat(char **ret, const char *fmt, va_list ap) printf_like_(2, 0) must_check_;
/* The text itself; NULL: no memory. */
char *text_new(const char *fmt, ...) printf_like_(1, 2) must_check_;

static inline void closep(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}
#define cleanup_close_ cleanup_(closep)

static inline void unlockp(pthread_mutex_t **mutex)
{
	if (*mutex)
		pthread_mutex_unlock(*mutex);
}

/* Holds a mutex to the end of the scope. */
#define scoped_lock(mutex)                                                                                                       \
	cleanup_(unlockp) pthread_mutex_t *scope_lock_ __attribute__((unused)) = (pthread_mutex_lock(mutex), (mutex))
