/* Extended attributes user.cfcfs.*: what is known of a resource and not in its file. Read-only. */
#include "fs/ops/ops.h"

#include <errno.h>

#include "api/base/clock.h"
#include "fs/core/failures.h"
#include "fs/ops/reply.h"
#include "fs/show/images.h"
#include "fs/show/source.h"
#include "fs/core/stage.h"
#include "fs/show/view.h"

#define PREFIX "user.cfcfs."

struct facts {
	struct request *r;
	const struct subject *s;
	const struct view *view;
	char *error; /* owned; NULL: none */
};

/* Each appends the value; -ENODATA where there is none. */
struct xattr {
	const char *name;
	int (*get)(const struct facts *f, struct buf *out);
	bool moment; /* it speaks of the moment, not of the resource: not listed, so that copies with xattrs settle */
};

static const struct snapshot *snapshot_of(const struct facts *f)
{
	return f->s->what.id ? f->view->snapshot : NULL;
}

static int get_id(const struct facts *f, struct buf *out)
{
	return f->s->what.id && f->s->what.kind && !stage_is_id(f->s->what.id) ? buf_adds(out, f->s->what.id) : -ENODATA;
}

static int get_kind(const struct facts *f, struct buf *out)
{
	return f->s->what.kind ? buf_adds(out, f->s->what.kind->name) : -ENODATA;
}

static int get_version(const struct facts *f, struct buf *out)
{
	const struct snapshot *s = snapshot_of(f);

	return s && s->version >= 0 ? buf_addf(out, "%lld", (long long)s->version) : -ENODATA;
}

static int add_time(int64_t ns, struct buf *out)
{
	char text[CLOCK_TEXT_SIZE];

	return ns ? buf_adds(out, clock_format_rfc3339(ns, text, sizeof(text))) : -ENODATA;
}

static int get_created(const struct facts *f, struct buf *out)
{
	const struct snapshot *s = snapshot_of(f);

	return add_time(s ? s->created_ns : 0, out);
}

static int get_updated(const struct facts *f, struct buf *out)
{
	const struct snapshot *s = snapshot_of(f);

	return add_time(s ? s->updated_ns : 0, out);
}

static int get_url(const struct facts *f, struct buf *out)
{
	const struct options *o = f->r->mount->options;
	const struct kind *kind = f->s->what.kind;
	const char *template = !kind             ? NULL :
			       f->s->what.part   ? f->s->what.part->path :
			       kind->item        ? kind->item :
			       kind->delete_item ? kind->delete_item :
						   kind->collection;
	cleanup_free_ char *path = NULL;

	if (!template || stage_is_id(f->s->what.id) || stage_is_id(f->s->what.parent_id) ||
	    kind_path(template, f->s->what.parent_id, f->s->what.id, NULL, &path) < 0)
		return -ENODATA;
	return buf_addf(out, "%s/accounts/%s/containers%s", f->r->mount->base_url, o->account_id, path);
}

static int get_age(const struct facts *f, struct buf *out)
{
	int64_t ms = clock_now_ms() - f->view->info.fetched_ms;

	return f->view->info.fetched_ms ? buf_addf(out, "%.3f", (double)ms / MSEC_PER_SEC) : -ENODATA;
}

static int get_stale(const struct facts *f, struct buf *out)
{
	return f->view->info.fetched_ms ? buf_adds(out, f->view->info.stale ? "true" : "false") : -ENODATA;
}

static int get_pending(const struct facts *f, struct buf *out)
{
	return f->view->pending ? buf_adds(out, f->view->pending) : -ENODATA;
}

/* Seconds that the mount may still stand: who wants to mount in its place waits that long. */
static int get_ending(const struct facts *f, struct buf *out)
{
	int64_t by = f->r->mount->ending_ms, left = by - clock_now_ms();

	return by ? buf_addf(out, "%.3f", (double)(left > 0 ? left : 0) / MSEC_PER_SEC) : -ENODATA;
}

static int get_staged(const struct facts *f, struct buf *out)
{
	return f->view->staged ? buf_adds(out, staged_word(staged_verb(f->view->staged))) : -ENODATA;
}

