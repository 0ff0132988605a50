#include "emulator/reqlog.h"

#include <errno.h>

#include "api/base/lock.h"
#include "emulator/fault.h"

struct entry {
	uint64_t number;
	int64_t wall_ms; /* of its arrival */
	int64_t start;   /* monotonic */
	int64_t took_ms; /* -1: not answered yet */
	int status;
	bool faulted;
	char method[12];
	char account[33];
	char *path; /* owned; path, query and url in one piece of memory */
	const char *query, *url;
	char *body; /* owned */
	size_t bytes;
};

DECLARE_LOCK(reqlog);

struct reqlog {
	struct lock lock;
	struct entry *ring GUARDED_BY(reqlog_locked);                             /* owned; entry n is at n % REQLOG_MAX */
	uint64_t first GUARDED_BY(reqlog_locked), next GUARDED_BY(reqlog_locked); /* numbers: those kept are first <= n < next */
	size_t bytes GUARDED_BY(reqlog_locked);                                   /* of texts */
};
DEFINE_LOCK(reqlog, struct reqlog, lock)

/* Nobody else knows it yet. */
struct reqlog *reqlog_new(void) NO_THREAD_SAFETY_ANALYSIS
{
	struct reqlog *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->ring = calloc(REQLOG_MAX, sizeof(*l->ring));
	if (!l->ring) {
		free(l);
		return NULL;
	}
	l->first = l->next = 1;
	lock_init(&l->lock);
	return l;
}

static void drop_first_locked(struct reqlog *l) REQUIRES(reqlog_locked)
{
	struct entry *e = &l->ring[l->first++ % REQLOG_MAX];

	reqlog_assert_locked(l);
	l->bytes -= e->bytes;
	free(e->path);
	free(e->body);
	memset(e, 0, sizeof(*e));
}

void reqlog_clear(struct reqlog *l)
{
	scope_lock(reqlog, l);
	while (l->first < l->next)
		drop_first_locked(l);
}

/* Nobody knows it any more. */
struct reqlog *reqlog_free(struct reqlog *l) NO_THREAD_SAFETY_ANALYSIS
{
	if (!l)
		return NULL;
	reqlog_clear(l);
	lock_destroy(&l->lock);
	free(l->ring);
	free(l);
	return NULL;
}

static char *join_texts(const char *path, const char *query, const char *url, size_t *ret_len)
{
	size_t a = strlen(path) + 1, b = strlen(query) + 1, n = strlen(url) + 1;
	char *text = malloc(a + b + n);

	if (!text)
		return NULL;
	memcpy(text, path, a);
	memcpy(text + a, query, b);
	memcpy(text + a + b, url, n);
	*ret_len = a + b + n;
	return text;
}

uint64_t reqlog_begin(struct reqlog *l, const struct exchange *ex, const char *account, const char *path)
{
	struct entry *e;
	uint64_t number;

	scope_lock(reqlog, l);
	number = l->next;
	if (l->next - l->first >= REQLOG_MAX)
		drop_first_locked(l);
	e = &l->ring[number % REQLOG_MAX];
	memset(e, 0, sizeof(*e));
	e->path = join_texts(path, ex->query, ex->path, &e->bytes);
	if (!e->path)
		return 0;
	l->next++;
	e->query = e->path + strlen(path) + 1;
	e->url = e->query + strlen(ex->query) + 1;
	e->number = number;
	e->wall_ms = clock_wall_ns() / NSEC_PER_MSEC;
	e->start = clock_now_ms();
	e->took_ms = -1;
	snprintf(e->method, sizeof(e->method), "%s", ex->method);
	snprintf(e->account, sizeof(e->account), "%s", account);
	l->bytes += e->bytes;
	while (l->bytes > REQLOG_BYTES_MAX && l->first < number)
		drop_first_locked(l);
	return number;
}

void reqlog_end(struct reqlog *l, uint64_t number, int status, const char *body, bool faulted)
{
	size_t len = body ? strlen(body) : 0;
	struct entry *e;

	scope_lock(reqlog, l);
	if (number < l->first || number >= l->next)
		return;
	e = &l->ring[number % REQLOG_MAX];
	e->status = status;
	e->faulted = faulted;
	e->took_ms = clock_now_ms() - e->start;
	if (!len)
		return;
	e->body = strndup(body, REQLOG_BODY_MAX);
	if (e->body) {
		len = len < REQLOG_BODY_MAX ? len : REQLOG_BODY_MAX;
		e->bytes += len;
		l->bytes += len;
	}
}

static void list_one(struct out *o, const struct entry *e)
{
	out_raws(o, "{");
	out_kint(o, "n", (int64_t)e->number);
	out_kint(o, "time_ms", e->wall_ms);
	out_kstr(o, "method", e->method);
	out_kstr(o, "path", e->path);
	out_kstr(o, "query", e->query);
	out_kint(o, "status", e->status);
	out_kint(o, "milliseconds", e->took_ms);
	out_kstr(o, "body", e->body ? e->body : "");
	out_kstr(o, "account", e->account);
	out_kstr(o, "url", e->url);
	if (e->faulted)
		out_kbool(o, "fault", true);
	out_close(o, '}');
}

void reqlog_list(struct reqlog *l, struct out *o, uint64_t since, const char *method, const char *glob)
{
	bool any = false;

	scope_lock(reqlog, l);
	out_raws(o, "[");
	for (uint64_t n = since > l->first ? since : l->first; n < l->next; n++) {
		const struct entry *e = &l->ring[n % REQLOG_MAX];

		if ((method && strcasecmp(method, e->method) != 0) || (glob && !fault_glob(glob, e->path)))
			continue;
		/* The comma first: an entry must begin its line with a brace. */
		out_raws(o, any ? ",\n" : "\n");
		any = true;
		list_one(o, e);
	}
	out_raws(o, any ? "\n]\n" : "]\n");
}

uint64_t reqlog_count(struct reqlog *l)
{
	scope_lock(reqlog, l);
	return l->next - l->first;
}
