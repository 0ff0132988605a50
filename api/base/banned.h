/*
 * Functions that have no bound or no error report. Included by cleanup.h, which every file includes,
 * after the system's own headers were read.
 */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* With _FORTIFY_SOURCE some are macros under clang, which cannot be poisoned. */
#undef strcpy
#undef strcat
#undef sprintf
#undef vsprintf
#undef gets
#undef asprintf
#undef vasprintf
#pragma GCC poison strcpy strcat sprintf vsprintf gets asprintf vasprintf strtok atoi atol atoll atof gmtime localtime ctime     \
	asctime
