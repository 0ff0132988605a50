#include "sync/staging.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sync/control.h"
#include "sync/mounted.h"
#include "sync/say.h"

int wanted_read(const struct args *args, struct wanted *ret, struct err *err)
{
	int r;

	*ret = (struct wanted){ 0 };
	r = files_scan(args->repo, &ret->repo, err);
	if (r == 0 && !ret->repo.count)
		return err_set(err, ENOENT,
			       "%s has no resource (applications/*.json, deployments/*.json, ...): is it the right directory?",
			       args->repo);
	return r;
}

void wanted_clear(struct wanted *wanted)
{
	files_clear(&wanted->repo);
	for (size_t i = 0; i < wanted->deletes_count; i++)
		free(wanted->deletes[i]);
	free(wanted->deletes);
	*wanted = (struct wanted){ 0 };
}

/* ---- what goes ---- */

static int find_deletes(struct wanted *wanted, const struct files *account, struct err *err)
{
	uint64_t told = 0;

	wanted->deletes = calloc(account->count + 1, sizeof(*wanted->deletes));
	if (!wanted->deletes)
		return err_set(err, ENOMEM, "out of memory");
	for (size_t i = 0; i < account->count; i++) {
		const struct file *file = &account->all[i];
		uint64_t bit = UINT64_C(1) << kind_number(file->kind);

		if (file->kind->parts || files_has(&wanted->repo, file->path))
			continue;
		if (files_has_collection(&wanted->repo, file->kind)) {
			wanted->deletes[wanted->deletes_count] = strdup(file->path);
			if (!wanted->deletes[wanted->deletes_count++])
				return err_set(err, ENOMEM, "out of memory");
		} else if (!(told & bit)) {
			say_error("%s: the repository has no such directory: nothing there is deleted", file->kind->dir);
			told |= bit;
		}
	}
	return 0;
}

static int plan_deletes(struct wanted *wanted, const struct args *args, const char *mount, struct err *err)
{
	cleanup_files_ struct files account = { 0 };
	int r = args->prune ? files_scan(mount, &account, err) : 0;

	if (r == 0 && args->prune)
		r = find_deletes(wanted, &account, err);
	if (r == 0 && wanted->deletes_count > args->max_delete)
		return err_set(err, E2BIG,
			       "%zu resources would be deleted, the first is %s; at most %u are (--max-delete): nothing was sent",
			       wanted->deletes_count, wanted->deletes[0], args->max_delete);
	return r;
}

static int stage_deletes(struct wanted *wanted, const char *mount)
{
	int failed = 0;

	for (size_t i = 0; i < wanted->deletes_count && !interrupted; i++) {
		cleanup_free_ char *path = NULL;
		char reason[1024];

		if (text_format(&path, "%s/%s", mount, wanted->deletes[i]) < 0)
			return -ENOMEM;
		if (unlink(path) == 0 || errno == ENOENT)
			continue;
		control_reason(mount, wanted->deletes[i], errno, reason, sizeof(reason));
		say_error("%s: %s", wanted->deletes[i], reason);
		failed++;
	}
	return failed;
}

/* ---- what is written ---- */

/* The same bytes mean the same. */
static bool is_there(const char *mount, const struct file *file, const struct buf *text)
{
	cleanup_buf_ struct buf now = BUF_INIT;

	return !(file->kind->flags & KIND_SECRET) && file_read(mount, file->path, &now, NULL) == 0 && now.len == text->len &&
	       (!now.len || !memcmp(now.data, text->data, now.len));
}

/* 0, or a positive errno; *ret_text where the repository's file cannot be read. */
static int stage_file(const struct args *args, const char *mount, const struct file *file, struct err *err)
{
	cleanup_buf_wipe_ struct buf text = BUF_INIT;
	int r = file_read(args->repo, file->path, &text, err);

	if (r < 0 || is_there(mount, file, &text))
		return r;
	return file_write(mount, file->path, &text);
}

