#include "fs/core/failures.h"

#include <errno.h>
#include <json-c/json.h>

#include "api/base/clock.h"
#include "api/base/rand.h"
#include "api/base/lock.h"
#include "fs/core/below.h"
#include "fs/core/hash.h"
#include "fs/core/trail.h"

/* What is remembered for one path. */
struct memo {
	UT_hash_handle hh; /* a table's order is that of its additions: its head is the oldest */
	char *path;        /* owned */
	char *data;        /* owned; wiped */
	size_t len;
	int64_t time_ns;
};

DECLARE_LOCK(failures);
struct failures {
	struct lock lock;
	struct trail *lines;                               /* owned; at most FAILURES_MAX; has a lock of its own */
	uint64_t serial GUARDED_BY(failures_locked);       /* number of lines ever written */
	struct memo *texts GUARDED_BY(failures_locked);    /* at most FAILURES_MAX */
	struct memo *rejected GUARDED_BY(failures_locked); /* at most REJECTED_MAX and REJECTED_BYTES_MAX */
	size_t rejected_bytes GUARDED_BY(failures_locked);
};
DEFINE_LOCK(failures, struct failures, lock)

static struct memo *memo_free(struct memo *memo)
{
	if (!memo)
		return NULL;
	if (memo->data)
		wipe(memo->data, memo->len);
	free(memo->data);
	free(memo->path);
	free(memo);
	return NULL;
}

static struct memo *memo_new(const char *path, const char *data, size_t len)
{
	struct memo *memo = calloc(1, sizeof(*memo));

	if (!memo)
		return NULL;
	memo->path = strdup(path);
	memo->data = malloc(len + 1);
	if (!memo->path || !memo->data)
		return memo_free(memo);
	memcpy(memo->data, data, len);
	memo->data[len] = '\0';
	memo->len = len;
	memo->time_ns = clock_wall_ns();
	return memo;
}

static struct memo *memo_find(struct memo *table, const char *path)
{
	struct memo *memo;

	HASH_FIND_STR(table, path, memo);
	return memo;
}

static struct memo *memo_take(struct memo **table, struct memo *memo)
{
	if (memo)
		HASH_DEL(*table, memo);
	return memo;
}

/* False where there is no memory for it; the memo is the caller's then. */
static bool memo_add(struct memo **table, struct memo *memo)
{
	HASH_ADD_KEYPTR(hh, *table, memo->path, strlen(memo->path), memo);
	return memo->hh.tbl != NULL;
}

struct failures *failures_new(void)
{
	struct failures *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	lock_init(&f->lock);
	f->lines = trail_new(FAILURES_MAX, FAILURES_BYTES_MAX);
	return f->lines ? f : failures_free(f);
}

static void drop_rejected_locked(struct failures *f, struct memo *memo) REQUIRES(failures_locked)
{
	failures_assert_locked(f);
	if (!memo)
		return;
	f->rejected_bytes -= memo->len;
	memo_free(memo_take(&f->rejected, memo));
}

struct failures *failures_free(struct failures *f)
{
	if (!f)
		return NULL;
	failures_lock(f);
	while (f->texts)
		memo_free(memo_take(&f->texts, f->texts));
	while (f->rejected)
		drop_rejected_locked(f, f->rejected);
	failures_unlock(f);
	trail_free(f->lines);
	lock_destroy(&f->lock);
	free(f);
	return NULL;
}

/* A JSON string. File names can hold any bytes, and a text may have been cut inside a character: JSON cannot show those. */
static int add_string(struct json_object *line, const char *key, const char *value)
{
	cleanup_buf_ struct buf b = BUF_INIT;
	struct json_object *string;
	int r = buf_adds_utf8(&b, value);

	if (r < 0)
		return r;
	string = json_object_new_string_len(b.data ? b.data : "", (int)b.len);
	if (!string || json_object_object_add(line, key, string) < 0) {
		json_object_put(string);
		return -ENOMEM;
	}
	return 0;
}

static int add_number(struct json_object *line, const char *key, int value)
{
	struct json_object *number;

	if (!value)
		return 0;
	number = json_object_new_int(value);
	if (!number || json_object_object_add(line, key, number) < 0) {
		json_object_put(number);
		return -ENOMEM;
	}
	return 0;
}

static int fill_line(struct json_object *line, const char *path, const char *op, const struct err *err)
{
	char when[CLOCK_TEXT_SIZE];
	int r;

	clock_format_rfc3339(clock_wall_ns(), when, sizeof(when));
	r = add_string(line, "time", when);
	if (r == 0)
		r = add_string(line, "path", path);
	if (r == 0)
		r = add_string(line, "operation", op);
	if (r == 0)
		r = add_string(line, "errno", errno_name(err->errnum));
	if (r == 0)
		r = add_string(line, "message", err->text[0] ? err->text : strerrordesc_np(err->errnum));
	if (r == 0)
		r = add_number(line, "http_status", err->http_status);
	if (r == 0)
		r = add_number(line, "api_code", err->api_code);
	if (r == 0 && err->code[0])
		r = add_string(line, "code", err->code);
	if (r == 0 && err->request_id[0])
		r = add_string(line, "request_id", err->request_id);
	return r;
}

