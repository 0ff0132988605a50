#include "cache/textlog.h"

#include <errno.h>
#include <lz4.h>

/* Shorter ones gain nothing. */
#define PACK_LEAST ((size_t)256)
#define ROOM_LEAST ((size_t)64)

void textlog_init(struct textlog *lines, size_t count_max, size_t bytes_max)
{
	*lines = (struct textlog){ .count_max = count_max, .bytes_max = bytes_max };
}

static struct textlog_line *line_at(const struct textlog *lines, size_t i)
{
	return &lines->ring[(lines->first + i) % lines->room];
}

static void drop_oldest(struct textlog *lines)
{
	struct textlog_line *line = line_at(lines, 0);

	free(line->data);
	*line = (struct textlog_line){ 0 };
	lines->first = (lines->first + 1) % lines->room;
	lines->count--;
}

/* Drops until the limits hold with so many lines and bytes more. */
static void make_place(struct textlog *lines, size_t count, size_t bytes)
{
	while (lines->count &&
	       (lines->count + count > lines->count_max || lines->end + bytes - textlog_first(lines) > lines->bytes_max))
		drop_oldest(lines);
}

bool textlog_is_full(const struct textlog *lines)
{
	return textlog_first(lines) > 0 || lines->count >= lines->count_max;
}

void textlog_clear(struct textlog *lines)
{
	while (lines->count)
		drop_oldest(lines);
	free(lines->ring);
	lines->ring = NULL;
	lines->room = lines->first = 0;
}

void textlog_limit(struct textlog *lines, size_t count_max)
{
	lines->count_max = count_max;
	make_place(lines, 0, 0);
}

static int make_room(struct textlog *lines)
{
	size_t room = lines->room ? lines->room * 2 : ROOM_LEAST;
	struct textlog_line *ring;

	if (lines->count < lines->room)
		return 0;
	ring = calloc(room, sizeof(*ring));
	if (!ring)
		return -ENOMEM;
	for (size_t i = 0; i < lines->count; i++)
		ring[i] = *line_at(lines, i);
	free(lines->ring);
	lines->ring = ring;
	lines->room = room;
	lines->first = 0;
	return 0;
}

static int pack(struct textlog_line *line, const char *text, size_t len)
{
	int bound = len >= PACK_LEAST && len <= LZ4_MAX_INPUT_SIZE ? LZ4_compressBound((int)len) : 0, packed = 0;
	cleanup_free_ char *out = bound > 0 ? malloc((size_t)bound) : NULL;

	if (out)
		packed = LZ4_compress_default(text, out, (int)len, bound);
	line->len = len;
	line->packed = packed > 0 && (size_t)packed < len / 4 * 3 ? (size_t)packed : len;
	line->data = malloc(line->packed);
	if (!line->data)
		return -ENOMEM;
	memcpy(line->data, line->packed < len ? out : text, line->packed);
	return 0;
}

int textlog_add(struct textlog *lines, const char *text, size_t len)
{
	struct textlog_line line = { .at = lines->end };
	int r;

	if (!len || !lines->count_max || len > lines->bytes_max)
		return 0;
	r = pack(&line, text, len);
	if (r < 0)
		return r;
	make_place(lines, 1, len);
	r = make_room(lines);
	if (r < 0) {
		free(line.data);
		return r;
	}
	*line_at(lines, lines->count++) = line;
	lines->end += len;
	return 0;
}

uint64_t textlog_first(const struct textlog *lines)
{
	return lines->count ? line_at(lines, 0)->at : lines->end;
}

uint64_t textlog_end(const struct textlog *lines)
{
	return lines->end;
}

/* The line's text: in the line, or unpacked into *ret_unpacked. NULL without memory. */
static const char *text_of(const struct textlog_line *line, char **ret_unpacked)
{
	if (line->packed == line->len)
		return line->data;
	*ret_unpacked = malloc(line->len);
	if (!*ret_unpacked || LZ4_decompress_safe(line->data, *ret_unpacked, (int)line->packed, (int)line->len) != (int)line->len)
		return NULL;
	return *ret_unpacked;
}

/* Number of the line with this offset, which is kept. */
static size_t find(const struct textlog *lines, uint64_t at)
{
	size_t low = 0, high = lines->count;

	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (line_at(lines, middle)->at <= at)
			low = middle;
		else
			high = middle;
	}
	return low;
}

size_t textlog_read(const struct textlog *lines, uint64_t at, char *out, size_t size)
{
	uint64_t first = textlog_first(lines);
	size_t used = 0;

	if (at < first) {
		used = first - at < size ? (size_t)(first - at) : size;
		memset(out, '\n', used);
		at += used;
	}
	for (size_t i = find(lines, at); i < lines->count && used < size; i++) {
		cleanup_free_ char *unpacked = NULL;
		const struct textlog_line *line = line_at(lines, i);
		const char *text = text_of(line, &unpacked);
		size_t skip = (size_t)(at - line->at), n;

		if (!text || skip >= line->len)
			break;
		n = line->len - skip < size - used ? line->len - skip : size - used;
		memcpy(out + used, text + skip, n);
		used += n;
		at += n;
	}
	return used;
}

int textlog_each(const struct textlog *lines, int (*each)(void *arg, const char *text, size_t len), void *arg)
{
	int r = 0;

	for (size_t i = 0; i < lines->count && r == 0; i++) {
		cleanup_free_ char *unpacked = NULL;
		const struct textlog_line *line = line_at(lines, i);
		const char *text = text_of(line, &unpacked);

		r = text ? each(arg, text, line->len) : -ENOMEM;
	}
	return r;
}

static int add_line(void *arg, const char *text, size_t len)
{
	return buf_add(arg, text, len);
}

int textlog_all(const struct textlog *lines, struct buf *out)
{
	return textlog_each(lines, add_line, out);
}
