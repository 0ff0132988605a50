/*
 * The program's allocator: the C library's, but what is freed is cleared first, whoever allocated it. Secrets pass through
 * libraries (curl, TLS, json-c, libfuse) that free their copies as they are; with this none of those stays in the heap. The
 * whole family is defined, so that no way of giving memory back goes around it; malloc_usable_size is the library's own,
 * because the blocks are. Linked into the program alone, and not with sanitizers, which bring allocators of their own.
 */
#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* What the C library's allocator is called beneath. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void *__libc_valloc(size_t size);
void *__libc_pvalloc(size_t size);
void __libc_free(void *p);

/* From this size on, whole pages are given back to the system instead of being written: those never used cost nothing. */
#define PAGES_FROM ((size_t)1 << 20)
#define PAGE_BYTES ((size_t)4096)

/* The older families are declared in malloc.h or nowhere. */
void cfree(void *p);

static void clear_pages(char *p, size_t size)
{
	char *first = (char *)(((uintptr_t)p + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1));
	char *end = (char *)(((uintptr_t)p + size) & ~(PAGE_BYTES - 1));

	explicit_bzero(p, (size_t)(first - p));
	/* Locked memory, or pages of another size. */
	if (madvise(first, (size_t)(end - first), MADV_DONTNEED) < 0)
		explicit_bzero(first, (size_t)(end - first));
	explicit_bzero(end, (size_t)(p + size - end));
}

static void clear(void *p, size_t size)
{
	int saved = errno;

	if (size < PAGES_FROM)
		explicit_bzero(p, size);
	else
		clear_pages(p, size);
	errno = saved;
}

void *malloc(size_t size)
{
	return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
	return __libc_calloc(count, size);
}

void free(void *p)
{
	if (!p)
		return;
	clear(p, malloc_usable_size(p));
	__libc_free(p);
}

/* The library's own would leave the old block as it is where it moves, and the end of one that shrinks. */
void *realloc(void *p, size_t size)
{
	size_t old = p ? malloc_usable_size(p) : 0;
	void *moved;

	if (!p)
		return __libc_malloc(size);
	if (!size) {
		free(p);
		return NULL;
	}
	if (size <= old && size >= old / 2) {
		clear((char *)p + size, old - size);
		return p;
	}
	moved = __libc_malloc(size);
	if (!moved)
		return NULL;
	memcpy(moved, p, size < old ? size : old);
	free(p);
	return moved;
}

void *reallocarray(void *p, size_t count, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(count, size, &bytes)) {
		errno = ENOMEM;
		return NULL;
	}
	return realloc(p, bytes);
}

void *memalign(size_t alignment, size_t size)
{
	return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
	return __libc_memalign(alignment, size);
}

int posix_memalign(void **ret, size_t alignment, size_t size)
{
	int saved = errno;
	void *p;

	if (alignment % sizeof(void *) || !alignment || (alignment & (alignment - 1)))
		return EINVAL;
	p = __libc_memalign(alignment, size);
	errno = saved;
	if (!p)
		return ENOMEM;
	*ret = p;
	return 0;
}

void *valloc(size_t size)
{
	return __libc_valloc(size);
}

void *pvalloc(size_t size)
{
	return __libc_pvalloc(size);
}

void cfree(void *p)
{
	free(p);
}
