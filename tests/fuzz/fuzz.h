/* What the fuzz targets share. */
#pragma once

#include <stdint.h>
#include <stdlib.h>

#define MUST(what_)                                                                                                              \
	do {                                                                                                                     \
		if (!(what_))                                                                                                    \
			abort();                                                                                                 \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
