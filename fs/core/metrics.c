#include "fs/core/metrics.h"

#include <errno.h>
#include <stdatomic.h>

#include "api/base/clock.h"

/* Operations told apart; one past them is not counted. */
#define METRICS_MAX 128
#define BUCKETS     7

/* Upper bounds of the histogram's buckets, but for +Inf. */
static const struct {
	int64_t ns;
	const char *text;
} bounds[BUCKETS] = {
	{ 100000, "0.0001" }, { 1000000, "0.001" },  { 10000000, "0.01" },  { 100000000, "0.1" },
	{ 1000000000, "1" },  { 10000000000, "10" }, { 60000000000, "60" },
};

/* One for each address of a name; equal names of different addresses are added up when they are printed. */
struct slot {
	_Alignas(64) _Atomic(const char *) op; /* NULL: free */
	_Atomic uint64_t count, sum_ns;
	_Atomic uint64_t buckets[BUCKETS];
};

static struct slot slots[METRICS_MAX];

static struct slot *find_slot(const char *op)
{
	size_t first = ((uintptr_t)op >> 3) % METRICS_MAX;

	for (size_t i = 0; i < METRICS_MAX; i++) {
		struct slot *slot = &slots[(first + i) % METRICS_MAX];
		const char *is = atomic_load_explicit(&slot->op, memory_order_relaxed);

		if (!is && atomic_compare_exchange_strong(&slot->op, &is, op))
			return slot;
		if (is == op)
			return slot;
	}
	return NULL;
}

void metrics_add(const char *op, int64_t began_ns)
{
	int64_t took = clock_now_ns() - began_ns;
	struct slot *slot = find_slot(op);

	if (!slot)
		return;
	if (took < 0)
		took = 0;
	atomic_fetch_add_explicit(&slot->count, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&slot->sum_ns, (uint64_t)took, memory_order_relaxed);
	for (size_t i = 0; i < BUCKETS; i++) {
		if (took <= bounds[i].ns) {
			atomic_fetch_add_explicit(&slot->buckets[i], 1, memory_order_relaxed);
			break;
		}
	}
}

struct sums {
	const char *op;
	uint64_t count, sum_ns, buckets[BUCKETS];
};

static size_t add_up(struct sums *sums)
{
	size_t count = 0, at;

	for (size_t i = 0; i < METRICS_MAX; i++) {
		const char *op = atomic_load(&slots[i].op);

		if (!op)
			continue;
		for (at = 0; at < count && strcmp(sums[at].op, op) != 0; at++)
			;
		if (at == count)
			sums[count++] = (struct sums){ .op = op };
		sums[at].sum_ns += atomic_load(&slots[i].sum_ns);
		for (size_t b = 0; b < BUCKETS; b++)
			sums[at].buckets[b] += atomic_load(&slots[i].buckets[b]);
		/* Last, so that no bucket is higher than the count. */
		sums[at].count += atomic_load(&slots[i].count);
	}
	return count;
}

static int compare_ops(const void *a, const void *b)
{
	return strcmp(((const struct sums *)a)->op, ((const struct sums *)b)->op);
}

static int print_sums(struct buf *out, const struct sums *s)
{
	uint64_t below = 0;
	int r = 0;

	for (size_t b = 0; b < BUCKETS && r == 0; b++) {
		below += s->buckets[b];
		r = buf_addf(out, "cfcfs_fuse_operation_seconds_bucket{operation=\"%s\",le=\"%s\"} %llu\n", s->op, bounds[b].text,
			     (unsigned long long)below);
	}
	if (r == 0)
		r = buf_addf(out, "cfcfs_fuse_operation_seconds_bucket{operation=\"%s\",le=\"+Inf\"} %llu\n", s->op,
			     (unsigned long long)(s->count > below ? s->count : below));
	if (r == 0)
		r = buf_addf(out, "cfcfs_fuse_operation_seconds_sum{operation=\"%s\"} %.6f\n", s->op,
			     (double)s->sum_ns / (double)NSEC_PER_SEC);
	if (r == 0)
		r = buf_addf(out, "cfcfs_fuse_operation_seconds_count{operation=\"%s\"} %llu\n", s->op,
			     (unsigned long long)(s->count > below ? s->count : below));
	return r;
}

int metrics_print(struct buf *out)
{
	struct sums *sums = calloc(METRICS_MAX, sizeof(*sums));
	size_t count;
	int r;

	if (!sums)
		return -ENOMEM;
	count = add_up(sums);
	qsort(sums, count, sizeof(*sums), compare_ops);
	r = buf_adds(out, "# HELP cfcfs_fuse_operation_seconds Time spent on FUSE operations.\n"
			  "# TYPE cfcfs_fuse_operation_seconds histogram\n");
	for (size_t i = 0; i < count && r == 0; i++)
		r = print_sums(out, &sums[i]);
	free(sums);
	return r;
}
