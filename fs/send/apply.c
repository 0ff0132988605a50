#include "fs/send/apply.h"

#include <errno.h>

#include "api/base/clock.h"
#include "api/doc_json.h"
#include "fs/core/failures.h"
#include "fs/core/tell.h"
#include "fs/core/tree.h"
#include "fs/send/staging.h"

struct applies {
	_Atomic bool under_way;
	struct trail *lines; /* owned */
};

struct applies *applies_new(void)
{
	struct applies *applies = calloc(1, sizeof(*applies));

	if (!applies)
		return NULL;
	applies->lines = trail_new(0, APPLY_BYTES_MAX);
	return applies->lines ? applies : applies_free(applies);
}

struct applies *applies_free(struct applies *applies)
{
	if (!applies)
		return NULL;
	trail_free(applies->lines);
	free(applies);
	return NULL;
}

struct trail *applies_lines(struct applies *applies)
{
	return applies->lines;
}

/* ---- the order ---- */

enum word { WORD_APPLY, WORD_APPLY_ALL, WORD_DISCARD };
static const struct {
	const char *text;
	enum word word;
} words[] = { { "apply!", WORD_APPLY_ALL }, { "apply", WORD_APPLY }, { "discard", WORD_DISCARD } };

struct order {
	enum word word;
	char *path; /* owned, without slashes around it; NULL: all */
};

static int refuse_word(struct request *r, const char *text)
{
	return err_set(&r->err, EINVAL,
		       "'%.40s' is no order: must be apply, apply! or discard, each with a PATH behind it or alone", text);
}

static int parse_order(struct request *r, const char *text, size_t len, struct order *ret)
{
	cleanup_free_ char *line = strndup(text, len);
	char *at, *end;

	if (!line)
		return -ENOMEM;
	at = line + strspn(line, " \t\n");
	for (end = at + strlen(at); end > at && strchr(" \t\n", end[-1]);)
		*--end = '\0';
	for (size_t i = 0; i < array_len(words); i++) {
		size_t n = strlen(words[i].text);

		if (strncmp(at, words[i].text, n) != 0 || (at[n] && !strchr(" \t", at[n])))
			continue;
		ret->word = words[i].word;
		at += n;
		at += strspn(at, " \t/");
		while (end > at && end[-1] == '/')
			*--end = '\0';
		ret->path = *at ? strdup(at) : NULL;
		return !*at || ret->path ? 0 : -ENOMEM;
	}
	return refuse_word(r, at);
}

/* The path itself, or what is below it. */
static bool is_at(const char *path, const char *wanted)
{
	size_t n = strlen(wanted);

	return !strncmp(path, wanted, n) && (!path[n] || path[n] == '/');
}

static bool is_meant(const struct staged *row, const char *wanted)
{
	cleanup_free_ char *path = staged_path(row), *own = NULL;

	if (!wanted)
		return true;
	if (text_format(&own, "%s/%s", row->dir, row->file_name) < 0)
		return false;
	return (path && is_at(path, wanted)) || is_at(own, wanted);
}

/* The rows that are meant; the others go back. NULL without memory, or where there is none: *ret_count 0. */
static struct staged **select_rows(struct stage *stage, const char *wanted, size_t *ret_count)
{
	size_t count, n = 0;
	struct staged **rows = stage_list(stage, &count);

	*ret_count = 0;
	if (!rows)
		return NULL;
	for (size_t i = 0; i < count; i++) {
		if (is_meant(rows[i], wanted))
			rows[n++] = rows[i];
		else
			staged_unref(rows[i]);
	}
	*ret_count = n;
	return rows;
}

/* ---- discarding ---- */

static void discard(struct mount *mount, struct staged *const *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct identity what = { .kind = rows[i]->kind, .parent_id = rows[i]->parent_id };
		cleanup_free_ char *id = staged_id(rows[i]);

		what.id = id;
		if (staged_verb(rows[i]) == STAGED_CREATE && id)
			(void)staging_drop_new(mount, &what);
		stage_drop(mount->stage, rows[i]->key, rows[i]->serial);
	}
}

/* ---- telling ---- */

static int add_text(struct json_object *line, const char *key, const char *text)
{
	return text ? doc_set(line, key, json_object_new_string(text)) : 0;
}

