/* api/base: what is freed is cleared, whatever the way, and the allocator is still one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "api/base/sanitized.h"

#if !SANITIZED
/* In this program as in cfcfs: part of the executable. */
#include "api/base/wipe_alloc.c"

#define NEEDLE_BYTES 24
#define array_len(a) (sizeof(a) / sizeof((a)[0]))

/* The needle, made when it is needed, so that it stands nowhere else; NUL at its end. */
static void make_needle(char text[NEEDLE_BYTES + 1])
{
	for (int i = 0; i < NEEDLE_BYTES; i++)
		text[i] = (char)('A' + (i * 7 + 5) % 26);
	text[NEEDLE_BYTES] = '\0';
}

static char window[1 << 20];

/* How often the needle stands in this range of memory. */
static unsigned count_in(int fd, uintptr_t from, uintptr_t to)
{
	char needle[NEEDLE_BYTES + 1];
	unsigned count = 0;

	for (uintptr_t at = from; at < to; at += sizeof(window) - NEEDLE_BYTES) {
		size_t n = to - at < sizeof(window) ? to - at : sizeof(window);
		ssize_t got = pread(fd, window, n, (off_t)at);

		if (got <= 0)
			break;
		make_needle(needle);
		for (char *p = window; (p = memmem(p, (size_t)(window + got - p), needle, NEEDLE_BYTES)); p++)
			count++;
		explicit_bzero(needle, sizeof(needle));
	}
	explicit_bzero(window, sizeof(window));
	return count;
}

/* How often it stands in the heap and other anonymous memory; stacks and this file's window are not looked at. */
static unsigned count_needles(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	int fd = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	char line[512];
	unsigned count = 0;

	assert_non_null(maps);
	assert_true(fd >= 0);
	while (fgets(line, sizeof(line), maps)) {
		unsigned long from, to;
		char mode[8], path[256] = "";

		if (sscanf(line, "%lx-%lx %7s %*s %*s %*s %255s", &from, &to, mode, path) < 3 || mode[0] != 'r' || mode[1] != 'w')
			continue;
		if (strstr(path, "stack") || ((uintptr_t)window >= from && (uintptr_t)window < to) ||
		    ((uintptr_t)line >= from && (uintptr_t)line < to))
			continue;
		count += count_in(fd, from, to);
	}
	close(fd);
	fclose(maps);
	return count;
}

static void fill(char *p, size_t size)
{
	for (size_t i = 0; i + NEEDLE_BYTES + 1 <= size; i += NEEDLE_BYTES)
		make_needle(p + i);
}

static const size_t sizes[] = { 25, 100, 500, 1000, 5000, 70000, 200000, 1100000, 5000000 };

static void test_every_way(void **state)
{
	(void)state;
	for (size_t i = 0; i < array_len(sizes); i++) {
		void *ways[5] = { malloc(sizes[i]), calloc(1, sizes[i]), memalign(64, sizes[i]), aligned_alloc(4096, sizes[i]) };

		assert_int_equal(posix_memalign(&ways[4], 128, sizes[i]), 0);
		assert_int_equal((uintptr_t)ways[4] % 128, 0);
		assert_int_equal((uintptr_t)ways[3] % 4096, 0);
		for (size_t k = 0; k < array_len(ways); k++) {
			assert_non_null(ways[k]);
			fill(ways[k], malloc_usable_size(ways[k]));
		}
		assert_true(count_needles() >= array_len(ways));
		for (size_t k = 0; k < array_len(ways); k++)
			free(ways[k]);
		assert_int_equal(count_needles(), 0);
	}
}

/* It moves, grows and shrinks: the content goes along, and nothing of it stays behind. */
static void test_resizing(void **state)
{
	(void)state;
	for (size_t i = 0; i < array_len(sizes); i++) {
		for (size_t k = 0; k < array_len(sizes); k++) {
			char needle[NEEDLE_BYTES + 1];
			char *p = malloc(sizes[i]), *between;
			size_t least = sizes[i] < sizes[k] ? sizes[i] : sizes[k];

			fill(p, sizes[i]);
			between = malloc(100);
			p = realloc(p, sizes[k]);
			assert_non_null(p);
			make_needle(needle);
			if (least > 2 * NEEDLE_BYTES) {
				assert_memory_equal(p, needle, NEEDLE_BYTES);
				assert_memory_equal(p + (least / NEEDLE_BYTES - 2) * NEEDLE_BYTES, needle, NEEDLE_BYTES);
			}
			explicit_bzero(needle, sizeof(needle));
			explicit_bzero(p, sizes[k]);
			assert_int_equal(count_needles(), 0);
			free(p);
			free(between);
		}
	}
}

static void test_edges(void **state)
{
	void *p = NULL, *moved;
	volatile size_t huge = SIZE_MAX / 2;

	(void)state;
	free(NULL);
	p = realloc(NULL, 10);
	assert_non_null(p);
	assert_null(realloc(p, 0));
	errno = 0;
	assert_null(malloc(huge));
	assert_int_equal(errno, ENOMEM);
	p = malloc(10);
	moved = realloc(p, huge);
	assert_null(moved);
	/* It is still there. */
	if (!moved)
		free(p);
	errno = 0;
	assert_null(reallocarray(NULL, huge, 4));
	assert_int_equal(errno, ENOMEM);
	p = reallocarray(NULL, 10, 10);
	assert_true(malloc_usable_size(p) >= 100);
	free(p);
	assert_int_equal(posix_memalign(&p, 3, 10), EINVAL);
	assert_int_equal(posix_memalign(&p, 64, huge), ENOMEM);
	errno = 42;
	free(malloc(2000000));
	assert_int_equal(errno, 42);
}

/* The library's own ways come through here too. */
static void test_library(void **state)
{
	char needle[NEEDLE_BYTES + 1], *copy = NULL, *line = NULL;
	size_t cap = 0, size = 0;
	FILE *f;

	(void)state;
	make_needle(needle);
	free(strdup(needle));
	assert_true(asprintf(&copy, "%s and %s", needle, needle) > 0);
	free(copy);
	f = open_memstream(&copy, &size);
	for (int i = 0; i < 1000; i++)
		fprintf(f, "%s\n", needle);
	fclose(f);
	f = fmemopen(copy, size, "r");
	while (getline(&line, &cap, f) > 0)
		;
	fclose(f);
	free(line);
	free(copy);
	explicit_bzero(needle, sizeof(needle));
	assert_int_equal(count_needles(), 0);
}

static void *churn(void *arg)
{
	char *blocks[64] = { NULL };
	unsigned seed = (unsigned)(uintptr_t)arg;

	for (int i = 0; i < 20000; i++) {
		seed = seed * 1103515245 + 12345;
		char **block = &blocks[seed >> 16 & 63];
		size_t size = 30 + (seed >> 8 & 4095);

		*block = realloc(*block, size);
		memset(*block, 0, size);
		make_needle(*block);
	}
	for (size_t i = 0; i < array_len(blocks); i++)
		free(blocks[i]);
	return NULL;
}

static void test_threads(void **state)
{
	pthread_t threads[4];

	(void)state;
	for (size_t i = 0; i < array_len(threads); i++)
		pthread_create(&threads[i], NULL, churn, (void *)(i + 1));
	for (size_t i = 0; i < array_len(threads); i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(count_needles(), 0);
}
#endif

int main(void)
{
#if SANITIZED
	printf("skipped: a sanitizer brings an allocator of its own\n");
	return 77;
#else
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_way), cmocka_unit_test(test_resizing), cmocka_unit_test(test_edges),
		cmocka_unit_test(test_library),   cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
#endif
}
