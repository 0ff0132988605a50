/* Until rollouts are done and what runs is healthy. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/base/clock.h"
#include "api/base/name.h"
#include "sync/control.h"
#include "sync/mounted.h"
#include "sync/say.h"
#include "sync/verbs.h"

/* The mount asks the service itself no oftener than its status_ttl says. */
#define POLL_MS     500
#define REASON_SIZE 300

struct waited {
	char *dir;  /* owned; "applications/web" */
	char *file; /* owned; "applications/web.json" */
	bool well;
	char reason[REASON_SIZE];
};

static bool is_text(struct json_object *object, const char *key)
{
	return *control_string(object, key);
}

/* The service's own error: {"event": {"name", "message"}}, or another object, which is shown as it is. */
static void say_event(struct json_object *error, char reason[REASON_SIZE])
{
	struct json_object *event = NULL;
	const char *name, *message;

	json_object_object_get_ex(error, "event", &event);
	name = control_string(event, "name");
	message = control_string(event, "message");
	if (*name || *message)
		snprintf(reason, REASON_SIZE, "the service says %s%s%s", name, *name && *message ? ": " : "", message);
	else
		snprintf(reason, REASON_SIZE, "the service says %s",
			 json_object_to_json_string_ext(error, JSON_C_TO_STRING_NOSLASHESCAPE));
}

/* Each: whether it is well; else why not. */
static bool judge_instances(struct json_object *health, char reason[REASON_SIZE])
{
	struct json_object *instances = NULL, *errors = NULL;
	int64_t failed, coming;

	json_object_object_get_ex(health, "errors", &errors);
	if (json_object_is_type(errors, json_type_array) && json_object_array_length(errors)) {
		say_event(json_object_array_get_idx(errors, 0), reason);
		return false;
	}
	json_object_object_get_ex(health, "instances", &instances);
	failed = control_number(instances, "failed");
	coming = control_number(instances, "starting") + control_number(instances, "scheduling");
	if (!failed && !coming)
		return true;
	snprintf(reason, REASON_SIZE, "%lld instances failed, %lld are starting", (long long)failed, (long long)coming);
	return false;
}

/* Of a deployment, its placement's. */
static bool judge_placement(struct json_object *placement, char reason[REASON_SIZE])
{
	struct json_object *status = NULL;
	const char *health;

	json_object_object_get_ex(placement, "status", &status);
	health = control_string(status, "health");
	if (!strcmp(health, "running") || !strcmp(health, "healthy"))
		return true;
	snprintf(reason, REASON_SIZE, "its placement is %s", *health ? health : "not known");
	return false;
}

static bool judge(struct json_object *status, char reason[REASON_SIZE])
{
	struct json_object *health = NULL, *placement = NULL;

	if (is_text(status, "active_rollout_id")) {
		snprintf(reason, REASON_SIZE, "rollout %s goes on", control_string(status, "active_rollout_id"));
		return false;
	}
	if (json_object_object_get_ex(status, "running", NULL)) {
		snprintf(reason, REASON_SIZE, "version %lld runs still",
			 (long long)control_number(json_object_object_get(status, "running"), "version"));
		return false;
	}
	if (json_object_object_get_ex(status, "health", &health))
		return judge_instances(health, reason);
	if (json_object_object_get_ex(status, "current_placement", &placement))
		return judge_placement(placement, reason);
	snprintf(reason, REASON_SIZE, "the service does not say how it is");
	return false;
}

/* -ENOENT: there is no such resource. */
static int look(const char *mount, struct waited *w)
{
	cleanup_free_ char *path = NULL;
	cleanup_buf_ struct buf text = BUF_INIT;
	struct json_object *status;
	struct err err = ERR_INIT;
	int r;

	if (text_format(&path, "%s/status.json", w->dir) < 0)
		return -ENOMEM;
	r = file_read(mount, path, &text, &err);
	if (r < 0) {
		snprintf(w->reason, REASON_SIZE, "%s", strerror(-r));
		return r;
	}
	status = json_tokener_parse(text.data ? text.data : "");
	w->well = judge(status, w->reason);
	json_object_put(status);
	return 0;
}

/* A rollout that failed leaves the old version in place, which is healthy: the mount's record tells. */
static bool has_failed(const char *mount, struct waited *w)
{
	char reason[REASON_SIZE] = "";

	control_reason(mount, w->file, 0, reason, sizeof(reason));
	if (!strcmp(reason, strerror(0)))
		return false;
	snprintf(w->reason, REASON_SIZE, "%s", reason);
	w->well = false;
	return true;
}