static void add_line(struct mount *mount, struct json_object *line)
{
	cleanup_buf_ struct buf text = BUF_INIT;

	if (doc_write(line, true, &text) == 0 && buf_addc(&text, '\n') == 0)
		trail_add(applies_lines(mount->applies), text.data, text.len);
}

static struct json_object *new_line(const char *event)
{
	struct json_object *line = json_object_new_object();
	char when[CLOCK_TEXT_SIZE];

	clock_format_rfc3339(clock_wall_ns(), when, sizeof(when));
	if (add_text(line, "time", when) < 0 || add_text(line, "event", event) < 0) {
		json_object_put(line);
		return NULL;
	}
	return line;
}

/* event: "begin", "done", "failed", "skipped". */
static void tell_row(struct apply_run *run, const struct staged *row, const char *event, const struct err *err)
{
	cleanup_json_ struct json_object *line = new_line(event);
	cleanup_free_ char *path = staged_path(row);
	int r = line && path ? 0 : -ENOMEM;

	if (r == 0)
		r = add_text(line, "path", path);
	if (r == 0)
		r = add_text(line, "verb", staged_word(staged_verb(row)));
	if (r == 0)
		r = doc_set(line, "wave", json_object_new_int((int)run->wave));
	if (r == 0 && err && err->errnum)
		r = add_text(line, "errno", errno_name(err->errnum));
	if (r == 0 && err && err->errnum)
		r = add_text(line, "message", err->text);
	if (r == 0)
		add_line(run->mount, line);
}

static unsigned count_waves(const struct apply_run *run)
{
	unsigned waves = 0;

	for (size_t i = 0; i < run->count; i++)
		waves += !i || staged_is_later(&run->places[i - 1], &run->places[i]);
	return waves;
}

static void tell_run(struct apply_run *run, const char *event)
{
	cleanup_json_ struct json_object *line = new_line(event);
	size_t done = 0, failed = 0;
	int r = line ? 0 : -ENOMEM;

	for (size_t i = 0; i < run->count; i++) {
		done += run->done[i];
		failed += run->errs[i].errnum != 0;
	}
	if (r == 0)
		r = doc_set(line, "changes", json_object_new_int64((int64_t)run->count));
	if (r == 0)
		r = doc_set(line, "waves", json_object_new_int64((int64_t)count_waves(run)));
	if (r == 0)
		r = doc_set(line, "done", json_object_new_int64((int64_t)done));
	if (r == 0)
		r = doc_set(line, "failed", json_object_new_int64((int64_t)failed));
	if (r == 0)
		r = doc_set(line, "left", json_object_new_int64((int64_t)(run->count - done)));
	if (r == 0)
		add_line(run->mount, line);
}

/* ---- what depends on what ---- */

static bool holds(struct apply_run *run, const char *path)
{
	scope_lock(apply_run, run);
	return doc_has(run->failed, path);
}

static void note_failed(struct apply_run *run, const char *path)
{
	scope_lock(apply_run, run);
	(void)doc_set(run->failed, path, json_object_new_boolean(true));
}

/* The path of the resource whose directory the row's file is in: of "applications/web/jobs", "applications/web.json". */
static char *parent_path(const struct staged *row)
{
	const char *slash = strrchr(row->dir, '/');

	if (!row->kind->parent || !slash)
		return NULL;
	return text_new("%.*s%s", (int)(slash - row->dir), row->dir, row->kind->parent->suffix);
}

/* What is in the way of a row; NULL: nothing. Freed by the caller. */
static char *blocker(struct apply_run *run, const struct staged *row)
{
	cleanup_json_ struct json_object *now = json_object_new_array(), *before = json_object_new_array();
	cleanup_free_ char *parent = parent_path(row), *path = staged_path(row), *still = NULL, *name = NULL;

	if (parent && holds(run, parent))
		return steal_ptr(parent);
	/* Whose name it takes has it still. */
	if (path && text_format(&name, "name %s", path) > 0 && holds(run, name))
		return steal_ptr(path);
	/* What refers to it still, since its change failed, would lose it. */
	if (staged_goes(row) && path && text_format(&still, "still %s", path) > 0 && holds(run, still))
		return strdup("the change of what refers to it");
	if (!now || !before || staged_goes(row) || apply_refers(row, now, before) < 0)
		return NULL;
	for (size_t i = 0; i < json_object_array_length(now); i++) {
		const char *other = json_object_get_string(json_object_array_get_idx(now, i));

		if (holds(run, other))
			return strdup(other);
	}
	return NULL;
}

