/* The facts: what is asked for, in which order, and what it costs. */
#include "fs/show/overview_private.h"

#include <errno.h>

#include "api/base/clock.h"
#include "fs/core/failures.h"
#include "fs/core/trail.h"
#include "fs/core/stage.h"
#include "fs/show/offers.h"
#include "fs/show/shown.h"
#include "fs/show/source_known.h"

/* Failures of the mount that are shown. */
#define FAILURES_SHOWN 5
#define USAGE_PATH     "account/usage.json"
/* From this share on a limit is near. */
#define NEAR_LIMIT 0.9

enum { RESOURCES = 3 };
static const struct {
	const char *key, *word;
} resources[RESOURCES] = { { "vcpus", "vCPU" }, { "memory_mib", "MiB of memory" }, { "disk_mb", "MB of disk" } };

DECLARE_LOCK(overview);
struct overview {
	struct lock lock;
	int64_t until_ms GUARDED_BY(overview_locked); /* the end of the time to live in which details are counted */
	unsigned left GUARDED_BY(overview_locked);    /* of them */
	size_t turn GUARDED_BY(overview_locked);      /* where the next look begins to ask */
	/* When a resource was first seen at its limit, since 1970; 0: it is not. */
	int64_t full_ns[RESOURCES] GUARDED_BY(overview_locked);
};
DEFINE_LOCK(overview, struct overview, lock)

struct overview *overview_new(void)
{
	struct overview *overview = calloc(1, sizeof(*overview));

	if (overview)
		lock_init(&overview->lock);
	return overview;
}

struct overview *overview_free(struct overview *overview)
{
	if (!overview)
		return NULL;
	lock_destroy(&overview->lock);
	free(overview);
	return NULL;
}

/* ---- what the parts share ---- */

int look_set_text(struct json_object *object, const char *key, const char *text)
{
	return text ? doc_set(object, key, json_object_new_string(text)) : doc_set_null(object, key);
}

int look_set_count(struct json_object *object, const char *key, int64_t count)
{
	return doc_set(object, key, json_object_new_int64(count));
}

int64_t look_count(struct json_object *object, const char *key)
{
	return json_object_get_int64(doc_member(object, key));
}

struct json_object *look_member(struct json_object *object, const char *key)
{
	struct json_object *member = doc_member(object, key);

	if (!member && doc_set(object, key, json_object_new_object()) == 0)
		member = doc_member(object, key);
	return member;
}

const char *look_earlier(const char *a, const char *b)
{
	int64_t a_ns, b_ns;

	if (!a || clock_parse_rfc3339(a, &a_ns) < 0)
		return b;
	return b && clock_parse_rfc3339(b, &b_ns) == 0 && b_ns < a_ns ? b : a;
}

struct json_object *look_object(struct snapshot *snapshot)
{
	cleanup_(body_unrefp) struct body *body = snapshot_body(snapshot);

	return body ? json_tokener_parse(body->data) : NULL;
}

int look_attention(struct look *look, const char *path, const char *reason, const char *since, struct json_object **ret)
{
	struct json_object *line = json_object_new_object();
	int r = line ? doc_append(look->attention, line) : -ENOMEM;

	if (r == 0)
		r = look_set_text(line, "path", path);
	if (r == 0)
		r = look_set_text(line, "reason", reason);
	if (r == 0)
		r = look_set_text(line, "since", since);
	if (r == 0 && ret)
		*ret = line;
	return r;
}

/* ---- lists ---- */

static bool ends_look(int result)
{
	return result == RUN_IN_WORKER || result == -EINTR || result == -ENOMEM;
}

/* What could not be asked is a line, and no failure of the look. */
static int note_unknown(struct look *look, const char *what, int result)
{
	struct err *err = &look->r->err;
	struct json_object *line;
	int r;

	if (ends_look(result))
		return result;
	line = json_object_new_object();
	r = line ? doc_append(look->unknown, line) : -ENOMEM;
	if (r == 0)
		r = look_set_text(line, "what", what);
	if (r == 0)
		r = look_set_text(line, "reason", err->text[0] ? err->text : strerrordesc_np(-result));
	err_clear(err);
	return r;
}

