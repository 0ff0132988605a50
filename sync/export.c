/* A repository of what the account is. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sync/mounted.h"
#include "sync/say.h"
#include "sync/verbs.h"

struct export
{
	const struct args *args;
	const char *mount;
	struct files account, repo;
	uint64_t doubtful; /* kinds of which something could not be read: none of their files goes */
	size_t written, removed, same, failed;
};

static bool is_exported(const struct kind *kind)
{
	return !(kind->flags & KIND_SECRET);
}

/* 1: it is there already. */
static int export_file(struct export *e, const struct file *file, struct err *err)
{
	cleanup_buf_ struct buf text = BUF_INIT, old = BUF_INIT;
	int r = file_read(e->mount, file->path, &text, err);

	if (r < 0)
		return r;
	if (file_read(e->args->repo, file->path, &old, NULL) == 0 && old.len == text.len &&
	    (!old.len || !memcmp(old.data, text.data, old.len)))
		return 1;
	r = file_replace(e->args->repo, file->path, &text);
	return r < 0 ? err_set(err, -r, "%s/%s: %s", e->args->repo, file->path, strerror(-r)) : 0;
}

static void export_files(struct export *e)
{
	for (size_t i = 0; i < e->account.count && !interrupted; i++) {
		const struct file *file = &e->account.all[i];
		struct err err = ERR_INIT;
		int r = is_exported(file->kind) ? export_file(e, file, &err) : 2;

		e->same += r == 1;
		e->written += r == 0;
		if (r == 0)
			printf("written %s\n", file->path);
		if (r >= 0)
			continue;
		say_error("%s", err.text);
		e->doubtful |= UINT64_C(1) << kind_number(file->kind);
		e->failed++;
	}
}

/* What the account has no longer. What it does not offer, or did not answer, is not gone. */
static void remove_files(struct export *e)
{
	for (size_t i = 0; i < e->repo.count && !interrupted; i++) {
		const struct file *file = &e->repo.all[i];
		cleanup_free_ char *path = NULL;

		if (!is_exported(file->kind) || file->kind->parts || !files_has_collection(&e->account, file->kind) ||
		    e->doubtful & UINT64_C(1) << kind_number(file->kind) || files_has(&e->account, file->path))
			continue;
		if (text_format(&path, "%s/%s", e->args->repo, file->path) < 0 || unlink(path) < 0) {
			say_error("%s: %s", file->path, strerror(errno));
			e->failed++;
			continue;
		}
		printf("removed %s\n", file->path);
		e->removed++;
	}
}

static int run(struct export *e, struct err *err)
{
	int r = files_scan(e->mount, &e->account, err);

	if (r == 0)
		r = files_scan(e->args->repo, &e->repo, err);
	if (r < 0)
		return r;
	export_files(e);
	remove_files(e);
	if (interrupted)
		return err_set(err, EINTR, "interrupted");
	printf("Export: %zu written, %zu removed, %zu as they were\n", e->written, e->removed, e->same);
	return e->failed ? err_set(err, EIO, "%zu could not be exported", e->failed) : 0;
}

int do_export(const struct args *args)
{
	cleanup_mounted_ struct mounted m = MOUNTED_NONE;
	struct export e = { .args = args };
	struct err err = ERR_INIT;
	int r = 0;

	if (mkdir(args->repo, 0777) < 0 && errno != EEXIST)
		r = err_set(&err, errno, "%s: %s", args->repo, strerror(errno));
	if (r == 0)
		r = mounted_start(&m, args, "ro,view=spec", &err);
	e.mount = m.dir;
	if (r == 0)
		r = run(&e, &err);
	files_clear(&e.account);
	files_clear(&e.repo);
	if (mounted_end(&m) < 0 && r == 0)
		r = -EIO;
	if (r < 0 && err.text[0])
		say_error("%s", err.text);
	return r < 0 ? SYNC_FAILED : SYNC_WELL;
}
