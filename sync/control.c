#include "sync/control.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* A plan of ten thousand documents is less by far. */
#define CONTROL_BYTES_MAX ((size_t)256 << 20)

int control_read(const char *mount, const char *name, struct buf *ret, struct err *err)
{
	cleanup_free_ char *path = NULL;
	cleanup_close_ int fd = -1;
	char chunk[65536];
	ssize_t n;
	int r = 0;

	if (text_format(&path, "%s/.cfcfs/%s", mount, name) < 0)
		return err_set(err, ENOMEM, "out of memory");
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_set(err, errno, "/.cfcfs/%s: %s", name, strerror(errno));
	ret->max = CONTROL_BYTES_MAX;
	while (r == 0 && (n = read(fd, chunk, sizeof(chunk))) != 0)
		r = n < 0 ? -errno : buf_add(ret, chunk, (size_t)n);
	return r < 0 ? err_set(err, -r, "/.cfcfs/%s: %s", name, strerror(-r)) : buf_add(ret, "", 0);
}

struct json_object *control_plan(const char *mount, struct err *err)
{
	cleanup_buf_ struct buf text = BUF_INIT;
	struct json_object *plan;

	if (control_read(mount, "plan.json", &text, err) < 0)
		return NULL;
	plan = json_tokener_parse(text.data);
	if (!json_object_is_type(plan, json_type_object)) {
		json_object_put(plan);
		err_set(err, EIO, "/.cfcfs/plan.json is no plan");
		return NULL;
	}
	return plan;
}

static struct json_object *changes_of(struct json_object *plan)
{
	struct json_object *changes = NULL;

	json_object_object_get_ex(plan, "changes", &changes);
	return json_object_is_type(changes, json_type_array) ? changes : NULL;
}

size_t control_changes(struct json_object *plan)
{
	struct json_object *changes = changes_of(plan);

	return changes ? json_object_array_length(changes) : 0;
}

struct json_object *control_change(struct json_object *plan, size_t i)
{
	return json_object_array_get_idx(changes_of(plan), i);
}

int control_order(const char *mount, const char *order)
{
	cleanup_free_ char *path = NULL;
	cleanup_close_ int fd = -1;

	if (text_format(&path, "%s/.cfcfs/apply", mount) < 0)
		return -ENOMEM;
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	return write(fd, order, strlen(order)) < 0 ? -errno : 0;
}

const char *control_string(struct json_object *object, const char *key)
{
	struct json_object *value = NULL;

	if (!json_object_object_get_ex(object, key, &value) || !json_object_is_type(value, json_type_string))
		return "";
	return json_object_get_string(value);
}

int64_t control_number(struct json_object *object, const char *key)
{
	struct json_object *value = NULL;

	return json_object_object_get_ex(object, key, &value) ? json_object_get_int64(value) : 0;
}

/* A line of errors.jsonl. */
static void take_reason(const char *line, size_t len, const char *path, char *ret, size_t size)
{
	struct json_tokener *tokener = json_tokener_new();
	struct json_object *object = tokener ? json_tokener_parse_ex(tokener, line, (int)len) : NULL;
	const char *of = control_string(object, "path");

	if (*of == '/' && !strcmp(of + 1, path))
		snprintf(ret, size, "%s", control_string(object, "message"));
	json_object_put(object);
	json_tokener_free(tokener);
}

void control_reason(const char *mount, const char *path, int errnum, char *ret, size_t size)
{
	cleanup_buf_ struct buf text = BUF_INIT;

	snprintf(ret, size, "%s", strerror(errnum));
	if (control_read(mount, "errors.jsonl", &text, NULL) < 0 || !text.data)
		return;
	for (const char *line = text.data; *line;) {
		size_t len = strcspn(line, "\n");

		take_reason(line, len, path, ret, size);
		line += len + (line[len] == '\n');
	}
}
