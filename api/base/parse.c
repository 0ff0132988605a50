#include "api/base/parse.h"

#include <errno.h>
#include <math.h>

int parse_int64(const char *s, int64_t min, int64_t max, int64_t *ret_value)
{
	char *end;
	long long v;

	/* strtoll also takes leading space of any kind, and a plus. */
	if (*s != '-' && !(*s >= '0' && *s <= '9'))
		return -EINVAL;
	errno = 0;
	v = strtoll(s, &end, 10);
	if (*end)
		return -EINVAL;
	if (errno == ERANGE || v < min || v > max)
		return -ERANGE;
	*ret_value = v;
	return 0;
}

int parse_double(const char *s, double min, double max, double *ret_value)
{
	char *end;
	double v;

	/* strtod also takes "inf", "nan", hexadecimal and leading space; a person means none of them. */
	if (!*s || strspn(s, "0123456789.-") != strlen(s))
		return -EINVAL;
	errno = 0;
	v = strtod(s, &end);
	if (*end)
		return -EINVAL;
	if (errno == ERANGE || !isfinite(v) || v < min || v > max)
		return -ERANGE;
	*ret_value = v;
	return 0;
}

int parse_seconds(const char *s, int64_t max_ms, int64_t *ret_ms)
{
	double v;
	int r = parse_double(s, 0, (double)max_ms / 1000, &v);

	if (r < 0)
		return r;
	*ret_ms = (int64_t)(v * 1000 + 0.5);
	return 0;
}

int parse_mode(const char *s, unsigned *ret_mode)
{
	char *end;
	unsigned long v;

	if (!*s || strspn(s, "01234567") != strlen(s))
		return -EINVAL;
	v = strtoul(s, &end, 8);
	if (v > 07777)
		return -ERANGE;
	*ret_mode = (unsigned)v;
	return 0;
}

#define NEAREST_MAX 48

static size_t distance(const char *a, const char *b)
{
	size_t la = strlen(a), lb = strlen(b);
	size_t d[NEAREST_MAX + 1][NEAREST_MAX + 1];

	if (la > NEAREST_MAX || lb > NEAREST_MAX)
		return SIZE_MAX;
	for (size_t i = 0; i <= la; i++)
		d[i][0] = i;
	for (size_t j = 0; j <= lb; j++)
		d[0][j] = j;
	for (size_t i = 1; i <= la; i++) {
		for (size_t j = 1; j <= lb; j++) {
			size_t best = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);

			if (d[i - 1][j] + 1 < best)
				best = d[i - 1][j] + 1;
			if (d[i][j - 1] + 1 < best)
				best = d[i][j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && d[i - 2][j - 2] + 1 < best)
				best = d[i - 2][j - 2] + 1;
			d[i][j] = best;
		}
	}
	return d[la][lb];
}

const char *parse_nearest(const char *word, const char *const *words, size_t count)
{
	const char *best = NULL;
	size_t best_distance = strlen(word) / 3;

	if (best_distance < 2)
		best_distance = 2;
	for (size_t i = 0; i < count; i++) {
		size_t d = words[i] ? distance(word, words[i]) : SIZE_MAX;

		if (d < best_distance || (d == best_distance && !best)) {
			best = words[i];
			best_distance = d;
		}
	}
	return best;
}
