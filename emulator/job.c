/* Jobs: a container that runs once. */
#include <errno.h>

#include "api/base/parse.h"
#include "emulator/route.h"
#include "emulator/world.h"

/* Milliseconds from a job's creation. */
#define SCHEDULED_AFTER_MS 500
#define PLACED_AFTER_MS    1000
#define RUNS_SECONDS       20 /* unless its command says "sleep N" */

struct job {
	int64_t created, terminated, runs; /* terminated: 0, or when it was asked to stop */
	bool bad;
};

/* Its container's life; false where it was stopped before it got one. */
static bool job_placement(const struct job *j, struct placement *ret)
{
	int64_t start = j->created + PLACED_AFTER_MS, end = start + RUNNING_AFTER_MS + j->runs;

	if (j->bad)
		end = 0;
	else if (j->terminated && j->terminated < end)
		end = j->terminated;
	*ret = (struct placement){ start, end, j->bad, false };
	return !j->terminated || j->terminated > start;
}

static const char *job_health(const struct job *j, int64_t now)
{
	struct placement p;
	const char *health;

	if (!job_placement(j, &p))
		return "Stopped";
	if (now < j->created + SCHEDULED_AFTER_MS)
		return "Queued";
	if (now < p.created)
		return "Scheduled";
	health = timeline_health(&p, now);
	if (strcmp(health, "placed") == 0)
		return "Placed";
	return strcmp(health, "running") == 0 || strcmp(health, "stopping") == 0 ? "Running" : "Stopped";
}

#define VIEW "SELECT id, head, tail, created, terminated, runs, fate FROM job "

static struct job job_of(sqlite3_stmt *q)
{
	return (struct job){ col_int(q, 3), col_int(q, 4), col_int(q, 5), col_int(q, 6) };
}

static void write_row(struct call *c, sqlite3_stmt *q)
{
	struct job j = job_of(q);
	struct event e[EVENTS_MAX];
	struct placement p;
	unsigned n = job_placement(&j, &p) ? timeline(&p, c->now, e) : 0;
	struct out *o = c->out;

	out_comma(o);
	out_raws(o, col_text(q, 1));
	out_key(o, "status");
	out_open(o, '{');
	out_kstr(o, "health", job_health(&j, c->now));
	out_close(o, '}');
	events_write(o, col_text(q, 0), n, e);
	out_raws(o, ",");
	out_raws(o, col_text(q, 2));
	out_kbool(o, "terminate", j.terminated != 0);
	out_close(o, '}');
}

void job_queue(struct call *c, int64_t app)
{
	static const char *const healths[] = { "Queued", "Scheduled", "Placed", "Running", "Stopped" };
	static const char *const keys[] = { "queued", "scheduled", "placed", "running", "stopped" };
	_Static_assert(array_len(keys) == array_len(healths), "each is counted under a key");
	cleanup_query_ sqlite3_stmt *q = store_query(c->store, VIEW "WHERE app = ?1", "i", app);
	int64_t counts[array_len(healths)] = { 0 };

	while (store_row(c->store, q)) {
		struct job j = job_of(q);

		for (size_t i = 0; i < array_len(healths); i++)
			counts[i] += strcmp(healths[i], job_health(&j, c->now)) == 0;
	}
	out_open(c->out, '{');
	for (size_t i = 0; i < array_len(healths); i++)
		out_kint(c->out, keys[i], counts[i]);
	out_close(c->out, '}');
}

static int answer(struct call *c, int64_t app, const char *id)
{
	return call_row(c, store_query(c->store, VIEW "WHERE id = ?1 AND app = ?2", "si", id, app), write_row, "Job");
}

/* How long its container runs: "sleep N" in its words, bounded by the timeout (seconds). */
static int64_t runs_ms(struct json_object *doc)
{
	static const char *const keys[] = { "entrypoint", "command" };
	int64_t seconds = RUNS_SECONDS, timeout = json_int(doc, "timeout", 0);
	const char *before = "";

	for (size_t k = 0; k < array_len(keys); k++) {
		struct json_object *list = json_member(doc, keys[k]);

		for (size_t i = 0; list && i < json_object_array_length(list); i++) {
			const char *word = json_object_get_string(json_object_array_get_idx(list, i));

			if (strcmp(before, "sleep") == 0)
				parse_int64(word, 0, 100000000, &seconds);
			before = word;
		}
	}
	return (timeout > 0 && timeout < seconds ? timeout : seconds) * 1000;
}

static void write_member(struct out *o, struct json_object *doc, const char *key, bool always)
{
	struct json_object *v = json_member(doc, key);

	if (v) {
		out_key(o, key);
		schema_render_value(o, schema_field(fields_job_create, key), v);
	} else if (always) {
		out_kraw(o, key, "[]");
	}
}

/* The answer up to what changes with time. */
static void render_head(struct call *c, const char *id, const struct app *a, struct out *head)
{
	out_open(head, '{');
	out_kstr(head, "id", id);
	out_kstr(head, "app_id", a->id);
	out_ktime(head, "created_at", c->now);
	write_member(head, c->body, "entrypoint", true);
	write_member(head, c->body, "command", true);
}