/* What is shown is what the API said before it failed, or before it fell silent (why NULL). */
static int note_stale(struct look *look, const char *what, const struct err *why)
{
	cleanup_free_ char *reason = NULL;

	if (text_format(&reason, "%s: this is what it said last", why ? why->text : "the API does not answer") < 0)
		return -ENOMEM;
	return look_set_text(look_member(look->facts, "stale"), what, reason);
}

static int add_list(struct look *look, const char *name, int (*add)(struct look *look, struct list *list))
{
	cleanup_(list_unrefp) struct list *list = NULL;
	const struct kind *kind = kind_find(name);
	struct store_info info = { 0 };
	struct err why = ERR_INIT;
	int r;

	if (shown_is_left_out(look->r->mount, kind))
		return 0;
	r = source_list(look->r, kind, NULL, &list, &info);
	if (r < 0)
		return note_unknown(look, kind->dir, r);
	if (info.stale)
		r = note_stale(look, kind->dir, source_known_failure(look->r->mount, kind, NULL, &why) ? &why : NULL);
	look->listed_ns = clock_wall_ns_at(info.fetched_ms);
	return r < 0 ? r : add(look, list);
}

/* ---- details ---- */

int look_detail(struct look *look, const struct detail *like)
{
	struct detail *more = reallocarray(look->details, look->details_count + 1, sizeof(*more)), *d;

	if (!more)
		return -ENOMEM;
	look->details = more;
	d = &more[look->details_count++];
	*d = (struct detail){ .row = like->row, .entry = json_object_get(like->entry) };
	d->parent = strdup(like->parent);
	d->id = like->id ? strdup(like->id) : NULL;
	d->path = strdup(like->path);
	return d->parent && d->path && (d->id || !like->id) ? 0 : -ENOMEM;
}

static void details_clear(struct look *look)
{
	for (size_t i = 0; i < look->details_count; i++) {
		struct detail *d = &look->details[i];

		free(d->parent);
		free(d->id);
		free(d->path);
		json_object_put(d->entry);
		list_unref(d->list);
		snapshot_unref(d->snapshot);
	}
	free(look->details);
}

/* What is cached of it, however old. Whether it is young enough. */
static bool recall(struct look *look, struct detail *d)
{
	struct mount *mount = look->r->mount;
	const struct kind *kind = kind_find(d->row->kind);
	struct store_info info = { 0 };

	if (d->id)
		d->snapshot = source_known_item(mount, kind, d->parent, d->id, &info);
	else
		d->list = source_known_list(mount, kind, d->parent, &info);
	return (d->list || d->snapshot) && clock_now_ms() - info.fetched_ms < mount->options->cache_ttl_ms;
}

static int count_one(void *arg, const char *id, const void *value, size_t len)
{
	(void)id, (void)value, (void)len;
	++*(unsigned *)arg;
	return 0;
}

/* Calls that it takes. A list that may not be offered is made of what the mount remembers, one by one. */
static unsigned cost_of(struct look *look, const struct detail *d)
{
	struct mount *mount = look->r->mount;
	const struct kind *kind = kind_find(d->row->kind);
	unsigned cost = 1;

	if (!d->id && kind->flags & KIND_LIST_UNCONFIRMED &&
	    offers_of(mount->offers, operation_of(kind, KIND_LIST)) != OFFER_OFFERED)
		state_each(mount->state, "names", d->parent, count_one, &cost);
	return cost;
}

/* Whether so many calls are left in this time to live. */
static bool take_calls(struct mount *mount, unsigned calls)
{
	struct overview *o = mount->overview;

	scope_lock(overview, o);
	if (clock_now_ms() >= o->until_ms) {
		o->until_ms = clock_after_ms(mount->options->cache_ttl_ms);
		o->left = OVERVIEW_DETAILS_MAX;
	}
	if (calls > o->left)
		return false;
	o->left -= calls;
	o->turn++;
	return true;
}

static int ask(struct look *look, struct detail *d)
{
	struct request *r = look->r;
	const struct kind *kind = kind_find(d->row->kind);
	struct snapshot *snapshot = NULL;
	struct list *list = NULL;
	struct store_info info;
	int result;

	if (d->id)
		result = source_item(r, kind, d->parent, d->id, r->mount->options->cache_ttl_ms, &snapshot);
	else
		result = source_list(r, kind, d->parent, &list, &info);
	if (ends_look(result))
		return result;
	/* Without it the line says less. */
	err_clear(&r->err);
	if (result < 0)
		return 0;
	snapshot_unref(d->snapshot);
	list_unref(d->list);
	d->snapshot = snapshot;
	d->list = list;
	d->asked = true;
	return 0;
}