/* Freed by the caller; NULL without memory. */
static char *make_line(const char *path, const char *op, const struct err *err)
{
	struct json_object *line = json_object_new_object();
	const char *text;
	char *ret = NULL;

	if (!line)
		return NULL;
	if (fill_line(line, path, op, err) == 0) {
		text = json_object_to_json_string_ext(line, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
		if (text)
			ret = text_new("%s\n", text);
	}
	json_object_put(line);
	return ret;
}

/* Takes memo over. */
static void keep_text_locked(struct failures *f, const char *path, struct memo *memo) REQUIRES(failures_locked)
{
	failures_assert_locked(f);
	memo_free(memo_take(&f->texts, memo_find(f->texts, path)));
	if (memo && !memo_add(&f->texts, memo))
		memo_free(memo);
	if (HASH_COUNT(f->texts) > FAILURES_MAX)
		memo_free(memo_take(&f->texts, f->texts));
}

/* Takes memo over. */
static void keep_rejected_locked(struct failures *f, struct memo *memo) REQUIRES(failures_locked)
{
	failures_assert_locked(f);
	drop_rejected_locked(f, memo_find(f->rejected, memo->path));
	if (memo->len > REJECTED_BYTES_MAX || !memo_add(&f->rejected, memo)) {
		memo_free(memo);
		return;
	}
	f->rejected_bytes += memo->len;
	while (HASH_COUNT(f->rejected) > REJECTED_MAX || f->rejected_bytes > REJECTED_BYTES_MAX)
		drop_rejected_locked(f, f->rejected);
}

void failures_add(struct failures *f, const char *path, const char *op, const struct err *err, const char *content, size_t len)
{
	const char *text = err->text[0] ? err->text : strerrordesc_np(err->errnum);
	cleanup_free_ char *line = make_line(path, op, err);
	struct memo *memo = memo_new(path, text ? text : "", text ? strlen(text) : 0);
	/* Whatever the name that it was written under: a private key is nobody's to keep. */
	bool keep = content && !memmem(content, len, "PRIVATE KEY", strlen("PRIVATE KEY"));
	struct memo *rejected = keep ? memo_new(path, content, len) : NULL;

	bool told = line && trail_add(f->lines, line, strlen(line)) == 0;

	scope_lock(failures, f);
	f->serial += told;
	keep_text_locked(f, path, memo);
	if (rejected)
		keep_rejected_locked(f, rejected);
}

void failures_clear(struct failures *f, const char *path)
{
	scope_lock(failures, f);
	memo_free(memo_take(&f->texts, memo_find(f->texts, path)));
}

char *failures_text(struct failures *f, const char *path)
{
	struct memo *memo;

	scope_lock(failures, f);
	memo = memo_find(f->texts, path);
	return memo ? strdup(memo->data) : NULL;
}

static bool is_right_below(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	/* The root's path ends in its slash. */
	if (n && dir[n - 1] == '/')
		n--;
	return !strncmp(path, dir, n) && path[n] == '/' && !strchr(path + n + 1, '/');
}

char *failures_text_below(struct failures *f, const char *dir)
{
	struct memo *memo, *next, *last = NULL;

	scope_lock(failures, f);
	HASH_ITER(hh, f->texts, memo, next) {
		if (is_right_below(memo->path, dir))
			last = memo;
	}
	return last ? strdup(last->data) : NULL;
}

struct trail *failures_trail(struct failures *f)
{
	return f->lines;
}

int failures_rejected(struct failures *f, const char *path, struct buf *ret)
{
	struct memo *memo;

	scope_lock(failures, f);
	memo = memo_find(f->rejected, path);
	return memo ? buf_add(ret, memo->data, memo->len) : -ENOENT;
}

int64_t failures_rejected_time(struct failures *f, const char *path)
{
	struct memo *memo;

	scope_lock(failures, f);
	memo = memo_find(f->rejected, path);
	return memo ? memo->time_ns : 0;
}

int failures_rejected_each(struct failures *f, const char *dir, int (*each)(void *arg, const char *name, bool is_dir), void *arg)
{
	cleanup_below_ struct below below = { 0 };
	int r = 0;

	failures_lock(f);
	for (struct memo *memo = f->rejected; memo && r == 0; memo = memo->hh.next)
		r = below_add(&below, memo->path, dir);
	failures_unlock(f);
	/* The callback may take the tree's lock, which comes before this one. */
	return r < 0 ? r : below_each(&below, each, arg);
}

uint64_t failures_serial(struct failures *f)
{
	scope_lock(failures, f);
	return f->serial;
}
