#include "emulator/fault.h"

#include <errno.h>

#include "api/base/lock.h"
#include "emulator/schema.h"

#define FAULTS_MAX 1000

DECLARE_LOCK(faults);

struct faults {
	struct lock lock;
	struct fault *first GUARDED_BY(faults_locked); /* owned; in the order in which they were added */
	unsigned count GUARDED_BY(faults_locked);
};
DEFINE_LOCK(faults, struct faults, lock)

static const char *const closes[] = { "before", "after", NULL };
static const struct field fields_fault[] = { { .name = "method", .type = FT_STRING },
					     { .name = "path", .type = FT_STRING },
					     { .name = "times", .type = FT_INT, .min = 0, .max = 1e9 },
					     { .name = "skip", .type = FT_INT, .min = 0, .max = 1e9 },
					     { .name = "status", .type = FT_INT, .min = 200, .max = 599 },
					     { .name = "body", .type = FT_ANY },
					     { .name = "retry_after", .type = FT_INT, .min = 0, .max = 86400 },
					     { .name = "latency_ms", .type = FT_INT, .min = 0, .max = 3600000 },
					     { .name = "close", .type = FT_STRING, .words = closes },
					     { .name = "truncate", .type = FT_INT, .min = 0, .max = 1e9 },
					     { .name = "stall", .type = FT_ANY },
					     { .name = NULL } };

struct faults *faults_new(void)
{
	struct faults *f = calloc(1, sizeof(*f));

	if (f)
		lock_init(&f->lock);
	return f;
}

struct fault *fault_free(struct fault *f)
{
	if (f) {
		free(f->body);
		free(f);
	}
	return NULL;
}

void faults_clear(struct faults *f)
{
	scope_lock(faults, f);
	while (f->first) {
		struct fault *next = f->first->next;

		fault_free(f->first);
		f->first = next;
	}
	f->count = 0;
}

struct faults *faults_free(struct faults *f)
{
	if (!f)
		return NULL;
	faults_clear(f);
	lock_destroy(&f->lock);
	free(f);
	return NULL;
}