static void tell_refused(const char *mount, const struct file *file, int errnum, const struct err *err)
{
	char reason[1024];

	if (err->errnum) {
		say_error("%s", err->text);
		return;
	}
	control_reason(mount, file->path, errnum, reason, sizeof(reason));
	say_error("%s: %s", file->path, reason);
}

/* One pass over those that are left. How many were staged. */
static size_t pass(const struct wanted *wanted, const struct args *args, const char *mount, bool *left, bool last)
{
	size_t staged = 0;

	for (size_t i = 0; i < wanted->repo.count && !interrupted; i++) {
		struct err err = ERR_INIT;
		int r = left[i] ? stage_file(args, mount, &wanted->repo.all[i], &err) : 0;

		if (r < 0 && last)
			tell_refused(mount, &wanted->repo.all[i], -r, &err);
		staged += left[i] && r == 0;
		left[i] = r < 0;
	}
	return staged;
}

static int stage_files(const struct wanted *wanted, const struct args *args, const char *mount)
{
	cleanup_free_ bool *left = malloc(wanted->repo.count * sizeof(*left));
	size_t refused = wanted->repo.count, staged = 1;

	if (!left)
		return -ENOMEM;
	memset(left, true, wanted->repo.count * sizeof(*left));
	/* What is refused may only lack what comes after it. */
	while (staged && refused && !interrupted) {
		staged = pass(wanted, args, mount, left, false);
		refused -= staged;
	}
	if (refused)
		refused -= pass(wanted, args, mount, left, true);
	return (int)refused;
}

/* ---- what an earlier run left ---- */

static bool is_wanted(const struct wanted *wanted, const char *path)
{
	for (size_t i = 0; i < wanted->deletes_count; i++) {
		if (!strcmp(wanted->deletes[i], path))
			return true;
	}
	return files_has(&wanted->repo, path);
}

/* wanted NULL: what cannot go on as it is. *ret_plan: the plan without what was discarded, put by the caller. */
static int discard(const struct wanted *wanted, const char *mount, struct json_object **ret_plan, struct err *err)
{
	struct json_object *plan = control_plan(mount, err), *changes = NULL;
	int r = plan ? 0 : -err->errnum;
	bool discarded = false;

	json_object_object_get_ex(plan, "changes", &changes);
	for (size_t i = 0; r == 0 && changes && i < json_object_array_length(changes); i++) {
		struct json_object *change = json_object_array_get_idx(changes, i);
		const char *path = control_string(change, "path"), *state = control_string(change, "state");
		cleanup_free_ char *order = NULL;

		if (wanted ? is_wanted(wanted, path) : !strcmp(state, "ready") || !strcmp(state, "unknown"))
			continue;
		discarded = true;
		if (text_format(&order, "discard %s", path) < 0)
			r = -ENOMEM;
		else
			r = control_order(mount, order);
	}
	if (r == 0 && discarded) {
		json_object_put(plan);
		plan = control_plan(mount, err);
		r = plan ? 0 : -err->errnum;
	}
	if (r == 0)
		*ret_plan = plan;
	else
		json_object_put(plan);
	return r < 0 && !err->errnum ? err_set(err, -r, "what an earlier run left cannot be discarded: %s", strerror(-r)) : r;
}

int wanted_stage(struct wanted *wanted, const struct args *args, const char *mount, struct json_object **ret_plan,
		 struct err *err)
{
	struct json_object *before = NULL;
	int r = discard(NULL, mount, &before, err), files, deletes;

	json_object_put(before);
	if (r == 0)
		r = plan_deletes(wanted, args, mount, err);
	if (r < 0)
		return r;
	files = stage_files(wanted, args, mount);
	deletes = stage_deletes(wanted, mount);
	if (interrupted)
		return err_set(err, EINTR, "interrupted: nothing was sent");
	if (files || deletes)
		return err_set(err, EINVAL, "%d of %zu were refused: nothing was sent", files + deletes,
			       wanted->repo.count + wanted->deletes_count);
	return discard(wanted, mount, ret_plan, err);
}