static int add_details(struct look *look)
{
	struct overview *o = look->r->mount->overview;
	size_t n = look->details_count, turn;
	int r = 0;

	overview_lock(o);
	turn = o->turn;
	overview_unlock(o);
	for (size_t i = 0; i < n; i++)
		look->details[i].asked = recall(look, &look->details[i]);
	for (size_t i = 0; r == 0 && i < n; i++) {
		struct detail *d = &look->details[(turn + i) % n];

		if (!d->asked && take_calls(look->r->mount, cost_of(look, d)))
			r = ask(look, d);
	}
	for (size_t i = 0; r == 0 && i < n; i++)
		r = look->details[i].row->take(look, &look->details[i]);
	return r;
}

/* ---- usage against limits ---- */

static const struct part *usage_part(void)
{
	const struct part *part = kind_find("account")->parts;

	while (strcmp(part->name, "usage.json") != 0)
		part++;
	return part;
}

/* Since when it is known to be so: the service does not say. 0: it is not. */
static int64_t full_since(struct overview *o, int which, bool full)
{
	scope_lock(overview, o);
	if (!full)
		o->full_ns[which] = 0;
	else if (!o->full_ns[which])
		o->full_ns[which] = clock_wall_ns();
	return o->full_ns[which];
}

static int add_resource(struct look *look, int which, struct json_object *usage, struct json_object *to)
{
	const char *key = resources[which].key;
	struct json_object *used = doc_member(doc_member(usage, "usage"), key),
			   *most = doc_member(doc_member(usage, "maximum"), key);
	double u = json_object_get_double(used), m = json_object_get_double(most);
	int64_t since_ns = full_since(look->r->mount->overview, which, m > 0 && u >= m);
	struct json_object *row = used ? look_member(to, key) : NULL;
	char since[CLOCK_TEXT_SIZE], reason[160];
	int r;

	if (!used)
		return 0;
	r = row ? doc_set(row, "used", json_object_get(used)) : -ENOMEM;
	if (r == 0 && most)
		r = doc_set(row, "maximum", json_object_get(most));
	if (r == 0 && m > 0)
		r = look_set_count(row, "percent", (int64_t)(u * 100 / m));
	if (r < 0 || !(m > 0) || u < NEAR_LIMIT * m)
		return r;
	snprintf(reason, sizeof(reason), "%s: %.15g of %.15g %s are in use", since_ns ? "limit reached" : "near the limit", u, m,
		 resources[which].word);
	clock_format_rfc3339(since_ns, since, sizeof(since));
	return look_attention(look, USAGE_PATH, reason, since_ns ? since : NULL, NULL);
}

static int add_usage(struct look *look)
{
	cleanup_(snapshot_unrefp) struct snapshot *snapshot = NULL;
	cleanup_json_ struct json_object *usage = NULL;
	struct json_object *to = look_member(look->facts, "usage"), *instances;
	struct store_info info = { 0 };
	struct err why = ERR_INIT;
	int r = to ? source_part(look->r, usage_part(), -1, &snapshot, &info) : -ENOMEM;

	if (r < 0)
		return to ? note_unknown(look, USAGE_PATH, r) : r;
	if (info.stale)
		r = note_stale(look, USAGE_PATH, source_known_part_failure(look->r->mount, usage_part(), &why) ? &why : NULL);
	usage = look_object(snapshot);
	for (int i = 0; r == 0 && i < RESOURCES; i++)
		r = add_resource(look, i, usage, to);
	instances = doc_member(doc_member(usage, "usage"), "instances");
	return r < 0 || !instances ? r : doc_set(to, "instances", json_object_get(instances));
}

/* ---- the mount ---- */

