#include "fs/show/control.h"

#include <errno.h>

#include "api/base/invariant.h"
#include "api/base/parse.h"
#include "api/schema.h"
#include "fs/core/failures.h"
#include "fs/core/trail.h"
#include "fs/show/changes.h"
#include "fs/show/offers.h"
#include "fs/show/overview.h"
#include "fs/show/refresh.h"
#include "fs/show/report.h"

/* Paths longer than the kernel's own bound lead nowhere. */
#define REFRESH_PATH_MAX 4096
#define ROOT_NAMES_MAX   64

static int read_version(struct mount *mount, struct buf *out)
{
	(void)mount;
	return buf_adds(out, "cfcfs " CFCFS_VERSION "\n");
}

static int read_errors(struct mount *mount, struct buf *out)
{
	return trail_all(failures_trail(mount->failures), out);
}

static uint64_t errors_first(struct mount *mount)
{
	return trail_first(failures_trail(mount->failures));
}

static uint64_t errors_end(struct mount *mount)
{
	return trail_end(failures_trail(mount->failures));
}

static size_t errors_read(struct mount *mount, uint64_t at, char *out, size_t size)
{
	return trail_read(failures_trail(mount->failures), at, out, size);
}

static const struct control_log errors_log = { .first = errors_first, .end = errors_end, .read = errors_read };
static const struct control_log changes_log = {
	.first = changes_first,
	.end = changes_end,
	.read = changes_read,
	.opened = changes_opened,
	.closed = changes_closed,
};

static int read_history(struct mount *mount, struct buf *out)
{
	return state_history_all(mount->state, out);
}

static uint64_t history_first(struct mount *mount)
{
	return state_history_first(mount->state);
}

static uint64_t history_end(struct mount *mount)
{
	return state_history_end(mount->state);
}

static size_t history_read(struct mount *mount, uint64_t at, char *out, size_t size)
{
	return state_history_read(mount->state, at, out, size);
}

static const struct control_log history_log = { .first = history_first, .end = history_end, .read = history_read };

/* Fills names with the directories of the root, once each. */
static size_t root_names(const char *names[ROOT_NAMES_MAX])
{
	size_t count = 0;

	for (const struct kind *const *k = kinds; *k && count < ROOT_NAMES_MAX; k++) {
		if (!(*k)->parent)
			names[count++] = (*k)->dir;
	}
	return count;
}

static int check_first(const char *path, struct err *err)
{
	cleanup_free_ char *first = strndup(path + 1, strcspn(path + 1, "/"));
	const char *names[ROOT_NAMES_MAX], *nearest;
	size_t count = root_names(names);

	if (!first)
		return err_set(err, ENOMEM, "out of memory");
	if (!*first)
		return 0;
	for (size_t i = 0; i < count; i++) {
		if (!strcmp(first, names[i]))
			return 0;
	}
	nearest = parse_nearest(first, names, count);
	return err_set(err, EINVAL, "refresh: there is no '/%.100s' in the mount%s%s%s", first,
		       nearest ? "; did you mean '/" : "", nearest ? nearest : "", nearest ? "'?" : "");
}

/* Cuts repeated slashes and one at the end, in place, of what begins with one. "." and ".." lead nowhere from the mount's root. */
static int clean_path(char *path, struct err *err)
{
	char *out = path;

	for (const char *in = path; *in;) {
		size_t len;

		in += strspn(in, "/");
		len = strcspn(in, "/");
		if ((len == 1 && in[0] == '.') || (len == 2 && in[0] == '.' && in[1] == '.'))
			return err_set(err, EINVAL, "refresh: a path holds no '.' or '..'");
		if (!len)
			break;
		*out++ = '/';
		memmove(out, in, len);
		in += len;
		out += len;
	}
	if (out == path)
		*out++ = '/';
	*out = '\0';
	return check_first(path, err);
}

static int refresh_line(struct mount *mount, const char *text, size_t len, struct err *err)
{
	cleanup_free_ char *path = NULL;
	int r;

	if (len > REFRESH_PATH_MAX || memchr(text, '\0', len))
		return err_set(err, EINVAL, "refresh: that is no path");
	/* With a slash before it, as failures and history have paths, or without, as the overview and the plan. */
	path = text_new("/%.*s", (int)len, text);
	if (!path)
		return err_set(err, ENOMEM, "out of memory");
	r = clean_path(path, err);
	if (r < 0)
		return r;
	refresh_path(mount, path);
	return 0;
}

