#include "fs/send/making.h"

#include <inttypes.h>

#include "api/base/clock.h"
#include "api/base/parse.h"
#include "fs/core/stage.h"

#define TABLE "making"
/* So long a create waits for the file; one that is slow or locked keeps none back. */
#define FILE_MS 100
/* No list lags so long. */
#define FORGOTTEN_NS (600 * NSEC_PER_SEC)

static const char *group(const struct change *change)
{
	return change->parent_id ? change->parent_id : change->kind->dir;
}

static bool is_remembered(const struct line *line, const struct change *change)
{
	return change->name && !line->mount->stage;
}

static bool is_recent(const struct buf *text)
{
	int64_t then_ns, age_ns;

	if (!text->len || parse_int64(text->data, 0, INT64_MAX, &then_ns) < 0)
		return false;
	age_ns = clock_wall_ns() - then_ns;
	return age_ns < FORGOTTEN_NS && age_ns > -FORGOTTEN_NS;
}

bool making_begin(const struct line *line, const struct change *change)
{
	struct state_row row = { .table = TABLE, .parent = group(change), .id = change->name };
	struct state *state = line->mount->state;
	cleanup_buf_ struct buf text = BUF_INIT;
	char now[24];

	if (!is_remembered(line, change))
		return false;
	if (state_get(state, TABLE, row.parent, row.id, &text) == 0 && is_recent(&text))
		return true;
	row.len = (size_t)snprintf(now, sizeof(now), "%" PRId64, clock_wall_ns());
	row.value = now;
	(void)state_set_kept(state, &row, NULL, clock_after_ms(FILE_MS));
	return false;
}

void making_end(const struct line *line, const struct change *change)
{
	if (is_remembered(line, change))
		state_delete(line->mount->state, TABLE, group(change), change->name);
}
