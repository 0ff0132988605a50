#include "fs/show/plan_print.h"

#include <errno.h>

#include "api/doc_json.h"
#include "api/kind.h"

static const char *text_of(struct json_object *row, const char *key)
{
	const char *text = json_get_string(row, key);

	return text ? text : "";
}

static size_t length_of(struct json_object *row, const char *key)
{
	struct json_object *array = doc_member(row, key);

	return json_object_is_type(array, json_type_array) ? json_object_array_length(array) : 0;
}

static struct json_object *item_of(struct json_object *row, const char *key, size_t i)
{
	return json_object_array_get_idx(doc_member(row, key), i);
}

static bool is_state(struct json_object *row, const char *state)
{
	return !strcmp(text_of(row, "state"), state);
}

/* ---- counting ---- */

void plan_sum_add(struct plan_sum *sum, struct json_object *row)
{
	const char *verb = text_of(row, "verb");
	bool is_ready = is_state(row, "ready");
	int wave = (int)json_object_get_int64(doc_member(row, "wave")),
	    turn = (int)json_object_get_int64(doc_member(row, "turn"));

	if (is_state(row, "nothing"))
		return;
	sum->create += !strcmp(verb, "create");
	sum->change += !strcmp(verb, "update");
	sum->remove += !strcmp(verb, "delete");
	sum->rename += !strcmp(verb, "rename");
	sum->actions += !strcmp(verb, "action");
	sum->outdated += is_state(row, "outdated");
	sum->lost += is_state(row, "lost");
	sum->refused += !is_ready && !is_state(row, "outdated") && !is_state(row, "lost");
	if (!is_ready || !length_of(row, "requests"))
		return;
	sum->calls += (unsigned)length_of(row, "requests");
	sum->waves += wave != sum->last_wave || turn != sum->last_turn;
	sum->last_wave = wave;
	sum->last_turn = turn;
}

/* ---- a block ---- */

static const struct {
	const char *verb, *sign;
} signs[] = {
	{ "create", "+" }, { "update", "~" }, { "delete", "-" }, { "rename", ">" }, { "action", "!" },
};

static const char *sign_of(const char *verb)
{
	for (size_t i = 0; i < array_len(signs); i++) {
		if (!strcmp(signs[i].verb, verb))
			return signs[i].sign;
	}
	return "?";
}

/* Long values are cut in a text for people: plan.json has them whole. */
#define VALUE_BYTES_MAX 200

static int print_value(struct json_object *value, struct buf *out)
{
	cleanup_buf_ struct buf text = BUF_INIT;
	size_t n;
	int r = doc_write(value, true, &text);

	if (r < 0 || text.len <= VALUE_BYTES_MAX)
		return r < 0 ? r : buf_add(out, text.data, text.len);
	/* Not within a character. */
	for (n = VALUE_BYTES_MAX; n && ((unsigned char)text.data[n] & 0xc0) == 0x80; n--)
		;
	r = buf_add(out, text.data, n);
	return r < 0 ? r : buf_addf(out, "… (%zu bytes)", text.len);
}

static int print_field(struct json_object *field, struct buf *out)
{
	struct json_object *old = doc_member(field, "old"), *new = doc_member(field, "new");
	int r = buf_addf(out, "    %s: ", text_of(field, "field"));

	if (r == 0 && old)
		r = print_value(old, out);
	if (r == 0 && old)
		r = buf_adds(out, " -> ");
	if (r == 0)
		r = new ? print_value(new, out) : buf_adds(out, "(removed)");
	return r < 0 ? r : buf_addc(out, '\n');
}

static int print_conflict(struct json_object *conflict, struct buf *out)
{
	struct json_object *was = doc_member(conflict, "was"), *now = doc_member(conflict, "now");
	int r = buf_addf(out, "    changed meanwhile: %s: was ", text_of(conflict, "field"));

	if (r == 0)
		r = was ? print_value(was, out) : buf_adds(out, "(nothing)");
	if (r == 0)
		r = buf_adds(out, ", is now ");
	if (r == 0)
		r = now ? print_value(now, out) : buf_adds(out, "(nothing)");
	return r < 0 ? r : buf_addc(out, '\n');
}