/* And what follows it. */
static void render_tail(struct json_object *doc, const char *image, const struct size *size, struct out *tail)
{
	struct json_object *secrets = json_member(doc, "secrets");
	char text[32];

	out_kstr(tail, "image", image);
	write_member(tail, doc, "instance_type", false);
	out_knum(tail, "vcpu", size->vcpu);
	out_knum(tail, "vcpus", size->vcpu);
	out_kint(tail, "memory_mb", size->mem);
	size_format_memory(size->mem, text, sizeof(text));
	out_kstr(tail, "memory", text);
	out_kint(tail, "memory_mib", size->mem);
	out_rawf(tail, ",\"disk\":{\"size\":\"%lldMB\",\"size_mb\":%lld},\"disk_mb\":{\"size_mb\":%lld}", (long long)size->disk,
		 (long long)size->disk, (long long)size->disk);
	write_member(tail, doc, "environment_variables", true);
	/* The values never come out again. */
	out_key(tail, "secrets");
	out_open(tail, '[');
	for (size_t i = 0; secrets && i < json_object_array_length(secrets); i++) {
		struct json_object *s = json_object_array_get_idx(secrets, i);

		out_open(tail, '{');
		out_kstr(tail, "type", json_str(s, "type"));
		out_kstr(tail, "name", json_str(s, "name"));
		out_close(tail, '}');
	}
	out_close(tail, ']');
	out_kint(tail, "timeout", json_int(doc, "timeout", 0));
}

/* Image and size are the application's where the job names none. */
static int resolve(struct call *c, const struct app *a, struct size *ret_size, char **ret_image)
{
	static const char *const numbers[] = { "vcpu", "memory", "memory_mib" };
	cleanup_query_ sqlite3_stmt *q = NULL;
	const char *image = json_str(c->body, "image");
	struct conf conf;
	int r;

	if (json_member(c->body, "vcpus") && !json_member(c->body, "vcpu"))
		json_object_object_add(c->body, "vcpu", json_object_get(json_member(c->body, "vcpus")));
	if (!a->conf || conf_load(c->store, a->conf, &conf) < 0)
		return -EIO;
	for (size_t i = 0; json_member(c->body, "instance_type") && i < array_len(numbers); i++)
		if (json_member(c->body, numbers[i]))
			return call_invalid_field(c, numbers[i], "cannot be given together with instance_type");
	if (json_str(c->body, "memory") && size_parse_memory(json_str(c->body, "memory"), &(int64_t){ 0 }) < 0)
		return call_invalid_field(c, "memory", "must be a size such as \"256MiB\"");
	*ret_size = conf_size(c->body, &conf.size);
	if (!(ret_size->vcpu > 0) || ret_size->mem <= 0)
		return call_invalid_field(c, ret_size->mem <= 0 ? "memory_mib" : "vcpu", "must be above 0");
	r = limits_check(c, ret_size, NULL, 0);
	if (r == 0 && image)
		r = image_check(c, image);
	if (r < 0)
		return r;
	q = store_query(c->store, "SELECT image FROM conf WHERE seq = ?1", "i", a->conf);
	*ret_image = image_long(c->account, image ? image : store_row(c->store, q) ? col_text(q, 0) : "");
	return *ret_image ? 0 : -ENOMEM;
}

int job_create(struct call *c)
{
	cleanup_out_ struct out head = OUT_INIT, tail = OUT_INIT;
	cleanup_free_ char *image = NULL;
	char id[ID_SIZE];
	struct size size;
	struct app a;
	int r = app_load_live(c, &a);

	if (r < 0)
		return r;
	if (!a.jobs)
		return call_fail(c, 400, "JOB_CREATE_NOT_ALLOWED", "The application was not created with jobs: true");
	r = call_check(c, fields_job_create, 0);
	if (r < 0)
		return r;
	schema_strip_null(c->body);
	r = resolve(c, &a, &size, &image);
	if (r < 0)
		return r;
	id_make(id);
	render_head(c, id, &a, &head);
	render_tail(c->body, image, &size, &tail);
	if (head.error || tail.error)
		return -ENOMEM;
	r = store_exec(c->store, "INSERT INTO job(id, app, created, head, tail, runs, fate) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)",
		       "siissii", id, a.seq, c->now, out_text(&head), out_text(&tail), runs_ms(c->body),
		       (int64_t)!image_good(image));
	return r < 0 ? r : answer(c, a.seq, id);
}

int job_list(struct call *c)
{
	struct app a;
	int r = app_load(c, &a);

	return r < 0 ? r : call_rows(c, store_query(c->store, VIEW "WHERE app = ?1 ORDER BY seq", "i", a.seq), write_row);
}

int job_get(struct call *c)
{
	struct app a;
	int r = app_load(c, &a);

	return r < 0 ? r : answer(c, a.seq, c->arg[1]);
}

int job_modify(struct call *c)
{
	struct app a;
	int r = app_load_live(c, &a);

	if (r == 0)
		r = call_check(c, fields_job_modify, 0);
	if (r < 0)
		return r;
	if (json_member(c->body, "terminate") && !json_true(c->body, "terminate"))
		return call_invalid_field(c, "terminate", "can only be true");
	if (json_true(c->body, "terminate"))
		r = store_exec(c->store, "UPDATE job SET terminated = ?3 WHERE id = ?1 AND app = ?2 AND terminated = 0", "sii",
			       c->arg[1], a.seq, c->now);
	return r < 0 ? r : answer(c, a.seq, c->arg[1]);
}

int job_delete(struct call *c)
{
	struct app a;
	int r = app_load_live(c, &a);

	if (r == 0)
		r = store_exec(c->store, "DELETE FROM job WHERE id = ?1 AND app = ?2", "si", c->arg[1], a.seq);
	if (r < 0)
		return r;
	if (store_changes(c->store) == 0)
		return call_not_found(c, "Job");
	out_raws(c->out, "{\"message\":\"The job was deleted\"}");
	return 0;
}
