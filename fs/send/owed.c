#include "fs/send/owed.h"

#include <errno.h>
#include <inttypes.h>

#include "api/base/clock.h"
#include "api/base/parse.h"
#include "api/doc_json.h"
#include "fs/core/tree.h"
#include "fs/show/source.h"

#define TABLE "owed"
/* The change arrived for sure, whatever version the account shows: one that rises with rollouts alone says nothing of it. */
#define FOR_SURE (-1)

/* A line each: the version, and where they are known the mark and the members. */
static void note(struct mount *mount, const struct change *change, int64_t version, const char *mark, struct json_object *members,
		 struct waiter *waiter)
{
	struct state_row row = { .table = TABLE, .parent = change->kind->dir, .id = change->id };
	cleanup_buf_ struct buf text = BUF_INIT;
	int r = buf_addf(&text, "%" PRId64, version);

	if (r == 0 && mark)
		r = buf_addf(&text, "\n%s\n%s", mark,
			     members ? json_object_to_json_string_ext(members, JSON_C_TO_STRING_PLAIN) : "");
	if (r < 0)
		return;
	row.value = text.data;
	row.len = text.len;
	state_set_durable(mount->state, &row, waiter, clock_after_ms(STATE_BUSY_MS));
}

void owed_begin(const struct line *line, const struct change *change)
{
	if (change->owes)
		note(line->mount, change, change->owes_from, change->steps[change->steps_count - 1].mark, change->patch,
		     line->waiter);
}

void owed_settle(struct mount *mount, const struct change *change, const struct outcome *outcome, int result)
{
	const char *mark = change->steps_count ? change->steps[change->steps_count - 1].mark : NULL;
	bool changed = outcome->made[0] && change->steps_count > 1;

	if (!change->owes)
		return;
	/* A refused change owes nothing new, and nothing less than was owed before it. */
	if (result == 0 || (!change->was_owed && !outcome->made[0] && !outcome->unknown))
		state_delete(mount->state, TABLE, change->kind->dir, change->id);
	else if (changed || !outcome->unknown)
		note(mount, change, changed ? FOR_SURE : change->owes_from, outcome->unknown ? mark : NULL, NULL, NULL);
}

/* ---- what is owed now ---- */

struct noted {
	int64_t version;
	char *mark;                  /* in the row's text; NULL: it was not sent, for sure */
	struct json_object *members; /* owned, or NULL */
};

static int read_note(struct buf *text, struct noted *ret)
{
	char *members;

	*ret = (struct noted){ 0 };
	if (!text->len)
		return -EINVAL;
	ret->mark = strchr(text->data, '\n');
	if (ret->mark)
		*ret->mark++ = '\0';
	members = ret->mark ? strchr(ret->mark, '\n') : NULL;
	if (members) {
		*members++ = '\0';
		ret->members = json_tokener_parse(members);
	}
	return parse_int64(text->data, FOR_SURE, INT64_MAX, &ret->version);
}

/* 1: the rollout with this mark is there. Where no list can be had at all, the note is all there is to go by. */
static int was_sent(struct request *r, const struct gathered *g, const char *mark)
{
	const struct kind *kind = kind_by_dir(g->wish.what->kind, "rollouts");
	cleanup_(list_unrefp) struct list *list = NULL;
	cleanup_json_ struct json_object *found = NULL;
	int result = kind ? source_list_again(r, kind, g->id, false, &list) : -ENOENT;

	if (result == -ENOENT || result == -EOPNOTSUPP || result == -EACCES) {
		err_clear(&r->err);
		return 0;
	}
	return result < 0 ? result : settle_find_mark(r, kind, g->id, list, mark, &found);
}

static bool shows(const struct gathered *g, struct json_object *members)
{
	return members && json_object_object_length(members) && g->object &&
	       doc_shows(g->wish.what->kind, g->object, members, &g->context.doc, NULL);
}

int owed_gather(struct request *r, struct gathered *g)
{
	const struct kind *kind = g->wish.what->kind;
	cleanup_buf_ struct buf text = BUF_INIT;
	struct noted noted;
	int result = 0;

	g->owed = g->owed_noted = false;
	if (!(kind->flags & KIND_ROLLOUT_FOLLOWS) || !g->exists || state_get(r->mount->state, TABLE, kind->dir, g->id, &text) < 0)
		return 0;
	g->owed_noted = read_note(&text, &noted) == 0;
	if (g->owed_noted && noted.mark)
		result = was_sent(r, g, noted.mark);
	if (result > 0) {
		state_delete(r->mount->state, TABLE, kind->dir, g->id);
		g->owed_noted = false;
	}
	g->owed_from = noted.version;
	/* It is noted with the version before the change: only where the account is past it, or shows it, did the change arrive. */
	g->owed = g->owed_noted && (g->version > noted.version || shows(g, noted.members));
	json_object_put(noted.members);
	return result < 0 ? result : 0;
}