static void note_failure(struct apply_run *run, const struct staged *row)
{
	cleanup_json_ struct json_object *now = json_object_new_array(), *before = json_object_new_array();
	cleanup_free_ char *path = staged_path(row), *name = NULL;

	if (path)
		note_failed(run, path);
	if (staged_frees_name(row) && text_format(&name, "name %s/%s", row->dir, row->file_name) > 0)
		note_failed(run, name);
	if (!now || !before || apply_refers(row, now, before) < 0)
		return;
	for (size_t i = 0; i < json_object_array_length(before); i++) {
		cleanup_free_ char *still = NULL;

		if (text_format(&still, "still %s", json_object_get_string(json_object_array_get_idx(before, i))) > 0)
			note_failed(run, still);
	}
}

/* ---- a row ---- */

static void keep_reason(struct apply_run *run, const struct staged *row, const struct err *err)
{
	cleanup_(staged_unrefp) struct staged *now = stage_by_key(run->mount->stage, row->key);
	struct staged *copy = now && now->serial == row->serial ? staged_copy(row) : NULL;

	/* Written again meanwhile: what was found is no word on that. */
	if (!copy)
		return;
	copy->errnum = err->errnum;
	copy->reason = strdup(err->text);
	if (err->outcome_unknown) {
		copy->sent_ns = row->sent_ns;
		copy->before_ids = row->before_ids ? body_ref(row->before_ids) : NULL;
	}
	(void)stage_put_soon(run->mount->stage, copy, NULL);
}

static void fail_row(struct apply_run *run, const struct staged *row, const struct err *err, bool tried)
{
	cleanup_free_ char *path = staged_path(row), *shown = NULL;

	keep_reason(run, row, err);
	note_failure(run, row);
	tell_row(run, row, tried ? "failed" : "skipped", err);
	if (path && text_format(&shown, "/%s", path) > 0)
		failures_add(run->mount->failures, shown, "apply", err, NULL, 0);
}

static int fail_tried(struct apply_run *run, struct request *r, size_t i, int result)
{
	r->err.errnum = -result;
	if (!r->err.text[0])
		err_set(&r->err, -result, "%s", strerrordesc_np(-result));
	fail_row(run, run->rows[i], &r->err, true);
	return result;
}

void apply_park_row(struct apply_run *run, struct request *r, size_t i)
{
	int result = apply_park(run, r, run->rows[i]);

	if (result == 0)
		return;
	fail_tried(run, r, i, result);
	run->errs[i] = r->err;
}

int apply_run_row(struct apply_run *run, struct request *r, size_t i)
{
	cleanup_free_ char *in_the_way = NULL;
	int result;

	/* It has no other name for the meantime, which is told. */
	if (run->errs[i].errnum) {
		r->err = run->errs[i];
		return -run->errs[i].errnum;
	}
	in_the_way = blocker(run, run->rows[i]);
	if (in_the_way) {
		err_set(&r->err, ECANCELED, "not tried: %s failed", in_the_way);
		fail_row(run, run->rows[i], &r->err, false);
		return -ECANCELED;
	}
	tell_row(run, run->rows[i], "begin", NULL);
	/* The row that stands there afterwards may be another: its mark is one, and what is left of it. */
	result = apply_row(run, r, &run->rows[i]);
	if (result == 0) {
		tell_row(run, run->rows[i], "done", NULL);
		return 0;
	}
	return fail_tried(run, r, i, result);
}

/* ---- the whole ---- */

/* In a full view, which no sync is made for, a plan that went wrong does not empty the account. */
static int check_deletes(struct request *r, struct staged *const *rows, size_t count)
{
	const struct options *o = r->mount->options;
	size_t deletes = 0;

	for (size_t i = 0; i < count; i++)
		deletes += staged_goes(rows[i]) && !rows[i]->kind->parent;
	if (o->view != VIEW_FULL || deletes <= o->max_delete)
		return 0;
	return err_set(&r->err, EPERM,
		       "%zu deletes are staged, and a full view takes %u at once (max_delete): nothing was sent. A sync wants "
		       "view=spec, who means it max_delete=N",
		       deletes, o->max_delete);
}

