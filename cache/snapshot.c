#include "cache/snapshot.h"

#include "api/base/clock.h"
#include "api/base/rand.h"
#include "cache/store_private.h"

static char *put_string(char **at, const char *s)
{
	size_t n = strlen(s) + 1;
	char *start = *at;

	memcpy(start, s, n);
	*at += n;
	return start;
}

/* Without a lock: nobody else knows it yet. */
static void set_body(struct snapshot *s, struct body *body) NO_THREAD_SAFETY_ANALYSIS
{
	s->body = body;
}

/* One allocation for the struct and its strings: there are as many snapshots as resources. */
struct snapshot *snapshot_new(const struct snapshot_fields *f)
{
	const char *name = f->name && *f->name ? f->name : f->id;
	bool own_name = strcmp(name, f->id) != 0;
	size_t size = sizeof(struct snapshot) + strlen(f->id) + 1 + (own_name ? strlen(name) + 1 : 0) +
		      (f->parent_id ? strlen(f->parent_id) + 1 : 0);
	cleanup_(body_unrefp) struct body *body = body_new_like(f->body, f->body ? f->body_len : 0, f->like);
	struct snapshot *s = body ? calloc(1, size) : NULL;
	char *at;

	if (!s)
		return NULL;
	at = (char *)(s + 1);
	atomic_init(&s->refs, 1);
	s->traits = f->traits;
	s->id = put_string(&at, f->id);
	s->name = own_name ? put_string(&at, name) : s->id;
	if (f->parent_id)
		s->parent_id = put_string(&at, f->parent_id);
	s->version = f->version;
	s->created_ns = f->created_ns;
	s->updated_ns = f->updated_ns;
	s->seen_ns = clock_wall_ns();
	s->fetched_ms = f->fetched_ms;
	s->hash = hash64(f->body ? f->body : "", f->body ? f->body_len : 0);
	set_body(s, steal_ptr(body));
	return s;
}

struct snapshot *snapshot_ref(struct snapshot *s)
{
	if (s)
		(void)invariant(atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed) > 0);
	return s;
}

struct snapshot *snapshot_unref(struct snapshot *s)
{
	if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
		return NULL;
	memory_release(s);
	free(s);
	return NULL;
}

struct body *snapshot_body(struct snapshot *s)
{
	cleanup_(body_unrefp) struct body *body = memory_body(s);

	return body_plain(body);
}

bool snapshot_touch(struct snapshot *s)
{
	cleanup_(body_unrefp) struct body *body = memory_body(s);

	return body;
}