static struct fault *fault_read(struct json_object *spec)
{
	struct json_object *body = json_member(spec, "body"), *stall = json_member(spec, "stall");
	const char *text, *close = json_str(spec, "close");
	struct fault *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	snprintf(f->method, sizeof(f->method), "%s", json_str(spec, "method") ? json_str(spec, "method") : "");
	snprintf(f->path, sizeof(f->path), "%s", json_str(spec, "path") ? json_str(spec, "path") : "");
	f->times = json_int(spec, "times", -1);
	f->skip = json_int(spec, "skip", 0);
	f->status = (int)json_int(spec, "status", 0);
	f->retry_after = json_int(spec, "retry_after", -1);
	f->latency_ms = json_int(spec, "latency_ms", 0);
	f->truncate = json_int(spec, "truncate", DELIVER_WHOLE);
	f->stall = DELIVER_WHOLE;
	if (json_true(spec, "stall"))
		f->stall = -1;
	else if (stall && json_object_is_type(stall, json_type_int))
		f->stall = json_object_get_int64(stall);
	if (close)
		f->close = strcmp(close, "before") == 0 ? FAULT_CLOSE_BEFORE : FAULT_CLOSE_AFTER;
	if (!body)
		return f;
	text = json_object_is_type(body, json_type_string) ?
		       json_object_get_string(body) :
		       json_object_to_json_string_ext(body, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
	f->body = strdup(text);
	return f->body ? f : fault_free(f);
}

bool fault_glob_bounded(const char *glob)
{
	int n = 0;

	for (; *glob; glob++)
		n += *glob == '*' || *glob == '{';
	return n <= FAULT_WILDCARDS_MAX;
}

int faults_add(struct faults *f, struct json_object *spec, char *text, size_t size)
{
	cleanup_problems_ struct problems p = PROBLEMS_INIT;
	struct fault *fault, **end;

	if (!json_object_is_type(spec, json_type_object)) {
		snprintf(text, size, "a fault is a JSON object");
		return -EINVAL;
	}
	schema_check(fields_fault, spec, "", CHECK_CLOSED, &p);
	if (json_str(spec, "path") && !fault_glob_bounded(json_str(spec, "path")))
		problem_add(&p, "path", "has more than %d wildcards", FAULT_WILDCARDS_MAX);
	if (p.count) {
		snprintf(text, size, "%s", out_text(&p.details));
		return -EINVAL;
	}
	fault = fault_read(spec);
	if (!fault)
		return -ENOMEM;
	scope_lock(faults, f);
	if (f->count >= FAULTS_MAX) {
		fault_free(fault);
		snprintf(text, size, "there are %d faults already", FAULTS_MAX);
		return -EINVAL;
	}
	for (end = &f->first; *end; end = &(*end)->next)
		;
	*end = fault;
	f->count++;
	return 0;
}

bool fault_glob(const char *glob, const char *path)
{
	bool segment = strncmp(glob, "{}", 2) == 0;

	if (*glob == '*' || segment) {
		const char *rest = glob + (segment ? 2 : 1);

		/* A segment has at least one character. */
		if (segment && (!*path || *path == '/'))
			return false;
		for (path += segment;; path++) {
			if (fault_glob(rest, path))
				return true;
			if (!*path || (segment && *path == '/'))
				return false;
		}
	}
	if (!*glob || !*path)
		return !*glob && !*path;
	return *glob == *path && fault_glob(glob + 1, path + 1);
}

static bool fits(const struct fault *f, const char *method, const char *path)
{
	if (f->times == 0)
		return false;
	if (*f->method && strcmp(f->method, "*") != 0 && strcasecmp(f->method, method) != 0)
		return false;
	return !*f->path || fault_glob(f->path, path);
}

struct fault *faults_take(struct faults *f, const char *method, const char *path)
{
	struct fault *copy;

	scope_lock(faults, f);
	for (struct fault *i = f->first; i; i = i->next) {
		if (!fits(i, method, path))
			continue;
		if (i->skip > 0) {
			i->skip--;
			continue;
		}
		copy = malloc(sizeof(*copy));
		if (!copy)
			return NULL;
		if (i->times > 0)
			i->times--;
		i->used++;
		*copy = *i;
		copy->body = i->body ? strdup(i->body) : NULL;
		return copy;
	}
	return NULL;
}

/* What it does, in the words of faults_add. */
static void write_effect(struct out *o, const struct fault *f)
{
	if (f->status)
		out_kint(o, "status", f->status);
	if (f->body)
		out_kstr(o, "body", f->body);
	if (f->retry_after >= 0)
		out_kint(o, "retry_after", f->retry_after);
	if (f->latency_ms)
		out_kint(o, "latency_ms", f->latency_ms);
	if (f->close != FAULT_OPEN)
		out_kstr(o, "close", f->close == FAULT_CLOSE_BEFORE ? "before" : "after");
	if (f->truncate != DELIVER_WHOLE)
		out_kint(o, "truncate", f->truncate);
	if (f->stall == -1)
		out_kbool(o, "stall", true);
	else if (f->stall != DELIVER_WHOLE)
		out_kint(o, "stall", f->stall);
}

void faults_list(struct faults *f, struct out *o)
{
	scope_lock(faults, f);
	out_open(o, '[');
	for (const struct fault *i = f->first; i; i = i->next) {
		out_open(o, '{');
		out_kstr(o, "method", *i->method ? i->method : "*");
		out_kstr(o, "path", *i->path ? i->path : "*");
		out_kint(o, "left", i->times);
		out_kint(o, "used", i->used);
		write_effect(o, i);
		out_close(o, '}');
	}
	out_close(o, ']');
}
