#include "fs/send/stage_controls.h"

#include "fs/send/apply.h"
#include "fs/send/plan.h"

/* Of the last plan that was made, for stat. */
static _Atomic size_t text_size, json_size;

static int make_text(struct request *r, struct buf *out)
{
	int result = plan_text(r, out);

	if (result == 0)
		text_size = out->len;
	return result;
}

static int make_json(struct request *r, struct buf *out)
{
	int result = plan_json(r, out);

	if (result == 0)
		json_size = out->len;
	return result;
}

static size_t size_of_text(struct mount *mount)
{
	(void)mount;
	return text_size;
}

static size_t size_of_json(struct mount *mount)
{
	(void)mount;
	return json_size;
}

static int read_words(struct mount *mount, struct buf *out)
{
	(void)mount;
	return buf_adds(out, APPLY_WORDS);
}

static int read_lines(struct mount *mount, struct buf *out)
{
	return trail_all(applies_lines(mount->applies), out);
}

static uint64_t lines_first_of(struct mount *mount)
{
	return trail_first(applies_lines(mount->applies));
}

static uint64_t lines_end_of(struct mount *mount)
{
	return trail_end(applies_lines(mount->applies));
}

static size_t lines_read_of(struct mount *mount, uint64_t at, char *out, size_t size)
{
	return trail_read(applies_lines(mount->applies), at, out, size);
}

static const struct control_log apply_log = { lines_first_of, lines_end_of, lines_read_of };

const struct control stage_controls[] = {
	{ .name = "plan", .mode = 0444, .make = make_text, .size = size_of_text },
	{ .name = "plan.json", .mode = 0444, .make = make_json, .size = size_of_json },
	{ .name = "apply", .mode = 0644, .read = read_words, .order = apply_order },
	{ .name = "apply.jsonl", .mode = 0444, .read = read_lines, .log = &apply_log },
	{ .name = NULL },
};