static int print_state(struct json_object *row, struct buf *out)
{
	static const struct {
		const char *state, *word;
	} words[] = { { "ready", "failed" },
		      { "outdated", "outdated" },
		      { "refused", "refused" },
		      { "lost", "must be written again" },
		      { "unknown", "not known" } };
	const char *word = "refused";

	if (!doc_has(row, "errno"))
		return 0;
	for (size_t i = 0; i < array_len(words); i++) {
		if (is_state(row, words[i].state))
			word = words[i].word;
	}
	return buf_addf(out, "    %s: %s: %s\n", word, text_of(row, "errno"), text_of(row, "reason"));
}

int plan_print_row(struct json_object *row, struct buf *out)
{
	const char *verb = text_of(row, "verb");
	bool renamed = doc_has(row, "to");
	int r;

	if (is_state(row, "nothing"))
		return 0;
	r = buf_addf(out, "%s %s%s%s: %s\n", sign_of(verb), text_of(row, "path"), renamed ? " -> " : "", text_of(row, "to"),
		     verb);
	for (size_t i = 0; r == 0 && i < length_of(row, "fields"); i++)
		r = print_field(item_of(row, "fields", i), out);
	for (size_t i = 0; r == 0 && i < length_of(row, "conflicts"); i++)
		r = print_conflict(item_of(row, "conflicts", i), out);
	for (size_t i = 0; r == 0 && i < length_of(row, "follows"); i++)
		r = buf_addf(out, "    follows: %s\n", json_object_get_string(item_of(row, "follows", i)));
	return r < 0 ? r : print_state(row, out);
}

/* ---- the sum ---- */

static bool is_nothing(const struct plan_sum *sum)
{
	return !(sum->create + sum->change + sum->remove + sum->rename + sum->actions);
}

int plan_print_sum(const struct plan_sum *sum, struct buf *out)
{
	const struct {
		unsigned count;
		const char *word;
	} rest[] = { { sum->outdated, "outdated" }, { sum->refused, "refused" }, { sum->lost, "to be written again" } };
	int r;

	if (is_nothing(sum))
		return buf_adds(out, "Plan: nothing to do\n");
	r = buf_addf(out, "Plan: %u to create, %u to change, %u to delete, %u to rename", sum->create, sum->change, sum->remove,
		     sum->rename);
	if (r == 0 && sum->actions)
		r = buf_addf(out, ", %u action%s", sum->actions, sum->actions == 1 ? "" : "s");
	if (r == 0)
		r = buf_addf(out, "; %u call%s in %u wave%s", sum->calls, sum->calls == 1 ? "" : "s", sum->waves,
			     sum->waves == 1 ? "" : "s");
	for (size_t i = 0; i < array_len(rest); i++) {
		if (r == 0 && rest[i].count)
			r = buf_addf(out, "; %u %s", rest[i].count, rest[i].word);
	}
	return r < 0 ? r : buf_addc(out, '\n');
}

struct json_object *plan_sum_json(const struct plan_sum *sum)
{
	cleanup_json_ struct json_object *out = json_object_new_object();
	cleanup_buf_ struct buf text = BUF_INIT;
	const struct {
		const char *key;
		unsigned count;
	} rows[] = { { "create", sum->create },   { "change", sum->change },     { "delete", sum->remove },
		     { "rename", sum->rename },   { "actions", sum->actions },   { "calls", sum->calls },
		     { "waves", sum->waves },     { "outdated", sum->outdated }, { "refused", sum->refused },
		     { "write_again", sum->lost } };

	for (size_t i = 0; out && i < array_len(rows); i++) {
		if (doc_set(out, rows[i].key, json_object_new_int((int)rows[i].count)) < 0)
			return NULL;
	}
	if (!out || plan_print_sum(sum, &text) < 0 ||
	    doc_set(out, "text", json_object_new_string_len(text.data, (int)text.len - 1)) < 0)
		return NULL;
	return steal_ptr(out);
}