static int get_error(const struct facts *f, struct buf *out)
{
	return f->error ? buf_adds(out, f->error) : -ENODATA;
}

static int get_digest(const struct facts *f, struct buf *out)
{
	return f->s->what.place == PLACE_IMAGE ? images_digest(f->r, &f->s->what, out) : -ENODATA;
}

static int get_used_by(const struct facts *f, struct buf *out)
{
	return f->s->what.place == PLACE_IMAGE ? images_used_by(f->r, &f->s->what, out) : -ENODATA;
}

static const struct xattr xattrs[] = {
	{ "id", get_id, false },
	{ "kind", get_kind, false },
	{ "version", get_version, false },
	{ "created_at", get_created, false },
	{ "updated_at", get_updated, false },
	{ "url", get_url, false },
	{ "age", get_age, true },
	{ "stale", get_stale, true },
	{ "pending", get_pending, true },
	{ "staged", get_staged, true },
	{ "error", get_error, true },
	{ "ending", get_ending, true },
	{ "digest", get_digest, true },
	{ "used_by", get_used_by, true },
};

static int gather(struct request *r, struct subject *s, struct view *view, struct facts *f)
{
	cleanup_free_ char *path = entry_path(s->tree, s->entry, NULL);
	int result = 0;

	*f = (struct facts){ .r = r, .s = s, .view = view };
	f->error = path ? failures_text(r->mount->failures, path) : NULL;
	/* A file that never came to be cannot carry its failure: its directory does. */
	if (path && !f->error && subject_is_dir(s))
		f->error = failures_text_below(r->mount->failures, path);
	if (subject_is_dir(s) || !place_is_of_account(s->what.place) || (s->what.place == PLACE_RESOURCE && !s->what.id))
		return 0;
	result = view_make(r, &s->what, &s->version, view);
	/* A draft over nothing, or a resource that went away: what is left is the failure. */
	return result == -ENOENT ? 0 : result;
}

static int reply_value(struct request *r, size_t room, const struct buf *value)
{
	if (room == 0) {
		if (r->worker)
			fuse_req_interrupt_func(r->fuse, NULL, NULL);
		fuse_reply_xattr(r->fuse, value->len);
		return 0;
	}
	if (value->len > room)
		return -ERANGE;
	return reply_buf(r, value->data ? value->data : "", value->len);
}

int op_getxattr(struct request *r)
{
	const char *attribute = r->getxattr.attribute;
	cleanup_subject_ struct subject s = { 0 };
	cleanup_view_ struct view view = { 0 };
	cleanup_buf_ struct buf value = BUF_INIT;
	struct facts f = { 0 };
	int result = -ENODATA;

	/* Told at once that there is nothing else, ls asks once for a listing instead of once for a file. */
	if (strncmp(attribute, "user.", 5))
		return -EOPNOTSUPP;
	if (strncmp(attribute, PREFIX, strlen(PREFIX)))
		return -ENODATA;
	for (size_t i = 0; i < array_len(xattrs); i++) {
		if (strcmp(attribute + strlen(PREFIX), xattrs[i].name))
			continue;
		result = subject_init(r, r->ino, &s);
		if (result == 0)
			result = gather(r, &s, &view, &f);
		if (result == 0)
			result = xattrs[i].get(&f, &value);
		free(f.error);
		break;
	}
	return result < 0 ? result : reply_value(r, r->getxattr.size, &value);
}

int op_listxattr(struct request *r)
{
	cleanup_subject_ struct subject s = { 0 };
	cleanup_view_ struct view view = { 0 };
	cleanup_buf_ struct buf names = BUF_INIT, unused = BUF_INIT;
	struct facts f = { 0 };
	int result = subject_init(r, r->ino, &s);

	if (result == 0)
		result = gather(r, &s, &view, &f);
	for (size_t i = 0; result == 0 && i < array_len(xattrs); i++) {
		if (!xattrs[i].moment && xattrs[i].get(&f, &unused) == 0)
			result = buf_addf(&names, PREFIX "%s", xattrs[i].name) < 0 || buf_addc(&names, '\0') < 0 ? -ENOMEM : 0;
	}
	free(f.error);
	return result < 0 ? result : reply_value(r, r->listxattr.size, &names);
}