static int first_failure(struct apply_run *run, struct err *ret)
{
	size_t failed = 0, done = 0;
	const struct err *first = NULL;
	cleanup_free_ char *path = NULL;

	for (size_t i = 0; i < run->count; i++) {
		done += run->done[i];
		failed += run->errs[i].errnum != 0;
		if (first || !run->errs[i].errnum || run->errs[i].errnum == ECANCELED)
			continue;
		first = &run->errs[i];
		path = staged_path(run->rows[i]);
	}
	if (apply_is_stopped(run))
		return err_set(ret, EINTR, "stopped by a signal: %zu changes are made, %zu are left", done, run->count - done);
	if (!failed && done == run->count)
		return 0;
	if (!first)
		return err_set(ret, EINTR, "the mount ends: %zu changes are made, %zu are left", done, run->count - done);
	*ret = *first;
	return err_prefix(ret, "%zu of %zu changes are left; %s: ", run->count - done, run->count, path ? path : "?");
}

static int run_begin(struct apply_run *run)
{
	lock_init(&run->lock);
	clock_cond_init(&run->marked_more);
	scope_lock(apply_run, run);
	run->failed = json_object_new_object();
	return run->failed ? 0 : -ENOMEM;
}

static void drop_failed(struct apply_run *run)
{
	scope_lock(apply_run, run);
	json_object_put(run->failed);
	run->failed = NULL;
}

static void run_end(struct apply_run *run)
{
	drop_failed(run);
	pthread_cond_destroy(&run->marked_more);
	lock_destroy(&run->lock);
}

static int apply(struct request *r, struct staged **rows, size_t count, bool force)
{
	struct apply_run run = { .mount = r->mount, .r = r, .force = force, .rows = rows, .count = count };
	cleanup_free_ struct staged_place *places = NULL;
	int result = check_deletes(r, rows, count);

	if (result < 0 || !count)
		return result;
	run.places = places = staged_sort(rows, count);
	if (!places)
		return -ENOMEM;
	run.errs = calloc(count, sizeof(*run.errs));
	run.done = calloc(count, sizeof(*run.done));
	run.begun = calloc(count, sizeof(*run.begun));
	run.marked = calloc(count, sizeof(*run.marked));
	result = run_begin(&run);
	if (result == 0)
		result = run.errs && run.done && run.begun && run.marked ? 0 : -ENOMEM;
	if (result == 0) {
		tell_run(&run, "start");
		result = apply_waves(&run);
		for (size_t i = 0; i < count; i++) {
			if (!run.begun[i])
				apply_unmark(&run, i);
		}
		(void)stage_flush(r->mount->stage, NULL, clock_after_ms(STATE_BUSY_MS));
		tell_run(&run, "end");
	}
	if (result == 0)
		result = first_failure(&run, &r->err);
	run_end(&run);
	free(run.errs);
	free(run.done);
	free(run.begun);
	free(run.marked);
	return result;
}

static int obey(struct request *r, const struct order *order)
{
	struct stage *stage = r->mount->stage;
	size_t count = 0;
	struct staged **rows = stage ? select_rows(stage, order->path, &count) : NULL;
	int result = 0;

	if (stage && !rows)
		return -ENOMEM;
	if (!count && order->path)
		result = err_set(&r->err, ENOENT, "nothing is staged at '%.200s'", order->path);
	else if (order->word == WORD_DISCARD)
		discard(r->mount, rows, count);
	else
		result = apply(r, rows, count, order->word == WORD_APPLY_ALL);
	if (result == 0 && order->word == WORD_DISCARD && count)
		result = stage_flush(stage, &r->waiter, clock_after_ms(r->mount->options->timeout_ms));
	stage_list_free(rows, count);
	if (count)
		tell_all(r->mount);
	return result;
}

int apply_order(struct request *r, const char *text, size_t len)
{
	struct applies *applies = r->mount->applies;
	struct order order = { 0 };
	int result = parse_order(r, text, len, &order);

	if (result == 0 && atomic_exchange(&applies->under_way, true)) {
		result = err_set(&r->err, EBUSY, "another apply or discard is under way: see apply.jsonl");
	} else if (result == 0) {
		result = obey(r, &order);
		atomic_store(&applies->under_way, false);
	}
	free(order.path);
	return result;
}
