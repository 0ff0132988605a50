#include "api/base/invariant.h"

#include <stdatomic.h>

#include "api/base/log.h"

#ifdef NDEBUG
/* The first ones tell what is wrong; a loop of them must not fill a disk. */
#define FAILURES_LOGGED_MAX 64

void invariant_failed(const char *expr, const char *file, int line, const char *function)
{
	static atomic_uint count;

	if (atomic_fetch_add_explicit(&count, 1, memory_order_relaxed) < FAILURES_LOGGED_MAX)
		log_error("internal error: %s:%d: %s: \"%s\" does not hold; the operation fails, please report it", file, line,
			  function, expr);
}
#else
void invariant_failed(const char *expr, const char *file, int line, const char *function)
{
	/* Not through the log: its lock may be what this is about. */
	dprintf(STDERR_FILENO, "%s:%d: %s: \"%s\" does not hold\n", file, line, function, expr);
	abort();
}
#endif