static int add_failures(struct look *look, struct json_object *to)
{
	struct failures *failures = look->r->mount->failures;
	struct json_object *last = json_object_new_array();
	cleanup_buf_ struct buf lines = BUF_INIT;
	const char *at;
	int r = last ? doc_set(to, "failures", last) : -ENOMEM;

	if (r == 0)
		r = look_set_count(to, "failed", (int64_t)failures_serial(failures));
	if (r == 0)
		r = trail_all(failures_trail(failures), &lines);
	if (r < 0 || !lines.len)
		return r;
	/* Back over the last lines, each of which ends in a newline. */
	at = lines.data + lines.len - 1;
	for (int n = 0; n < FAILURES_SHOWN && at > lines.data; n++) {
		const char *before = memrchr(lines.data, '\n', (size_t)(at - lines.data));

		at = before ? before : lines.data;
	}
	for (at += *at == '\n'; r == 0 && *at; at += strcspn(at, "\n") + 1) {
		cleanup_free_ char *line = strndup(at, strcspn(at, "\n"));
		struct json_object *failure = line ? json_tokener_parse(line) : NULL;

		r = failure ? doc_append(last, failure) : -ENOMEM;
	}
	return r;
}

static int add_mount(struct look *look)
{
	cleanup_free_ struct client_stats *stats = calloc(1, sizeof(*stats));
	struct json_object *to = look_member(look->facts, "mount");
	int r = to && stats ? add_failures(look, to) : -ENOMEM;

	if (r < 0)
		return r;
	client_stats(look->r->mount->client, stats);
	r = look_set_count(to, "budget_left", (int64_t)stats->budget_left);
	if (r == 0 && look->r->mount->stage)
		r = look_set_count(to, "staged", (int64_t)stage_count(look->r->mount->stage));
	return r < 0 ? r : look_set_count(to, "budget", look->r->mount->options->burst);
}

/* ---- all together ---- */

static int compare_lines(const void *a, const void *b)
{
	struct json_object *const *x = a, *const *y = b;
	int order = strcmp(json_get_string(*x, "path"), json_get_string(*y, "path"));

	return order ? order : strcmp(json_get_string(*x, "reason"), json_get_string(*y, "reason"));
}

static int begin(struct look *look)
{
	char now[CLOCK_TEXT_SIZE];
	int r;

	look->facts = json_object_new_object();
	look->index = json_object_new_object();
	if (!look->facts || !look->index)
		return -ENOMEM;
	clock_format_rfc3339(clock_wall_ns(), now, sizeof(now));
	r = look_set_text(look->facts, "time", now);
	if (r == 0)
		r = look_set_text(look->facts, "account", look->r->mount->options->account_id);
	look->attention = json_object_new_array();
	look->applications = json_object_new_array();
	look->unknown = json_object_new_array();
	if (doc_set(look->facts, "attention", look->attention) < 0 ||
	    doc_set(look->facts, "applications", look->applications) < 0 || doc_set(look->facts, "unknown", look->unknown) < 0)
		return -ENOMEM;
	return r;
}

static int gather(struct look *look)
{
	struct mount *mount = look->r->mount;
	int r = begin(look);

	if (r < 0)
		return r;
	/* Side by side. */
	source_prefetch(mount, kind_find("application"));
	if (!shown_is_left_out(mount, kind_find("deployment")))
		source_prefetch(mount, kind_find("deployment"));
	source_prefetch_part(mount, usage_part());
	r = add_list(look, "application", overview_add_applications);
	if (r == 0)
		r = add_list(look, "deployment", overview_add_deployments);
	if (r == 0)
		r = overview_finish_applications(look);
	if (r == 0)
		r = add_details(look);
	if (r == 0)
		r = add_usage(look);
	if (r == 0)
		r = add_mount(look);
	if (r == 0)
		json_object_array_sort(look->attention, compare_lines);
	return r;
}

static int print(struct request *r, struct buf *out, int (*write)(struct json_object *facts, struct buf *out))
{
	struct look look = { .r = r };
	int result = request_need_worker(r);

	if (result == 0)
		result = gather(&look);
	if (result == 0)
		result = write(look.facts, out);
	details_clear(&look);
	json_object_put(look.index);
	json_object_put(look.facts);
	return result;
}

int overview_print(struct request *r, struct buf *out)
{
	return print(r, out, overview_write);
}

static int write_json(struct json_object *facts, struct buf *out)
{
	int r = doc_write(facts, false, out);

	return r < 0 ? r : buf_addc(out, '\n');
}

int overview_print_json(struct request *r, struct buf *out)
{
	return print(r, out, write_json);
}
