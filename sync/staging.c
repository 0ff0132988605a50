#include "sync/staging.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sync/control.h"
#include "sync/mounted.h"
#include "sync/say.h"

int wanted_read(const struct args *args, struct wanted *ret, struct err *err)
{
	int r;

	*ret = (struct wanted){ 0 };
	files_tell_misnamed(args->repo);
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

	if (r == 0 && !text.len)
		return err_set(err, EINVAL, "%s: is empty", file->path);
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

/* Documents that are staged side by side: each waits until it is on the mount's disk, and one wait there is for many. */
#define WORKERS_MAX 32

struct pass {
	const struct wanted *wanted;
	const struct args *args;
	const char *mount;
	bool *left; /* each its worker's */
	atomic_size_t next, staged;
	size_t end;
};

static void *work(void *arg)
{
	struct pass *p = arg;
	size_t i;

	while (!interrupted && (i = atomic_fetch_add(&p->next, 1)) < p->end) {
		struct err err = ERR_INIT;

		if (!p->left[i] || stage_file(p->args, p->mount, &p->wanted->repo.all[i], &err) < 0)
			continue;
		p->left[i] = false;
		atomic_fetch_add(&p->staged, 1);
	}
	return NULL;
}

/* Without threads this one does it alone. */
static void side_by_side(struct pass *p, size_t begin, size_t end)
{
	pthread_t threads[WORKERS_MAX - 1];
	size_t count = 0;

	p->end = end;
	atomic_store(&p->next, begin);
	while (count < array_len(threads) && count + 1 < end - begin && pthread_create(&threads[count], NULL, work, p) == 0)
		count++;
	work(p);
	while (count)
		pthread_join(threads[--count], NULL);
}

/* One pass over those that are left, what others refer to first. How many were staged. */
static size_t pass(const struct wanted *wanted, const struct args *args, const char *mount, bool *left)
{
	struct pass p = { .wanted = wanted, .args = args, .mount = mount, .left = left };
	const struct files *repo = &wanted->repo;

	for (size_t begin = 0, end; begin < repo->count && !interrupted; begin = end) {
		for (end = begin + 1; end < repo->count && repo->all[end].rank == repo->all[begin].rank; end++)
			;
		side_by_side(&p, begin, end);
	}
	return atomic_load(&p.staged);
}

/* The last one: one by one, and in words. */
static size_t last_pass(const struct wanted *wanted, const struct args *args, const char *mount, const bool *left)
{
	size_t staged = 0;

	for (size_t i = 0; i < wanted->repo.count && !interrupted; i++) {
		struct err err = ERR_INIT;
		int r = left[i] ? stage_file(args, mount, &wanted->repo.all[i], &err) : 0;

		if (r < 0)
			tell_refused(mount, &wanted->repo.all[i], -r, &err);
		staged += left[i] && r == 0;
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
		staged = pass(wanted, args, mount, left);
		refused -= staged;
	}
	if (refused)
		refused -= last_pass(wanted, args, mount, left);
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

/* wanted NULL: what cannot go on as it is. How many changes there were, or -errno. */
static int discard(const struct wanted *wanted, const char *mount, struct err *err)
{
	struct json_object *plan = control_plan(mount, err);
	size_t count = control_changes(plan);
	int r = plan ? 0 : -err->errnum;

	for (size_t i = 0; r == 0 && i < count; i++) {
		struct json_object *change = control_change(plan, i);
		const char *path = control_string(change, "path"), *state = control_string(change, "state");
		cleanup_free_ char *order = NULL;

		if (wanted ? is_wanted(wanted, path) : !strcmp(state, "ready") || !strcmp(state, "unknown"))
			continue;
		r = text_format(&order, "discard %s", path) < 0 ? -ENOMEM : control_order(mount, order);
	}
	json_object_put(plan);
	if (r < 0 && !err->errnum)
		return err_set(err, -r, "what an earlier run left cannot be discarded: %s", strerror(-r));
	return r < 0 ? r : (int)count;
}

/* ---- the lists ---- */

/* Lists and parts of the account that the documents need: asked for side by side, before they are one after another. */
#define LOOKS_MAX 16

static void *look(void *arg)
{
	cleanup_free_ char *path = arg;
	struct stat st;
	DIR *dir = opendir(path);

	/* What is wrong with it is told where it is needed. */
	if (dir) {
		(void)readdir(dir);
		closedir(dir);
	} else {
		(void)stat(path, &st);
	}
	return NULL;
}

/* path is taken over. */
static void begin_look(pthread_t *threads, size_t *count, char *path)
{
	if (path && *count < LOOKS_MAX && pthread_create(&threads[*count], NULL, look, path) == 0)
		(*count)++;
	else
		free(path);
}

static void look_ahead(const struct wanted *wanted, const char *mount)
{
	pthread_t threads[LOOKS_MAX];
	size_t count = 0;

	for (const struct kind *const *k = kinds; *k; k++) {
		char *path = NULL;

		if (!(*k)->parts && files_has_collection(&wanted->repo, *k) && text_format(&path, "%s/%s", mount, (*k)->dir) > 0)
			begin_look(threads, &count, path);
		for (const struct part *part = (*k)->parts; part && part->name; part++) {
			if (part->flags & KIND_DECLARED && text_format(&path, "%s/%s/%s", mount, (*k)->dir, part->name) > 0)
				begin_look(threads, &count, path);
		}
	}
	while (count)
		pthread_join(threads[--count], NULL);
}

int wanted_stage(struct wanted *wanted, const struct args *args, const char *mount, struct err *err)
{
	int left = discard(NULL, mount, err), r = left < 0 ? left : 0, files, deletes;

	if (r == 0)
		look_ahead(wanted, mount);
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
	/* Without anything of an earlier run, all that is staged is wanted. */
	r = left ? discard(wanted, mount, err) : 0;
	return r < 0 ? r : 0;
}