/* ---- all of them ---- */

static size_t look_at_all(const char *mount, struct waited *all, size_t count, bool *ret_failed)
{
	size_t left = 0;

	for (size_t i = 0; i < count && !interrupted; i++) {
		if (!all[i].well)
			look(mount, &all[i]);
		if (all[i].well && has_failed(mount, &all[i]))
			*ret_failed = true;
		left += !all[i].well;
	}
	return left;
}

static void tell(const struct waited *all, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (!all[i].well)
			say_error("%s: %s", all[i].file, all[i].reason);
	}
}

static int wait_on(const char *mount, const struct args *args, struct waited *all, size_t count)
{
	int64_t deadline = clock_after_ms((int64_t)args->wait_s * MSEC_PER_SEC);
	struct progress progress;
	bool failed = false;
	size_t left;

	progress_init(&progress, count, 0);
	for (;;) {
		left = look_at_all(mount, all, count, &failed);
		progress.done = count - left;
		progress_draw(&progress, "healthy");
		if (!left || failed || interrupted || !clock_left_ms(deadline))
			break;
		pause_ms(POLL_MS);
	}
	progress_end(&progress);
	if (left)
		tell(all, count);
	else
		printf("Healthy: %zu\n", count);
	return interrupted ? SYNC_FAILED : left ? SYNC_NOT_HEALTHY : SYNC_WELL;
}

/* A name that is wrong would be waited for in vain. */
static int check_all(const char *mount, struct waited *all, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (look(mount, &all[i]) != -ENOENT)
			continue;
		say_error("%s: there is no such application or deployment%s", all[i].file,
			  strchr(all[i].file, '/') ? "" : ": a path is wanted, such as applications/web.json");
		return -ENOENT;
	}
	return 0;
}

static int wait_mounted(const struct args *args, struct waited *all, size_t count)
{
	cleanup_mounted_ struct mounted m = MOUNTED_NONE;
	struct err err = ERR_INIT;
	int r = mounted_start(&m, args, "ro,view=full", &err), status = SYNC_FAILED;

	if (r < 0 && err.text[0])
		say_error("%s", err.text);
	if (r == 0 && check_all(m.dir, all, count) == 0)
		status = wait_on(m.dir, args, all, count);
	return mounted_end(&m) < 0 ? SYNC_FAILED : status;
}

/* path: "applications/web.json", "/applications/web", "applications/web/". */
static int waited_init(struct waited *w, const char *path)
{
	size_t len;

	*w = (struct waited){ .reason = "it was not looked at" };
	path += strspn(path, "/");
	len = strlen(path);
	while (len && path[len - 1] == '/')
		len--;
	if (len > 5 && !strncmp(path + len - 5, ".json", 5))
		len -= 5;
	w->dir = strndup(path, len);
	if (w->dir && text_format(&w->file, "%s.json", w->dir) < 0)
		w->file = NULL;
	return w->file ? 0 : -ENOMEM;
}

static void waited_free(struct waited *all, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(all[i].dir);
		free(all[i].file);
	}
	free(all);
}

int do_wait(const struct args *args)
{
	struct waited *all = calloc(args->paths_count, sizeof(*all));
	int status = all ? SYNC_WELL : SYNC_FAILED;

	for (size_t i = 0; all && i < args->paths_count; i++) {
		if (waited_init(&all[i], args->paths[i]) < 0)
			status = SYNC_FAILED;
	}
	if (status == SYNC_WELL && args->paths_count)
		status = wait_mounted(args, all, args->paths_count);
	waited_free(all, all ? args->paths_count : 0);
	return status;
}

/* Whether resources of the kind run. */
static bool runs(const struct kind *kind)
{
	return kind->flags & (KIND_ROLLOUT_FOLLOWS | KIND_LABEL_NAME);
}

int wait_for_files(const struct args *args, const struct files *files)
{
	struct waited *all = calloc(files->count, sizeof(*all));
	int status = all ? SYNC_WELL : SYNC_FAILED;
	size_t count = 0;

	for (size_t i = 0; all && i < files->count; i++) {
		if (runs(files->all[i].kind) && waited_init(&all[count++], files->all[i].path) < 0)
			status = SYNC_FAILED;
	}
	if (status == SYNC_WELL && count)
		status = wait_mounted(args, all, count);
	waited_free(all, count);
	return status;
}