/* A path, or several, one a line. */
static int write_refresh(struct mount *mount, const char *text, size_t len, struct err *err)
{
	const char *end = text + len;
	bool any = false;
	int r = 0;

	while (text < end && r == 0) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		const char *stop = newline ? newline : end;

		if (stop > text) {
			any = true;
			r = refresh_line(mount, text, (size_t)(stop - text), err);
		}
		text = newline ? newline + 1 : end;
	}
	if (r == 0 && !any)
		r = err_set(err, EINVAL, "refresh: write a path, such as / or /applications");
	return r;
}

#define SCHEMA(function_, name_)                                                                                                 \
	static int function_(struct mount *mount, struct buf *out)                                                               \
	{                                                                                                                        \
		(void)mount;                                                                                                     \
		return schema_write_named(name_, out);                                                                           \
	}

SCHEMA(read_application, "application")
SCHEMA(read_job, "job")
SCHEMA(read_rollout, "rollout")
SCHEMA(read_deployment, "deployment")
SCHEMA(read_registry, "registry")
SCHEMA(read_registry_protocol, "registry-protocol")
SCHEMA(read_defaults, "defaults")

/* Tables: a row to a line. */
/* clang-format off */

const struct control control_schemas[] = {
	{ .name = "application.json", .mode = 0444, .read = read_application },
	{ .name = "job.json", .mode = 0444, .read = read_job },
	{ .name = "rollout.json", .mode = 0444, .read = read_rollout },
	{ .name = "deployment.json", .mode = 0444, .read = read_deployment },
	{ .name = "registry.json", .mode = 0444, .read = read_registry },
	{ .name = "registry-protocol.json", .mode = 0444, .read = read_registry_protocol },
	{ .name = "defaults.json", .mode = 0444, .read = read_defaults },
	{ .name = NULL },
};

const struct control control_rows[] = {
	{ .name = "version", .mode = 0444, .read = read_version },
	{ .name = "errors.jsonl", .mode = 0444, .read = read_errors, .log = &errors_log },
	{ .name = "history.jsonl", .mode = 0444, .read = read_history, .log = &history_log },
	{ .name = "changes.jsonl", .mode = 0444, .log = &changes_log },
	{ .name = "metrics", .mode = 0444, .make = report_metrics },
	{ .name = "offers.json", .mode = 0444, .read = offers_print },
	{ .name = "overview", .mode = 0444, .make = overview_print },
	{ .name = "overview.json", .mode = 0444, .make = overview_print_json },
	{ .name = "refresh", .mode = 0200, .write = write_refresh },
	{ .name = NULL },
};

/* clang-format on */

static const struct control *find(const struct control *rows, const char *name)
{
	for (const struct control *row = rows; row->name; row++) {
		if (!strcmp(row->name, name))
			return row;
	}
	return NULL;
}

/* By who stands above; set once, before other threads are there. */
#define ADDED_MAX 4
static const struct control *added[ADDED_MAX];

void control_add(const struct control *rows)
{
	for (size_t i = 0; i < ADDED_MAX; i++) {
		if (!added[i] || added[i] == rows) {
			added[i] = rows;
			return;
		}
	}
	(void)invariant(false);
}

const struct control *control_find(const char *name)
{
	const struct control *row = find(control_rows, name);

	for (size_t i = 0; !row && i < ADDED_MAX && added[i]; i++)
		row = find(added[i], name);
	return row;
}

int control_each(int (*each)(void *arg, const struct control *row), void *arg)
{
	int result = 0;

	for (const struct control *row = control_rows; row->name && result == 0; row++)
		result = each(arg, row);
	for (size_t i = 0; i < ADDED_MAX && added[i]; i++) {
		for (const struct control *row = added[i]; row->name && result == 0; row++)
			result = each(arg, row);
	}
	return result;
}

const struct control *control_find_schema(const char *name)
{
	return find(control_schemas, name);
}
