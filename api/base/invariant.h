/*
 * Invariants: what the code itself guarantees. Where one does not hold, the program is wrong, not its input: a debug or
 * sanitizer build aborts with the place; a release build (NDEBUG) logs it and fails the one request. Conditions that input, the
 * service or the system can break are no invariants: those are errors with a text.
 */
#pragma once

#include "api/base/cleanup.h"

/* Whether it holds; expr is evaluated once, in every build. For what follows from it: if (!invariant(x)) … */
#define invariant(expr) (__builtin_expect(!!(expr), 1) || (invariant_failed(#expr, __FILE__, __LINE__, __func__), false))
/* Leaves the function where it does not hold: assert_return(index < count, -EIO); assert_return(node, ); */
#define assert_return(expr, ...)                                                                                                 \
	do {                                                                                                                     \
		if (!invariant(expr))                                                                                            \
			return __VA_ARGS__;                                                                                      \
	} while (0)

/* Aborts (debug), or logs the first times (release). */
void invariant_failed(const char *expr, const char *file, int line, const char *function);
